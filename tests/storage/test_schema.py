"""Migrations: up, down and up again, the same tables as the code has, and no guessing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, select, text
from sqlalchemy.exc import OperationalError

from plugin.domain.effects import AddTicketNote, PlannedEffect
from plugin.domain.errors import NeedsHuman
from plugin.domain.ids import AgentId, AgentRef, EffectKey, customer_key
from plugin.domain.plan import UnknownItem, Untold
from plugin.ports.records import StoredPlan
from plugin.storage import schema
from plugin.storage.database import open_database
from plugin.storage.keyring import Keyring
from plugin.storage.schema import _config, migrate
from plugin.storage.schema_version import REVISION, fits
from plugin.storage.tables import SCHEMA_VERSION, metadata
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import (
    CUSTOMER,
    DESK,
    NOW,
    STORE,
    TENANT,
    a_plan,
    a_request,
    a_tenant,
    an_installation,
    an_order,
    an_order_ref,
)
from tests.planted_migration import NEXT, next_version
from tests.storage_fixtures import PostgresServer

OURS = {*metadata.tables, "mg_schema"}
REVISIONS = [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Engine]:
    engine = open_database(empty_database_url)
    yield engine
    engine.dispose()


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "mg_schema"})
        return context.get_current_revision()


def test_a_new_database_gets_every_table(empty: Engine) -> None:
    migrate(empty)

    assert tables(empty) == OURS
    assert revision(empty) == REVISIONS[0]


def test_migrating_again_changes_nothing(empty: Engine) -> None:
    migrate(empty)
    storage = SqlStorage(empty, Keyring(["A" * 43 + "="]))
    storage.add_tenant(a_tenant(), NOW)

    migrate(empty)

    assert storage.tenants() == [a_tenant()]


def test_up_down_and_up_again_ends_where_it_was(empty: Engine) -> None:
    for step in [*reversed(REVISIONS), *REVISIONS[1:], "base", "head"]:
        migrate(empty, step)
        if step not in ("head", "base"):
            assert revision(empty) == step

    assert tables(empty) == OURS


def test_a_plan_from_before_we_kept_who_decided_has_a_name_only(empty: Engine) -> None:
    migrate(empty)
    storage = SqlStorage(empty, Keyring(["A" * 43 + "="]))
    storage.add_tenant(a_tenant(), NOW)
    plan, request = a_plan(), a_request()
    with storage.begin(TENANT) as uow:
        uow.requests.save(request)
        uow.plans.add(plan, request.id)
        uow.plans.decide(plan.id, "Ana", NOW, AgentRef(DESK, AgentId("7")))
        uow.commit()

    migrate(empty, "0001")
    migrate(empty)

    with storage.read(TENANT) as uow:
        assert uow.plans.get(plan.id) == StoredPlan(plan, request.id, NOW, "Ana", None)


def test_orders_from_before_accounts_were_searched_by_are_found_by_them(empty: Engine) -> None:
    migrate(empty)
    storage = SqlStorage(empty, Keyring(["A" * 43 + "="]))
    storage.add_tenant(a_tenant(), NOW)
    bo = "bo@mail.example"
    with storage.begin(TENANT) as uow:
        uow.installations.add(an_installation(STORE))
        uow.orders.save(an_order(contact="12"))
        uow.orders.save(an_order(ref=an_order_ref("2"), email=bo, contact="12"))
        uow.orders.save(an_order(ref=an_order_ref("3"), email=bo))
        uow.commit()

    migrate(empty, "0004")
    migrate(empty)

    with storage.read(TENANT) as uow:
        assert uow.orders.sharing_accounts(CUSTOMER) == ((STORE, customer_key(bo)),)


def test_the_way_back_takes_out_what_the_version_before_cannot_read(
    shop: SqlStorage, engine: Engine
) -> None:
    untold = UnknownItem(Untold.ORDERS_UNSEEN, "Aquarell")
    note = PlannedEffect(EffectKey("n"), 0, AddTicketNote(None, None, "others_unseen", field="x"))
    plan, request = replace(a_plan(), unknown=(untold,), effects=(note,)), a_request()
    order = replace(an_order(), others_unseen=True)
    with shop.begin(TENANT) as uow:
        uow.orders.save(order)
        uow.requests.save(request)
        uow.plans.add(plan, request.id)
        uow.commit()

    migrate(engine, "0003")

    with engine.connect() as db:
        told = [*db.scalars(select(metadata.tables["mg_orders"].c.document))]
        told += db.scalars(select(metadata.tables["mg_plans"].c.document))
    assert len(told) == 2
    assert not re.search(r'"others_unseen":|"field":|orders_unseen', "".join(told))

    migrate(engine)

    with shop.read(TENANT) as uow:
        assert uow.orders.get(order.ref) == replace(order, others_unseen=None)
        stored = uow.plans.get(plan.id)
    assert stored is not None
    bare = replace(note, effect=AddTicketNote(None, None, "others_unseen"))
    silent = replace(untold, why=Untold.STORE_SILENT)
    assert stored.plan == replace(plan, unknown=(silent,), effects=(bare,))


def test_down_to_the_ground_leaves_nothing_of_ours(empty: Engine) -> None:
    migrate(empty)
    migrate(empty, "base")

    assert tables(empty) <= {"mg_schema"}
    assert revision(empty) is None
    migrate(empty, "base")  # already there
    assert revision(empty) is None


def test_the_migrations_make_exactly_the_tables_of_the_code(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": "mg_schema",
                "compare_type": True,
                "compare_server_default": True,
            },
        )
        assert compare_metadata(context, metadata) == []


def test_foreign_keys_and_unique_constraints_are_those_of_the_code(engine: Engine) -> None:
    found = inspect(engine)
    for table in metadata.tables.values():
        keys = {
            (tuple(key["constrained_columns"]), key["referred_table"])
            for key in found.get_foreign_keys(table.name)
        }
        wanted = {
            (tuple(key.column_keys), key.referred_table.name)
            for key in table.foreign_key_constraints
        }
        assert keys == wanted
        assert tuple(found.get_pk_constraint(table.name)["constrained_columns"]) == tuple(
            column.name for column in table.primary_key
        )


def test_the_version_that_the_code_names_is_the_newest() -> None:
    assert len(REVISIONS) == SCHEMA_VERSION
    assert REVISIONS[0] == REVISION


def test_a_database_says_whether_it_has_this_schema(empty: Engine) -> None:
    assert not fits(empty)
    migrate(empty)
    assert fits(empty)
    with empty.begin() as connection:
        connection.execute(text("UPDATE mg_schema SET version_num = '9999'"))
    assert fits(empty)  # a newer one, on which code of this one may run, as it says
    for oldest in ("9999", None):
        with empty.begin() as connection:
            connection.execute(
                text("UPDATE mg_schema SET oldest_code = :oldest"), {"oldest": oldest}
            )
        assert not fits(empty)
    with empty.begin() as connection:
        connection.execute(text("DELETE FROM mg_schema"))
    assert not fits(empty)


def test_code_of_the_version_before_may_start_on_a_next_one_that_only_adds(
    empty: Engine, tmp_path: Path
) -> None:
    next_version(tmp_path, oldest_code=REVISION)
    migrate(empty, versions=[tmp_path])
    assert revision(empty) == NEXT
    assert fits(empty)

    migrate(empty, REVISION, versions=[tmp_path])
    assert revision(empty) == REVISION
    assert fits(empty)


def test_code_of_the_version_before_may_not_start_on_a_next_one_that_takes_away(
    empty: Engine, tmp_path: Path
) -> None:
    next_version(tmp_path, oldest_code=NEXT)
    migrate(empty, versions=[tmp_path])
    assert not fits(empty)


def test_every_migration_from_the_third_on_says_which_code_may_run_on_it() -> None:
    for script in ScriptDirectory.from_config(_config()).walk_revisions():
        if script.revision >= "0003":
            assert script.module.oldest_code <= script.revision


def test_tables_of_others_are_left_alone(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE workflow_status (id INTEGER)"))

    migrate(empty)
    migrate(empty, "base")

    assert "workflow_status" in tables(empty)


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE mg_schema SET version_num = '9999'"))

    for to in ("head", "base", REVISIONS[0]):
        with pytest.raises(NeedsHuman, match="the database is at 9999; run the newer version"):
            migrate(engine, to)

    assert tables(engine) == OURS
    assert revision(engine) == "9999"


def test_a_version_that_nobody_knows_is_refused(engine: Engine) -> None:
    with pytest.raises(NeedsHuman, match="migration_failed"):
        migrate(engine, "7777")

    assert tables(engine) == OURS


def test_a_migration_that_fails_leaves_nothing_half_done(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE mg_orders (id INTEGER)"))

    with pytest.raises(Exception, match="already exists"):
        migrate(empty)

    assert tables(empty) == {"mg_orders"}


def test_processes_that_start_together_migrate_once(empty: Engine, empty_database_url: str) -> None:
    engines = [empty, *(open_database(empty_database_url) for _ in range(3))]
    with ThreadPoolExecutor(len(engines)) as pool:
        list(pool.map(migrate, engines))
    for engine in engines:
        engine.dispose()

    assert tables(empty) == OURS


@pytest.fixture
def postgres(postgres_server: PostgresServer, migrated_postgres: str) -> Iterator[Engine]:
    name = f"mg_busy_{uuid4().hex}"
    engine = open_database(postgres_server.create(name, migrated_postgres))
    yield engine
    engine.dispose()
    postgres_server.drop(name)


def test_a_migration_gives_way_to_whoever_works_and_tries_again(
    postgres: Engine, tmp_path: Path
) -> None:
    """It wants all tables; who reads one and then another must not be ended because of that."""
    next_version(tmp_path)
    with ThreadPoolExecutor(1) as pool, postgres.connect() as working:
        working.execute(text("SELECT id FROM mg_refunds"))
        migrating = pool.submit(migrate, postgres, versions=[tmp_path])
        with pytest.raises(TimeoutError):
            migrating.result(1.5)
        working.execute(text("SELECT id FROM mg_tenants FOR UPDATE"))  # a deadlock, if both stayed
        working.commit()
        migrating.result(60)
    assert revision(postgres) == NEXT


def test_tables_that_are_never_free_are_told(
    postgres: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "TRIES", 1)
    next_version(tmp_path)
    with postgres.connect() as working:
        working.execute(text("SELECT id FROM mg_refunds"))
        with pytest.raises(NeedsHuman, match="busy_database"):
            migrate(postgres, versions=[tmp_path])
    assert revision(postgres) == REVISION


def test_what_else_stops_a_migration_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(OperationalError):
        migrate(open_database(f"sqlite:///{tmp_path / 'no' / 'folder'}"))
