"""How the health page says numbers, moments and spans: in the tenant's language and zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.numbers import format_decimal

from plugin.ports.records import Tenant
from plugin.services.health import Count
from plugin.services.wording import locale_of
from plugin.web.views.health_words import health_word

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_LONG = 2
"""From two of a unit on it is said in that unit: `90 min`, and then `2 h`."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Words for one reader at one moment."""

    tenant: Tenant
    now: datetime

    def say(self, key: str, /, **values: str | int) -> str:
        return health_word(self.tenant.locale, key, **values)

    def number(self, value: int) -> str:
        """`1,204`."""
        return str(format_decimal(value, locale=locale_of(self.tenant.locale)))

    def count(self, count: Count) -> str:
        """`7`, or `200 or more`."""
        number = self.number(count.number)
        return self.say("count.more", n=number) if count.more else number

    def counted(self, key: str, count: Count) -> str:
        """A sentence with a count in it; of many, the form for many."""
        return self.say(key, n=count.number, number=self.count(count))

    def at(self, moment: datetime) -> str:
        """`14:12` today, else `21 Nov, 14:12`."""
        zone = ZoneInfo(self.tenant.time_zone)
        is_today = moment.astimezone(zone).date() == self.now.astimezone(zone).date()
        return self._formatted(moment, "HH:mm" if is_today else "d MMM, HH:mm")

    def hour(self, moment: datetime) -> str:
        """`9:00`."""
        return self._formatted(moment, "H:mm")

    def _formatted(self, moment: datetime, pattern: str) -> str:
        zone = ZoneInfo(self.tenant.time_zone)
        locale = locale_of(self.tenant.locale)
        return str(format_datetime(moment, pattern, tzinfo=zone, locale=locale))

    def age(self, moment: datetime) -> str:
        """How long ago it was: `40 s`, `6 min`, `5 h`, `2 days`."""
        return self.span(self.now - moment)

    def span(self, length: timedelta) -> str:
        """A length in the unit that fits; never less than nothing."""
        seconds = max(0, round(length.total_seconds()))
        if seconds < _LONG * _MINUTE:
            return self.say("age.seconds", n=seconds)
        if seconds < _LONG * _HOUR:
            return self.say("age.minutes", n=seconds // _MINUTE)
        if seconds < _LONG * _DAY:
            return self.say("age.hours", n=seconds // _HOUR)
        return self.say("age.days", n=seconds // _DAY)
