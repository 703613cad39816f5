"""The admin's session token, rightly signed whatever it holds: a person, or nobody."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Final

import jwt

from plugin.stores.shopify import session_token
from tests.bodies.foreign import Foreign
from tests.platforms.shopify import grants

_NOW: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
_MADE: Final = grants.session_token(_NOW)
_HEAD: Final = jwt.get_unverified_header(_MADE)
_CLAIMS: Final = jwt.decode(_MADE, options={"verify_signature": False})


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _proves(head: bytes, claims: bytes) -> bool:
    signed = f"{_encoded(head)}.{_encoded(claims)}"
    mark = hmac.digest(grants.SECRET.encode(), signed.encode(), "sha256")
    token = f"{signed}.{_encoded(mark)}"
    session_token.claimed(token)
    return session_token.person(token, "acme", grants.APP, grants.SECRET, _NOW) is not None


READERS: Final = (
    Foreign(
        "shopify's token, its claims",
        (_CLAIMS,),
        lambda body: _proves(json.dumps(_HEAD).encode(), body),
    ),
    Foreign(
        "shopify's token, its header",
        (_HEAD,),
        lambda body: _proves(body, json.dumps(_CLAIMS).encode()),
    ),
)
