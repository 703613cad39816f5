"""What follows the button: ten seconds to undo, the timeline, a refund by hand, and the end.

Pure: reads the rows of one decided plan and says what happened to the money and what comes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_time

from plugin.domain.effects import (
    AddTicketNote,
    CancelSubscription,
    EffectState,
    RemoveTag,
    RestoreAccess,
    RestoreTag,
    RevokeAccess,
    TellCustomer,
    TellOwner,
    VerifyAccess,
)
from plugin.domain.money import Money, total
from plugin.domain.orders import Order, Resource, ResourceKind
from plugin.domain.plan import Plan
from plugin.domain.refunds import Refund, RefundState
from plugin.domain.requests import RefundRequest
from plugin.ports.platforms import WorksheetStep
from plugin.ports.storage import RefundMove, StoredEffect
from plugin.services.plan_refund import Preview
from plugin.services.wording import amount_words, kind_word, locale_of
from plugin.web.views.build_orders import Telling, build_head, order_key
from plugin.web.views.build_plan import build_steps, parts_line, tally_of
from plugin.web.views.panel_blocks import (
    CopyRow,
    Decide,
    Difference,
    DifferenceRow,
    DoneBlock,
    Lot,
    LotItem,
    LotKind,
    NineSteps,
    PlanTicket,
    SheetState,
    SheetStep,
    Timeline,
    TimelineState,
    TimelineStep,
    UndoBlock,
    Worksheet,
)
from plugin.web.views.panel_parts import Ask, Icon, Link, Notice, Press, Tone
from plugin.web.views.panel_view import ByHand, ChangedSince, Done, TenSeconds, UnderWay

_S = RefundState
SOON_MS = 1000
LATER_MS = 5000
_OK = TimelineState.OK


@dataclass(frozen=True, slots=True)
class Progress:
    """All rows of one decided plan."""

    order: Order
    plan: Plan
    request: RefundRequest | None
    refunds: Sequence[Refund]
    moves: Sequence[RefundMove]
    effects: Sequence[StoredEffect]
    worksheet: Sequence[WorksheetStep]
    name: str


ProgressState = TenSeconds | UnderWay | ByHand | Done


def build_progress(tell: Telling, progress: Progress) -> ProgressState:
    """The picture for how far it is."""
    states = {refund.state for refund in progress.refunds}
    first_try = all(r.attempt == 1 and not r.looks for r in progress.refunds)
    if states == {_S.RESERVED} and first_try and progress.refunds[0].send_at > tell.now:
        return _ten_seconds(tell, progress)
    if _S.MANUAL in states:
        return _by_hand(tell, progress)
    if states <= {_S.SUCCEEDED} and all(e.state.over for e in progress.effects):
        return _done(tell, progress)
    return _under_way(tell, progress)


def is_over(refunds: Sequence[Refund]) -> bool:
    """Whether nothing of a decided plan is left to see: it was withdrawn, or refused as a whole."""
    return all(r.state in (_S.WITHDRAWN, _S.REFUSED) for r in refunds)


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


def _clock(tell: Telling, at: datetime) -> str:
    local = at.astimezone(ZoneInfo(tell.time_zone))
    return str(format_time(local, "HH:mm:ss", locale=locale_of(tell.locale)))


def _under_way(tell: Telling, progress: Progress) -> UnderWay:
    timelines = tuple(
        Timeline(
            (*_money_steps(tell, progress, refund), *_access_steps(tell, progress)),
            refund.label if len(progress.refunds) > 1 else "",
        )
        if place == len(progress.refunds) - 1
        else Timeline(_money_steps(tell, progress, refund), refund.label)
        for place, refund in enumerate(progress.refunds)
    )
    return UnderWay(
        order=order_key(progress.order.ref),
        refund=progress.plan.id,
        title=tell.say("way.title", amount=tell.both(progress.plan.amount)),
        timelines=timelines,
        steps=_steps(tell, progress),
        notice=_way_notice(tell, progress),
        certain=_certain(tell, progress),
        ask_again_ms=_ask_again(progress),
    )


def _steps(tell: Telling, progress: Progress) -> NineSteps | None:
    return None if progress.request is None else build_steps(tell, progress.request)


def _ask_again(progress: Progress) -> int | None:
    quick = (_S.RESERVED, _S.SUBMITTING, _S.SUCCEEDED)
    if any(r.state in quick for r in progress.refunds):
        return SOON_MS
    if any(r.wake_at is not None for r in progress.refunds):
        return LATER_MS
    return None


def _money_steps(
    tell: Telling, progress: Progress, refund: Refund
) -> tuple[TimelineStep, ...]:
    """Reserved, sent, confirmed: what happened, then what is, then what comes."""
    gateway = tell.titles.get(refund.payment.installation, "")
    when = {move.after: move.at for move in progress.moves if move.refund == refund.id}
    reserved = when.get(_S.RESERVED) or when.get(_S.MANUAL)
    steps = [
        TimelineStep(_OK, tell.say("way.reserved"), _clock(tell, reserved) if reserved else "")
    ]
    sent = TimelineStep(
        _OK,
        tell.say("way.sent", gateway=gateway),
        _clock(tell, when[_S.SUBMITTING]) if _S.SUBMITTING in when else "",
    )
    amount = amount_words(refund.amount, tell.locale)
    match refund.state:
        case _S.RESERVED:
            steps.append(
                TimelineStep(
                    TimelineState.NOW,
                    tell.say("way.sent", gateway=gateway),
                    "",
                    tell.say("way.sends", gateway=gateway) if refund.reason else "",
                )
            )
        case _S.SUBMITTING:
            steps.append(TimelineStep(TimelineState.NOW, tell.say("way.sent", gateway=gateway)))
        case _S.UNKNOWN | _S.NEEDS_PERSON:
            since = refund.changed_at or refund.send_at
            more = tell.say("way.silent.more", gateway=gateway)
            steps += [
                sent,
                TimelineStep(TimelineState.HUH, tell.say("way.silent"), tell.age(since), more),
            ]
        case _S.PENDING:
            more = tell.say("way.pending.more", gateway=gateway)
            steps += [sent, TimelineStep(TimelineState.NOW, tell.say("way.pending"), "", more)]
        case _S.SUCCEEDED:
            more = tell.say("way.confirmed.more", amount=amount, payment=refund.label)
            at = _clock(tell, when[_S.SUCCEEDED]) if _S.SUCCEEDED in when else ""
            if refund.reason == "by_hand":
                steps.append(TimelineStep(TimelineState.BY, tell.say("way.by_hand"), at, more))
            else:
                steps += [sent, TimelineStep(_OK, tell.say("way.confirmed"), at, more)]
        case _S.REFUSED:
            steps += [
                sent,
                TimelineStep(
                    TimelineState.STOP,
                    tell.say("way.refused"),
                    _clock(tell, when[_S.REFUSED]) if _S.REFUSED in when else "",
                    tell.say("way.refused.more", reason=refund.reason.replace("_", " ")),
                ),
            ]
        case _S.FAILED_LATER:
            steps += [
                sent,
                TimelineStep(
                    TimelineState.STOP,
                    tell.say("way.failed_later"),
                    _clock(tell, when[_S.FAILED_LATER]) if _S.FAILED_LATER in when else "",
                    tell.say("way.failed_later.more"),
                ),
            ]
        case _S.WITHDRAWN:
            steps.append(TimelineStep(TimelineState.STOP, tell.say("way.withdrawn")))
        case _S.MANUAL:
            steps.append(TimelineStep(TimelineState.NOW, tell.say("way.by_hand")))
    return tuple(steps)


def _access_steps(tell: Telling, progress: Progress) -> tuple[TimelineStep, ...]:
    """One step each for access, tags and telling; from the plan until the effects exist."""
    money_is_open = any(r.state is not _S.SUCCEEDED for r in progress.refunds)
    effects = progress.effects
    steps = []
    for key, kinds in (
        ("way.cancel", (CancelSubscription,)),
        ("way.access", (RevokeAccess,)),
        ("way.tags", (RemoveTag,)),
        ("way.keep", (RestoreAccess, RestoreTag)),
        ("way.tell", (TellCustomer, AddTicketNote)),
    ):
        planned = [e for e in progress.plan.effects if isinstance(e.effect, kinds)]
        stored = [e for e in effects if isinstance(e.planned.effect, kinds)]
        if not planned and not stored:
            continue
        name = tell.say(key, name=progress.name.split()[0] if progress.name.split() else "")
        if money_is_open or not stored:
            more = tell.say("way.access.waits") if key == "way.access" and money_is_open else ""
            steps.append(TimelineStep(TimelineState.NEXT, name, "", more))
            continue
        steps.append(_effect_step(tell, name, stored))
    return tuple(steps)


def _effect_step(tell: Telling, name: str, stored: Sequence[StoredEffect]) -> TimelineStep:
    over = [e for e in stored if e.state.over]
    trouble = [e for e in stored if e.state in (EffectState.NEEDS_PERSON, EffectState.UNKNOWN)]
    if trouble:
        more = tell.say("way.effect.person", what=", ".join(_thing(e) for e in trouble))
        return TimelineStep(TimelineState.HUH, name, f"{len(over)}/{len(stored)}", more)
    if len(over) == len(stored):
        at = max((e.changed_at for e in over if e.changed_at), default=None)
        return TimelineStep(_OK, name, _clock(tell, at) if at else "")
    waiting = next(e for e in stored if not e.state.over)
    more = tell.say("way.effect.waits", what=_thing(waiting)) if waiting.attempts > 1 else ""
    return TimelineStep(TimelineState.NOW, name, f"{len(over)}/{len(stored)}", more)


def _thing(stored: StoredEffect) -> str:
    match stored.planned.effect:
        case RevokeAccess(resource) | RestoreAccess(resource):
            return resource.name or resource.ref
        case RemoveTag(tag) | RestoreTag(tag):
            return tag.name or tag.ref
        case CancelSubscription(_, ref):
            return ref
        case VerifyAccess() | AddTicketNote() | TellCustomer() | TellOwner():
            return stored.outcome


def _way_notice(tell: Telling, progress: Progress) -> Notice | None:
    key = order_key(progress.order.ref)
    fields = (("order", key), ("refund", progress.plan.id))
    for refund in progress.refunds:
        gateway = tell.titles.get(refund.payment.installation, "")
        if refund.state is _S.UNKNOWN and refund.wake_at is not None:
            return Notice(
                Tone.UNKNOWN,
                Icon.CLOCK,
                tell.say("unknown.title"),
                tell.say("unknown.text", time=_clock(tell, refund.wake_at)[:5], gateway=gateway),
                (Press(tell.say("unknown.look"), Ask.LOOK, fields),),
            )
        if refund.state is _S.NEEDS_PERSON:
            return Notice(
                Tone.WARN,
                Icon.HAND,
                tell.say("person.title"),
                tell.say("person.text", gateway=gateway, payment=refund.label),
            )
        if refund.state in (_S.REFUSED, _S.FAILED_LATER):
            return Notice(
                Tone.WARN,
                Icon.WARN,
                tell.say(f"{refund.state}.title"),
                tell.say(f"{refund.state}.text", amount=tell.both(refund.amount)),
                (Press(tell.say("refused.again"), Ask.ORDER, (("order", key), ("again", "yes"))),),
            )
    return None


def _certain(tell: Telling, progress: Progress) -> str:
    """`91.79 paid, 19.96 unknown`: only where the payments of one refund differ."""
    if len({r.state for r in progress.refunds}) < 2:
        return ""
    currency = progress.plan.amount.currency
    words = []
    for key, states in (
        ("certain.paid", (_S.SUCCEEDED,)),
        ("certain.unknown", (_S.UNKNOWN, _S.NEEDS_PERSON, _S.SUBMITTING)),
        ("certain.waits", (_S.RESERVED, _S.PENDING, _S.MANUAL)),
        ("certain.not", (_S.REFUSED, _S.FAILED_LATER, _S.WITHDRAWN)),
    ):
        part = total((r.amount for r in progress.refunds if r.state in states), currency)
        if part:
            words.append(tell.say(key, amount=amount_words(part, tell.locale)))
    return ", ".join(words)


def _by_hand(tell: Telling, progress: Progress) -> ByHand:
    refund = next(r for r in progress.refunds if r.state is _S.MANUAL)
    store = tell.titles.get(refund.payment.installation, "")
    part = next(p for p in progress.plan.parts if p.payment == refund.payment)
    steps = []
    for place, step in enumerate(progress.worksheet):
        address = part.deep_link or step.link
        link = (
            Link(step.text, address)
            if place == 0 and address is not None and address.startswith("https://")
            else None
        )
        copy: tuple[CopyRow, ...] = ()
        if place == 1:
            copy = (
                CopyRow(tell.say("copy.email.label"), progress.order.email, tell.say("copy.email")),
                CopyRow(tell.say("copy.order.label"), progress.order.number, tell.say("copy.order")),
            )
        state = SheetState.ON if place == 0 else SheetState.LATER
        steps.append(SheetStep(step.text, state, step.hint, link, copy))
    amount = tell.both(refund.amount)
    return ByHand(
        Worksheet(
            order_key(progress.order.ref),
            progress.plan.id,
            tell.say("hand.title", store=store),
            tell.money(refund.amount),
            tell.say("hand.intro", store=store),
            tuple(steps),
            tell.say("hand.attest", amount=amount),
            tell.say("hand.attest.sub"),
        ),
        _steps(tell, progress),
        LATER_MS,
    )


def _done(tell: Telling, progress: Progress) -> Done:
    traces = [r.reason for r in progress.refunds if r.reason and r.reason != "by_hand"]
    text = tell.say("done.bank")
    if traces:
        text += " " + tell.say("done.reference", reference=traces[0])
    told = [
        e
        for e in progress.effects
        if isinstance(e.planned.effect, TellCustomer) and e.state is EffectState.DONE
    ]
    noted = any(
        isinstance(e.planned.effect, AddTicketNote) and e.state is EffectState.DONE
        for e in progress.effects
    )
    said = ""
    if told and told[0].changed_at is not None:
        said = tell.say(
            "done.told" if noted else "done.told_only",
            name=progress.name,
            time=_clock(tell, told[0].changed_at)[:5],
        )
    again = Press(
        tell.say("done.again"),
        Ask.ORDER,
        (("order", order_key(progress.order.ref)), ("again", "yes")),
    )
    return Done(
        order_key(progress.order.ref),
        progress.plan.id,
        DoneBlock(
            Notice(
                Tone.GOOD,
                Icon.YES,
                tell.say("done.title", amount=tell.both(progress.plan.amount)),
                text,
            ),
            _done_lots(tell, progress),
            said,
            (again,) if _left(progress) else (),
        ),
        _steps(tell, progress),
    )


def _left(progress: Progress) -> Money | None:
    paid = progress.order.paid - progress.order.refunded
    return paid if paid and progress.order.nothing() < paid else None


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
        Lot(LotKind.GOES, tuple(gone), _clock(tell, when)[:5] if when else ""),
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


def build_changed(
    tell: Telling, order: Order, before: Plan, now: Preview, name: str
) -> ChangedSince:
    """What was confirmed beside what stands now, and a button for the new plan where there is one."""
    fresh = now.outcome if isinstance(now.outcome, Plan) else None
    current = {p.payment: p for p in fresh.parts} if fresh else {}
    rows = tuple(
        DifferenceRow(
            tell.say("plan.to", payment=part.label),
            amount_words(part.amount, tell.locale),
            amount_words(current[part.payment].amount, tell.locale)
            if part.payment in current
            else amount_words(Money(0, part.amount.currency), tell.locale),
        )
        for part in before.parts
    )
    amount = fresh.amount if fresh else Money(0, before.amount.currency)
    first = name.split()[0] if name.split() else name
    decide = (
        Decide(None, tell.say(f"blocked.{now.outcome.by}"))
        if not isinstance(now.outcome, Plan)
        else Decide(
            tell.money(amount),
            parts_line(tell, now.outcome),
            PlanTicket(order_key(order.ref), now.outcome.id, now.outcome.hash),
            tally_of(now.outcome),
            tell.say("decide.undo_foot"),
        )
    )
    return ChangedSince(
        build_head(tell, order),
        Notice(
            Tone.WARN,
            Icon.AGAIN,
            tell.say("changed.title_plain"),
            tell.say("changed.text", what=_what_changed(tell, before, fresh)),
        ),
        Difference(
            rows,
            DifferenceRow(
                tell.say("plan.gets", name=first),
                amount_words(before.amount, tell.locale),
                amount_words(amount, tell.locale),
            ),
            before.amount.currency,
        ),
        decide,
    )


def _what_changed(tell: Telling, before: Plan, now: Plan | None) -> str:
    if now is None:
        return tell.say("changed.blocked")
    refunded_before = {p.payment: p.refunded_before for p in before.parts}
    for part in now.parts:
        earlier = refunded_before.get(part.payment)
        if earlier is not None and earlier != part.refunded_before:
            more = part.refunded_before - earlier
            return tell.say("changed.refunded", amount=tell.both(more))
    if before.amount != now.amount:
        return tell.say("changed.amount")
    return tell.say("changed.effects")
