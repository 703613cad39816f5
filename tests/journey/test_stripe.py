"""Stripe from the agent's click to the last effect: amounts, silences, and what comes later.

The agent uses the panel's own pages in a session that Zendesk's token opened. The gateway is our
stateful fake over loopback, which pays as Stripe pays and fails as told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest

from plugin.domain.ids import InstallationId, customer_key
from plugin.domain.refunds import RefundState
from plugin.ports.records import DeliveryState
from tests.journey.house import START, House, plain
from tests.journey.shop import BUYER, Shop
from tests.journey.sidebar import Sidebar
from tests.platforms.stripe.books import Books, Thing
from tests.platforms.stripe.hooks import Hooks

NAME = "Mia Learner"


@dataclass
class Gateway:
    """A Stripe account and a desk, connected; one customer, and her ticket."""

    house: House
    books: Books
    store: InstallationId
    desk: InstallationId
    customer: str
    ticket: int

    def sidebar(self) -> Sidebar:
        return Sidebar.at(self.house, self.desk, self.ticket)

    def moved(self) -> list[int]:
        return [one["amount"] for one in self.books.moved()]

    def send(self) -> None:
        """The ten seconds pass and the worker sends; no news of it is delivered yet."""
        self.house.clock.advance(seconds=10)
        self.house.work()

    def states(self) -> set[RefundState]:
        with self.house.parts.house.storage.read(self.house.tenant) as uow:
            return {
                refund.state
                for order in uow.orders.of_customer(customer_key(BUYER))
                for refund in uow.refunds.of_order(order.ref)
            }

    @property
    def notes(self) -> list[str]:
        return [plain(one["body"]) for one in self._comments if not one["public"]]

    @property
    def replies(self) -> list[str]:
        return [plain(one["body"]) for one in self._comments if one["public"]]

    @property
    def _comments(self) -> list[Thing]:
        return self.house.world.desk.account.comments[self.ticket]


@pytest.fixture
def gateway(house: House) -> Gateway:
    books = house.world.stripe.books
    customer = books.add_customer(BUYER, NAME)["id"]
    ticket = house.world.desk.account.add_ticket()
    return Gateway(house, books, house.connect_stripe(), house.connect_desk(), customer, ticket)


@dataclass
class Joined:
    """A course sold by Systeme.io and paid through Stripe."""

    shop: Shop
    item: int
    charge: str


@pytest.fixture
def joined(gateway: Gateway, shop: Shop) -> Joined:
    charge = gateway.books.sell(4900, customer=gateway.customer)
    item = shop.sell(courses=(shop.course,), tags=(shop.tag,))
    return Joined(shop, item, charge["id"])


# --- how much -------------------------------------------------------------------------------------


def test_a_full_refund_pays_once_and_tells_everybody(gateway: Gateway) -> None:
    gateway.books.sell(4900, customer=gateway.customer)
    sidebar = gateway.sidebar()
    page = sidebar.press("refund")
    assert "then 49.00 EUR is sent" in page.text
    assert gateway.moved() == []
    gateway.house.pass_time(seconds=10)
    gateway.house.rest()
    assert gateway.moved() == [4900]
    page = sidebar.look()
    assert "49.00 EUR refunded" in page.text
    assert "Reference 24011336022000000000001" in page.text
    (note,), (reply,) = gateway.notes, gateway.replies
    assert "Refunded 49.00 EUR" in note
    assert "49.00" in reply
    assert gateway.house.world.desk.account.tickets[gateway.ticket]["tags"] == ["refunded"]
    assert "49.00 already refunded" in gateway.sidebar().page.text


def test_a_part_is_refunded_and_the_rest_can_follow(gateway: Gateway) -> None:
    gateway.books.sell(4900, customer=gateway.customer)
    sidebar = gateway.sidebar()
    page = sidebar.choose(amount="free", free="12.50")
    assert "Refund 12.50 EUR" in page.text
    sidebar.press("refund")
    gateway.house.pass_time(seconds=10)
    gateway.house.rest()
    assert gateway.moved() == [1250]
    sidebar.look()
    page = sidebar.press("order", again="yes")
    assert "Refund 36.50 EUR" in page.text
    page = sidebar.choose(amount="free", free="36.51")
    assert page.status == 422
    assert "up to 36.50" in page.text
    sidebar.choose(amount="free", free="36.50")
    sidebar.press("refund")
    gateway.house.pass_time(seconds=10)
    gateway.house.rest()
    assert sorted(gateway.moved()) == [1250, 3650]


def test_what_is_no_amount_leaves_no_plan_to_press(gateway: Gateway) -> None:
    gateway.books.sell(4900, customer=gateway.customer)
    sidebar = gateway.sidebar()
    for typed in ("-1", "12.505", "1e1", "0", "٣", "12,50,00"):
        page = sidebar.choose(amount="free", free=typed)
        assert page.status == 422, typed
        assert "Write an amount such as 12.50, up to 49.00" in page.text
        assert not {"plan", "hash"} & set(page.form("refund").fields)
        gateway.house.clock.advance(seconds=5)
    page = sidebar.choose(amount="free", free="49.01")
    assert page.status == 422
    assert "More than can go back: write up to 49.00" in page.text
    page = sidebar.choose(amount="free", free="")
    assert "waits for an amount" in page.text
    assert not {"plan", "hash"} & set(page.form("refund").fields)


def test_months_not_started_come_back_and_future_charges_stop(gateway: Gateway) -> None:
    began = START - timedelta(days=80)
    subscription = _yearly(gateway, 12000, int(began.timestamp()))
    sidebar = gateway.sidebar()
    assert "Refund 90.00 EUR" in sidebar.page.text
    assert "Also stop future charges?" in sidebar.page.text
    sidebar.press("refund")
    gateway.house.pass_time(seconds=10)
    gateway.house.rest()
    assert gateway.moved() == [9000]
    assert gateway.books.get(subscription)["status"] == "canceled"
    assert "90.00 EUR refunded" in sidebar.look().text


def _yearly(gateway: Gateway, amount: int, began: int) -> str:
    """A year that was paid for in advance, in the shape of the fake's monthly plan."""
    books, ends = gateway.books, began + 365 * 86400
    subscription = books.subscribe(gateway.customer, amount)
    (invoice,) = books.all("invoice")
    (charge,) = books.all("charge")
    subscription.update(created=began, current_period_start=began, current_period_end=ends)
    (line,) = invoice["lines"]["data"]
    line["period"] = {"start": began, "end": ends}
    line["price"]["recurring"]["interval"] = "year"
    charge["created"] = began
    return str(subscription["id"])


