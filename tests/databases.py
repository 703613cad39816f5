"""The databases of tests that open a whole site or house: each runs on SQLite and on PostgreSQL.

So does every test that asks for `databases`, itself or by a fixture. What is of SQLite's file by
its nature says so by `of_sqlite_alone`. Those in browsers run on SQLite: what a page does there is
the same, what it writes is tried on both without one, and they take minutes.
`MAKEGOOD_TEST_DATABASE=sqlite` and `=postgresql` have all of them run on that one, for who works on
a screen; those that ask for `storage` heed it not.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import make_url

from tests.storage_fixtures import PostgresServer

VARIABLE: Final = "MAKEGOOD_TEST_DATABASE"
KINDS: Final = ("sqlite", "postgresql")
BROWSERS: Final = "tests/browser/"
IN_BROWSERS: Final = "sqlite"
# Read once: tests of the command line take all of our variables away.
CHOSEN: Final = os.environ.get(VARIABLE, "")
_KEY: Final = Fernet.generate_key().decode()


class Databases(Protocol):
    """Makes databases that live until the end of a block."""

    def fresh(self, data: Path) -> AbstractContextManager[str]:
        """The address of a new one with the newest schema; empty for a file in the folder `data`.

        A house is told by `settings_of`.
        """

    def copied(self, address: str) -> AbstractContextManager[str]:
        """The address of a copy of the one at `address`, which nobody may have open.

        Empty for a file: that is copied with its folder.
        """


@dataclass(frozen=True, slots=True)
class SqliteDatabases:
    """Copies of a migrated file. Implements `Databases`."""

    template: Path

    @contextmanager
    def fresh(self, data: Path) -> Iterator[str]:
        shutil.copy(self.template, data / "makegood.sqlite")
        yield ""

    def copied(self, address: str) -> AbstractContextManager[str]:
        return nullcontext("")


@dataclass(frozen=True, slots=True)
class PostgresDatabases:
    """Copies of a migrated database. Implements `Databases`."""

    server: PostgresServer
    template: str

    def fresh(self, data: Path) -> AbstractContextManager[str]:
        return self._copy_of(self.template)

    def copied(self, address: str) -> AbstractContextManager[str]:
        return self._copy_of(make_url(address).database or "")

    @contextmanager
    def _copy_of(self, template: str) -> Iterator[str]:
        name = f"mg_site_{uuid4().hex}"
        try:
            yield self.server.create(name, template)
        finally:
            self.server.drop(name)


def settings_of(address: str) -> dict[str, str]:
    """What a house is told of its database; nothing where that is the file in its folder.

    On PostgreSQL keys must be given.
    """
    if not address:
        return {}
    return {"MAKEGOOD_DATABASE_URL": address, "MAKEGOOD_SECRET_KEYS": _KEY}


def of_sqlite_alone(why: str) -> pytest.MarkDecorator:
    """For a test that cannot be of PostgreSQL. `why` is a sentence."""
    return pytest.mark.of_sqlite_alone(why)


def pytest_configure(config: pytest.Config) -> None:
    if CHOSEN not in ("", *KINDS):
        raise pytest.UsageError(f"{VARIABLE} is {' or '.join(KINDS)}, not {CHOSEN}")
    config.addinivalue_line("markers", "of_sqlite_alone(why): cannot be of PostgreSQL")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "databases" not in metafunc.fixturenames:
        return
    chosen = CHOSEN or (IN_BROWSERS if metafunc.definition.nodeid.startswith(BROWSERS) else "")
    kinds: list[object] = [kind for kind in KINDS if chosen in ("", kind)]
    alone = metafunc.definition.get_closest_marker("of_sqlite_alone")
    if alone is not None:
        skipped = pytest.mark.skip(reason=f"of SQLite alone: {alone.args[0]}")
        kinds = ["sqlite"] if "sqlite" in kinds else [pytest.param(CHOSEN, marks=skipped)]
    metafunc.parametrize("databases", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Databases:
    if request.param == "sqlite":
        return SqliteDatabases(request.getfixturevalue("migrated_sqlite"))
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return PostgresDatabases(server, request.getfixturevalue("migrated_postgres"))
