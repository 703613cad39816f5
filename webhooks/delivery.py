"""One delivery as it came over the wire: raw bytes, headers, and when we received it.

It interprets nothing: the bytes stay as they were signed, so that they can be checked, kept and
replayed. It never logs, and opens the body for nothing but the delivery's name, where a platform
puts that there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Self

from plugin.domain.errors import MakegoodError
from plugin.platforms.strict_json import Unreadable, read_json

# Headers that proxies and tracers rightly repeat (list fields, RFC 9110 section 5.3). All others
# must come once: of two signatures, the one checked and the one used could differ.
_REPEATABLE = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "baggage",
        "cache-control",
        "connection",
        "cookie",
        "forwarded",
        "pragma",
        "tracestate",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
    },
)
_DELIVERY_ID = re.compile(r"[!-~]{1,200}")


class DuplicateHeader(MakegoodError):
    """A header came twice that may come once. Carries its name, never its values."""

    def __init__(self, name: str) -> None:
        """Take the header's name as it was folded."""
        super().__init__("duplicate_header", f"{name} came more than once")
        self.name = name


@dataclass(frozen=True, slots=True)
class Delivery:
    """`body` as sent, `headers` by lower-case name with dashes, `received_at` in UTC.

    Raises `ValueError` for a time without the UTC offset and for header names in capitals: both
    are mistakes of ours, not of the sender.
    """

    body: bytes
    headers: Mapping[str, str]
    received_at: datetime

    def __post_init__(self) -> None:
        """Check our side of the bargain, and close the headers against change."""
        if self.received_at.utcoffset() != timedelta(0):
            message = "received_at must be in UTC"
            raise ValueError(message)
        if any(name != _folded(name) for name in self.headers):
            message = "header names must be in lower case with dashes: use Delivery.from_headers"
            raise ValueError(message)
        object.__setattr__(self, "headers", MappingProxyType(dict(self.headers)))

    @classmethod
    def from_headers(
        cls,
        pairs: Iterable[tuple[str, str]],
        body: bytes,
        received_at: datetime,
    ) -> Self:
        """Build a delivery from header pairs as the server gives them.

        Names are compared without case and with `_` read as `-`, as WSGI servers do. Repeated
        list headers of proxies are joined with commas; raises `DuplicateHeader` for any other.
        """
        headers: dict[str, str] = {}
        for name, value in pairs:
            key = _folded(name)
            if key not in headers:
                headers[key] = value
            elif key in _REPEATABLE:
                headers[key] = f"{headers[key]}, {value}"
            else:
                raise DuplicateHeader(key)
        return cls(body, headers, received_at)

    def header(self, name: str) -> str | None:
        """Return a header's value, or None; the name in any case."""
        return self.headers.get(_folded(name))

    def digest(self) -> str:
        """Return the SHA-256 of the body, 64 lower-case hex digits."""
        return sha256(self.body).hexdigest()

    def delivery_id(self, header_name: str | None, field_name: str | None = None) -> str:
        """Return what tells a repeated delivery from a new one.

        That is the declared header's value, or that of the declared field of the body. Where it is
        the first there, nobody reads on. It is `sha256:<digest>` where the platform declares
        neither, it is absent, or it is not 1 to 200 visible ASCII characters (no store could keep
        it as a key). The header is not signed on most platforms: the effect must be deduplicated
        as well.
        """
        value = self.header(header_name) if header_name else None
        if field_name is not None:
            value = self._field(field_name)
        if value is not None and _DELIVERY_ID.fullmatch(value):
            return value
        return f"sha256:{self.digest()}"

    def _field(self, name: str) -> str | None:
        """A text in the body; None where there is none of this name, or no readable body."""
        if found := _first_field(name).match(self.body):
            return found[1].decode()
        try:
            document = read_json(self.body)
        except Unreadable:
            return None
        value = document.get(name) if isinstance(document, dict) else None
        return value if isinstance(value, str) else None


@lru_cache(maxsize=64)
def _first_field(name: str) -> re.Pattern[bytes]:
    """How a body begins whose first field is `name`, with a plain text in it."""
    quoted = re.escape(name.encode())
    return re.compile(
        rb'[ \t\r\n]*\{[ \t\r\n]*"' + quoted + rb'"[ \t\r\n]*:[ \t\r\n]*"([!#-\[\]-~]{1,200})"'
    )


@lru_cache(maxsize=1024)
def _folded(name: str) -> str:
    return name.lower().replace("_", "-")
