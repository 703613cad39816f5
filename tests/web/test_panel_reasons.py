"""Why a refund stands where it does: our own words for our own codes, quoted only the gateway's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin.domain.ids import PlanId
from plugin.domain.messages import is_own_reason
from plugin.domain.plan import BlockedBy
from plugin.domain.refunds import Move, RefundState
from plugin.services.settle_refund import settle_refund
from plugin.web.views.panel_words import WORDS
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.panel_desk import BY_HAND, SILENT, YEAR, Desk, opened, pass_time
from tests.web.practice_house import PracticeHouse

PLUGIN = Path(__file__).parents[2] / "plugin"
PLACES = ("domain/refunds.py", "services/*.py", "stores/**/*.py", "platforms/*.py")
GATEWAYS_OWN = {"failed_at_the_bank"}
"""What the pretended gateway of practice says, as a real one would."""


def _codes() -> Iterator[str]:
    """Every code that a move of a refund gets from our own code, written there as it is."""
    for place in PLACES:
        for path in PLUGIN.glob(place):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    at = {"Declined": 0, "Silence": 0, "_withdrawn": 0, "Move": 3}.get(node.func.id)
                    given = [] if at is None else node.args[at : at + 1]
                    yield from (str(a.value) for a in given if isinstance(a, ast.Constant))


def test_every_code_of_our_own_has_a_sentence_of_ours() -> None:
    codes = set(_codes()) - GATEWAYS_OWN
    assert {"never_answered", "whole_only", "reported_by_store"} <= codes
    assert sorted(code for code in codes if not is_own_reason(code)) == []


@pytest.mark.parametrize("locale", WORDS)
def test_every_reason_to_block_a_plan_is_said_in_every_language(locale: str) -> None:
    wanted = {f"blocked.{by}" for by in BlockedBy} | {
        f"notice.{by}.{part}"
        for by in (BlockedBy.WHOLE_ONLY, BlockedBy.IN_PROGRESS, BlockedBy.OTHER_PAYMENT)
        for part in ("title", "text")
    }
    assert wanted <= WORDS[locale].keys()


def _settled(house: PracticeHouse, clock: TurnedClock, ticket: str, move: Move) -> Desk:
    """A refund that was sent, and then got `move`."""
    desk = opened(house, ticket).press()
    plan = desk.field("refund")
    pass_time(house, clock, 11)
    with house.parts.house.storage.begin(house.tenant) as uow:
        (refund,) = uow.refunds.of_plan(PlanId(plan))
        assert settle_refund(uow, refund, move, "worker", clock.now())
        uow.commit()
    return desk.timeline(plan)


def test_a_refusal_of_our_own_is_not_put_into_the_gateways_mouth(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    move = Move(RefundState.REFUSED, None, None, "key_refused")
    desk = _settled(house, clock, SILENT, move)
    assert "No money has moved. The gateway refused our key." in desk.text
    assert "The gateway says" not in desk.text


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("expired_or_canceled_card", "The gateway says: expired or canceled card."),
        ("", "No money has moved. Removing access"),
    ],
)
def test_what_a_gateway_names_is_quoted_and_silence_is_left_out(
    house: PracticeHouse, clock: TurnedClock, reason: str, shown: str
) -> None:
    desk = _settled(house, clock, SILENT, Move(RefundState.REFUSED, None, None, reason))
    assert shown in desk.text


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("several_refunds_match", "More than one refund at the gateway could be ours."),
        ("", "took the request and went quiet."),
    ],
)
def test_a_person_who_must_look_is_told_why(
    house: PracticeHouse, clock: TurnedClock, reason: str, shown: str
) -> None:
    desk = _settled(house, clock, SILENT, Move(RefundState.NEEDS_PERSON, None, None, reason))
    assert shown in desk.text
    assert "Look there, then say what you found." in desk.text


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("not_found_there", "The gateway does not know it, so it is sent again."),
        ("rate_limited", "Practice shop asked us to wait. It is sent as soon as it may be."),
    ],
)
def test_a_refund_that_goes_again_says_why_it_waits(
    house: PracticeHouse, clock: TurnedClock, reason: str, shown: str
) -> None:
    again = Move(RefundState.RESERVED, clock.now(), None, reason, again=True)
    assert shown in _settled(house, clock, SILENT, again).text


def test_a_refund_by_hand_ends_with_how_it_was_done_and_no_reference(
    house: PracticeHouse,
) -> None:
    desk = opened(house, BY_HAND).press()
    plan = desk.field("refund")
    desk.send("attest", desk.order("20444"), ("refund", plan))
    house.work()
    assert "A person refunded it by hand. When it arrives" in desk.timeline(plan).text
    assert "Reference" not in desk.text


def test_one_part_that_was_never_sent_says_why_beside_the_other(
    house: PracticeHouse, clock: TurnedClock
) -> None:
    desk = opened(house, YEAR).press()
    plan = desk.field("refund")
    with house.parts.house.storage.begin(house.tenant) as uow:
        gift = next(r for r in uow.refunds.of_plan(PlanId(plan)) if "gift" in r.label)
        gone = Move(RefundState.WITHDRAWN, None, None, "never_reached")
        assert settle_refund(uow, gift, gone, "worker", clock.now())
        uow.commit()
    text = desk.timeline(plan).text
    assert "stopped" in text
    assert "The gateway could not be reached for days, so nothing was sent." in text
