"""The calls to one shop: GraphQL over one address, and what its refusals mean.

A call says what happened by the kind of exception. Nothing of an answer goes into an error but
Shopify's own codes. It repeats a call only where Shopify would not begin it with a token that was
had before: then once, with a new one. https://shopify.dev/docs/api/usage/response-codes
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Final, Protocol

from plugin.domain.errors import InvalidInput, OutcomeUnknown, Refused, RetryLater
from plugin.platforms.data_files import DataFiles
from plugin.platforms.http_client import Answer, Call, HttpClient
from plugin.platforms.manifest import StoreManifest
from plugin.platforms.manifest_schema import read_manifest
from plugin.platforms.strict_json import JsonValue, Malformed, Reader
from plugin.ports import Clock, Connection
from plugin.stores.shopify.documents import MUTATIONS, QUERIES
from plugin.stores.shopify.points import LONGEST_WAIT, POINTS, Points

KEY_REFUSED: Final = "key_refused"
_OF_THE_TOKEN: Final = frozenset({KEY_REFUSED, "right_missing"})
"""Refusals that another token may not meet: this one ended, or is older than a right."""
_CODE = re.compile(r"[A-Za-z0-9_]{1,64}")


@cache
def manifest() -> StoreManifest:
    """Our declaration: version, address, rights and topics stand there only."""
    found = read_manifest(
        (DataFiles().manifests() / "stores" / "shopify" / "platform.json").read_bytes()
    )
    assert isinstance(found, StoreManifest)  # noqa: S101 - the reader's promise, for types
    return found


class TokenSource(Protocol):
    """Where the access token comes from. Tokens expire: it is asked for each call."""

    def token(self) -> str: ...

    def refused(self, code: str) -> bool:
        """The token was not enough, with this code of ours: whether another may be, at once."""

    def begin_anew(self) -> None:
        """What is asked now tries the keys: use no token that was had for them before."""


def base_url(connection: Connection) -> str:
    """The shop's address. Raises InvalidInput for a shop that is no name of one."""
    outgoing = manifest().outgoing
    assert outgoing is not None  # noqa: S101 - the manifest says so, for types
    return connection.settings.get("base_url") or outgoing.address(connection.settings).base_url


class Account:
    """One shop, by the tokens that `tokens` gives."""

    def __init__(
        self,
        connection: Connection,
        http: HttpClient,
        tokens: TokenSource,
        clock: Clock,
        points: Points = POINTS,
    ) -> None:
        self._url = f"{base_url(connection)}/admin/api/{manifest().api_version}/graphql.json"
        self._http = http
        self._tokens = tokens
        self._clock = clock
        self._points = points

    def ask(self, label: str, variables: Mapping[str, JsonValue] | None = None) -> Reader:
        """The `data` of a query. Raises Refused and RetryLater."""
        return self._send(label, QUERIES[label], variables or {}, reads=True)

    def change(self, label: str, variables: Mapping[str, JsonValue]) -> Reader:
        """The `data` of a mutation. Raises Refused, RetryLater and OutcomeUnknown."""
        return self._send(label, MUTATIONS[label], variables, reads=False)

    def change_simply(self, label: str, variables: Mapping[str, JsonValue]) -> None:
        """A mutation whose only answer is whether it was done. Raises as `change`."""
        data = self.change(label, variables)
        with understood(OutcomeUnknown):
            errors = data.items("change", "userErrors")
            if errors:
                code = user_error_code(errors[0])
                # Somebody changed it since it was read: read again, then decide.
                raise RetryLater(code, label) if code == "stale_object" else Refused(code, label)

    def _send(
        self, label: str, document: str, variables: Mapping[str, JsonValue], *, reads: bool
    ) -> Reader:
        wait = self._points.take(self._url, label, self._clock.now())
        if wait:
            raise RetryLater("budget_spent", label, after_seconds=wait)
        body: JsonValue = {"query": document, "variables": dict(variables)}
        call = Call("POST", self._url, label, json=body, reads=reads)
        while True:
            token = self._tokens.token()
            try:
                return self._sent(replace(call, headers={"X-Shopify-Access-Token": token}))
            except Refused as error:
                # Nothing happened, so it may be begun again: by a token that is new, once.
                if error.code not in _OF_THE_TOKEN or not self._tokens.refused(error.code):
                    raise

    def _sent(self, call: Call) -> Reader:
        answer = self._http.send(call)
        if not answer.is_ok:
            raise _refusal(answer)
        otherwise: type[RetryLater | OutcomeUnknown] = RetryLater if call.reads else OutcomeUnknown
        with understood(otherwise):
            read = Reader(answer.json())
            errors = read.optional_items("errors") or ()
            if errors:
                raise _error(call.label, read, errors, otherwise)
            self._points.note(self._url, call.label, read, self._clock.now())
            return read.section("data")


def _refusal(answer: Answer) -> Refused:
    """A 4xx came before GraphQL ran: nothing happened."""
    words = {401: KEY_REFUSED, 403: "right_missing", 404: "shop_not_found"}
    return Refused(words.get(answer.status, "shop_unavailable"), f"HTTP {answer.status}")


def _error(
    label: str,
    read: Reader,
    errors: tuple[Reader, ...],
    otherwise: type[RetryLater | OutcomeUnknown],
) -> Refused | RetryLater | OutcomeUnknown:
    """What top-level errors mean: a definitive no only where the mutation certainly did not run."""
    codes = {_word(error.optional_text("extensions", "code")) for error in errors}
    if codes == {"THROTTLED"}:
        return RetryLater("throttled", label, after_seconds=_wait(read))
    if codes == {"MAX_COST_EXCEEDED"}:
        return Refused("query_too_costly", label)
    if codes == {"SHOP_INACTIVE"}:
        return Refused("shop_unavailable", label)
    # An error below the mutation's own field comes after the mutation ran.
    below = any(len(error.optional_items("path") or ()) > 1 for error in errors)
    if codes == {"ACCESS_DENIED"} and (otherwise is RetryLater or not below):
        return Refused("right_missing", label)
    return otherwise("server_error", f"{label}: {', '.join(sorted(codes))}")


def _wait(read: Reader) -> int:
    """Seconds until the bucket holds what the query costs.

    https://shopify.dev/docs/api/usage/limits: points come back at `restoreRate` a second.
    """
    cost = read.optional_section("extensions", "cost")
    if cost is None:
        return 1
    requested = cost.optional_number("requestedQueryCost") or 0
    available = cost.optional_number("throttleStatus", "currentlyAvailable") or 0
    rate = cost.optional_number("throttleStatus", "restoreRate") or 0
    if rate <= 0:
        return 1
    return max(1, min(math.ceil((requested - available) / rate), LONGEST_WAIT))


def user_error_code(error: Reader) -> str:
    """`no_<field>` for a no of Shopify's: its message is for people, and may hold anything."""
    code = error.optional_text("code")
    if code is not None:
        return _word(code).lower()
    fields = [item.value for item in error.optional_items("field") or ()]
    named = [field for field in fields if isinstance(field, str) and _CODE.fullmatch(field)]
    return "_".join(["no", *named])[:64] if named else "no_reason_named"


def _word(text: str | None) -> str:
    return text if text is not None and _CODE.fullmatch(text) else "unnamed"


@contextmanager
def understood(otherwise: type[Refused | RetryLater | OutcomeUnknown]) -> Iterator[None]:
    """Turn an answer that is not shaped as Shopify's into what it means for this call."""
    try:
        yield
    except Malformed as error:
        raise otherwise("answer_malformed", error.path) from None
    except InvalidInput as error:
        raise otherwise("answer_malformed", error.field) from None
