"""What follows the button: ten seconds to undo, the timeline, a refund by hand, and the end.

Pure: reads the rows of one decided plan and says what happened to the money and what comes next.
"""

from __future__ import annotations

from dataclasses import replace

from plugin.domain.effects import (
    AddTicketNote,
    CancelSubscription,
    EffectState,
    RemoveTag,
    RevokeAccess,
    TellCustomer,
)
from plugin.domain.messages import is_own_reason, reason_words
from plugin.domain.orders import Resource, ResourceKind
from plugin.domain.plan import Untold
from plugin.domain.refunds import RefundState, is_undoable
from plugin.ports.platforms import WorksheetStep
from plugin.services.wording import kind_word
from plugin.web.views.build_orders import Telling, order_key
from plugin.web.views.build_plan import build_unknown
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
            only="" if progress.rights.undo else _undo_only(tell, progress, "undo"),
        ),
        tell.say("undo.foot"),
    )


def _undo_only(tell: Telling, progress: Progress, key: str) -> str:
    """Who can take it back, for one who cannot. Nobody is named where we know no more."""
    stored = progress.stored
    if stored.decider is None:
        return tell.say(f"{key}.only_lead")
    return tell.say(f"{key}.only", name=stored.decided_by or tell.say("undo.starter"))


def _by_hand(tell: Telling, progress: Progress) -> ByHand:
    """One worksheet for all that a person must pay; what a program pays goes its own way."""
    by_hand = [r for r in progress.refunds if r.state is _S.MANUAL]
    refund = by_hand[0]
    store = tell.titles.get(refund.payment.installation, "")
    way_in = progress.part(refund).deep_link
    amount = sum((r.amount for r in by_hand[1:]), start=refund.amount)
    rights = progress.rights
    may_undo = is_undoable(progress.refunds)
    if not rights.pay:
        only = tell.say("hand.only")
    elif may_undo and not rights.undo:
        only = _undo_only(tell, progress, "hand.undo")
    else:
        only = ""
    return ByHand(
        Worksheet(
            order_key(progress.order.ref),
            progress.plan.id,
            tell.say("hand.title", store=store),
            tell.money(amount),
            tell.say("hand.intro", store=store, n=len(progress.worksheet)),
            tuple(
                _sheet_step(tell, progress, place, step, store, way_in or step.link)
                for place, step in enumerate(progress.worksheet)
            ),
            tell.say("hand.attest", amount=tell.both(amount)) if rights.pay else "",
            tell.say("hand.attest.sub"),
            tell.say("hand.undo") if may_undo and rights.undo else "",
            tell.say("hand.release") if rights.pay and not may_undo else "",
            only,
        ),
        steps_of(tell, progress),
        LATER_MS,
    )


def _sheet_step(
    tell: Telling,
    progress: Progress,
    place: int,
    step: WorksheetStep,
    store: str,
    address: str | None,
) -> SheetStep:
    """One step: the way in stands on the first, what to look for on the second."""
    is_way = place == 0 and address is not None and address.startswith("https://")
    order = progress.order
    copy = (
        CopyRow(tell.say("copy.email.label"), order.email, tell.say("copy.email")),
        CopyRow(tell.say("copy.order.label"), order.number, tell.say("copy.order")),
    )
    first, stop, more = step.text.partition(". ")
    return SheetStep(
        first + stop.strip(),
        SheetState.ON if place == 0 else SheetState.LATER,
        " ".join(filter(None, (more, step.hint))),
        Link(tell.say("hand.open", store=store), address) if is_way and address else None,
        copy if place == 1 else (),
    )


def _done(tell: Telling, progress: Progress) -> Done:
    order = progress.order
    reasons = dict.fromkeys(r.reason for r in progress.refunds if r.reason)
    references = [reason for reason in reasons if not is_own_reason(reason)]
    text = [reason_words(reason, tell.locale) for reason in reasons if is_own_reason(reason)]
    text.append(tell.say("done.bank"))
    if references:
        text.append(tell.say("done.reference", reference=references[0]))
    not_there: tuple[Press, ...] = ()
    if progress.unshown and progress.rights.pay:
        text.append(tell.say("done.unshown"))
        asked = (("order", order_key(order.ref)), ("refund", progress.plan.id))
        not_there = tuple(
            Press(
                tell.say("done.not_there"),
                Ask.ATTEST,
                (*asked, ("part", part), ("found", "nothing")),
            )
            for part in progress.unshown
        )
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
                not_there,
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
    when, asked = None, 0
    for stored in progress.effects:
        match stored.planned.effect:
            case RevokeAccess(resource) | RemoveTag(resource):
                item, where = _item(resource), resource.installation
            case CancelSubscription(where):
                item = LotItem("", tell.say("done.renewal"))
            case _:
                continue
        if stored.state in (EffectState.DONE, EffectState.ALREADY):
            gone.append(item)
            when = stored.changed_at or when
        else:
            left = tell.say("done.left", store=tell.titles.get(where, ""))
            still.append(replace(item, because=left))
            asked = max(asked, stored.attempts)
    stayed = tuple(_item(i.resource) for i in progress.plan.stays)
    # Of what was left open for a store's silence or unseen orders, an effect tells how that went.
    unknown = tuple(
        build_unknown(tell, item)
        for item in progress.plan.unknown
        if item.why not in (Untold.STORE_SILENT, Untold.ORDERS_UNSEEN)
    )
    lots = (
        Lot(LotKind.GOES, tuple(gone), tell.time(when) if when else ""),
        Lot(LotKind.STAYS, stayed, tell.say("done.as_planned")),
        Lot(LotKind.UNKNOWN, (*still, *unknown), tell.say("done.asked", n=asked) if asked else ""),
    )
    return tuple(lot for lot in lots if lot.items)


def _item(resource: Resource) -> LotItem:
    return LotItem(
        kind_word(resource.kind),
        resource.name or resource.ref,
        "",
        resource.kind is ResourceKind.TAG,
    )
