"""What counts as a difference from outside, what does not, and what becomes of one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from plugin.domain.access_map import AccessMap
from plugin.domain.drift import (
    NEXT_STEPS,
    Difference,
    DriftKind,
    DriftState,
    booked_refunds,
    compare_access,
    compare_refunds,
    is_moving,
    known_refunds,
    next_state,
)
from plugin.domain.facts import Fact, Refunded, RefundFailed
from plugin.domain.ids import customer_key
from plugin.domain.ledger import read_ledger
from plugin.domain.money import Money
from plugin.domain.orders import Order, RefundRoute, RefundSeen, RefundStage, Resource
from plugin.domain.refunds import Refund, RefundState
from tests.factories import (
    BANK,
    EMAIL,
    NOW,
    ORDER,
    STORE,
    a_bundle,
    a_course,
    a_line_ref,
    a_payment,
    a_payment_ref,
    a_purchase,
    a_refund,
    a_tag,
    ago,
    an_order,
    an_order_ref,
    eur,
)

PAYMENT = a_payment_ref()
CONNECTED = ago(days=30)
NOTHING: frozenset[Resource] = frozenset()


# --- states ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "seen", "ripe", "after"),
    [
        (None, False, True, None),
        (None, True, False, DriftState.SUSPECTED),
        (DriftState.SUSPECTED, True, False, DriftState.SUSPECTED),
        (DriftState.SUSPECTED, True, True, DriftState.OPEN),
        (DriftState.SUSPECTED, False, True, DriftState.MENDED),
        (DriftState.OPEN, True, True, DriftState.OPEN),
        (DriftState.OPEN, False, True, DriftState.MENDED),
        (DriftState.CLOSED, True, True, DriftState.CLOSED),
        (DriftState.CLOSED, False, True, DriftState.MENDED),
        (DriftState.MENDED, False, True, DriftState.MENDED),
        (DriftState.MENDED, True, True, DriftState.SUSPECTED),
    ],
)
def test_a_difference_is_told_when_it_lasts_and_ends_when_it_is_gone(
    before: DriftState | None, seen: bool, ripe: bool, after: DriftState | None
) -> None:
    assert next_state(before, is_seen=seen, is_ripe=ripe) is after


def test_every_kind_has_a_next_step() -> None:
    assert set(NEXT_STEPS) == set(DriftKind)
    assert all(step.endswith(".") for step in NEXT_STEPS.values())


# --- access ---------------------------------------------------------------------------------------


def given(*resources: Resource, order: str = ORDER.ref, back: bool = False) -> list[Fact]:
    bought = a_purchase(*resources, line=a_line_ref(order=an_order_ref(order)))
    facts: list[Fact] = [bought]
    if back:
        ref = bought.line.order
        facts.append(
            Refunded(bought.customer, ref, f"re-{order}", ago(days=1), bought.paid, whole=True)
        )
    return facts


def compared(
    facts: list[Fact],
    *has: Resource,
    in_the_air: frozenset[Resource] = NOTHING,
    access: AccessMap | None = None,
) -> list[tuple[DriftKind, str]]:
    ledger = read_ledger(facts, access or AccessMap(), NOW)
    return [(one.kind, one.subject) for one in compare_access(ledger, STORE, has, in_the_air)]


def test_what_ended_and_is_held_is_left_and_what_is_owed_and_not_held_is_missing() -> None:
    ended, owed = a_course("c1"), a_course("c2")
    facts = [*given(ended, back=True), *given(owed, order="10413")]

    assert compared(facts, owed) == []
    assert compared(facts, ended) == [
        (DriftKind.ACCESS_LEFT, "course:c1"),
        (DriftKind.ACCESS_MISSING, "course:c2"),
    ]


def test_what_we_are_still_changing_is_no_difference() -> None:
    ended = a_course("c1")

    assert compared(given(ended, back=True), ended, in_the_air=frozenset({ended})) == []


def test_tags_count_bundles_do_not_and_what_no_fact_tells_of_is_not_ours_to_judge() -> None:
    tag, bundle, gift = a_tag("t1"), a_bundle("b1"), a_course("c9")
    facts = given(tag, bundle, back=True)

    assert compared(facts, tag, bundle, gift) == [(DriftKind.ACCESS_LEFT, "tag:t1")]
    assert compared(given(bundle)) == []


def test_another_stores_things_are_compared_there() -> None:
    elsewhere = a_course("c1", store=BANK)

    assert compared(given(elsewhere)) == []


def test_nothing_counts_as_left_while_a_living_purchase_may_give_it() -> None:
    ended = a_course("c1")
    untold = a_purchase(line=a_line_ref(order=an_order_ref("10500")), told=False)

    assert compared([*given(ended, back=True), untold], ended) == []


def test_the_details_name_the_thing_and_nobody() -> None:
    ledger = read_ledger(given(a_course("c1", "Oil"), back=True), AccessMap(), NOW)
    [found] = compare_access(ledger, STORE, [a_course("c1")], NOTHING)

    assert found.details == {"kind": "course", "ref": "c1", "name": "Oil"}


# --- money ----------------------------------------------------------------------------------------


def charge(*refunds: RefundSeen) -> Order:
    return replace(an_order(payments=(a_payment(),)), refunds=refunds)


def seen(
    ref: str,
    minor: int,
    state: RefundStage = RefundStage.SUCCEEDED,
    at: datetime = NOW,
    reference: str | None = None,
) -> RefundSeen:
    return RefundSeen(ref, PAYMENT, eur(minor), state, at, reference)


def ours(minor: int = 500, state: RefundState = RefundState.SUCCEEDED, ref: str = "re-1") -> Refund:
    return replace(a_refund(state=state), payment=PAYMENT, amount=eur(minor), gateway_ref=ref)


def told(ref: str, minor: int) -> Refunded:
    by_payment = ((PAYMENT, eur(minor)),)
    return Refunded(customer_key(EMAIL), ORDER, ref, NOW, eur(minor), by_payment=by_payment)


def money(
    order: Order,
    rows: list[Refund] | None = None,
    facts: list[Fact] | None = None,
    *,
    lists_all: bool = True,
) -> list[tuple[DriftKind, str]]:
    rows, facts = rows or [], facts or []
    found = compare_refunds(
        order,
        booked_refunds(BANK, rows, facts),
        known_refunds(rows, facts),
        CONNECTED,
        lists_all=lists_all,
    )
    return [(one.kind, one.subject) for one in found]


def test_books_that_agree_differ_in_nothing() -> None:
    order = charge(seen("re-1", 500), seen("re-2", 700))

    assert money(order, [ours()], [told("re-2", 700)]) == []


def test_a_refund_that_nobody_told_us_is_unheard() -> None:
    assert money(charge(seen("re-9", 500))) == [(DriftKind.REFUND_UNHEARD, "re-9")]


def test_refunds_from_before_the_account_was_connected_are_nobodys_news() -> None:
    assert money(charge(seen("re-9", 500, at=CONNECTED - timedelta(days=1)))) == []


def test_a_refund_that_is_not_through_there_is_no_difference() -> None:
    assert money(charge(seen("re-9", 500, RefundStage.PENDING))) == []
    assert money(charge(seen("re-9", 500, RefundStage.FAILED))) == []


def test_a_refund_that_we_heard_had_failed_is_known() -> None:
    failed = RefundFailed(customer_key(EMAIL), ORDER, "re-2", NOW)

    assert money(charge(seen("re-2", 700)), facts=[told("re-2", 700), failed]) == []
    assert money(charge(), facts=[told("re-2", 700), failed]) == []


def test_amounts_that_differ_are_told_with_both() -> None:
    order = charge(seen("re-1", 900))
    [found] = compare_refunds(
        order, booked_refunds(BANK, [ours()], []), frozenset(), CONNECTED, lists_all=True
    )

    assert found == Difference(
        DriftKind.REFUND_DIFFERS, "re-1", {"refund": "re-1", "there": "900 EUR", "here": "500 EUR"}
    )


def test_a_refund_of_ours_is_known_by_our_reference_too() -> None:
    row = replace(ours(), gateway_ref=None)

    assert money(charge(seen("re-1", 500, reference=row.key)), [row]) == []


def test_what_counts_as_done_here_and_failed_or_is_missing_there_is_gone() -> None:
    gone = DriftKind.REFUND_GONE

    assert money(charge(seen("re-1", 500, RefundStage.FAILED)), [ours()]) == [(gone, "re-1")]
    assert [kind for kind, _ in money(charge(), [ours()])] == [gone]
    assert money(charge(), facts=[told("re-2", 700)]) == [(gone, "re-2")]


def test_of_a_payment_that_is_refunded_by_hand_the_platform_knows_nothing() -> None:
    order = replace(charge(), payments=(a_payment(route=RefundRoute.BY_HAND),))

    assert money(order, [ours()]) == []


def test_a_list_that_is_not_whole_proves_no_refund_gone() -> None:
    assert money(charge(), [ours()], lists_all=False) == []


def test_what_we_refused_failed_or_booked_for_another_account_is_not_booked_here() -> None:
    elsewhere = replace(ours(), payment=a_payment_ref(account=STORE))
    rows = [ours(state=RefundState.FAILED_LATER), elsewhere]
    by_plan = replace(told("plan-1", 500), refund=rows[0].plan)

    assert booked_refunds(BANK, rows, [by_plan, told("re-1", 500)]) == ()
    other = replace(told("re-3", 1), by_payment=((a_payment_ref(account=STORE), eur(1)),))
    assert booked_refunds(BANK, [], [other]) == ()


def test_money_is_compared_only_when_nothing_of_it_moves() -> None:
    assert not is_moving([ours()])
    assert is_moving([ours(), ours(state=RefundState.PENDING)])


def test_amounts_are_told_in_minor_units_with_their_currency() -> None:
    yen = replace(ours(), amount=Money(500, "JPY"))
    [found] = compare_refunds(
        charge(), booked_refunds(BANK, [yen], []), frozenset(), CONNECTED, lists_all=True
    )

    assert found.details["here"] == "500 JPY"
