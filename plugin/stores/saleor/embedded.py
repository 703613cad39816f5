"""Our page inside Saleor's dashboard: whose it is, and who asks. Calls nobody and keeps nothing.

The dashboard opens the app's address with `saleorApiUrl`, which anybody can write: a claim, that
says only who may frame the page. What is done needs the token that the dashboard hands over by its
AppBridge: a JWT of the shop, for our app and one person of its staff, proven by the shop's public
keys that we keep. A customer's token is signed by the same keys, and is none of these.
https://docs.saleor.io/developer/extending/apps/developing-apps/app-sdk/app-bridge
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from plugin.platforms.detached_jws import public_keys
from plugin.platforms.url_templates import HOST_NAME
from plugin.ports.embedding import Framed, Proven
from plugin.services.webhook_secrets import webhook_secrets
from plugin.stores.saleor.account import manifest

APP: Final = "makegood"
"""The id in our manifest, the same for every shop; and the word in our page's address."""
APP_ID: Final = "app_id"
"""The secret field that keeps the shop's own id of our app there."""
DASHBOARD: Final = "saleor-dashboard"
"""Where our script reads from whom it takes the token."""
LEEWAY_SECONDS: Final = 10
LONGEST_TOKEN: Final = 8192
_ALGORITHM: Final = "RS256"
_API: Final = re.compile(r"https://([a-z0-9.-]{4,253})/graphql/")
_NEEDED: Final = ("exp", "iat", "iss", "type", "app", "user_id", "is_staff", "permissions")


class SaleorEmbedded:
    """Implements `plugin.ports.embedding.EmbeddedAdmin`. The dashboard stands at the API's host."""

    def frame(self, app: str, query: Mapping[str, str]) -> Framed | None:
        host = _host_of(query.get("saleorApiUrl", ""))
        if host is None or app != APP:
            return None
        return Framed({"host": host}, {DASHBOARD: f"https://{host}"})

    def account_claimed(self, token: str) -> Mapping[str, str] | None:
        claims = _decoded(token, None)
        issuer = None if claims is None else claims.get("iss")
        host = _host_of(issuer) if isinstance(issuer, str) else None
        return None if host is None else {"host": host}

    def prove(
        self, settings: Mapping[str, str], secrets: Mapping[str, str], token: str, now: datetime
    ) -> Proven | None:
        """Only for staff who may do there all that our app may: by us nobody can do more."""
        keys = [
            key for held in webhook_secrets(secrets) for key in public_keys(held.encode()).values()
        ]
        found = (_decoded(token, key) for key in keys)
        claims = next((one for one in found if one is not None), None)
        if claims is None or not secrets.get(APP_ID):
            return None
        who, rights = claims["user_id"], claims["permissions"]
        is_ours = (
            claims["iss"] == f"https://{settings.get('host', '')}/graphql/"
            and claims["type"] == "thirdparty"  # codespell:ignore thirdparty
            and claims["app"] == secrets[APP_ID]
            and claims["is_staff"] is True
        )
        may_all = isinstance(rights, list) and all(right in rights for right in manifest().scopes)
        if not (is_ours and may_all and _holds(claims, now) and isinstance(who, str) and who):
            return None
        return Proven(who)


def _host_of(api_url: str) -> str | None:
    """`acme.saleor.cloud` of `https://acme.saleor.cloud/graphql/`, matched whole."""
    found = _API.fullmatch(api_url)
    return found[1] if found is not None and HOST_NAME.fullmatch(found[1]) else None


def _decoded(token: str, key: RSAPublicKey | None) -> Mapping[str, object] | None:
    """The claims, signed by `key` and all there; without a key, whatever they are."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    is_proof = key is not None
    try:
        claims: Mapping[str, object] = jwt.decode(
            token,
            key or "",
            algorithms=[_ALGORITHM],
            options={
                "verify_signature": is_proof,
                "require": list(_NEEDED) if is_proof else [],
                # PyJWT asks the system's clock, and ours is an argument. An audience is there only
                # where a manifest asks for one: ours does not, and `app` says for whom it is.
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
                "verify_aud": False,
            },
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    return claims


def _holds(claims: Mapping[str, object], now: datetime) -> bool:
    begins, ends, present = claims["iat"], claims["exp"], now.timestamp()
    if type(begins) is not int or type(ends) is not int:
        return False
    return begins - LEEWAY_SECONDS <= present < ends + LEEWAY_SECONDS