# --- silence --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["slow", "error_after", "drop_after", "truncated"])
def test_a_silent_gateway_has_paid_once_and_is_looked_up(gateway: Gateway, fault: str) -> None:
    gateway.books.sell(4900, customer=gateway.customer)
    sidebar = gateway.sidebar()
    sidebar.press("refund")
    gateway.house.world.stripe.fail(fault, seconds=30)
    gateway.send()
    assert gateway.states() == {RefundState.UNKNOWN}
    page = sidebar.look()
    assert "No answer yet" in page.text
    assert "The money may or may not have moved" in page.text
    assert "We are looking it up" in page.text
    assert "49.00 EUR refunded" not in page.text
    assert "already refunded" not in page.text
    assert gateway.notes == gateway.replies == []
    gateway.house.clock.advance(seconds=5)
    gateway.house.work()
    assert gateway.states() == {RefundState.SUCCEEDED}
    assert "49.00 EUR refunded" in sidebar.look().text
    gateway.house.rest()  # and the gateway's own news of it change nothing
    assert gateway.moved() == [4900]
    assert len(gateway.notes) == len(gateway.replies) == 1
    assert gateway.house.world.post.letters == []


def test_while_it_is_unknown_a_second_agent_cannot_pay_again(gateway: Gateway) -> None:
    gateway.books.sell(4900, customer=gateway.customer)
    one, other = gateway.sidebar(), gateway.sidebar()
    one.press("refund")
    gateway.house.world.stripe.fail("drop_after")
    gateway.send()
    page = other.press("refund")
    assert page.status in (200, 409)
    assert "No answer yet" in page.text
    gateway.house.rest()
    assert gateway.moved() == [4900]


