"""How each scheme signs, and secrets with which it can. Shares no code with the check.

Only one private key is made in a process: who may sign is told apart by the key's id.
"""

from __future__ import annotations

import hmac
import json
import random
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha1, sha256
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
    rsa_crt_dmp1,
    rsa_crt_dmq1,
    rsa_crt_iqmp,
)
from cryptography.hazmat.primitives.hashes import SHA256

from plugin.platforms.signature_declaration import SignatureDeclaration

Sign = Callable[[SignatureDeclaration, bytes, bytes, int], dict[str, str]]
_EXPONENT: Final = 65537


def secret_for(scheme: SignatureDeclaration | None, word: str) -> str:
    """A secret made of `word` with which `scheme` can sign and check."""
    if scheme is None or scheme.scheme != "detached_jws":
        return word
    numbers = _key().public_key().public_numbers()
    n, e = (_encoded(one.to_bytes((one.bit_length() + 7) // 8)) for one in (numbers.n, _EXPONENT))
    key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": word, "n": n, "e": e}
    return json.dumps({"keys": [key]})


def _hex(of: SignatureDeclaration, secret: bytes, body: bytes, _: int) -> dict[str, str]:
    return {of.header: hmac.new(secret, body, sha256).hexdigest()}


def _websub(of: SignatureDeclaration, secret: bytes, body: bytes, _: int) -> dict[str, str]:
    return {of.header: f"sha1={hmac.new(secret, body, sha1).hexdigest()}"}


def _base64(of: SignatureDeclaration, secret: bytes, body: bytes, at: int) -> dict[str, str]:
    if of.timestamp_header is None:
        return {of.header: b64encode(hmac.new(secret, body, sha256).digest()).decode()}
    stamp = datetime.fromtimestamp(at, UTC).isoformat()
    signature = hmac.new(secret, stamp.encode() + body, sha256).digest()
    return {of.header: b64encode(signature).decode(), of.timestamp_header: stamp}


def _timed(of: SignatureDeclaration, secret: bytes, body: bytes, at: int) -> dict[str, str]:
    signature = hmac.new(secret, b"%d." % at + body, sha256).hexdigest()
    return {of.header: f"t={at},v1={signature}"}


def _detached(of: SignatureDeclaration, secret: bytes, body: bytes, _: int) -> dict[str, str]:
    told = {"alg": "RS256", "b64": False, "crit": ["b64"], "kid": _key_id(secret)}
    protected = _encoded(json.dumps(told).encode())
    mark = _key().sign(protected.encode() + b"." + body, PKCS1v15(), SHA256())
    return {of.header: f"{protected}..{_encoded(mark)}"}


SIGN: Final[Mapping[str, Sign]] = MappingProxyType(
    {
        "hmac_sha256_hex": _hex,
        "websub_sha1": _websub,
        "hmac_sha256_base64": _base64,
        "timestamped_hmac": _timed,
        "detached_jws": _detached,
    }
)
"""A scheme that is not here stops the run: it would go unproven."""


def _key_id(secret: bytes) -> str:
    """Of who signs with what is no key set at all, a name that nobody knows."""
    try:
        return str(json.loads(secret)["keys"][0]["kid"])
    except (ValueError, TypeError):
        return secret.decode(errors="replace")


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


@cache
def _key() -> RSAPrivateKey:
    """The same in every process and every run, so that a world on disk can be signed for."""
    chance = random.Random("the key of all who sign with keys")
    p, q = _prime(chance), _prime(chance)
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    parts = rsa_crt_dmp1(d, p), rsa_crt_dmq1(d, q), rsa_crt_iqmp(p, q)
    return RSAPrivateNumbers(p, q, d, *parts, RSAPublicNumbers(_EXPONENT, p * q)).private_key()


def _prime(chance: random.Random) -> int:
    """A number of 1,024 bits that is prime beyond any doubt that matters here."""
    while True:
        one = chance.getrandbits(1024) | 3 << 1022 | 1
        is_odd_enough = all(one % small for small in range(3, 2000, 2))
        if is_odd_enough and all(pow(base, one - 1, one) == 1 for base in (2, 3, 5, 7)):
            return one
