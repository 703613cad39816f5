"""Pending installs: kept sealed, moved once, and forgotten after a while."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Engine, insert, select, text

from plugin.domain.ids import InstallationId
from plugin.platforms.token_bucket import Rate
from plugin.ports import Kind
from plugin.ports.connecting import PendingState
from plugin.ports.records import Tenant
from plugin.storage import tables as t
from plugin.storage.budgets import SqlBudgets
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, STORE, a_pending_install, an_installation


def test_a_pending_install_comes_back_as_it_was(
    storage: SqlStorage, tenant: Tenant, engine: Engine
) -> None:
    kept = replace(
        a_pending_install(tenant=tenant.id),
        typed={"client_secret": "s3cret"},
        replaces=InstallationId(STORE),
        another=True,
    )
    with storage.begin(tenant.id) as uow:
        uow.installations.add(an_installation(tenant=tenant.id))
        uow.pending_installs.add(kept)
        uow.commit()
    assert storage.find_pending_install(kept.id) == kept
    assert storage.find_pending_install("another") is None
    with storage.read(tenant.id) as uow:
        assert uow.pending_installs.get(kept.id) == kept
        assert uow.pending_installs.get("another") is None
    with engine.connect() as db:
        assert "s3cret" not in str(db.execute(text("SELECT * FROM mg_pending_installs")).all())


def test_of_two_moves_one_is_made(storage: SqlStorage, tenant: Tenant) -> None:
    waiting = a_pending_install(tenant=tenant.id)
    trying = replace(waiting, state=PendingState.TRYING, changed_at=NOW + timedelta(seconds=9))
    failed = replace(trying, state=PendingState.FAILED, reason="no")
    with storage.begin(tenant.id) as uow:
        uow.pending_installs.add(waiting)
        assert uow.pending_installs.move(PendingState.WAITING, trying)
        assert not uow.pending_installs.move(PendingState.WAITING, trying)
        assert uow.pending_installs.move(PendingState.TRYING, failed)
        uow.commit()
    assert storage.find_pending_install(waiting.id) == failed


def test_those_that_ended_long_ago_go(storage: SqlStorage, tenant: Tenant) -> None:
    with storage.begin(tenant.id) as uow:
        for name, days in (("old", -8), ("young", -6), ("new", 0)):
            until = NOW + timedelta(days=days)
            uow.pending_installs.add(a_pending_install(name, tenant=tenant.id, expires_at=until))
        uow.commit()
    assert storage.find_pending_install("old") is None
    assert storage.find_pending_install("young") is not None


def test_with_them_goes_what_was_counted_under_their_ids(
    storage: SqlStorage, tenant: Tenant, engine: Engine
) -> None:
    for name, days in (("old", -8), ("young", -6)):
        SqlBudgets(engine).budget_for(name, Rate(1, 1, 1)).take()
        with engine.begin() as db:
            db.execute(insert(t.breakers).values(account=name, failures=1))
        with storage.begin(tenant.id) as uow:
            until = NOW + timedelta(days=days)
            uow.pending_installs.add(a_pending_install(name, tenant=tenant.id, expires_at=until))
            uow.commit()
    with storage.begin(tenant.id) as uow:
        uow.pending_installs.add(a_pending_install("new", tenant=tenant.id))
        uow.commit()
    with engine.connect() as db:
        for counted in (t.buckets, t.breakers):
            assert db.execute(select(counted.c.account)).scalars().all() == ["young"]


def test_those_that_wait_are_found_by_their_platform_newest_first(
    storage: SqlStorage, tenant: Tenant
) -> None:
    first = a_pending_install("first", tenant=tenant.id, expires_at=NOW + timedelta(minutes=30))
    second = replace(first, id="second", created_at=NOW + timedelta(minutes=1))
    over = replace(first, id="over", state=PendingState.FAILED)
    elsewhere = replace(first, id="elsewhere", platform="another")
    with storage.begin(tenant.id) as uow:
        for one in (first, second, over, elsewhere):
            uow.pending_installs.add(one)
        uow.commit()
    assert storage.find_waiting_installs(first.kind, first.platform, NOW) == [second, first]
    late = first.expires_at
    assert storage.find_waiting_installs(first.kind, first.platform, late) == []


def test_connections_are_found_by_what_their_settings_hold_and_nothing_like_it(
    storage: SqlStorage, tenant: Tenant
) -> None:
    with storage.begin(tenant.id) as uow:
        for name, shop in (("a", "acme"), ("b", "acme-2"), ("c", "ac%"), ("d", 'x", "shop": "y')):
            one = an_installation(InstallationId(name), tenant=tenant.id)
            settings = {"shop": shop, "note": "acme"}
            connection = replace(one.connection, settings=settings)
            uow.installations.add(replace(one, connection=connection))
        uow.commit()
    platform = an_installation(tenant=tenant.id).connection.platform

    def found(**account: str) -> list[str]:
        accounts = storage.find_accounts(Kind.STORE, platform, account)
        return [one.connection.installation for one in accounts]

    assert found(shop="acme") == ["a"]
    assert found(shop="ac%") == ["c"]
    assert found(shop="y") == []
    assert found(shop="acme", note="acme") == ["a"]
    assert found(shop="acme", note="x") == []
    assert storage.find_accounts(Kind.STORE, "another", {"shop": "acme"}) == []
    assert storage.find_accounts(Kind.HELPDESK, platform, {"shop": "acme"}) == []
