"""Laws and examples of money: what is split adds up, what is not plain digits is refused."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.errors import InvalidInput
from plugin.domain.money import (
    MAX_MINOR,
    Money,
    WireFormat,
    exponent,
    parse_amount,
    total,
    zero,
)

CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD", "HUF", "ISK", "UGX", "CLF"])
MINORS = st.integers(0, 10**12)
AMOUNTS = st.builds(Money, MINORS, CURRENCIES)
WEIGHTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=8).filter(any)
# Stripe writes these two with decimals that ISO 4217 does not give them:
# https://docs.stripe.com/currencies#special-cases
WIRE = WireFormat({"ISK": 2, "UGX": 2})


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@given(AMOUNTS, WEIGHTS)
def test_the_parts_of_a_split_sum_to_the_whole(amount: Money, weights: list[int]) -> None:
    parts = amount.split(weights)
    assert len(parts) == len(weights)
    assert total(parts, amount.currency) == amount


@given(AMOUNTS, WEIGHTS)
def test_each_part_of_a_split_is_within_one_unit_of_its_exact_share(
    amount: Money, weights: list[int]
) -> None:
    for part, weight in zip(amount.split(weights), weights, strict=True):
        exact = Fraction(amount.minor * weight, sum(weights))
        assert abs(part.minor - exact) < 1
        assert weight or not part


def test_the_largest_remainder_gets_the_odd_cent_and_earlier_parts_win_ties() -> None:
    assert eur(100).split([1, 1, 1]) == (eur(34), eur(33), eur(33))
    assert eur(101).split([1, 1, 1]) == (eur(34), eur(34), eur(33))
    assert eur(10).split([1, 2]) == (eur(3), eur(7))
    assert eur(10).split([1, 5]) == (eur(2), eur(8))
    assert eur(7).split([1]) == (eur(7),)
    assert eur(0).split([5, 0]) == (eur(0), eur(0))


@pytest.mark.parametrize(("minor", "weights"), [(-1, [1]), (5, []), (5, [0, 0]), (5, [3, -1])])
def test_a_split_without_positive_weights_is_refused(minor: int, weights: list[int]) -> None:
    with pytest.raises(InvalidInput, match="split"):
        eur(minor).split(weights)


@given(AMOUNTS, st.integers(0, 1000), st.integers(1, 1000))
def test_a_share_lies_between_nothing_and_the_whole_and_is_rounded_once(
    amount: Money, part: int, whole: int
) -> None:
    part = min(part, whole)
    share = amount.share(part, whole)
    exact = Fraction(amount.minor * part, whole)
    assert zero(amount.currency) <= share <= amount
    assert Fraction(-1, 2) < share.minor - exact <= Fraction(1, 2)


@given(AMOUNTS, st.integers(1, 60))
def test_a_greater_part_is_never_a_smaller_share(amount: Money, whole: int) -> None:
    shares = [amount.share(part, whole).minor for part in range(whole + 1)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == amount.minor


def test_half_a_unit_is_rounded_up() -> None:
    assert eur(5).share(1, 2) == eur(3)
    assert eur(5).share(1, 3) == eur(2)
    assert eur(4).share(1, 3) == eur(1)


@pytest.mark.parametrize(("part", "whole"), [(1, 0), (0, 0), (-1, 2), (3, 2), (0, -1)])
def test_a_share_outside_the_whole_is_refused(part: int, whole: int) -> None:
    with pytest.raises(InvalidInput, match="share"):
        eur(5).share(part, whole)


@given(AMOUNTS)
def test_what_is_written_out_is_read_back(amount: Money) -> None:
    if amount.minor and amount.minor < 10**13:
        assert parse_amount(amount.decimal(), amount.currency) == amount


def test_amounts_are_written_with_the_decimals_of_their_currency() -> None:
    assert eur(4900).decimal() == "49.00"
    assert eur(5).decimal() == "0.05"
    assert eur(0).decimal() == "0.00"
    assert eur(1).decimal() == "0.01"
    assert eur(-1).decimal() == "-0.01"
    assert eur(-1005).decimal() == "-10.05"
    assert Money(3800, "JPY").decimal() == "3800"
    assert Money(-3800, "JPY").decimal() == "-3800"
    assert Money(1234, "KWD").decimal() == "1.234"
    assert Money(1, "CLF").decimal() == "0.0001"


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("49", "EUR", 4900),
        ("49.5", "EUR", 4950),
        ("49.00", "EUR", 4900),
        ("  49.00 ", "EUR", 4900),
        ("007", "EUR", 700),
        ("3800", "JPY", 3800),
        ("1.234", "KWD", 1234),
        ("0.0001", "CLF", 1),
        ("9999999999999.99", "EUR", 999999999999999),
        ("0.29", "EUR", 29),  # 28.999999999999996 hundredths to a float, as are those below
        ("19.99", "EUR", 1999),
        ("1.001", "KWD", 1001),
    ],
)
def test_plain_digits_are_money(text: str, currency: str, minor: int) -> None:
    assert parse_amount(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            " ",
            "+49",
            "-49",
            "4e2",
            "4E2",
            "1,000",
            "1,00",
            "1.000.00",
            "1 000",
            "1_000",
            "0x10",
        ],
        *["49.", ".50", "49.00.00", "4\n9", "49 EUR", "€49", "NaN", "inf", "1/2", "49.000"],
        *["٤٩", "４９", "४९", "4²", "49.٠٠", "−49", "49\x00", "49\N{NO-BREAK SPACE}0"],
        *["12345678901234", "1.23456", "0", "0.00", "00"],
    ],
)
def test_what_is_not_plain_positive_digits_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_amount(text, "EUR")
    assert refused.value.field == "amount"
    assert refused.value.advice


def test_a_typed_amount_is_one_line_whatever_stands_around_it() -> None:
    assert parse_amount("49.00\n", "EUR") == eur(4900)
    with pytest.raises(InvalidInput):
        parse_amount("49.00\n1", "EUR")


@pytest.mark.parametrize(
    ("text", "currency"), [("1.5", "JPY"), ("1.005", "EUR"), ("1.2345", "KWD")]
)
def test_more_decimals_than_the_currency_has_are_refused(text: str, currency: str) -> None:
    with pytest.raises(InvalidInput, match=f"{currency} has {exponent(currency)} decimals"):
        parse_amount(text, currency)


TYPED = st.text(max_size=20) | st.text("0123456789.,+-eE _٣", max_size=8)


@given(TYPED, CURRENCIES)
def test_any_text_is_positive_money_of_its_digits_or_refused(text: str, currency: str) -> None:
    with suppress(InvalidInput):
        amount = parse_amount(text, currency)
        assert 0 < amount.minor <= MAX_MINOR
        assert Fraction(text.strip()) == Fraction(amount.minor, 10 ** exponent(currency))
        assert set(text.strip()) <= set("0123456789.")


@given(MINORS, st.sampled_from(["JPY", "KWD", "HUF", "ISK", "UGX", "EUR"]))
def test_what_is_written_on_the_wire_is_read_back(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert WIRE.read(WIRE.write(money), currency.lower()) == money


def test_the_wire_has_its_own_decimals_where_the_platform_says_so() -> None:
    assert WIRE.write(Money(500, "ISK")) == 50000
    assert WIRE.read(50000, "isk") == Money(500, "ISK")
    assert WIRE.write(Money(3800, "JPY")) == 3800
    assert WIRE.write(Money(1234, "KWD")) == 1234
    assert WIRE.write(Money(4900, "HUF")) == 4900
    assert WireFormat({"EUR": 3}).write(eur(123)) == 1230
    assert WireFormat({"EUR": 3}).read(1230, "EUR") == eur(123)
    assert WireFormat({"KWD": 2}).write(Money(1230, "KWD")) == 123
    assert WireFormat({"KWD": 2}).read(123, "KWD") == Money(1230, "KWD")


def test_a_part_that_one_side_cannot_write_is_refused_not_rounded() -> None:
    with pytest.raises(InvalidInput, match="no such fraction"):
        WIRE.read(50001, "UGX")
    with pytest.raises(InvalidInput, match="cannot write so small a part"):
        WireFormat({"KWD": 2}).write(Money(1234, "KWD"))


def test_a_currency_whose_wire_form_is_unknown_is_refused_both_ways() -> None:
    wire = WireFormat(refused=frozenset({"MGA"}))
    with pytest.raises(InvalidInput, match="MGA is unknown"):
        wire.read(100, "mga")
    with pytest.raises(InvalidInput, match="MGA is unknown"):
        wire.write(Money(100, "MGA"))


@pytest.mark.parametrize(
    "mix",
    [
        operator.add,
        operator.sub,
        operator.lt,
        operator.le,
        operator.gt,
        operator.ge,
        Money.clamp,
    ],
)
@pytest.mark.parametrize("minor", [-1, 0, 5])
def test_two_currencies_never_mix(mix: Callable[[Money, Money], object], minor: int) -> None:
    with pytest.raises(InvalidInput, match="do not mix"):
        mix(eur(5), Money(minor, "USD"))


def test_a_total_over_two_currencies_is_refused() -> None:
    with pytest.raises(InvalidInput, match="do not mix"):
        total([eur(1), Money(1, "USD")], "EUR")
    assert total([], "EUR") == zero("EUR")
    assert total([eur(1), eur(2)], "EUR") == eur(3)


@given(st.integers(-MAX_MINOR, MAX_MINOR), st.integers(-MAX_MINOR, MAX_MINOR))
def test_a_clamped_amount_lies_between_nothing_and_the_most(minor: int, most: int) -> None:
    clamped = eur(minor).clamp(eur(most))
    assert eur(0) <= clamped <= max(eur(0), eur(most))
    if 0 <= minor <= most:
        assert clamped == eur(minor)


def test_amounts_compare_add_and_know_whether_they_are_nothing() -> None:
    assert eur(1) + eur(2) == eur(3)
    assert eur(1) - eur(2) == eur(-1)
    assert eur(1) < eur(2) <= eur(2)
    assert not eur(2) < eur(2)
    assert not eur(2) <= eur(1)
    assert eur(1)
    assert not zero("EUR")


@pytest.mark.parametrize("minor", [1.0, True, "1", MAX_MINOR + 1, -MAX_MINOR - 1])
def test_an_amount_that_is_no_whole_number_of_minor_units_is_refused(minor: object) -> None:
    with pytest.raises(InvalidInput, match="amount"):
        Money(minor, "EUR")  # type: ignore[arg-type]  # what an untyped caller could pass


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "EU", "EU1", "EUR\n", "ЕUR"])
def test_a_currency_that_is_no_iso_code_is_refused(currency: str) -> None:
    with pytest.raises(InvalidInput, match="currency"):
        Money(1, currency)


@pytest.mark.parametrize(
    ("refused", "field", "advice"),
    [
        (lambda: Money(True, "EUR"), "amount", "give whole minor units"),
        (lambda: Money(1, "eur"), "currency", "give a three-letter ISO 4217 code in capitals"),
        (lambda: eur(MAX_MINOR + 1), "amount", "this is larger than any order can be"),
        (lambda: eur(1) + Money(1, "USD"), "currency", "EUR and USD do not mix"),
        (lambda: eur(1).share(2, 1), "share", "a part lies between nothing and the whole"),
        (lambda: eur(1).split([]), "split", "an amount splits over positive weights only"),
        (lambda: parse_amount("x", "EUR"), "amount", "type digits like 49 or 49.00"),
        (lambda: parse_amount("1.5", "JPY"), "amount", "JPY has 0 decimals"),
        (lambda: parse_amount("0", "EUR"), "amount", "type an amount above zero"),
        (lambda: WIRE.read(50001, "ugx"), "amount", "UGX has no such fraction"),
        (
            lambda: WireFormat({"KWD": 2}).write(Money(1, "KWD")),
            "amount",
            "this platform cannot write so small a part of KWD",
        ),
        (
            lambda: WireFormat(refused=frozenset({"MGA"})).read(1, "mga"),
            "currency",
            "how this platform writes MGA is unknown",
        ),
        (
            lambda: WireFormat(refused=frozenset({"MRU"})).write(Money(1, "MRU")),
            "currency",
            "how this platform writes MRU is unknown",
        ),
    ],
)
def test_what_is_refused_names_its_field_and_says_what_to_do(
    refused: Callable[[], object], field: str, advice: str
) -> None:
    with pytest.raises(InvalidInput) as told:
        refused()
    assert (told.value.field, told.value.advice) == (field, advice)
