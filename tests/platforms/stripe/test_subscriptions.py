"""Stripe keeps the contract on subscriptions."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from plugin.domain.errors import MakegoodError
from plugin.ports import Contact
from plugin.stores.stripe import StripeStore
from tests.contracts.access import CancelsWhatIsPaid, PaidWorld
from tests.platforms.stripe.fake import FakeStripe


@dataclass
class SubscribedWorld:
    fake: FakeStripe
    store: StripeStore
    contact: Contact
    stranger: Contact
    subscription: str

    def charges_go_on(self) -> bool:
        kept = self.fake.books.get(self.subscription, "subscription")
        return kept["status"] == "active" and not kept["cancel_at_period_end"]


@pytest.fixture
def world(fake: FakeStripe, store: StripeStore) -> PaidWorld:
    ada, bob = (
        Contact(email, fake.books.add_customer(email)["id"])
        for email in ("ada@example.com", "bob@example.com")
    )
    paid = fake.books.subscribe(ada.ref or "", 1900)
    return SubscribedWorld(fake, store, ada, bob, str(paid["id"]))


class TestSubscriptions(CancelsWhatIsPaid):
    """Read, stopped in both ways, twice, and never a stranger's."""


@pytest.mark.parametrize("on", ["GET", "DELETE"])
def test_a_page_of_somebody_before_the_store_has_ended_nothing(
    fake: FakeStripe, world: PaidWorld, on: str
) -> None:
    fake.fail("lost", on=on)
    with pytest.raises(MakegoodError):
        world.store.cancel_subscription(world.contact, world.subscription, at_once=True)
    assert world.charges_go_on()
