"""The registration post, signed by nobody, and the dashboard's token, rightly signed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from plugin.ports.connecting import Arrived, Credentials, InstallUrls, NotUsable
from plugin.stores.saleor.account import manifest
from plugin.stores.saleor.embedded import APP_ID, SaleorEmbedded
from plugin.stores.saleor.installing import REGISTER, SaleorInstall
from tests.bodies.foreign import Foreign
from tests.platforms.saleor.dashboard import registration_headers
from tests.platforms.saleor.signing import a_key, encoded, key_set, public

_NOW: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
_HOST: Final = {"host": "ada.example.com"}
_URLS: Final = InstallUrls("7" * 32, "https://ours.test/a", "once", "https://ours.test/b", "/p")
_HEADERS: Final = {
    name.lower(): value for name, value in registration_headers("https://ada.example.com").items()
}
_AT: Final = int(_NOW.timestamp())
_CLAIMS: Final = {
    "iat": _AT,
    "exp": _AT + 300,
    "iss": "https://ada.example.com/graphql/",
    "type": "thirdparty",  # codespell:ignore thirdparty
    "app": "App:3",
    "user_id": "User:7",
    "is_staff": True,
    "permissions": list(manifest().scopes),
}
_HEAD: Final = {"alg": "RS256", "kid": "one", "typ": "JWT"}


def _registers(body: bytes) -> bool:
    reading = SaleorInstall().read(_HOST, _URLS, Arrived(REGISTER, "POST", _HEADERS, {}, body))
    if not isinstance(reading, Credentials | NotUsable):
        raise TypeError(type(reading).__name__)
    return isinstance(reading, Credentials)


def _proves(head: bytes, claims: bytes) -> bool:
    signed = f"{encoded(head)}.{encoded(claims)}"
    token = f"{signed}.{encoded(a_key().sign(signed.encode(), PKCS1v15(), SHA256()))}"
    secrets = {APP_ID: "App:3", "webhook_secret_1": key_set(public(a_key(), "one")).decode()}
    SaleorEmbedded().account_claimed(token)
    return SaleorEmbedded().prove(_HOST, secrets, token, _NOW) is not None


READERS: Final = (
    Foreign("saleor's registration", ({"auth_token": "made-up"},), _registers),
    Foreign(
        "saleor's token, its claims",
        (_CLAIMS,),
        lambda body: _proves(json.dumps(_HEAD).encode(), body),
    ),
    Foreign(
        "saleor's token, its header",
        (_HEAD,),
        lambda body: _proves(body, json.dumps(_CLAIMS).encode()),
    ),
)
