"""The calls to one Zendesk account, and what its statuses mean.

Builds every address from our own settings and matched ids; never follows one from an answer.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from plugin.domain.errors import Refused, RetryLater
from plugin.helpdesks.zendesk.sign_in import read_public_key
from plugin.platforms.http_client import Answer, Call, HttpClient
from plugin.platforms.strict_json import JsonObject, Malformed, Reader

INVALID: Final = frozenset({400, 422})
_REFUSALS: Final = {401: "key_refused", 403: "rights_missing", 422: "ticket_refused"}

Query = Sequence[tuple[str, str]]


class Api:
    """One account's API under `base_url` (without a slash at its end), as `email` with a token."""

    def __init__(self, http: HttpClient, base_url: str, email: str, api_token: str) -> None:
        self._http = http
        self._base_url = base_url
        credentials = base64.b64encode(f"{email}/token:{api_token}".encode()).decode("ascii")
        self._headers = {"Authorization": f"Basic {credentials}"}

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
        """An answer of 2xx, 404 or 409, and of 400 or 422 where it `may_be_invalid`.

        Raises Refused for every other 4xx, and as HttpClient.
        """
        url = f"{self._base_url}/api/v2/{path}"
        answer = self._http.send(
            Call(method, url, label, headers=self._headers, query=query, json=change)
        )
        if answer.is_ok or answer.status in (404, 409):
            return answer
        if may_be_invalid and answer.status in INVALID:
            return answer
        code = _REFUSALS.get(answer.status, "call_refused")
        raise Refused(code, f"{label}: HTTP {answer.status}")

    def public_key(self, app_id: str) -> RSAPublicKey:
        """An app's public key. Raises Refused `app_key_missing` or `app_key_unreadable`."""
        # Anyone may read it, so our token stays at home.
        url = f"{self._base_url}/api/v2/apps/{app_id}/public_key.pem"
        answer = self._http.send(Call("GET", url, "app.public_key", headers={"Accept": "*/*"}))
        if not answer.is_ok:
            raise Refused("app_key_missing", f"HTTP {answer.status}")
        return read_public_key(answer.body)


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


def told_in_the_second_of(answer: Answer, stamp: str) -> bool:
    """Whether `answer` was given in the second of `stamp` (ISO 8601), or before it.

    Stamps count whole seconds: another change in that second would leave the stamp as it is. False
    where the answer does not tell its time. Raises Malformed for a stamp that is none.
    """
    try:
        second = datetime.fromisoformat(stamp).astimezone(UTC)
    except ValueError:
        raise Malformed("updated_at") from None
    try:
        told = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return False
    return told.astimezone(UTC) < second + timedelta(seconds=1)
