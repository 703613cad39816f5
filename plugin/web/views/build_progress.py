"""What follows the button: ten seconds to undo, the timeline, a refund by hand, and the end.

Pure: reads the rows of one decided plan and says what happened to the money and what comes next.
"""

from __future__ import annotations

from plugin.domain.effects import (
    AddTicketNote,
    CancelSubscription,
    EffectState,
    RemoveTag,
    RevokeAccess,
    TellCustomer,
)
from plugin.domain.orders import Resource, ResourceKind
from plugin.domain.refunds import RefundState
from plugin.ports.platforms import WorksheetStep
from plugin.services.wording import kind_word
from plugin.web.views.build_orders import Telling, order_key
from plugin.web.views.build_timeline import LATER_MS, Progress, build_under_way, steps_of
from plugin.web.views.panel_blocks import (
    CopyRow,
    DoneBlock,
    Lot,
    LotItem,
    LotKind,
    SheetState,
    SheetStep,
    UndoBlock,
    Worksheet,
)
from plugin.web.views.panel_parts import Ask, Icon, Link, Notice, Press, Tone
from plugin.web.views.panel_view import ByHand, Done, TenSeconds, UnderWay

_S = RefundState
_OURS = frozenset({"by_hand", "reported_by_store", "reported_by_gateway"})
"""Why a refund by hand counts as done: words of ours, no reference of a bank."""

ProgressState = TenSeconds | UnderWay | ByHand | Done


def build_progress(tell: Telling, progress: Progress) -> ProgressState:
    """The picture for how far it is."""
    states = {refund.state for refund in progress.refunds}
    first_try = all(r.attempt == 1 and not r.looks for r in progress.refunds)
    if states == {_S.RESERVED} and first_try and progress.refunds[0].send_at > tell.now:
        return _ten_seconds(tell, progress)
    if _S.MANUAL in states:
        return _by_hand(tell, progress)
    if states <= {_S.SUCCEEDED} and progress.is_over:
        return _done(tell, progress)
    return build_under_way(tell, progress)


def _ten_seconds(tell: Telling, progress: Progress) -> TenSeconds:
    left = (progress.refunds[0].send_at - tell.now).total_seconds()
    return TenSeconds(
        tell.say("way.title", amount=tell.both(progress.plan.amount)),
        UndoBlock(
            order_key(progress.order.ref),
            progress.plan.id,
            tell.money(progress.plan.amount),
            max(1, min(10, round(left))),
        ),
        tell.say("undo.foot"),
    )


def _by_hand(tell: Telling, progress: Progress) -> ByHand:
    """One worksheet for all that a person must pay; what a program pays goes its own way."""
    by_hand = [r for r in progress.refunds if r.state is _S.MANUAL]
    refund = by_hand[0]
    store = tell.titles.get(refund.payment.installation, "")
    part = next(p for p in progress.plan.parts if p.payment == refund.payment)
    amount = sum((r.amount for r in by_hand[1:]), start=refund.amount)
    may_undo = len(by_hand) == len(progress.refunds)
    return ByHand(
        Worksheet(
            order_key(progress.order.ref),
            progress.plan.id,
            tell.say("hand.title", store=store),
            tell.money(amount),
            tell.say("hand.intro", store=store, n=len(progress.worksheet)),
            tuple(
                _sheet_step(tell, progress, place, step, part.deep_link)
                for place, step in enumerate(progress.worksheet)
            ),
            tell.say("hand.attest", amount=tell.both(amount)),
            tell.say("hand.attest.sub"),
            tell.say("hand.undo") if may_undo else "",
        ),
        steps_of(tell, progress),
        LATER_MS,
    )


def _sheet_step(
    tell: Telling, progress: Progress, place: int, step: WorksheetStep, deep_link: str | None
) -> SheetStep:
    """One step: the way in stands on the first, what to look for on the second."""
    address = deep_link or step.link
    is_way = place == 0 and address is not None and address.startswith("https://")
    order = progress.order
    copy = (
        CopyRow(tell.say("copy.email.label"), order.email, tell.say("copy.email")),
        CopyRow(tell.say("copy.order.label"), order.number, tell.say("copy.order")),
    )
    return SheetStep(
        step.text,
        SheetState.ON if place == 0 else SheetState.LATER,
        step.hint,
        Link(step.text, address) if is_way and address is not None else None,
        copy if place == 1 else (),
    )


def _done(tell: Telling, progress: Progress) -> Done:
    order = progress.order
    references = [r.reason for r in progress.refunds if r.reason and r.reason not in _OURS]
    text = [tell.say("done.bank")]
    if references:
        text.append(tell.say("done.reference", reference=references[0]))
    fields = (("order", order_key(order.ref)), ("again", "yes"))
    again = (Press(tell.say("done.again"), Ask.ORDER, fields),)
    return Done(
        order_key(order.ref),
        progress.plan.id,
        DoneBlock(
            Notice(
                Tone.GOOD,
                Icon.YES,
                tell.say("done.title", amount=tell.both(progress.plan.amount)),
                " ".join(text),
            ),
            _done_lots(tell, progress),
            _told(tell, progress),
            again if order.refunded < order.paid else (),
        ),
        steps_of(tell, progress),
    )


def _told(tell: Telling, progress: Progress) -> str:
    """Who was told when, and whether the ticket has a note."""
    done = [e for e in progress.effects if e.state in (EffectState.DONE, EffectState.ALREADY)]
    noted = any(isinstance(e.planned.effect, AddTicketNote) for e in done)
    for effect in done:
        if isinstance(effect.planned.effect, TellCustomer) and effect.changed_at is not None:
            return tell.say(
                "done.told" if noted else "done.told_only",
                name=progress.name,
                time=tell.time(effect.changed_at),
            )
    return tell.say("done.noted") if noted else ""


def _done_lots(tell: Telling, progress: Progress) -> tuple[Lot, ...]:
    gone, still = [], []
    when = None
    for stored in progress.effects:
        match stored.planned.effect:
            case RevokeAccess(resource) | RemoveTag(resource):
                item = _item(resource)
            case CancelSubscription():
                item = LotItem("", tell.say("done.renewal"))
            case _:
                continue
        if stored.state in (EffectState.DONE, EffectState.ALREADY):
            gone.append(item)
            when = stored.changed_at or when
        else:
            still.append(item)
    stayed = tuple(_item(i.resource) for i in progress.plan.stays)
    unknown = tuple(
        LotItem("", item.title) for item in progress.plan.unknown if item.resource is None
    )
    lots = (
        Lot(LotKind.GOES, tuple(gone), tell.time(when) if when else ""),
        Lot(LotKind.STAYS, stayed, tell.say("done.as_planned")),
        Lot(LotKind.UNKNOWN, (*still, *unknown), ""),
    )
    return tuple(lot for lot in lots if lot.items)


def _item(resource: Resource) -> LotItem:
    return LotItem(
        kind_word(resource.kind),
        resource.name or resource.ref,
        "",
        resource.kind is ResourceKind.TAG,
    )
