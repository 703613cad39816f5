"""Our page in a toy store's admin: where there is none, whose it is, and new keys that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest

from plugin.domain.errors import InvalidInput
from plugin.ports import Kind
from plugin.ports.connecting import PendingInstall, PendingState
from plugin.ports.embedding import EmbeddedAdmin, Framed, Proven
from plugin.ports.records import Installation, InstallationStatus, Tenant
from plugin.services.connect_platform import ConnectRequest, Started
from plugin.services.key_replacement import ACCOUNT, KEY_WORKS, offered
from plugin.services.open_embedded import UNKNOWN, Opened, OpenEmbedded, Shut
from plugin.services.self_test_lines import WAITING
from plugin.storage.unit_of_work import SqlStorage
from tests.services.connecting_fakes import ToyDeclarations, ToyPlatform, ToyWay, TradingToy
from tests.services.test_pending_install import Bench
from tests.storage_fixtures import FakeClock

GRANT = {"session": "of mirela"}


@dataclass
class ToyAdmin:
    """Its tokens are `shop/person`. Implements `plugin.ports.embedding.EmbeddedAdmin`."""

    grant: Mapping[str, str] = field(default_factory=lambda: GRANT)

    def frame(self, app: str, query: Mapping[str, str]) -> Framed | None:
        raise NotImplementedError

    def account_claimed(self, token: str) -> Mapping[str, str] | None:
        shop, _, person = token.partition("/")
        return {"shop": shop} if person else None

    def prove(
        self, settings: Mapping[str, str], secrets: Mapping[str, str], token: str, now: datetime
    ) -> Proven | None:
        return Proven(token.partition("/")[2], self.grant)


@dataclass
class EmbeddingDeclarations(ToyDeclarations):
    """The toy has an admin of its own, `plain` has none, and nobody declared anything else."""

    admin: ToyAdmin = field(default_factory=ToyAdmin)

    def embedded_admin(self, kind: str, platform: str) -> EmbeddedAdmin | None:
        if platform not in ("toy", "plain"):
            raise InvalidInput("platform", "there is no such platform")
        return self.admin if platform == "toy" else None


@dataclass
class Frame:
    """The use case over the bench of pending installs, whose toy has an admin now."""

    bench: Bench

    def __post_init__(self) -> None:
        self.declarations = EmbeddingDeclarations(way=ToyWay())
        self.bench.declarations = self.declarations

    @property
    def use_case(self) -> OpenEmbedded:
        return OpenEmbedded(self.declarations, self.bench.use_case)

    def open(self, token: str = "acme/mirela", platform: str = "toy") -> Opened | Shut | None:
        return self.use_case(platform, token, self.bench.clock.now)

    def renew(self, opened: Opened) -> Shut | None:
        return self.use_case.renew(opened, self.bench.clock.now())

    def waiting(self) -> PendingInstall:
        pending, _ = self.bench.begin()
        return pending

    def connected(self) -> Installation:
        """A connection whose key opened its account."""
        asked = ConnectRequest(Kind.STORE, "toy", {"shop": "acme", "key": "k1"})
        now = self.bench.clock.now()
        started = self.bench.use_case.connect(self.bench.tenant.id, asked, "admin", now)
        assert isinstance(started, Started)
        made = started.installation
        settings = {**made.connection.settings, ACCOUNT: "toy account"}
        works = replace(
            made,
            connection=replace(made.connection, settings=settings),
            status=InstallationStatus.CONNECTED,
        )
        self.save(works)
        return works

    def save(self, installation: Installation) -> None:
        with self.bench.storage.begin(self.bench.tenant.id) as uow:
            uow.installations.save(installation)
            uow.commit()

    def only(self) -> Installation:
        """The one connection of this tenant, removed or not."""
        [found] = self.bench.storage.find_accounts(Kind.STORE, "toy", {"shop": "acme"})
        return found

    def opened(self) -> Opened:
        found = self.open()
        assert isinstance(found, Opened)
        return found


@pytest.fixture
def frame(storage: SqlStorage, tenant: Tenant, clock: FakeClock, tmp_path: Path) -> Frame:
    return Frame(Bench(storage, tenant, clock, tmp_path, toy=TradingToy()))


# --- what a token opens ---------------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["nobody", "plain"])
def test_a_platform_without_an_admin_of_its_own_has_no_page(frame: Frame, platform: str) -> None:
    pending = frame.waiting()
    frame.connected()
    assert frame.open(platform=platform) is None
    assert frame.bench.kept(pending).state is PendingState.WAITING
    assert frame.bench.toy.calls == []


@pytest.mark.parametrize("token", ["", "acme", "other/mirela"])
def test_a_token_that_names_no_account_of_ours_opens_nothing(frame: Frame, token: str) -> None:
    frame.connected()
    assert frame.open(token) == UNKNOWN
    assert frame.bench.toy.calls == []


def test_a_waiting_install_is_connected_by_who_sits_in_the_stores_admin(frame: Frame) -> None:
    pending = frame.waiting()
    opened = frame.opened()
    assert opened.actor == "toy mirela"
    assert opened.installation == frame.only()
    assert frame.bench.toy.calls == [("trade_grant",), ("probe",)]
    assert frame.bench.connections() == [{"key": "traded"}]
    assert frame.bench.kept(pending).state is PendingState.DONE


# --- new keys -------------------------------------------------------------------------------------


def test_new_keys_wait_beside_the_old_ones_until_they_were_tried(frame: Frame) -> None:
    works = frame.connected()
    assert frame.renew(frame.opened()) is None
    found = frame.only()
    assert found.status is InstallationStatus.CONNECTED
    assert found.connection.secrets["key"] == "k1"
    offer = offered(found.connection)
    assert offer is not None
    assert (offer.secrets["key"], offer.settings["shop"]) == ("traded", "acme")
    assert offer.installation == works.connection.installation
    assert [line.state for line in found.self_test if line.name == KEY_WORKS] == [WAITING]


def test_an_admin_that_gives_no_keys_leaves_those_that_stand(frame: Frame) -> None:
    works = frame.connected()
    frame.declarations.admin.grant = {}
    assert frame.renew(frame.opened()) is None
    assert frame.bench.toy.calls == []
    assert frame.only() == works


def test_a_platform_that_trades_nothing_for_keys_leaves_those_that_stand(frame: Frame) -> None:
    frame.bench.toy = ToyPlatform()
    works = frame.connected()
    assert frame.renew(frame.opened()) is None
    assert frame.bench.toy.calls == []
    assert frame.only() == works


def test_a_key_that_came_after_the_connection_was_removed_is_not_kept(frame: Frame) -> None:
    works = frame.connected()
    opened = frame.opened()
    removed = replace(works, status=InstallationStatus.REMOVED)
    frame.bench.toy.before = lambda _: frame.save(removed)
    shut = frame.renew(opened)
    assert isinstance(shut, Shut)
    assert (shut.status, shut.what) == (409, "The new key was not kept")
    assert "Replace the key in Makegood's settings" in shut.advice
    assert frame.bench.toy.calls == [("trade_grant",)]
    assert frame.only() == removed
    assert frame.open() == UNKNOWN
