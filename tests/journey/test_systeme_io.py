"""Systeme.io from connecting to the last effect: sales, cancellations, tags, refunds by hand.

The store is our fake over loopback; sales have the shape of the one captured on a real account.
Nobody has published a real SALE_CANCELED: those here are made in the same shape.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from itertools import permutations
from uuid import uuid4

import pytest

from plugin.domain.ids import customer_key
from plugin.domain.orders import Resource, ResourceKind
from plugin.services.webhook_secrets import webhook_secrets
from tests.journey.house import OWNER, START, House, plain
from tests.journey.shop import BUYER, Shop
from tests.journey.sidebar import Sidebar
from tests.platforms.systeme_io.fake import Sent
from tests.platforms.systeme_io.vendor import NEEDS_SPECS, SPECS

TOLD = frozenset({"SALE_NEW", "SALE_CANCELED", "CONTACT_TAG_ADDED"})

# --- connecting -----------------------------------------------------------------------------------


def test_connecting_registers_our_webhook_and_ticks_every_line(house: House) -> None:
    fake = house.world.systeme_io
    fake.books.add_course("Portrait")
    name = house.connect_systeme_io({"tags": {"9": [{"kind": "course", "ref": "8"}]}})
    found = house.installation(name)
    assert [(line.name, line.state) for line in found.self_test] == [
        ("key_works", "ok"),
        ("rights_are_enough", "ok"),
        ("webhook_registered", "ok"),
        ("delivery_received", "ok"),
        ("canary", "ok"),
    ]
    assert found.status == "connected"
    (hook,) = fake.books.webhooks.values()
    assert hook["url"] == f"{house.parts.settings.public_url}/webhooks/systeme_io/{name}"
    assert fake.books.secrets[hook["id"]] == webhook_secrets(found.connection.secrets)[0]
    assert {one["event"] for one in hook["subscriptions"]} == {
        "SALE_NEW",
        "SALE_CANCELED",
        "CONTACT_TAG_ADDED",
        "CONTACT_TAG_REMOVED",
    }
    assert {sent.status for sent in fake.sent} == {200}
    with house.parts.house.storage.read(house.tenant) as uow:
        access = uow.settings.access_map()
    assert access.tags == {
        Resource(name, ResourceKind.TAG, "9"): (Resource(name, ResourceKind.COURSE, "8"),)
    }
    assert "ok       webhook_registered" in "\n".join(house.said)


# --- sales ----------------------------------------------------------------------------------------


@NEEDS_SPECS
def test_the_sale_captured_on_a_real_account_fills_the_ledger(shop: Shop) -> None:
    told = json.loads((SPECS / "samples" / "sale_new_v2.json").read_text("utf-8"))
    names = ("x-webhook-message-id", "x-webhook-schema-version", "x-webhook-event-timestamp")
    headers = {name: told["headers"][name] for name in names}
    assert shop.tell("SALE_NEW", told["body"], **headers) == 200
    shop.house.settle()
    customer = customer_key(told["body"]["customer"]["email"])
    with shop.house.parts.house.storage.read(shop.house.tenant) as uow:
        (order,) = uow.orders.of_customer(customer)
        (bought,) = uow.facts.of_customer(customer)
    assert (order.number, order.paid.minor, order.currency) == ("12768313", 100, "EUR")
    assert order.title == "Produit physique test"
    assert order.contact == "445573087"
    # A parcel and nothing else: told to open nothing, which is not the same as not told.
    assert getattr(bought, "gives", None) == ()


def test_a_wrongly_signed_sale_leaves_nothing(shop: Shop) -> None:
    told = shop.tell("SALE_NEW", {"made": "up"}, **{"X-Webhook-Signature": "0" * 64})
    assert told == 401
    assert shop.house.work() == 0


def test_a_sale_fills_the_ledger_with_course_tag_and_what_bundle_and_tag_open(shop: Shop) -> None:
    shop.sell(courses=(shop.course,), tags=(shop.tag,), bundle=shop.bundle)
    why = {
        (one.resource.kind.value, one.resource.ref): {reason.kind.value for reason in one.living}
        for one in shop.ledger().holdings.values()
    }
    assert why == {
        ("course", str(shop.course)): {"purchase"},
        ("bundle", str(shop.bundle)): {"purchase"},
        ("course", str(shop.inside)): {"bundle"},
        ("tag", str(shop.tag)): {"purchase"},
        ("course", str(shop.opened)): {"tag"},
    }


# --- a one-shot sale cancelled --------------------------------------------------------------------


def test_a_cancelled_sale_takes_all_that_only_it_gave_and_tells_owner_and_ticket(
    shop: Shop,
) -> None:
    house = shop.house
    house.connect_desk()
    ticket = house.world.desk.account.add_ticket()
    item = shop.sell(courses=(shop.course,), tags=(shop.tag,), bundle=shop.bundle)
    shop.books.enrol(shop.buyer, shop.inside)  # the platform opens a bundle's courses
    assert len(shop.held()) == 4
    shop.books.refund(item)
    assert f"course {shop.opened}" in shop.held()  # the platform left what the tag opened
    house.settle()
    house.rest()
    assert shop.held() == set()
    (letter,), (body,) = house.world.post.letters, house.world.post.bodies
    assert letter["To"] == OWNER
    assert "Portrait course" in letter["Subject"]
    assert "Course Studio" in body
    assert "Tag portrait-buyer" in body
    (note,) = house.world.desk.account.comments[ticket]
    assert note["public"] is False
    assert "Portrait course" in note["body"]
    assert "Not through yet" not in note["body"]


def test_what_another_purchase_needs_stays_and_is_opened_again(shop: Shop) -> None:
    house = shop.house
    item = shop.sell(courses=(shop.course,), tags=(shop.tag,))
    house.pass_time(days=1)
    shop.sell(plan=shop.other_plan, courses=(shop.course,), tags=(shop.tag,))
    before = shop.held()
    shop.books.refund(item)
    shop.store_takes(shop.course)
    assert f"course {shop.course}" not in shop.held()
    house.settle()
    house.rest()
    assert shop.held() == before
    assert "also bought on 23 Nov 2026" in house.world.post.bodies[-1]


def test_a_tag_that_was_there_before_the_sale_stays_with_what_it_opens(shop: Shop) -> None:
    shop.books.give_tag(shop.buyer, shop.tag)
    shop.house.settle()
    shop.house.pass_time(days=1)
    item = shop.sell(courses=(shop.course,), tags=(shop.tag,))
    shop.books.refund(item)
    shop.house.settle()
    shop.house.rest()
    assert shop.held() == {f"tag {shop.tag}", f"course {shop.opened}"}


@pytest.mark.parametrize("part", [0, 1])
def test_any_order_and_any_number_of_deliveries_come_to_the_same_end(shop: Shop, part: int) -> None:
    """Two sales, the tag's own news, and the first sale cancelled: in many orders, and again."""
    house, fake = shop.house, shop.house.world.systeme_io
    ends = set()
    for place, order in enumerate([*permutations(range(4))][part::6]):
        buyer = shop.books.add_contact(f"buyer{place}@example.com")
        first = shop.books.sell(buyer, shop.plan, courses=(shop.course, shop.inside))
        shop.books.sell(buyer, shop.other_plan, courses=(shop.course,), tags=(shop.tag,))
        shop.books.refund(first)
        shop.store_takes(shop.course, buyer)
        sent = [one for one in fake.take_outbox() if one.headers["X-Webhook-Event"] in TOLD]
        assert len(sent) == len(order)
        for n in (*order, *reversed(order)):
            fake.post(fake.duplicate(sent[n]))
            house.settle()
        for n in order:
            fake.post(as_news(sent[n]))
        house.settle()
        house.rest()
        ends.add(frozenset(shop.held(buyer)))
        assert len(house.world.post.letters) == place + 1
    bought, opened = f"course {shop.course}", f"course {shop.opened}"
    assert ends == {frozenset({bought, opened, f"tag {shop.tag}"})}


