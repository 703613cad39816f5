"""What the judge says of presses: decided twice, refunded by two, taken back and still sent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from plugin.domain.ids import PlanId
from plugin.domain.refunds import RefundState
from tests.kill.judge import Findings, Seen, judge_presses
from tests.kill.stories import Done


def _row(plan: str, order: str, state: RefundState = RefundState.SUCCEEDED) -> Any:  # noqa: ANN401 - a row
    return SimpleNamespace(
        id=f"r-{plan}", plan_id=plan, order_installation="1", order_ref=order, state=state
    )


def _judged(done: Done, *rows: object) -> Findings:
    found = Findings()
    judge_presses(found, Seen({}, {}, {}, list(rows), [], [], [], done))  # type: ignore[arg-type]
    return found


def test_one_press_one_plan_one_order_is_right() -> None:
    done = Done()
    done.answered_decided["p"] = 1
    done.undone.add(PlanId("q"))
    found = _judged(done, _row("p", "a"), _row("q", "b", RefundState.WITHDRAWN))
    assert list(found.lines()) == []


def test_a_plan_that_two_presses_decided_is_a_double() -> None:
    done = Done()
    done.answered_decided["p"] = 2
    assert len(_judged(done, _row("p", "a")).double) == 1


def test_an_order_that_two_plans_refunded_is_a_double() -> None:
    assert len(_judged(Done(), _row("p", "a"), _row("q", "a")).double) == 1


def test_what_was_taken_back_and_sent_is_at_odds() -> None:
    done = Done()
    done.undone.add(PlanId("p"))
    assert len(_judged(done, _row("p", "a")).mismatch) == 1


def test_what_was_said_to_be_paid_by_hand_must_not_wait_for_it() -> None:
    done = Done()
    done.attested.add(PlanId("p"))
    assert len(_judged(done, _row("p", "a", RefundState.MANUAL)).lost) == 1
    assert list(_judged(done, _row("p", "a")).lines()) == []
