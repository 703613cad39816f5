"""The panel's quieter states: no purchase, a weak match, a silent store, an open dispute.

Pure: says what happened to the money, what it waits for, and what to do next. Decides nothing.
"""

from __future__ import annotations

from plugin.services.find_orders import Evidence, FoundOrder, FoundOrders
from plugin.web.views.build_orders import Telling, build_head, order_key
from plugin.web.views.panel_blocks import Decide
from plugin.web.views.panel_parts import Ask, Icon, Notice, Press, Tone
from plugin.web.views.panel_view import (
    DisputeOpen,
    NothingFound,
    StoreOffline,
    Told,
    WeakMatch,
)

ASK_SILENT_STORE_MS = 60_000


def build_told(tell: Telling, key: str) -> Told:
    """Only a notice: `ticket.gone` or `desk.silent`."""
    return Told(Notice(Tone.WARN, Icon.WARN, tell.say(f"{key}.title"), tell.say(f"{key}.text")))


def build_nothing(tell: Telling, found: FoundOrders, typed: str = "") -> NothingFound:
    """Where it looked, and a search. `typed` is what was searched for in vain."""
    return NothingFound(
        tell.say("nothing.title"),
        tuple(tell.say("nothing.place", store=s.title) for s in found.stores if s.answered),
        tell.say("nothing.reply"),
        typed,
        tell.say("nothing.fault") if typed else "",
        tuple(tell.say("nothing.silent", store=s.title) for s in found.stores if not s.answered),
    )


def build_weak(tell: Telling, found: FoundOrder, *, fault: bool) -> WeakMatch:
    """One more proof first; whether it takes the agent's word for an address is said."""
    order = found.order
    key = "named" if Evidence.NAMED_EMAIL in found.evidence else "address"
    return WeakMatch(
        Notice(
            Tone.WARN,
            Icon.SHIELD,
            tell.say("weak.title"),
            tell.say(f"weak.text.{key}", name=order.name or order.number),
        ),
        tell.say("weak.question"),
        "10388",
        tell.say("weak.reply"),
        Decide(None, tell.say("decide.waits_proof")),
        tell.say("prove.fault") if fault else "",
        order_key(order.ref),
    )


def build_offline(tell: Telling, found: FoundOrder) -> StoreOffline:
    """Old data with its age; the money stays put."""
    order = found.order
    return StoreOffline(
        order_key(order.ref),
        order.title,
        Notice(
            Tone.WARN,
            Icon.CLOUD,
            tell.say("offline.title", store=found.store),
            tell.say("offline.text", age=tell.age(order.read_at)),
            (Press(tell.say("offline.ask_now"), Ask.ORDERS, (("order", order_key(order.ref)),)),),
        ),
        Decide(tell.money(order.paid), tell.say("decide.waits_store", store=found.store)),
        ASK_SILENT_STORE_MS,
    )


def build_dispute(tell: Telling, found: FoundOrder) -> DisputeOpen:
    """The bank holds the money; a sentence for the reply, and no button at all."""
    order = found.order
    disputed = order.disputed or order.paid
    return DisputeOpen(
        build_head(tell, order),
        Notice(
            Tone.BAD,
            Icon.NO,
            tell.say("dispute.title"),
            tell.say(
                "dispute.text.plain", name=order.name or order.email, amount=tell.both(disputed)
            ),
        ),
        tell.say("dispute.next"),
        tell.say("dispute.reply"),
    )
