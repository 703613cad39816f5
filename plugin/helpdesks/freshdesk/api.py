"""The calls to one Freshdesk account, and what its statuses mean.

Builds every address from our own settings and matched ids; never follows one from an answer, and
embeds nothing (`include` costs as many calls of the account's limit as asking apart).

Source: developers.freshdesk.com/api, "Authentication", "Rate Limit", "Errors", "Pagination".
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from plugin.domain.errors import Refused, RetryLater
from plugin.platforms.http_client import Answer, Call, HttpClient
from plugin.platforms.strict_json import JsonObject, Malformed, Reader

PAGE: Final = 100
"""The most that a list gives at once."""

_REFUSALS: Final = {
    401: "key_refused",
    403: "rights_missing",
    # Documented for tickets that are deleted or marked as spam.
    405: "ticket_closed",
}
_WINDOW_SECONDS: Final = 60

Query = Sequence[tuple[str, str]]


class Api:
    """One account's API under `base_url` (without a slash at its end), with an agent's key."""

    def __init__(self, http: HttpClient, base_url: str, api_key: str) -> None:
        self._http = http
        self._base_url = base_url
        credentials = base64.b64encode(f"{api_key}:X".encode()).decode("ascii")
        self._headers = {"Authorization": f"Basic {credentials}"}
        self._spent = False

    def read(self, label: str, path: str, query: Query = ()) -> Reader | None:
        """The body of a GET; None for 404. Raises Refused, RetryLater."""
        answer = self.send("GET", label, path, query)
        return None if answer.status == 404 else body_of(answer)

    def send(
        self,
        method: str,
        label: str,
        path: str,
        query: Query = (),
        change: JsonObject | None = None,
        *,
        may_be_invalid: bool = False,
    ) -> Answer:
        """An answer of 2xx or 404, and of 400 where it `may_be_invalid`.

        Raises Refused for every other 4xx, RetryLater `desk_limit_reached` when the answer before
        said that no call is left in this minute (one more would count too), and as HttpClient.
        """
        if self._spent:
            raise RetryLater("desk_limit_reached", label, after_seconds=_WINDOW_SECONDS)
        url = f"{self._base_url}/api/v2/{path}"
        answer = self._http.send(
            Call(method, url, label, headers=self._headers, query=query, json=change)
        )
        self._spent = answer.headers.get("X-RateLimit-Remaining") == "0"
        if answer.is_ok or answer.status == 404 or (may_be_invalid and answer.status == 400):
            return answer
        code = _REFUSALS.get(answer.status, "call_refused")
        raise Refused(code, f"{label}: HTTP {answer.status}")


def body_of(answer: Answer) -> Reader:
    """The JSON of an answer. Raises as `Answer.json`."""
    return Reader(answer.json())


@contextmanager
def known_shape(label: str) -> Iterator[None]:
    """Turns an answer of another shape than documented into RetryLater, naming the field only."""
    try:
        yield
    except Malformed as error:
        raise RetryLater("answer_unexpected", f"{label}: {error.path}") from None
