"""Signs the frame's first request as Zendesk does, and as those would who are not Zendesk.

Shape: developer.zendesk.com, "Building a server-side app - Part 5: Securing the app".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.platforms.zendesk.data import AGENT, APP_INSTALLATION, SUBDOMAIN

LIFE_SECONDS = 300


def new_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def claims(now: datetime, agent: int | str = AGENT, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - hostile values too
    """The claims of a good token; `changed` replaces some, and None leaves one out."""
    account = f"{SUBDOMAIN}.zendesk.com"
    begins = int(now.timestamp())
    good = {
        "iss": account,
        "aud": f"https://{account}/api/v2/apps/installations/{APP_INSTALLATION}.json",
        "sub": f"https://{account}/api/v2/users/{agent}.json",
        "iat": begins,
        "nbf": begins,
        "exp": begins + LIFE_SECONDS,
        "qsh": "0" * 64,
        "cnf": {"jku": f"https://{account}/api/v2/apps/913/jwks.json"},
        "context": {"product": "support", "location": "ticket_sidebar"},
    }
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


def sign(
    key: rsa.RSAPrivateKey, said: Mapping[str, Any], headers: Mapping[str, Any] | None = None
) -> str:
    # Below `jwt.encode`, which refuses to write some of the hostile claims.
    payload = json.dumps(dict(said)).encode()
    return jwt.PyJWS().encode(payload, key, algorithm="RS256", headers=dict(headers or {}))


def sign_with_public_key(key: rsa.RSAPrivateKey, said: Mapping[str, Any]) -> str:
    """The key confusion: HS256 with the public PEM as its secret. PyJWT itself would not do it."""
    head = _part({"typ": "JWT", "alg": "HS256"})
    body = _part(said)
    mac = hmac.digest(public_pem(key), f"{head}.{body}".encode(), hashlib.sha256)
    return f"{head}.{body}.{_text(mac)}"


def unsigned(said: Mapping[str, Any], algorithm: str = "none") -> str:
    return f"{_part({'typ': 'JWT', 'alg': algorithm})}.{_part(said)}."


def _part(value: Mapping[str, Any]) -> str:
    return _text(json.dumps(value).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
