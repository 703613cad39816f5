"""The life of a refund: one payment's part of one intent, moved by one table of legal moves.

`unknown` is neither success nor failure; it is left by evidence only. An attempt grows after a
definitive refusal, never after silence. What may have moved counts as moved until proven otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from plugin.domain.ids import PlanId, RefundId, digest
from plugin.domain.money import Money, total
from plugin.domain.orders import LineRef, OrderRef, Payment, PaymentRef


class RefundState(StrEnum):
    """How far one payment's part of a refund is."""

    RESERVED = "reserved"
    WITHDRAWN = "withdrawn"
    SUBMITTING = "submitting"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    MANUAL = "manual"
    NEEDS_PERSON = "needs_person"
    FAILED_LATER = "failed_later"


_S = RefundState

MOVES: Mapping[RefundState, frozenset[RefundState]] = {
    _S.RESERVED: frozenset({_S.WITHDRAWN, _S.SUBMITTING, _S.UNKNOWN}),
    _S.SUBMITTING: frozenset(
        {_S.PENDING, _S.SUCCEEDED, _S.REFUSED, _S.UNKNOWN, _S.MANUAL, _S.RESERVED}
    ),
    _S.PENDING: frozenset({_S.SUCCEEDED, _S.REFUSED, _S.NEEDS_PERSON}),
    _S.UNKNOWN: frozenset({_S.SUCCEEDED, _S.PENDING, _S.REFUSED, _S.RESERVED, _S.NEEDS_PERSON}),
    _S.MANUAL: frozenset({_S.SUCCEEDED, _S.WITHDRAWN, _S.NEEDS_PERSON}),
    _S.NEEDS_PERSON: frozenset({_S.SUCCEEDED, _S.WITHDRAWN, _S.UNKNOWN}),
    _S.SUCCEEDED: frozenset({_S.FAILED_LATER}),
    _S.WITHDRAWN: frozenset(),
    _S.REFUSED: frozenset(),
    _S.FAILED_LATER: frozenset(),
}
"""Every legal move. `submitting -> reserved` only when it is certain that nothing was sent yet, and
`reserved -> unknown` only when something may have been: the copy that it stands in was restored, it
was to be sent again and something forbids that now, or the gateway tells of it. `manual ->
needs_person` where the word of a person and the news of a store do not fit each other."""

START = frozenset({_S.RESERVED, _S.MANUAL})
IN_FLIGHT = frozenset(
    {_S.RESERVED, _S.SUBMITTING, _S.PENDING, _S.UNKNOWN, _S.MANUAL, _S.NEEDS_PERSON}
)
OVER = frozenset({_S.WITHDRAWN, _S.REFUSED, _S.SUCCEEDED, _S.FAILED_LATER})
UNDO_SECONDS = 10
_KEY = re.compile(r"mg-[\w-]+-a[1-9][0-9]*", re.ASCII)
RESTORED = "restored"
"""Why a refund of a restored copy is looked up: what became of it since the copy is forgotten."""
RESTORED_NOT_FOUND = "restored_not_found"
"""The gateway has no trace of it. It may have been undone or replaced since: never sent again."""
REFUNDED_SINCE = "refunded_since"
DISPUTED_SINCE = "disputed_since"
"""Why one that was sent, and is not found, is not sent again: a person decides."""


@dataclass(frozen=True, slots=True)
class Refund:
    """One payment's part of an intent, as stored.

    `wake_at` is when the worker must look at it next, `wakes` how often it did; `looks` counts
    look-ups since the last call: where it is reserved or submitting with any, it was sent before,
    and may have arrived. `gateway_ref` is the gateway's id once known. `ends` are the lines
    that end with it and what of its amount is theirs, for a store that takes refunds by line: they
    are the plan's, given along with the call and never stored here.
    """

    id: RefundId
    plan: PlanId
    order: OrderRef
    payment: PaymentRef
    label: str
    amount: Money
    state: RefundState
    attempt: int
    send_at: datetime
    wake_at: datetime | None
    wakes: int = 0
    looks: int = 0
    gateway_ref: str | None = None
    reason: str = ""
    changed_at: datetime | None = None
    ends: tuple[tuple[LineRef, Money], ...] = ()

    @property
    def key(self) -> str:
        """What the gateway gets as idempotency key and keeps as our reference."""
        return f"mg-{self.id}-a{self.attempt}"


