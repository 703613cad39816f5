"""Did the platform we know send exactly these bytes? One check per declared scheme.

Signatures are checked on the raw body, before anything is parsed, in constant time and on bytes.
Whatever the sender wrote, the answer is a value: this module never raises because of a delivery,
never reads a clock, and never puts a header, a body or a secret into its answer.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from plugin.platforms.detached_jws import Judgement, judge, public_keys
from plugin.platforms.signature_declaration import SignatureDeclaration
from plugin.platforms.strict_json import Unreadable, read_json
from webhooks.delivery import Delivery

# `fullmatch` throughout: `$` would let a trailing newline through. The shapes are pure ASCII, so
# what passed them can be encoded and compared without an error.
_HEX_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_WEBSUB_SHA1 = re.compile(r"sha1=([0-9A-Fa-f]{40})")
_BASE64_SHA256 = re.compile(r"[A-Za-z0-9+/]{43}=")
_ISO_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})",
)
_UNIX_SECONDS = re.compile(r"[1-9][0-9]{0,10}")
_ELEMENT = re.compile(r"([a-z][a-z0-9]*)=([!-+\--~]*)")


class RejectionReason(StrEnum):
    """Why a delivery was not accepted: for logs, counters and the health page."""

    NO_USABLE_SECRET = "no usable secret"  # noqa: S105 - a reason, not a password
    HEADER_MISSING = "signature header missing"
    HEADER_MALFORMED = "signature header malformed"
    TIMESTAMP_MISSING = "timestamp header missing"
    TIMESTAMP_MALFORMED = "timestamp malformed"
    UNKNOWN_KEY = "signed with a key that we do not hold: the next sweep fetches what is published"
    WRONG_SIGNATURE = "wrong signature"
    TOO_OLD = "signed too long ago"
    TOO_NEW = "signed in the future"


@dataclass(frozen=True, slots=True)
class Verified:
    """The signature is right.

    `secret_index` tells which secret it was made with (an old one that is no longer seen can be
    retired), `signed_at` the signed time in UTC where the scheme has one, `normalised` that only
    the normalised form of the body matched.
    """

    secret_index: int
    signed_at: datetime | None = None
    normalised: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """The delivery is not proven to be the platform's: answer 401 and store nothing.

    `NO_USABLE_SECRET` alone is a fault on our side.
    """

    reason: RejectionReason


Verdict: TypeAlias = Verified | Rejected
_Secrets: TypeAlias = "Sequence[tuple[int, bytes]]"
_Check: TypeAlias = "Callable[[SignatureDeclaration, Delivery, str, _Secrets, datetime], Verdict]"


def verify(
    declaration: SignatureDeclaration,
    delivery: Delivery,
    secrets: Sequence[bytes],
    now: datetime,
) -> Verdict:
    """Check a delivery against every secret in use (several while one is being replaced).

    `now` is aware. An empty or blank secret is never used: with it, anyone could sign. The time is
    judged after the signature, so `TOO_OLD` and `TOO_NEW` speak of rightly signed deliveries, and
    both ends of the tolerance are inside it.
    """
    usable = [(index, secret) for index, secret in enumerate(secrets) if secret.strip()]
    if not usable:
        return Rejected(RejectionReason.NO_USABLE_SECRET)
    signature = delivery.header(declaration.header)
    if signature is None:
        return Rejected(RejectionReason.HEADER_MISSING)
    return _CHECKS[declaration.scheme](declaration, delivery, signature, usable, now)


def _check_hex(
    declaration: SignatureDeclaration,
    delivery: Delivery,
    signature: str,
    secrets: _Secrets,
    _now: datetime,
) -> Verdict:
    if not _HEX_SHA256.fullmatch(signature):
        return Rejected(RejectionReason.HEADER_MALFORMED)
    presented = [signature.lower()]
    signer = _signer(presented, secrets, delivery.body, _hex)
    if signer is not None:
        return Verified(signer)
    normalised = _normalised(delivery.body) if declaration.normalise_json else None
    if normalised is not None:
        signer = _signer(presented, secrets, normalised, _hex)
        if signer is not None:
            return Verified(signer, normalised=True)
    return Rejected(RejectionReason.WRONG_SIGNATURE)


def _check_websub_sha1(
    _declaration: SignatureDeclaration,
    delivery: Delivery,
    signature: str,
    secrets: _Secrets,
    _now: datetime,
) -> Verdict:
    shaped = _WEBSUB_SHA1.fullmatch(signature)
    if shaped is None:
        return Rejected(RejectionReason.HEADER_MALFORMED)
    signer = _signer([shaped[1].lower()], secrets, delivery.body, _hex, "sha1")
    return Rejected(RejectionReason.WRONG_SIGNATURE) if signer is None else Verified(signer)


def _check_base64(
    declaration: SignatureDeclaration,
    delivery: Delivery,
    signature: str,
    secrets: _Secrets,
    now: datetime,
) -> Verdict:
    if not _BASE64_SHA256.fullmatch(signature):
        return Rejected(RejectionReason.HEADER_MALFORMED)
    signed = delivery.body
    signed_at = None
    if declaration.timestamp_header is not None:
        timestamp = delivery.header(declaration.timestamp_header)
        if timestamp is None:
            return Rejected(RejectionReason.TIMESTAMP_MISSING)
        signed_at = _iso_time(timestamp)
        if signed_at is None:
            return Rejected(RejectionReason.TIMESTAMP_MALFORMED)
        signed = timestamp.encode("ascii") + signed
    signer = _signer([signature], secrets, signed, _base64)
    return _judged(declaration, signer, signed_at, now)


def _check_timestamped(
    declaration: SignatureDeclaration,
    delivery: Delivery,
    signature: str,
    secrets: _Secrets,
    now: datetime,
) -> Verdict:
    elements = [_ELEMENT.fullmatch(element) for element in signature.split(",")]
    pairs = [match.groups() for match in elements if match is not None]
    times = [value for key, value in pairs if key == "t"]
    # Other versions than v1 are passed over; a v1 of another shape cannot match anything.
    presented = [value for key, value in pairs if key == "v1" and _HEX_SHA256.fullmatch(value)]
    if len(pairs) != len(elements) or len(times) != 1 or not presented:
        return Rejected(RejectionReason.HEADER_MALFORMED)
    if not _UNIX_SECONDS.fullmatch(times[0]):
        return Rejected(RejectionReason.TIMESTAMP_MALFORMED)
    signed = times[0].encode("ascii") + b"." + delivery.body
    signer = _signer(presented, secrets, signed, _hex)
    return _judged(declaration, signer, datetime.fromtimestamp(int(times[0]), UTC), now)


def _check_detached_jws(
    _declaration: SignatureDeclaration,
    delivery: Delivery,
    signature: str,
    secrets: _Secrets,
    _now: datetime,
) -> Verdict:
    """Here a secret is a set of public keys. It is never fetched now: the sender is unproven."""
    key_sets = [(index, keys) for index, secret in secrets if (keys := public_keys(secret))]
    if not key_sets:
        return Rejected(RejectionReason.NO_USABLE_SECRET)
    judgements = {judge(signature, delivery.body, keys): index for index, keys in key_sets[::-1]}
    if Judgement.RIGHT in judgements:
        return Verified(judgements[Judgement.RIGHT])
    if Judgement.MALFORMED in judgements:
        return Rejected(RejectionReason.HEADER_MALFORMED)
    if Judgement.WRONG in judgements:
        return Rejected(RejectionReason.WRONG_SIGNATURE)
    return Rejected(RejectionReason.UNKNOWN_KEY)


_CHECKS: Final[Mapping[str, _Check]] = MappingProxyType(
    {
        "hmac_sha256_hex": _check_hex,
        "websub_sha1": _check_websub_sha1,
        "hmac_sha256_base64": _check_base64,
        "timestamped_hmac": _check_timestamped,
        "detached_jws": _check_detached_jws,
    },
)
SCHEMES: Final[tuple[str, ...]] = tuple(_CHECKS)


def _signer(
    presented: Sequence[str],
    secrets: _Secrets,
    signed: bytes,
    encode: Callable[[bytes], bytes],
    algorithm: str = "sha256",
) -> int | None:
    """Return the index of the secret behind any presented signature.

    Every pair is compared, also after a match: the time taken must not tell which one it was.
    """
    candidates = [candidate.encode("ascii") for candidate in presented]
    found: int | None = None
    for index, secret in secrets:
        expected = encode(hmac.digest(secret, signed, algorithm))
        matches = [hmac.compare_digest(expected, candidate) for candidate in candidates]
        if any(matches) and found is None:
            found = index
    return found


def _judged(
    declaration: SignatureDeclaration,
    signer: int | None,
    signed_at: datetime | None,
    now: datetime,
) -> Verdict:
    if signer is None:
        return Rejected(RejectionReason.WRONG_SIGNATURE)
    if signed_at is None or declaration.tolerance_seconds is None:
        return Verified(signer)
    tolerance = timedelta(seconds=declaration.tolerance_seconds)
    age = now - signed_at
    if age > tolerance:
        return Rejected(RejectionReason.TOO_OLD)
    if age < -tolerance:
        return Rejected(RejectionReason.TOO_NEW)
    return Verified(signer, signed_at.astimezone(UTC))


def _iso_time(text: str) -> datetime | None:
    if not _ISO_TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _normalised(body: bytes) -> bytes | None:
    """Return the body as PHP's json_encode would write it, or None where it is not JSON.

    Some platforms sign that form and send another. It says the same as the body does, so what is
    verified and what is read later do not differ.
    """
    try:
        value = read_json(body)
    except Unreadable:
        return None
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode("ascii")


def _hex(digest: bytes) -> bytes:
    return digest.hex().encode("ascii")


def _base64(digest: bytes) -> bytes:
    return b64encode(digest)
