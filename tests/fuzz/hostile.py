"""Hostile values: pieces of JSON, texts, header values, and what bytes go through on a bad line."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_DEEP: Final = 60_000
HOSTS: Final = (
    "acme",
    "evil.example",
    "evil.example#",
    "evil.example/",
    "evil.example?",
    "evil.example:443/",
    "evil.example\\",
    "acme@evil.example#",
    "acme.evil.example/#",
    "127.0.0.1/",
    "acme.",
    "acme\n",
    "-acme",
)
"""For fields that become a part of a host: what would make its end a path, or its start a name."""

TEXTS: Final = (
    "",
    " ",
    "x",
    "0",
    "-1",
    "1.5",
    "1e309",
    "12,50",
    "50.00",
    "١٢",
    "NaN",
    "null",
    "true",
    "yes",
    "x" * 41,
    "x" * 301,
    "x" * 5000,
    "\0",
    "a\0b",
    "\x1b[31m",
    "a\r\nSet-Cookie: a=b",
    "\u202e\u200b",
    "é" * 200,
    "💸" * 60,
    "\ufffd\uffff",
    "ana.horvat@mail.example",
    "a@b",
    "@",
    "../../../etc/passwd",
    "..%2f..%2f",
    "%00%ff",
    "' OR 1=1 --",
    '"; DROP TABLE mg_refunds; --',
    "<script>alert(1)</script>",
    "{{7*7}}{%x%}",
    "${jndi:ldap://x}",
    "http://127.0.0.1:1/",
    "https://evil.example",
    "//evil.example",
    "file:///etc/passwd",
    "169.254.169.254",
    "acme.evil.example#",
    "9999-12-31T23:59:59+00:00",
    "0001-01-01T00:00:00+14:00",
    "2026-02-30T00:00:00Z",
    "2026-11-22T10:00:00",
    "EUR",
    "jpy",
    "XXX",
    "KWD",
    "ISK",
    "full",
    "free",
    "prorata",
    "keep",
    "nothing",
    "paid",
    "succeeded",
    "failed",
    "open",
    "active",
    "one_shot",
    "subscription",
    "products",
    "tags",
    "course:ink-and-line",
    "1001",
    "0" * 32,
    "0" * 64,
)
_RAW: Final = (
    b"null",
    b"true",
    b"false",
    b"0",
    b"-0",
    b"1",
    b"-1",
    b"1.0",
    b"-0.0",
    b"0.1",
    b"1e2",
    b"1e400",
    b"-1e400",
    b"1e-400",
    b"0.12345678901234567890123",
    b"1795348800",
    b"253402300800",
    b"-62135596801",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"1" + b"0" * 30,
    b"9" * 5000,
    b"01",
    b"1.",
    b"+1",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"undefined",
    b"'a'",
    b"[]",
    b"{}",
    b"[[]]",
    b"[null]",
    b"[{}]",
    b"[1,]",
    b'{"":null}',
    b'{"a":1,"a":2}',
    b'{"id":{"id":{}}}',
    b"[" * 20 + b"]" * 20,
    b"[" * 64 + b"]" * 64,
    b"[" * _DEEP,
    b'{"a":' * 1000,
    b'"\\u0000"',
    b'"\\ud800"',
    b'"\\udfff\\ud800"',
    b'"\\ud83d\\ude00"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"\xc0\x80"',
    b'"\n"',
    b'"',
    b"",
    b'"a" "b"',
    b"/**/1",
)
FRAGMENTS: Final = tuple(dict.fromkeys((*_RAW, *(json.dumps(t).encode() for t in TEXTS))))
"""Everything that is put in the place of every value of every recorded body."""

HEADER_VALUES: Final = (
    "",
    " ",
    ",",
    "x",
    "0",
    "-1",
    "é",
    "\xff\xfe",
    "\x80" * 40,
    "a\tb",
    "a" * 300,
    "a" * 70_000,
    "=" * 64,
    "0" * 64,
    "t=1,v1=",
    "t=,v1=é",
    "t=99999999999,v1=" + "0" * 64,
    "Bearer ",
    "Bearer é",
    "Bearer " + "a." * 30,
    "Basic Og==",
    "text/html;q=x, */*;q=2",
    "bytes=0-,-1,99999999999999999999-",
    "Thu, 32 Nov 9999 99:99:99 GMT",
    "2",
    "SALE_NEW",
    "ping",
    "9999-12-31T23:59:59-23:59",
    "gzip",
    "chunked",
    "*",
)
HEADERS: Final = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Cache-Control",
    "Content-Encoding",
    "Content-Type",
    "Cookie",
    "Expect",
    "Forwarded",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Origin",
    "Range",
    "Referer",
    "Sec-Fetch-Site",
    "Transfer-Encoding",
    "Upgrade",
    "User-Agent",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-HTTP-Method-Override",
    "X-Original-URL",
)
TYPES: Final = (
    "",
    "application/json",
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=utf-16",
    "application/x-www-form-urlencoded; charset=\xff",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "multipart/form-data; boundary=" + "x" * 4000,
    "text/plain;;;=;charset",
    "é/é",
    "*/*",
    "application/json; charset*=x''%ff",
)
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
ODD_METHODS: Final = (*METHODS, "", "get", "PÖST", "A" * 300, "PROPFIND")
PATHS: Final = (
    "",
    "/",
    "//",
    "/webhooks",
    "/webhooks/",
    "/webhooks/practice",
    "/webhooks/practice/x/y",
    "/webhooks/../admin",
    "/panel/%2e%2e/admin",
    "/admin/",
    "/admin/../install",
    "/admin\xff",
    "/assets/../../secret-keys",
    "/assets/..%2f",
    "/assets/",
    "/assets/" + "a/" * 400,
    "/\0",
    "/" + "a" * 9000,
    "/é/\xf0\x9f\x92\xb8",
    "*",
    "http://evil.example/",
    "/healthz/",
    "/.env",
)


@dataclass(frozen=True, slots=True)
class Spot:
    """One value of one body: the text before it, the value itself, and the text after it."""

    before: bytes
    value: bytes
    after: bytes
    key: str | None
    without: bytes

    def put(self, fragment: bytes) -> bytes:
        return b"".join((self.before, fragment, self.after))

    def twice(self, fragment: bytes) -> bytes:
        """The same key again, with another value; a list gets one more item."""
        again = b"" if self.key is None else json.dumps(self.key).encode() + b":"
        return b"".join((self.before, self.value, b",", again, fragment, self.after))


_MARK: Final = "\x01mark\x01"
_MARKED: Final = json.dumps(_MARK).encode()


def spots(body: bytes) -> Iterator[Spot]:
    """Every value of a JSON body, the whole of it first."""
    document = json.loads(body)
    yield Spot(b"", body, b"", None, b"")
    yield from _inside(document, document)


def _inside(document: Any, value: Any) -> Iterator[Spot]:  # noqa: ANN401 - any JSON
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    for key in keys:
        own = value[key]
        value[key] = _MARK
        before, after = json.dumps(document).encode().split(_MARKED)
        del value[key]
        without = json.dumps(document).encode()
        if isinstance(value, dict):
            value[key] = own
            name: str | None = str(key)
        else:
            value.insert(key, own)
            name = None
        yield Spot(before, json.dumps(own).encode(), after, name, without)
        yield from _inside(document, own)


def broken(body: bytes, chance: random.Random) -> bytes:  # noqa: C901 - one case per damage
    """The body after something happened to its bytes."""
    at = chance.randrange(len(body) + 1)
    match chance.randrange(12):
        case 0 | 1 | 2:
            changed = bytearray(body)
            for _ in range(chance.randint(1, 4)):
                if changed:
                    changed[chance.randrange(len(changed))] ^= chance.randint(1, 255)
            return bytes(changed)
        case 3:
            return body[:at]
        case 4:
            return body[:at] + body[at + chance.randint(1, 40) :]
        case 5:
            return body + body
        case 6:
            return body[:at] + body[max(0, at - 60) : at] * chance.randint(2, 30) + body[at:]
        case 7:
            return body[:at] + chance.randbytes(chance.randint(1, 20)) + body[at:]
        case 8:
            return body[:at] + chance.choice(FRAGMENTS) + body[at:]
        case 9:
            return chance.choice((b"\xef\xbb\xbf", b"\xff\xfe", b" ", b"\0")) + body
        case 10:
            text = body.decode("utf-8", "replace")
            return chance.choice((text.encode("utf-16"), text.encode("utf-32"), b"", body[::-1]))
        case _:
            return (
                gzip.compress(body, 1, mtime=0) if chance.random() < 0.5 else chance.randbytes(at)
            )
