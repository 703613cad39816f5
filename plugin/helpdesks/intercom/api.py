"""The calls to one Intercom workspace, and what its statuses mean.

Builds every address from our own settings and matched ids; never follows one from an answer, and
always names the version of the API that it was written for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Final

from plugin.domain.errors import Refused, RetryLater
from plugin.platforms.http_client import Answer, Call, HttpClient
from plugin.platforms.retry_after import seconds_to_wait
from plugin.platforms.strict_json import JsonObject, Malformed, Reader
from plugin.ports import Clock

VERSION: Final = "2.15"
TRADING_HOST: Final = "https://api.intercom.io"
"""Where a code becomes a token, whatever the workspace's region."""

_REFUSALS: Final = {401: "key_refused", 403: "rights_missing", 422: "ticket_refused"}
_LIMITED: Final = 429
_UNIX_SECONDS: Final = re.compile(r"[1-9][0-9]{0,10}")
_LONGEST_WAIT: Final = 60
"""Limits are counted in windows of ten seconds; a clock that differs must not stop us for long."""


class Api:
    """One workspace's API. `settings` are the connection's; an empty token opens nothing."""

    def __init__(
        self, http: HttpClient, clock: Clock, settings: Mapping[str, str], token: str
    ) -> None:
        development = settings.get("base_url")
        self._http = http
        self._clock = clock
        self._base_url = development or f"https://{settings['api_host']}"
        self._trades_at = f"{development or TRADING_HOST}/auth/eagle/token"
        self._headers = {"Authorization": f"Bearer {token}", "Intercom-Version": VERSION}

    def read(self, label: str, path: str, query: Sequence[tuple[str, str]] = ()) -> Reader | None:
        """The body of a GET; None for 404. Raises Refused, RetryLater."""
        return self._body(self._send(Call("GET", self._url(path), label, self._headers, query)))

    def search(self, label: str, path: str, wanted: JsonObject) -> Reader:
        """The body of a search: a POST that changes nothing. Raises Refused, RetryLater."""
        return self.again(label, path, wanted) or Reader({})

    def again(self, label: str, path: str, body: JsonObject, method: str = "POST") -> Reader | None:
        """A write that may be made twice without harm. None for 404. Raises Refused, RetryLater."""
        call = Call(method, self._url(path), label, self._headers, json=body, reads=True)
        return self._body(self._send(call))

    def write(self, label: str, path: str, body: JsonObject) -> bool:
        """A POST made once; False for 404. Raises Refused, RetryLater, OutcomeUnknown."""
        call = Call("POST", self._url(path), label, self._headers, json=body)
        return self._send(call).is_ok

    def trade(self, code: str, client_id: str, client_secret: str) -> Reader:
        """The answer to a code of OAuth. Raises Refused `code_refused`, and as `write`."""
        form = (("code", code), ("client_id", client_id), ("client_secret", client_secret))
        answer = self._http.send(Call("POST", self._trades_at, "token.trade", form=form))
        if not answer.is_ok:
            raise Refused("code_refused", "check the client ID, the client secret and the region")
        return Reader(answer.json())

    def _url(self, path: str) -> str:
        return f"{self._base_url}/{path}"

    def _send(self, call: Call) -> Answer:
        """An answer of 2xx or 404."""
        # The client reads Retry-After only; here the end of the window stands in another header.
        answer = self._http.send(replace(call, answers=frozenset({_LIMITED})))
        if answer.status == _LIMITED:
            raise RetryLater("rate_limited", call.label, after_seconds=self._wait(answer))
        if answer.is_ok or answer.status == 404:
            return answer
        code = _REFUSALS.get(answer.status, "call_refused")
        raise Refused(code, f"{call.label}: HTTP {answer.status}")

    def _wait(self, answer: Answer) -> int | None:
        """Seconds until the window of the limit ends, told as a moment in UNIX seconds."""
        reset = answer.headers.get("X-RateLimit-Reset", "").strip()
        now = self._clock.now()
        if not _UNIX_SECONDS.fullmatch(reset):
            return seconds_to_wait(answer.headers.get("Retry-After"), now)
        wish = datetime.fromtimestamp(int(reset), now.tzinfo) - now
        return min(max(round(wish.total_seconds()), 1), _LONGEST_WAIT)

    @staticmethod
    def _body(answer: Answer) -> Reader | None:
        return None if answer.status == 404 else Reader(answer.json())


@contextmanager
def known_shape(label: str) -> Iterator[None]:
    """Turns an answer of another shape than documented into RetryLater, naming the field only."""
    try:
        yield
    except Malformed as error:
        raise RetryLater("answer_unexpected", f"{label}: {error.path}") from None
