"""What a customer holds at a shop: tags, and metafields that say yes or no.

Apps that sell courses and memberships on Shopify open them by a tag or a metafield of the customer.
A tag is added or removed by itself: the list is never replaced. A metafield of the type boolean is
set to true or false; one of another type is not access and is left alone. Both are read first, so
that what is as wanted is not written.
https://shopify.dev/docs/api/admin-graphql/latest/mutations/tagsAdd
https://shopify.dev/docs/api/admin-graphql/latest/mutations/metafieldsSet
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plugin.domain.errors import NeedsHuman, Refused, RetryLater
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Resource, ResourceKind
from plugin.platforms.shopify_words import gid
from plugin.platforms.strict_json import JsonValue, Reader
from plugin.ports import Changed, Contact
from plugin.stores.shopify.account import Account, understood


@dataclass(frozen=True, slots=True)
class Held:
    """One customer's id, tags, and the metafields that say yes, as `namespace.key`."""

    id: str
    tags: tuple[str, ...]
    flags: tuple[str, ...]

    def spelled(self, tag: str) -> tuple[str, ...]:
        """The tag as the shop spells it; empty where she has none such.

        To Shopify `VIP` and `vip` are one:
        https://help.shopify.com/en/manual/shopify-flow/reference/actions/add-customer-tags
        """
        return tuple(one for one in self.tags if one.lower() == tag.lower())


@dataclass(frozen=True, slots=True)
class Access:
    """The customers of one shop, one at a time."""

    account: Account
    installation: InstallationId

    def read(self, contact: Contact) -> Sequence[Resource]:
        """Her tags, and the metafields that say yes. Nobody holds nothing."""
        held = self._held(contact)
        if held is None:
            return ()
        tags = [Resource(self.installation, ResourceKind.TAG, tag, tag) for tag in held.tags]
        flags = [
            Resource(self.installation, ResourceKind.MEMBERSHIP, name, name) for name in held.flags
        ]
        return (*tags, *flags)

    def address(self, customer: str) -> str | None:
        """The e-mail address of the customer `gid://shopify/Customer/1`; None where there is none.

        A customer of another shop is not found here.
        """
        data = self.account.ask("customer.address", {"id": customer})
        with understood(RetryLater):
            found = data.optional_section("customer")
            if found is None:
                return None
            return found.optional_text("defaultEmailAddress", "emailAddress") or None

    def change(self, contact: Contact, resource: Resource, *, give: bool) -> Changed:
        """Raises Refused for a thing that is neither a tag nor a metafield, or a customer gone."""
        match resource.kind:
            case ResourceKind.TAG:
                return self._change_tag(contact, resource.ref, give=give)
            case ResourceKind.MEMBERSHIP:
                return self._change_flag(contact, resource.ref, give=give)
            case _:
                raise Refused("not_held_here", resource.kind)

    def _change_tag(self, contact: Contact, tag: str, *, give: bool) -> Changed:
        held = self._held(contact)
        if held is None:
            return _nobody(give=give)
        there = held.spelled(tag)
        if bool(there) is give:
            return Changed.ALREADY
        # Whether what is to go is compared without case too is said nowhere: by its own spelling
        # it goes in either case.
        variables: dict[str, JsonValue] = {"id": held.id, "tags": [tag] if give else [*there]}
        self.account.change_simply("tag.add" if give else "tag.remove", variables)
        return Changed.DONE

    def _change_flag(self, contact: Contact, name: str, *, give: bool) -> Changed:
        namespace, dot, key = name.rpartition(".")
        if not dot:
            raise Refused("not_held_here", "metafield")
        asked: dict[str, JsonValue] = {"namespace": namespace, "key": key}
        customer = self._customer("flag", contact, asked)
        if customer is None:
            return _nobody(give=give)
        with understood(RetryLater):
            flag = customer.optional_section("metafield")
            is_boolean = flag is None or flag.text("type") == "boolean"
            is_on = flag is not None and is_boolean and flag.text("value") == "true"
            digest = None if flag is None else flag.text("compareDigest")
            owner = customer.text("id")
        if is_on is give:
            return Changed.ALREADY
        if not is_boolean:
            raise Refused("not_held_here", "metafield of another type")
        sent: JsonValue = {
            "ownerId": owner,
            "namespace": namespace,
            "key": key,
            "type": "boolean",
            "value": "true" if give else "false",
            # Changed since it was read: then Shopify refuses, and somebody else decided.
            "compareDigest": digest,
        }
        self.account.change_simply("metafield.set", {"metafields": [sent]})
        return Changed.DONE

    def _held(self, contact: Contact) -> Held | None:
        customer = self._customer("customer", contact, {})
        with understood(RetryLater):
            return None if customer is None else _read_held(customer)

    def _customer(
        self, what: str, contact: Contact, asked: Mapping[str, JsonValue]
    ) -> Reader | None:
        """By the shop's id for her, else by her address: of merged customers one id is gone."""
        known = None if contact.ref is None else gid("Customer", contact.ref)
        found = None if known is None else self._ask(f"{what}.read", {"id": known, **asked})
        address = contact.email.strip()
        if found is None and address:
            found = self._ask(f"{what}.find", {"email": address, **asked})
        return found

    def _ask(self, label: str, variables: Mapping[str, JsonValue]) -> Reader | None:
        data = self.account.ask(label, variables)
        with understood(RetryLater):
            return data.optional_section("customer")


def _read_held(customer: Reader) -> Held:
    tags = tuple(item.value for item in customer.items("tags") if isinstance(item.value, str))
    flags = tuple(
        f"{one.text('namespace')}.{one.text('key')}"
        for one in customer.items("metafields", "nodes")
        if (one.text("type"), one.text("value")) == ("boolean", "true")
    )
    return Held(customer.text("id"), tags, flags)


def _nobody(*, give: bool) -> Changed:
    if give:
        raise NeedsHuman("customer_not_found", "the shop has no such customer")
    return Changed.ALREADY
