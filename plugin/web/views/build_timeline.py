"""A decided refund as it happens: one timeline per payment, and what a person can do about it.

Pure: reads the rows of one decided plan and says what happened to the money and what comes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

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
from plugin.domain.ids import RefundId
from plugin.domain.messages import is_own_reason, reason_words
from plugin.domain.money import total
from plugin.domain.orders import Order
from plugin.domain.plan import Part, Plan
from plugin.domain.refunds import OVER, Refund, RefundState
from plugin.domain.requests import RefundRequest
from plugin.ports.platforms import WorksheetStep
from plugin.ports.records import RefundMove, StoredEffect, StoredPlan
from plugin.services.refund_rights import RefundRights
from plugin.services.wording import amount_words
from plugin.web.views.build_orders import Telling, first_name, order_key
from plugin.web.views.build_plan import build_steps
from plugin.web.views.panel_blocks import NineSteps, Timeline, TimelineState, TimelineStep
from plugin.web.views.panel_parts import Ask, Icon, Link, Notice, Press, Tone
from plugin.web.views.panel_view import UnderWay

_S = RefundState
_OK = TimelineState.OK
SOON_MS = 1000
LATER_MS = 5000
_TO_THE_SECOND = 90


@dataclass(frozen=True, slots=True)
class Progress:
    """All rows of one decided plan, and what the agent who looks may do about it.

    `unshown` went back by a person's word, and the payment that is shown now shows nothing of it.
    """

    order: Order
    stored: StoredPlan
    rights: RefundRights
    request: RefundRequest | None
    refunds: Sequence[Refund]
    moves: Sequence[RefundMove]
    effects: Sequence[StoredEffect]
    worksheet: Sequence[WorksheetStep]
    name: str
    unshown: Sequence[RefundId] = ()

    @property
    def plan(self) -> Plan:
        """What was decided."""
        return self.stored.plan

    @property
    def is_over(self) -> bool:
        """Whether nothing of it will move by itself any more."""
        return all(r.state in OVER for r in self.refunds) and all(
            effect.state.over for effect in self.effects
        )

    def part(self, refund: Refund) -> Part:
        """The payment of the plan that `refund` gives back from."""
        return next(part for part in self.plan.parts if part.payment == refund.payment)

    def when(self, refund: Refund, state: RefundState) -> datetime | None:
        """When `refund` came into `state` for the first time since its last call."""
        found: datetime | None = None
        for move in self.moves:
            if move.refund != refund.id:
                continue
            if move.after == _S.SUBMITTING and state is not _S.SUBMITTING:
                found = None
            elif move.after == state and (found is None or state is _S.SUBMITTING):
                found = move.at
        return found


def build_under_way(tell: Telling, progress: Progress) -> UnderWay:
    """The timeline of each payment, and what follows the money: under it, or under all of them."""
    refunds = progress.refunds
    several = len(refunds) > 1
    timelines = [
        Timeline(_money_steps(tell, progress, refund), refund.label if several else "")
        for refund in refunds
    ]
    after = _access_steps(tell, progress)
    if several:
        timelines.append(Timeline(after, tell.say("way.then")))
    else:
        timelines[0] = Timeline((*timelines[0].steps, *after))
    return UnderWay(
        order=order_key(progress.order.ref),
        refund=progress.plan.id,
        title=tell.say("way.title", amount=tell.both(progress.plan.amount)),
        timelines=tuple(timelines),
        steps=steps_of(tell, progress),
        notice=_notice(tell, progress),
        certain=_certain(tell, progress),
        ask_again_ms=_ask_again(progress),
    )


def steps_of(tell: Telling, progress: Progress) -> NineSteps | None:
    """The guided steps as kept with the request."""
    return None if progress.request is None else build_steps(tell, progress.request)


def _ask_again(progress: Progress) -> int | None:
    states = {refund.state for refund in progress.refunds}
    if states & {_S.RESERVED, _S.SUBMITTING}:
        return SOON_MS
    working = [effect for effect in progress.effects if not effect.state.over]
    if any(effect.attempts <= 1 for effect in working):
        return SOON_MS
    waits = any(refund.wake_at is not None for refund in progress.refunds)
    return LATER_MS if working or waits else None


# --- the money ------------------------------------------------------------------------------------


def _money_steps(tell: Telling, progress: Progress, refund: Refund) -> tuple[TimelineStep, ...]:
    """Reserved, sent, confirmed: what happened, then what is, then what comes."""
    reserved = progress.when(refund, _S.RESERVED) or progress.when(refund, _S.MANUAL)
    first = min((m.at for m in progress.moves if m.refund == refund.id), default=reserved)
    begun = TimelineStep(_OK, tell.say("way.reserved"), tell.second(first) if first else "")
    return (begun, *_after_reserving(tell, progress, refund))


def _after_reserving(  # noqa: C901 - one way per state
    tell: Telling, progress: Progress, refund: Refund
) -> tuple[TimelineStep, ...]:
    gateway = tell.titles.get(refund.payment.installation, "")
    to_gateway = tell.say("way.sent", gateway=gateway)
    called = progress.when(refund, _S.SUBMITTING)
    sent = TimelineStep(_OK, to_gateway, tell.second(called) if called else "")
    since = progress.when(refund, refund.state)
    at = tell.second(since) if since else ""
    why = reason_words(refund.reason, tell.locale)
    now = TimelineState.NOW
    match refund.state:
        case _S.RESERVED:
            wait = tell.say("way.sends", gateway=gateway) if refund.reason else ""
            more = why if is_own_reason(refund.reason) else wait
            return (TimelineStep(now, to_gateway, "", more),)
        case _S.SUBMITTING:
            return (TimelineStep(now, to_gateway),)
        case _S.UNKNOWN | _S.NEEDS_PERSON:
            quiet = progress.when(refund, _S.UNKNOWN) or since or refund.send_at
            more = tell.say("way.silent.more", gateway=gateway)
            if refund.state is _S.NEEDS_PERSON and why:
                more = why
            silent = TimelineStep(TimelineState.HUH, tell.say("way.silent"), tell.age(quiet), more)
            return (sent, silent)
        case _S.PENDING:
            more = tell.say("way.pending.more", gateway=gateway)
            return (sent, TimelineStep(now, tell.say("way.pending"), "", more))
        case _S.SUCCEEDED:
            amount = amount_words(refund.amount, tell.locale)
            more = tell.say("way.confirmed.more", amount=amount, payment=refund.label)
            if refund.reason == "by_hand":
                return (TimelineStep(TimelineState.BY, tell.say("way.by_hand"), at, more),)
            return (sent, TimelineStep(_OK, tell.say("way.confirmed"), at, more))
        case _S.REFUSED:
            more = tell.say("way.refused.more", reason=why).strip()
            return (sent, TimelineStep(TimelineState.STOP, tell.say("way.refused"), at, more))
        case _S.FAILED_LATER:
            more = tell.say("way.failed_later.more")
            return (sent, TimelineStep(TimelineState.STOP, tell.say("way.failed_later"), at, more))
        case _S.WITHDRAWN:
            return (TimelineStep(TimelineState.STOP, tell.say("way.withdrawn"), at, why),)
        case _S.MANUAL:
            return (TimelineStep(now, tell.say("way.by_hand")),)
        case _:
            assert_never(refund.state)


# --- what follows the money -----------------------------------------------------------------------


def _access_steps(tell: Telling, progress: Progress) -> tuple[TimelineStep, ...]:
    """One step each for access, tags and telling; from the plan until the effects exist."""
    money_is_open = any(r.state is not _S.SUCCEEDED for r in progress.refunds)
    steps = []
    for key, kinds in (
        ("way.cancel", (CancelSubscription,)),
        ("way.access", (RevokeAccess,)),
        ("way.tags", (RemoveTag,)),
        ("way.keep", (RestoreAccess, RestoreTag)),
        ("way.tell", (TellCustomer, AddTicketNote)),
    ):
        planned = [e for e in progress.plan.effects if isinstance(e.effect, kinds)]
        stored = [e for e in progress.effects if isinstance(e.planned.effect, kinds)]
        if not planned and not stored:
            continue
        name = tell.say(key, name=first_name(progress.name), n=len(stored or planned))
        if money_is_open or not stored:
            waits = key == "way.access" and money_is_open
            more = tell.say("way.access.waits") if waits else ""
            steps.append(TimelineStep(TimelineState.NEXT, name, "", more))
        else:
            steps.append(_effect_step(tell, name, stored))
    return _one_current(steps)


def _one_current(steps: Sequence[TimelineStep]) -> tuple[TimelineStep, ...]:
    """The steps are done in order: the first that is not over is current, the others come."""
    current = next((step for step in steps if step.state is TimelineState.NOW), None)
    return tuple(
        replace(step, state=TimelineState.NEXT, when="")
        if step.state is TimelineState.NOW and step is not current
        else step
        for step in steps
    )


def _effect_step(tell: Telling, name: str, stored: Sequence[StoredEffect]) -> TimelineStep:
    over = [e for e in stored if e.state.over]
    so_far = tell.say("way.so_far", done=len(over), total=len(stored))
    trouble = [e for e in stored if e.state in (EffectState.NEEDS_PERSON, EffectState.UNKNOWN)]
    if trouble:
        more = tell.say("way.effect.person", what=", ".join(_thing(e) for e in trouble))
        return TimelineStep(TimelineState.HUH, name, so_far, more)
    if len(over) == len(stored):
        at = max((e.changed_at for e in over if e.changed_at), default=None)
        return TimelineStep(_OK, name, tell.second(at) if at else "")
    waiting = next(e for e in stored if not e.state.over)
    more = tell.say("way.effect.waits", what=_thing(waiting)) if waiting.attempts > 1 else ""
    return TimelineStep(TimelineState.NOW, name, so_far, more)


def _thing(stored: StoredEffect) -> str:
    match stored.planned.effect:
        case RevokeAccess(resource) | RestoreAccess(resource):
            return resource.name or resource.ref
        case RemoveTag(tag) | RestoreTag(tag):
            return tag.name or tag.ref
        case CancelSubscription(_, ref):
            return ref
        case VerifyAccess() | AddTicketNote() | TellCustomer() | TellOwner():
            return stored.outcome.replace("_", " ")


# --- what a person can do -------------------------------------------------------------------------


def _notice(tell: Telling, progress: Progress) -> Notice | None:
    """The first payment that needs eyes: not known, for a person, or refused."""
    key = order_key(progress.order.ref)
    fields = (("order", key), ("refund", progress.plan.id))
    for refund in progress.refunds:
        gateway = tell.titles.get(refund.payment.installation, "")
        way_in = _way_in(tell, progress.part(refund), gateway)
        if refund.state is _S.UNKNOWN and refund.wake_at is not None:
            soon = (refund.wake_at - tell.now).total_seconds() < _TO_THE_SECOND
            at = tell.second(refund.wake_at) if soon else tell.time(refund.wake_at)
            return Notice(
                Tone.UNKNOWN,
                Icon.CLOCK,
                tell.say("unknown.title"),
                tell.say("unknown.text", time=at, gateway=gateway),
                (Press(tell.say("unknown.look"), Ask.LOOK, fields), *way_in),
            )
        if refund.state is _S.NEEDS_PERSON:
            may = progress.rights.pay
            text = "person.text" if may else "person.text.look"
            asked = (*fields, ("part", refund.id))
            found = (
                Press(tell.say("person.paid"), Ask.ATTEST, (*asked, ("found", "paid"))),
                Press(tell.say("person.nothing"), Ask.ATTEST, (*asked, ("found", "nothing"))),
            )
            return Notice(
                Tone.WARN,
                Icon.HAND,
                tell.say("person.title"),
                tell.say(text, gateway=gateway, payment=refund.label),
                (*way_in, *found) if may else way_in,
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


def _way_in(tell: Telling, part: Part, gateway: str) -> tuple[Link, ...]:
    """The payment's own page at its gateway, where it told of one."""
    if part.deep_link is None or not part.deep_link.startswith("https://"):
        return ()
    return (Link(tell.say("unknown.open", gateway=gateway), part.deep_link),)


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
