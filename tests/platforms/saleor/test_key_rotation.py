"""The shop changes its key: the sweep fetches the new one, and no delivery ever makes it do so."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine

from plugin.platforms.detached_jws import public_keys
from plugin.ports.records import Tenant
from plugin.services.webhook_secrets import webhook_secrets
from plugin.storage.unit_of_work import SqlStorage
from tests.emptied_postgres import emptied_postgres, engine
from tests.platforms.saleor.deliveries import event_of
from tests.platforms.saleor.fake import TOKEN, FakeSaleor
from tests.platforms.saleor.signing import a_key, encoded, header_of, key_set, public, signed
from tests.platforms.swept import SweptShop
from tests.storage_fixtures import FakeClock
from tests.webhooks.door import Door

__all__ = ["emptied_postgres", "engine"]
JWKS = "/.well-known/jwks.json"


def publish(fake: FakeSaleor, *kids: str) -> None:
    """A key for each id; the key of `new` under the id of `old` is `new:old`."""
    keys = [public(a_key(kid.partition(":")[0]), kid.rpartition(":")[2]) for kid in kids]
    fake.keys = json.loads(key_set(*keys))


@pytest.fixture
def shop(
    fake: FakeSaleor, storage: SqlStorage, engine: Engine, tenant: Tenant, clock: FakeClock
) -> SweptShop:
    publish(fake, "old")
    found = SweptShop(Door(storage, engine, tenant, clock), "saleor", fake.place)
    found.connect({"host": "ada.example.com", "base_url": fake.url}, {"app_token": TOKEN})
    return found


def post(shop: SweptShop, fake: FakeSaleor, key: str, kid: str = "", **changed: object) -> int:
    order = fake.books.order(fake.books.sell(4900)["order"])
    body = json.dumps(event_of(fake, "OrderFullyPaid", order=order)).encode()
    headers = {"Saleor-Signature": signed(a_key(key), header_of(kid or key, **changed), body)}
    return shop.post(body, headers).status


def held(shop: SweptShop) -> list[str]:
    """The ids of all keys that prove a delivery."""
    sets = webhook_secrets(shop.installation().connection.secrets)
    return [kid for one in sets for kid in public_keys(one.encode())]


def fetched(fake: FakeSaleor) -> int:
    return fake.paths.count(JWKS)


def test_a_changed_key_is_fetched_by_the_next_sweep(shop: SweptShop, fake: FakeSaleor) -> None:
    assert post(shop, fake, "old") == 200
    publish(fake, "new")
    assert post(shop, fake, "new") == 401
    assert not shop.sweep().reason
    assert post(shop, fake, "new") == 200
    assert held(shop) == ["new"]
    assert "installation.webhook_keys_renewed" in shop.audited()


def test_a_key_that_was_withdrawn_proves_nothing_any_more(
    shop: SweptShop, fake: FakeSaleor
) -> None:
    publish(fake, "old", "new")
    shop.sweep()
    assert (post(shop, fake, "old"), post(shop, fake, "new")) == (200, 200)
    publish(fake, "new")
    shop.sweep()
    assert held(shop) == ["new"]
    assert post(shop, fake, "new") == 200


def test_another_key_under_the_id_of_the_one_before_is_fetched_too(
    shop: SweptShop, fake: FakeSaleor
) -> None:
    publish(fake, "new:old")
    assert post(shop, fake, "new", "old") == 401
    shop.sweep()
    assert post(shop, fake, "new", "old") == 200


def test_what_was_turned_away_meanwhile_is_read_from_the_orders(
    shop: SweptShop, fake: FakeSaleor
) -> None:
    publish(fake, "new")
    assert post(shop, fake, "new") == 401
    for order in fake.books.orders.values():
        order["updatedAt"] = shop.door.clock.now().isoformat()
    swept = shop.sweep()
    assert (swept.read, swept.taken_in) == (1, 1)
    [stored] = shop.door.stored()
    assert (stored.topic, stored.reason) == ("order_updated", "no webhook brought it")


@pytest.mark.parametrize("changed", [{}, {"jku": "http://127.0.0.1:9/jwks.json"}])
def test_a_flood_of_foreign_keys_makes_no_call_and_no_write(
    shop: SweptShop, fake: FakeSaleor, changed: dict[str, object]
) -> None:
    before = list(fake.paths)
    with shop.door.writes() as writes:
        for number in range(300):
            kid = f"foreign-{number % 100}"
            signature = f"{encoded(json.dumps(header_of(kid, **changed)).encode())}..AAAA"
            assert shop.post(b"{}", {"Saleor-Signature": signature}).status == 401
        assert post(shop, fake, "foreign", "old") == 401
    assert writes == []
    assert fake.paths == before
    shop.sweep()
    assert fetched(fake) == before.count(JWKS) + 1


def test_one_sweep_fetches_once_and_keeps_what_is_the_same(
    shop: SweptShop, fake: FakeSaleor
) -> None:
    shop.sweep()  # what connecting kept beside the keys goes
    before = shop.installation(), fetched(fake)
    shop.sweep()
    assert (shop.installation(), fetched(fake)) == (before[0], before[1] + 1)


@pytest.mark.parametrize("told", [{"keys": []}, {}, {"keys": [{"kty": "oct", "kid": "x"}]}])
def test_keys_that_cannot_be_used_take_nobodys_place(
    shop: SweptShop, fake: FakeSaleor, told: dict[str, object]
) -> None:
    fake.keys = told
    assert not shop.sweep().reason
    assert "old" in held(shop)
    assert post(shop, fake, "old") == 200
