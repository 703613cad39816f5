"""Words: money with its code, days in the seller's zone, names on one line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from plugin.domain.ledger import Reason, ReasonKind
from plugin.domain.money import Money
from plugin.domain.orders import RefundRoute, Resource, ResourceKind
from plugin.domain.plan import Part, PlanItem
from plugin.services.wording import (
    amount_words,
    because_words,
    day_words,
    field_words,
    items_words,
    kind_word,
    locale_of,
    money_words,
    parts_words,
    resource_words,
    stays_words,
    without_tags,
)
from tests.factories import (
    ORDER,
    STORE,
    a_course,
    a_line_ref,
    a_payment_ref,
    a_tag,
    an_order_ref,
    eur,
)

MIDNIGHT = datetime(2026, 8, 24, 23, 30, tzinfo=UTC)


def reason(kind: ReasonKind, order: str = "other", title: str = "Members") -> Reason:
    line = a_line_ref("1", an_order_ref(order))
    return Reason(kind, f"{order}/1", MIDNIGHT, title, line)


@pytest.mark.parametrize(
    ("locale", "found"), [("de-AT", "de_AT"), ("en", "en"), ("xx-nowhere", "en"), ("?", "en")]
)
def test_the_nearest_locale_is_taken_and_english_where_there_is_none(
    locale: str, found: str
) -> None:
    assert str(locale_of(locale)) == found


@pytest.mark.parametrize(
    ("money", "locale", "words"),
    [
        (Money(380000, "EUR"), "en", "3,800.00"),
        (Money(11175, "EUR"), "de", "111,75"),
        (Money(3800, "JPY"), "en", "3,800"),
        (Money(1234, "KWD"), "en", "1.234"),
    ],
)
def test_amounts_have_the_decimals_of_their_currency(money: Money, locale: str, words: str) -> None:
    assert amount_words(money, locale) == words
    assert money_words(money, locale) == f"{words}\u00a0{money.currency}"


@pytest.mark.parametrize(
    ("money", "words"),
    [
        (Money(123450, "EUR"), "Refunded 1,234.50 EUR"),
        (Money(3800, "JPY"), "Refunded 3,800 JPY"),
    ],
)
def test_a_fields_words_are_plain_enough_to_be_compared(money: Money, words: str) -> None:
    assert field_words("Refunded", money) == words


def test_a_day_is_the_sellers() -> None:
    assert day_words(MIDNIGHT, "Europe/Zagreb", "en") == "25 Aug 2026"
    assert day_words(MIDNIGHT, "UTC", "en") == "24 Aug 2026"


def test_a_thing_is_called_by_its_name_or_else_by_its_id() -> None:
    assert resource_words(a_course("c1", "Paper\r\n& Pigment")) == "Course Paper & Pigment"
    assert resource_words(a_tag("t1")) == "Tag t1"


@pytest.mark.parametrize("kind", list(ResourceKind))
def test_every_kind_has_a_word(kind: ResourceKind) -> None:
    assert kind_word(kind) == kind.value.capitalize()
    assert resource_words(Resource(STORE, kind, "x")).startswith(kind_word(kind))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (ReasonKind.PURCHASE, "also bought on 25 Aug 2026"),
        (ReasonKind.BUNDLE, "part of a bundle bought on 25 Aug 2026"),
        (ReasonKind.TAG, "opened by the tag Members"),
        (ReasonKind.GIFT, "given on 25 Aug 2026"),
        (ReasonKind.BY_ITSELF, "added on 25 Aug 2026, not by this purchase"),
    ],
)
def test_every_reason_has_its_words(kind: ReasonKind, words: str) -> None:
    assert because_words([reason(kind)], "Europe/Zagreb", "en", ORDER) == words


def test_the_oldest_reason_of_another_order_is_named() -> None:
    newer = replace(reason(ReasonKind.GIFT), since=datetime(2026, 9, 1, tzinfo=UTC))
    own = replace(reason(ReasonKind.PURCHASE, ORDER.ref), since=datetime(2020, 1, 1, tzinfo=UTC))
    reasons = [newer, reason(ReasonKind.PURCHASE), own]
    assert because_words(reasons, "UTC", "en", ORDER) == "also bought on 24 Aug 2026"
    assert because_words([own], "UTC", "en", ORDER) == "this order still gives it"
    assert because_words([], "UTC", "en", ORDER) == ""


def test_lists_have_one_thing_a_line() -> None:
    items = [PlanItem(a_course("c1"), (reason(ReasonKind.GIFT),)), PlanItem(a_tag("t1"), ())]
    assert items_words(items) == "- Course c1\n- Tag t1"
    assert stays_words(items[:1], ORDER, "UTC", "en") == "- Course c1, given on 24 Aug 2026"


def test_a_customer_is_not_told_of_tags_nor_that_one_opens_what_she_keeps() -> None:
    opened = PlanItem(a_course("c1"), (reason(ReasonKind.TAG, title="vip"),))
    bought = PlanItem(a_course("c2"), (reason(ReasonKind.PURCHASE),))
    hers = without_tags([opened, PlanItem(a_tag("t1"), ()), bought])
    assert stays_words(hers, ORDER, "UTC", "en") == (
        "- Course c1\n- Course c2, also bought on 24 Aug 2026"
    )


def test_parts_say_how_much_goes_where() -> None:
    parts = [
        Part(a_payment_ref(str(n)), label, eur(cents), eur(0), RefundRoute.BY_API)
        for n, (label, cents) in enumerate([("Visa …4242", 9179), ("gift card", 1996)])
    ]
    assert parts_words(parts, "en") == "91.79\u00a0EUR to Visa …4242, 19.96\u00a0EUR to gift card"
