"""Shopify keeps the access contract: tags one by one, metafields that say yes or no.

The contract's subscription tests are left out: Shopify lets an app end only contracts that it made
itself, and Makegood makes none. Where the contract ends a subscription on the way, there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from plugin.domain.errors import NeedsHuman, Refused, RetryLater
from plugin.domain.orders import Resource, ResourceKind, Subscription
from plugin.ports import Changed, Contact
from plugin.stores.shopify import ShopifyStore
from tests.contracts.access import HoldsAccessAndTags, NetworkWorld, OverTheNetwork, Trouble
from tests.platforms.shopify.books import Thing
from tests.platforms.shopify.conftest import INSTALLATION, MovingClock, client_to, connection_to
from tests.platforms.shopify.fake import WAIT, FakeShopify, ref_of

MEMBER = Resource(INSTALLATION, ResourceKind.MEMBERSHIP, "custom.member")
VIP = Resource(INSTALLATION, ResourceKind.TAG, "VIP")
_FAULTS = {
    Trouble.KEY_EXPIRED: "unauthorised",
    Trouble.RATE_LIMITED: "throttled",
    Trouble.MALFORMED: "html",
    Trouble.SILENT: "drop_before",
    Trouble.SILENT_AFTER: "drop_after",
    Trouble.FAILED_AFTER: "error_after",
}


class _WithoutSubscriptions(ShopifyStore):
    """What the contract calls in passing, of a store that has no subscriptions to end."""

    def read_subscription(self, contact: Contact, ref: str) -> Subscription | None:
        return None

    def cancel_subscription(self, contact: Contact, ref: str, *, at_once: bool) -> Changed:
        return Changed.ALREADY


@dataclass
class ShopifyAccessWorld:
    fake: FakeShopify
    store: _WithoutSubscriptions
    contact: Contact
    stranger: Contact
    held: Resource = MEMBER
    tag: Resource = VIP
    subscription: str = "none"
    retry_after: int = WAIT

    def books(self, contact: Contact) -> Sequence[Resource]:
        found = next(
            one for one in self.fake.books.customers.values() if one["email"] == contact.email
        )
        flags = [
            Resource(INSTALLATION, ResourceKind.MEMBERSHIP, name)
            for name, field in found["metafields"].items()
            if field == ("boolean", "true")
        ]
        return [*(Resource(INSTALLATION, ResourceKind.TAG, tag) for tag in found["tags"]), *flags]

    def charges_go_on(self) -> bool:
        return False

    def trouble(self, trouble: Trouble, *, on_writes: bool) -> None:
        writes = "AddTags RemoveTags SetMetafield"
        self.fake.fail(_FAULTS[trouble], on=writes if on_writes else "Customer")


@pytest.fixture
def ada(fake: FakeShopify) -> Thing:
    made = fake.books.add_customer("ada@example.com", tags=["VIP"])
    made["metafields"] |= {"custom.member": ("boolean", "true"), "custom.age": ("integer", "36")}
    return made


@pytest.fixture
def world(fake: FakeShopify, ada: Thing) -> NetworkWorld:
    other = fake.books.add_customer("bob@example.com", tags=["VIP"])
    other["metafields"] |= {"custom.member": ("boolean", "true")}
    store = _WithoutSubscriptions(connection_to(fake.url), client_to(fake.place), MovingClock())
    return ShopifyAccessWorld(
        fake, store, Contact("ada@example.com", ref_of(ada)), Contact("bob@example.com")
    )


class TestAccess(HoldsAccessAndTags, OverTheNetwork):
    """All of the contract but `CancelsWhatIsPaid`."""


ADA = Contact("ada@example.com")


def test_a_tag_is_one_whatever_its_case(store: ShopifyStore, ada: Thing) -> None:
    vip = Resource(INSTALLATION, ResourceKind.TAG, "vip")
    assert store.add_tag(ADA, vip) is Changed.ALREADY
    assert store.remove_tag(ADA, vip) is Changed.DONE
    assert ada["tags"] == []


@pytest.mark.parametrize("asked", ["vip", "Vip", "VIP"])
def test_a_tag_is_taken_as_the_shop_spells_it(
    fake: FakeShopify, store: ShopifyStore, ada: Thing, asked: str
) -> None:
    assert store.remove_tag(ADA, Resource(INSTALLATION, ResourceKind.TAG, asked)) is Changed.DONE
    assert fake.named("RemoveTags") == [{"id": ada["id"], "tags": ["VIP"]}]


def test_a_tag_that_is_there_keeps_its_spelling(
    fake: FakeShopify, store: ShopifyStore, ada: Thing
) -> None:
    assert store.add_tag(ADA, Resource(INSTALLATION, ResourceKind.TAG, "vip")) is Changed.ALREADY
    assert (ada["tags"], fake.named("AddTags")) == (["VIP"], [])
    assert VIP in store.read_access(ADA)


def test_other_tags_stay(fake: FakeShopify, store: ShopifyStore, ada: Thing) -> None:
    ada["tags"] += ["newsletter"]
    store.remove_tag(ADA, VIP)
    assert ada["tags"] == ["newsletter"]
    assert fake.named("RemoveTags") == [{"id": ada["id"], "tags": ["VIP"]}]


def test_a_change_takes_two_calls_and_none_that_is_not_needed(
    fake: FakeShopify, store: ShopifyStore, ada: Thing
) -> None:
    store.revoke(ADA, MEMBER)
    assert [name for name, _, _ in fake.calls] == ["token", "CustomerFlagByEmail", "SetMetafield"]
    assert ada["metafields"]["custom.member"] == ("boolean", "false")
    fake.calls.clear()
    store.revoke(Contact("ada@example.com", ref_of(ada)), MEMBER)
    assert [name for name, _, _ in fake.calls] == ["CustomerFlagById"]


def test_a_metafield_that_changed_meanwhile_is_read_again(
    fake: FakeShopify, store: ShopifyStore, ada: Thing
) -> None:
    read = fake._customer_flag_by_email

    def overtaken(variables: Thing) -> Thing:
        shown = read(variables)
        ada["metafields"]["custom.member"] = ("boolean", "false")
        return shown

    fake.__dict__["_customer_flag_by_email"] = overtaken
    with pytest.raises(RetryLater):
        store.revoke(ADA, MEMBER)


@pytest.mark.parametrize("resource", [VIP, MEMBER])
def test_a_customer_whose_id_is_gone_is_found_by_her_address(
    fake: FakeShopify, store: ShopifyStore, ada: Thing, resource: Resource
) -> None:
    """Of two customers that were merged one id is gone, and the other has what both had."""
    merged = Contact("ada@example.com", "999")
    assert resource in store.read_access(merged)
    fake.calls.clear()
    assert store.revoke(merged, resource) is Changed.DONE
    assert len(fake.calls) == 3
    assert resource not in store.read_access(merged)
    assert store.restore(merged, resource) is Changed.DONE
    assert resource in store.read_access(merged)
    assert ada["id"] not in {variables["id"] for variables in fake.named("CustomerById")}


def test_who_has_no_address_is_asked_for_by_the_id_alone(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    gone = Contact("", "999")
    assert not store.read_access(gone)
    assert store.revoke(gone, VIP) is Changed.ALREADY
    assert store.revoke(gone, MEMBER) is Changed.ALREADY
    assert not fake.named("CustomerByEmail")
    assert not fake.named("CustomerFlagByEmail")


def test_a_metafield_among_many_is_asked_for_by_its_name(
    fake: FakeShopify, store: ShopifyStore, ada: Thing
) -> None:
    many = {f"app.field{number}": ("boolean", "false") for number in range(400)}
    ada["metafields"] = {**many, "custom.member": ("boolean", "true")}
    assert store.revoke(ADA, MEMBER) is Changed.DONE
    assert ada["metafields"]["custom.member"] == ("boolean", "false")
    [asked] = fake.named("CustomerFlagByEmail")
    assert (asked["namespace"], asked["key"]) == ("custom", "member")


def test_a_metafield_of_another_type_is_never_written_over(store: ShopifyStore, ada: Thing) -> None:
    age = Resource(INSTALLATION, ResourceKind.MEMBERSHIP, "custom.age")
    assert store.revoke(ADA, age) is Changed.ALREADY
    with pytest.raises(Refused):
        store.restore(ADA, age)
    assert ada["metafields"]["custom.age"] == ("integer", "36")


def test_a_metafield_that_was_never_set_can_be_given(store: ShopifyStore, ada: Thing) -> None:
    new = Resource(INSTALLATION, ResourceKind.MEMBERSHIP, "custom.new")
    assert store.revoke(ADA, new) is Changed.ALREADY
    assert store.restore(ADA, new) is Changed.DONE
    assert ada["metafields"]["custom.new"] == ("boolean", "true")


def test_what_is_neither_tag_nor_metafield_is_not_held_here(
    store: ShopifyStore, ada: Thing
) -> None:
    assert ada["tags"]
    for kind, ref in ((ResourceKind.COURSE, "1"), (ResourceKind.MEMBERSHIP, "nodot")):
        with pytest.raises(Refused):
            store.revoke(ADA, Resource(INSTALLATION, kind, ref))


def test_nobody_holds_nothing_and_is_given_nothing(store: ShopifyStore) -> None:
    assert store.read_access(ADA) == ()
    assert store.revoke(ADA, MEMBER) is Changed.ALREADY
    assert store.remove_tag(ADA, VIP) is Changed.ALREADY
    for resource in (MEMBER, VIP):
        with pytest.raises(NeedsHuman):
            store.restore(ADA, resource)


def test_the_catalog_lists_products_and_yes_or_no_fields(store: ShopifyStore) -> None:
    catalog = store.read_catalog()
    assert [(item.ref, item.name) for item in catalog.products] == [("632910392", "A course")]
    assert [(item.ref, item.name) for item in catalog.resources] == [("custom.member", "Member")]
    assert catalog.unlisted == ("tags",)
