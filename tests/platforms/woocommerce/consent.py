"""The shop's consent page as the vendor's source has it: checks, makes a key, posts it, goes back.

https://github.com/woocommerce/woocommerce plugins/woocommerce/includes/class-wc-auth.php
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from tests.platforms.woocommerce.fake import KEY, SECRET

Post = Callable[[str, bytes, Mapping[str, str]], int]
"""Posts to an address of ours, and gives the status of the answer."""


@dataclass(frozen=True)
class Consent:
    """What a consent page was asked for."""

    shop: str
    user_id: str
    callback: str
    back: str

    def keys(self, key: str = KEY, secret: str = SECRET, **more: str) -> bytes:
        """The body that the shop posts."""
        told = {
            "key_id": 7,
            "user_id": self.user_id,
            "consumer_key": key,
            "consumer_secret": secret,
            "key_permissions": "read_write",
            **more,
        }
        return json.dumps(told).encode()

    def approve(self, post: Post, body: bytes | None = None) -> bool:
        """Post the keys. The shop keeps them after exactly 200, and deletes them otherwise."""
        headers = {"Content-Type": "application/json;charset=utf-8"}
        return post(self.callback, self.keys() if body is None else body, headers) == 200

    def way_back(self, *, success: bool) -> str:
        """Where the shop sends the browser: what was there stays, two more are added."""
        url = urlsplit(self.back)
        added = [("success", "1" if success else "0"), ("user_id", self.user_id)]
        return url._replace(query=urlencode([*parse_qsl(url.query), *added])).geturl()


def consent_of(url: str) -> Consent:
    """Reads the address of the consent page. Refuses what the shop refuses, but plain http."""
    parts = urlsplit(url)
    shop, endpoint, _ = url.partition("/wc-auth/v1/authorize")
    assert endpoint
    asked = {name: one for name, [one] in parse_qs(parts.query, strict_parsing=True).items()}
    assert set(asked) == {"app_name", "scope", "user_id", "return_url", "callback_url"}
    assert asked["scope"] in ("read", "write", "read_write")
    for name in ("return_url", "callback_url"):
        assert urlsplit(asked[name]).hostname
    return Consent(shop, asked["user_id"], asked["callback_url"], asked["return_url"])
