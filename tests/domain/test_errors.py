"""Errors: their codes, and what they carry for whoever handles them."""

from __future__ import annotations

import pytest

from plugin.domain.errors import (
    InvalidInput,
    MakegoodError,
    NeedsHuman,
    OutcomeUnknown,
    Refused,
    RetryLater,
)


@pytest.mark.parametrize("kind", [Refused, RetryLater, OutcomeUnknown, NeedsHuman])
def test_an_error_carries_a_code_and_shows_it(kind: type[MakegoodError]) -> None:
    assert str(kind("busy")) == "busy"
    assert str(kind("busy", "store-1")) == "busy: store-1"
    assert (kind("busy").code, kind("busy", "store-1").detail) == ("busy", "store-1")


def test_retry_later_carries_the_other_sides_wish() -> None:
    assert RetryLater("busy").after_seconds is None
    assert RetryLater("busy", after_seconds=9).after_seconds == 9


def test_invalid_input_names_the_part_and_says_what_to_do() -> None:
    error = InvalidInput("amount", "type digits like 49 or 49.00")

    assert (error.code, error.field) == ("invalid_input", "amount")
    assert error.advice == "type digits like 49 or 49.00"
    assert str(error) == "invalid_input: amount: type digits like 49 or 49.00"
