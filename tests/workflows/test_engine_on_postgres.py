"""The engine's own connections to PostgreSQL: like ours, none waits for a machine that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
from dbos import DBOS
from dbos._dbos import _get_dbos_instance
from psycopg import Connection
from sqlalchemy import Engine

from plugin.storage.database import IN_TIME
from plugin.storage.worker_rows import Workers
from plugin.workflows.engine import launch
from tests.workflows.place import ON_POSTGRESQL

pytestmark = ON_POSTGRESQL
SESSION = {"idle_in_transaction_session_timeout": "30s", "lock_timeout": "20s"}


@pytest.fixture
def of_the_engine(empty_database_url: str) -> Iterator[Engine]:
    """What the launched engine connects by."""
    launch(empty_database_url, "one", {})
    yield _get_dbos_instance()._sys_db.engine
    DBOS.destroy(workflow_completion_timeout_sec=5)


def network_limits(engine: Engine) -> dict[str, int]:
    """What the driver was told of a network that hangs."""
    with engine.connect() as connection:
        driver = cast("Connection", connection.connection.dbapi_connection)
        told = driver.info.get_parameters()
    return {name: int(told[name]) for name in IN_TIME}


def session_limits(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        connection.rollback()  # what a session asked for must outlast its first transaction
        return {
            name: str(connection.exec_driver_sql(f"SHOW {name}").scalar_one()) for name in SESSION
        }


def test_the_engine_waits_for_no_machine_that_is_gone(of_the_engine: Engine) -> None:
    assert network_limits(of_the_engine) == IN_TIME
    assert session_limits(of_the_engine) == SESSION


def test_the_engine_tells_no_parameters_in_an_error(of_the_engine: Engine) -> None:
    assert of_the_engine.hide_parameters


def test_neither_does_the_heart(engine: Engine) -> None:
    pulse = Workers(engine)._pulse
    assert network_limits(pulse) == IN_TIME
    assert session_limits(pulse) == SESSION
