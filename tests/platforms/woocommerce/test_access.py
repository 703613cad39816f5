"""Memberships and subscriptions keep the contract, and are absent where their extension is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from plugin.domain.errors import MakegoodError, NeedsHuman, OutcomeUnknown, Refused
from plugin.domain.orders import Resource, ResourceKind
from plugin.ports import Changed, Contact
from plugin.stores.woocommerce import WoocommerceStore
from tests.contracts.access import CancelsWhatIsPaid, OpensAndCloses, OverTheNetwork, Trouble
from tests.platforms.woocommerce.books import Thing
from tests.platforms.woocommerce.conftest import INSTALLATION
from tests.platforms.woocommerce.fake import Answer, FakeShop

ADA = Contact("ada@example.com", "25")
BOB = Contact("bob@example.com", "26")
GOLD = Resource(INSTALLATION, ResourceKind.MEMBERSHIP, "10", "Plan 10")
SILVER = Resource(INSTALLATION, ResourceKind.MEMBERSHIP, "11", "Plan 11")
_FAULTS = {
    Trouble.KEY_EXPIRED: "unauthorised",
    Trouble.RATE_LIMITED: "busy",
    Trouble.MALFORMED: "page",
    Trouble.SILENT: "drop_before",
    Trouble.SILENT_AFTER: "drop_after",
    Trouble.FAILED_AFTER: "error_after",
}


def member(fake: FakeShop, customer: str | None, plan: str, status: str = "active") -> Thing:
    kept = fake.books.memberships = fake.books.memberships or {}
    ref = fake.books.new_id()
    kept[ref] = {
        "id": ref,
        "customer_id": int(customer or "0"),
        "plan_id": int(plan),
        "status": status,
        "order_id": 47,
    }
    return kept[ref]


@dataclass
class MembersWorld:
    fake: FakeShop
    store: WoocommerceStore
    contact: Contact = ADA
    stranger: Contact = BOB
    held: Resource = GOLD
    subscription: str = "1313"
    retry_after: int = 7

    def books(self, contact: Contact) -> Sequence[Resource]:
        plans = {"10": GOLD, "11": SILVER}
        return [
            plans[str(one["plan_id"])]
            for one in (self.fake.books.memberships or {}).values()
            if (str(one["customer_id"]), one["status"]) == (contact.ref, "active")
        ]

    def charges_go_on(self) -> bool:
        assert self.fake.books.subscriptions is not None
        return bool(self.fake.books.subscriptions[1313]["status"] == "active")

    def trouble(self, trouble: Trouble, *, on_writes: bool) -> None:
        self.fake.faults = [_FAULTS[trouble]]
        self.fake.meets = lambda method, _: (method != "GET") is on_writes


@pytest.fixture
def world(fake: FakeShop, store: WoocommerceStore) -> MembersWorld:
    for one in (ADA, BOB):
        member(fake, one.ref, "10")
        member(fake, one.ref, "11")
    fake.books.subscriptions = {
        1313: {
            "id": 1313,
            "status": "active",
            "customer_id": 25,
            "next_payment_date_gmt": "2026-12-22T09:00:00",
            "end_date_gmt": "",
        }
    }
    return MembersWorld(fake, store)


class TestAccess(OpensAndCloses, OverTheNetwork):
    """What `revoke` and `restore` bring."""


class TestSubscriptions(CancelsWhatIsPaid):
    """What `cancel_subscription` brings."""


def test_who_has_no_customer_number_yet_is_found_by_the_address_alone(
    world: MembersWorld, store: WoocommerceStore
) -> None:
    assert store.revoke(Contact("ada@example.com"), GOLD) is Changed.DONE
    assert set(world.books(ADA)) == {SILVER}
    assert len(world.fake.calls) == 3
    assert store.read_access(Contact("guest@example.com")) == ()
    assert store.revoke(Contact("guest@example.com"), GOLD) is Changed.ALREADY


def test_an_account_of_another_role_than_customer_is_found_too(
    world: MembersWorld, store: WoocommerceStore
) -> None:
    assert store.revoke(Contact("bob@example.com"), GOLD) is Changed.DONE
    assert set(world.books(BOB)) == {SILVER}


def test_an_account_that_is_gone_tells_nothing_of_the_one_that_she_has_now(
    world: MembersWorld, store: WoocommerceStore
) -> None:
    before = Contact("ada@example.com", "5")
    member(world.fake, "5", "11")  # what is left of the old one opens nothing to anybody
    assert store.read_access(before) == (GOLD, SILVER)
    assert store.revoke(before, GOLD) is Changed.DONE
    assert set(world.books(ADA)) == {SILVER}


def test_who_has_no_account_any_more_holds_nothing(
    world: MembersWorld, store: WoocommerceStore
) -> None:
    for gone in (Contact("cleo@example.com", "5"), Contact("", "5")):
        assert store.read_access(gone) == ()
        assert store.revoke(gone, GOLD) is Changed.ALREADY
    assert not [path for _, path in world.fake.calls if "email=&" in path]  # it would list all


def test_an_account_that_buys_under_her_address_is_hers_whatever_it_signs_in_with(
    world: MembersWorld, store: WoocommerceStore
) -> None:
    world.fake.customers[0] |= {
        "email": "home@example.com",
        "billing": {"email": "ada@example.com"},
    }
    by_her_order = Contact("ada@example.com", str(world.fake.customers[0]["id"]))
    assert store.revoke(by_her_order, GOLD) is Changed.DONE
    assert set(world.books(ADA)) == {SILVER}


def test_an_account_of_another_address_is_for_a_person(
    world: MembersWorld, store: WoocommerceStore
) -> None:
    """Who runs the shop places an order for her under their own login, and has that plan too."""
    for ref in ("26", "27"):  # 27 holds nothing: that is no proof that she does not
        world.fake.customers[1]["id"] = int(ref)
        under_anothers = Contact("ada@example.com", ref)
        for ask in (store.revoke, store.restore):
            with pytest.raises(NeedsHuman, match="contact_has_another_address"):
                ask(under_anothers, GOLD)
        with pytest.raises(NeedsHuman, match="contact_has_another_address"):
            store.read_access(under_anothers)
    assert set(world.books(BOB)) == {GOLD, SILVER}


def test_who_gave_no_address_is_whom_the_order_names(
    world: MembersWorld, store: WoocommerceStore
) -> None:
    assert store.revoke(Contact("", "25"), GOLD) is Changed.DONE
    assert set(world.books(ADA)) == {SILVER}


def test_where_the_extension_is_not_installed_one_call_tells_it(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    store.read_access(ADA)
    assert len(fake.calls) == 1


def test_without_the_extension_nothing_is_held(store: WoocommerceStore) -> None:
    assert store.read_access(ADA) == ()
    assert store.revoke(ADA, GOLD) is Changed.ALREADY
    with pytest.raises(NeedsHuman, match="no_membership"):
        store.restore(ADA, GOLD)


def test_a_shop_that_does_not_know_the_filter_closes_nobody_elses(
    world: MembersWorld, store: WoocommerceStore
) -> None:
    world.fake.no_filter = True
    store.revoke(ADA, GOLD)
    assert set(world.books(BOB)) == {GOLD, SILVER}


@pytest.mark.parametrize(
    ("status", "is_open"),
    [
        ("active", True),
        ("free_trial", True),
        ("pending", True),
        ("complimentary", True),
        ("paused", False),
        ("expired", False),
        ("cancelled", False),
    ],
)
def test_what_a_status_means(
    fake: FakeShop, store: WoocommerceStore, status: str, *, is_open: bool
) -> None:
    member(fake, "25", "10", status)
    assert store.read_access(ADA) == ((GOLD,) if is_open else ())


def test_of_several_closed_ones_the_newest_is_opened(
    fake: FakeShop, store: WoocommerceStore
) -> None:
    older, newer = (member(fake, "25", "10", "cancelled") for _ in range(2))
    assert store.restore(ADA, GOLD) is Changed.DONE
    assert (older["status"], newer["status"]) == ("cancelled", "active")


@pytest.mark.parametrize("other", ["expired", "paused"])
def test_what_was_cancelled_is_opened_before_what_ended_by_itself(
    fake: FakeShop, store: WoocommerceStore, other: str
) -> None:
    ours, newer = (member(fake, "25", "10", status) for status in ("cancelled", other))
    assert store.restore(ADA, GOLD) is Changed.DONE
    assert (ours["status"], newer["status"]) == ("active", other)


def test_a_thing_that_is_no_membership_is_nothing_here(
    world: MembersWorld, store: WoocommerceStore
) -> None:
    course = Resource(INSTALLATION, ResourceKind.COURSE, "10")
    assert store.revoke(ADA, course) is Changed.ALREADY
    with pytest.raises(NeedsHuman, match="no_membership"):
        store.restore(ADA, course)
    assert set(world.books(ADA)) == {GOLD, SILVER}


@pytest.mark.parametrize(
    ("fault", "error"),
    [("html_after", OutcomeUnknown), ("empty", OutcomeUnknown), ("firewall", OutcomeUnknown)],
)
def test_an_answer_that_does_not_say_what_it_did_is_unknown(
    world: MembersWorld, store: WoocommerceStore, fault: str, error: type[Exception]
) -> None:
    world.fake.faults = [fault]
    world.fake.meets = lambda method, _: method == "PUT"
    with pytest.raises(error):
        store.revoke(ADA, GOLD)


def test_a_membership_that_stays_as_it_was_is_unknown(
    world: MembersWorld, store: WoocommerceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An extension of the shop may undo it at once."""
    kept = world.fake.books.memberships
    assert kept is not None
    first = next(iter(kept.values()))

    def stubborn(method: str, *_: object) -> Answer:
        return Answer(200, [first] if method == "GET" else first)

    monkeypatch.setattr(world.fake, "_memberships", stubborn)
    with pytest.raises(OutcomeUnknown, match="membership_not_as_asked"):
        store.revoke(ADA, GOLD)


def test_a_shop_that_refuses_to_tell_is_no_empty_list(
    world: MembersWorld, store: WoocommerceStore
) -> None:
    world.fake.key_state = "gone"
    with pytest.raises(Refused, match="key_refused"):
        store.read_access(ADA)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_page_of_somebody_before_the_shop_has_ended_no_subscription(
    world: MembersWorld, store: WoocommerceStore, method: str
) -> None:
    world.fake.faults, world.fake.meets = ["lost"], lambda asked, _: asked == method
    with pytest.raises(MakegoodError):
        store.cancel_subscription(ADA, world.subscription, at_once=True)
    assert world.charges_go_on()
