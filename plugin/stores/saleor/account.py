"""The calls to one Saleor shop, and what its refusals mean.

GraphQL over one address; 200 may be a no. Never repeats a call, and puts nothing of an answer into
an error but Saleor's own codes. https://docs.saleor.io/api-usage/error-handling
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Final

from plugin.domain.errors import InvalidInput, OutcomeUnknown, Refused, RetryLater
from plugin.platforms.data_files import DataFiles
from plugin.platforms.detached_jws import public_keys
from plugin.platforms.http_client import Call, HttpClient
from plugin.platforms.manifest import StoreManifest
from plugin.platforms.manifest_schema import read_manifest
from plugin.platforms.strict_json import JsonValue, Malformed, Reader
from plugin.ports import Connection

Variables = Mapping[str, JsonValue]

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_BAD_KEY: Final = frozenset(
    {"PermissionDenied", "InvalidTokenError", "ExpiredSignatureError", "InvalidSignatureError"}
)
_NEVER_RUN: Final = _BAD_KEY | {"GraphQLError", "GraphQLSyntaxError", "QueryCostError"}
"""Codes of a top-level error that came before anything was done."""


@cache
def manifest() -> StoreManifest:
    """Our declaration: address and headers stand there only."""
    found = read_manifest(
        (DataFiles().manifests() / "stores" / "saleor" / "platform.json").read_bytes()
    )
    assert isinstance(found, StoreManifest)  # noqa: S101 - the reader's promise, for types
    return found


class Account:
    """One shop at `settings["host"]`, by the app's token in `secrets["app_token"]`.

    `settings["base_url"]` replaces the address in development; `http` must allow it. Raises
    Refused, RetryLater and OutcomeUnknown as `HttpClient.send` does.
    """

    def __init__(self, connection: Connection, http: HttpClient) -> None:
        outgoing = manifest().outgoing
        assert outgoing is not None  # noqa: S101 - our own manifest has it
        development = connection.settings.get("base_url")
        self._base = development or outgoing.address(connection.settings).base_url
        self.token = connection.secrets["app_token"]
        self._http = http

    def read(self, label: str, document: str, variables: Variables | None = None) -> Reader:
        """Ask, and return `data`. Raises Refused for a no, RetryLater for anything unclear."""
        return self._ask(label, document, variables or {}, reads=True)

    def change(self, label: str, document: str, variables: Variables) -> Reader:
        """Make one mutation, and return what its one field holds.

        Raises Refused only where certainly nothing was done, else OutcomeUnknown. The mutation's
        own no is in its `errors`: see `refusal_in`.
        """
        data = self._ask(label, document, variables, reads=False)
        with understood(OutcomeUnknown):
            fields = list(data.value) if isinstance(data.value, dict) else []
            if len(fields) != 1:
                raise Malformed("data")
            return data.section(fields[0])

    def read_keys(self) -> str:
        """The shop's public keys, as it publishes them. Raises Refused where it has none for us.

        https://docs.saleor.io/developer/extending/webhooks/payload-signature
        """
        call = Call("GET", f"{self._base}/.well-known/jwks.json", "keys.read")
        answer = self._http.send(call)
        if not answer.is_ok or not public_keys(answer.body):
            raise Refused("no_public_keys", f"HTTP {answer.status}")
        return answer.body.decode()

    def _ask(self, label: str, document: str, variables: Variables, *, reads: bool) -> Reader:
        body: JsonValue = {"query": document, "variables": dict(variables)}
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self._base}/graphql/"
        answer = self._http.send(Call("POST", url, label, headers=headers, json=body, reads=reads))
        if answer.status in (401, 403):
            raise Refused("key_refused", f"HTTP {answer.status}")
        with understood(RetryLater if reads else OutcomeUnknown):
            told = Reader(answer.json())
            errors = told.optional_items("errors") or ()
            if errors:
                raise _error_of([_Error.of(error) for error in errors], label, reads=reads)
            if not answer.is_ok:
                raise Refused(f"http_{answer.status}", label)
            return told.section("data")


class _Error:
    """One top-level error: Saleor's code for it, and whether it lies inside what was answered."""

    def __init__(self, code: str, *, inside: bool) -> None:
        self.code = code
        self.inside = inside

    @classmethod
    def of(cls, error: Reader) -> _Error:
        code = error.optional_text("extensions", "exception", "code") or ""
        path = error.optional_items("path") or ()
        return cls(code if _CODE.fullmatch(code) else "unnamed", inside=len(path) > 1)


def _error_of(
    errors: list[_Error], label: str, *, reads: bool
) -> Refused | RetryLater | OutcomeUnknown:
    """What errors beside or in place of data mean.

    An error inside a mutation's answer came after the mutation: it may have been done.
    """
    code = errors[0].code
    is_no = all(error.code in _NEVER_RUN and (reads or not error.inside) for error in errors)
    if is_no:
        return Refused("key_refused" if code in _BAD_KEY else code.lower(), label)
    kind = RetryLater if reads else OutcomeUnknown
    return kind("answered_with_errors", f"{label}: {code}")


def refusal_in(payload: Reader) -> str | None:
    """The code of a mutation's first error, in small letters; None where it has none."""
    for error in payload.items("errors"):
        code = error.text("code")
        return code.lower() if _CODE.fullmatch(code) else "unnamed"
    return None


@contextmanager
def understood(otherwise: type[Refused | RetryLater | OutcomeUnknown]) -> Iterator[None]:
    """Turn an answer that is not shaped as the schema says into what it means for this call."""
    try:
        yield
    except Malformed as error:
        raise otherwise("answer_malformed", error.path) from None
    except InvalidInput as error:
        raise otherwise("answer_malformed", error.field) from None
