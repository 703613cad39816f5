"""Deliveries are taken in, one commit or a group's, the same way on both databases."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy.exc import SQLAlchemyError

from plugin.domain.errors import RetryLater
from plugin.domain.ids import InstallationId
from plugin.storage.plain_intake import PlainIntake
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import TENANT, a_delivery


def test_a_delivery_is_kept_as_it_came_and_once(shop: SqlStorage) -> None:
    delivery = a_delivery()
    assert shop.take_in(delivery)
    assert not shop.take_in(a_delivery("another", name=delivery.name))
    with shop.read(TENANT) as uow:
        assert uow.deliveries.get(delivery.id) == delivery
        assert len(uow.deliveries.newest((), 10)) == 1


def test_one_without_a_time_to_wake_is_kept_too(shop: SqlStorage) -> None:
    delivery = a_delivery(wake_at=None)
    assert shop.take_in(delivery)
    with shop.read(TENANT) as uow:
        assert uow.deliveries.get(delivery.id) == delivery


def test_one_that_cannot_be_kept_is_told(shop: SqlStorage) -> None:
    with pytest.raises((RetryLater, SQLAlchemyError)):
        shop.take_in(a_delivery(installation=InstallationId("nobody")))
    assert shop.take_in(a_delivery())


def test_a_transaction_of_the_tenant_does_not_hold_deliveries_up(
    shop: SqlStorage, database_kind: str
) -> None:
    """Only on PostgreSQL: SQLite has one writer."""
    if database_kind == "postgresql":
        with shop.begin(TENANT):
            assert shop.take_in(a_delivery("one"))
    assert shop.take_in(a_delivery("two"))


def test_a_connection_that_died_is_made_anew(shop: SqlStorage, database_kind: str) -> None:
    """Only on PostgreSQL: SQLite has no server that could end one."""
    if database_kind == "sqlite":
        return
    assert shop.take_in(a_delivery("one"))
    end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    with shop._engine.connect() as db:
        db.exec_driver_sql(f"{end_all} AND datname = current_database()")
    assert shop.take_in(a_delivery("two"))
    assert not shop.take_in(a_delivery("three", name=a_delivery("two").name))


def test_a_forked_process_leaves_its_parents_connection_alone(
    shop: SqlStorage, database_kind: str
) -> None:
    """Only on PostgreSQL: a copy that is used or closed would spoil the parent's connection."""
    if database_kind == "sqlite":
        return
    assert shop.take_in(a_delivery("one"))
    intake = shop._intake
    assert isinstance(intake, PlainIntake)
    ((parent, inherited),) = intake._free
    intake._free[0] = (parent + 1, inherited)  # as a child sees what its parent left it
    assert shop.take_in(a_delivery("two"))
    ((process, own),) = intake._free
    assert process == parent
    assert own is not inherited
    shop._engine.dispose()
    assert inherited.is_valid
    assert not own.is_valid
    inherited.invalidate()


def test_threads_that_come_and_go_leave_no_connections_behind(
    shop: SqlStorage, database_kind: str
) -> None:
    """Only on PostgreSQL, which has few: a server may have a new thread for each request."""
    if database_kind == "sqlite":
        return
    for number in range(5):
        thread = threading.Thread(target=shop.take_in, args=[a_delivery(str(number))])
        thread.start()
        thread.join()
    intake = shop._intake
    assert isinstance(intake, PlainIntake)
    assert len(intake._free) == 1
