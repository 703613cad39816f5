"""The session token of Shopify's admin: which shop and app it names, and whether it is proven.

HS256 and nothing else, with the app's own secret; made for this app, by this shop, now. Calls
nobody: the secret is the connection's.
https://shopify.dev/docs/apps/build/authentication-authorization/session-tokens
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import jwt

from plugin.platforms.url_templates import DNS_LABEL

LEEWAY_SECONDS: Final = 10
LONGEST_TOKEN: Final = 4096
SHORTEST_SECRET: Final = 32
"""Shopify's are longer. With a shorter one (or none) anybody could make tokens by trying."""
_NEEDED: Final = ("exp", "nbf", "iss", "dest", "aud", "sub")
_SHOP: Final = re.compile(r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.myshopify\.com")
_APP: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def shop_of(domain: str) -> str | None:
    """`acme` of `acme.myshopify.com`, matched whole; None for all else."""
    found = _SHOP.fullmatch(domain)
    return None if found is None else found[1]


def is_app(word: str) -> bool:
    """Whether it is shaped as a client id."""
    return _APP.fullmatch(word) is not None


def claimed(token: str) -> Mapping[str, str] | None:
    """The shop and the app that a token names. Nothing of it is proven."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    try:
        claims = jwt.decode(token, options={"verify_signature": False}, algorithms=["HS256"])
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    dest, app = claims.get("dest"), claims.get("aud")
    if not isinstance(dest, str) or not isinstance(app, str) or not is_app(app):
        return None
    shop = shop_of(dest.removeprefix("https://"))
    return None if shop is None else {"shop": shop, "client_id": app}


def person(token: str, shop: str, app: str, secret: str, now: datetime) -> str | None:
    """Shopify's id of who asks, where the token is this shop's for this app, and holds now."""
    if len(secret) < SHORTEST_SECRET or not DNS_LABEL.fullmatch(shop) or not is_app(app):
        return None
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    try:
        claims = jwt.decode(
            token,
            secret.encode(),
            algorithms=["HS256"],
            audience=app,
            issuer=f"https://{shop}.myshopify.com/admin",
            options={
                "require": list(_NEEDED),
                "strict_aud": True,
                # PyJWT asks the system's clock; ours is an argument.
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    begins, ends, who = claims["nbf"], claims["exp"], claims["sub"]
    if claims["dest"] != f"https://{shop}.myshopify.com":
        return None
    if not (_is_moment(begins) and _is_moment(ends) and isinstance(who, str) and who):
        return None
    present = now.timestamp()
    holds = begins - LEEWAY_SECONDS <= present < ends + LEEWAY_SECONDS
    return who if holds else None


def _is_moment(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
