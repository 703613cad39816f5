"""Pro-rating by time: how much of a paid stretch is used, and the sum that goes back for the rest.

Counts whole days in the seller's time zone and calendar periods with the end of the month clamped.
The sum is kept with its steps, so that it can be shown and not only claimed. Knows nothing of fees,
of earlier refunds and of who may have the money.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

from plugin.domain.days import local_date, periods_later
from plugin.domain.errors import InvalidInput
from plugin.domain.money import Money
from plugin.domain.orders import Term


@dataclass(frozen=True, slots=True)
class ProrationSum:
    """`used` + `left` = `periods` of `unit`, and `kept` + `back` = what was paid."""

    periods: int
    used: int
    left: int
    unit: str
    kept: Money
    back: Money


def prorate(
    paid: Money, term: Term, now: datetime, timezone: tzinfo, *, begun_period_counts: bool = True
) -> ProrationSum:
    """The part of `paid` that belongs to periods not used at `now`, rounded half up once.

    A period begins on its date in `timezone`: 12 months from 25 Aug have 3 begun on 24 Nov, and 4
    on 25 Nov. With `begun_period_counts` a begun period is used; without it, only a period that has
    ended. Raises InvalidInput for a negative amount or a time without a zone.
    """
    if paid.minor < 0:
        raise InvalidInput("paid", "give what was paid, not what is owed")
    start = local_date(term.start, timezone, "term")
    today = local_date(now, timezone, "now")
    running = 0 if begun_period_counts else 1
    used = 0
    while used < term.periods and periods_later(start, used + running, term.unit) <= today:
        used += 1
    back = paid.share(term.periods - used, term.periods)
    return ProrationSum(term.periods, used, term.periods - used, term.unit, paid - back, back)
