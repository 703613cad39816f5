"""A JSON Web Signature beside the body it signs: RS256 over the raw bytes, keys from a key set.

The form is RFC 7515 appendix F (nothing stands between the two dots) with RFC 7797 (`b64` false:
the body is signed as it is). Pure: never fetches a key, wherever a header points, and never takes
an algorithm from the sender. A key set is the JSON document of RFC 7517, as bytes.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from plugin.platforms.strict_json import JsonValue, Malformed, Reader, Unreadable, read_json

_ALGORITHM: Final = "RS256"
_LARGEST_SET: Final = 64 * 1024
_SMALLEST_MODULUS: Final = 2048
_SHAPE = re.compile(r"([A-Za-z0-9_-]{1,2048})\.\.[A-Za-z0-9_-]{1,2048}")
_JWS = PyJWS(algorithms=[_ALGORITHM])


class Judgement(StrEnum):
    """What a signature is worth."""

    RIGHT = "right"
    WRONG = "wrong"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"


@lru_cache(maxsize=256)
def public_keys(key_set: bytes) -> Mapping[str, RSAPublicKey]:
    """The keys of a set that may sign, by their id; empty where the bytes hold none.

    Left out are keys of another kind, of another use, without an id, or shorter than 2048 bits;
    and every key of an id that stands there twice.
    """
    if len(key_set) > _LARGEST_SET:
        return MappingProxyType({})
    found: dict[str, list[RSAPublicKey | None]] = {}
    try:
        for item in Reader(read_json(key_set)).items("keys"):
            kid = item.optional_text("kid")
            if kid is not None:
                found.setdefault(kid, []).append(_public_key(item))
    except (Unreadable, Malformed):
        return MappingProxyType({})
    single = {kid: keys[0] for kid, keys in found.items() if len(keys) == 1}
    return MappingProxyType({kid: key for kid, key in single.items() if key is not None})


def judge(signature: str, body: bytes, keys: Mapping[str, RSAPublicKey]) -> Judgement:
    """Whether `signature` is one of `keys` over exactly `body`. Raises nothing."""
    shape = _SHAPE.fullmatch(signature)
    kid = None if shape is None else _key_id(shape[1])
    if kid is None:
        return Judgement.MALFORMED
    key = keys.get(kid)
    if key is None:
        return Judgement.UNKNOWN_KEY
    try:
        _JWS.decode_complete(signature, key, algorithms=[_ALGORITHM], detached_payload=body)
    except PyJWTError:
        return Judgement.WRONG
    return Judgement.RIGHT


def _key_id(protected: str) -> str | None:
    """The key that a protected header names; None where it is not the one form that we take."""
    try:
        padded = protected + "=" * (-len(protected) % 4)
        header = Reader(read_json(urlsafe_b64decode(padded)))
        if header.text("alg") != _ALGORITHM or header.boolean("b64"):
            return None
        if [item.value for item in header.items("crit")] != ["b64"]:
            return None
        return header.text("kid")
    except (NotBase64, Unreadable, Malformed):
        return None


def _public_key(item: Reader) -> RSAPublicKey | None:
    try:
        if item.text("kty") != "RSA" or item.optional_text("use") not in (None, "sig"):
            return None
        if item.optional_text("alg") not in (None, _ALGORITHM):
            return None
        # Only what makes a public key: a private part in a set is nothing that we want to hold.
        parts: dict[str, JsonValue] = {name: item.text(name) for name in ("kty", "n", "e")}
        key = PyJWK.from_dict(parts, _ALGORITHM).key
    except (Malformed, PyJWTError, ValueError):
        return None
    if not isinstance(key, RSAPublicKey) or key.key_size < _SMALLEST_MODULUS:
        return None
    return key
