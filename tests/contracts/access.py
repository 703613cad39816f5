"""What every store that holds access, tags or subscriptions must do, whatever its API looks like.

One class for each capability that a manifest may declare, and it asks for nothing else: whoever
declares it, inherits it. A platform's tests give a `world` fixture: a customer who holds a thing,
has a tag, or pays a subscription, at a store that keeps books of its own. The contract asks the
adapter to act and then looks into the books. `OverTheNetwork` adds what can go wrong on the way; a
store without a network leaves it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import pytest

from plugin.domain.errors import MakegoodError, OutcomeUnknown, Refused, RetryLater
from plugin.domain.orders import Resource, Subscription, SubscriptionStatus
from plugin.ports import CancelsSubscriptions, Changed, Contact, HoldsAccess, HoldsTags


class Trouble(StrEnum):
    """What may happen to the next call. `_AFTER`: the store did it, and the answer went wrong."""

    KEY_EXPIRED = "key_expired"
    RATE_LIMITED = "rate_limited"
    MALFORMED = "malformed"
    SILENT = "silent"
    SILENT_AFTER = "silent_after"
    FAILED_AFTER = "failed_after"


class World(Protocol):
    """One store account with two customers. The books are the store's own, not the adapter's."""

    @property
    def contact(self) -> Contact: ...

    @property
    def stranger(self) -> Contact:
        """Another customer of the same store, who holds the same things."""


class HoldingWorld(World, Protocol):
    """Of a store where customers hold something."""

    def books(self, contact: Contact) -> Sequence[Resource]:
        """What the store's books say that a customer holds, tags included."""


class OpenedWorld(HoldingWorld, Protocol):
    """Of a store that opens things. `held` is something other than a tag that both hold."""

    @property
    def store(self) -> HoldsAccess: ...

    @property
    def held(self) -> Resource: ...


class TaggedWorld(HoldingWorld, Protocol):
    """Of a store with tags. `tag` is one that both have."""

    @property
    def store(self) -> HoldsTags: ...

    @property
    def tag(self) -> Resource: ...


class PaidWorld(World, Protocol):
    """Of a store that charges again. `subscription` is the customer's, and it runs."""

    @property
    def store(self) -> CancelsSubscriptions: ...

    @property
    def subscription(self) -> str: ...

    def charges_go_on(self) -> bool:
        """Whether the store will charge the customer's subscription again."""


class OpeningAndTagging(HoldsAccess, HoldsTags, Protocol):
    """An adapter with both."""


class AccessWorld(OpenedWorld, TaggedWorld, Protocol):
    """Of a store with things and tags."""

    @property
    def store(self) -> OpeningAndTagging: ...


class Network(Protocol):
    """What is between: it can be put in trouble."""

    @property
    def retry_after(self) -> int:
        """What a full quota tells to wait, in seconds."""

    def trouble(self, trouble: Trouble, *, on_writes: bool) -> None:
        """Let it happen to the next call, or to the next call that changes something."""


class NetworkOpenedWorld(OpenedWorld, Network, Protocol):
    """A store that opens things, behind a network."""


class NetworkWorld(AccessWorld, Network, Protocol):
    """A store with things and tags, behind a network."""


# --- what each capability brings ------------------------------------------------------------------


class OpensAndCloses:
    """`revoke` and `restore`: each to its end, each twice, and nobody else is touched."""

    def test_what_is_open_is_read(self, world: OpenedWorld) -> None:
        assert world.held in world.store.read_access(world.contact)
        assert set(world.store.read_access(world.contact)) == set(world.books(world.contact))

    def test_revoked_access_is_gone(self, world: OpenedWorld) -> None:
        before = set(world.books(world.contact))
        assert world.store.revoke(world.contact, world.held) is Changed.DONE
        assert set(world.books(world.contact)) == before - {world.held}
        assert world.held not in world.store.read_access(world.contact)

    def test_revoking_what_is_gone_is_success(self, world: OpenedWorld) -> None:
        world.store.revoke(world.contact, world.held)
        assert world.store.revoke(world.contact, world.held) is Changed.ALREADY

    def test_restored_access_is_there_again(self, world: OpenedWorld) -> None:
        before = set(world.books(world.contact))
        world.store.revoke(world.contact, world.held)
        assert world.store.restore(world.contact, world.held) is Changed.DONE
        assert set(world.books(world.contact)) == before

    def test_restoring_what_is_there_changes_nothing(self, world: OpenedWorld) -> None:
        before = world.books(world.contact)
        assert world.store.restore(world.contact, world.held) is Changed.ALREADY
        assert world.books(world.contact) == before

    def test_another_customer_keeps_what_is_open_to_her(self, world: OpenedWorld) -> None:
        before = world.books(world.stranger)
        world.store.revoke(world.contact, world.held)
        assert world.books(world.stranger) == before
        assert world.held in before


class AddsAndRemovesTags:
    """`tags`: one by one, each twice, and nobody else is touched."""

    def test_a_removed_tag_is_gone(self, world: TaggedWorld) -> None:
        assert world.store.remove_tag(world.contact, world.tag) is Changed.DONE
        assert world.tag not in world.books(world.contact)

    def test_removing_a_tag_that_is_gone_is_success(self, world: TaggedWorld) -> None:
        world.store.remove_tag(world.contact, world.tag)
        assert world.store.remove_tag(world.contact, world.tag) is Changed.ALREADY

    def test_a_tag_is_added_once(self, world: TaggedWorld) -> None:
        world.store.remove_tag(world.contact, world.tag)
        assert world.store.add_tag(world.contact, world.tag) is Changed.DONE
        assert world.store.add_tag(world.contact, world.tag) is Changed.ALREADY
        assert list(world.books(world.contact)).count(world.tag) == 1

    def test_another_customer_keeps_her_tags(self, world: TaggedWorld) -> None:
        before = world.books(world.stranger)
        world.store.remove_tag(world.contact, world.tag)
        assert world.books(world.stranger) == before
        assert world.tag in before


