"""A disk that fails under the database: nobody is thanked, and nobody goes on as if nothing was."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from plugin.app import put_together
from plugin.domain.errors import RetryLater
from plugin.domain.ids import DeliveryId
from plugin.first_start import prepare_house
from plugin.platforms.token_bucket import Rate
from plugin.ports.records import Tenant
from plugin.settings import read_settings
from plugin.storage import database, disk
from plugin.storage.budgets import SqlBudgets
from plugin.storage.database import (
    connect_to_read,
    open_database,
    open_for_counts,
    write_log_into_file,
)
from plugin.storage.disk import EXIT_CODE, end_when_the_disk_fails
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, STORE, a_delivery, an_installation
from tests.powercut.core_path import CountedMint
from tests.powercut.disk import Disk, Event
from tests.powercut.vfs import recorded
from tests.storage_fixtures import FakeClock

READ_FAILED = 10 | 1 << 8
SYNC_FAILED = 10 | 4 << 8
WRITE_FAILED = 10 | 3 << 8
FULL = 13
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def database_kind() -> str:
    return "sqlite"


@dataclass
class Drive:
    """What the files of the database lie on. `breaks` says what fails from now on, and how."""

    events: list[Event] = field(default_factory=list)
    breaks: dict[str, int] = field(default_factory=dict)
    ended: int = 0
    thrown_away: list[tuple[int, str]] = field(default_factory=list)
    """After how many events what was written to a file, and not synced, was forgotten."""

    def fails(self, what: str, path: str) -> int:
        code = self.breaks.get(what, 0)
        if code and what == "sync":
            self.thrown_away.append((len(self.events), path))
        return code

    def end(self) -> None:
        self.ended += 1

    def after_cut(self) -> dict[str, bytes]:
        """The files after a power cut, where what a sync failed to write counts as written."""
        disk = Disk()
        for place, event in enumerate(self.events):
            for at, path in self.thrown_away:
                if at == place:
                    disk.now[path].since.clear()
            disk.do(event)
        return dict(disk.after_cut())


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Drive]:
    one = Drive()
    monkeypatch.setattr(disk, "_end", None)
    end_when_the_disk_fails(one.end)
    with recorded(one.events, one.fails):
        yield one


@pytest.fixture
def shop(drive: Drive, storage: SqlStorage, tenant: Tenant) -> Iterator[SqlStorage]:
    """On that drive, with a store."""
    del drive
    with storage.begin(tenant.id) as uow:
        uow.installations.add(an_installation(STORE))
        uow.commit()
    yield storage
    storage._engine.dispose()


def take_in(shop: SqlStorage) -> None:
    shop.take_in(a_delivery("d-1"))


def change(shop: SqlStorage) -> None:
    tenant = a_delivery("d-1").tenant
    with shop.begin(tenant) as uow:
        uow.audit.write(NOW, "somebody", "something", "x", {})
        uow.commit()


def count(shop: SqlStorage) -> None:
    budget = SqlBudgets(shop._engine).budget_for("account", Rate(1, 1, 2))
    budget.take()


@pytest.mark.parametrize(
    ("breaks", "do"),
    [
        ({"sync": SYNC_FAILED}, take_in),
        ({"write": WRITE_FAILED}, take_in),
        ({"sync": SYNC_FAILED}, change),
        ({"write": WRITE_FAILED}, change),
        ({"write": WRITE_FAILED}, count),
    ],
)
def test_a_disk_that_fails_ends_the_process_that_serves(
    drive: Drive, shop: SqlStorage, breaks: dict[str, int], do: Callable[[SqlStorage], None]
) -> None:
    drive.breaks = breaks
    with pytest.raises((RetryLater, OperationalError)):
        do(shop)
    assert drive.ended


def test_a_page_that_cannot_be_read_ends_nobody_but_its_reader(
    drive: Drive, shop: SqlStorage, tenant: Tenant
) -> None:
    """It loses nothing. What a due row needs of it would else end each worker that begins it."""
    take_in(shop)
    shop._engine.dispose()
    with shop.read(tenant.id) as uow:
        drive.breaks = {"read": READ_FAILED}
        with pytest.raises(OperationalError, match="disk I/O error"):
            uow.deliveries.get(DeliveryId("d-1"))
    drive.breaks = {}
    assert not drive.ended
    change(shop)


def test_a_full_disk_is_told_and_goes_on_when_there_is_room(drive: Drive, shop: SqlStorage) -> None:
    drive.breaks = {"write": FULL}
    with pytest.raises(RetryLater, match="intake_failed"):
        take_in(shop)
    with pytest.raises(OperationalError, match="full"):
        change(shop)
    drive.breaks = {}
    take_in(shop)
    change(shop)
    assert not drive.ended


def test_a_command_is_told_and_not_ended(
    drive: Drive, shop: SqlStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_end", None)
    drive.breaks = {"sync": SYNC_FAILED}
    with pytest.raises(OperationalError):
        change(shop)


TAKES_AND_TELLS = """
import sys
from plugin.storage.disk import end_when_the_disk_fails
from tests.storage.test_disk import SYNC_FAILED, Drive
from tests.storage.test_grouped_intake import named, opened
from tests.powercut.vfs import recorded
drive = Drive()
end_when_the_disk_fails()
with recorded(drive.events, drive.fails):
    storage = opened(sys.argv[1])
    print(storage.take_in(named("one")), flush=True)
    drive.breaks = {"sync": SYNC_FAILED}
    print(storage.take_in(named("two")), flush=True)
