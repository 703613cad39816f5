"""The shop's own key delivery, signed by nobody: keys, or a no with advice."""

from __future__ import annotations

import json
from typing import Final

from plugin.ports.connecting import Arrived, Credentials, InstallUrls, NotUsable
from plugin.stores.woocommerce.installing import KEYS, WoocommerceInstall
from tests.bodies.foreign import Foreign
from tests.platforms.woocommerce.consent import Consent

_PENDING: Final = "7" * 32
_URLS: Final = InstallUrls(_PENDING, "https://ours.test/a", "once", "https://ours.test/b", "/p")


def _read(body: bytes) -> bool:
    arrived = Arrived(KEYS, "POST", {}, {}, body)
    reading = WoocommerceInstall().read({"shop": "shop.example"}, _URLS, arrived)
    if not isinstance(reading, Credentials | NotUsable):
        raise TypeError(type(reading).__name__)
    return isinstance(reading, Credentials)


READERS: Final = (
    Foreign(
        "woocommerce's key delivery",
        (json.loads(Consent("shop.example", _PENDING, "", "").keys()),),
        _read,
    ),
)
