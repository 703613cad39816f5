"""Access and tags at Saleor: the contract's parts on access, tags and the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from plugin.domain.errors import NeedsHuman, Refused, RetryLater
from plugin.domain.orders import Resource, ResourceKind
from plugin.ports import CancelsSubscriptions, Changed, Contact
from plugin.stores.saleor import SaleorStore
from tests.contracts.access import HoldsAccessAndTags, NetworkWorld, OverTheNetwork, Trouble
from tests.platforms.saleor.conftest import INSTALLATION, store_at
from tests.platforms.saleor.fake import FakeSaleor

_FAULTS = {
    Trouble.KEY_EXPIRED: "denied",
    Trouble.RATE_LIMITED: "rate_limited",
    Trouble.MALFORMED: "html",
    Trouble.SILENT: "drop_before",
    Trouble.SILENT_AFTER: "drop_after",
    Trouble.FAILED_AFTER: "error_after",
}
_WRITES = ("MakegoodWriteKeys", "MakegoodDeleteKeys")
HELD = Resource(INSTALLATION, ResourceKind.COURSE, "sourdough", "Sourdough")
TAG = Resource(INSTALLATION, ResourceKind.TAG, "buyer.2026", "buyer.2026")
KEYS = {"makegood.access.course.sourdough": "Sourdough", "makegood.tag.buyer.2026": "buyer.2026"}


@dataclass
class SaleorWorld:
    fake: FakeSaleor
    store: SaleorStore
    contact: Contact
    stranger: Contact
    held: Resource = HELD
    tag: Resource = TAG
    retry_after: int = 7
    others: dict[str, str] = field(default_factory=dict)

    def books(self, contact: Contact) -> Sequence[Resource]:
        known = {"makegood.access.course.sourdough": HELD, "makegood.tag.buyer.2026": TAG}
        items = self.fake.books.users[contact.ref or ""]["privateMetadata"]
        return [known[item["key"]] for item in items if item["key"] in known]

    def trouble(self, trouble: Trouble, *, on_writes: bool) -> None:
        self.fake.fail(_FAULTS[trouble], on=lambda name: (name in _WRITES) is on_writes)


@pytest.fixture
def world(fake: FakeSaleor) -> NetworkWorld:
    own = {"theirs": "stays", **KEYS}
    contacts = []
    for email in ("ada@example.com", "bob@example.com"):
        user = fake.books.add_user(email, **own)
        contacts.append(Contact(email, user["id"]))
    return SaleorWorld(fake, store_at(fake.url), contacts[0], contacts[1])


class TestAccess(HoldsAccessAndTags, OverTheNetwork):
    """What Saleor declares: it has no subscriptions."""


def test_it_claims_no_subscriptions(store: SaleorStore) -> None:
    assert not isinstance(store, CancelsSubscriptions)


def test_a_change_is_one_read_and_one_write_of_its_own_key(
    fake: FakeSaleor, world: NetworkWorld
) -> None:
    world.store.revoke(world.contact, world.held)
    assert [call.operation for call in fake.calls] == ["MakegoodCustomer", "MakegoodDeleteKeys"]
    assert fake.calls[1].variables["keys"] == ["makegood.access.course.sourdough"]
    left = {item["key"] for item in fake.books.users[world.contact.ref or ""]["privateMetadata"]}
    assert left == {"theirs", "makegood.tag.buyer.2026"}


def test_a_customer_is_found_by_the_address_where_no_id_is_known(
    fake: FakeSaleor, world: NetworkWorld
) -> None:
    assert set(world.store.read_access(Contact(world.contact.email))) == {HELD, TAG}
    assert fake.calls[0].variables == {"email": "ada@example.com"}


def test_without_a_customer_account_nothing_is_held_and_nothing_can_be_given(
    store: SaleorStore,
) -> None:
    guest = Contact("guest@example.com")
    assert store.read_access(guest) == ()
    assert store.revoke(guest, HELD) is Changed.ALREADY
    with pytest.raises(NeedsHuman, match="no_customer_account"):
        store.restore(guest, HELD)


def test_an_account_that_has_another_address_now_is_for_a_person(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    user = fake.books.add_user("new@example.com", **KEYS)
    with pytest.raises(NeedsHuman, match="contact_has_another_address"):
        store.revoke(Contact("ada@example.com", user["id"]), HELD)
    assert len(user["privateMetadata"]) == 2


def test_an_account_that_is_gone_tells_nothing_of_the_one_that_she_has_now(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    user = fake.books.add_user("ada@example.com", **KEYS)
    before = Contact("ada@example.com", "VXNlcjo5OTk=")
    assert set(store.read_access(before)) == {HELD, TAG}
    assert [call.variables for call in fake.calls] == [
        {"id": "VXNlcjo5OTk="},
        {"email": "ada@example.com"},
    ]
    assert store.revoke(before, HELD) is Changed.DONE
    assert [item["key"] for item in user["privateMetadata"]] == ["makegood.tag.buyer.2026"]


@pytest.mark.parametrize("email", ["ada@example.com", ""])
def test_who_has_no_account_any_more_holds_nothing(
    fake: FakeSaleor, store: SaleorStore, email: str
) -> None:
    fake.books.add_user("bob@example.com", **KEYS)
    assert store.revoke(Contact(email, "VXNlcjo5OTk="), HELD) is Changed.ALREADY
    assert len(fake.calls) == (2 if email else 1)


def test_keys_of_a_kind_that_we_do_not_know_are_left_alone(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    odd = dict.fromkeys(
        ["makegood.tag.", "makegood.access.boat.1", "makegood.access.course.", "makegood.x"], "1"
    )
    user = fake.books.add_user("ada@example.com", **odd)
    assert store.read_access(Contact("ada@example.com", user["id"])) == ()


def test_a_customer_who_is_gone_since_is_refused(fake: FakeSaleor, world: NetworkWorld) -> None:
    def gone(operation: str) -> bool:
        if operation in _WRITES:
            fake.books.users.clear()  # between the read and the write
        return False

    fake.fail("html", on=gone)
    with pytest.raises(Refused, match="not_found"):
        world.store.revoke(world.contact, world.held)


def test_an_error_inside_a_read_is_tried_later(fake: FakeSaleor, world: NetworkWorld) -> None:
    fake.fail("empty", on="MakegoodCustomer")
    with pytest.raises(RetryLater, match="answer_malformed"):
        world.store.read_access(world.contact)