def test_what_never_arrived_is_sent_again_with_the_same_key(gateway: Gateway) -> None:
    gateway.books.sell(4900, customer=gateway.customer)
    sidebar = gateway.sidebar()
    sidebar.press("refund")
    gateway.house.world.stripe.fail("drop_before")
    gateway.send()
    assert gateway.states() == {RefundState.UNKNOWN}
    assert gateway.moved() == []
    gateway.house.rest()
    assert gateway.moved() == [4900]
    assert "49.00 EUR refunded" in sidebar.look().text
    keys = {
        headers["Idempotency-Key"]
        for method, path, headers, _ in gateway.house.world.stripe.calls
        if (method, path) == ("POST", "/v1/refunds") and "Idempotency-Key" in headers
    }
    assert len(keys) == 1


class Overtaking(Hooks):
    """Events that arrive, and are worked on, before the call that caused them is answered."""

    arrived: Callable[[], object]

    def send(self, events: Sequence[Thing], endpoints: Iterable[Thing], *, wait: bool) -> None:
        super().send(events, endpoints, wait=wait)
        if wait:
            self.arrived()


def test_an_event_that_overtakes_the_answer_waits_for_it(gateway: Gateway) -> None:
    house = gateway.house
    gateway.books.sell(4900, customer=gateway.customer)
    sidebar = gateway.sidebar()
    sidebar.press("refund")
    waited: list[DeliveryState] = []

    def work_on_deliveries() -> None:
        house.work("delivery")
        with house.parts.house.storage.read(house.tenant) as uow:
            waited.extend(one.state for one in uow.deliveries.newest((), 10))

    hooks = Overtaking(gateway.books.now)
    hooks.arrived = work_on_deliveries
    house.world.stripe.hooks = hooks
    house.world.stripe.fail("webhook_first")
    gateway.send()
    # `charge.refunded` tells nothing since 2022: the refund has an event of its own.
    assert sorted(waited) == [DeliveryState.IGNORED, DeliveryState.WAITING]
    assert gateway.states() == {RefundState.SUCCEEDED}
    house.rest()
    hooks.stop()
    with house.parts.house.storage.read(house.tenant) as uow:
        states = {one.state for one in uow.deliveries.newest((), 10)}
    assert states == {DeliveryState.IGNORED, DeliveryState.APPLIED}
    assert gateway.moved() == [4900]
    assert house.world.post.letters == []
    assert "49.00 EUR refunded" in sidebar.look().text


# --- later ----------------------------------------------------------------------------------------


def test_a_refund_that_fails_days_later_gives_access_back_and_says_so(
    gateway: Gateway, joined: Joined
) -> None:
    house, shop = gateway.house, joined.shop
    before = shop.held()
    sidebar = gateway.sidebar()
    sidebar.press("refund")
    house.pass_time(seconds=10)
    house.rest()
    assert shop.held() == set()
    house.pass_time(days=3)
    (refund,) = gateway.books.all("refund")
    gateway.books.settle(refund["id"], "failed")
    house.settle()
    house.rest()
    assert shop.held() == before
    assert gateway.moved() == []
    page = gateway.sidebar().page
    assert "The money came back" in page.text
    assert "Access is given back" in page.text
    assert "did not go through" in gateway.notes[-1]
    (letter,) = house.world.post.bodies
    assert "failed later" in letter


# --- disputes -------------------------------------------------------------------------------------


def test_an_open_dispute_leaves_no_button(gateway: Gateway) -> None:
    charge = gateway.books.sell(4900, customer=gateway.customer)
    gateway.books.dispute(charge["id"])
    page = gateway.sidebar().page
    assert "The bank already holds this money" in page.text
    assert not page.has("refund")


def test_a_dispute_between_plan_and_click_stops_the_click(gateway: Gateway) -> None:
    charge = gateway.books.sell(4900, customer=gateway.customer)
    sidebar = gateway.sidebar()
    gateway.books.dispute(charge["id"])  # its event has not arrived
    page = sidebar.press("refund")
    assert page.status == 409
    assert gateway.states() == set()
    gateway.house.pass_time(seconds=30)
    assert gateway.moved() == []


