"""Finishing: the ids of our app at a platform, read once it is installed there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.errors import Refused
from plugin.domain.ids import InstallationId
from plugin.ports.records import InstallationStatus, Tenant
from plugin.services.finish_install import Finished, FinishInstall, NotFinished
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, STORE, an_installation
from tests.services.connecting_fakes import ToyPlatform, ToyPlatforms


@pytest.fixture
def toy(storage: SqlStorage, tenant: Tenant) -> ToyPlatform:
    with storage.begin(tenant.id) as uow:
        uow.installations.add(an_installation())
        uow.commit()
    return ToyPlatform()


def _finish(storage: SqlStorage, tenant: Tenant, toy: object, ref: str = STORE) -> object:
    use_case = FinishInstall(storage, ToyPlatforms(toy))
    return use_case(tenant.id, InstallationId(ref), "admin", NOW)


def test_finishing_keeps_the_ids(storage: SqlStorage, tenant: Tenant, toy: ToyPlatform) -> None:
    outcome = _finish(storage, tenant, toy)
    assert isinstance(outcome, Finished)
    with storage.read(tenant.id) as uow:
        kept = uow.installations.get(STORE)
        trail = uow.audit.entries(0, 9)
    assert kept == outcome.installation
    assert kept.connection.settings == {
        "account": "test",
        "app_id": "7",
        "app_installation_id": "8",
    }
    assert trail[0].details == {"app_id": "7", "app_installation_id": "8"}


def test_what_is_missing_is_said(storage: SqlStorage, tenant: Tenant, toy: ToyPlatform) -> None:
    toy.faults["finish"] = Refused("app_not_installed", "upload the packaged app first")
    assert _finish(storage, tenant, toy) == NotFinished(
        "app_not_installed",
        "Toy refused: upload the packaged app first. Mend it there, then test again",
    )


def test_not_every_platform_has_a_second_step(
    storage: SqlStorage, tenant: Tenant, toy: ToyPlatform
) -> None:
    outcome = _finish(storage, tenant, object())
    assert outcome == NotFinished("nothing_to_finish", "Toy needs no second step")


def test_there_must_be_such_a_connection(
    storage: SqlStorage, tenant: Tenant, toy: ToyPlatform
) -> None:
    outcome = _finish(storage, tenant, toy, "none")
    assert isinstance(outcome, NotFinished)
    assert outcome.code == "no_such_installation"


def test_a_connection_that_was_removed_meanwhile_is_not_finished(
    storage: SqlStorage, tenant: Tenant, toy: ToyPlatform
) -> None:
    def remove(call: str) -> None:
        with storage.begin(tenant.id) as uow:
            found = uow.installations.get(STORE)
            assert found is not None
            uow.installations.save(replace(found, status=InstallationStatus.REMOVED))
            uow.commit()

    toy.before = remove
    outcome = _finish(storage, tenant, toy)
    assert isinstance(outcome, NotFinished)
    assert outcome.code == "no_such_installation"
