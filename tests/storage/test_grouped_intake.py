"""Deliveries are committed in groups, and each is answered after its own group's commit only."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from plugin.domain.errors import RetryLater
from plugin.domain.ids import InstallationId
from plugin.ports.records import StoredDelivery
from plugin.storage import grouped_intake
from plugin.storage.database import choose_sqlite, open_database
from plugin.storage.grouped_intake import GroupedIntake
from plugin.storage.keyring import Keyring
from plugin.storage.unit_of_work import SqlStorage
from plugin.storage.write_turns import Turn, WriteTurns
from tests.factories import STORE, TENANT, a_delivery
from tests.storage.test_write_turns import PATIENCE, is_locked, wait_until

KEY = "A" * 43 + "="


@dataclass
class Shop:
    """A storage on SQLite whose turn to write the test can hold, and whose statements it sees."""

    storage: SqlStorage
    engine: Engine
    intake: GroupedIntake
    statements: list[str]

    @property
    def path(self) -> Path:
        return Path(str(self.engine.url.database))

    def hold(self) -> Turn:
        turn = WriteTurns(self.path).take(PATIENCE)
        assert turn is not None
        return turn

    def hand_in(self, *deliveries: StoredDelivery) -> list[Future[bool]]:
        """Each from a thread of its own, while the turn is held; returns once all of them wait."""
        answers = []
        for place, delivery in enumerate(deliveries):
            answer: Future[bool] = Future()
            threading.Thread(target=self._take_in, args=(delivery, answer), daemon=True).start()
            answers.append(answer)
            wait_until(lambda behind=place: self.has_one_and(behind))  # type: ignore[misc]  # bound now
        return answers

    def has_one_and(self, behind: int) -> bool:
        """Whether the writer has one in hand, and so many wait behind it."""
        writer = self.intake._writers.get(os.getpid())
        return (
            writer is not None
            and writer._thread is not None
            and writer._waiting.qsize() == behind
            and is_locked(self.path, "head")
        )

    def writer_thread(self) -> threading.Thread | None:
        return self.intake._writers[os.getpid()]._thread

    def commits(self) -> int:
        return sum(statement == "COMMIT" for statement in self.statements)

    def kept(self) -> set[str]:
        with self.storage.read(TENANT) as uow:
            return {delivery.name for delivery in uow.deliveries.newest((), 10_000)}

    def _take_in(self, delivery: StoredDelivery, answer: Future[bool]) -> None:
        try:
            answer.set_result(self.intake.take_in(delivery))
        except RetryLater as error:
            answer.set_exception(error)


def an_intake(storage: SqlStorage, **settings: float) -> Shop:
    engine = storage._engine
    engine.dispose()  # every connection from here on is traced
    statements: list[str] = []
    event.listen(engine, "connect", lambda db, _: db.set_trace_callback(statements.append))
    return Shop(storage, engine, GroupedIntake(engine, **settings), statements)


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@pytest.fixture
def grouped(shop: SqlStorage) -> Shop:
    return an_intake(shop)


def named(name: str, installation: str = STORE) -> StoredDelivery:
    return a_delivery(f"id-{name}", name=name, installation=InstallationId(installation))


def outcomes(answers: Sequence[Future[bool]]) -> list[bool | str]:
    """What each was told: whether it is new, or the code of the error."""
    errors = [answer.exception(PATIENCE) for answer in answers]
    return [
        error.code if isinstance(error, RetryLater) else answer.result()
        for answer, error in zip(answers, errors, strict=True)
    ]


# --- one commit -----------------------------------------------------------------------------------


def test_all_that_wait_are_kept_by_one_commit_and_answered_after_it(grouped: Shop) -> None:
    turn = grouped.hold()
    answers = grouped.hand_in(*(named(f"d-{n}") for n in range(8)))
    assert grouped.commits() == 0
    assert not any(answer.done() for answer in answers)
    turn.leave()
    assert outcomes(answers) == [True] * 8
    assert grouped.commits() == 1
    assert len(grouped.kept()) == 8


def test_one_alone_waits_for_nobody(grouped: Shop) -> None:
    assert grouped.intake.take_in(named("one"))
    assert not grouped.intake.take_in(named("one"))
    assert grouped.commits() == 2


def test_a_name_that_comes_twice_in_a_group_is_new_once(grouped: Shop) -> None:
    turn = grouped.hold()
    answers = grouped.hand_in(named("same"), a_delivery("other-id", name="same"))
    turn.leave()
    assert outcomes(answers) == [True, False]


def test_a_group_has_an_end(grouped: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouped_intake, "MOST_IN_GROUP", 3)
    turn = grouped.hold()
    answers = grouped.hand_in(*(named(f"d-{n}") for n in range(7)))
    turn.leave()
    assert outcomes(answers) == [True] * 7
    assert grouped.commits() == 3


# --- what goes wrong ------------------------------------------------------------------------------


def test_one_row_that_cannot_be_kept_takes_no_other_with_it(grouped: Shop) -> None:
    turn = grouped.hold()
    foreign, odd = named("b", installation="nobody"), replace(named("c"), topic="\ud800")
    answers = grouped.hand_in(named("a"), foreign, odd, named("d"))
    turn.leave()
    assert outcomes(answers) == [True, "intake_failed", "intake_failed", True]
    assert grouped.kept() == {"a", "d"}
    assert grouped.commits() == 1


def test_a_commit_that_fails_is_told_to_each_of_its_group(
    grouped: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    is_denied = [True]

    @event.listens_for(grouped.engine, "connect")
    def deny(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own
        def judge(action: int, word: str, *_: object) -> int:
            denied = is_denied[0] and (action, word) == (sqlite3.SQLITE_TRANSACTION, "COMMIT")
            return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK

        connection.set_authorizer(judge)

    turn = grouped.hold()
    answers = grouped.hand_in(*(named(f"d-{n}") for n in range(4)))
    turn.leave()
    assert outcomes(answers) == ["intake_failed"] * 4
    assert "intake.group_failed size=4 kind=DatabaseError" in caplog.text
    assert grouped.kept() == set()
    is_denied[0] = False
    assert grouped.intake.take_in(named("d-0"))
    assert not is_locked(grouped.path, "turn")


def test_a_row_that_ends_the_transaction_fails_the_group_and_no_more(grouped: Shop) -> None:
    with grouped.engine.begin() as db:
        db.exec_driver_sql(
            "CREATE TRIGGER breaks BEFORE INSERT ON mg_deliveries WHEN NEW.name = 'bad' "
            "BEGIN SELECT RAISE(ROLLBACK, 'no'); END"
        )
    turn = grouped.hold()
    answers = grouped.hand_in(named("a"), named("bad"), named("b"))
    turn.leave()
    assert outcomes(answers) == ["intake_failed"] * 3
    assert grouped.kept() == set()
    assert grouped.intake.take_in(named("a"))


def test_a_database_that_somebody_else_keeps_locked_is_told(grouped: Shop) -> None:
    @event.listens_for(grouped.engine, "connect")
    def be_impatient(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own
        connection.execute("PRAGMA busy_timeout=10")

    other = choose_sqlite().connect(grouped.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RetryLater, match="intake_failed"):
        grouped.intake.take_in(named("one"))
    other.execute("ROLLBACK")
    other.close()
    assert grouped.intake.take_in(named("one"))


def test_a_database_that_cannot_be_opened_is_told(shop: SqlStorage) -> None:
    grouped = an_intake(shop, idle_seconds=0.01)
    is_broken = [True]

    @event.listens_for(grouped.engine, "connect")
    def breaks(connection: object, _: object) -> None:
        if is_broken[0]:
            raise OSError("no more files")

    with pytest.raises(RetryLater, match="intake_failed"):
        grouped.intake.take_in(named("one"))
    wait_until(lambda: grouped.writer_thread() is None)
    is_broken[0] = False
    assert grouped.intake.take_in(named("one"))


def test_a_thread_that_does_not_start_is_told_and_started_with_the_next(grouped: Shop) -> None:
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == "intake":
            raise RuntimeError("can't start new thread")
        real(thread)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(RetryLater, match="no thread"):
            grouped.intake.take_in(named("d-1"))
    assert grouped.kept() == set()
    assert grouped.intake.take_in(named("d-1"))


def test_whose_patience_ends_is_told_and_not_written_later(shop: SqlStorage) -> None:
    grouped = an_intake(shop, patience_seconds=0.05)
    turn = grouped.hold()
    answers = grouped.hand_in(named("first"), named("second"))
    assert outcomes(answers) == ["intake_busy"] * 2
    turn.leave()
    assert grouped.intake.take_in(named("first"))
    assert grouped.kept() == {"first"}


# --- threads and processes ------------------------------------------------------------------------


def test_nothing_runs_before_the_first_delivery_and_after_the_last(shop: SqlStorage) -> None:
    grouped = an_intake(shop, idle_seconds=0.01)
    assert grouped.intake._writers == {}
    for name in ("one", "two"):
        assert grouped.intake.take_in(named(name))
        wait_until(lambda: grouped.writer_thread() is None)
    assert grouped.kept() == {"one", "two"}


def test_leaving_the_database_writes_what_waits_and_ends_the_thread(grouped: Shop) -> None:
    turn = grouped.hold()
    before = grouped.hand_in(named("a"), named("b"))
    thread = grouped.writer_thread()
    assert thread is not None
    leaving = threading.Thread(target=grouped.engine.dispose)
    leaving.start()
    after = []
    wait_until(lambda: grouped.has_one_and(2))
    for name in ("c", "d"):
        answer: Future[bool] = Future()
        after.append(answer)
        threading.Thread(target=grouped._take_in, args=(named(name), answer)).start()
    wait_until(lambda: grouped.has_one_and(4))
    turn.leave()
    assert outcomes([*before, *after]) == [True] * 4
    leaving.join(PATIENCE)
    assert not thread.is_alive()
    assert grouped.commits() == 2
    grouped.engine.dispose()


def test_a_delivery_that_comes_while_the_thread_is_told_to_end_is_written(grouped: Shop) -> None:
    assert grouped.intake.take_in(named("one"))
    grouped.engine.dispose()
    grouped.intake._writers[os.getpid()]._waiting.put(None)
    assert grouped.intake.take_in(named("two"))


def test_a_forked_process_writes_with_a_thread_of_its_own(grouped: Shop) -> None:
    assert grouped.intake.take_in(named("parent"))
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if grouped.intake.take_in(named("child")) else 1)
        except BaseException:  # noqa: BLE001 - nothing of pytest may run in the copy
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert grouped.intake.take_in(named("parent again"))
    assert grouped.kept() == {"parent", "child", "parent again"}


EACH = 25


def opened(url: str) -> SqlStorage:
    return SqlStorage(open_database(url), Keyring([KEY]))


def take_in_many(url: str, word: str) -> int:
    """Deliveries from four threads of one process. Returns how many were new."""
    storage = opened(url)

    def take(thread: int) -> int:
        return sum(storage.take_in(named(f"{word}-{thread}-{n}")) for n in range(EACH))

    with ThreadPoolExecutor(4) as pool:
        new = sum(pool.map(take, range(4)))
    storage._engine.dispose()
    return new


def test_processes_take_turns_and_none_is_turned_away(grouped: Shop, database_url: str) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        new = list(pool.map(take_in_many, repeat(database_url), ["one", "two"]))
    assert new == [4 * EACH] * 2
    assert len(grouped.kept()) == 8 * EACH


TAKES_AND_TELLS = """
import os, sys, threading
from tests.storage.test_grouped_intake import named, opened
storage = opened(sys.argv[1])
def take(thread):
    for n in range(10_000):
        storage.take_in(named(f"{thread}-{n}"))
        os.write(1, f"{thread}-{n}\\n".encode())
for thread in range(4):
    threading.Thread(target=take, args=(thread,)).start()
"""


def test_what_was_acknowledged_before_a_kill_is_there(grouped: Shop, database_url: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TAKES_AND_TELLS, database_url], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in range(60)]
        process.kill()
        told += process.stdout.read().split("\n")[:-1]
    assert len(told) >= 60
    assert set(told) <= grouped.kept()
