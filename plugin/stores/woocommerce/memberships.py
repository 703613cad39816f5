"""Access of the Memberships extension: a customer's membership of a plan, cancelled and opened.

The extension is sold apart: where it is not installed its address is unknown to the shop, and so
nothing is held. A cancelled membership stays as a row and can be made active again; nothing is ever
deleted.
https://github.com/godaddy-wordpress/woocommerce-memberships-rest-api-docs
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from plugin.domain.errors import NeedsHuman, OutcomeUnknown, RetryLater
from plugin.domain.ids import InstallationId, customer_key
from plugin.domain.orders import Resource, ResourceKind
from plugin.platforms.http_client import Answer
from plugin.platforms.strict_json import Reader
from plugin.ports import Changed, Contact
from plugin.stores.woocommerce.account import (
    NOT_INSTALLED,
    PAGE,
    Account,
    at,
    error_code,
    read_ok,
    refusal,
    understood,
)

FOLDER: Final = "memberships/members"
CANCELLED: Final = "cancelled"
_CLOSED: Final = frozenset({CANCELLED, "expired", "paused"})
"""What gives no access. All else does, also a membership that is about to end."""


@dataclass(frozen=True, slots=True)
class Memberships:
    """The memberships at one shop. A change is two calls before its writes, one for each row.

    Where the account that the order names is gone, it is two more.
    """

    account: Account
    installation: InstallationId

    def held(self, contact: Contact) -> Sequence[Resource]:
        """The plans that are open to the customer. `ref` is the plan's number in the shop."""
        rows = self._rows(contact)
        with understood(RetryLater):
            plans = {_plan(row) for row in rows if _is_open(row)}
        return tuple(
            Resource(self.installation, ResourceKind.MEMBERSHIP, plan, f"Plan {plan}")
            for plan in sorted(plans)
        )

    def revoke(self, contact: Contact, resource: Resource) -> Changed:
        """Cancel what is open of the plan. What is not there is as wanted."""
        rows = self._rows(contact)
        with understood(RetryLater):
            refs = [row.identifier("id") for row in self._of(rows, resource) if _is_open(row)]
        for ref in refs:
            self._write(ref, CANCELLED)
        return Changed.DONE if refs else Changed.ALREADY

    def restore(self, contact: Contact, resource: Resource) -> Changed:
        """Open what was cancelled last, as we close it; else what was closed last.

        Raises NeedsHuman where there is none any more.
        """
        rows = self._rows(contact)
        with understood(RetryLater):
            ours = self._of(rows, resource)
            if any(_is_open(row) for row in ours):
                return Changed.ALREADY
            _, newest = max((_closed_like_ours(row) for row in ours), default=(False, 0))
        if not newest:
            raise NeedsHuman("no_membership", "the shop has no membership of this plan to open")
        self._write(str(newest), "active")
        return Changed.DONE

    def _of(self, rows: Sequence[Reader], resource: Resource) -> list[Reader]:
        if resource.kind is not ResourceKind.MEMBERSHIP:
            return []
        return [row for row in rows if _plan(row) == resource.ref]

    def _rows(self, contact: Contact) -> Sequence[Reader]:
        """All memberships of the customer; none for who bought as a guest.

        By the account that her order names, if that knows her address: an order may have been
        placed under the login of whoever runs the shop. Of an account that is gone, by her address.
        """
        if contact.ref is not None:
            rows = self._of_account(contact.ref)
            if rows is None or self._is_hers(contact, contact.ref):
                return rows or ()
        customer = self._find(contact)
        return () if customer is None else self._of_account(customer) or ()

    def _is_hers(self, contact: Contact, ref: str) -> bool:
        """False where the account is gone. Raises NeedsHuman for one of another address."""
        body = self.account.read("customer.read", at("customers", ref))
        if body is None:
            return False
        with understood(RetryLater):
            # The address that she signs in with, and the one that she last bought with.
            told = (body.text("email"), body.optional_text("billing", "email") or "")
        hers = contact.email.strip()
        if hers and customer_key(hers) not in map(customer_key, told):
            raise NeedsHuman("contact_has_another_address", f"customer {ref}")
        return True

    def _of_account(self, customer: str) -> Sequence[Reader] | None:
        """The memberships of one account; None where the extension is not installed."""
        answer = self.account.get(
            "membership.list", f"/{FOLDER}", [("customer", customer), ("per_page", str(PAGE))]
        )
        if answer.status == 404 and error_code(answer) == NOT_INSTALLED:
            return None
        body = read_ok(answer)
        with understood(RetryLater):
            # A shop that does not know the filter would list everybody's.
            return [row for row in body.items() if row.identifier("customer_id") == customer]

    def _find(self, contact: Contact) -> str | None:
        if not contact.email.strip():
            return None
        # Without a role the shop lists those of the role `customer`, and who bought as a guest may
        # be a subscriber there.
        asked = [("email", contact.email), ("role", "all")]
        found = self.account.read_list("customer.find", "/customers", asked)
        with understood(RetryLater):
            refs = [
                one.identifier("id")
                for one in found
                if customer_key(one.text("email")) == customer_key(contact.email)
            ]
        return refs[0] if len(refs) == 1 else None

    def _write(self, ref: str, status: str) -> None:
        answer = self.account.write("PUT", "membership.write", at(FOLDER, ref), {"status": status})
        if not answer.is_ok:
            raise _no(answer)
        with understood(OutcomeUnknown):
            if Reader(answer.json()).text("status") != status:
                raise OutcomeUnknown("membership_not_as_asked", ref)


def _no(answer: Answer) -> Exception:
    if error_code(answer) is None:
        return OutcomeUnknown("server_error", f"HTTP {answer.status}")
    return refusal(answer)


def _plan(row: Reader) -> str:
    return row.identifier("plan_id")


def _closed_like_ours(row: Reader) -> tuple[bool, int]:
    """For the order of closed ones: what ended by itself beside it stays ended."""
    return row.text("status") == CANCELLED, row.integer("id")


def _is_open(row: Reader) -> bool:
    return row.text("status") not in _CLOSED
