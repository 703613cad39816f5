"""`makegood serve` with real processes: what it prints works, what dies returns, none stays."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from plugin import serve
from plugin.domain.errors import NeedsHuman
from plugin.serve import Child, answers, supervise, wait_until_alone, wait_until_free
from plugin.workflows.only_worker import OnlyWorker
from tests.kill.places import free_port
from tests.served import Served, wait_for

STAYS = [sys.executable, "-c", "import signal; signal.pause()"]


def exits(code: int) -> list[str]:
    return [sys.executable, "-c", f"raise SystemExit({code})"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    with Served(folder, "--practice") as one:
        yield one


# --- the whole, with real processes ---------------------------------------------------------------


def test_the_printed_addresses_work_at_once(tmp_path: Path) -> None:
    with Served(tmp_path, "--practice") as served:
        link = urlsplit(served.announced["practice"])
        assert "<html" in served.get(f"{link.path}?{link.query}")
        link = urlsplit(served.announced["admin"])
        assert "<form" in served.get(f"{link.path}?{link.query}")
        assert "Practice" in served.log


def test_it_drains_and_ends_at_sigterm(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        wait_for(lambda: "worker.started" in served.log)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(40) == 0
        assert served.processes() == []
        events = [json.loads(line).get("event", "") for line in logged(served)]
        assert any(event.startswith("worker.stopped") for event in events)


def logged(served: Served) -> list[str]:
    """The lines of the log that are not words for people."""
    return [line for line in served.log.splitlines() if line.startswith("{")]


def test_a_request_under_way_is_answered_before_the_end(tmp_path: Path) -> None:
    with Served(tmp_path, MAKEGOOD_WEB_WORKERS="1") as served:
        name = "0" * 32
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
            head = (
                f"POST /webhooks/practice/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab"
            )
            client.sendall(head.encode())
            # Answered by another thread: the first request has been read, and waits for its body.
            assert served.get("/healthz") == "ok\n"
            served.process.send_signal(signal.SIGTERM)
            wait_for(lambda: served.below("web") is not None)
            client.sendall(b"cd")
            assert b" 404 " in client.recv(4096)
        assert served.process.wait(40) == 0


def test_nothing_is_left_after_kill_9_and_it_starts_again_at_once(tmp_path: Path) -> None:
    with Served(tmp_path, "--practice") as first:
        assert len(first.processes()) >= 5  # supervisor, web, its two workers, worker
        first.process.kill()
        with Served(tmp_path, "--practice", port=first.port) as second:
            assert second.announced["ok"], second.log
            assert second.get("/healthz") == "ok\n"
            second.process.kill()
            second.process.wait()
            wait_for(lambda: second.processes() == [], 10)


def test_nothing_is_left_after_kill_9_of_the_web_s_own_master(served: Served) -> None:
    master = served.below("web")
    workers = master.children()
    master.kill()
    psutil.wait_procs(workers, timeout=10)
    assert not any(worker.is_running() for worker in workers)
    wait_for(lambda: answers("127.0.0.1", served.port))


@pytest.mark.parametrize("name", ["web", "worker"])
def test_what_is_killed_is_started_again(served: Served, name: str) -> None:
    killed = served.below(name)
    killed.kill()
    wait_for(
        lambda: any(
            name in " ".join(c.cmdline()).split()
            for c in psutil.Process(served.process.pid).children()
            if c.pid != killed.pid and c.status() != psutil.STATUS_ZOMBIE
        )
    )
    wait_for(lambda: answers("127.0.0.1", served.port))
    assert f"serve.child_died name={name} code=-9" in served.log


def test_a_second_one_on_the_port_is_told_and_code_3(served: Served, tmp_path: Path) -> None:
    with Served(tmp_path, port=served.port) as second:
        assert second.process.wait(30) == 3
        assert second.announced["code"] == "port_taken"
        assert "give another MAKEGOOD_PORT" in second.announced["detail"]
        assert not (tmp_path / "data").exists()


def has_a_worker(served: Served) -> bool:
    """Whether a worker holds the lock; another test may just have killed it."""
    try:
        with OnlyWorker(served.folder / "data"):
            return False
    except NeedsHuman:
        return True


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_second_one_on_the_data_folder_is_told_and_code_3(served: Served, command: str) -> None:
    wait_for(lambda: has_a_worker(served))
    done = subprocess.run(
        [sys.executable, "-m", "plugin.cli", command, "--json"],
        env=served.environment | {"MAKEGOOD_PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3
    assert json.loads(done.stdout)["code"] == "second_worker"


def test_gunicorn_serves_it_as_well(served: Served, tmp_path: Path) -> None:
    port = free_port()
    gunicorn = subprocess.Popen(
        [
            Path(sys.executable).with_name("gunicorn"),
            "plugin.app:create_app()",
            f"--bind=127.0.0.1:{port}",
            "--worker-class=gthread",
            "--no-control-socket",
        ],
        env=served.environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: answers("127.0.0.1", port))
    finally:
        gunicorn.terminate()
        gunicorn.wait(30)


# --- the supervisor alone -------------------------------------------------------------------------


@contextmanager
def leaves_nothing() -> Iterator[None]:
    """No process of ours is there afterwards that was not there before."""
    before = set(psutil.Process().children())
    yield
    assert set(psutil.Process().children()) <= before


def run(commands: dict[str, Sequence[str]], stop: threading.Event | None = None) -> list[str]:
    """Supervise until announced; what was announced."""
    said: list[str] = []
    ended = stop or threading.Event()

    def announce() -> None:
        said.append("up")
        ended.set()

    supervise(commands, is_ready=lambda: True, announce=announce, stop=ended)
    return said


def test_it_announces_once_and_leaves_nothing() -> None:
    with leaves_nothing():
        assert run({"one": STAYS, "two": STAYS}) == ["up"]


def test_a_child_that_needs_a_person_ends_the_start() -> None:
    commands = {"web": exits(3), "worker": STAYS}
    with leaves_nothing(), pytest.raises(NeedsHuman, match="the web could not start"):
        supervise(commands, is_ready=lambda: False, announce=lambda: None)


def test_a_start_without_an_answer_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "START_SECONDS", 0.3)
    with leaves_nothing(), pytest.raises(NeedsHuman, match="no answer within"):
        supervise({"web": STAYS}, is_ready=lambda: False, announce=lambda: None)


def look_until_dead(child: Child) -> None:
    """Have it started, wait for its end, and have that seen."""
    child.look()
    assert child.process is not None, "not started"
    child.process.wait()
    child.look()


def test_a_child_that_dies_is_given_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(serve, "monotonic", lambda: now[0])
    child = Child("web", exits(1))
    waits = []
    for _ in range(9):
        look_until_dead(child)
        waits.append(child.not_before - now[0])
        child.look()
        assert child.process is None, "started again before its time"
        now[0] = child.not_before
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_child_that_lived_for_long_is_started_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(serve, "monotonic", lambda: now[0])
    child = Child("web", exits(1), failures=7)
    child.look()
    assert child.process is not None
    child.process.wait()
    now[0] += serve.CALM_SECONDS + 1
    child.look()
    assert child.failures == 1


def test_a_child_that_does_not_drain_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serve, "GRACE_SECONDS", 0.2)
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    up = tmp_path / "up"
    script = f"{ignore}; open({str(up)!r}, 'w'); [signal.pause() for _ in iter(int, 1)]"
    stop = threading.Event()
    with leaves_nothing():
        supervise(
            {"web": [sys.executable, "-c", script]},
            is_ready=up.exists,
            announce=stop.set,
            stop=stop,
        )
    assert "serve.child_killed name=web" in caplog.text


def test_a_process_ends_when_its_parent_was_gone_before_it_looked() -> None:
    gone = subprocess.Popen(exits(0))
    gone.wait()
    script = f"import signal, plugin.serve as s; s.end_with_parent({gone.pid}); signal.pause()"
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL


def test_a_process_stays_while_its_parent_does() -> None:
    script = (
        "import time; from plugin.serve import end_with_parent; end_with_parent(); time.sleep(1)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


def test_a_port_that_is_let_go_in_time_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        threading.Timer(0.3, other.close).start()
        wait_until_free("127.0.0.1", port)


def test_a_port_that_stays_taken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "LEAVE_SECONDS", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(NeedsHuman, match="port_taken"),
    ):
        wait_until_free("127.0.0.1", other.getsockname()[1])


def test_an_address_that_is_not_ours_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "LEAVE_SECONDS", 0)
    with pytest.raises(NeedsHuman, match=r"cannot listen on 192\.0\.2\.1"):
        wait_until_free("192.0.2.1", 8080)


def test_a_lock_that_stays_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(serve, "LEAVE_SECONDS", 0.2)
    with OnlyWorker(tmp_path), pytest.raises(NeedsHuman, match="second_worker"):
        wait_until_alone(lambda: OnlyWorker(tmp_path))
    wait_until_alone(lambda: OnlyWorker(tmp_path))


def test_who_does_not_speak_http_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        def hang_up() -> None:
            silent.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert not answers("127.0.0.1", port)
        thread.join()
    assert not answers("127.0.0.1", port)