def is_our_key(reference: str | None) -> bool:
    """Whether it is shaped as the key of a refund of ours, known here or not."""
    return reference is not None and _KEY.fullmatch(reference) is not None


def refund_id(plan: PlanId, payment: PaymentRef) -> RefundId:
    """One per plan and payment: deciding the same plan twice makes the same rows."""
    return RefundId(digest("refund", plan, payment.installation, payment.ref))


def is_undoable(parts: Sequence[Refund]) -> bool:
    """Whether nothing of a plan's refunds has left us, so that all of it may be taken back."""
    still = (RefundState.RESERVED, RefundState.MANUAL)
    return bool(parts) and all(
        part.state in still and part.attempt <= 1 and not part.looks for part in parts
    )


def may_move(before: RefundState, after: RefundState) -> bool:
    """Whether the table knows this move."""
    return after in MOVES[before]


# --- what a gateway answers -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The money is on its way for good.

    `trace` is a bank reference for the customer, where there is one.
    """

    gateway_ref: str
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """The gateway took it and has not finished."""

    gateway_ref: str


@dataclass(frozen=True, slots=True)
class Declined:
    """A definitive no.

    No money moved. `code` is the gateway's reason; `by_hand` where a person still can.
    """

    code: str
    by_hand: bool = False


RefundAnswer = Succeeded | Pending | Declined


@dataclass(frozen=True, slots=True)
class Silence:
    """No usable answer: it may have moved or not."""

    code: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Certainly nothing left us: the gateway was not reached, or asked us to wait."""

    code: str
    after_seconds: int | None = None


# --- what a look-up finds -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """Exactly one refund carries our reference."""

    answer: RefundAnswer


@dataclass(frozen=True, slots=True)
class NotFound:
    """The gateway answered, and has no refund of ours."""


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """More than one refund could be ours: a person decides."""

    count: int


LookUp = Found | NotFound | Ambiguous


@dataclass(frozen=True, slots=True)
class GatewayRules:
    """From the manifest: whether a repeated key is the same refund, for how long, and when to look.

    `looks` are seconds after the call at which to look up; `key_lives` seconds that a key protects,
    less what a call may take.
    `tells_news`: what becomes of a refund is read every few minutes with all other news. Not
    `sends_again`: that nothing is found there does not prove that no money moved.
    """

    honours_key: bool
    key_lives: int
    looks: Sequence[int]
    tells_news: bool = False
    sends_again: bool = True

    def __post_init__(self) -> None:
        if not self.looks or list(self.looks) != sorted(set(self.looks)) or self.looks[0] < 1:
            raise ValueError("say when to look up: seconds after the call, ascending")


@dataclass(frozen=True, slots=True)
class Move:
    """Where a refund goes next. `wake_at` is None when nothing is left for the worker to do.

    `again`: it may be sent once more. `unasked`: the look-up was not made, and counts as none.
    """

    to: RefundState
    wake_at: datetime | None = None
    gateway_ref: str | None = None
    reason: str = ""
    again: bool = False
    unasked: bool = False


PENDING_POLL = timedelta(minutes=10)
LONGEST_POLL = timedelta(minutes=15)
"""For a gateway whose news are read: one by itself need not be asked for as often. Not later than
this, since such news may tell of what was refunded only, not of what failed."""
UNANSWERED_POLL = timedelta(minutes=2)
PENDING_LIMIT = timedelta(days=30)
RESEND_LIMIT = timedelta(days=1)
"""Without keys, how long after the decision it may still be sent again; then a person decides."""
UNASKED_LIMIT = timedelta(days=3)
"""For so long after the decision nobody is told that a gateway which rests could not be asked."""


