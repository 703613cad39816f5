"""The client secret's tokens: had once a day, tried anew where one is refused, and never shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.errors import Refused
from plugin.domain.ids import InstallationId
from plugin.domain.money import Money
from plugin.domain.refunds import Succeeded
from plugin.ports import OrderQuery
from plugin.stores.shopify import ShopifyStore
from plugin.stores.shopify.kept_tokens import KEPT, KeptTokens, place_of
from tests.contracts.money import a_refund
from tests.platforms.shopify.conftest import (
    NOW,
    MovingClock,
    client_to,
    connection_to,
    store_at,
)
from tests.platforms.shopify.fake import FakeShopify
from tests.platforms.shopify.test_money import first_payment

ADA = OrderQuery(("ada@example.com",))


def names(fake: FakeShopify) -> Sequence[str]:
    """The calls since it was asked last."""
    told = [name for name, _, _ in fake.calls]
    fake.calls.clear()
    return told


def test_all_work_of_a_day_shares_one_token(fake: FakeShopify) -> None:
    clock = MovingClock()
    store_at(fake.url, clock=clock).find_orders(ADA)
    assert fake.named("token") == [
        {
            "grant_type": "client_credentials",
            "client_id": "client-1",
            "client_secret": "shpss_made_up",
        }
    ]
    assert names(fake) == ["token", "FindOrders"]
    clock.at += timedelta(seconds=fake.lives - 121)
    store_at(fake.url, clock=clock).find_orders(ADA)
    assert names(fake) == ["FindOrders"]
    clock.at += timedelta(seconds=1)  # two minutes before its end
    fake.token = "shpat_2"
    store_at(fake.url, clock=clock).find_orders(ADA)
    headers = fake.calls[-1][1]
    assert names(fake) == ["token", "FindOrders"]
    assert headers["X-Shopify-Access-Token"] == "shpat_2"
    assert "shpss" not in str(headers)


def test_another_secret_or_connection_has_a_token_of_its_own(fake: FakeShopify) -> None:
    store_at(fake.url).find_orders(ADA)
    fake.credentials = ("client-1", "shpss_another")
    store_at(fake.url, secret="shpss_another").find_orders(ADA)
    assert names(fake) == ["token", "FindOrders"] * 2
    kept = connection_to(fake.url, secret="shpss_another")
    beside = replace(kept, installation=InstallationId("inst-2"))
    ShopifyStore(beside, client_to(fake.place), MovingClock()).find_orders(ADA)
    assert names(fake) == ["token", "FindOrders"]
    # Who has no key of the shop has no token of it, whatever is kept.
    fake.credentials = ("client-1", "shpss_a_third")
    with pytest.raises(Refused, match="key_refused"):
        store_at(fake.url, secret="shpss_wrong").find_orders(ADA)


def test_a_kept_token_that_is_refused_is_forgotten_and_had_anew(fake: FakeShopify) -> None:
    store_at(fake.url).find_orders(ADA)
    fake.token = "shpat_2"
    names(fake)
    store_at(fake.url).find_orders(ADA)
    assert names(fake) == ["FindOrders", "token", "FindOrders"]
    store_at(fake.url).find_orders(ADA)
    assert names(fake) == ["FindOrders"]


def test_a_new_token_that_is_refused_is_the_answer_and_is_not_kept(fake: FakeShopify) -> None:
    store_at(fake.url).find_orders(ADA)
    fake.key_state = "gone"
    names(fake)
    with pytest.raises(Refused, match="key_refused"):
        store_at(fake.url).find_orders(ADA)
    assert names(fake) == ["FindOrders", "token", "FindOrders"]
    with pytest.raises(Refused, match="key_refused"):
        store_at(fake.url).find_orders(ADA)
    assert names(fake) == ["token", "FindOrders"]


@pytest.mark.parametrize("fault", ["unauthorised", "denied"])
def test_a_refund_whose_token_is_refused_is_made_once_with_a_new_one(
    fake: FakeShopify, fault: str
) -> None:
    """A right that was given since the token was had is had with the next one alone."""
    sold = fake.books.sell(Money(1500, "EUR"))
    store_at(fake.url).find_orders(ADA)
    names(fake)
    fake.fail(fault, on="CreateRefund")
    answer = store_at(fake.url).refund(a_refund(first_payment(sold), 1500))
    assert isinstance(answer, Succeeded)
    assert names(fake) == ["RefundState", "CreateRefund", "token", "CreateRefund"]
    assert len(sold["refunds"]) == 1


def test_what_tries_the_keys_uses_no_token_of_before(fake: FakeShopify) -> None:
    store_at(fake.url).find_orders(ADA)
    names(fake)
    store_at(fake.url).check_rights()
    store_at(fake.url).probe()
    assert names(fake) == ["token", "ReadAccount", "FindOrders", "token", "ReadAccount"]
    fake.credentials = ("client-1", "shpss_replaced_there")
    with pytest.raises(Refused, match="key_refused"):
        store_at(fake.url).probe()


def test_a_token_that_somebody_had_since_stays() -> None:
    kept, place = KeptTokens(), place_of(["inst-1", "secret"])
    kept.keep(place, "old", NOW + timedelta(seconds=1))
    kept.keep(place, "new", NOW + timedelta(seconds=1))
    kept.drop(place, "old")
    assert kept.living(place, NOW) == "new"
    assert kept.living(place, NOW + timedelta(seconds=1)) is None
    kept.drop(place, "new")
    assert kept.living(place, NOW) is None


def test_so_many_places_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugin.stores.shopify.kept_tokens._MOST", 2)
    kept = KeptTokens()
    for place in ("a", "b", "c"):
        kept.keep(place, "token", NOW + timedelta(seconds=1))
    assert [kept.living(place, NOW) for place in ("a", "b", "c")] == [None, None, "token"]


def test_neither_tokens_nor_keys_are_shown(
    fake: FakeShopify, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    store_at(fake.url).find_orders(ADA)
    assert "shpss_made_up" not in str(KEPT._tokens)
    assert fake.token not in f"{KEPT!r} {caplog.text}"
