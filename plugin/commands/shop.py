"""`makegood shop`: show what the shop is called, its time zone and its language, or set them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, assert_never

from plugin.domain.errors import InvalidInput
from plugin.domain.ids import TenantId
from plugin.services.describe_shop import DescribeShop, NotDescribed, ShopDescribed

if TYPE_CHECKING:
    from plugin.app import Parts

ACTOR = "terminal"


def describe_shop(
    parts: Parts, tenant: TenantId, told: Mapping[str, str], say: Callable[[str], None]
) -> dict[str, str]:
    """Set what is told, and give the facts for machines. Raises InvalidInput, and sets nothing."""
    describe = DescribeShop(parts.house.storage)
    match describe(tenant, told, ACTOR, parts.clock.now()):
        case ShopDescribed(shop):
            say(f"Name       {shop.name}")
            say(f"Time zone  {shop.time_zone}")
            say(f"Language   {shop.locale}")
            return {"name": shop.name, "time_zone": shop.time_zone, "language": shop.locale}
        case NotDescribed(field, advice):
            raise InvalidInput(f"--set {field}", advice)
        case _ as never:
            assert_never(never)
