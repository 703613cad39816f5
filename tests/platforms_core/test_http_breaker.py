"""The HTTP client and its breaker: what counts as silence, and that a rest sends nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from plugin.domain.errors import ACCOUNT_RESTING, MakegoodError, Refused, RetryLater
from plugin.platforms.breaker import (
    FAILURES_TO_OPEN,
    Admission,
    BreakerState,
    Outcome,
    Rest,
    ask,
    tell,
)
from plugin.platforms.http_client import Call, HttpClient, ReadRetry
from tests.platforms_core.http_peers import (
    Peer,
    answering,
    client_for,
    dripping,
    failure,
    get,
    hanging_up,
    post,
    short_of_time,
)


@dataclass
class MemoryBreaker:
    """Implements `plugin.platforms.breaker.Breaker`; writes down what it was told."""

    state: BreakerState = field(default_factory=BreakerState)
    now_us: int = 0
    told: list[Outcome] = field(default_factory=list)

    def ask(self) -> Admission | Rest:
        self.state, answer = ask(self.state, self.now_us)
        return answer

    def tell(self, admission: Admission, outcome: Outcome) -> None:
        self.told.append(outcome)
        self.state = tell(self.state, admission, outcome, self.now_us)


class Allowance:
    """A budget that gives these waits, one after the other."""

    def __init__(self, *waits: float) -> None:
        self.waits = list(waits)

    def take(self) -> float:
        return self.waits.pop(0)


def resting() -> MemoryBreaker:
    return MemoryBreaker(BreakerState(FAILURES_TO_OPEN, 0, 4_500_000))


def try_it(client: HttpClient, call: Call) -> None:
    try:
        client.send(call)
    except MakegoodError:
        return


@pytest.mark.parametrize("call", [get, post])
def test_while_the_account_rests_a_call_ends_at_once_and_nothing_leaves(
    peer: Peer, call: Callable[..., Call]
) -> None:
    breaker = resting()
    error = failure(client_for(peer.place, breaker=breaker), call(peer.url()))
    assert isinstance(error, RetryLater)
    assert (error.code, error.after_seconds) == (ACCOUNT_RESTING, 5)
    assert peer.requests == []
    assert breaker.told == []


def test_a_read_that_may_be_tried_again_does_not_wait_for_the_end_of_the_rest(peer: Peer) -> None:
    pauses: list[float] = []
    retry = ReadRetry(tries=4, first_wait_seconds=0.1, jitter=lambda: 1, pause=pauses.append)
    error = failure(client_for(peer.place, breaker=resting()), get(peer.url()), retry)
    assert error.code == ACCOUNT_RESTING
    assert pauses == []


@pytest.mark.parametrize("call", [get, post])
@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_trouble_of_the_servers_own_counts(
    peer: Peer, status: int, call: Callable[..., Call]
) -> None:
    peer.respond = answering(status)
    breaker = MemoryBreaker()
    try_it(client_for(peer.place, breaker=breaker), call(peer.url()))
    assert breaker.told == [Outcome.FAILED]


@pytest.mark.parametrize("status", [200, 204, 302, 307, 400, 401, 403, 404, 408, 409, 425, 429])
@pytest.mark.parametrize("call", [get, post])
def test_an_answer_is_an_answer_also_when_it_is_no(
    peer: Peer, status: int, call: Callable[..., Call]
) -> None:
    peer.respond = answering(status)
    breaker = MemoryBreaker()
    try_it(client_for(peer.place, breaker=breaker), call(peer.url()))
    assert breaker.told == [Outcome.ANSWERED]


def test_a_500_that_is_an_answer_there_counts_as_one(peer: Peer) -> None:
    peer.respond = answering(500, b"{}")
    breaker = MemoryBreaker()
    client_for(peer.place, breaker=breaker).send(post(peer.url(), answers=frozenset({500})))
    assert breaker.told == [Outcome.ANSWERED]


def test_silence_counts(peer: Peer) -> None:
    breaker = MemoryBreaker()
    peer.respond = hanging_up
    failure(client_for(peer.place, breaker=breaker), get(peer.url()))
    peer.respond = dripping(peer, b"HTTP/1.1 200 OK\r\n\r\n")
    failure(short_of_time(peer.place, breaker), get(peer.url()))
    failure(
        client_for("nowhere.example:443", private=False, breaker=breaker, resolver=_unknown),
        get("https://nowhere.example/"),
    )
    assert breaker.told == [Outcome.FAILED] * 3


def _unknown(_host: str, _port: int) -> list[str]:
    raise OSError("no such host")


def test_an_address_of_ours_that_is_refused_is_no_silence_of_theirs() -> None:
    breaker = MemoryBreaker()
    client = client_for(
        "inside.example:443", private=False, breaker=breaker, resolver=lambda *_: ["10.0.0.1"]
    )
    for _ in range(FAILURES_TO_OPEN + 1):
        assert isinstance(failure(client, get("https://inside.example/")), Refused)
    assert breaker.told == [Outcome.ANSWERED] * (FAILURES_TO_OPEN + 1)


def test_an_answer_that_is_too_large_is_an_answer(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugin.platforms.http_client.LARGEST_ANSWER", 10)
    peer.respond = answering(200, b"x" * 20)
    breaker = MemoryBreaker()
    failure(client_for(peer.place, breaker=breaker), get(peer.url()))
    assert breaker.told == [Outcome.ANSWERED]


def test_a_probe_that_our_own_budget_stops_is_given_back(peer: Peer) -> None:
    breaker = resting()
    breaker.now_us = breaker.state.probe_at_us
    client = client_for(peer.place, breaker=breaker, budget=Allowance(3, 0))
    assert failure(client, get(peer.url())).code == "budget_spent"
    assert breaker.told == [Outcome.NOT_MADE]
    assert client.send(get(peer.url())).is_ok
    assert breaker.state == BreakerState()


def test_a_resting_account_costs_no_budget(peer: Peer) -> None:
    budget = Allowance()
    client = client_for(peer.place, breaker=resting(), budget=budget)
    assert failure(client, get(peer.url())).code == ACCOUNT_RESTING


def test_after_the_rest_one_call_tries_and_an_answer_opens_the_way(peer: Peer) -> None:
    breaker = MemoryBreaker()
    client = client_for(peer.place, breaker=breaker)
    peer.respond = answering(503)
    for _ in range(20):
        try_it(client, get(peer.url()))
    assert len(peer.requests) == FAILURES_TO_OPEN
    breaker.now_us = breaker.state.probe_at_us
    try_it(client, get(peer.url()))
    try_it(client, get(peer.url()))
    assert len(peer.requests) == FAILURES_TO_OPEN + 1
    peer.respond = answering(200, b"{}")
    breaker.now_us = breaker.state.probe_at_us
    assert all(client.send(get(peer.url())).is_ok for _ in range(3))
