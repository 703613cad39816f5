"""The one way out: every call to a platform goes through `HttpClient`.

Allowed places only, https, no redirects, no inside addresses, one deadline for the whole call, a
cap on the answer. It never repeats a write, never follows where an answer points, and never puts a
query, a header value or a body into a log line or an error.
"""

from __future__ import annotations

import json as json_text
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from plugin.domain.errors import (
    ACCOUNT_RESTING,
    InvalidInput,
    OutcomeUnknown,
    Refused,
    RetryLater,
)
from plugin.platforms.addresses import Resolver, resolve
from plugin.platforms.breaker import Admission, Breaker, Outcome, Rest
from plugin.platforms.checked_connection import CheckedAdapter, CutOff, Line
from plugin.platforms.http_headers import fits_header, is_header_name
from plugin.platforms.kept_connections import KeptConnections
from plugin.platforms.manifest import Timeouts
from plugin.platforms.retry_after import seconds_to_wait
from plugin.platforms.strict_json import JsonValue, Unreadable, read_json
from plugin.platforms.token_bucket import Budget
from plugin.platforms.url_templates import host_and_port
from plugin.ports import Clock
from plugin.ports.watching import CallMade, CallPutOff, Watch, unwatched

_log = logging.getLogger(__name__)

LARGEST_ANSWER = 5 * 1024 * 1024
_CHUNK = 64 * 1024
_READING_METHODS = frozenset({"GET", "HEAD"})
_NOTHING_DONE = frozenset({425, 429})


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """The places calls may go to, as `host:port`. From the manifest, never from an answer."""

    places: frozenset[str]

    def check(self, url: str) -> str:
        """Return the `host:port` of `url`. Raises Refused where it is not on the list."""
        try:
            place = host_and_port(url)
        except InvalidInput as error:
            advice = error.advice
        else:
            if place in self.places:
                return place
            raise Refused("host_not_allowed", place)
        raise Refused("url_refused", advice)


