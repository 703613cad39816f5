"""The contract that every store which refunds money must keep, whatever it is.

A platform's tests subclass `MoneyContract` and give it a `MoneyWorld`: a store that talks to a
gateway over HTTP, and hands on that gateway. What counts is what the gateway says was paid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

import pytest

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import PlanId
from plugin.domain.money import Money
from plugin.domain.orders import OrderRef, PaymentRef
from plugin.domain.refunds import (
    Declined,
    Found,
    NotFound,
    Refund,
    RefundAnswer,
    RefundState,
    Succeeded,
    refund_id,
)
from plugin.ports import RefundsMoney

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


class Trouble(StrEnum):
    """What the next refund call meets."""

    DROPPED_BEFORE_PAYING = "dropped_before_paying"
    SILENT_AFTER_PAYING = "silent_after_paying"
    ERROR_AFTER_PAYING = "error_after_paying"
    LATE_ANSWER = "late_answer"  # it pays, and answers only after the client has given up
    UNREADABLE_ANSWER = "unreadable_answer"  # it pays, and answers with a web page
    CUT_ANSWER = "cut_answer"  # it pays, and the answer ends in its middle
    ANSWER_OF_ANOTHER = "answer_of_another"  # it pays, and the answer tells of another refund
    BUSY = "busy"  # 429: nothing is done
    DOWN = "down"  # 503: nothing is done


PAID_ALL_THE_SAME = [
    Trouble.SILENT_AFTER_PAYING,
    Trouble.ERROR_AFTER_PAYING,
    Trouble.LATE_ANSWER,
    Trouble.UNREADABLE_ANSWER,
    Trouble.CUT_ANSWER,
    Trouble.ANSWER_OF_ANOTHER,
]


class MoneyWorld(Protocol):
    """One store before one gateway. Amounts are minor units."""

    honours_key: bool
    """Whether the gateway refunds once for a repeated key."""

    @property
    def store(self) -> RefundsMoney: ...

    def sell(self, amount: Money) -> PaymentRef:
        """A captured payment."""

    def paid_back(self, payment: PaymentRef) -> Sequence[int]:
        """What really went back, refund by refund, in order; failed ones are not in it."""

    def trouble_next(self, trouble: Trouble) -> None: ...

    def pend_next(self) -> None:
        """The next refund is taken, and not finished."""

    def fail_later(self, gateway_ref: str) -> None:
        """A refund that had succeeded fails at the bank."""

    def dispute(self, payment: PaymentRef) -> None: ...

    def expire_key(self) -> None:
        """Our API key is not accepted any more."""


def a_refund(
    payment: PaymentRef, minor: int, *, plan: str = "plan-1", currency: str = "EUR"
) -> Refund:
    """A refund as the saga has it when it calls: submitting, first attempt."""
    plan_id = PlanId(plan)
    return Refund(
        id=refund_id(plan_id, payment),
        plan=plan_id,
        order=OrderRef(payment.installation, payment.ref),
        payment=payment,
        label="Visa …4242",
        amount=Money(minor, currency),
        state=RefundState.SUBMITTING,
        attempt=1,
        send_at=NOW,
        wake_at=NOW,
    )


def succeeded(answer: RefundAnswer) -> str:
    assert isinstance(answer, Succeeded)
    return answer.gateway_ref


class MoneyContract:
    """Subclass it as `TestMoney` and give it the fixture `world`."""

    @pytest.fixture
    def world(self) -> MoneyWorld:
        raise NotImplementedError

    @pytest.fixture
    def payment(self, world: MoneyWorld) -> PaymentRef:
        return world.sell(Money(4900, "EUR"))

    def test_a_full_refund_pays_the_whole_amount_once(
        self, world: MoneyWorld, payment: PaymentRef
    ) -> None:
        succeeded(world.store.refund(a_refund(payment, 4900)))
        assert world.paid_back(payment) == [4900]

    def test_parts_and_then_the_rest_pay_exactly_that(
        self, world: MoneyWorld, payment: PaymentRef
    ) -> None:
        for number, minor in enumerate((1000, 1, 3899)):
            succeeded(world.store.refund(a_refund(payment, minor, plan=f"plan-{number}")))
        assert world.paid_back(payment) == [1000, 1, 3899]

    def test_a_currency_without_decimals_pays_what_was_asked(self, world: MoneyWorld) -> None:
        payment = world.sell(Money(3800, "JPY"))
        succeeded(world.store.refund(a_refund(payment, 1900, currency="JPY")))
        assert world.paid_back(payment) == [1900]

    def test_more_than_is_left_is_declined_and_pays_nothing(
        self, world: MoneyWorld, payment: PaymentRef
    ) -> None:
        succeeded(world.store.refund(a_refund(payment, 4000)))
        answer = world.store.refund(a_refund(payment, 901, plan="plan-2"))
        assert isinstance(answer, Declined)
        assert answer.code
        assert world.paid_back(payment) == [4000]

    def test_a_payment_refunded_elsewhere_in_full_is_declined(
        self, world: MoneyWorld, payment: PaymentRef
    ) -> None:
        succeeded(world.store.refund(a_refund(payment, 4900)))
        assert isinstance(world.store.refund(a_refund(payment, 100, plan="plan-2")), Declined)
        assert world.paid_back(payment) == [4900]

    def test_the_same_refund_sent_twice_pays_once(
        self, world: MoneyWorld, payment: PaymentRef
    ) -> None:
        refund = a_refund(payment, 1500)
        first = succeeded(world.store.refund(refund))
        if world.honours_key:
            assert succeeded(world.store.refund(refund)) == first
        found = world.store.look_up(refund)
        assert isinstance(found, Found)
        assert succeeded(found.answer) == first
        assert world.paid_back(payment) == [1500]

    @pytest.mark.parametrize("trouble", PAID_ALL_THE_SAME)
    def test_paid_without_a_usable_answer_is_unknown_and_found_by_looking(
        self, world: MoneyWorld, payment: PaymentRef, trouble: Trouble
    ) -> None:
        refund = a_refund(payment, 1500)
        world.trouble_next(trouble)
        with pytest.raises(OutcomeUnknown):
            world.store.refund(refund)
        found = world.store.look_up(refund)
        assert isinstance(found, Found)
        succeeded(found.answer)
        assert world.paid_back(payment) == [1500]

    @pytest.mark.parametrize("trouble", [Trouble.DROPPED_BEFORE_PAYING, Trouble.DOWN])
    def test_broken_before_paying_is_not_found_and_goes_through_again(
        self, world: MoneyWorld, payment: PaymentRef, trouble: Trouble
    ) -> None:
        refund = a_refund(payment, 1500)
        world.trouble_next(trouble)
        with pytest.raises(OutcomeUnknown):
            world.store.refund(refund)
        assert world.store.look_up(refund) == NotFound()
        succeeded(world.store.refund(refund))
        assert world.paid_back(payment) == [1500]

    def test_a_busy_gateway_is_asked_again_later(
        self, world: MoneyWorld, payment: PaymentRef
    ) -> None:
        refund = a_refund(payment, 1500)
        world.trouble_next(Trouble.BUSY)
        with pytest.raises(RetryLater) as caught:
            world.store.refund(refund)
        assert caught.value.after_seconds
        assert world.store.look_up(refund) == NotFound()
        assert world.paid_back(payment) == []

    def test_what_the_gateway_has_not_finished_is_pending_until_it_has(
        self, world: MoneyWorld, payment: PaymentRef
    ) -> None:
        refund = a_refund(payment, 1500)
        world.pend_next()
        answer = world.store.refund(refund)
        assert not isinstance(answer, Succeeded | Declined)
        assert world.store.look_up(refund) == Found(answer)

    def test_a_refund_that_fails_later_is_found_as_declined(
        self, world: MoneyWorld, payment: PaymentRef
    ) -> None:
        refund = a_refund(payment, 1500)
        world.fail_later(succeeded(world.store.refund(refund)))
        found = world.store.look_up(refund)
        assert isinstance(found, Found)
        assert isinstance(found.answer, Declined)
        assert world.paid_back(payment) == []

    def test_a_new_attempt_after_a_failed_one_is_a_refund_of_its_own(
        self, world: MoneyWorld, payment: PaymentRef
    ) -> None:
        refund = a_refund(payment, 1500)
        world.fail_later(succeeded(world.store.refund(refund)))
        again = replace(refund, attempt=2)
        assert world.store.look_up(again) == NotFound()
        succeeded(world.store.refund(again))
        assert world.paid_back(payment) == [1500]

    def test_an_earlier_attempt_that_paid_after_all_is_found(
        self, world: MoneyWorld, payment: PaymentRef
    ) -> None:
        refund = a_refund(payment, 1500)
        succeeded(world.store.refund(refund))
        assert isinstance(world.store.look_up(replace(refund, attempt=2)), Found)

    def test_another_refund_of_the_same_amount_is_not_taken_for_ours(
        self, world: MoneyWorld, payment: PaymentRef
    ) -> None:
        succeeded(world.store.refund(a_refund(payment, 1500)))
        assert world.store.look_up(a_refund(payment, 1500, plan="plan-2")) == NotFound()

    def test_a_key_that_is_not_accepted_is_refused_and_pays_nothing(
        self, world: MoneyWorld, payment: PaymentRef
    ) -> None:
        refund = a_refund(payment, 1500)
        world.expire_key()
        with pytest.raises(Refused):
            world.store.refund(refund)
        with pytest.raises(RetryLater):
            world.store.look_up(refund)
        assert world.paid_back(payment) == []

    def test_a_disputed_payment_is_declined_and_pays_nothing(
        self, world: MoneyWorld, payment: PaymentRef
    ) -> None:
        world.dispute(payment)
        assert isinstance(world.store.refund(a_refund(payment, 1500)), Declined)
        assert world.paid_back(payment) == []
