"""Connecting a shop: which addresses are called at all, tokens, rights, webhooks."""

from __future__ import annotations

import pytest

from plugin.domain.errors import InvalidInput, MakegoodError, Refused, RetryLater
from plugin.domain.money import Money
from plugin.platforms.http_client import AllowedHosts, HttpClient
from plugin.ports import Changed, OrderQuery
from plugin.services.self_test_lines import advice_for
from plugin.stores.shopify import ShopifyStore
from plugin.stores.shopify.account import base_url, manifest
from tests.contracts.money import a_refund
from tests.platforms.shopify.conftest import (
    INSTALLATION,
    MovingClock,
    client_to,
    connection_to,
    store_at,
)
from tests.platforms.shopify.fake import FakeShopify
from tests.platforms.shopify.test_money import first_payment

HOOK = f"https://refunds.example/webhooks/shopify/{INSTALLATION}"
HOSTILE = [
    "evil.example",
    "acme.myshopify.com",
    "acme.myshopify.com.evil.example",
    "evil.example/",
    "evil.example#",
    "evil.example?",
    "user@evil",
    "acme:80",
    "-acme",
    "acme_",
    "127.0.0.1",
    "[::1]",
    "acme\\evil",
    "acme%2eevil",
    "аcme",
    "a" * 64,
    "",
    "acme evil",
]


@pytest.mark.parametrize("shop", HOSTILE)
def test_a_shop_that_is_no_name_of_one_is_refused_by_the_form(shop: str) -> None:
    with pytest.raises(InvalidInput):
        manifest().read_form({"shop": shop, "client_id": "c", "client_secret": "s"})


@pytest.mark.parametrize("shop", [*HOSTILE, "acme\n"])
def test_and_where_it_is_kept_all_the_same_no_call_leaves_the_shops_domain(
    fake: FakeShopify, shop: str
) -> None:
    settings = {"shop": shop, "client_id": "client-1"}
    connection = connection_to(fake.url)
    kept = type(connection)(
        connection.tenant,
        connection.installation,
        connection.kind,
        connection.platform,
        connection.label,
        settings,
        connection.secrets,
    )
    tried: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        tried.append(f"{host}:{port}")
        return []

    http = HttpClient(
        allowed=AllowedHosts(frozenset({"acme.myshopify.com:443"})),
        clock=MovingClock(),
        resolver=resolver,
    )
    with pytest.raises(MakegoodError):
        ShopifyStore(kept, http, MovingClock()).probe()
    assert tried == []
    assert fake.calls == []


def test_the_form_takes_the_name_before_the_first_dot() -> None:
    typed = {"shop": " Acme-1 ", "client_id": "c", "client_secret": "s"}
    form = manifest().read_form(typed)
    connection = connection_to("")
    kept = type(connection)(
        connection.tenant,
        connection.installation,
        connection.kind,
        connection.platform,
        connection.label,
        form,
        connection.secrets,
    )
    assert base_url(kept) == "https://acme-1.myshopify.com"


def test_a_wrong_secret_is_refused_with_shopifys_word_for_it(fake: FakeShopify) -> None:
    with pytest.raises(Refused) as caught:
        store_at(fake.url, secret="wrong").probe()
    assert (caught.value.code, caught.value.detail) == (
        "key_refused",
        "application_cannot_be_found",
    )


def test_the_token_may_come_from_elsewhere(fake: FakeShopify) -> None:
    class Given:
        def token(self) -> str:
            return "shpat_1"

        def refused(self, code: str) -> bool:
            raise AssertionError(code)

        def begin_anew(self) -> None:
            """It is the only one."""

    http = client_to(fake.place)
    ShopifyStore(connection_to(fake.url), http, MovingClock(), Given()).probe()
    assert [name for name, _, _ in fake.calls] == ["ReadAccount"]


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"[]",
        b'{"access_token": "x"}',
        b'{"access_token": "x", "expires_in": 0}',
        b'{"access_token": "x", "expires_in": 99999999999}',
        b'{"access_token": " ", "expires_in": 60}',
    ],
)
def test_an_odd_answer_of_the_token_address_is_asked_for_again(answer: bytes) -> None:
    with _Odd(200, answer) as odd, pytest.raises(RetryLater):
        store_at(odd.url).probe()


@pytest.mark.parametrize(
    ("status", "answer", "detail"),
    [
        (400, b'{"error":"shop_not_permitted"}', "shop_not_permitted"),
        (400, b"<html>", "HTTP 400"),
        (403, b'{"error":"ada@example.com"}', "HTTP 403"),
        (404, b'{"error":["x"]}', "HTTP 404"),
    ],
)
def test_a_no_of_the_token_address_is_told_in_safe_words(
    status: int, answer: bytes, detail: str
) -> None:
    with _Odd(status, answer) as odd, pytest.raises(Refused) as caught:
        store_at(odd.url).probe()
    assert (caught.value.code, caught.value.detail) == ("key_refused", detail)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "key_refused"),
        (402, "shop_unavailable"),
        (403, "right_missing"),
        (404, "shop_not_found"),
        (423, "shop_unavailable"),
    ],
)
def test_each_status_of_the_graphql_address_has_its_meaning(status: int, code: str) -> None:
    class Given:
        def token(self) -> str:
            return "shpat_1"

        def refused(self, code: str) -> bool:
            del code
            return False

        def begin_anew(self) -> None:
            """It is the only one."""

    with _Odd(status, b"{}") as odd:
        http = client_to(odd.place)
        store = ShopifyStore(connection_to(odd.url), http, MovingClock(), Given())
        with pytest.raises(Refused) as caught:
            store.probe()
    assert caught.value.code == code