@dataclass(frozen=True, slots=True)
class ReadRetry:
    """How often and how patiently a read is tried again: all tries share the call's total time.

    `jitter` gives a factor, such as a random number from 0.5 to 1; `pause` waits for seconds.
    """

    tries: int
    first_wait_seconds: float
    jitter: Callable[[], float]
    pause: Callable[[float], None]

    def wait_after(self, tries: int, wish_seconds: int | None) -> float:
        """Return seconds until the next try: doubled each time, never less than was asked for."""
        patience: float = self.first_wait_seconds * 2 ** (tries - 1) * self.jitter()
        return max(patience, wish_seconds or 0)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `label` names it in logs, such as `refund.create`; nothing else of it is logged.

    At most one of `json`, `form` and `body`. `reads` says that a POST changes nothing (a search, a
    GraphQL query); by default GET and HEAD read and all else writes. `answers` are statuses that
    come back as an answer though they are errors (a shop that refuses in words with 500).
    """

    method: str
    url: str
    label: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Sequence[tuple[str, str]] = field(default=(), repr=False)
    json: JsonValue = field(default=None, repr=False)
    form: Sequence[tuple[str, str]] | None = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    reads: bool | None = None
    answers: frozenset[int] = frozenset()

    @property
    def is_read(self) -> bool:
        """True when making it twice, or not knowing whether it arrived, does no harm."""
        return self.method in _READING_METHODS if self.reads is None else self.reads


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a 2xx, a 4xx but 408, 425 and 429, or what the call lists in `answers`."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    after_read: bool = True

    @property
    def is_ok(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300

    def json(self) -> JsonValue:
        """Return the body as JSON. Where it cannot be read, raises what that means for the call.

        RetryLater for a read; Refused for a write that was refused; OutcomeUnknown for all else.
        """
        try:
            return read_json(self.body)
        except Unreadable as error:
            detail = f"HTTP {self.status}, {error.code}"
        if self.after_read:
            raise RetryLater("answer_unreadable", detail)
        if 400 <= self.status < 500:
            raise Refused("answer_unreadable", detail)
        raise OutcomeUnknown("answer_unreadable", detail)


class HttpClient:
    """Calls one platform account. Safe to share between threads.

    `allow_private`: the `host:port` of development peers, which may be http and may lie inside.
    `ca_file`: certificates to trust in place of the public ones, for a peer with its own authority.
    `kept`: where connections rest between calls; without it each call has one of its own.
    `watch` is told of every call under the name `platform`.
    """

    def __init__(  # noqa: PLR0913 - keywords only, and most clients give four
        self,
        *,
        allowed: AllowedHosts,
        clock: Clock,
        budget: Budget | None = None,
        breaker: Breaker | None = None,
        timeouts: Timeouts | None = None,
        allow_private: frozenset[str] = frozenset(),
        resolver: Resolver = resolve,
        ca_file: Path | None = None,
        kept: KeptConnections | None = None,
        user_agent: str = "Makegood",
        platform: str = "none",
        watch: Watch = unwatched,
    ) -> None:
        self._allowed = allowed
        self._clock = clock
        self._budget = budget
        self._breaker = breaker
        self._timeouts = timeouts or Timeouts()
        self._allow_private = allow_private
        self._resolver = resolver
        self._ca_file = "" if ca_file is None else str(ca_file)
        self._kept = kept
        self._user_agent = user_agent
        self._platform = platform
        self._watch = watch

    def send(self, call: Call, retry: ReadRetry | None = None) -> Answer:
        """Make the call and return its answer.

        Raises RetryLater when nothing happened (no connection, 429, our own budget, an account that
        rests; any failure of a read), OutcomeUnknown when a write may have taken effect, Refused
        when the place, the address or a redirect is not allowed, a header cannot be sent or a
        read's answer is too large. `retry` is for reads only.
        """
        if retry is not None and not call.is_read:
            raise ValueError("a write is repeated by the saga only, never by the HTTP client")
        place = self._allowed.check(call.url)
        is_private = place in self._allow_private
        if not call.url.startswith("https://") and not is_private:
            raise Refused("https_only", place)
        prepared = self._prepared(call)
        with CutOff(self._timeouts.total) as cut_off:
            tries = 0
            while True:
                tries += 1
                line = Line(
                    place=place,
                    is_private=is_private,
                    resolver=self._resolver,
                    cut_off=cut_off,
                    ca_file=self._ca_file,
                    kept=self._kept,
                    may_reuse=call.is_read,
                )
                try:
                    return self._try(call, prepared, line, cut_off)
                except RetryLater as error:
                    if retry is None or tries >= retry.tries or error.code == ACCOUNT_RESTING:
                        raise
                    wait = retry.wait_after(tries, error.after_seconds)
                    if wait >= cut_off.remaining():
                        raise
                retry.pause(wait)

    def _try(
        self, call: Call, prepared: requests.PreparedRequest, line: Line, cut_off: CutOff
    ) -> Answer:
        admission = self._admitted(call)
        wait = 0.0 if self._budget is None else self._budget.take()
        if wait > 0:
            self._tell(admission, Outcome.NOT_MADE)
            self._watch(CallPutOff(self._platform, "budget_spent"))
            raise RetryLater("budget_spent", call.label, after_seconds=math.ceil(wait))
        started = time.monotonic()
        outcome = self._exchange(prepared, line, cut_off)
        if isinstance(outcome, _Broken) and line.was_reused and not cut_off.passed:
            # The place may have closed it while it rested. Only reads come here.
            outcome = self._exchange(prepared, line, cut_off)
        seconds = time.monotonic() - started
        is_silent = not line.address_refused and _is_silent(call, outcome)
        self._tell(admission, Outcome.FAILED if is_silent else Outcome.ANSWERED)
        result = str(outcome.status) if isinstance(outcome, _Received) else outcome.code
        self._watch(CallMade(self._platform, call.label, line.place, result, seconds))
        _log.info("call %s answered %s in %d ms", call.label, result, round(seconds * 1000))
        if isinstance(outcome, _Received):
            return self._judged(call, outcome)
        raise _error_of(call, outcome, line)

    def _admitted(self, call: Call) -> Admission:
        """Raises RetryLater, with certainly nothing sent, while the account rests."""
        answer = Admission() if self._breaker is None else self._breaker.ask()
        if isinstance(answer, Rest):
            after = math.ceil(answer.seconds)
            self._watch(CallPutOff(self._platform, ACCOUNT_RESTING))
            raise RetryLater(ACCOUNT_RESTING, call.label, after_seconds=after)
        return answer

    def _tell(self, admission: Admission, outcome: Outcome) -> None:
        if self._breaker is not None:
            self._breaker.tell(admission, outcome)

    def _exchange(
        self, prepared: requests.PreparedRequest, line: Line, cut_off: CutOff
    ) -> _Received | _Broken:
        # The adapter itself, not a session: a session reads the whole body of a redirect, of any
        # size, to prepare the next request, and takes keys and proxies from the environment.
        adapter = CheckedAdapter(line)
        try:
            response = adapter.send(
                prepared,
                stream=True,
                timeout=(self._timeouts.connect, self._timeouts.read),
            )
            try:
                body = _body_of(response)
            finally:
                response.close()
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            # Only the kind of the error goes on: its text holds the URL with its query, and so
            # would a traceback that it is chained to.
            return _Broken("time_over" if cut_off.passed else "no_answer", type(error).__name__)
        finally:
            adapter.close()
        if cut_off.passed:
            # A body without a length ends where the connection does: this one may be cut short.
            return _Broken("time_over", "body")
        if body is None:
            return _Broken("answer_too_large", f"over {LARGEST_ANSWER} bytes")
        return _Received(response.status_code, response.headers, body)

    def _judged(self, call: Call, received: _Received) -> Answer:
        status = received.status
        if 200 <= status < 300 or status in call.answers:
            return Answer(status, received.headers, received.body, call.is_read)
        detail = f"{call.label}: HTTP {status}"
        after = seconds_to_wait(received.headers.get("Retry-After"), self._clock.now())
        if status in _NOTHING_DONE:
            raise RetryLater("rate_limited", detail, after_seconds=after)
        if 400 <= status < 500 and status != 408:
            return Answer(status, received.headers, received.body, call.is_read)
        if status in (307, 308) or (300 <= status < 400 and call.is_read):
            raise Refused("redirect_refused", detail)
        if call.is_read:
            raise RetryLater("server_error", detail, after_seconds=after)
        # A 303 after a POST often says "done, look there", and a 500 may come after the payment.
        raise OutcomeUnknown("redirect_refused" if status < 400 else "server_error", detail)

    def _prepared(self, call: Call) -> requests.PreparedRequest:
        headers = {
            "Accept": "application/json",
            # Nothing that grows when it is unpacked.
            "Accept-Encoding": "identity",
            "User-Agent": self._user_agent,
        }
        if self._kept is None:
            headers["Connection"] = "close"
        data: bytes | Sequence[tuple[str, str]] | None = call.body
        if call.json is not None:
            headers["Content-Type"] = "application/json"
            data = json_text.dumps(call.json, allow_nan=False, separators=(",", ":")).encode()
        elif call.form is not None:
            data = list(call.form)
        for name, value in call.headers.items():
            # requests would refuse a broken value too, but show it: it may be a pasted key. And
            # it would raise what nobody takes for a no, though nothing left us.
            if not (is_header_name(name) and fits_header(value)):
                raise Refused(
                    "key_unusable",
                    f"{name} holds characters that no header can carry: copy the key again",
                )
        merged = CaseInsensitiveDict({**headers, **call.headers})
        # Its parts alone: a jar for cookies that we never have costs as much as all of them.
        prepared = requests.PreparedRequest()
        prepared.prepare_method(call.method)
        prepared.prepare_url(call.url, urlencode(call.query))
        prepared.prepare_headers(merged)
        prepared.prepare_body(data, None)
        return prepared


@dataclass(frozen=True, slots=True)
class _Received:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Broken:
    code: str
    kind: str


def _is_silent(call: Call, outcome: _Received | _Broken) -> bool:
    """Whether the platform gave no answer of its own: none at all, or that it is in trouble."""
    if isinstance(outcome, _Broken):
        return outcome.code != "answer_too_large"
    return outcome.status >= 500 and outcome.status not in call.answers


def _body_of(response: requests.Response) -> bytes | None:
    """The whole body, or None as soon as it is over the cap."""
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_content(_CHUNK):
        size += len(chunk)
        if size > LARGEST_ANSWER:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _error_of(call: Call, broken: _Broken, line: Line) -> Refused | RetryLater | OutcomeUnknown:
    detail = f"{call.label}: {broken.kind}"
    if line.address_refused:
        return Refused("address_refused", call.label)
    if line.surely_unsent:
        return RetryLater("not_sent", detail)
    if not call.is_read:
        return OutcomeUnknown(broken.code, detail)
    if broken.code == "answer_too_large":
        return Refused(broken.code, detail)
    return RetryLater(broken.code, detail)
