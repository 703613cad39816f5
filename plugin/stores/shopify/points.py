"""The points that a shop has left for our queries, as its last answer told. In memory, per process.

Shopify counts cost, not calls: points come back at a rate, and each answer says how many are left
(https://shopify.dev/docs/api/usage/limits). What a document cost last it costs next. A call that
would be throttled is not made: certainly nothing happened then. What another process spends is
seen with our next answer; until then Shopify itself says no, which is read as before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from plugin.platforms.strict_json import Malformed, Reader

LONGEST_WAIT = 60
_MOST = 4096


@dataclass(frozen=True, slots=True)
class _Told:
    left: float
    most: float
    rate: float
    at: datetime

    def at_time(self, now: datetime) -> float:
        passed = max(0.0, (now - self.at).total_seconds())
        return min(self.most, self.left + self.rate * passed)


@dataclass(slots=True)
class Points:
    """What is left, by the shop's address, and what each document costs. Safe between threads."""

    _shops: dict[str, _Told] = field(default_factory=dict)
    _costs: dict[str, float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def take(self, shop: str, label: str, now: datetime) -> int:
        """0 where the call may go out, else seconds until its points are there (none taken)."""
        with self._lock:
            told, cost = self._shops.get(shop), self._costs.get(label, 0.0)
            if told is None:
                return 0
            left = told.at_time(now)
            missing = min(cost, told.most) - left
            if missing > 0:
                return max(1, min(math.ceil(missing / told.rate), LONGEST_WAIT))
            self._shops[shop] = _Told(left - cost, told.most, told.rate, now)
            return 0

    def note(self, shop: str, label: str, answer: Reader, now: datetime) -> None:
        """What the answer tells of the points. One that tells nothing usable changes nothing."""
        try:
            cost = answer.optional_section("extensions", "cost")
            if cost is None:
                return
            asked = cost.optional_number("requestedQueryCost") or 0
            left = cost.optional_number("throttleStatus", "currentlyAvailable")
            most = cost.optional_number("throttleStatus", "maximumAvailable") or 0
            rate = cost.optional_number("throttleStatus", "restoreRate") or 0
        except Malformed:
            return  # the answer itself counts: a refund that was made is not unknown for this
        if left is None or min(asked, most, rate) <= 0:
            return
        with self._lock:
            if len(self._shops) >= _MOST:
                self._shops.clear()
            self._costs[label] = float(asked)
            self._shops[shop] = _Told(float(left), float(most), float(rate), now)


POINTS = Points()
"""This process's."""
