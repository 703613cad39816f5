"""Shopify's token address as an app in the admin uses it, and its admin's session tokens.

It gives expiring offline tokens for session tokens that it made, and new ones for refresh tokens:
the one before stays good until the new one was used, as Shopify's changelog of 2026-08-28 says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import jwt

from tests.platforms.shopify.books import Thing

APP = "c0ffee00c0ffee00c0ffee00c0ffee00"
SECRET = f"shpss_{'5' * 32}"
HOST = "YWRtaW4uc2hvcGlmeS5jb20vc3RvcmUvYWNtZQ"
"""`admin.shopify.com/store/acme`, as Shopify's admin writes it."""
_EXCHANGE = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    "requested_token_type": "urn:shopify:params:oauth:token-type:offline-access-token",
    "expiring": "1",
}


def session_token(
    now: datetime,
    *,
    secret: str = SECRET,
    algorithm: str = "HS256",
    without: str = "",
    **claims: object,
) -> str:
    """A token as App Bridge gives it; `claims` take the place of its own."""
    moment = int(now.timestamp())
    said: dict[str, object] = {
        "iss": "https://acme.myshopify.com/admin",
        "dest": "https://acme.myshopify.com",
        "aud": APP,
        "sub": "548380009",
        "exp": moment + 60,
        "nbf": moment,
        "iat": moment,
        "jti": "f8912129-1af6-4cad-9ca3-76b0f7621087",
        "sid": "aaea182f2732d44c23057c0fea584021a4485b2bd25d3eb7fd349313ad24c685",
        **claims,
    }
    said.pop(without, None)
    return jwt.encode(said, secret if algorithm != "none" else "", algorithm=algorithm)


@dataclass
class Grants:
    """What the token address gives. `lives` in seconds."""

    lives: int = 3600
    access: str = ""
    revoked: bool = False
    refresh: list[str] = field(default_factory=list)
    made: int = 0

    def answer(self, asked: Thing) -> tuple[int, Thing]:
        """The status and the body."""
        if (asked.get("client_id"), asked.get("client_secret")) != (APP, SECRET):
            return 400, {"error": "application_cannot_be_found"}
        if asked["grant_type"] == "refresh_token":
            if self.revoked or asked["refresh_token"] not in self.refresh:
                return 400, {"error": "invalid_grant"}
            # Using one ends all before it.
            self.refresh = self.refresh[self.refresh.index(asked["refresh_token"]) :]
            return 200, self._pair()
        if {name: asked.get(name) for name in _EXCHANGE} != _EXCHANGE:
            return 400, {"error": "invalid_request"}
        try:
            jwt.decode(
                asked["subject_token"],
                SECRET,
                algorithms=["HS256"],
                audience=APP,
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return 400, {"error": "invalid_subject_token"}
        self.refresh.clear()
        return 200, self._pair()

    def _pair(self) -> Thing:
        self.made += 1
        self.access = f"shpat_offline_{self.made}"
        self.refresh.append(f"shprt_{self.made}")
        return {
            "access_token": self.access,
            "scope": "write_orders,write_customers,read_products,read_shopify_payments_disputes",
            "expires_in": self.lives,
            "refresh_token": self.refresh[-1],
            "refresh_token_expires_in": 7776000,
        }