def test_the_probe_names_the_shop_and_its_id_that_outlives_keys(store: ShopifyStore) -> None:
    probe = store.probe()
    assert (probe.account, probe.details) == ("Ada's Courses", "acme.myshopify.com, EUR")
    assert (probe.account_id, probe.has_our_webhook) == ("gid://shopify/Shop/548380009", None)


def test_a_right_to_write_is_one_to_read(fake: FakeShopify, store: ShopifyStore) -> None:
    assert store.check_rights() == ", ".join(manifest().scopes)
    fake.scopes.remove("read_products")
    with pytest.raises(Refused) as caught:
        store.check_rights()
    assert (caught.value.code, caught.value.detail) == ("right_missing", "read_products")
    fake.scopes[0:1] = ["read_orders", "read_products"]
    with pytest.raises(Refused, match="write_orders"):
        store.check_rights()


def test_an_app_that_may_not_see_customers_is_told_so_by_the_self_test(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    """Shopify grants protected customer data apart from the scopes."""
    fake.fail("denied", on="FindOrders")
    with pytest.raises(Refused) as caught:
        store.check_rights()
    assert caught.value.code == "right_missing"
    assert "ask for protected customer data" in advice_for(caught.value, "Shopify")
    fake.fail("unauthorised", on="FindOrders")
    with pytest.raises(Refused, match="key_refused"):
        store.check_rights()


def test_all_scopes_that_are_missing_are_told_at_once(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    fake.scopes = ["read_orders", "write_customers", "read_products"]
    with pytest.raises(Refused) as caught:
        store.check_rights()
    assert caught.value.code == "right_missing"
    assert caught.value.detail == "write_orders, read_shopify_payments_disputes"


def test_each_topic_is_subscribed_once_and_the_secret_is_the_apps(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    made = store.register_webhook(HOOK, "a secret of ours")
    assert (made.ref, made.secret) == (HOOK, "shpss_made_up")
    topics = sorted(one["topic"] for one in fake.books.webhooks.values())
    assert topics == [
        "APP_SCOPES_UPDATE",
        "APP_UNINSTALLED",
        "CUSTOMER_TAGS_ADDED",
        "CUSTOMER_TAGS_REMOVED",
        "DISPUTES_CREATE",
        "DISPUTES_UPDATE",
        "ORDERS_PAID",
        "ORDERS_UPDATED",
        "ORDER_TRANSACTIONS_CREATE",
        "REFUNDS_CREATE",
    ]
    store.register_webhook(HOOK, "another")
    assert len(fake.books.webhooks) == len(topics)
    assert store.webhook_alive(HOOK)
    assert store.provoke_delivery() is None
    assert store_at(fake.url, webhook_ref=HOOK).probe().has_our_webhook is True


def test_an_older_address_of_ours_goes_and_other_peoples_stay(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    older = f"https://old.example/webhooks/shopify/{INSTALLATION}"
    store.register_webhook(older, "x")
    theirs = {"id": "gid://shopify/WebhookSubscription/1", "topic": "ORDERS_PAID"}
    fake.books.webhooks[theirs["id"]] = {**theirs, "uri": f"https://other.example/x{INSTALLATION}"}
    before = len(fake.books.webhooks)
    store.register_webhook(HOOK, "x")
    assert len(fake.books.webhooks) == before
    assert not store.webhook_alive(older)
    assert theirs["id"] in fake.books.webhooks


def test_a_subscription_that_shopify_dropped_is_noticed(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    store.register_webhook(HOOK, "x")
    fake.books.webhooks.pop(next(iter(fake.books.webhooks)))
    assert not store.webhook_alive(HOOK)
    assert store_at(fake.url, webhook_ref=HOOK).probe().has_our_webhook is False
    store.register_webhook(HOOK, "x")
    assert store.webhook_alive(HOOK)


def test_our_webhooks_are_removed_together(fake: FakeShopify, store: ShopifyStore) -> None:
    store.register_webhook(HOOK, "x")
    assert store.remove_webhook(HOOK) is Changed.DONE
    assert store.remove_webhook(HOOK) is Changed.ALREADY
    assert fake.books.webhooks == {}


def test_every_call_goes_to_the_pinned_version_and_no_error_tells_the_secret(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    order = fake.books.sell(Money(100, "EUR"))
    store.find_orders(OrderQuery(("ada@example.com",)))
    fake.fail("error_after")
    with pytest.raises(MakegoodError) as caught:
        store.refund(a_refund(first_payment(order), 100))
    for secret in ("shpss", "shpat", "ada@"):
        assert secret not in str(caught.value)
    assert manifest().api_version == "2026-10"


class _Odd:
    """A server that gives one answer to everything."""

    def __init__(self, status: int, answer: bytes) -> None:
        self._fake = FakeShopify()
        self._status = status
        self._answer = answer

    def __enter__(self) -> FakeShopify:
        self._fake.raw_answer = (self._status, self._answer)
        return self._fake.__enter__()

    def __exit__(self, *_: object) -> None:
        self._fake.__exit__()
