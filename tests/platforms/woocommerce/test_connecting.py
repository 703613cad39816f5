"""Connecting: the form, where calls go, rights, and our webhook at the shop."""

from __future__ import annotations

import pytest

from plugin.domain.errors import InvalidInput, OutcomeUnknown, Refused
from plugin.platforms.data_files import DataFiles
from plugin.platforms.declarations import ManifestDeclarations
from plugin.platforms.registry import Registry
from plugin.ports import Changed
from plugin.ports.connecting import FilledForm
from plugin.stores.woocommerce import WoocommerceStore
from plugin.stores.woocommerce.account import manifest
from tests.platforms.woocommerce.conftest import store_at
from tests.platforms.woocommerce.fake import FakeShop

_URL = "https://refunds.example/webhooks/woocommerce/inst-1"


def _form(shop: str) -> FilledForm:
    declarations = ManifestDeclarations(Registry([DataFiles().manifests()]))
    typed = {"shop": shop, "consumer_key": "ck_1", "consumer_secret": "cs_1"}
    return declarations.read_form("store", "woocommerce", typed)


@pytest.mark.parametrize(
    ("typed", "shop", "place"),
    [
        ("https://Example.com/Shop/", "example.com/Shop", "example.com:443"),
        ("shop.example.com", "shop.example.com", "shop.example.com:443"),
        ("https://shop.example.com:8443/a/b", "shop.example.com:8443/a/b", "shop.example.com:8443"),
    ],
)
def test_a_shop_is_called_where_it_is_and_nowhere_else(typed: str, shop: str, place: str) -> None:
    form = _form(typed)
    assert form.account == {"shop": shop}
    assert form.places == {place}
    assert set(form.secrets) == {"consumer_key", "consumer_secret"}
    outgoing = manifest().outgoing
    assert outgoing is not None
    assert outgoing.address(form.settings).base_url == f"https://{shop}/wp-json/wc/v3"


@pytest.mark.parametrize(
    "typed",
    [
        "http://shop.example.com",
        "https://127.0.0.1/shop",
        "https://localhost",
        "https://shop.example.com/?q=1",
        "https://shop.example.com/a#b",
        "https://user@shop.example.com",
        "https://shop.example.com/../x",
        "https://shop.example.com//x",
        "https://shop.example.com\\@evil.example",
        "https://shop.example.com:0",
        "ftp://shop.example.com",
    ],
)
def test_an_address_that_could_lead_elsewhere_is_not_taken(typed: str) -> None:
    with pytest.raises(InvalidInput, match="https address"):
        _form(typed)


def test_without_a_development_address_the_shop_itself_is_called(fake: FakeShop) -> None:
    store = store_at(fake, base_url="")
    with pytest.raises(Refused, match=r"host_not_allowed: shop\.example:443"):
        store.probe()


def test_a_shop_on_a_private_network_is_called_only_where_it_is_listed(fake: FakeShop) -> None:
    safe = fake.url.replace("http:", "https:")
    for url, code in ((fake.url, "https_only"), (safe, "address_refused")):
        with pytest.raises(Refused, match=code):
            store_at(fake, is_listed=False, base_url=url).probe()
    assert fake.calls == []
    assert store_at(fake).probe().account


def test_the_key_is_tried_and_says_which_gateways_can_pay_back(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    probe = store.probe()
    assert (probe.account, probe.details) == ("shop.example/de", "refunds by API: Stripe")
    assert "settings" not in fake.fields_asked
    assert probe.has_our_webhook is None
    fake.key_state = "gone"
    with pytest.raises(Refused, match="key_refused"):
        store.probe()


def test_a_key_that_may_only_read_is_told(fake: FakeShop, store: WoocommerceStore) -> None:
    assert store.check_rights()
    fake.key_state = "read_only"
    with pytest.raises(Refused, match="Write"):
        store.check_rights()


def test_our_webhook_replaces_ours_and_nobody_else_s(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    theirs = {"id": 5, "delivery_url": "https://other.example/", "status": "active"}
    fake.books.webhooks[5] = theirs
    first = store.register_webhook(_URL, "secret1")
    second = store.register_webhook(_URL, "secret2")
    assert second.secret == "secret2"
    assert fake.books.webhooks.keys() == {5, int(second.ref)}
    kept = fake.books.webhooks[int(second.ref)]
    assert (kept["topic"], kept["secret"]) == ("order.updated", "secret2")
    assert store.remove_webhook(first.ref) is Changed.ALREADY
    assert store.remove_webhook(second.ref) is Changed.DONE
    assert store.provoke_delivery() is None


def test_a_webhook_that_was_switched_off_is_noticed(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    made = store.register_webhook(_URL, "secret1")
    assert store.webhook_alive(made.ref)
    assert store_at(fake, webhook=made.ref).probe().has_our_webhook is True
    fake.books.webhooks[int(made.ref)]["status"] = "disabled"
    assert not store.webhook_alive(made.ref)
    assert store_at(fake, webhook=made.ref).probe().has_our_webhook is False
    assert not store.webhook_alive("1")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [(500, {"code": "x"}, OutcomeUnknown), (400, {"code": "bad"}, Refused)],
)
def test_a_write_that_fails_is_a_no_only_where_the_shop_said_so(
    fake: FakeShop,
    store: WoocommerceStore,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: dict[str, str],
    error: type[Exception],
) -> None:
    from tests.platforms.woocommerce import fake as module

    answer = module.Answer(status, body)
    monkeypatch.setattr(fake, "answer", lambda *_: answer)
    with pytest.raises(error):
        store.remove_webhook("7")


def test_a_write_that_a_firewall_answered_is_unknown(
    fake: FakeShop, store: WoocommerceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.platforms.woocommerce import fake as module

    answer = module.Answer(403, raw=b"<html>")
    monkeypatch.setattr(fake, "answer", lambda *_: answer)
    with pytest.raises(OutcomeUnknown):
        store.remove_webhook("7")
    with pytest.raises(Refused, match="right_missing"):
        store.probe()
