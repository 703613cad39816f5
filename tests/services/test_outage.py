"""A store that fails for an hour: it is not called more for that, and all is done soon after.

Time is simulated. The calls are real, to a server on loopback, through the real client and the real
breaker in a database; what each attempt leads to is decided as in the product.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from plugin.domain.effects import EffectState, PlannedEffect, RevokeAccess, access_key
from plugin.domain.ids import RunId
from plugin.platforms.breaker import LONGEST_REST_SECONDS, Breaker
from plugin.ports import Changed
from plugin.ports.records import StoredEffect
from plugin.services.carry_out import after_attempt
from plugin.services.effect_calls import Done, attempt
from plugin.storage.breakers import SqlBreakers
from plugin.storage.database import open_database
from tests.factories import CUSTOMER, NOW, STORE, a_course
from tests.platforms_core.http_peers import Peer, answering, client_for, get

EFFECTS = 300
HOUR = timedelta(hours=1)


@dataclass
class Outage:
    """Effects that come due one by one over the first minutes, and the store that they need."""

    peer: Peer
    breaker: Breaker | None
    at: datetime = NOW
    attempts: int = 0
    done_at: list[datetime] = field(default_factory=list)
    at_the_store: list[datetime] = field(default_factory=list)

    def run(self, is_well: Callable[[datetime, int], bool]) -> Sequence[StoredEffect]:
        """Do what is due until nothing is. `is_well`: how the store answers, by time and number."""
        client = client_for(self.peer.place, breaker=self.breaker)
        numbers = count()
        line = [(NOW + timedelta(seconds=n), next(numbers), an_effect(n)) for n in range(EFFECTS)]
        over = []
        while line:
            self.at, _, effect = heapq.heappop(line)
            number = len(self.peer.requests)
            self.peer.respond = answering(200 if is_well(self.at, number) else 503, b"{}")

            def call() -> Done:
                client.send(get(self.peer.url()))
                return Done(Changed.DONE)

            self.attempts += 1
            sending = counted(effect)
            after = after_attempt(sending, attempt(call, effect.planned.key), self.at)
            self.at_the_store += [self.at] * (len(self.peer.requests) - number)
            if after.state.over:
                over.append(after)
                self.done_at.append(self.at)
            else:
                assert after.wake_at is not None
                heapq.heappush(line, (after.wake_at, next(numbers), after))
        return over

    def calls_before(self, moment: datetime) -> int:
        return sum(at < moment for at in self.at_the_store)


def an_effect(number: int) -> StoredEffect:
    course = a_course(f"c{number}")
    planned = PlannedEffect(access_key(CUSTOMER, course, 1), 0, RevokeAccess(course))
    return StoredEffect(planned, RunId(f"run-{number}"), CUSTOMER, EffectState.WAITING)


def counted(effect: StoredEffect) -> StoredEffect:
    """As it is claimed."""
    return StoredEffect(
        effect.planned, effect.run, CUSTOMER, EffectState.SENDING, effect.attempts + 1
    )


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def outage(peer: Peer, migrated_sqlite: Path, tmp_path: Path) -> Iterator[Outage]:
    path = tmp_path / "makegood.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    engine = open_database(f"sqlite:///{path}")
    outage = Outage(peer, None)
    breakers = SqlBreakers(engine, lambda _: int(outage.at.timestamp() * 1_000_000))
    outage.breaker = breakers.breaker_for(STORE)
    yield outage
    engine.dispose()


def after_an_hour(at: datetime, _number: int) -> bool:
    return at >= NOW + HOUR


def test_an_hour_of_failures_makes_no_more_calls_than_a_good_hour(outage: Outage) -> None:
    effects = outage.run(after_an_hour)
    assert {effect.state for effect in effects} == {EffectState.DONE}
    assert outage.calls_before(NOW + HOUR) <= 30
    assert len(outage.at_the_store) <= 1.1 * EFFECTS
    assert max(outage.done_at) <= NOW + HOUR + timedelta(seconds=3 * LONGEST_REST_SECONDS)


def test_without_a_breaker_the_same_hour_makes_many_times_more(outage: Outage) -> None:
    """What the test above would see if the breaker did nothing."""
    outage.breaker = None
    outage.run(after_an_hour)
    assert outage.calls_before(NOW + HOUR) > 5 * EFFECTS


def test_a_store_that_fails_every_tenth_call_is_asked_once_more_for_each(outage: Outage) -> None:
    effects = outage.run(lambda _at, number: number % 10 != 9)
    assert {effect.state for effect in effects} == {EffectState.DONE}
    failed = sum(number % 10 == 9 for number in range(len(outage.at_the_store)))
    assert len(outage.at_the_store) == EFFECTS + failed
    assert outage.attempts == len(outage.at_the_store), "and never rests"