class HoldsAccessAndTags(OpensAndCloses, AddsAndRemovesTags):
    """Both: then what is held is read together."""

    def test_what_is_held_is_read(self, world: AccessWorld) -> None:
        assert set(world.store.read_access(world.contact)) == {world.held, world.tag}


class CancelsWhatIsPaid:
    """Subscriptions: read, stopped in both ways, twice, and never a stranger's."""

    def read(self, world: PaidWorld) -> Subscription:
        found = world.store.read_subscription(world.contact, world.subscription)
        assert found is not None
        return found

    def test_a_running_subscription_is_active(self, world: PaidWorld) -> None:
        assert self.read(world).status is SubscriptionStatus.ACTIVE
        assert world.charges_go_on()

    @pytest.mark.parametrize("at_once", [True, False])
    def test_a_cancelled_subscription_charges_no_more(
        self, world: PaidWorld, at_once: bool
    ) -> None:
        done = world.store.cancel_subscription(world.contact, world.subscription, at_once=at_once)
        assert done is Changed.DONE
        assert not world.charges_go_on()
        assert self.read(world).status is not SubscriptionStatus.ACTIVE

    @pytest.mark.parametrize("at_once", [True, False])
    def test_cancelling_twice_is_success(self, world: PaidWorld, at_once: bool) -> None:
        world.store.cancel_subscription(world.contact, world.subscription, at_once=at_once)
        again = world.store.cancel_subscription(world.contact, world.subscription, at_once=at_once)
        assert again is Changed.ALREADY

    def test_nobody_can_cancel_a_strangers_subscription(self, world: PaidWorld) -> None:
        with pytest.raises(Refused):
            world.store.cancel_subscription(world.stranger, world.subscription, at_once=True)
        assert world.charges_go_on()

    def test_an_unknown_subscription_is_none(self, world: PaidWorld) -> None:
        assert world.store.read_subscription(world.contact, "999999") is None


class OverTheNetwork:
    """What may go wrong on the way: each kind is told apart, and a second try comes to an end."""

    @pytest.mark.parametrize("on_writes", [True, False])
    def test_an_expired_key_is_refused(self, world: NetworkOpenedWorld, on_writes: bool) -> None:
        world.trouble(Trouble.KEY_EXPIRED, on_writes=on_writes)
        with pytest.raises(Refused) as caught:
            world.store.revoke(world.contact, world.held)
        assert caught.value.code == "key_refused"

    @pytest.mark.parametrize("on_writes", [True, False])
    def test_a_full_quota_is_waited_for(self, world: NetworkOpenedWorld, on_writes: bool) -> None:
        world.trouble(Trouble.RATE_LIMITED, on_writes=on_writes)
        with pytest.raises(RetryLater) as caught:
            world.store.revoke(world.contact, world.held)
        assert caught.value.after_seconds == world.retry_after
        assert world.held in world.books(world.contact)
        assert world.store.revoke(world.contact, world.held) is Changed.DONE

    @pytest.mark.parametrize("trouble", [Trouble.MALFORMED, Trouble.SILENT])
    def test_a_list_that_cannot_be_read_changes_nothing(
        self, world: NetworkOpenedWorld, trouble: Trouble
    ) -> None:
        world.trouble(trouble, on_writes=False)
        with pytest.raises(RetryLater):
            world.store.revoke(world.contact, world.held)
        assert world.held in world.books(world.contact)

    @pytest.mark.parametrize(
        "trouble", [Trouble.SILENT, Trouble.SILENT_AFTER, Trouble.FAILED_AFTER]
    )
    def test_silence_after_a_change_is_unknown_and_a_second_try_settles_it(
        self, world: NetworkOpenedWorld, trouble: Trouble
    ) -> None:
        changed = trouble is not Trouble.SILENT
        world.trouble(trouble, on_writes=True)
        with pytest.raises(OutcomeUnknown):
            world.store.revoke(world.contact, world.held)
        assert (world.held not in world.books(world.contact)) is changed
        again = world.store.revoke(world.contact, world.held)
        assert again is (Changed.ALREADY if changed else Changed.DONE)
        assert world.held not in world.books(world.contact)

    @pytest.mark.parametrize("trouble", [Trouble.SILENT_AFTER, Trouble.FAILED_AFTER])
    def test_a_restoring_that_was_cut_off_is_not_done_twice(
        self, world: NetworkOpenedWorld, trouble: Trouble
    ) -> None:
        world.store.revoke(world.contact, world.held)
        world.trouble(trouble, on_writes=True)
        with pytest.raises(OutcomeUnknown):
            world.store.restore(world.contact, world.held)
        assert world.store.restore(world.contact, world.held) is Changed.ALREADY
        assert list(world.books(world.contact)).count(world.held) == 1

    @pytest.mark.parametrize("trouble", list(Trouble))
    def test_no_error_tells_who_it_was_about(
        self, world: NetworkOpenedWorld, trouble: Trouble
    ) -> None:
        world.trouble(trouble, on_writes=trouble is not Trouble.MALFORMED)
        with pytest.raises(MakegoodError) as caught:
            world.store.revoke(world.contact, world.held)
        assert world.contact.email not in str(caught.value)


class AccessContract(HoldsAccessAndTags, CancelsWhatIsPaid):
    """The whole contract of a store without a network."""


class NetworkAccessContract(AccessContract, OverTheNetwork):
    """The whole contract of a store behind one."""
