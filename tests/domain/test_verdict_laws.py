"""What holds for every verdict, whatever the policy, the sale and its age."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.money import Money
from plugin.domain.orders import (
    Line,
    ResourceKind,
    Term,
    Usage,
    UsageKnown,
    UsageUnknown,
)
from plugin.domain.policy import (
    Clause,
    KeptFee,
    Policy,
    ProRata,
    Selector,
    UsageCondition,
)
from plugin.domain.verdict import Because, VerdictKind, judge_line, judge_order
from tests.domain.policy_cases import (
    COURSES,
    FRESH,
    MEMBERSHIPS,
    NOW,
    SHOP,
    eur,
    line,
    local,
    order,
    policy,
    version,
    year_from,
)

ELIGIBLE = VerdictKind.ELIGIBLE
IN_PART = VerdictKind.ELIGIBLE_IN_PART
NO = VerdictKind.NOT_ELIGIBLE
REVIEW = VerdictKind.NEEDS_REVIEW
UNKNOWN = VerdictKind.UNKNOWN
AUGUST = local(2026, 8, 25)
WATERCOLOUR = line(
    paid=eur(14900), kind=ResourceKind.MEMBERSHIP, term=year_from(AUGUST), ref="year"
)
GUIDE = line(
    paid=eur(1900), kind=ResourceKind.DOWNLOAD, usage=UsageKnown(downloaded=False), ref="guide"
)
LIGHTING = line(paid=eur(29700))


KINDS = st.none() | st.sampled_from(ResourceKind)
SHARES = st.none() | st.integers(0, 100)
USAGES = st.just(UsageUnknown()) | st.builds(UsageKnown, st.none() | st.booleans(), SHARES)
CONDITIONS = st.builds(
    UsageCondition, not_downloaded=st.just(value=True), max_share_percent=SHARES
) | st.builds(UsageCondition, max_share_percent=st.integers(0, 100))
RULES = st.builds(
    Clause,
    id=st.just("1"),
    text=st.just("T."),
    applies_to=st.builds(Selector, st.frozensets(st.sampled_from(ResourceKind), max_size=3)),
    window_days=st.none() | st.integers(0, 400),
    usage=st.none() | CONDITIONS,
    prorata=st.none() | st.builds(ProRata, st.booleans()),
    kept_fee=st.none()
    | st.builds(KeptFee, st.none() | st.integers(1, 900).map(eur), st.integers(1, 9999)),
)
AGES = st.integers(0, 500)


@st.composite
def sales(draw: st.DrawFn) -> tuple[Policy, int, Money, Money, ResourceKind | None, Usage, bool]:
    paid = draw(st.integers(0, 10**6))
    refunded = draw(st.integers(0, paid))
    return (
        policy(draw(RULES), Clause("2", "All else: 14 days.", window_days=14)),
        draw(AGES),
        eur(paid),
        eur(refunded),
        draw(KINDS),
        draw(USAGES),
        draw(st.booleans()),
    )


@given(sales())
def test_a_verdict_gives_back_at_most_what_is_left_and_only_when_it_says_so(
    sale: tuple[Policy, int, Money, Money, ResourceKind | None, Usage, bool],
) -> None:
    rules, age, paid, refunded, kind, usage, timed = sale
    bought = NOW - timedelta(days=age)
    sold = line(
        paid=paid,
        refunded=refunded,
        kind=kind,
        usage=usage,
        term=Term(bought, 12) if timed else None,
    )
    verdict = judge_line(sold, bought, rules, NOW)
    pays = verdict.kind in (ELIGIBLE, IN_PART)
    assert bool(verdict.amount) is (pays or verdict.kind is REVIEW)
    assert eur(0) <= verdict.amount <= sold.left
    assert not pays or (verdict.amount == sold.left) is (verdict.kind is ELIGIBLE)
    assert not pays or verdict.clause is not None
    order_verdict = judge_order(order(sold, bought_at=bought), rules, NOW, FRESH)
    assert (order_verdict.kind, order_verdict.amount) == (verdict.kind, verdict.amount)


@given(RULES.filter(lambda rule: rule.usage is not None), AGES, st.integers(1, 10**6))
def test_unknown_use_is_never_eligible_and_never_a_no_for_being_used(
    rule: Clause, age: int, paid: int
) -> None:
    rule = replace(rule, applies_to=Selector())
    bought = NOW - timedelta(days=age)
    sold = line(paid=eur(paid), usage=UsageUnknown(), term=Term(bought, 12))
    verdict = judge_line(sold, bought, policy(rule), NOW)
    reasons_for_no = (Because.WINDOW_OVER, Because.TERM_USED_UP, Because.FEE_KEPT)
    if verdict.kind is NO:
        assert verdict.because in reasons_for_no
    else:
        assert (verdict.kind, verdict.because) == (REVIEW, Because.USAGE_UNKNOWN)


@given(AGES, st.integers(0, 400))
def test_the_version_of_the_verdict_is_the_one_in_force_at_purchase(age: int, change: int) -> None:
    changed = Policy(
        (version(COURSES, number=1), version(MEMBERSHIPS, number=2, since=NOW - timedelta(change)))
    )
    verdict = judge_line(LIGHTING, NOW - timedelta(days=age), changed, NOW)
    assert verdict.policy_version == (2 if age <= change else 1)


@given(st.lists(st.sampled_from([LIGHTING, WATERCOLOUR, GUIDE]), min_size=1, max_size=4), AGES)
def test_an_order_gives_back_the_sum_of_its_lines(lines: list[Line], age: int) -> None:
    bought = NOW - timedelta(days=age)
    chosen = [item for item in (LIGHTING, WATERCOLOUR, GUIDE) if item in lines]
    verdict = judge_order(order(*chosen, bought_at=bought), SHOP, NOW, FRESH)
    assert verdict.amount.minor == sum(each.amount.minor for _, each in verdict.lines)
    assert bool(verdict.amount) is (verdict.kind in (ELIGIBLE, IN_PART))
