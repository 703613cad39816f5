"""Whoever serves ends when the disk fails, and the worker looks back: no other command does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin import serve
from plugin.storage import disk
from plugin.storage.last_seen import FILE
from plugin.workflows.looking_back import LookingBack
from tests.commands.conftest import Run


@pytest.fixture(autouse=True)
def unarmed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process that has just begun; it watches and tells nobody."""
    monkeypatch.setattr(disk, "_end", None)
    monkeypatch.setattr("plugin.serve.end_with_parent", lambda *_: None)
    for place in ("plugin.serve", "plugin.logs"):
        monkeypatch.setattr(f"{place}.log_to_stderr", lambda: None)
    yield
    monkeypatch.undo()


def test_the_worker_ends(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def work(*_: object, looking_back: LookingBack, **__: object) -> None:
        looking_back.look()
        seen.append(disk._end)

    monkeypatch.setattr("plugin.workflows.worker.run_worker", work)
    assert run("worker", "--parent", "1").code == 0
    assert seen
    assert seen != [None]
    assert (data / FILE).exists()


def test_the_web_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("plugin.app.create_app", lambda **_: seen.append(disk._end))
    serve.web_worker()
    assert seen
    assert seen != [None]


def test_no_other_command_does(run: Run) -> None:
    assert run("check").code == 0
    assert disk._end is None
