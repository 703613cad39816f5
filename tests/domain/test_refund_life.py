"""A whole life of a refund: workers that die, keys that die, and a gateway that tells the truth."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from plugin.domain.refunds import (
    IN_FLIGHT,
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
    has_time_again,
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
FATES = st.sampled_from(["lands later", "has landed", "is lost"])
FOUND: st.SearchStrategy[LookUp | None] = st.one_of(
    st.none(), st.just(NotFound()), st.just(Ambiguous(2)), st.builds(Found, ANSWERS)
)


def _looks(before: Refund, move: Move) -> int:
    """As it is kept: of a refund that goes again it is known that it was sent before."""
    if move.to is S.RESERVED:
        return before.looks + 1 if move.again else before.looks
    if move.to is S.SUBMITTING:
        return before.looks
    return before.looks + 1 if move.to is before.state else 0


class RefundLife(RuleBasedStateMachine):
    """Plans over some payments, a worker that may die, and a gateway that may be silent.

    The gateway keeps what really happened; we see only what it answers. A call without an answer
    may still be on its way there, and a key is forgotten there once its life is over. Money moves
    at most once per payment, whatever is answered in whatever order.
    """

    rows: dict[str, Refund]
    moved: dict[str, list[datetime]]
    on_its_way: set[str]

    @initialize(honours_key=st.booleans())
    def decide(self, honours_key: bool) -> None:
        self.gateway = KEYS if honours_key else NO_KEYS
        self.now = NOW
        self.moved = {}
        self.on_its_way = set()
        self.evidence = False
        self.rows = {}
        self.payments = 0
        self.decide_another()

    @precondition(lambda self: len(self._in(*IN_FLIGHT)) < 3)
    @rule()
    def decide_another(self) -> None:
        """And the same again, which changes nothing."""
        self.payments += 1
        for _ in range(2):
            ref = a_payment_ref(f"pay-{self.payments}")
            refund = a_refund(payment=ref, send_at=self.now)
            self.rows.setdefault(refund.id, refund)

    def _move(self, refund: Refund, move: Move) -> None:
        before = self.rows[refund.id]
        assert move.to is before.state or may_move(before.state, move.to)
        if before.state is S.UNKNOWN and move.to is not S.UNKNOWN:
            assert self.evidence or move.to is S.NEEDS_PERSON
        self.evidence = False
        self.rows[refund.id] = moved(before, move.to, looks=_looks(before, move))

    def _in(self, *states: S) -> list[Refund]:
        return [refund for refund in self.rows.values() if refund.state in states]

    def _pay(self, refund: Refund) -> None:
        paid = self.moved.setdefault(refund.id, [])
        if not (paid and self._knows_key(paid[0])):
            paid.append(self.now)

    def _knows_key(self, since: datetime) -> bool:
        lives = timedelta(seconds=self.gateway.key_lives)
        return self.gateway.honours_key and self.now - since < lives

    def _land(self, refund: Refund) -> None:
        if refund.id in self.on_its_way:
            self.on_its_way.discard(refund.id)
            self._pay(refund)

    @rule(hours=st.sampled_from([0, 1, 23]), before=st.booleans())
    def wait(self, hours: int, before: bool) -> None:
        """No call is on its way for an hour: it lands or is lost."""
        for refund in self.rows.values():
            if hours and before:
                self._land(refund)
            elif hours:
                self.on_its_way.discard(refund.id)
        self.now += timedelta(hours=hours)

    @precondition(lambda self: bool(self.on_its_way))
    @rule(data=st.data())
    def land(self, data: st.DataObject) -> None:
        self._land(self.rows[data.draw(st.sampled_from(sorted(self.on_its_way)))])

    @precondition(lambda self: bool(self._in(S.RESERVED)))
    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        self._claim(data.draw(st.sampled_from(self._in(S.RESERVED))))

    def _claim(self, refund: Refund) -> None:
        is_over = refund.looks and not has_time_again(refund, self.now, self.gateway)
        self._move(refund, Move(S.UNKNOWN if is_over else S.SUBMITTING))

    @precondition(lambda self: bool([r for r in self._in(S.RESERVED) if r.wakes == 0]))
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        untouched = [r for r in self._in(S.RESERVED) if r.wakes == 0]
        self._move(data.draw(st.sampled_from(untouched)), Move(S.WITHDRAWN))

    @precondition(lambda self: bool(self._in(S.SUBMITTING)))
    @rule(data=st.data(), answer=st.one_of(ANSWERS, st.just(NotSent("busy"))))
    def call(self, data: st.DataObject, answer: RefundAnswer | NotSent) -> None:
        self._call(data.draw(st.sampled_from(self._in(S.SUBMITTING))), answer)

    def _call(self, refund: Refund, answer: RefundAnswer | NotSent) -> None:
        if isinstance(answer, Declined):
            self._land(refund)  # its key is known there: it would have said that it runs
        if isinstance(answer, Declined) and self.moved.get(refund.id):
            answer = Succeeded("re_1")  # its key is known there: the first answer is repeated
        if isinstance(answer, Succeeded | Pending):
            self._pay(refund)
        self._move(refund, after_call(refund, answer, self.now, self.gateway))

    @precondition(lambda self: bool(self._in(S.SUBMITTING)))
    @rule(data=st.data(), fate=FATES)
    def call_in_vain(self, data: st.DataObject, fate: str) -> None:
        self._call_in_vain(data.draw(st.sampled_from(self._in(S.SUBMITTING))), fate)

    def _call_in_vain(self, refund: Refund, fate: str) -> None:
        """Nobody answers, or the worker dies."""
        if fate == "has landed":
            self._pay(refund)
        elif fate == "lands later":
            self.on_its_way.add(refund.id)
        self._move(refund, after_call(refund, Silence("timeout"), self.now, self.gateway))

    @precondition(lambda self: bool(self._in(S.UNKNOWN)))
    @rule(data=st.data(), answers=st.booleans(), is_through=st.booleans())
    def look_up_unknown(self, data: st.DataObject, answers: bool, is_through: bool) -> None:
        unknown = data.draw(st.sampled_from(self._in(S.UNKNOWN)))
        self._look_up(unknown, answers=answers, is_through=is_through)

    def _look_up(self, refund: Refund, *, answers: bool, is_through: bool = True) -> None:
        if refund.looks + 1 >= len(self.gateway.looks):
            self._land(refund)  # so late is the last look that every call is over by then
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
        assert all(len(paid) <= 1 for paid in self.moved.values())

    @invariant()
    def one_row_per_payment_with_one_key(self) -> None:
        assert len(self.rows) == len({row.payment for row in self.rows.values()}) == self.payments
        assert all(row.attempt == 1 for row in self.rows.values())

    @invariant()
    def what_is_called_back_or_refused_has_not_moved(self) -> None:
        for row in self._in(S.WITHDRAWN):
            assert not self.moved.get(row.id)


TestRefundLife = RefundLife.TestCase


MEANWHILE = ("nothing", "it lands", "it lands, and the key dies")
ANSWERED: tuple[RefundAnswer | NotSent | Silence, ...] = (
    Silence("lands later"),
    Silence("has landed"),
    NotSent("busy"),
    Succeeded("re_1"),
)


@pytest.mark.parametrize("rules", [KEYS, replace(NO_KEYS, looks=(5,))])
def test_whatever_follows_a_call_that_lands_later_it_is_paid_once(rules: GatewayRules) -> None:
    """Every way that a look, a second call and what follows can go, and what happens in between."""
    for steps in product(product(MEANWHILE, ANSWERED), repeat=3):
        life = RefundLife()
        life.decide(rules.honours_key)
        life.gateway = rules
        [name] = life.rows
        life._claim(life.rows[name])
        life._call_in_vain(life.rows[name], "lands later")
        for meanwhile, answer in steps:
            if meanwhile != "nothing":
                life._land(life.rows[name])
            life.now += timedelta(hours=23 if "dies" in meanwhile else 0)
            if life.rows[name].state is S.RESERVED:
                life._claim(life.rows[name])
            if life.rows[name].state is S.UNKNOWN:
                life._look_up(life.rows[name], answers=True)
            elif life.rows[name].state is S.SUBMITTING and isinstance(answer, Silence):
                life._call_in_vain(life.rows[name], answer.code)
            elif life.rows[name].state is S.SUBMITTING and not isinstance(answer, Silence):
                life._call(life.rows[name], answer)
        assert len(life.moved.get(name, ())) <= 1, steps
