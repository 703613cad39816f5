"""Access and tags as private metadata of a Saleor customer: one key for each, so none is lost.

Saleor has no courses and no tags. `makegood.access.<kind>.<ref>` and `makegood.tag.<name>` stand
for them: what the seller's storefront opens by such a key is closed when the key goes. A write
replaces its own keys only (https://docs.saleor.io/developer/metadata), so two writers of two keys
do not hurt each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plugin.domain.errors import NeedsHuman, OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import InstallationId, customer_key
from plugin.domain.orders import Resource, ResourceKind
from plugin.platforms.strict_json import JsonValue, Reader
from plugin.ports import Changed, Contact
from plugin.stores.saleor.account import Account, refusal_in, understood
from plugin.stores.saleor.documents import DELETE_KEYS, READ_CUSTOMER, WRITE_KEYS

ACCESS = "makegood.access."
TAG = "makegood.tag."
_KINDS = {kind.value: kind for kind in ResourceKind if kind is not ResourceKind.TAG}


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the customers of one shop hold. Each change is one read and at most one write.

    Where the account that the order names is gone, it is one read more.
    """

    account: Account
    installation: InstallationId

    def held(self, contact: Contact) -> Sequence[Resource]:
        """All that our keys say; nothing for a customer without an account at the shop."""
        _, keys = self._read(contact)
        found = (self._resource(key, value) for key, value in keys.items())
        return tuple(resource for resource in found if resource is not None)

    def put(self, contact: Contact, resource: Resource) -> Changed:
        """Raises NeedsHuman for a customer without an account: there is nothing to write to."""
        ref, keys = self._read(contact)
        key = key_of(resource)
        if key in keys:
            return Changed.ALREADY
        if ref is None:
            raise NeedsHuman("no_customer_account", "the sale was made without an account")
        item: JsonValue = {"key": key, "value": resource.name or resource.ref}
        return self._change("metadata.write", WRITE_KEYS, {"id": ref, "input": [item]})

    def drop(self, contact: Contact, resource: Resource) -> Changed:
        """What is not there is as wanted."""
        ref, keys = self._read(contact)
        key = key_of(resource)
        if ref is None or key not in keys:
            return Changed.ALREADY
        return self._change("metadata.delete", DELETE_KEYS, {"id": ref, "keys": [key]})

    def _read(self, contact: Contact) -> tuple[str | None, Mapping[str, str]]:
        """The customer's id and keys. By id where we know it; else by exactly this address.

        An account that is gone tells nothing of the one that she has now.
        """
        user = None if contact.ref is None else self._user({"id": contact.ref})
        if user is None and contact.email.strip():
            user = self._user({"email": contact.email})
        if user is None:
            return None, {}
        with understood(RetryLater):
            if customer_key(user.text("email")) != customer_key(contact.email):
                raise NeedsHuman("contact_has_another_address", user.text("id"))
            items = user.items("privateMetadata")
            return user.text("id"), {_raw(item, "key"): _raw(item, "value") for item in items}

    def _user(self, by: Mapping[str, JsonValue]) -> Reader | None:
        data = self.account.read("customer.read", READ_CUSTOMER, by)
        with understood(RetryLater):
            return data.optional_section("user")

    def _change(self, label: str, document: str, variables: Mapping[str, JsonValue]) -> Changed:
        payload = self.account.change(label, document, variables)
        with understood(OutcomeUnknown):
            code = refusal_in(payload)
        if code is not None:
            raise Refused(code, label)
        return Changed.DONE

    def _resource(self, key: str, value: str) -> Resource | None:
        if key.startswith(TAG) and key != TAG:
            return Resource(self.installation, ResourceKind.TAG, key.removeprefix(TAG), value)
        word, _, ref = key.removeprefix(ACCESS).partition(".")
        kind = _KINDS.get(word) if key.startswith(ACCESS) else None
        return None if kind is None or not ref else Resource(self.installation, kind, ref, value)


def key_of(resource: Resource) -> str:
    """The one key that stands for it."""
    if resource.kind is ResourceKind.TAG:
        return f"{TAG}{resource.ref}"
    return f"{ACCESS}{resource.kind.value}.{resource.ref}"


def _raw(item: Reader, name: str) -> str:
    return item.optional_text(name) or ""
