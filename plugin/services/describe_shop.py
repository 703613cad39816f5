"""Say what the shop is called, in which time zone its days begin, and its language.

The name signs what customers get, the time zone decides which day it is. A new time zone becomes a
new version of the policy: versions are added and never changed. As long as nobody has started one
beside the first start's own, it holds for every purchase, as that one did; from then on for what is
bought from now on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from babel import Locale

from plugin.domain.ids import TenantId
from plugin.domain.message_texts import TEMPLATES
from plugin.domain.texts import is_one_line
from plugin.ports.records import Tenant
from plugin.ports.storage import Storage, UnitOfWork

NAME, TIME_ZONE, LANGUAGE = "name", "time_zone", "language"
LONGEST_NAME: Final = 100

LANGUAGES: Final[Mapping[str, str]] = {
    code: str(Locale.parse(code, sep="-").english_name) for code in TEMPLATES
}
"""The languages that we have, by their tag."""

_NO_PLACES: Final = frozenset({"Factory", "localtime", "posixrules"})


@dataclass(frozen=True, slots=True)
class ShopDescribed:
    """The shop as it is kept now."""

    shop: Tenant


@dataclass(frozen=True, slots=True)
class NotDescribed:
    """Nothing was changed. `field` names what to mend, `advice` says how."""

    field: str
    advice: str


@cache
def time_zones() -> tuple[str, ...]:
    """The names of all time zones in the IANA database, sorted."""
    return tuple(sorted(available_timezones() - _NO_PLACES))


def time_zone_named(typed: str) -> str | None:
    """The time zone that is meant, whatever its capitals; None where there is none of that name."""
    wanted = typed.strip().replace(" ", "_").casefold()
    return next((name for name in time_zones() if name.casefold() == wanted), None)


@dataclass(frozen=True, slots=True)
class DescribeShop:
    """The use case, with its port."""

    storage: Storage

    def __call__(
        self, tenant: TenantId, told: Mapping[str, str], actor: str, now: datetime
    ) -> ShopDescribed | NotDescribed:
        """Keep what is told: any of `name`, `time_zone`, `language`. The rest stays as it is."""
        with self.storage.begin(tenant) as uow:
            before = uow.settings.tenant()
            after = _described(before, told)
            if isinstance(after, NotDescribed):
                return after
            if after == before:
                return ShopDescribed(before)
            uow.settings.describe_tenant(after.name, after.time_zone, after.locale)
            if after.time_zone != before.time_zone:
                _count_days_in(uow, after.time_zone, now)
            old, new = _facts(before), _facts(after)
            changed = {name: value for name, value in new.items() if value != old[name]}
            uow.audit.write(now, actor, "shop.described", tenant, changed)
            uow.commit()
        return ShopDescribed(after)


def _described(shop: Tenant, told: Mapping[str, str]) -> Tenant | NotDescribed:
    for field, value in told.items():
        match field:
            case "name":
                name = " ".join(value.split())
                if not (name and len(name) <= LONGEST_NAME and is_one_line(name)):
                    return NotDescribed(NAME, f"give a name of at most {LONGEST_NAME} characters")
                shop = replace(shop, name=name)
            case "time_zone":
                zone = time_zone_named(value)
                if zone is None:
                    return NotDescribed(TIME_ZONE, "give an IANA name like Europe/Zagreb")
                shop = replace(shop, time_zone=zone)
            case "language":
                if value not in LANGUAGES:
                    return NotDescribed(LANGUAGE, f"we have: {', '.join(LANGUAGES)}")
                shop = replace(shop, locale=value)
            case _:
                return NotDescribed(field, f"give any of {NAME}, {TIME_ZONE}, {LANGUAGE}")
    return shop


def _facts(shop: Tenant) -> dict[str, str]:
    return {NAME: shop.name, TIME_ZONE: shop.time_zone, LANGUAGE: shop.locale}


def _count_days_in(uow: UnitOfWork, time_zone: str, now: datetime) -> None:
    """The newest policy again, with days of this zone."""
    policy = uow.settings.policy()
    if policy is None or policy.newest.timezone == time_zone:
        return
    newest = policy.newest
    nobody_chose = all(one.in_force_from == newest.in_force_from for one in policy.versions)
    since = newest.in_force_from if nobody_chose else max(now, newest.in_force_from)
    uow.settings.add_policy(
        replace(newest, number=newest.number + 1, in_force_from=since, timezone=time_zone)
    )
