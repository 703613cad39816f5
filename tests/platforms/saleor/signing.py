"""Signs as Saleor does: RFC 7515 and RFC 7797 by hand, so that it shares no code with the check."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from functools import cache

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

Headers = dict[str, object]


@cache
def a_key(name: str = "one", bits: int = 2048) -> RSAPrivateKey:
    """A fresh key for each name."""
    del name
    return generate_private_key(65537, bits)


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def public(key: RSAPrivateKey, kid: str) -> dict[str, str]:
    """The key as a key set lists it (RFC 7517)."""
    numbers = key.public_key().public_numbers()
    n, e = (
        encoded(number.to_bytes((number.bit_length() + 7) // 8, "big"))
        for number in (numbers.n, numbers.e)
    )
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e}


def key_set(*keys: dict[str, str]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def header_of(kid: str, **changed: object) -> Headers:
    told: Headers = {"alg": "RS256", "b64": False, "crit": ["b64"], "kid": kid, "typ": "JWT"}
    return {name: value for name, value in {**told, **changed}.items() if value is not None}


def signed(key: RSAPrivateKey, header: Headers, body: bytes) -> str:
    """The value of the signature header, whatever the header says."""
    protected = encoded(json.dumps(header).encode())
    mark = key.sign(protected.encode() + b"." + body, PKCS1v15(), SHA256())
    return f"{protected}..{encoded(mark)}"
