"""The counters of several processes: they add up, outlive who counted, and fill nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from plugin.watch import folder as module
from plugin.watch.folder import VARIABLE, Counters, Living, count_alone, counting_in
from tests.served import ROOT

COUNTS = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from plugin.watch.folder import Counters
counters = Counters(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
counters.join(sys.argv[1])
from plugin.ports.watching import CallPutOff
from plugin.watch.metrics import Metrics
metrics = Metrics(None)
for _ in range(int(sys.argv[2])):
    metrics(CallPutOff("stripe", "budget_spent"))
print("counted", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where folders in memory are made, for this test."""
    place = tmp_path / "memory"
    place.mkdir()
    monkeypatch.setattr(module, "_IN_MEMORY", place)
    monkeypatch.delenv(VARIABLE, raising=False)
    return place


@contextmanager
def counting(role: str, times: int) -> Iterator[subprocess.Popen[str]]:
    """A process that has counted `times`, and is killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", COUNTS, role, str(times)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "counted\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def put_off(folder: Path) -> float:
    """What all processes together have counted."""
    return sum(
        value
        for file in folder.glob("counter_*.db")
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file))  # type: ignore[no-untyped-call]  # not typed there
        if "put_off_total" in key
    )


def test_a_folder_is_made_anew_for_each_start_and_goes_with_it(
    memory: Path, tmp_path: Path
) -> None:
    with counting_in(tmp_path / "data"):
        folder = Path(os.environ[VARIABLE])
        assert folder.parent == memory
        assert list(folder.iterdir()) == []
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "counter_1.db").write_bytes(b"")
    assert not folder.exists()
    assert VARIABLE not in os.environ
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"left by one that was killed")
    with counting_in(tmp_path / "data"):
        assert list(folder.iterdir()) == []


def test_nobody_counts_where_nobody_may_ask(memory: Path) -> None:
    with counting_in(None):
        assert VARIABLE not in os.environ


def test_two_data_folders_have_two_folders(memory: Path, tmp_path: Path) -> None:
    with counting_in(tmp_path / "one"):
        one = os.environ[VARIABLE]
        with counting_in(tmp_path / "two"):
            assert os.environ[VARIABLE] != one


def test_a_place_that_is_somebody_elses_is_left_alone(memory: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with counting_in(data):
        usual = Path(os.environ[VARIABLE])
    (tmp_path / "theirs").mkdir()
    usual.symlink_to(tmp_path / "theirs")
    with counting_in(data):
        assert Path(os.environ[VARIABLE]) == data / "metrics"
    assert (tmp_path / "theirs").exists()


def test_a_system_without_such_a_place_counts_in_the_data_folder(
    memory: Path, tmp_path: Path
) -> None:
    memory.rmdir()
    data = tmp_path / "data"
    data.mkdir()
    with counting_in(data):
        assert Path(os.environ[VARIABLE]) == data / "metrics"


def test_who_works_alone_counts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "somewhere")
    count_alone()
    assert VARIABLE not in os.environ


def test_what_the_dead_counted_stays_in_one_file(memory: Path, tmp_path: Path) -> None:
    with counting_in(tmp_path / "data"), ExitStack() as stack:
        folder = Path(os.environ[VARIABLE])
        lives = stack.enter_context(counting("worker", 1))
        for _ in range(3):
            with counting("web", 2):
                pass
        assert put_off(folder) == 7
        last = stack.enter_context(counting("web", 10))
        # The lives of three are folded into one; of the dead none but that file is left.
        files = {file.name for file in folder.glob("*.db")}
        pids = {0, lives.pid, last.pid}
        assert files == {f"{kind}_{pid}.db" for kind in ("counter", "histogram") for pid in pids}
        assert put_off(folder) == 17
        living = [Living("web", last.pid), Living("worker", lives.pid)]
        assert Counters(folder).living() == living
        with Counters(folder).reading() as read:
            assert read == folder
        last.kill()
        last.wait()
        assert Counters(folder).living() == [Living("worker", lives.pid)]
        lives.kill()
        lives.wait()
        assert put_off(folder) == 17


def test_room_is_taken_before_anything_is_counted(memory: Path, tmp_path: Path) -> None:
    with counting_in(tmp_path / "data"):
        folder = Path(os.environ[VARIABLE])
        counters = Counters(folder)
        counters.join("web")
        for file in folder.glob("*.db"):
            assert file.stat().st_blocks * 512 >= 256 * 1024
        assert not list(folder.glob("*.part"))
        assert counters.living() == [Living("web", os.getpid())]
        for _ in range(2):
            counters.leave()
            assert counters.living() == []
