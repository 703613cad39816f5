"""The calls to one Stripe account, and what its refusals mean.

Every call carries the key and the pinned version. It never repeats one, and puts nothing of an
answer into an error but Stripe's own codes. https://docs.stripe.com/api/errors
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from urllib.parse import quote

from plugin.domain.errors import InvalidInput, OutcomeUnknown, Refused, RetryLater
from plugin.platforms.data_files import DataFiles
from plugin.platforms.http_client import Answer, Call, HttpClient
from plugin.platforms.manifest import StoreManifest
from plugin.platforms.manifest_schema import read_manifest
from plugin.platforms.strict_json import Malformed, Reader
from plugin.ports import Connection

Pairs = Sequence[tuple[str, str]]

_CODE = re.compile(r"[a-z0-9_]{1,64}")


@cache
def manifest() -> StoreManifest:
    """Our declaration: version, address, amounts and topics stand there only."""
    found = read_manifest(
        (DataFiles().manifests() / "stores" / "stripe" / "platform.json").read_bytes()
    )
    assert isinstance(found, StoreManifest)  # noqa: S101 - the reader's promise, for types
    return found


class Account:
    """One account, by the restricted key in `connection.secrets["api_key"]`.

    `connection.settings["base_url"]` replaces the address in development; `http` must allow it.
    Raises Refused, RetryLater and OutcomeUnknown as `HttpClient.send` does.
    """

    def __init__(self, connection: Connection, http: HttpClient) -> None:
        outgoing = manifest().outgoing
        declared = "" if outgoing is None else outgoing.base_url
        self._base = connection.settings.get("base_url") or declared
        self._key = connection.secrets["api_key"]
        self._http = http

    @property
    def mode(self) -> str:
        """`test mode` or `live`, as the key says."""
        return "test mode" if "_test_" in self._key else "live"

    def get(self, label: str, path: str, query: Pairs = ()) -> Answer:
        """Read, whatever the answer is."""
        return self._send("GET", label, path, query=query)

    def write(
        self,
        method: str,
        label: str,
        path: str,
        form: Pairs = (),
        *,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Change something, whatever the answer is."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return self._send(method, label, path, form=form or None, headers=headers)

    def _send(
        self,
        method: str,
        label: str,
        path: str,
        *,
        query: Pairs = (),
        form: Pairs | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        ours = {
            "Authorization": f"Bearer {self._key}",
            "Stripe-Version": manifest().api_version or "",
            **(headers or {}),
        }
        return self._http.send(
            Call(method, self._base + path, label, headers=ours, query=query, form=form)
        )

    def read(self, label: str, path: str, query: Pairs = ()) -> Reader | None:
        """One object, or None where there is none. Raises Refused for any other no."""
        answer = self.get(label, path, query)
        return None if is_absent(answer) else read_ok(answer)

    def read_list(self, label: str, path: str, query: Pairs = ()) -> Sequence[Reader]:
        """The first page of a list; empty where Stripe knows nothing of what it is asked for."""
        return self.read_page(label, path, query)[0]

    def read_page(self, label: str, path: str, query: Pairs = ()) -> tuple[Sequence[Reader], bool]:
        """As `read_list`, and whether there is more behind it."""
        body = self.read(label, path, query)
        with understood(RetryLater):
            if body is None:
                return (), False
            return body.items("data"), bool(body.optional_boolean("has_more"))


def at(folder: str, ref: str) -> str:
    """The path of one object. An id from outside stays one segment of it."""
    return f"/v1/{folder}/{quote(ref, safe='')}"


def any_of(field: str, values: Sequence[str]) -> str:
    """A search that is true for any of the values (https://docs.stripe.com/search)."""
    quoted = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return " OR ".join(f'{field}:"{value}"' for value in quoted)


def read_ok(answer: Answer) -> Reader:
    """The body of a 2xx. Raises Refused, with Stripe's code, for anything else."""
    if not answer.is_ok:
        raise refusal(answer)
    return Reader(answer.json())


def refusal(answer: Answer) -> Refused:
    """Stripe's no. A wrong key and a missing right have codes of their own for the health page."""
    code, _ = error_of(answer)
    if answer.status == 401:
        return Refused("key_refused", code)
    if answer.status == 403:
        return Refused("right_missing", code)
    return Refused(code, f"HTTP {answer.status}")


def is_absent(answer: Answer) -> bool:
    """Whether Stripe knows no such thing. Raises for a 404 of somebody before Stripe: no answer."""
    return answer.status == 404 and error_of(answer)[1] != "http_404"


def error_of(answer: Answer) -> tuple[str, str]:
    """Stripe's `code` and `type`, words that are safe to log; `http_<status>` where there is none.

    Over-refunds come without a code and name the parameter `amount`: that becomes `amount_invalid`.
    Any other error without a code has its type as code.
    """
    unnamed = f"http_{answer.status}"
    with understood(Refused):
        body = Reader(answer.json())
        kind = _word(body.optional_text("error", "type")) or unnamed
        code = _word(body.optional_text("error", "code"))
        parameter = _word(body.optional_text("error", "param"))
    if code is None:
        code = "amount_invalid" if parameter == "amount" else kind
    return code, kind


def _word(text: str | None) -> str | None:
    return text if text is not None and _CODE.fullmatch(text) else None


@contextmanager
def understood(otherwise: type[Refused | RetryLater | OutcomeUnknown]) -> Iterator[None]:
    """Turn an answer that is not shaped as Stripe's into what it means for this call."""
    try:
        yield
    except Malformed as error:
        raise otherwise("answer_malformed", error.path) from None
    except InvalidInput as error:
        raise otherwise("answer_malformed", error.field) from None
