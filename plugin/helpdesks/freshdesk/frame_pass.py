"""How the account is proven: a pass that only Freshworks' own servers can fetch for their app.

The app's page is Freshworks' and holds no secret. It asks Freshworks to call us by a request
template, which adds the app's secret to a header on the way; we give a pass for two minutes, and
the frame's first request brings it. It proves the account. Who the agent is, the page merely says.
Stateless: nothing is stored, and no call is made.

Source: github.com/freshworks-developers/freshworks-platform3, request templates (secure iparams
stand in headers only, and never reach the page).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import jwt

from plugin.domain.errors import Refused
from plugin.domain.ids import AgentId
from plugin.helpdesks.freshdesk.people import ID
from plugin.ports import SignIn

PASS_LIFE_SECONDS: Final = 120
SHORTEST_SECRET: Final = 32
_LEEWAY_SECONDS: Final = 5
_LONGEST_PASS: Final = 2048
_ISSUER: Final = "makegood"


def give_pass(
    app_secret: str, installation: str, authorization: str, claimed: str, now: datetime
) -> str:
    """A pass for who shows the app's secret. `claimed` is the agent whom the page names.

    Raises Refused: `app_secret_short` or `pass_refused`.
    """
    if len(app_secret) < SHORTEST_SECRET:
        raise Refused("app_secret_short", f"give one of {SHORTEST_SECRET} characters or more")
    expected = f"Bearer {app_secret}"
    # As bytes: a header with other letters than ASCII must not be an error of ours.
    if not hmac.compare_digest(authorization.encode(), expected.encode()):
        raise Refused("pass_refused")
    begins = int(now.timestamp())
    claims = {
        "iss": _ISSUER,
        "aud": _audience(installation),
        "iat": begins,
        "exp": begins + PASS_LIFE_SECONDS,
        **({"says": claimed} if ID.fullmatch(claimed) else {}),
    }
    return jwt.encode(claims, _key(app_secret), algorithm="HS256")


def signed_in(app_secret: str, installation: str, given: str, now: datetime) -> SignIn:
    """What a frame's first request proves: the account, never the agent.

    Raises Refused: `pass_missing`, `pass_expired` (opening the app again helps) or `pass_refused`.
    """
    if not given:
        raise Refused("pass_missing")
    if len(given) > _LONGEST_PASS or not given.isascii() or len(app_secret) < SHORTEST_SECRET:
        raise Refused("pass_refused")
    claims = _decoded(app_secret, installation, given)
    begins, ends, present = claims["iat"], claims["exp"], now.timestamp()
    if not (isinstance(begins, int) and isinstance(ends, int)):
        raise Refused("pass_refused")
    if ends - begins != PASS_LIFE_SECONDS or begins > present + _LEEWAY_SECONDS:
        raise Refused("pass_refused")
    if present >= ends:
        raise Refused("pass_expired")
    said = str(claims.get("says", ""))
    return SignIn(agent=None, claimed_agent=AgentId(said) if ID.fullmatch(said) else None)


def _decoded(app_secret: str, installation: str, given: str) -> Mapping[str, object]:
    try:
        claims: dict[str, object] = jwt.decode(
            given,
            _key(app_secret),
            algorithms=["HS256"],
            audience=_audience(installation),
            issuer=_ISSUER,
            options={
                "require": ["iss", "aud", "iat", "exp"],
                "strict_aud": True,
                # PyJWT asks the system's clock; ours is an argument.
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except jwt.InvalidTokenError:
        raise Refused("pass_refused") from None
    return claims


def _audience(installation: str) -> str:
    return f"makegood-frame:{installation}"


def _key(app_secret: str) -> bytes:
    """A key for this one purpose: what the app's secret opens elsewhere must not open this."""
    return hmac.digest(app_secret.encode(), b"makegood frame pass", hashlib.sha256)
