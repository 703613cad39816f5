"""The calls to one WooCommerce shop, and what its refusals mean.

HTTPS with the REST key as Basic authentication, never as a part of the address, which gets logged.
It never repeats a call, and puts nothing of an answer into an error but the shop's own codes.
https://woocommerce.github.io/woocommerce-rest-api-docs/#authentication-over-https
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Final
from urllib.parse import quote

from plugin.domain.errors import InvalidInput, OutcomeUnknown, Refused, RetryLater
from plugin.platforms.data_files import DataFiles
from plugin.platforms.http_client import Answer, Call, HttpClient
from plugin.platforms.manifest import Outgoing, StoreManifest
from plugin.platforms.manifest_schema import read_manifest
from plugin.platforms.strict_json import JsonObject, Malformed, Reader, Unreadable, read_json
from plugin.ports import Connection

Pairs = Sequence[tuple[str, str]]

PAGE = 100
"""The most entries of a list in one answer."""

_CODE = re.compile(r"[a-z0-9_]{1,64}")
_REFUSED_IN_WORDS = frozenset({500})
NOT_INSTALLED: Final = "rest_no_route"
"""The code of a path that nobody answers: its extension is missing, or all of them are."""


@cache
def manifest() -> StoreManifest:
    """Our declaration: address, amounts and topics stand there only."""
    found = read_manifest(
        (DataFiles().manifests() / "stores" / "woocommerce" / "platform.json").read_bytes()
    )
    assert isinstance(found, StoreManifest)  # noqa: S101 - the reader's promise, for types
    return found


def _outgoing() -> Outgoing:
    outgoing = manifest().outgoing
    assert outgoing is not None  # noqa: S101 - the manifest schema's promise, for types
    return outgoing


class Account:
    """One shop, by `consumer_key` and `consumer_secret` of `connection.secrets`.

    `connection.settings["shop"]` is its address; `base_url` replaces that of the API in
    development. Raises Refused, RetryLater and OutcomeUnknown as `HttpClient.send` does.
    """

    def __init__(self, connection: Connection, http: HttpClient) -> None:
        settings, secrets = connection.settings, connection.secrets
        self.shop = settings.get("shop", "")
        self._base = settings.get("base_url") or _outgoing().address(settings).base_url
        pair = f"{secrets['consumer_key']}:{secrets['consumer_secret']}"
        self._authorization = f"Basic {b64encode(pair.encode()).decode()}"
        self._http = http

    def get(self, label: str, path: str, query: Pairs = ()) -> Answer:
        """Read, whatever the answer is."""
        return self._http.send(
            Call("GET", self._base + path, label, headers=self._headers(), query=query)
        )

    def write(self, method: str, label: str, path: str, body: JsonObject) -> Answer:
        """Change something, whatever the answer is: also a 500, which may be a no in words."""
        return self._http.send(
            Call(
                method,
                self._base + path,
                label,
                headers=self._headers(),
                json=body,
                answers=_REFUSED_IN_WORDS,
            )
        )

    def _headers(self) -> dict[str, str]:
        return {"Authorization": self._authorization}

    def read(self, label: str, path: str, *, of_extension: bool = False) -> Reader | None:
        """One object, or None where there is none. Raises Refused for any other no.

        None in the shop's own words only: the page of a host tells nothing of orders, nor does a
        shop in which all of WooCommerce is switched off. `of_extension`: none where it is missing.
        """
        answer = self.get(label, path)
        said = error_code(answer) if answer.status == 404 else None
        is_absent = said is not None and (of_extension or said != NOT_INSTALLED)
        return None if is_absent else read_ok(answer)

    def read_list(self, label: str, path: str, query: Pairs = ()) -> Sequence[Reader]:
        """The first page of a list, at most `PAGE` long."""
        return self.read_page(label, path, query)[0]

    def read_page(self, label: str, path: str, query: Pairs = ()) -> tuple[Sequence[Reader], bool]:
        """As `read_list`, and whether there may be more behind it."""
        answer = self.get(label, path, [*query, ("per_page", str(PAGE))])
        body = read_ok(answer)
        with understood(RetryLater):
            entries = body.items()
        counted = count_of(answer)
        return entries, len(entries) >= PAGE if counted is None else counted > len(entries)


def at(folder: str, ref: str) -> str:
    """The path of one object. An id from outside stays one segment of it."""
    return f"/{folder}/{quote(ref, safe='')}"


def count_of(answer: Answer) -> int | None:
    """How many entries the whole list has; None where the host takes the header away."""
    told = answer.headers.get("X-WP-Total") or ""
    return int(told) if told.isascii() and told.isdigit() else None


def read_ok(answer: Answer) -> Reader:
    """The body of a 2xx. Raises Refused, with the shop's code, for anything else."""
    if not answer.is_ok:
        raise refusal(answer)
    return Reader(answer.json())


def refusal(answer: Answer) -> Refused | OutcomeUnknown:
    """The shop's no. A wrong key and a missing right have codes of their own.

    A 500 after a write is none: only a refund's is, which `refunding` reads by itself.
    """
    code = error_code(answer) or f"http_{answer.status}"
    if answer.status >= 500:
        return OutcomeUnknown("server_error", code)
    if answer.status == 401:
        return Refused("key_refused", code)
    if answer.status == 403:
        return Refused("right_missing", code)
    return Refused(code, f"HTTP {answer.status}")


def error_code(answer: Answer) -> str | None:
    """The `code` of `{code, message, data}`; None for what the shop's API did not write.

    Firewalls and hosts before a shop answer with pages of their own.
    """
    try:
        code = Reader(read_json(answer.body)).optional_text("code")
    except (Unreadable, Malformed):
        return None
    return code if code is not None and _CODE.fullmatch(code) else None


def says(answer: Answer, words: str) -> bool:
    """Whether the shop's message has these words. It may name people, so it is never handed on."""
    try:
        return words in (Reader(read_json(answer.body)).optional_text("message") or "")
    except (Unreadable, Malformed):
        return False


@contextmanager
def understood(otherwise: type[Refused | RetryLater | OutcomeUnknown]) -> Iterator[None]:
    """Turn an answer that is not shaped as the shop's into what it means for this call."""
    try:
        yield
    except Malformed as error:
        raise otherwise("answer_malformed", error.path) from None
    except InvalidInput as error:
        raise otherwise("answer_malformed", error.field) from None
