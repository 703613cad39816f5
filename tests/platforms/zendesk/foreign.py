"""The token of the frame's first request, rightly signed whatever it holds: an agent, or nobody."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from functools import cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from plugin.domain.errors import Refused
from plugin.helpdesks.zendesk.sign_in import App, KnownKey, PublicKeys, signed_in_agent
from tests.bodies.foreign import Foreign
from tests.platforms.zendesk import tokens
from tests.platforms.zendesk.data import APP, APP_INSTALLATION, SUBDOMAIN

_NOW: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
_APP: Final = App(SUBDOMAIN, str(APP), str(APP_INSTALLATION))
_HEAD: Final = {"alg": "RS256", "typ": "JWT", "kid": "one"}
_CLAIMS: Final = tokens.claims(_NOW)


@cache
def _key() -> RSAPrivateKey:
    return tokens.new_key()


def _asks() -> RSAPublicKey:
    raise LookupError("a token that the known key signed needs no look at the desk's key")


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _proves(head: bytes, claims: bytes) -> bool:
    signed = f"{_encoded(head)}.{_encoded(claims)}"
    token = f"{signed}.{_encoded(_key().sign(signed.encode(), PKCS1v15(), SHA256()))}"
    kept = KnownKey(_key().public_key(), _NOW)
    try:
        signed_in_agent(token, _APP, _NOW, PublicKeys(), _asks, kept)
    except Refused:
        return False
    return True


READERS: Final = (
    Foreign(
        "zendesk's token, its claims",
        (_CLAIMS,),
        lambda body: _proves(json.dumps(_HEAD).encode(), body),
    ),
    Foreign(
        "zendesk's token, its header",
        (_HEAD,),
        lambda body: _proves(body, json.dumps(_CLAIMS).encode()),
    ),
)
