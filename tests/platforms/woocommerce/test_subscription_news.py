"""The Subscriptions extension's own webhooks: made where it is, read as its words mean."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from hmac import digest

import pytest
from sqlalchemy import Engine

from plugin.domain.access_map import AccessMap
from plugin.domain.errors import RetryLater
from plugin.domain.events import Irrelevant, StoreEvent, SubscriptionNews, Unrecognised
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Resource, ResourceKind
from plugin.platforms.strict_json import Malformed, read_json
from plugin.ports import Changed
from plugin.ports.records import Tenant
from plugin.storage.unit_of_work import SqlStorage
from plugin.stores.woocommerce import WoocommerceStore
from tests.contracts.webhook import INSTALLATION, RECEIVED
from tests.emptied_postgres import emptied_postgres, engine
from tests.factories import EMAIL, NOW, STORE
from tests.platforms.swept import SweptShop
from tests.platforms.woocommerce.books import Thing
from tests.platforms.woocommerce.conftest import store_at
from tests.platforms.woocommerce.fake import KEY, SECRET, FakeShop
from tests.services.scene import Scene
from tests.storage_fixtures import FakeClock
from tests.webhooks.door import Door
from webhooks.delivery import Delivery
from webhooks.stores.woocommerce import parse

__all__ = ["emptied_postgres", "engine"]

URL = "https://refunds.example/webhooks/woocommerce/inst-1"
UPDATED, DELETED = "subscription.updated", "subscription.deleted"
END = datetime(2026, 12, 22, 9, 0, tzinfo=UTC)
CHANGED = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def a_subscription(status: str, **more: object) -> Thing:
    return {
        "id": 1300,
        "status": status,
        "customer_id": 25,
        "billing": {"email": "Ada@Example.com"},
        "date_modified_gmt": "2026-11-22T09:00:00",
        "next_payment_date_gmt": "",
        "end_date_gmt": "2026-12-22T09:00:00",
        **more,
    }


def told(body: Thing, topic: str = UPDATED, at: InstallationId = INSTALLATION) -> list[StoreEvent]:
    raw = json.dumps(body).encode()
    delivery = Delivery(raw, {"x-wc-webhook-topic": topic}, RECEIVED)
    return parse(delivery, at, read_json(raw))


# --- what each word means -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "ended", "ends_at"),
    [
        ("active", False, None),
        ("on-hold", False, None),
        ("pending", False, None),
        ("pending-cancel", False, END),
        ("cancelled", True, END),
        ("switched", True, END),
        ("trash", True, END),
    ],
)
def test_a_status_says_whether_it_goes_on_or_ends_and_when(
    status: str, *, ended: bool, ends_at: datetime | None
) -> None:
    assert told(a_subscription(status)) == [
        SubscriptionNews(INSTALLATION, "1300", "Ada@Example.com", ended, ends_at, CHANGED)
    ]


@pytest.mark.parametrize(("parent", "begun_by"), [(727, "727"), (0, None), (None, None)])
def test_it_names_the_order_that_began_it(parent: int | None, begun_by: str | None) -> None:
    [event] = told(a_subscription("active", parent_id=parent))
    assert isinstance(event, SubscriptionNews)
    assert event.begun_by == begun_by


def test_what_expired_is_paid_up_and_takes_nothing() -> None:
    [event] = told(a_subscription("expired"))
    assert isinstance(event, Irrelevant)


@pytest.mark.parametrize("unset", ["", None])
def test_without_a_last_day_it_ended_when_it_was_changed(unset: str | None) -> None:
    [event] = told(a_subscription("cancelled", end_date_gmt=unset))
    assert isinstance(event, SubscriptionNews)
    assert (event.ended, event.ends_at, event.at) == (True, None, CHANGED)


def test_a_status_of_another_extension_is_shown_and_not_guessed() -> None:
    assert told(a_subscription("wc-paused")) == [Unrecognised("subscription: status")]


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"status": ""},
        {"date_modified_gmt": None},
        {"end_date_gmt": "tomorrow"},
        {"billing": "x"},
    ],
)
def test_another_shape_is_malformed(change: Thing) -> None:
    with pytest.raises(Malformed):
        told({**a_subscription("cancelled"), **change})


@pytest.mark.parametrize("topic", [UPDATED, DELETED])
def test_an_empty_body_is_malformed(topic: str) -> None:
    """What a version of the extension may send that knows an older API only."""
    with pytest.raises(Malformed):
        told({}, topic)


# --- one in the bin -------------------------------------------------------------------------------


def test_one_in_the_bin_is_read_back(fake: FakeShop, store: WoocommerceStore) -> None:
    [event] = told({"id": 1300}, DELETED)
    assert event == SubscriptionNews(INSTALLATION, "1300", "", True, None, RECEIVED)
    fake.books.subscriptions = {1300: a_subscription("trash")}
    assert [store.confirm(event)] == told(a_subscription("trash"))
    assert len(fake.calls) == 1


def test_one_that_is_gone_for_good_names_nobody(fake: FakeShop, store: WoocommerceStore) -> None:
    [event] = told({"id": 1300}, DELETED)
    fake.books.subscriptions = {}
    assert store.confirm(event) == event


def test_one_that_cannot_be_read_now_is_read_later(fake: FakeShop, store: WoocommerceStore) -> None:
    [event] = told({"id": 1300}, DELETED)
    fake.books.subscriptions = {1300: a_subscription("")}
    with pytest.raises(RetryLater):
        store.confirm(event)


def test_what_names_its_customer_is_taken_as_it_is(fake: FakeShop, store: WoocommerceStore) -> None:
    [event] = told(a_subscription("cancelled"))
    assert store.confirm(event) == event
    assert fake.calls == []


# --- the webhooks ---------------------------------------------------------------------------------


def topics(fake: FakeShop) -> list[str]:
    return sorted(hook["topic"] for hook in fake.books.webhooks.values())


def test_they_are_made_only_where_the_extension_is(fake: FakeShop, store: WoocommerceStore) -> None:
    plain = store.register_webhook(URL, "secret0")
    assert topics(fake) == ["order.updated"]
    assert "," not in plain.ref
    fake.books.subscriptions = {}
    made = store.register_webhook(URL, "secret0")
    assert topics(fake) == ["order.updated", DELETED, UPDATED]
    assert made.details == "Orders, refunds and subscriptions"
    assert {hook["secret"] for hook in fake.books.webhooks.values()} == {"secret0"}
    assert {hook["delivery_url"] for hook in fake.books.webhooks.values()} == {URL}
    assert made.ref.split(",") == [str(ref) for ref in fake.books.webhooks]


def test_each_of_them_must_stand_and_all_are_removed(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    fake.books.subscriptions = {}
    ref = store.register_webhook(URL, "secret0").ref
    assert store.webhook_alive(ref)
    for one in ref.split(","):
        fake.books.webhooks[int(one)]["status"] = "disabled"
        assert not store.webhook_alive(ref)
        fake.books.webhooks[int(one)]["status"] = "active"
    gone = fake.books.webhooks.pop(int(ref.split(",")[1]))
    assert not store.webhook_alive(ref)
    fake.books.webhooks[gone["id"]] = gone
    assert store.remove_webhook(ref) is Changed.DONE
    assert fake.books.webhooks == {}
    assert store.remove_webhook(ref) is Changed.ALREADY


def test_a_key_that_may_not_read_subscriptions_gets_the_webhook_of_orders(
    fake: FakeShop,
) -> None:
    fake.books.subscriptions = {}
    fake.faults = ["firewall"]
    fake.meets = lambda _method, path: path.endswith("/subscriptions")
    store_at(fake).register_webhook(URL, "secret0")
    assert topics(fake) == ["order.updated"]


@pytest.mark.parametrize("fault", ["firewall", "error_after"])
def test_a_shop_that_does_not_make_them_sends_orders_and_is_not_asked_again(
    fake: FakeShop, fault: str
) -> None:
    fake.books.subscriptions = {}
    made = 0

    def is_of_subscriptions(method: str, path: str) -> bool:
        nonlocal made
        made += method == "POST" and path.endswith("/webhooks")
        return made > 1 and method == "POST"

    fake.meets, fake.faults = is_of_subscriptions, [fault, fault]
    store = store_at(fake)
    registered = store.register_webhook(URL, "secret0")
    assert (registered.details, registered.ref[-2:]) == ("Orders and refunds", ",,")
    assert store.webhook_alive(registered.ref)
    assert store.remove_webhook(registered.ref) is Changed.DONE


def test_an_extension_that_came_since_makes_no_other_shop_of_it(fake: FakeShop) -> None:
    ref = store_at(fake).register_webhook(URL, "secret0").ref
    fake.books.subscriptions = {}
    assert store_at(fake, webhook=ref).probe().has_our_webhook is True
    assert not store_at(fake).webhook_alive(ref)


@pytest.fixture
def shop(
    fake: FakeShop, storage: SqlStorage, engine: Engine, tenant: Tenant, clock: FakeClock
) -> SweptShop:
    fake.books.now = clock.now().replace(tzinfo=None)
    found = SweptShop(Door(storage, engine, tenant, clock), "woocommerce", fake.place)
    settings = {"shop": "shop.example", "base_url": fake.url}
    found.connect(settings, {"consumer_key": KEY, "consumer_secret": SECRET})
    return found


def test_a_sweep_makes_them_once_the_extension_is_installed(
    shop: SweptShop, fake: FakeShop
) -> None:
    assert topics(fake) == ["order.updated"]
    fake.books.subscriptions = {}
    shop.sweep()
    assert topics(fake) == ["order.updated", DELETED, UPDATED]
    ref = shop.webhook_ref()
    shop.sweep()
    assert shop.webhook_ref() == ref
    hook = fake.books.webhooks[int(ref.split(",")[1])]
    body = json.dumps(a_subscription("cancelled")).encode()
    mark = b64encode(digest(hook["secret"].encode(), body, "sha256")).decode()
    headers = {"X-WC-Webhook-Signature": mark, "X-WC-Webhook-Topic": UPDATED}
    assert shop.post(body, headers).status == 200
    assert shop.post(body, {**headers, "X-WC-Webhook-Signature": mark[::-1]}).status == 401
    assert [one.topic for one in shop.door.stored()] == [UPDATED]


def test_one_that_is_binned_restored_and_binned_again_is_heard_of_each_time(
    shop: SweptShop, fake: FakeShop
) -> None:
    """Of one in the bin the shop sends the number alone, each time in the same words."""
    fake.books.subscriptions = {}
    shop.sweep()
    hook = fake.books.webhooks[int(shop.webhook_ref().split(",")[1])]
    body = b'{"id":1300}'
    mark = b64encode(digest(hook["secret"].encode(), body, "sha256")).decode()
    headers = {"X-WC-Webhook-Signature": mark, "X-WC-Webhook-Topic": DELETED}
    for second in ("first", "second", "second"):
        told_at = {"X-WC-Webhook-Delivery-ID": f"the-{second}-second"}
        assert shop.post(body, {**headers, **told_at}).status == 200
    assert [one.topic for one in shop.door.stored()] == [DELETED] * 2


def test_a_subscription_that_ends_in_the_shop_ends_what_it_renews(
    scene: Scene, fake: FakeShop
) -> None:
    fake.books.advance(-86400)
    renews = [{"key": "_subscription_renewal", "value": "1300"}]
    order = fake.books.sell(("19.00", "0"), email=EMAIL, meta_data=renews)
    course = Resource(STORE, ResourceKind.COURSE, "c1", "Course")
    product = str(order["line_items"][0]["product_id"])
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.settings.save_access_map(STORE, AccessMap({(STORE, product): (course,)}), NOW)
        uow.commit()

    def hear(body: Thing, topic: str) -> set[str]:
        """What she is owed once this was told."""
        for event in told(body, topic, STORE):
            scene.apply(event)
        return scene.owed()

    of_hers: Thing = {
        "billing": {"email": EMAIL},
        "date_modified_gmt": "2026-11-23T10:00:00",
        "end_date_gmt": "",
    }
    assert hear(fake.books.told(order["id"]), "order.updated") == {"c1"}
    assert hear(a_subscription("on-hold", **of_hers), UPDATED) == {"c1"}
    later = {**of_hers, "date_modified_gmt": "2026-11-23T11:00:00"}
    assert hear(a_subscription("cancelled", **later), UPDATED) == set()


def test_the_end_of_a_subscription_ends_what_its_first_order_gave(
    scene: Scene, fake: FakeShop
) -> None:
    """The first order's own webhook does not name the subscription that it began."""
    fake.books.advance(-86400)
    order = fake.books.sell(("19.00", "0"), email=EMAIL)
    item = order["line_items"][0]
    course = Resource(STORE, ResourceKind.COURSE, "c1", "Course")
    with scene.storage.begin(scene.tenant.id) as uow:
        product = str(item["product_id"])
        uow.settings.save_access_map(STORE, AccessMap({(STORE, product): (course,)}), NOW)
        uow.commit()
    store = store_at(fake, webhook="1,2,3")

    def hear(body: Thing, topic: str) -> set[str]:
        """What she is owed once this was told and read back."""
        for event in told(body, topic, STORE):
            scene.apply(store.confirm(event))
        return scene.owed()

    def stands(status: str, hour: int) -> Thing:
        changed = f"2026-11-23T{hour}:00:00"
        body = a_subscription(
            status,
            parent_id=order["id"],
            line_items=[item],
            billing={"email": EMAIL},
            date_modified_gmt=changed,
            end_date_gmt="",
        )
        fake.books.subscriptions = {1300: body}
        return body

    begun = stands("active", 10)
    assert hear(fake.books.told(order["id"]), "order.updated") == {"c1"}
    assert hear(begun, UPDATED) == {"c1"}
    assert hear(stands("expired", 11), UPDATED) == {"c1"}
    assert hear(stands("cancelled", 12), UPDATED) == set()


