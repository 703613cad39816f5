"""The durable engine on its SQLite file: a name is started once, and no error's text is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dbos import DBOS

from plugin.domain.errors import Refused
from plugin.storage.database import choose_sqlite
from plugin.workflows.engine import Engine, Standing, TaskFailed, launch

PATIENCE_SECONDS = 60.0


@dataclass
class Bench:
    """An engine with one task, which does as it is told."""

    file: Path
    done: list[tuple[str, str]] = field(default_factory=list)
    raises: list[Exception] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)

    def open(self, executor: str = "one") -> Engine:
        return launch(self.file, executor, {"run": self._task})

    def _task(self, tenant: str, ref: str) -> None:
        assert self.go.wait(PATIENCE_SECONDS)
        self.done.append((tenant, ref))
        if self.raises:
            raise self.raises.pop(0)

    def wait_for(self, name: str) -> None:
        """Until `name` is over."""
        DBOS.retrieve_workflow(name).get_result(polling_interval_sec=0.02)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path / "engine.sqlite")
    one.go.set()
    yield one
    DBOS.destroy(workflow_completion_timeout_sec=5)


def test_a_name_that_was_started_is_not_started_again(bench: Bench) -> None:
    engine = bench.open()
    assert engine.standings(["run:a:0"]) == {}
    assert engine.standings([]) == {}

    started = [engine.start("run", "run:a:0", "tenant-1", "a") for _ in range(3)]
    bench.wait_for("run:a:0")
    assert not engine.start("run", "run:a:0", "tenant-1", "a")
    assert engine.start("run", "run:a:1", "tenant-1", "a")
    bench.wait_for("run:a:1")

    assert started == [True, False, False]

    assert bench.done == [("tenant-1", "a")] * 2
    assert engine.standings(["run:a:0"]) == {"run:a:0": Standing(is_over=True, executor="one")}


def test_who_waits_for_room_hears_of_each_end(bench: Bench) -> None:
    bench.go.clear()
    engine = bench.open()
    for ref in "ab":
        engine.start("run", f"run:{ref}:0", "tenant-1", ref)
    assert not engine.wait_until_in_hand(1, 0.01)

    threading.Timer(0.05, bench.go.set).start()

    assert engine.wait_until_in_hand(0, PATIENCE_SECONDS)
    assert sorted(ref for _, ref in bench.done) == ["a", "b"]


def test_work_under_way_says_whose_it_is(bench: Bench) -> None:
    bench.go.clear()
    engine = bench.open("seven")
    engine.start("run", "run:a:0", "tenant-1", "a")

    assert engine.standings(["run:a:0"]) == {"run:a:0": Standing(is_over=False, executor="seven")}
    assert engine.has_in_hand("run:a:0")
    bench.go.set()
    assert engine.stop(30)
    assert not engine.has_in_hand("run:a:0")
    assert bench.done == [("tenant-1", "a")]


def test_what_was_done_before_a_restart_is_not_done_again(bench: Bench) -> None:
    engine = bench.open()
    engine.start("run", "run:a:0", "tenant-1", "a")
    bench.wait_for("run:a:0")
    engine.stop(30)

    again = bench.open()
    again.start("run", "run:a:0", "tenant-1", "a")
    bench.wait_for("run:a:0")
    again.stop(30)

    assert bench.done == [("tenant-1", "a")]


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (ZeroDivisionError("about ana@mail.example"), "ZeroDivisionError"),
        (Refused("card_closed", "about ana@mail.example"), "card_closed"),
    ],
)
def test_of_an_error_only_its_kind_is_kept(
    bench: Bench, caplog: pytest.LogCaptureFixture, error: Exception, word: str
) -> None:
    bench.raises = [error]
    engine = bench.open()
    engine.start("run", "run:a:0", "tenant-1", "a")
    with pytest.raises(TaskFailed, match=r"^$"):
        bench.wait_for("run:a:0")
    standing = engine.standings(["run:a:0"])["run:a:0"]
    engine.stop(30)

    assert standing == Standing(is_over=True, executor="one")
    assert f"task.failed kind=run ref=a error={word}" in caplog.text
    assert "ana@mail.example" not in caplog.text
    assert b"ana@mail.example" not in b"".join(f.read_bytes() for f in bench.file.parent.iterdir())


def test_what_hangs_at_the_end_is_told(bench: Bench) -> None:
    bench.go.clear()
    engine = bench.open()
    engine.start("run", "run:a:0", "tenant-1", "a")

    assert not engine.stop(1)
    bench.go.set()


def test_what_could_not_be_started_is_not_in_hand(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = bench.open()

    def away(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(DBOS, "start_workflow", away)
    with pytest.raises(OSError, match=r"^$"):
        engine.start("run", "run:a:0", "tenant-1", "a")

    assert not engine.has_in_hand("run:a:0")


def test_its_file_is_written_with_a_log_and_a_full_sync(bench: Bench) -> None:
    engine = bench.open()
    engine.stop(5)

    connection = choose_sqlite().connect(bench.file)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_what_ended_long_ago_is_forgotten_and_nothing_else(bench: Bench) -> None:
    engine = bench.open()
    names = ["run:a:0", "run:b:0", "run:c:0"]
    for name in names:
        engine.start("run", name, "tenant-1", name)
        bench.wait_for(name)
    bench.go.clear()
    engine.start("run", "run:d:0", "tenant-1", "d")
    now = datetime.now(UTC)

    assert engine.forget_ended(now - timedelta(hours=1), 10) == 0
    assert engine.forget_ended(now + timedelta(hours=1), 2) == 2
    assert engine.standings(names).keys() == {"run:c:0"}
    assert engine.forget_ended(now + timedelta(hours=1), 2) == 1
    assert engine.standings(["run:d:0"])["run:d:0"].is_over is False
    bench.go.set()
    bench.wait_for("run:d:0")
