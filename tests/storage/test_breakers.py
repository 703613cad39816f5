"""Breakers of platform accounts: one for all processes, free of charge while all is well."""

from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from itertools import count, repeat
from multiprocessing import get_context
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import Engine, event, text

from plugin.domain.ids import TenantId
from plugin.platforms.breaker import FAILURES_TO_OPEN, Admission, Breaker, Outcome, Rest
from plugin.ports.records import RestingAccount
from plugin.storage.breakers import SqlBreakers
from plugin.storage.budgets import database_now_us
from plugin.storage.database import open_database
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import BANK, NOW, STORE, a_tenant

SECOND = 1_000_000


class SetClock:
    """The database's clock, set by a test."""

    def __init__(self) -> None:
        self.us = int(NOW.timestamp()) * SECOND

    def __call__(self, _db: object) -> int:
        return self.us

    def advance(self, seconds: float) -> None:
        self.us += int(seconds * SECOND)


@pytest.fixture
def now() -> SetClock:
    return SetClock()


@pytest.fixture
def breaker(engine: Engine, now: SetClock) -> Breaker:
    return SqlBreakers(engine, now).breaker_for(STORE)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        admission = breaker.ask()
        assert isinstance(admission, Admission)
        breaker.tell(admission, Outcome.FAILED)


def rows(engine: Engine) -> int:
    with engine.connect() as db:
        return int(db.execute(text("SELECT count(*) FROM mg_breakers")).scalar_one())


def test_five_failures_in_a_row_let_it_rest_and_an_answer_ends_that(
    breaker: Breaker, now: SetClock, engine: Engine
) -> None:
    fail(breaker, FAILURES_TO_OPEN)
    assert breaker.ask() == Rest(5.0)
    now.advance(5)
    probe = breaker.ask()
    assert isinstance(probe, Admission)
    assert isinstance(breaker.ask(), Rest)
    breaker.tell(probe, Outcome.ANSWERED)
    assert breaker.ask() == Admission()
    assert rows(engine) == 0


def test_an_answer_in_between_begins_the_count_anew(breaker: Breaker) -> None:
    fail(breaker, FAILURES_TO_OPEN - 1)
    admission = breaker.ask()
    assert admission == Admission(FAILURES_TO_OPEN - 1)
    breaker.tell(admission, Outcome.ANSWERED)
    fail(breaker, FAILURES_TO_OPEN - 1)
    assert isinstance(breaker.ask(), Admission)


def test_a_probe_that_fails_lengthens_the_rest(breaker: Breaker, now: SetClock) -> None:
    fail(breaker, FAILURES_TO_OPEN)
    now.advance(5)
    fail(breaker)
    assert breaker.ask() == Rest(10.0)


def test_a_probe_that_was_not_made_is_given_back(breaker: Breaker, now: SetClock) -> None:
    fail(breaker, FAILURES_TO_OPEN)
    now.advance(5)
    probe = breaker.ask()
    assert isinstance(probe, Admission)
    breaker.tell(probe, Outcome.NOT_MADE)
    assert isinstance(breaker.ask(), Admission)


def test_each_account_has_its_own(engine: Engine, now: SetClock) -> None:
    breakers = SqlBreakers(engine, now)
    fail(breakers.breaker_for(STORE), FAILURES_TO_OPEN)
    assert breakers.breaker_for(BANK).ask() == Admission()
    assert isinstance(breakers.breaker_for(STORE).ask(), Rest)


def test_while_all_is_well_a_call_costs_one_look_and_writes_nothing(
    breaker: Breaker, engine: Engine
) -> None:
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    admission = breaker.ask()
    assert isinstance(admission, Admission)
    breaker.tell(admission, Outcome.ANSWERED)
    breaker.tell(admission, Outcome.NOT_MADE)
    assert [words.split()[0] for words in asked] == ["SELECT"]
    assert rows(engine) == 0


def test_of_many_threads_one_makes_the_probe(breaker: Breaker, now: SetClock) -> None:
    fail(breaker, FAILURES_TO_OPEN)
    now.advance(5)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: breaker.ask(), range(40)))
    assert sum(isinstance(answer, Admission) for answer in answers) == 1


def test_whoever_asks_while_another_becomes_the_probe_waits_and_rests(
    engine: Engine, now: SetClock
) -> None:
    fail(SqlBreakers(engine, now).breaker_for(STORE), FAILURES_TO_OPEN)
    now.advance(5)
    looks = count(1)
    answers: list[Admission | Rest] = []
    rival = Thread(target=lambda: answers.append(shared.ask()))

    def clock(db: object) -> int:
        if next(looks) == 2:  # between the locked look and what is written after it
            rival.start()
            rival.join(0.5)  # done by then only where nothing keeps it
        return now(db)

    shared = SqlBreakers(engine, clock).breaker_for(STORE)
    answers.append(shared.ask())
    rival.join()
    assert sorted(type(answer).__name__ for answer in answers) == ["Admission", "Rest"]


