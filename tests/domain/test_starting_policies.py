"""The four starting points: whole, publishable, and deciding as their title says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from plugin.domain.orders import ResourceKind, UsageKnown
from plugin.domain.policy import Policy
from plugin.domain.policy_document import policy_version_from, to_document
from plugin.domain.starting_policies import STARTING_POLICIES, StartingPolicy, starting_policy
from plugin.domain.verdict import Because, VerdictKind, judge_line
from tests.domain.policy_cases import NOW, eur, line, local, year_from

ELIGIBLE = VerdictKind.ELIGIBLE
IN_PART = VerdictKind.ELIGIBLE_IN_PART
NO = VerdictKind.NOT_ELIGIBLE
REVIEW = VerdictKind.NEEDS_REVIEW
COURSE, DOWNLOAD = ResourceKind.COURSE, ResourceKind.DOWNLOAD
LICENCE, MEMBERSHIP = ResourceKind.LICENCE, ResourceKind.MEMBERSHIP


def test_the_four_stand_in_the_order_of_the_install_screen() -> None:
    assert [policy.title for policy in STARTING_POLICIES] == [
        "30 days, no questions",
        "14 days, if not downloaded",
        "30 days, then months not started",
        "EU right of withdrawal",
    ]


@pytest.mark.parametrize("start", STARTING_POLICIES, ids=lambda policy: policy.slug)
def test_each_is_a_whole_version_with_its_clauses_in_page_order(start: StartingPolicy) -> None:
    version = start.version(NOW, "Europe/Zagreb")
    ids = [clause.id for clause in version.clauses]
    assert version.number == 1
    assert ids == sorted(ids)
    assert policy_version_from(to_document(version)) == version
    assert starting_policy(start.slug) is start


def test_an_unknown_starting_point_is_no_starting_point() -> None:
    with pytest.raises(KeyError):
        starting_policy("sixty_days")


@pytest.mark.parametrize(
    ("slug", "kind", "days", "usage", "verdict", "clause"),
    [
        ("thirty_days", None, 30, None, ELIGIBLE, "1.1"),
        ("thirty_days", COURSE, 31, None, NO, "1.1"),
        (
            "fourteen_days_not_downloaded",
            DOWNLOAD,
            14,
            UsageKnown(downloaded=False),
            ELIGIBLE,
            "3.1",
        ),
        ("fourteen_days_not_downloaded", DOWNLOAD, 3, UsageKnown(downloaded=True), NO, "3.1"),
        ("fourteen_days_not_downloaded", DOWNLOAD, 3, None, REVIEW, "3.2"),
        ("fourteen_days_not_downloaded", COURSE, 14, None, ELIGIBLE, "4.1"),
        ("fourteen_days_not_downloaded", COURSE, 15, None, NO, "4.1"),
        ("thirty_days_then_months", COURSE, 30, None, ELIGIBLE, "2.1"),
        ("thirty_days_then_months", COURSE, 31, None, NO, "2.1"),
        ("thirty_days_then_months", DOWNLOAD, 3, None, REVIEW, "3.2"),
        ("thirty_days_then_months", MEMBERSHIP, 30, None, ELIGIBLE, "4.2"),
        ("thirty_days_then_months", MEMBERSHIP, 90, None, IN_PART, "4.2"),
        ("thirty_days_then_months", MEMBERSHIP, 400, None, NO, "4.2"),
        ("thirty_days_then_months", LICENCE, 30, None, ELIGIBLE, "4.3"),
        ("eu_withdrawal", COURSE, 14, UsageKnown(share=0), ELIGIBLE, "2.1"),
        ("eu_withdrawal", COURSE, 14, UsageKnown(share=1), NO, "2.1"),
        ("eu_withdrawal", COURSE, 14, None, REVIEW, "3.2"),
        ("eu_withdrawal", DOWNLOAD, 14, UsageKnown(downloaded=True), NO, "3.1"),
        ("eu_withdrawal", DOWNLOAD, 15, None, NO, "3.1"),
        ("eu_withdrawal", LICENCE, 14, None, ELIGIBLE, "4.1"),
    ],
)
def test_each_decides_as_its_title_says(
    slug: str,
    kind: ResourceKind | None,
    days: int,
    usage: UsageKnown | None,
    verdict: VerdictKind,
    clause: str,
) -> None:
    bought = NOW - timedelta(days=days)
    term = year_from(bought) if kind is MEMBERSHIP else None
    sold = line(paid=eur(12000), kind=kind, usage=usage, term=term)
    policy = Policy((starting_policy(slug).version(local(2024, 1, 1), "Europe/Zagreb"),))
    found = judge_line(sold, bought, policy, NOW)
    assert found.kind is verdict
    assert found.clause is not None
    assert found.clause.id == clause


def test_three_of_twelve_months_used_gives_nine_back() -> None:
    start = starting_policy("thirty_days_then_months").version(local(2024, 1, 1), "Europe/Zagreb")
    bought = local(2026, 8, 25)
    sold = line(paid=eur(14900), kind=MEMBERSHIP, term=year_from(bought))
    found = judge_line(sold, bought, Policy((start,)), NOW)
    assert found.amount == eur(11175)
    assert found.because is Because.MONTHS_NOT_STARTED
