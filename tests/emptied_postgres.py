"""An `engine` whose PostgreSQL database is emptied for each test instead of made anew.

For folders with many small tests: making a database takes a second and more, emptying it takes a
few milliseconds. SQLite files stay one for each test. A conftest imports both fixtures.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Engine, delete

from plugin.storage.database import open_database
from plugin.storage.tables import metadata
from tests.storage_fixtures import PostgresServer


@pytest.fixture(scope="session")
def emptied_postgres(postgres_server: PostgresServer, migrated_postgres: str) -> Iterator[Engine]:
    name = f"mg_emptied_{uuid4().hex}"
    engine = open_database(postgres_server.create(name, migrated_postgres))
    yield engine
    engine.dispose()
    postgres_server.drop(name)


@pytest.fixture
def engine(database_kind: str, request: pytest.FixtureRequest) -> Iterator[Engine]:
    if database_kind == "sqlite":
        opened = open_database(request.getfixturevalue("database_url"))
        yield opened
        opened.dispose()
        return
    shared: Engine = request.getfixturevalue("emptied_postgres")
    with shared.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))
    # One of its own, by what it keeps compiled: what listens for its end is closed with this test,
    # where on the shared one hundreds of tests would leave their connections open.
    mine = shared.execution_options()
    yield mine
    mine.dispose()
