"""Yesterday's deliveries, hour by hour: as bars, as one sentence, and as a table of the same.

The bars are for eyes only; whoever does not see them has the sentence and the table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from plugin.services.health import Count, Hour
from plugin.web.views.health_telling import Tell

STEPS = 20
"""A bar is one of so many heights, each a class: styles stand in our stylesheet only."""


@dataclass(frozen=True, slots=True)
class HourRow:
    """One hour. `step` is its bar's height of `STEPS`; `is_bad` where not all was applied."""

    name: str
    words: str
    step: int
    is_bad: bool


@dataclass(frozen=True, slots=True)
class Day:
    """The day. `said` tells what the bars show; `marks` stand below them, in order."""

    total: str
    said: str
    hours: tuple[HourRow, ...]
    marks: tuple[str, ...]


def day(hours: Sequence[Hour], tell: Tell) -> Day:
    """Yesterday, where the tenant is; without bars where nothing came."""
    total = Count(
        sum(one.delivered.number for one in hours), more=any(one.delivered.more for one in hours)
    )
    if not total.number:
        return Day(tell.say("day.none"), "", (), ())
    bad = sum(one.not_applied for one in hours)
    top = max(one.delivered.number for one in hours)
    begins = [tell.hour(one.begins) for one in hours]
    ends = [*begins[1:], "24:00"]
    return Day(
        total=_total("day.total", total, bad, tell),
        said=_said(hours, tell),
        hours=tuple(
            HourRow(
                name=tell.say("hour", begins=begin, ends=end),
                words=_total("hour", one.delivered, one.not_applied, tell),
                step=math.ceil(one.delivered.number * STEPS / top),
                is_bad=one.not_applied > 0,
            )
            for one, begin, end in zip(hours, begins, ends, strict=True)
        ),
        marks=(begins[0], begins[len(begins) // 2], "24:00"),
    )


def _total(key: str, count: Count, bad: int, tell: Tell) -> str:
    total = tell.count(count)
    return tell.say(f"{key}.bad", total=total, bad=tell.number(bad)) if bad else total


def _said(hours: Sequence[Hour], tell: Tell) -> str:
    least = min(hours, key=lambda one: one.delivered.number)
    most = max(hours, key=lambda one: one.delivered.number)
    said = tell.say(
        "day.bars",
        least=tell.count(least.delivered),
        least_at=tell.hour(least.begins),
        top=tell.count(most.delivered),
        top_at=tell.hour(most.begins),
    )
    bad = ", ".join(
        tell.say("day.bars.bad_at", n=one.not_applied, at=tell.hour(one.begins))
        for one in hours
        if one.not_applied
    )
    return f"{said} {tell.say('day.bars.bad', bad=bad)}" if bad else said
