"""How a platform signs its deliveries, as its manifest declares it.

The schemes are a closed set: a platform that signs in another way needs a new scheme here and its
check in `webhooks.signatures`, never a special case. This module checks nothing but the
declaration itself, and holds no secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

_LARGEST_TOLERANCE_SECONDS = 3600
# Underscores are left out on purpose: servers fold `x_signature` and `x-signature` into one name.
_HEADER_NAME = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class SchemeParameters:
    """Which parameters a scheme takes beside `scheme` and `header`, which all need.

    `needed` must be given, `optional` may be, and those in `together` come all or none.
    """

    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    together: tuple[str, ...] = ()

    @property
    def allowed(self) -> tuple[str, ...]:
        """Return every parameter the scheme knows."""
        return (*self.needed, *self.optional, *self.together)


SCHEME_PARAMETERS: Final[Mapping[str, SchemeParameters]] = MappingProxyType(
    {
        # hex(HMAC-SHA256(secret, body)); `normalise_json` allows one retry over the compact JSON
        # text of the body (non-ASCII as \uXXXX, `/` as `\/`).
        "hmac_sha256_hex": SchemeParameters(optional=("normalise_json",)),
        # `sha1=` and hex(HMAC-SHA1(secret, body)): WebSub's header, https://www.w3.org/TR/websub/
        # section 8. No other digest is taken under it.
        "websub_sha1": SchemeParameters(),
        # base64(HMAC-SHA256(secret, body)), or over timestamp + body where the timestamp (ISO
        # 8601 with an offset) comes in a header of its own.
        "hmac_sha256_base64": SchemeParameters(together=("timestamp_header", "tolerance_seconds")),
        # One header `t=<seconds since 1970>,v1=<hex>[,v1=<hex>...]`; hex(HMAC-SHA256(secret,
        # "<t>." + body)).
        "timestamped_hmac": SchemeParameters(needed=("tolerance_seconds",)),
        # A JSON Web Signature `<header>..<signature>` over the raw body (RFC 7515 F, RFC 7797),
        # RS256 only. What is kept as its secret is the sender's public key set (RFC 7517), fetched
        # by the adapter when the webhook is registered.
        "detached_jws": SchemeParameters(),
    },
)
SCHEME_NAMES: Final[tuple[str, ...]] = tuple(SCHEME_PARAMETERS)


@dataclass(frozen=True, slots=True)
class SignatureDeclaration:
    """One platform's way to sign.

    `header` carries the signature; `tolerance_seconds` is how far the signed time may lie from our
    clock, to either side; `timestamp_header` carries the signed time where the scheme takes it
    from there. Header names are compared without case. Raises `ValueError` that names every fault.
    """

    scheme: str
    header: str
    tolerance_seconds: int | None = field(default=None, kw_only=True)
    timestamp_header: str | None = field(default=None, kw_only=True)
    normalise_json: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse a declaration that could not be checked as it was meant."""
        faults = declaration_faults(
            scheme=self.scheme,
            header=self.header,
            tolerance_seconds=self.tolerance_seconds,
            timestamp_header=self.timestamp_header,
            normalise_json=self.normalise_json,
        )
        if faults:
            raise ValueError("; ".join(faults))


def declaration_faults(
    *,
    scheme: str,
    header: str,
    tolerance_seconds: int | None = None,
    timestamp_header: str | None = None,
    normalise_json: bool = False,
) -> tuple[str, ...]:
    """Return all that is wrong with a declaration, each fault as a sentence; empty when sound."""
    given = {
        "tolerance_seconds": tolerance_seconds is not None,
        "timestamp_header": timestamp_header is not None,
        "normalise_json": normalise_json,
    }
    return (
        *_parameter_faults(scheme, [name for name, is_given in given.items() if is_given]),
        *_header_faults(header, timestamp_header),
        *_tolerance_faults(tolerance_seconds),
    )


def _parameter_faults(scheme: str, given: list[str]) -> list[str]:
    parameters = SCHEME_PARAMETERS.get(scheme)
    if parameters is None:
        return [f"unknown signature scheme {scheme!r}: use one of {', '.join(SCHEME_NAMES)}"]
    faults = [
        f"the scheme {scheme} does not take {name}: leave it out"
        for name in given
        if name not in parameters.allowed
    ]
    faults += [
        f"the scheme {scheme} needs {name}" for name in parameters.needed if name not in given
    ]
    missing = [name for name in parameters.together if name not in given]
    if missing and len(missing) < len(parameters.together):
        faults.append(
            f"the scheme {scheme} takes {' and '.join(parameters.together)} together or not at all",
        )
    return faults


def _header_faults(header: str, timestamp_header: str | None) -> list[str]:
    names = {"header": header, "timestamp_header": timestamp_header}
    faults = [
        f"{name} must be a header name of letters, digits and dashes"
        for name, value in names.items()
        if value is not None and not _HEADER_NAME.fullmatch(value)
    ]
    if timestamp_header is not None and timestamp_header.lower() == header.lower():
        faults.append("header and timestamp_header must be two different headers")
    return faults


def _tolerance_faults(tolerance_seconds: int | None) -> list[str]:
    if tolerance_seconds is None or 1 <= tolerance_seconds <= _LARGEST_TOLERANCE_SECONDS:
        return []
    return [f"tolerance_seconds must be between 1 and {_LARGEST_TOLERANCE_SECONDS}"]
