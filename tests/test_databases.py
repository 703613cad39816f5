"""What opens a site or a house runs on both databases, and none falls back to a file in silence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from sqlalchemy import make_url

from plugin.storage.database import open_database
from tests.databases import VARIABLE, Databases, PostgresDatabases, pytest_configure
from tests.harness import ROOT
from tests.journey.house import open_house
from tests.storage_fixtures import PostgresServer, connections_to
from tests.web.practice_house import NewHouse, PracticeHouse
from tests.web.site import open_site

if TYPE_CHECKING:
    import psycopg


@pytest.fixture
def chosen(request: pytest.FixtureRequest) -> str:
    return str(request.node.callspec.params["databases"])


def test_a_site_is_on_the_database_that_is_chosen(
    databases: Databases, chosen: str, tmp_path: Path
) -> None:
    with open_site(tmp_path, databases) as site:
        assert site.storage.tenants()
        assert site.parts.house.engine.dialect.name == chosen


def test_a_house_is_on_the_database_that_is_chosen(
    databases: Databases, chosen: str, tmp_path: Path
) -> None:
    with open_house(tmp_path, databases) as house:
        assert house.parts.house.engine.dialect.name == chosen


def test_what_a_thread_still_holds_is_closed_with_its_database(
    postgres_server: PostgresServer, migrated_postgres: str, tmp_path: Path
) -> None:
    with PostgresDatabases(postgres_server, migrated_postgres).fresh(tmp_path) as address:
        name = make_url(address).database or ""
        engine = open_database(address)
        held = engine.raw_connection()
        engine.dispose()
        assert connections_to(name) == 1
        driver = cast("psycopg.Connection", held.dbapi_connection)
    assert driver.closed
    assert connections_to(name) == 0
    held.invalidate()


def test_a_copy_of_a_practice_house_is_one_of_its_own(
    databases: Databases, chosen: str, tmp_path: Path
) -> None:
    folder = tmp_path / "house"
    folder.mkdir()
    with databases.fresh(folder) as database:
        PracticeHouse(folder, database=database).close()
        new = NewHouse(folder.rename(tmp_path / "new"), databases, database)
        with new.copied() as (place, address):
            house = PracticeHouse(place, database=address)
            assert house.parts.house.engine.dialect.name == chosen
            house.parts.house.storage.name_owners(house.tenant, ("changed@example.com",))
            house.close()
        with new.copied() as (place, address):
            house = PracticeHouse(place, database=address)
            [tenant] = [one for one in house.parts.house.storage.tenants() if one.simulated]
            assert tenant.owners != ("changed@example.com",)
            house.close()


def test_a_database_that_there_is_not_is_refused(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.databases.CHOSEN", "mysql")
    with pytest.raises(pytest.UsageError, match="is sqlite or postgresql, not mysql"):
        pytest_configure(request.config)


TESTS = """
from tests.databases import of_sqlite_alone

def test_either(databases): ...

@of_sqlite_alone("the file is read")
def test_file(databases): ...

def test_neither(): ...
"""


@pytest.mark.parametrize(
    ("chosen", "kinds"),
    [("", {"sqlite"}), ("sqlite", {"sqlite"}), ("postgresql", {"postgresql"})],
)
def test_those_in_browsers_run_on_one(chosen: str, kinds: set[str]) -> None:
    words = (
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/browser/test_panel_journey.py",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=ROOT,
        env={**os.environ, VARIABLE: chosen},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(re.findall(r"\[(sqlite|postgresql)", done.stdout)) == kinds


@pytest.mark.parametrize(
    ("chosen", "outcomes"),
    [
        ("", {"either[sqlite]", "either[postgresql]", "file[sqlite]", "neither"}),
        ("sqlite", {"either[sqlite]", "file[sqlite]", "neither"}),
        ("postgresql", {"either[postgresql]", "file[postgresql]", "neither"}),
    ],
)
def test_each_runs_on_both_or_on_the_one_that_is_chosen(
    chosen: str, outcomes: set[str], tmp_path: Path
) -> None:
    them = tmp_path / "test_them.py"
    them.write_text(TESTS, "utf-8")
    words = ("-p", "tests.storage_fixtures", "-p", "tests.databases", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-v", *words, "-c", os.devnull, them],
        cwd=ROOT,
        env={**os.environ, VARIABLE: chosen},
        capture_output=True,
        text=True,
        check=True,
    )
    told = re.findall(r"::test_(\S+) (PASSED|SKIPPED)", done.stdout)
    assert {name for name, _ in told} == outcomes
    skipped = {name for name, end in told if end == "SKIPPED"}
    assert skipped == outcomes & {"file[postgresql]"}
    assert ("of SQLite alone: the file is read" in done.stdout) == (chosen == "postgresql")
