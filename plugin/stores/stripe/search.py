"""Searches an account's charges, and says where a customer may have more than it found.

Two calls, and one more for each charge that was ever disputed. What did not fit into the answer, or
into the question, is told as unseen: it may pay for what another charge no longer does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from plugin.domain.errors import RetryLater
from plugin.domain.ids import customer_key
from plugin.domain.orders import Order
from plugin.platforms.strict_json import Reader
from plugin.ports import Clock
from plugin.stores.stripe.account import Account, any_of, at, understood
from plugin.stores.stripe.disputes import disputes_by_charge, read_disputes
from plugin.stores.stripe.objects import EXPANDED, ORDER_NUMBER_KEYS, Objects

MOST_CLAUSES = 10
"""A search takes ten clauses (https://docs.stripe.com/search): of more addresses the first ten."""
PAGE = "100"
"""The most entries of a list in one answer."""


@dataclass(frozen=True, slots=True)
class OrderSearch:
    """The orders of one account."""

    account: Account
    objects: Objects
    clock: Clock

    def by_emails(self, emails: Iterable[str]) -> Sequence[Order]:
        """The charges of Stripe customers with exactly these addresses, newest first."""
        asked = sorted({customer_key(email) for email in emails})
        wanted = asked[:MOST_CLAUSES]
        if not wanted:
            return ()
        found, is_cut = self.account.read_page(
            "customer.search",
            "/v1/customers/search",
            [("query", any_of("email", wanted)), ("limit", PAGE)],
        )
        with understood(RetryLater):
            # The search may match more than the same address: who is not asked for stays out.
            hers = [
                customer.text("id")
                for customer in found
                if customer_key(customer.optional_text("email") or "") in wanted
            ]
        customers = hers[:MOST_CLAUSES]
        if not customers:
            return ()
        if len(customers) == 1:  # a list is always up to date, a search is not
            orders, has_more = self._charges("/v1/charges", ("customer", customers[0]))
        else:
            by = ("query", any_of("customer", customers))
            orders, has_more = self._charges("/v1/charges/search", by)
        is_cut = is_cut or has_more or len(asked) > len(wanted) or len(hers) > len(customers)
        is_unseen = is_cut or any(order.others_unseen for order in orders)
        return tuple(replace(order, others_unseen=is_unseen) for order in orders)

    def by_number(self, number: str) -> Sequence[Order]:
        """A charge, a payment intent, or what a shop wrote into a charge's metadata.

        Of the customer's other charges nothing is told, unless the answer was cut.
        """
        if re.fullmatch(r"(?:ch|py)_\w+", number, re.ASCII):
            order = self.read(number)
            return () if order is None else (order,)
        if re.fullmatch(r"pi_\w+", number, re.ASCII):
            orders, is_cut = self._charges("/v1/charges", ("payment_intent", number))
        else:
            clauses = [any_of(f'metadata["{key}"]', [number]) for key in ORDER_NUMBER_KEYS]
            by = ("query", " OR ".join(clauses))
            orders, is_cut = self._charges("/v1/charges/search", by)
        return [replace(order, others_unseen=True) for order in orders] if is_cut else orders

    def read(self, ref: str) -> Order | None:
        """One charge, and how its disputes stand."""
        charge = self.account.read("charge.read", at("charges", ref), _expand(*EXPANDED))
        if charge is None:
            return None
        with understood(RetryLater):
            was_disputed = charge.boolean("disputed")
            disputes = read_disputes(self.account, ref) if was_disputed else ()
            return self.objects.order(charge, disputes, self.clock.now())

    def _charges(self, path: str, by: tuple[str, str]) -> tuple[Sequence[Order], bool]:
        """The orders of one page, and whether there are more."""
        query = [by, ("limit", PAGE), *_expand(*(f"data.{field}" for field in EXPANDED))]
        charges, has_more = self.account.read_page("charge.list", path, query)
        return self._orders(charges), has_more

    def _orders(self, charges: Sequence[Reader]) -> Sequence[Order]:
        now = self.clock.now()
        with understood(RetryLater):
            told = disputes_by_charge(self.account, charges)
            orders = [
                self.objects.order(charge, told.get(charge.text("id")), now) for charge in charges
            ]
        return tuple(order for order in orders if order is not None)


def _expand(*fields: str) -> Sequence[tuple[str, str]]:
    return [("expand[]", field) for field in fields]
