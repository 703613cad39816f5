"""A whole life of a refund: workers that die, and a gateway that is silent but tells the truth."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from plugin.domain.refunds import (
    Ambiguous,
    Declined,
    Found,
    GatewayRules,
    LookUp,
    Move,
    NotFound,
    NotSent,
    Pending,
    Refund,
    RefundAnswer,
    RefundState,
    Silence,
    Succeeded,
    after_call,
    after_look,
    may_move,
)
from tests.factories import (
    NOW,
    a_payment_ref,
    a_refund,
    moved,
)

S = RefundState
KEYS = GatewayRules(honours_key=True, key_lives=82_800, looks=(5, 15, 60))
NO_KEYS = GatewayRules(honours_key=False, key_lives=0, looks=(5, 15, 60))


ANSWERS = st.one_of(
    st.builds(Succeeded, st.just("re_1"), st.sampled_from([None, "ARN"])),
    st.builds(Pending, st.just("re_1")),
    st.builds(Declined, st.just("no"), st.booleans()),
)
FOUND: st.SearchStrategy[LookUp | None] = st.one_of(
    st.none(), st.just(NotFound()), st.just(Ambiguous(2)), st.builds(Found, ANSWERS)
)


class RefundLife(RuleBasedStateMachine):
    """One plan over two payments, a worker that may die, and a gateway that may be silent.

    The gateway keeps what really happened; we see only what it answers. Money moves at most once
    per payment, whatever is answered in whatever order.
    """

    rows: dict[str, Refund]
    moved: dict[str, list[str]]

    @initialize(honours_key=st.booleans())
    def decide(self, honours_key: bool) -> None:
        self.gateway = KEYS if honours_key else NO_KEYS
        self.now = NOW
        self.moved = {}
        self.evidence = False
        self.rows = {}
        for ref in ("pay-1", "pay-2", "pay-1"):
            refund = a_refund(payment=a_payment_ref(ref), send_at=NOW)
            self.rows.setdefault(refund.id, refund)

    def _move(self, refund: Refund, move: Move) -> None:
        before = self.rows[refund.id]
        assert move.to is before.state or may_move(before.state, move.to)
        if before.state is S.UNKNOWN and move.to is not S.UNKNOWN:
            assert self.evidence or move.to is S.NEEDS_PERSON
        self.evidence = False
        looks = before.looks + 1 if move.to is before.state else 0
        self.rows[refund.id] = moved(before, move.to, looks=looks)

    def _in(self, *states: S) -> list[Refund]:
        return [refund for refund in self.rows.values() if refund.state in states]

    def _pay(self, refund: Refund) -> None:
        keys = self.moved.setdefault(refund.id, [])
        if not (self.gateway.honours_key and refund.key in keys):
            keys.append(refund.key)

    @rule(hours=st.integers(0, 30))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @precondition(lambda self: bool(self._in(S.RESERVED)))
    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        self._move(data.draw(st.sampled_from(self._in(S.RESERVED))), Move(S.SUBMITTING))

    @precondition(lambda self: bool([r for r in self._in(S.RESERVED) if r.wakes == 0]))
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        untouched = [r for r in self._in(S.RESERVED) if r.wakes == 0]
        self._move(data.draw(st.sampled_from(untouched)), Move(S.WITHDRAWN))

    @precondition(lambda self: bool(self._in(S.SUBMITTING)))
    @rule(
        data=st.data(),
        pays=st.booleans(),
        answer=st.one_of(ANSWERS, st.just(NotSent("busy")), st.just(Silence("timeout"))),
    )
    def call(
        self, data: st.DataObject, pays: bool, answer: RefundAnswer | NotSent | Silence
    ) -> None:
        refund = data.draw(st.sampled_from(self._in(S.SUBMITTING)))
        has_paid = bool(self.moved.get(refund.id))
        if isinstance(answer, Declined | NotSent) and has_paid:
            answer = Succeeded("re_1")  # its key is known there: the first answer is repeated
        if isinstance(answer, Succeeded | Pending) or (isinstance(answer, Silence) and pays):
            self._pay(refund)
        self._move(refund, after_call(answer, self.now, self.gateway))

    @precondition(lambda self: bool(self._in(S.UNKNOWN)))
    @rule(data=st.data(), answers=st.booleans(), is_through=st.booleans())
    def look_up_unknown(self, data: st.DataObject, answers: bool, is_through: bool) -> None:
        refund = data.draw(st.sampled_from(self._in(S.UNKNOWN)))
        found: LookUp | None = None
        if answers:
            found = NotFound()
            if self.moved.get(refund.id):
                found = Found(Succeeded("re_1") if is_through else Pending("re_1"))
        self.evidence = found is not None
        self._move(refund, after_look(refund, found, self.now, self.gateway))

    @precondition(lambda self: bool(self._in(S.PENDING)))
    @rule(data=st.data(), found=FOUND)
    def look_up_pending(self, data: st.DataObject, found: LookUp | None) -> None:
        refund = data.draw(st.sampled_from(self._in(S.PENDING)))
        self._move(refund, after_look(refund, found, self.now, self.gateway))

    @precondition(lambda self: bool(self._in(S.MANUAL, S.NEEDS_PERSON)))
    @rule(data=st.data())
    def attest(self, data: st.DataObject) -> None:
        refund = data.draw(st.sampled_from(self._in(S.MANUAL, S.NEEDS_PERSON)))
        self._move(refund, Move(S.SUCCEEDED))

    @precondition(lambda self: bool(self._in(S.SUCCEEDED)))
    @rule(data=st.data())
    def fail_later(self, data: st.DataObject) -> None:
        self._move(data.draw(st.sampled_from(self._in(S.SUCCEEDED))), Move(S.FAILED_LATER))

    @invariant()
    def money_moved_at_most_once(self) -> None:
        assert all(len(keys) <= 1 for keys in self.moved.values())

    @invariant()
    def one_row_per_payment_with_one_key(self) -> None:
        assert len(self.rows) == len({row.payment for row in self.rows.values()}) == 2
        assert all(row.attempt == 1 for row in self.rows.values())

    @invariant()
    def what_is_called_back_or_refused_has_not_moved(self) -> None:
        for row in self._in(S.WITHDRAWN):
            assert not self.moved.get(row.id)


TestRefundLife = RefundLife.TestCase
