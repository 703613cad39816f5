"""Expiring offline tokens: had once, renewed before their end by one process, and never lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.ports import Connection
from plugin.ports.connecting import TradesGrant
from plugin.ports.keys import RenewsKeys, Secrets
from plugin.ports.records import Installation, InstallationStatus, SelfTestLine, Tenant
from plugin.services.key_replacement import KEY_WORKS
from plugin.services.renew_keys import LEASE, RenewKeys
from plugin.services.self_test_lines import FAILED, OK
from plugin.storage.unit_of_work import SqlStorage
from plugin.stores.shopify import ShopifyStore
from tests.platforms.shopify.conftest import NOW, client_to, connection_to
from tests.platforms.shopify.fake import FakeShopify
from tests.platforms.shopify.grants import APP, SECRET, session_token
from tests.storage_fixtures import FakeClock


def connection(fake: FakeShopify, tenant: Tenant, **secrets: str) -> Connection:
    bare = connection_to(fake.url, secret=SECRET)
    return replace(
        bare,
        tenant=tenant.id,
        settings={**bare.settings, "client_id": APP},
        secrets={**bare.secrets, **secrets},
    )


def adapter(kept: Connection, fake: FakeShopify, clock: FakeClock) -> ShopifyStore:
    return ShopifyStore(kept, client_to(fake.place), clock)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def tokens(fake: FakeShopify, tenant: Tenant, clock: FakeClock) -> Secrets:
    """Had for a session token."""
    asked = connection(fake, tenant, session_token=session_token(clock.now()))
    return adapter(asked, fake, clock).trade_grant()


@pytest.fixture
def kept(
    fake: FakeShopify, storage: SqlStorage, tenant: Tenant, tokens: Secrets, clock: FakeClock
) -> Connection:
    one = connection(fake, tenant, **tokens)
    line = SelfTestLine(KEY_WORKS, OK)
    with storage.begin(tenant.id) as uow:
        uow.installations.add(Installation(one, InstallationStatus.CONNECTED, clock.now(), (line,)))
        uow.commit()
    return one


@pytest.fixture
def shelf(storage: SqlStorage, clock: FakeClock) -> RenewKeys:
    return RenewKeys(storage, clock, lambda _: "Shopify")


def stored(storage: SqlStorage, one: Connection) -> Installation:
    with storage.read(one.tenant) as uow:
        found = uow.installations.get(one.installation)
    assert found is not None
    return found


def using(
    storage: SqlStorage, one: Connection, fake: FakeShopify, clock: FakeClock, shelf: RenewKeys
) -> ShopifyStore:
    """The adapter as a process makes it, of the row as it stands."""
    store = adapter(stored(storage, one).connection, fake, clock)
    assert isinstance(store, RenewsKeys)
    store.use_shelf(shelf)
    return store


def test_a_session_token_is_traded_for_tokens_that_end(
    fake: FakeShopify, tokens: Secrets, clock: FakeClock, tenant: Tenant
) -> None:
    assert dict(tokens) == {
        "access_token": "shpat_offline_1",
        "token_ends": (clock.now() + timedelta(hours=1)).isoformat(),
        "refresh_token": "shprt_1",
        "token_app": APP,
    }
    assert isinstance(adapter(connection(fake, tenant), fake, clock), TradesGrant)
    bent = connection(fake, tenant, session_token=session_token(clock.now(), secret="z" * 40))
    with pytest.raises(Refused) as caught:
        adapter(bent, fake, clock).trade_grant()
    assert (caught.value.code, caught.value.detail) == ("key_refused", "invalid_subject_token")


def test_a_token_is_used_until_ten_minutes_before_its_end_and_then_renewed(
    fake: FakeShopify, storage: SqlStorage, kept: Connection, clock: FakeClock, shelf: RenewKeys
) -> None:
    clock.advance(minutes=49, seconds=59)
    using(storage, kept, fake, clock, shelf).probe()
    assert fake.grants.made == 1
    clock.advance(seconds=1)
    using(storage, kept, fake, clock, shelf).probe()
    secrets = stored(storage, kept).connection.secrets
    assert (secrets["access_token"], secrets["refresh_token"]) == ("shpat_offline_2", "shprt_2")
    assert secrets["client_secret"] == SECRET
    using(storage, kept, fake, clock, shelf).probe()
    assert fake.grants.made == 2
    assert fake.calls[-1][1]["X-Shopify-Access-Token"] == "shpat_offline_2"


def test_of_many_that_find_it_ended_one_renews(
    fake: FakeShopify, storage: SqlStorage, kept: Connection, clock: FakeClock, shelf: RenewKeys
) -> None:
    clock.advance(minutes=55)
    stores = [using(storage, kept, fake, clock, shelf) for _ in range(6)]
    together = threading.Barrier(len(stores))
    faults: list[Exception] = []

    def work(store: ShopifyStore) -> None:
        together.wait()
        try:
            store.probe()
        except Exception as error:  # noqa: BLE001 - told below, in the test's own thread
            faults.append(error)

    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The fake takes the newest alone: who still had the old one is refused, and has it renewed.
    assert [str(one.args[0]) for one in faults if not isinstance(one, Refused)] == []
    assert fake.grants.made == 2
    assert fake.grants.refresh == ["shprt_1", "shprt_2"]


def test_while_somebody_renews_the_old_one_goes_on_and_an_ended_one_waits(
    fake: FakeShopify, storage: SqlStorage, kept: Connection, clock: FakeClock, shelf: RenewKeys
) -> None:
    clock.advance(minutes=55)
    slow = using(storage, kept, fake, clock, shelf)
    renewing(storage, kept, clock.now())
    slow.probe()
    assert (fake.grants.made, fake.calls[-1][1]["X-Shopify-Access-Token"]) == (1, fake.token)
    clock.advance(minutes=4)
    renewing(storage, kept, clock.now())
    with pytest.raises(RetryLater) as caught:
        using(storage, kept, fake, clock, shelf).probe()
    assert (caught.value.code, caught.value.after_seconds) == ("key_being_renewed", 2)
    # Who left it behind has ended: the next one renews.
    clock.advance(seconds=LEASE.total_seconds())
    using(storage, kept, fake, clock, shelf).probe()
    assert fake.grants.made == 2


def renewing(storage: SqlStorage, one: Connection, at: datetime) -> None:
    """As another process leaves the row while it asks."""
    found = stored(storage, one)
    settings = {**found.connection.settings, "keys_claimed_at": at.isoformat()}
    with storage.begin(one.tenant) as uow:
        uow.installations.save(
            replace(found, connection=replace(found.connection, settings=settings))
        )
        uow.commit()


def test_an_answer_that_was_lost_loses_no_token(
    fake: FakeShopify, storage: SqlStorage, kept: Connection, clock: FakeClock, shelf: RenewKeys
) -> None:
    clock.advance(minutes=55)
    with pytest.raises(OutcomeUnknown):
        shelf.renewed(stored(storage, kept).connection, lambda _: True, lost(fake))
    using(storage, kept, fake, clock, shelf).probe()
    assert stored(storage, kept).connection.secrets["refresh_token"] == "shprt_3"


def lost(fake: FakeShopify) -> Callable[[Secrets], Secrets]:
    """Shopify did renew, and nobody heard of it."""

    def renew(secrets: Secrets) -> Secrets:
        asked = {"client_id": APP, "client_secret": SECRET, "grant_type": "refresh_token"}
        fake.grants.answer({**asked, "refresh_token": secrets["refresh_token"]})
        raise OutcomeUnknown("no_answer")

    return renew


def test_when_shopify_does_not_answer_a_token_that_lives_is_used(
    fake: FakeShopify, storage: SqlStorage, kept: Connection, clock: FakeClock, shelf: RenewKeys
) -> None:
    clock.advance(minutes=55)
    fake.fail("unavailable", on="grant")
    using(storage, kept, fake, clock, shelf).probe()
    assert stored(storage, kept).status is InstallationStatus.CONNECTED
    clock.advance(minutes=4)
    fake.fail("unavailable", on="grant")
    with pytest.raises(RetryLater):
        using(storage, kept, fake, clock, shelf).probe()
    using(storage, kept, fake, clock, shelf).probe()


def test_tokens_that_were_revoked_show_as_a_key_that_fails(
    fake: FakeShopify, storage: SqlStorage, kept: Connection, clock: FakeClock, shelf: RenewKeys
) -> None:
    fake.grants.revoked = True
    fake.token = "another"
    with pytest.raises(Refused) as caught:
        using(storage, kept, fake, clock, shelf).probe()
    assert caught.value.code == "key_refused"
    found = stored(storage, kept)
    assert found.status is InstallationStatus.NEEDS_ATTENTION
    [line] = found.self_test
    assert (line.name, line.state) == (KEY_WORKS, FAILED)
    assert "Shopify refused: invalid_grant" in line.details
    assert "shprt" not in line.details


def test_a_token_that_is_refused_before_its_end_is_renewed(
    fake: FakeShopify, storage: SqlStorage, kept: Connection, clock: FakeClock, shelf: RenewKeys
) -> None:
    fake.fail("unauthorised", on="ReadAccount")
    store = using(storage, kept, fake, clock, shelf)
    with pytest.raises(Refused):
        store.probe()
    store.probe()
    assert fake.grants.made == 2


def test_nothing_is_renewed_for_a_shop_that_left(
    fake: FakeShopify, storage: SqlStorage, kept: Connection, clock: FakeClock, shelf: RenewKeys
) -> None:
    found = stored(storage, kept)
    with storage.begin(kept.tenant) as uow:
        uow.installations.save(replace(found, status=InstallationStatus.REMOVED))
        uow.commit()
    clock.advance(hours=2)
    before = len(fake.calls)
    with pytest.raises(Refused):
        using(storage, kept, fake, clock, shelf).probe()
    assert len(fake.calls) == before


def test_tokens_of_another_app_are_not_used(
    fake: FakeShopify, kept: Connection, clock: FakeClock
) -> None:
    fake.credentials = ("another-app", SECRET)
    other = replace(kept, settings={**kept.settings, "client_id": "another-app"})
    fake.token = "shpat_1"
    adapter(other, fake, clock).probe()
    assert [name for name, _, _ in fake.calls[-2:]] == ["token", "ReadAccount"]


def test_without_a_shelf_a_token_that_ended_waits(
    fake: FakeShopify, kept: Connection, clock: FakeClock
) -> None:
    clock.advance(hours=2)
    with pytest.raises(RetryLater):
        adapter(kept, fake, clock).probe()
    odd = replace(kept, secrets={**kept.secrets, "token_ends": "soon"})
    with pytest.raises(RetryLater):
        adapter(odd, fake, clock).probe()


def test_keys_that_somebody_else_renewed_meanwhile_stay(
    storage: SqlStorage, kept: Connection, clock: FakeClock, shelf: RenewKeys
) -> None:
    def overtaken(_: Secrets) -> Secrets:
        renewing(storage, kept, clock.now() + LEASE)
        return {"access_token": "late"}

    assert shelf.renewed(kept, lambda _: True, overtaken) == {"access_token": "late"}
    assert stored(storage, kept).connection.secrets["access_token"] == "shpat_offline_1"
