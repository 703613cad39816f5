"""Whole days and calendar periods in a seller's time zone.

A day is a date on the seller's wall, whatever the clocks did in between, so daylight saving changes
no verdict. Never reads the clock, never guesses the zone of a time that has none.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, timedelta, tzinfo

from plugin.domain.errors import InvalidInput

UNITS = ("day", "week", "month", "year")


def require_zone(at: datetime, field: str) -> None:
    """Raises InvalidInput when `at` names no zone: Python would take the machine's own."""
    if at.utcoffset() is None:
        raise InvalidInput(field, "give a moment with its time zone")


def local_date(at: datetime, zone: tzinfo, field: str = "time") -> date:
    """The date of `at` on the wall in `zone`. Raises InvalidInput for a time without a zone."""
    require_zone(at, field)
    return at.astimezone(zone).date()


def periods_later(start: date, count: int, unit: str) -> date:
    """`start` and `count` days, weeks, months or years. 31 Jan and a month is the last of February.

    Each is counted from `start`, never from the one before, so the 31st comes back after a short
    month. Raises InvalidInput for another unit.
    """
    if unit in ("day", "week"):
        return start + timedelta(days=count * (7 if unit == "week" else 1))
    if unit not in UNITS:
        raise InvalidInput("term", "a period is a day, week, month or year")
    months = start.month - 1 + count * (12 if unit == "year" else 1)
    year, month = start.year + months // 12, months % 12 + 1
    return date(year, month, min(start.day, monthrange(year, month)[1]))
