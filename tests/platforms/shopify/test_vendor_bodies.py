"""Every example body of the vendor's, signed and posted to the whole app, and worked off."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from plugin.domain.money import Money
from plugin.ports.records import DeliveryState, InstallationStatus
from tests.databases import Databases
from tests.platforms.shopify.admin import ShopifyAdmin, open_admin
from tests.platforms.shopify.books import Books
from tests.platforms.shopify.grants import APP

_EXAMPLES = Path(__file__).parents[4] / "shared" / "specs" / "shopify" / "webhooks" / "examples"
_BY_ITSELF = "a refund of it is told by itself"
_NOTHING = "says nothing that concerns us"
IGNORED: Mapping[str, str] = {
    "app/scopes_update": "no right that is needed is missing",
    "order_transactions/create": _NOTHING,  # an authorisation
    "orders/cancelled": f"orders/cancelled: {_BY_ITSELF}",
    "orders/updated": _NOTHING,  # without a refund
    "returns/process": f"returns/process: {_BY_ITSELF}",
    "returns/request": f"returns/request: {_BY_ITSELF}",
    "subscription_contracts/update": (
        "subscription_contracts/update: an app's own contracts, and Makegood makes none"
    ),
}
UNRECOGNISED: Mapping[str, str] = {
    "app/uninstalled": "app/uninstalled, of a shop that still lets the app in",
    "customers/data_request": (
        "customers/data_request: tell this customer what is kept of them, by hand, within 30 days"
    ),
    "customers/redact": "customers/redact: erase this customer, by hand, within 30 days",
    "customers/update": "customers/update",
    "refunds/create": "refunds/create: payment, refunds/create: payment",  # it names none
    "shop/redact": "shop/redact: erase this shop's customers, by hand, within 30 days",
    "tender_transactions/create": "tender_transactions/create",
}
APPLIED = ("customer.tags_added", "disputes/create", "orders/paid")
ENDS: Mapping[str, tuple[DeliveryState, str]] = {
    **dict.fromkeys(APPLIED, (DeliveryState.APPLIED, "")),
    **{topic: (DeliveryState.IGNORED, why) for topic, why in IGNORED.items()},
    **{topic: (DeliveryState.UNRECOGNISED, why) for topic, why in UNRECOGNISED.items()},
}


@pytest.fixture
def admin(tmp_path: Path, databases: Databases) -> Iterator[ShopifyAdmin]:
    with open_admin(tmp_path, databases) as one:
        yield one


@pytest.fixture
def bodies() -> Mapping[str, bytes]:
    """By topic, as the vendor's files have them."""
    if not _EXAMPLES.is_dir():
        pytest.skip("the vendor's example bodies (../shared/specs/shopify) are not here")
    read = [json.loads(path.read_text("utf-8")) for path in sorted(_EXAMPLES.rglob("*.json"))]
    return {one["name"]: json.dumps(one["response"]).encode() for one in read}


def stand_in(books: Books) -> None:
    """The shop of the examples: their order, by its whole id and by the rounded one, and buyer."""
    whole, rounded = (f"gid://shopify/Order/82098291194615450{end}" for end in (8, 0))
    for gid in (whole, rounded):
        order = books.sell(Money(40495, "USD"), email="jon@example.com")
        books.orders[gid] = {**books.orders.pop(order["id"]), "id": gid}
    books.dispute(rounded)
    ada = books.add_customer("ada@example.com")
    books.customers["gid://shopify/Customer/1"] = {**ada, "id": "gid://shopify/Customer/1"}


@pytest.mark.parametrize("at", ["connection", "app"])
def test_every_example_of_the_vendors_comes_to_an_end_that_is_known(
    admin: ShopifyAdmin, bodies: Mapping[str, bytes], at: str
) -> None:
    connected = admin.connected()
    stand_in(admin.fake.books)
    to = APP if at == "app" else str(connected.connection.installation)
    for topic, body in bodies.items():
        assert admin.deliver(topic, body, to=to, event_id=f"event of {topic}") == 200
    admin.work()
    found = {one.topic: (one.state, one.reason) for one in admin.stored()}
    assert found == ENDS
    assert all(one.wake_at is None for one in admin.stored())
    [after] = admin.site.installations()
    assert after == connected


def test_the_end_of_the_app_as_the_vendor_writes_it_ends_the_connection(
    admin: ShopifyAdmin, bodies: Mapping[str, bytes]
) -> None:
    hook = admin.connected().connection.installation
    admin.fake.key_state, admin.fake.grants.revoked = "gone", True
    assert admin.deliver("app/uninstalled", bodies["app/uninstalled"], to=str(hook)) == 200
    admin.work()
    [one] = admin.stored()
    assert (one.state, one.reason) == (DeliveryState.APPLIED, "")
    assert admin.site.installation(hook).status is InstallationStatus.REMOVED


def test_of_an_order_that_this_shop_does_not_have_nothing_is_kept(
    admin: ShopifyAdmin, bodies: Mapping[str, bytes]
) -> None:
    hook = admin.connected().connection.installation
    assert admin.deliver("orders/paid", bodies["orders/paid"], to=str(hook)) == 200
    admin.work()
    [one] = admin.stored()
    assert (one.state, one.reason) == (DeliveryState.FAILED, "not_in_this_account")
