"""What the install screen shows of the shop: name, time zone, language. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from plugin.ports.records import Tenant
from plugin.services.describe_shop import LANGUAGES, LONGEST_NAME, time_zone_named, time_zones


@dataclass(frozen=True, slots=True)
class ShopCard:
    """The form as it stands. `clock` is the time there, empty for a zone that is none."""

    name: str
    time_zone: str
    language: str
    clock: str
    zones: tuple[str, ...]
    languages: tuple[tuple[str, str], ...]
    longest_name: int = LONGEST_NAME
    faults: Mapping[str, str] = field(default_factory=dict)


def shop_card(
    tenant: Tenant,
    name: str,
    time_zone: str,
    now: datetime,
    faults: Mapping[str, str] | None = None,
) -> ShopCard:
    """The form with `name` and `time_zone` as they are, or as they were typed."""
    zone = time_zone_named(time_zone)
    clock = "" if zone is None else now.astimezone(ZoneInfo(zone)).strftime("%H:%M")
    return ShopCard(
        name=name,
        time_zone=time_zone,
        language=tenant.locale,
        clock=clock,
        zones=time_zones(),
        languages=tuple(LANGUAGES.items()),
        faults=faults or {},
    )
