"""Connecting: one row per account, secrets kept, nothing half done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from plugin.domain.ids import InstallationId
from plugin.ports import Kind
from plugin.ports.records import Installation, InstallationStatus, Tenant
from plugin.services.connect_platform import (
    AlreadyConnected,
    Connecting,
    ConnectPlatform,
    ConnectRequest,
    NotPossible,
    Started,
)
from plugin.services.key_replacement import offered, without_offer
from plugin.settings import Settings, read_settings
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, a_tenant
from tests.services.connecting_fakes import CountingMint, ToyDeclarations


def settings(folder: Path, **given: str) -> Settings:
    https = {"public_url": "https://refunds.example"}
    named = {"data_dir": str(folder), **https, **given}
    return read_settings({f"MAKEGOOD_{name.upper()}": value for name, value in named.items()})


@dataclass
class Desk:
    """The use case over a real database, with a form of our own."""

    storage: SqlStorage
    tenant: Tenant
    folder: Path
    declarations: ToyDeclarations
    mint: CountingMint = field(default_factory=CountingMint)

    def connect(
        self,
        key: str = "k1",
        shop: str = "acme",
        *,
        installation: str | None = None,
        another: bool = False,
        given: dict[str, str] | None = None,
        extra: dict[str, str] | None = None,
    ) -> Connecting:
        use_case = ConnectPlatform(
            self.storage, self.declarations, self.mint, settings(self.folder, **(given or {}))
        )
        asked = ConnectRequest(
            Kind.STORE,
            "toy",
            {"key": key, "shop": shop, **(extra or {})},
            None if installation is None else InstallationId(installation),
            another,
        )
        return use_case(self.tenant.id, asked, "admin", NOW)

    def started(
        self, key: str = "k1", shop: str = "acme", *, another: bool = False
    ) -> Installation:
        outcome = self.connect(key, shop, another=another)
        assert isinstance(outcome, Started)
        return outcome.installation

    def working(self, installation: Installation) -> Installation:
        """The same after its key opened an account and the platform gave it things to keep."""
        connection = installation.connection
        tested = replace(
            installation,
            connection=replace(
                connection,
                settings={**connection.settings, "account": "toy", "webhook_ref": "hook-1"},
                secrets={**connection.secrets, "webhook_secret_1": "w1"},
            ),
            status=InstallationStatus.CONNECTED,
        )
        with self.storage.begin(self.tenant.id) as uow:
            uow.installations.save(tested)
            uow.commit()
        return tested

    def all(self) -> list[Installation]:
        with self.storage.read(self.tenant.id) as uow:
            return list(uow.installations.all())


@pytest.fixture
def desk(storage: SqlStorage, tenant: Tenant, tmp_path: Path) -> Desk:
    return Desk(storage, tenant, tmp_path, ToyDeclarations())


def test_connecting_keeps_a_row_that_waits_for_its_self_test(desk: Desk) -> None:
    made = desk.started()
    assert desk.all() == [made]
    assert made.status is InstallationStatus.CONNECTING
    assert made.connection.secrets == {"key": "k1"}
    assert made.connection.settings == {"shop": "acme"}
    assert {line.state for line in made.self_test} == {"waiting"}
    assert [line.name for line in made.self_test] == list(desk.declarations.lines)
    assert "k1" not in repr(made)
    with desk.storage.read(desk.tenant.id) as uow:
        assert [entry.action for entry in uow.audit.entries(0, 9)] == ["installation.connecting"]


def test_a_form_that_cannot_be_used_keeps_nothing(desk: Desk) -> None:
    use_case = ConnectPlatform(
        desk.storage, desk.declarations, CountingMint(), settings(desk.folder)
    )
    outcome = use_case(desk.tenant.id, ConnectRequest(Kind.STORE, "toy", {}), "admin", NOW)
    assert outcome == NotPossible("key", "fill in the key")
    assert desk.all() == []


def test_what_was_typed_is_out_of_the_repr() -> None:
    assert "k1" not in repr(ConnectRequest(Kind.STORE, "toy", {"key": "k1"}))


@pytest.mark.parametrize(
    ("key", "shop"), [("k2", "acme"), ("k1", "another-name")], ids=["new key", "same key"]
)
def test_the_same_account_again_replaces_what_we_have(desk: Desk, key: str, shop: str) -> None:
    first = desk.working(desk.started())
    outcome = desk.connect(key, shop, another=True)
    assert isinstance(outcome, Started)
    assert outcome.replaced
    (kept,) = desk.all()
    assert kept.connection.installation == first.connection.installation
    new = offered(kept.connection)
    assert new is not None
    assert new.secrets == {"key": key, "webhook_secret_1": "w1"}
    assert new.settings == {"shop": shop, "account": "toy", "webhook_ref": "hook-1"}


def test_until_a_new_key_was_tried_nothing_of_the_connection_changes(desk: Desk) -> None:
    first = desk.working(desk.started())
    outcome = desk.connect("k2")
    assert isinstance(outcome, Started)
    (kept,) = desk.all()
    assert without_offer(kept.connection) == first.connection
    assert kept.status is InstallationStatus.CONNECTED
    assert "k2" not in repr(kept)


def test_a_connection_without_a_line_that_tries_keys_is_renewed_at_once(desk: Desk) -> None:
    desk.declarations.lines = ("canary",)
    desk.working(desk.started())
    outcome = desk.connect("k2")
    assert isinstance(outcome, Started)
    assert outcome.installation.connection.secrets["key"] == "k2"


def test_another_account_is_asked_about_first(desk: Desk) -> None:
    first = desk.working(desk.started())
    outcome = desk.connect("k2", "other")
    assert outcome == AlreadyConnected("Toy", (first,))
    assert desk.all() == [first]


def test_another_account_stands_beside_the_first_when_said_so(desk: Desk) -> None:
    first = desk.working(desk.started())
    second = desk.started("k2", "other", another=True)
    assert {one.connection.installation for one in desk.all()} == {
        first.connection.installation,
        second.connection.installation,
    }


def test_an_account_that_never_answered_is_simply_tried_again(desk: Desk) -> None:
    first = desk.started("wrong", "wrong")
    outcome = desk.connect("k2", "other")
    assert isinstance(outcome, Started)
    assert outcome.replaced
    assert [one.connection.installation for one in desk.all()] == [first.connection.installation]


def test_a_named_connection_gets_a_new_key(desk: Desk) -> None:
    first = desk.working(desk.started())
    outcome = desk.connect("k2", installation=first.connection.installation)
    assert isinstance(outcome, Started)
    new = offered(outcome.installation.connection)
    assert new is not None
    assert new.secrets["key"] == "k2"


def test_a_named_connection_never_becomes_another_account(desk: Desk) -> None:
    first = desk.working(desk.started())
    outcome = desk.connect("k2", "other", installation=first.connection.installation)
    assert isinstance(outcome, NotPossible)
    assert outcome.field == "installation"
    assert desk.all() == [first]


def test_a_named_connection_must_be_ours(desk: Desk) -> None:
    desk.working(desk.started())
    outcome = desk.connect(installation="of-somebody-else")
    assert outcome == NotPossible("installation", "there is no such connection to Toy")


def test_a_platform_without_keys_and_addresses_is_known_by_its_settings(desk: Desk) -> None:
    desk.declarations.keyless = desk.declarations.addressless = True
    first = desk.started()
    with desk.storage.begin(desk.tenant.id) as uow:
        answered = replace(
            first.connection, settings={**first.connection.settings, "account": "toy"}
        )
        uow.installations.save(replace(first, connection=answered))
        uow.commit()
    outcome = desk.connect(extra={"account": "toy"})
    assert isinstance(outcome, Started)
    assert len(desk.all()) == 1


def test_a_development_address_does_not_outlive_its_form(desk: Desk) -> None:
    first = desk.connect(extra={"base_url": "http://127.0.0.1:9"})
    assert isinstance(first, Started)
    desk.working(first.installation)
    again = desk.connect()
    assert isinstance(again, Started)
    new = offered(again.installation.connection)
    assert new is not None
    assert "base_url" not in new.settings


def test_without_https_a_real_platform_does_not_connect(desk: Desk) -> None:
    outcome = desk.connect(given={"public_url": "http://127.0.0.1:8080"})
    assert isinstance(outcome, NotPossible)
    assert outcome.field == "public_url"
    assert "MAKEGOOD_PUBLIC_URL" in outcome.advice
    assert desk.all() == []


def test_without_https_a_host_on_the_development_list_connects(desk: Desk) -> None:
    given = {"public_url": "http://127.0.0.1:8080", "allow_private_hosts": "toy.example:443"}
    assert isinstance(desk.connect(given=given), Started)


def test_practice_connects_itself_and_takes_no_real_platform(
    desk: Desk, storage: SqlStorage, tenant: Tenant
) -> None:
    practice = replace(a_tenant("practice"), simulated=True)
    storage.add_tenant(practice, NOW)
    desk.declarations.simulated = True
    refused = desk.connect()
    assert isinstance(refused, NotPossible)
    assert refused.field == "platform"
    desk.tenant = practice
    # Its form names a file of this machine: nobody types that from outside.
    assert isinstance(desk.connect(given={"public_url": "http://127.0.0.1:1"}), NotPossible)
    desk.declarations.simulated = False
    assert isinstance(desk.connect("k9"), NotPossible)