def test_a_dispute_within_the_ten_seconds_withdraws_the_refund(gateway: Gateway) -> None:
    charge = gateway.books.sell(4900, customer=gateway.customer)
    sidebar = gateway.sidebar()
    sidebar.press("refund")
    gateway.house.pass_time(seconds=5)
    gateway.books.dispute(charge["id"])
    gateway.house.world.stripe.send_hooks()
    gateway.house.settle()
    gateway.house.pass_time(seconds=10)
    assert gateway.states() == {RefundState.WITHDRAWN}
    assert "The bank already holds this money" in sidebar.look().text
    assert gateway.moved() == []


def test_a_dispute_that_we_do_not_know_of_is_refused_by_the_gateway_and_told(
    gateway: Gateway,
) -> None:
    charge = gateway.books.sell(4900, customer=gateway.customer)
    sidebar = gateway.sidebar()
    sidebar.press("refund")
    gateway.books.dispute(charge["id"])
    gateway.send()
    assert gateway.states() == {RefundState.REFUSED}
    gateway.house.rest()
    assert gateway.moved() == []
    assert len(gateway.notes) == len(gateway.house.world.post.letters) == 1
    assert "This part was refused" in sidebar.look().text
    assert "The bank already holds this money" in sidebar.press("order", again="yes").text


# --- made elsewhere -------------------------------------------------------------------------------


def test_a_refund_made_in_the_dashboard_runs_the_rules_once_and_is_told_once(
    gateway: Gateway, joined: Joined
) -> None:
    house, shop = gateway.house, joined.shop
    gateway.books.refund({"charge": joined.charge})
    house.world.stripe.send_hooks()
    house.world.stripe.hooks.events *= 2  # each of them twice
    house.settle()
    house.rest()
    assert shop.held() == set()
    (note,), (subject,) = gateway.notes, house.world.post.subjects
    assert "was refunded in Stripe, not from here" in note
    assert "49.00 EUR refunded in Stripe" in subject
    shop.books.refund(joined.item)  # the store notices too
    house.settle()
    house.rest()
    assert len(gateway.notes) == len(house.world.post.letters) == 1
    assert gateway.moved() == [4900]
    assert "already refunded" in gateway.sidebar().page.text


def test_a_dashboard_refund_that_the_store_reports_first_is_told_once_too(
    gateway: Gateway, joined: Joined
) -> None:
    house, shop = gateway.house, joined.shop
    gateway.books.refund({"charge": joined.charge})
    shop.books.refund(joined.item)
    house.world.systeme_io.deliver()
    house.work()
    house.settle()  # only now the gateway's events arrive
    house.rest()
    assert shop.held() == set()
    assert len(gateway.notes) == len(house.world.post.letters) == 1
    assert gateway.moved() == [4900]


def test_a_part_refunded_in_the_dashboard_changes_no_access(
    gateway: Gateway, joined: Joined
) -> None:
    before = joined.shop.held()
    gateway.books.refund({"charge": joined.charge, "amount": "1000"})
    gateway.house.world.stripe.send_hooks()
    gateway.house.settle()
    gateway.house.rest()
    assert joined.shop.held() == before
    assert len(gateway.notes) == len(gateway.house.world.post.letters) == 1
    assert "10.00 already refunded" in gateway.sidebar().page.text


def test_parts_refunded_in_the_dashboard_add_up_and_a_failed_one_does_not_count(
    gateway: Gateway, joined: Joined
) -> None:
    house, shop = gateway.house, joined.shop
    before = shop.held()
    for cents in ("1000", "3900"):
        assert shop.held() == before
        gateway.books.refund({"charge": joined.charge, "amount": cents})
        house.settle()
        house.rest()
    assert shop.held() == set()
    assert len(gateway.notes) == len(house.world.post.letters) == 2
    house.pass_time(days=2)
    first = next(r for r in gateway.books.all("refund") if r["amount"] == 1000)
    gateway.books.settle(first["id"], "failed")
    house.settle()
    house.rest()
    assert shop.held() == before
