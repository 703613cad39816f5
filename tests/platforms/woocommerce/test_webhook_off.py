"""The shop switches our webhook off: the sweep sees it, makes it anew, and reads what it missed."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta
from hashlib import sha256
from hmac import digest
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine

from plugin.ports.records import InstallationStatus, Tenant
from plugin.services.health import Credential, Standing
from plugin.services.look_at_health import MADE_ANEW_SHOWN
from plugin.storage.unit_of_work import SqlStorage
from tests.emptied_postgres import emptied_postgres, engine
from tests.platforms.swept import SweptShop
from tests.platforms.woocommerce.fake import KEY, SECRET, FakeShop
from tests.storage_fixtures import FakeClock
from tests.webhooks.door import Door
from webhooks.listeners import PINGED_WITHIN

__all__ = ["emptied_postgres", "engine"]


@pytest.fixture
def shop(
    fake: FakeShop, storage: SqlStorage, engine: Engine, tenant: Tenant, clock: FakeClock
) -> SweptShop:
    fake.books.now = clock.now().replace(tzinfo=None)
    found = SweptShop(Door(storage, engine, tenant, clock), "woocommerce", fake.place)
    settings = {"shop": "shop.example", "base_url": fake.url}
    found.connect(settings, {"consumer_key": KEY, "consumer_secret": SECRET})
    return found


def switch_off(shop: SweptShop, fake: FakeShop) -> None:
    """As the shop does by itself after more than five failures."""
    fake.books.webhooks[int(shop.webhook_ref())]["status"] = "disabled"


def delivered(shop: SweptShop, fake: FakeShop) -> int:
    """What our door answers to the webhook that the shop has now."""
    [hook] = [one for one in fake.books.webhooks.values() if one["status"] == "active"]
    assert hook["delivery_url"] == "https://refunds.example/webhooks/woocommerce/swept-1"
    body = b'{"id":727}'
    mark = b64encode(digest(hook["secret"].encode(), body, sha256)).decode()
    headers = {"X-WC-Webhook-Signature": mark, "X-WC-Webhook-Topic": "order.updated"}
    return shop.post(body, headers).status


def writes(fake: FakeShop) -> list[str]:
    return [f"{method} {path}" for method, path in fake.calls if method != "GET"]


def test_the_shops_try_of_a_webhook_that_is_being_made_is_thanked_for_and_no_other(
    shop: SweptShop, fake: FakeShop
) -> None:
    """It comes before the shop answers us: of which webhook it is, we cannot know yet."""
    told = []

    def try_out(url: str, form: bytes) -> None:
        told.append(shop.door.call(urlsplit(url).path, form).status)

    fake.try_out = try_out
    shop.door.clock.advance(seconds=PINGED_WITHIN.total_seconds())
    form = f"webhook_id={shop.webhook_ref()}".encode()
    assert shop.post(form, {}).status == 401
    switch_off(shop, fake)
    shop.sweep()
    assert told == [200]
    assert shop.door.stored() == []


def test_a_webhook_that_stands_is_looked_at_by_one_call_and_left(
    shop: SweptShop, fake: FakeShop
) -> None:
    ref = shop.webhook_ref()
    fake.calls.clear()
    shop.sweep()
    looks = [path for _, path in fake.calls if "/webhooks" in path]
    assert looks == [f"/webhooks?include={ref}&per_page=100"]
    assert writes(fake) == []
    assert shop.webhook_ref() == ref


@pytest.mark.parametrize("gone", [True, False])
def test_one_that_was_switched_off_or_removed_is_made_anew(
    shop: SweptShop, fake: FakeShop, *, gone: bool
) -> None:
    before = shop.webhook_ref()
    if gone:
        del fake.books.webhooks[int(before)]
    else:
        switch_off(shop, fake)
    assert not shop.sweep().reason
    assert shop.webhook_ref() != before
    assert [str(ref) for ref in fake.books.webhooks] == [shop.webhook_ref()]
    assert delivered(shop, fake) == 200
    assert shop.webhook_line().state == "ok"
    assert shop.installation().status is InstallationStatus.CONNECTED
    assert "installation.webhook_made_anew" in shop.audited()
    fake.calls.clear()
    shop.sweep()
    assert writes(fake) == []


def test_what_happened_since_before_it_was_switched_off_is_read(
    shop: SweptShop, fake: FakeShop
) -> None:
    """Also what the shop's five failed deliveries would have said, and nothing twice."""
    shop.sweep()
    fake.books.now = shop.door.clock.now().replace(tzinfo=None) + timedelta(minutes=1)
    order = fake.books.sell(("49.00", "0"))  # its delivery fails
    fake.books.advance(60)
    switch_off(shop, fake)
    fake.books.refund(order["id"], {"amount": "9.00", "reason": "", "api_refund": True})
    fake.books.advance(60)
    missed = fake.books.sell(("20.00", "0"))
    swept = shop.sweep()
    assert (swept.read, swept.taken_in) == (2, 2)
    told = [one.body.decode() for one in shop.door.stored()]
    for one in (order, missed):
        assert any(f'"id":{one["id"]},' in body for body in told)
    assert shop.sweep().taken_in == 0


def test_the_health_page_says_so_for_a_week(shop: SweptShop, fake: FakeShop) -> None:
    switch_off(shop, fake)
    assert shop.health().made_anew_at is None
    shop.sweep()
    found = shop.health()
    assert found.credentials == (Credential.WEBHOOK_MADE_ANEW,)
    assert found.standing is Standing.WELL
    assert (found.made_anew_at, found.reads_news) == (shop.door.clock.now(), True)
    shop.door.clock.advance(seconds=MADE_ANEW_SHOWN.total_seconds())
    assert shop.health().credentials == ()


def test_where_the_shop_refuses_a_new_one_a_person_is_told_and_every_sweep_tries(
    shop: SweptShop, fake: FakeShop
) -> None:
    switch_off(shop, fake)
    fake.key_state = "read_only"
    assert not shop.sweep().reason, "the news are read all the same"
    assert shop.webhook_line().state == "failed"
    assert shop.health().standing is Standing.NEEDS_ATTENTION
    assert Credential.WEBHOOK_OFF in shop.health().credentials
    fake.key_state = "good"
    shop.sweep()
    assert shop.webhook_line().state == "ok"
    assert shop.installation().status is InstallationStatus.CONNECTED
    assert delivered(shop, fake) == 200


def test_a_shop_that_does_not_answer_changes_nothing(shop: SweptShop, fake: FakeShop) -> None:
    before = shop.installation()
    fake.key_state = "gone"
    assert shop.sweep().reason == "key_refused"
    assert shop.installation() == before
