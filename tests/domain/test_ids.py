"""Names for identifiers: what is the same customer, and what is the same digest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.ids import customer_key, digest

WORDS = st.lists(st.text(max_size=5), max_size=4)


@pytest.mark.parametrize("email", ["Ana@Shop.Example", "  ana@shop.example ", "ANA@SHOP.EXAMPLE\n"])
def test_spaces_and_capitals_make_no_other_customer(email: str) -> None:
    assert customer_key(email) == "ana@shop.example"


@pytest.mark.parametrize("email", ["a.na@shop.example", "ana+x@shop.example"])
def test_dots_and_plus_signs_make_another_customer(email: str) -> None:
    assert customer_key(email) != customer_key("ana@shop.example")


def test_a_digest_is_32_hex_digits_and_the_same_every_time() -> None:
    assert digest("ab", "c") == digest("ab", "c")
    assert len(digest()) == 32
    assert int(digest("ab"), 16)


@given(WORDS, WORDS)
def test_other_parts_make_another_digest(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)