def ask_many(url: str, times: int, failing: int) -> int:
    """Ask in a process of its own; the first `failing` that may go out fail. How many might."""
    engine = open_database(url)
    breaker = SqlBreakers(engine).breaker_for(STORE)
    admitted = 0
    for _ in range(times):
        answer = breaker.ask()
        if isinstance(answer, Admission):
            admitted += 1
            if admitted <= failing:
                breaker.tell(answer, Outcome.FAILED)
    engine.dispose()
    return admitted


def test_two_processes_share_one_breaker(database_url: str) -> None:
    """What one saw fail keeps the other away; after the rest one call of both together goes out."""
    engine = open_database(database_url)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert pool.submit(ask_many, database_url, 50, 50).result() == FAILURES_TO_OPEN
        assert pool.submit(ask_many, database_url, 50, 50).result() == 0
        with engine.begin() as db:  # as if the rest were over
            db.execute(text("UPDATE mg_breakers SET probe_at_us = 1"))
        both = list(pool.map(ask_many, repeat(database_url, 2), repeat(40, 2), repeat(0, 2)))
    engine.dispose()
    assert sum(both) == 1


def test_failures_of_two_processes_add_up(database_url: str) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        both = list(pool.map(ask_many, repeat(database_url, 2), repeat(40, 2), repeat(40, 2)))
    assert FAILURES_TO_OPEN <= sum(both) <= FAILURES_TO_OPEN + 1


def test_the_time_is_the_databases_own(engine: Engine) -> None:
    breaker = SqlBreakers(engine).breaker_for(STORE)
    fail(breaker, FAILURES_TO_OPEN)
    answer = breaker.ask()
    assert isinstance(answer, Rest)
    assert 0 < answer.seconds <= 5
    with engine.connect() as db:
        opened = db.execute(text("SELECT opened_at_us FROM mg_breakers")).scalar_one()
        assert abs(database_now_us(db) - int(opened)) < 3600 * SECOND


def test_a_database_that_fails_lets_calls_go_out_and_changes_nothing_of_what_they_brought(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'empty.db'}")
    breaker = SqlBreakers(engine).breaker_for(STORE)
    assert breaker.ask() == Admission()
    breaker.tell(Admission(), Outcome.FAILED)
    engine.dispose()
    assert [line.split()[0] for line in caplog.messages] == ["breaker.failed"] * 2


def test_it_is_logged_when_an_account_rests_and_when_it_is_back(
    breaker: Breaker, now: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    fail(breaker, FAILURES_TO_OPEN)
    now.advance(5)
    fail(breaker)
    now.advance(10)
    probe = breaker.ask()
    assert isinstance(probe, Admission)
    breaker.tell(probe, Outcome.ANSWERED)
    assert caplog.messages == [
        f"breaker.opened account={STORE} failures=5",
        f"breaker.closed account={STORE} failures=6",
    ]


def test_resting_accounts_are_told_to_their_own_tenant_only(
    shop: SqlStorage, engine: Engine, now: SetClock
) -> None:
    tenant = a_tenant().id
    shop.add_tenant(a_tenant("tenant-2"), NOW)
    breakers = SqlBreakers(engine, now)
    fail(breakers.breaker_for(BANK), FAILURES_TO_OPEN - 1)
    fail(breakers.breaker_for(STORE), FAILURES_TO_OPEN)
    fail(breakers.breaker_for("elsewhere"), FAILURES_TO_OPEN)
    with shop.read(tenant) as uow:
        assert uow.breakers.resting() == [
            RestingAccount(
                STORE, NOW, NOW + timedelta(seconds=5), timedelta(seconds=10), FAILURES_TO_OPEN
            )
        ]
    with shop.read(TenantId("tenant-2")) as uow:
        assert uow.breakers.resting() == []


def test_an_account_that_answers_is_not_looked_up_for_each_call(
    engine: Engine, now: SetClock
) -> None:
    breaker = SqlBreakers(engine, now, look_lasts=3600).breaker_for(STORE)
    looks: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *told: looks.append(told[2]))
    for _ in range(3):
        admission = breaker.ask()
        assert admission == Admission()
        breaker.tell(admission, Outcome.ANSWERED)
    assert sum("mg_breakers" in look for look in looks) == 1


def test_what_this_process_found_silent_is_looked_up_at_once(engine: Engine, now: SetClock) -> None:
    breaker = SqlBreakers(engine, now, look_lasts=3600).breaker_for(STORE)
    assert breaker.ask() == Admission()
    fail(breaker, FAILURES_TO_OPEN)
    assert isinstance(breaker.ask(), Rest)


def test_what_another_process_found_silent_is_heard_when_the_look_is_over(
    engine: Engine, now: SetClock
) -> None:
    breaker = SqlBreakers(engine, now, look_lasts=1e-9).breaker_for(STORE)
    assert breaker.ask() == Admission()
    fail(SqlBreakers(engine, now).breaker_for(STORE), FAILURES_TO_OPEN)
    assert isinstance(breaker.ask(), Rest)