def test_the_end_of_a_subscription_ends_what_was_bought_under_another_address(
    scene: Scene, fake: FakeShop
) -> None:
    """Its customer changed her address in the shop: her orders keep the one that they had."""
    fake.books.advance(-86400)
    first = fake.books.sell(("19.00", "0"), email=EMAIL)
    renews = [{"key": "_subscription_renewal", "value": "1300"}]
    renewal = fake.books.sell(("19.00", "0"), email=EMAIL, meta_data=renews)
    course = Resource(STORE, ResourceKind.COURSE, "c1", "Course")
    products = [str(one["line_items"][0]["product_id"]) for one in (first, renewal)]
    with scene.storage.begin(scene.tenant.id) as uow:
        access = AccessMap({(STORE, product): (course,) for product in products})
        uow.settings.save_access_map(STORE, access, NOW)
        uow.commit()
    fake.books.subscriptions = {
        1300: a_subscription("active", parent_id=first["id"], line_items=first["line_items"])
    }
    store = store_at(fake, webhook="1,2,3")

    def hear(body: Thing, topic: str) -> set[str]:
        """What she is owed once this was told and read back."""
        for event in told(body, topic, STORE):
            scene.apply(store.confirm(event))
        return scene.owed()

    for order in (first, renewal):
        assert hear(fake.books.told(order["id"]), "order.updated") == {"c1"}
    ended = a_subscription(
        "cancelled",
        parent_id=first["id"],
        billing={"email": "new@mail.example"},
        date_modified_gmt="2026-11-23T12:00:00",
        end_date_gmt="",
    )
    assert hear(ended, UPDATED) == set()


def test_where_no_subscription_is_told_of_a_sale_is_not_read_again(fake: FakeShop) -> None:
    order = fake.books.sell(("19.00", "0"), email=EMAIL)
    events = told(fake.books.told(order["id"]), "order.updated", STORE)
    assert [store_at(fake, webhook="1").confirm(event) for event in events] == events
    assert fake.calls == []
