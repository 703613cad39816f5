"""What we ask of PostgreSQL: nothing acknowledged is lost, and nobody waits for who is gone."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Engine, make_url

from plugin.domain.errors import NeedsHuman
from plugin.storage.database import open_database
from plugin.storage.soundness import MAY_LOSE_DATA, refuse_unsound
from tests.storage_fixtures import PostgresServer


@pytest.fixture
def url(postgres_server: PostgresServer) -> Iterator[str]:
    name = f"mg_{uuid4().hex}"
    yield postgres_server.create(name)
    postgres_server.drop(name)


@pytest.fixture
def opened(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()


def say(server: PostgresServer, url: str, setting: str, value: str) -> None:
    """Set it for all who connect to that database from now on."""
    server.run(f'ALTER DATABASE "{make_url(url).database}" SET {setting} = {value!r}')


def shown(engine: Engine, setting: str) -> str:
    with engine.connect() as connection:
        connection.rollback()  # what a session asked for must outlast its first transaction
        return str(connection.exec_driver_sql(f"SHOW {setting}").scalar_one())


@pytest.mark.parametrize(("told", "kept"), [("off", "on"), ("on", "on"), ("local", "local")])
def test_a_commit_is_on_the_disk_when_it_is_answered(
    postgres_server: PostgresServer, url: str, opened: Engine, told: str, kept: str
) -> None:
    say(postgres_server, url, "synchronous_commit", told)
    assert shown(opened, "synchronous_commit") == kept


def test_who_stands_still_in_a_transaction_loses_it(opened: Engine) -> None:
    assert shown(opened, "idle_in_transaction_session_timeout") == "30s"
    assert shown(opened, "lock_timeout") == "20s"


def test_a_server_that_loses_data_is_refused_unless_it_is_for_trials(
    postgres_server: PostgresServer, url: str, opened: Engine
) -> None:
    assert shown(opened, "fsync") == "off"  # in tests, and only there
    refuse_unsound(opened)
    say(postgres_server, url, MAY_LOSE_DATA, "no")
    opened.dispose()
    with pytest.raises(NeedsHuman, match="fsync and full_page_writes off") as refused:
        refuse_unsound(opened)
    assert refused.value.code == "unsafe_database"
    assert "Switch it on" in str(refused.value)