"""


def test_the_process_is_gone_before_anybody_is_thanked(shop: SqlStorage, database_url: str) -> None:
    shop._engine.dispose()
    done = subprocess.run(
        [sys.executable, "-c", TAKES_AND_TELLS, database_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (EXIT_CODE, "True\n"), done.stderr
    assert "storage.disk_failed error=SQLITE_IOERR" in done.stderr


# --- the start after it ---------------------------------------------------------------------------


def write(engine: Engine, word: str) -> None:
    with engine.begin() as db:
        db.exec_driver_sql("INSERT INTO kept VALUES (?)", (word,))


def words_in(engine: Engine) -> set[str]:
    with engine.connect() as db:
        return {row[0] for row in db.exec_driver_sql("SELECT word FROM kept")}


@pytest.mark.parametrize("somebody_reads", [True, False])
@pytest.mark.parametrize("is_started_anew", [True, False])
def test_what_is_promised_after_a_start_stands_behind_no_hole(
    drive: Drive, tmp_path: Path, *, is_started_anew: bool, somebody_reads: bool
) -> None:
    """Counts are written without a sync: one that fails throws them away, unseen."""
    url = f"sqlite:///{tmp_path / 'one.db'}"
    with ExitStack() as stack:
        before, after, other = (open_database(url) for _ in range(3))
        for engine in (before, after, other):
            stack.callback(engine.dispose)
        with before.begin() as db:
            db.exec_driver_sql("CREATE TABLE kept (word TEXT)")
        write(open_for_counts(before), "a count")
        drive.breaks = {"sync": SYNC_FAILED}
        with suppress(OperationalError):
            write(before, "told to nobody")
        drive.breaks = {}
        if is_started_anew:
            write_log_into_file(after)
        if somebody_reads:  # who lists something in another process, at the next write
            reading = connect_to_read(other)
            stack.callback(reading.close)
            reading.exec_driver_sql("SELECT word FROM kept").all()
        write(after, "promised")
        left = drive.after_cut()
    drive.events.clear()
    there = tmp_path / "after"
    there.mkdir()
    for path, content in left.items():
        if not path.endswith("-shm"):
            (there / Path(path).name).write_bytes(content)
    found = open_database(f"sqlite:///{there / 'one.db'}")
    assert ("promised" in words_in(found)) is is_started_anew
    found.dispose()


def test_where_somebody_reads_for_long_the_log_stays_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "LOG_MS", 1)
    engine = open_database(f"sqlite:///{tmp_path / 'one.db'}")
    with engine.begin() as db:
        db.exec_driver_sql("CREATE TABLE kept (word TEXT)")
    with connect_to_read(engine) as reading:
        reading.exec_driver_sql("SELECT word FROM kept").all()
        write_log_into_file(engine)
    assert "storage.log_kept pages=" in caplog.text
    caplog.clear()
    write_log_into_file(engine)
    assert "storage.log_kept" not in caplog.text
    with engine.connect() as db:
        assert db.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == database.BUSY_MS
    engine.dispose()


def test_a_disk_that_still_fails_lets_nobody_start(drive: Drive, tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'one.db'}")
    with engine.begin() as db:
        db.exec_driver_sql("CREATE TABLE kept (word TEXT)")
    drive.breaks = {"sync": SYNC_FAILED}
    with pytest.raises(OperationalError):
        write_log_into_file(engine)
    assert drive.ended
    drive.breaks = {}
    engine.dispose()


@pytest.mark.parametrize("role", ["web", "worker"])
def test_whoever_serves_begins_with_the_log_in_the_file(
    tmp_path: Path, clock: FakeClock, role: str
) -> None:
    settings = read_settings({"MAKEGOOD_DATA_DIR": str(tmp_path / "house")})
    house = prepare_house(settings, clock, CountedMint())
    with house.engine.begin() as db:
        db.exec_driver_sql("CREATE TABLE kept (word TEXT)")
    write(house.engine, "in the log")
    parts = put_together(settings, clock, role)
    alone = shutil.copy(tmp_path / "house" / "makegood.sqlite", tmp_path / "alone.sqlite")
    found = open_database(f"sqlite:///{alone}")
    assert words_in(found) == {"in the log"}
    for engine in (found, parts.house.engine, house.engine):
        engine.dispose()
