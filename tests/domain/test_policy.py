"""Policies: the version at purchase, the first clause that speaks, documents read strictly."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.errors import InvalidInput
from plugin.domain.money import Money
from plugin.domain.orders import ResourceKind
from plugin.domain.policy import (
    EVERYTHING,
    Clause,
    KeptFee,
    Policy,
    PolicyVersion,
    ProRata,
    Selector,
    Split,
    Unmatched,
    UsageCondition,
)
from plugin.domain.policy_document import policy_version_from, to_document
from tests.domain.policy_cases import (
    COURSES,
    DOWNLOADS,
    MEMBERSHIPS,
    PERSON_DECIDES,
    SHOP,
    eur,
    local,
    version,
)

KINDS = st.frozensets(st.sampled_from(ResourceKind))
SELECTORS = st.builds(Selector, KINDS, st.frozensets(st.text(min_size=1, max_size=5), max_size=3))
USAGES = st.builds(
    UsageCondition,
    not_downloaded=st.just(value=True),
    max_share_percent=st.none() | st.integers(0, 100),
    if_unknown=st.sampled_from([None, "99"]),
)
FEES = st.builds(
    KeptFee,
    st.none() | st.builds(Money, st.integers(1, 10**6), st.sampled_from(["EUR", "JPY"])),
    st.integers(1, 10_000),
)
TEXTS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=40)
RULES = st.builds(
    Clause,
    id=st.just("1"),
    text=TEXTS,
    applies_to=SELECTORS,
    window_days=st.none() | st.integers(0, 3660),
    usage=st.none() | USAGES,
    prorata=st.none() | st.builds(ProRata, st.booleans()),
    kept_fee=st.none() | FEES,
) | st.builds(
    Clause, id=st.just("1"), text=TEXTS, applies_to=SELECTORS, non_refundable=st.just(value=True)
)


@st.composite
def versions(draw: st.DrawFn) -> PolicyVersion:
    rules = draw(st.lists(RULES, min_size=1, max_size=6))
    numbered = [replace(rule, id=str(place)) for place, rule in enumerate(rules, start=1)]
    at = draw(st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  # Hypothesis wants naive bounds
    zone = draw(st.sampled_from(["UTC", "Europe/Zagreb", "America/St_Johns", "Asia/Kathmandu"]))
    informs = Clause("99", "A person decides.", decides=False)
    return PolicyVersion(draw(st.integers(1, 999)), at, zone, (*numbered, informs))


@given(versions())
def test_a_version_is_the_same_after_a_round_trip_through_json(written: PolicyVersion) -> None:
    assert policy_version_from(json.loads(json.dumps(to_document(written)))) == written


@pytest.mark.parametrize(
    ("bought", "number"),
    [
        (local(2020, 1, 1), 5),
        (local(2026, 1, 1, 0), 5),
        (local(2026, 5, 31, 23, 59), 5),
        (local(2026, 6, 1, 12), 6),
        (local(2026, 11, 1, 11, 59), 6),
        (local(2026, 11, 1, 12), 7),
        (local(2030, 1, 1), 7),
    ],
)
def test_the_version_at_purchase_applies_and_the_first_one_covers_older_purchases(
    bought: datetime, number: int
) -> None:
    assert SHOP.in_force(bought).number == number
    assert SHOP.in_force(bought.astimezone(UTC)).number == number


@given(st.datetimes(timezones=st.just(UTC)), st.timedeltas(timedelta(0), timedelta(days=999)))
def test_a_later_purchase_never_gets_an_older_version(at: datetime, later: timedelta) -> None:
    after = at + min(later, datetime.max.replace(tzinfo=UTC) - at)
    assert SHOP.in_force(at).number <= SHOP.in_force(after).number


def test_two_versions_of_one_moment_are_the_later_one() -> None:
    at = local(2026, 1, 1)
    policy = Policy((version(number=1, since=at), version(number=2, since=at)))
    assert policy.in_force(at).number == 2
    assert policy.newest.number == 2


def test_a_policy_without_versions_or_with_versions_out_of_order_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least one version"):
        Policy(())
    older, newer = version(number=1), version(number=2, since=local(2025, 1, 1))
    for wrong in ((newer, older), (older, older), (version(number=3), newer)):
        with pytest.raises(InvalidInput, match="oldest to the newest"):
            Policy(wrong)
    with pytest.raises(InvalidInput, match="time zone"):
        Policy((older,)).in_force(local(2026, 1, 1).replace(tzinfo=None))


COURSE = frozenset({ResourceKind.COURSE})


def test_the_first_clause_that_speaks_of_a_product_decides() -> None:
    special = Clause(
        "1", "Sale items stay sold.", Selector(products=frozenset({"sale"})), non_refundable=True
    )
    general = Clause("2", "All else: 30 days.", window_days=30)
    page = version(special, general)
    assert page.clause_for("sale", COURSE) is special
    assert page.clause_for("sale", None) is special
    assert page.clause_for("other", COURSE) is general
    assert page.clause_for("other", None) is general
    assert version(general, special).clause_for("sale", COURSE) is general


def test_an_unknown_kind_is_never_guessed() -> None:
    page = version(COURSES, Clause("9.1", "All else: 7 days.", window_days=7))
    assert page.clause_for("p", COURSE) is COURSES
    assert page.clause_for("p", None) is Unmatched.KIND_UNKNOWN
    assert page.clause_for("p", frozenset({ResourceKind.TAG})) == page.cited("9.1")


def test_what_no_clause_speaks_of_has_none_and_informing_clauses_do_not_count() -> None:
    page = version(COURSES, PERSON_DECIDES)
    assert page.clause_for("p", frozenset({ResourceKind.LICENCE})) is Unmatched.NO_CLAUSE


def test_kinds_or_products_are_enough_to_be_spoken_of() -> None:
    both = Selector(COURSE, frozenset({"p"}))
    assert both.covers("p", None) is True
    assert both.covers("q", COURSE) is True
    assert both.covers("q", frozenset({ResourceKind.TAG})) is False
    assert both.covers("q", None) is None
    assert EVERYTHING.covers("q", None) is True
    assert Selector(products=frozenset({"p"})).covers("q", None) is False


def test_a_clause_is_cited_by_its_number() -> None:
    assert version().cited("3.2") is PERSON_DECIDES
    with pytest.raises(KeyError):
        version().cited("8.8")


def test_a_kept_fee_is_never_more_than_the_amount() -> None:
    assert KeptFee(eur(100)).of(eur(4900)) == eur(100)
    assert KeptFee(eur(100)).of(eur(60)) == eur(60)
    assert KeptFee(basis_points=250).of(eur(4900)) == eur(123)
    assert KeptFee(eur(100), 250).of(eur(4900)) == eur(223)
    assert KeptFee(eur(100)).of(Money(3800, "JPY")) is None


@given(FEES, st.integers(0, 10**9))
def test_a_fee_lies_between_nothing_and_the_amount(fee: KeptFee, minor: int) -> None:
    kept = fee.of(eur(minor))
    assert kept is None or eur(0) <= kept <= eur(minor)


@pytest.mark.parametrize("number", ["", "0", "2.", ".1", "2.0", "2.1.1.1", "a", "2.1\n", "100"])
def test_a_clause_number_is_like_2_or_2_1(number: str) -> None:
    with pytest.raises(InvalidInput, match="number clauses like"):
        Clause(number, "Text.")


@pytest.mark.parametrize("text", ["", "  ", "two\nlines", "bell\x07", "x" * 601])
def test_a_clause_has_one_line_of_text(text: str) -> None:
    with pytest.raises(InvalidInput, match="write one line"):
        Clause("1", text)


WRONG_RULES: list[tuple[Callable[[], object], str]] = [
    (lambda: Clause("1", "T.", window_days=-1), "0 to 3660 days"),
    (lambda: Clause("1", "T.", window_days=3661), "0 to 3660 days"),
    (lambda: Clause("1", "T.", window_days=30, non_refundable=True), "leave out window"),
    (lambda: Clause("1", "T.", prorata=ProRata(), decides=False), "only informs"),
    (lambda: Clause("1", "T.", non_refundable=True, decides=False), "only informs"),
    (lambda: Clause("1", "T.", COURSES.applies_to, decides=False), "only informs"),
    (UsageCondition, "what must not have been used"),
    (lambda: UsageCondition(max_share_percent=101), "0 to 100"),
    (lambda: UsageCondition(max_share_percent=-1), "0 to 100"),
    (KeptFee, "fixed amount, basis points"),
    (lambda: KeptFee(eur(-1)), "not negative"),
    (lambda: KeptFee(basis_points=10_001), "0 to 10000"),
    (lambda: KeptFee(basis_points=-1), "0 to 10000"),
    (lambda: version(number=0), "count versions from 1"),
    (lambda: version(since=datetime(2026, 1, 1)), "time zone"),  # noqa: DTZ001  # what is refused
    (lambda: version(COURSES, COURSES), "a number of its own"),
    (lambda: version(PERSON_DECIDES), "at least one clause that decides"),
    (lambda: version(DOWNLOADS), "3.1 cites 3.2, which is not here"),
]


@pytest.mark.parametrize(
    ("build", "complaint"), WRONG_RULES, ids=[f"rule {n}" for n in range(len(WRONG_RULES))]
)
def test_a_rule_that_says_nothing_or_two_things_is_refused(
    build: Callable[[], object], complaint: str
) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        build()


@pytest.mark.parametrize("zone", ["", "Europe", "Europe/Nowhere", "../UTC", "a\x00b", "+02:00"])
def test_a_time_zone_is_an_iana_name(zone: str) -> None:
    with pytest.raises(InvalidInput, match="IANA name"):
        version(zone=zone)


def page_document() -> dict[str, object]:
    fee = Clause("5.1", "All else: 7 days, less 1 EUR.", window_days=7, kept_fee=KeptFee(eur(100)))
    return to_document(version(COURSES, DOWNLOADS, PERSON_DECIDES, MEMBERSHIPS, fee))


def test_a_document_says_what_the_page_says_and_leaves_defaults_out() -> None:
    document = page_document()
    assert document["split"] == "proportional"
    assert document["in_force_from"] == "2024-01-01T12:00:00+01:00"
    assert document["clauses"] == [
        {
            "id": "2.1",
            "text": COURSES.text,
            "applies_to": {"kinds": ["course"], "products": []},
            "window_days": 30,
        },
        {
            "id": "3.1",
            "text": DOWNLOADS.text,
            "applies_to": {"kinds": ["download"], "products": []},
            "window_days": 14,
            "usage": {"not_downloaded": True, "if_unknown": "3.2"},
        },
        {"id": "3.2", "text": PERSON_DECIDES.text, "decides": False},
        {
            "id": "4.2",
            "text": MEMBERSHIPS.text,
            "applies_to": {"kinds": ["membership"], "products": []},
            "prorata": {"begun_period_counts": True},
        },
        {
            "id": "5.1",
            "text": "All else: 7 days, less 1 EUR.",
            "window_days": 7,
            "kept_fee": {"minor": 100, "currency": "EUR", "basis_points": 0},
        },
    ]


def test_a_short_document_has_the_defaults() -> None:
    read = policy_version_from(
        {
            "number": 1,
            "in_force_from": "2026-01-01T00:00:00Z",
            "timezone": "UTC",
            "clauses": [
                {"id": "1", "text": "Bought is bought.", "non_refundable": True, "applies_to": {}},
                {"id": "2", "text": "T.", "usage": {"max_share_percent": 19}, "prorata": {}},
                {"id": "3", "text": "T.", "kept_fee": {"basis_points": 250}},
            ],
        }
    )
    assert read.split is Split.PROPORTIONAL
    assert read.clauses == (
        Clause("1", "Bought is bought.", non_refundable=True),
        Clause("2", "T.", usage=UsageCondition(max_share_percent=19), prorata=ProRata()),
        Clause("3", "T.", kept_fee=KeptFee(basis_points=250)),
    )


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (["number"], "7", "number"),
        (["number"], True, "number"),
        (["number"], 1.0, "number"),
        (["number"], 0, "number"),
        (["in_force_from"], "yesterday", "in_force_from"),
        (["in_force_from"], "2026-01-01T00:00:00", "in_force_from"),
        (["in_force_from"], 0, "in_force_from"),
        (["timezone"], "Mars", "timezone"),
        (["timezone"], None, "timezone"),
        (["split"], "fair", "split"),
        (["clauses"], {}, "clauses"),
        (["clauses"], [], "clauses"),
        (["windows"], 3, "windows"),
        (["clauses", 0], "2.1", "clauses[0].clause"),
        (["clauses", 0, "id"], 2.1, "clauses[0].id"),
        (["clauses", 0, "text"], None, "clauses[0].text"),
        (["clauses", 0, "window_day"], 30, "clauses[0].window_day"),
        (["clauses", 0, "window_days"], "30", "clauses[0].window_days"),
        (["clauses", 0, "window_days"], -1, "clauses[0].window_days"),
        (["clauses", 0, "non_refundable"], "no", "clauses[0].non_refundable"),
        (["clauses", 0, "applies_to"], [], "clauses[0].applies_to"),
        (["clauses", 0, "applies_to", "kinds"], "course", "clauses[0].applies_to.kinds"),
        (["clauses", 0, "applies_to", "kinds"], ["boat"], "clauses[0].applies_to.kinds"),
        (["clauses", 0, "applies_to", "kinds"], [1], "clauses[0].applies_to.kinds"),
        (["clauses", 0, "applies_to", "tags"], [], "clauses[0].applies_to.tags"),
        (["clauses", 1, "usage", "not_downloaded"], 1, "clauses[1].usage.not_downloaded"),
        (["clauses", 1, "usage", "max_share_percent"], 200, "clauses[1].usage.max_share_percent"),
        (["clauses", 1, "usage", "watched"], 20, "clauses[1].usage.watched"),
        (["clauses", 1, "usage"], {}, "clauses[1].usage"),
        (["clauses", 3, "prorata", "by"], "time", "clauses[3].prorata.by"),
        (["clauses", 4, "kept_fee", "minor"], 1.5, "clauses[4].kept_fee.minor"),
        (["clauses", 4, "kept_fee", "minor"], -1, "clauses[4].kept_fee.minor"),
        (["clauses", 4, "kept_fee", "currency"], "eur", "clauses[4].kept_fee.currency"),
        (["clauses", 4, "kept_fee", "percent"], 2, "clauses[4].kept_fee.percent"),
        (["clauses", 4, "kept_fee"], {}, "clauses[4].kept_fee"),
    ],
)
def test_a_document_with_a_fault_is_refused_by_the_path_to_it(
    path: list[str | int], value: object, field: str
) -> None:
    document = copy.deepcopy(page_document())
    inner: object = document
    for part in path[:-1]:
        if isinstance(part, int):
            assert isinstance(inner, list)
            inner = inner[part]
        else:
            assert isinstance(inner, dict)
            inner = inner[part]
    assert isinstance(inner, dict | list)
    inner[path[-1]] = value  # type: ignore[index]  # the path says which of the two it is
    with pytest.raises(InvalidInput) as refused:
        policy_version_from(document)
    assert refused.value.field == field
    assert refused.value.advice


@pytest.mark.parametrize("key", ["number", "in_force_from", "timezone", "clauses"])
def test_a_document_without_a_needed_part_is_refused(key: str) -> None:
    document = page_document()
    del document[key]
    with pytest.raises(InvalidInput) as refused:
        policy_version_from(document)
    assert refused.value.field == key


def test_a_document_is_an_object() -> None:
    with pytest.raises(InvalidInput, match="give an object"):
        policy_version_from([])  # type: ignore[arg-type]  # what a JSON file could hold


REFUSALS: dict[str, tuple[Callable[[], object], str]] = {
    "say what must not have been used": (UsageCondition, "usage"),
    "give 0 to 100 per cent": (
        lambda: UsageCondition(max_share_percent=101),
        "usage.max_share_percent",
    ),
    "give a fixed amount, basis points, or both": (KeptFee, "kept_fee"),
    "a fee is not negative": (lambda: KeptFee(eur(-1)), "kept_fee.minor"),
    "give 0 to 10000; 250 are 2.5 per cent": (
        lambda: KeptFee(basis_points=10_001),
        "kept_fee.basis_points",
    ),
    "number clauses like 2 or 2.1": (lambda: Clause("a", "T."), "id"),
    "write one line of up to 600 characters": (lambda: Clause("1", ""), "text"),
    "give 0 to 3660 days": (lambda: Clause("1", "T.", window_days=-1), "window_days"),
    "leave out window, usage, prorata and kept_fee": (
        lambda: Clause("1", "T.", window_days=30, non_refundable=True),
        "non_refundable",
    ),
    "a clause that only informs has a text and no rule": (
        lambda: Clause("1", "T.", non_refundable=True, decides=False),
        "decides",
    ),
    "count versions from 1": (lambda: version(number=0), "number"),
    "give an IANA name like Europe/Zagreb": (lambda: version(zone="Europe"), "timezone"),
    "each clause needs a number of its own": (lambda: version(COURSES, COURSES), "clauses"),
    "give at least one clause that decides": (lambda: version(PERSON_DECIDES), "clauses"),
    "3.1 cites 3.2, which is not here": (lambda: version(DOWNLOADS), "clauses"),
    "give at least one version": (lambda: Policy(()), "versions"),
    "list versions from the oldest to the newest": (
        lambda: Policy((version(), version())),
        "versions",
    ),
    "give a moment with its time zone": (
        lambda: SHOP.in_force(local(2026, 1, 1).replace(tzinfo=None)),
        "at",
    ),
}


@pytest.mark.parametrize("advice", REFUSALS)
def test_what_is_refused_names_its_field_and_says_what_to_do(advice: str) -> None:
    build, field = REFUSALS[advice]
    with pytest.raises(InvalidInput) as refused:
        build()
    assert (refused.value.field, refused.value.advice) == (field, advice)


def test_the_most_and_the_least_are_allowed() -> None:
    assert Clause("1", "x" * 600, window_days=3660).window_days == 3660
    assert Clause("1", "T.", window_days=0).window_days == 0
    assert KeptFee(basis_points=10_000).of(eur(100)) == eur(100)
    assert KeptFee(eur(0), basis_points=1).fixed == eur(0)
    assert UsageCondition(max_share_percent=0).max_share_percent == 0
    assert UsageCondition(max_share_percent=100).max_share_percent == 100


def test_a_clause_that_is_cited_and_not_there_is_named() -> None:
    with pytest.raises(KeyError, match=r"9\.9"):
        version().cited("9.9")