def test_a_sale_from_before_we_were_connected_is_cancelled_and_takes_nothing_of_a_later_one(
    shop: Shop,
) -> None:
    house, fake = shop.house, shop.house.world.systeme_io
    old = shop.books.sell(shop.buyer, shop.plan, courses=(shop.course, shop.inside))
    fake.take_outbox()  # nobody told us
    shop.sell(courses=(shop.course,), tags=(shop.tag,))
    shop.books.refund(old)
    house.settle()
    house.rest()
    kept = {f"course {shop.course}", f"tag {shop.tag}", f"course {shop.opened}"}
    assert shop.held() == kept
    (letter,) = house.world.post.bodies
    assert "Portrait" in letter


def as_news(sent: Sent) -> Sent:
    """The same once more under another message id, as where two webhooks are registered."""
    return Sent(sent.url, {**sent.headers, "X-Webhook-Message-Id": str(uuid4())}, sent.body)


# --- subscriptions --------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["Now", "WhenBillingPeriodEnds"])
def test_a_cancelled_subscription_keeps_its_access_until_the_paid_period_ends(
    shop: Shop, when: str
) -> None:
    house = shop.house
    house.connect_desk()
    ticket = house.world.desk.account.add_ticket()
    item = shop.sell(plan=shop.monthly)
    shop.books.join(shop.buyer, shop.community)
    (subscription,) = shop.books.subscriptions
    began = house.clock.now()
    house.pass_time(days=10)
    shop.books.unsubscribe(item, subscription, when)
    house.settle()
    house.rest()
    assert shop.held() == {f"community {shop.community}"}
    assert "Access ends with the paid period, on 22 Dec 2026." in house.world.post.bodies[-1]
    assert "on 22 Dec 2026" in house.world.desk.account.comments[ticket][0]["body"]
    house.clock.at = began.replace(month=12) - timedelta(seconds=1)
    house.settle()
    assert shop.held() == {f"community {shop.community}"}
    house.pass_time(seconds=1)
    assert shop.held() == set()
    assert len(house.world.post.letters) == 1