def after_call(
    refund: Refund, answer: RefundAnswer | Silence | NotSent, now: datetime, rules: GatewayRules
) -> Move:
    """The move that a gateway's answer to a refund call asks for.

    One that was sent before and did not go out now is looked up again: until it is sent, that may
    have arrived, or the key of it have died.
    """
    match answer:
        case Succeeded(gateway_ref, trace):
            return Move(_S.SUCCEEDED, None, gateway_ref, trace or "")
        case Pending(gateway_ref):
            return Move(_S.PENDING, now + PENDING_POLL, gateway_ref)
        case Declined(code, by_hand):
            return Move(_S.MANUAL if by_hand else _S.REFUSED, None, None, code)
        case Silence(code):
            return Move(_S.UNKNOWN, now + timedelta(seconds=rules.looks[0]), None, code)
        case NotSent(code, after):
            wait = timedelta(seconds=min(max(after or 0, 1), 3600))
            return Move(_S.UNKNOWN if refund.looks else _S.RESERVED, now + wait, None, code)
        case _:
            assert_never(answer)


def not_looked(refund: Refund, after_seconds: int, now: datetime) -> Move:
    """The move of a look-up that was not made, since the gateway's account rests.

    A refund is told of when that takes days. One of a restored copy is not: its hold is seen.
    """
    wait = timedelta(seconds=max(after_seconds, 1))
    if refund.state is _S.PENDING:
        still = _still_pending(refund, refund.gateway_ref, now, wait, refund.reason)
        return replace(still, unasked=True)
    if now - refund.send_at > UNASKED_LIMIT and not _is_restored(refund):
        return Move(_S.NEEDS_PERSON, None, None, "never_answered", unasked=True)
    return Move(refund.state, now + wait, refund.gateway_ref, refund.reason, unasked=True)


def after_look(refund: Refund, found: LookUp | None, now: datetime, rules: GatewayRules) -> Move:
    """The move that a look-up asks for.

    `found` is None when the gateway did not answer the look-up.

    A refund that was never found is sent again only with the same key where the gateway honours it
    and the key still lives; where it has no keys, only after the whole schedule of looks, else a
    person decides. One of a restored copy is never sent again, nor one of whose payment more went
    back or was disputed since, and none at a gateway whose rules say so: after the whole schedule a
    person decides.
    """
    match found:
        case Found(answer):
            return _as_found(refund, answer, now, rules)
        case Ambiguous():
            return Move(_S.NEEDS_PERSON, None, None, "several_refunds_match")
        case NotFound() if refund.state is _S.UNKNOWN and _is_never_again(refund):
            reason = RESTORED_NOT_FOUND if _is_restored(refund) else refund.reason
            if refund.looks + 1 >= len(rules.looks):
                return Move(_S.NEEDS_PERSON, None, None, reason)
            return replace(_look_again(refund, now, rules), reason=reason)
        case NotFound() if refund.state is _S.PENDING:
            return Move(_S.NEEDS_PERSON, None, refund.gateway_ref, "refund_disappeared")
        case NotFound() | None if _is_early(refund, now, rules):
            due = refund.send_at + timedelta(seconds=rules.looks[refund.looks])
            return Move(_S.UNKNOWN, due, None, refund.reason, unasked=True)
        case NotFound() if _may_send_again(refund, now, rules):
            return Move(_S.RESERVED, now, None, "not_found_there", again=True)
        case NotFound() | None:
            return _look_again(refund, now, rules)
        case _:
            assert_never(found)


def _as_found(refund: Refund, answer: RefundAnswer, now: datetime, rules: GatewayRules) -> Move:
    match answer:
        case Succeeded(gateway_ref, trace):
            return Move(_S.SUCCEEDED, None, gateway_ref, trace or "")
        case Pending(gateway_ref):
            wait = PENDING_POLL
            if rules.tells_news:
                wait = min(max((now - refund.send_at) / 6, PENDING_POLL), LONGEST_POLL)
            return _still_pending(refund, gateway_ref, now, wait)
        case Declined(code):
            return Move(_S.REFUSED, None, refund.gateway_ref, code)
        case _:
            assert_never(answer)


