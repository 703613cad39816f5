"""The command line in a folder of the test's own: `run` for a prepared one, `run_bare` for none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from plugin.app import Parts, put_together
from plugin.chance import SystemClock, SystemMint
from plugin.cli import main
from plugin.first_start import prepare_house
from plugin.settings import read_settings
from tests.databases import Databases, settings_of
from tests.storage_fixtures import connections_to


@dataclass(frozen=True, slots=True)
class Ran:
    """How one call ended."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> dict[str, Any]:
        """The one object on the last line of standard output."""
        document: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return document


Run = Callable[..., Ran]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the data folder is to be; all other settings are the defaults."""
    for name in os.environ:
        if name.startswith("MAKEGOOD_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "data"
    monkeypatch.setenv("MAKEGOOD_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def run_bare(data: Path) -> Run:
    """`run_bare("check", "--json", MAKEGOOD_PORT="1")`: the command line before any first start."""
    assert not data.exists()

    def run(*words: str, **environment: str) -> Ran:
        ended = CliRunner().invoke(main, words, env=environment)
        if ended.exception and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return Ran(ended.exit_code, ended.stdout, ended.stderr)

    return run


@pytest.fixture
def run(
    run_bare: Run, data: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """The command line after a first start."""
    data.mkdir(mode=0o700)
    with databases.fresh(data) as database:
        for name, value in settings_of(database).items():
            monkeypatch.setenv(name, value)
        prepare_house(read_settings(), SystemClock(), SystemMint()).engine.dispose()
        yield run_bare
        left = connections_to(make_url(database).database or "") if database else 0
        assert left == 0, f"commands left {left} connections to the database open"


@pytest.fixture
def parts(run: Run) -> Iterator[Parts]:
    """What the commands see, to put something there."""
    made = put_together(read_settings())
    yield made
    made.house.engine.dispose()