# --- tags by hand ---------------------------------------------------------------------------------


def test_a_tag_removed_by_hand_in_the_store_takes_the_course_it_opened(shop: Shop) -> None:
    shop.sell(courses=(shop.course,), tags=(shop.tag,))
    shop.house.pass_time(days=2)
    shop.books.take_tag(shop.buyer, shop.tag)
    assert f"course {shop.opened}" in shop.held()
    shop.house.settle()
    shop.house.rest()
    assert shop.held() == {f"course {shop.course}"}


# --- refunds by hand ------------------------------------------------------------------------------


@dataclass
class ByHand:
    """A sale of the course, and an agent whose refund of it waits for a person."""

    shop: Shop
    item: int
    ticket: int
    sidebar: Sidebar

    def is_done(self) -> None:
        """Access, tag and note followed, and the panel says so."""
        house = self.shop.house
        house.settle()
        house.rest()
        assert self.shop.held() == set()
        page = self.sidebar.press("orders")
        assert "49.00 EUR refunded" in page.text
        assert "Reference reported" not in page.text
        (note,) = [
            one
            for one in house.world.desk.account.comments[self.ticket]
            if "Refunded 49.00 EUR" in plain(one["body"])
        ]
        assert note["public"] is False
        assert "refunded" in house.world.desk.account.tickets[self.ticket]["tags"]


@pytest.fixture
def by_hand(shop: Shop) -> ByHand:
    desk = shop.house.connect_desk()
    ticket = shop.house.world.desk.account.add_ticket()
    item = shop.sell(courses=(shop.course,), tags=(shop.tag,))
    sidebar = Sidebar.at(shop.house, desk, ticket)
    assert "Portrait course" in sidebar.page.text
    sidebar.press("refund")
    assert "Refund in Systeme.io" in sidebar.page.text
    assert "Open Sales, Transactions in Systeme.io" in sidebar.page.text
    shop.house.rest()
    assert len(shop.held()) == 3
    return ByHand(shop, item, ticket, sidebar)


def test_a_refund_by_hand_is_closed_by_the_stores_own_news(by_hand: ByHand) -> None:
    by_hand.shop.books.refund(by_hand.item)
    by_hand.is_done()


def test_a_refund_by_hand_is_closed_by_the_agents_word(by_hand: ByHand) -> None:
    by_hand.sidebar.press("attest")
    by_hand.shop.house.settle()
    by_hand.shop.store_takes(by_hand.shop.course)
    by_hand.is_done()


def test_a_refund_by_hand_is_closed_by_the_refund_of_the_matching_charge(by_hand: ByHand) -> None:
    stripe = by_hand.shop.house.world.stripe.books
    by_hand.shop.house.connect_stripe()
    mia = stripe.add_customer(BUYER, "Mia Learner")
    bought = int((START + timedelta(minutes=10)).timestamp())
    charge = stripe.sell(4900, customer=mia["id"], created=bought)
    stripe.refund({"charge": charge["id"]})  # in the gateway's dashboard
    by_hand.is_done()
    by_hand.shop.books.refund(by_hand.item)  # the store notices later, and changes nothing
    by_hand.is_done()
    assert len(by_hand.shop.house.world.post.letters) == 0
    assert len(stripe.moved()) == 1


def test_a_matching_charge_is_refunded_by_the_gateway_and_then_access_goes(shop: Shop) -> None:
    house = shop.house
    desk = house.connect_desk()
    house.connect_stripe()
    ticket = house.world.desk.account.add_ticket()
    stripe = house.world.stripe.books
    mia = stripe.add_customer(BUYER, "Mia Learner")
    charge = stripe.sell(4900, customer=mia["id"])
    house.clock.advance(minutes=2)
    item = shop.sell(courses=(shop.course,), tags=(shop.tag,))
    sidebar = Sidebar.at(house, desk, ticket)
    assert "Orders 1 in 2 stores" in sidebar.page.text
    assert "Visa …4242" in sidebar.page.text
    sidebar.press("refund")
    house.pass_time(seconds=9)
    assert stripe.moved() == []
    assert len(shop.held()) == 3
    house.pass_time(seconds=1)
    house.rest()
    assert [one["amount"] for one in stripe.moved(charge["id"])] == [4900]
    ByHand(shop, item, ticket, sidebar).is_done()
    shop.books.refund(item)  # the store notices
    house.settle()
    house.rest()
    assert house.world.post.letters == []
    assert len(stripe.moved()) == 1
