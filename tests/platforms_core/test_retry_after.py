"""`Retry-After` is a wish: read strictly, capped, and dropped where it makes no sense."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.platforms.retry_after import LONGEST_WAIT_SECONDS, seconds_to_wait

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("٣", None),
        ("NaN", None),
        ("99999999999999999999 Jan 1 1:1:1 GMT", None),
        ("0", 0),
        (" 30 ", 30),
        ("0.2", 1),
        ("3600", 3600),
        ("999999999", LONGEST_WAIT_SECONDS),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60),
        ("Sun, 22 Nov 2026 12:01:00 -0000", 60),
        ("Sun, 22 Nov 2026 13:01:00 +0100", 60),
        ("Sun, 22 Nov 2020 12:00:00 GMT", 0),
        ("Sun, 22 Nov 2099 12:00:00 GMT", LONGEST_WAIT_SECONDS),
    ],
)
def test_a_wish_is_read(header: str | None, seconds: int | None) -> None:
    assert seconds_to_wait(header, NOW) == seconds


@given(st.text())
def test_no_wish_breaks_the_reader(header: str) -> None:
    seconds = seconds_to_wait(header, NOW)

    assert seconds is None or 0 <= seconds <= LONGEST_WAIT_SECONDS