def after_restore(refund: Refund, now: datetime) -> Move | None:
    """Where a refund goes that a restored copy has: what may have moved since is looked up now.

    None where nobody but a person knows more, or nothing can have changed.
    """
    match refund.state:
        case _S.RESERVED | _S.SUBMITTING | _S.UNKNOWN:
            return Move(_S.UNKNOWN, now, None, RESTORED)
        case _S.PENDING:
            return Move(_S.PENDING, now, refund.gateway_ref, RESTORED)
        case _:
            return None


def _is_restored(refund: Refund) -> bool:
    return refund.reason in (RESTORED, RESTORED_NOT_FOUND)


def _is_never_again(refund: Refund) -> bool:
    return _is_restored(refund) or refund.reason in (REFUNDED_SINCE, DISPUTED_SINCE)


def _is_early(refund: Refund, now: datetime, rules: GatewayRules) -> bool:
    """Whether somebody had it looked at before its time.

    That finds it where it is there. That nothing is there yet counts for nothing where there are no
    keys: it would be sent again, or freed by a person, while the gateway still works on it.
    """
    if refund.state is not _S.UNKNOWN or rules.honours_key or refund.looks >= len(rules.looks):
        return False
    return now < refund.send_at + timedelta(seconds=rules.looks[refund.looks])


def _may_send_again(refund: Refund, now: datetime, rules: GatewayRules) -> bool:
    all_looked = refund.looks + 1 >= len(rules.looks)
    return (rules.honours_key or all_looked) and has_time_again(refund, now, rules)


def has_time_again(refund: Refund, now: datetime, rules: GatewayRules) -> bool:
    """Whether there is time left to send it once more, at a gateway where that ever may be.

    To be asked at each sending: the look that allowed it may be long ago, and the key dead.
    """
    limit = timedelta(seconds=rules.key_lives) if rules.honours_key else RESEND_LIMIT
    return rules.sends_again and now - refund.send_at < limit


def _look_again(refund: Refund, now: datetime, rules: GatewayRules) -> Move:
    done = refund.looks + 1
    if refund.state is _S.PENDING:
        # A look that got no answer found nothing out.
        return _still_pending(refund, refund.gateway_ref, now, UNANSWERED_POLL, refund.reason)
    if done >= len(rules.looks) and (now - refund.send_at).total_seconds() >= rules.key_lives:
        return Move(_S.NEEDS_PERSON, None, None, "never_answered")
    looks = rules.looks
    if done < len(looks):
        wait = timedelta(seconds=looks[done] - looks[done - 1])
    else:
        wait = min(timedelta(seconds=looks[-1]), PENDING_POLL)
    return Move(_S.UNKNOWN, now + wait, None, refund.reason)


def _still_pending(
    refund: Refund, gateway_ref: str | None, now: datetime, wait: timedelta, reason: str = ""
) -> Move:
    if now - refund.send_at > PENDING_LIMIT:
        return Move(_S.NEEDS_PERSON, None, gateway_ref, "pending_too_long")
    return Move(_S.PENDING, now + wait, gateway_ref, reason)


# --- how much may still go back -------------------------------------------------------------------


def refundable(payment: Payment, ours: Iterable[Refund]) -> Money:
    """Captured - refunded - in flight - disputed, of one payment; never below zero.

    What the store says and what we know is done are not added up: the larger one counts, since a
    store may not show yet what we have just done.
    """
    of_it = [refund for refund in ours if refund.payment == payment.ref]
    currency = payment.captured.currency
    done = total((r.amount for r in of_it if r.state is _S.SUCCEEDED), currency)
    flying = total((r.amount for r in of_it if r.state in IN_FLIGHT), currency)
    refunded = max(payment.refunded, done)
    left = payment.captured - refunded - flying - payment.disputed
    return left.clamp(payment.captured)
