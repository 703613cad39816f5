"""Searches a shop's orders in two calls, and says where a customer has more than it found.

One page of the newest orders. The second call reads what most needs it: the lines of orders that
have more than a page shows, else the next page, or all orders of whose order was named. It never
takes what it did not read for nothing: an order without all its lines has none, and its customer's
orders say that there are others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from plugin.domain.errors import RetryLater
from plugin.domain.ids import customer_key
from plugin.domain.orders import Order
from plugin.platforms.strict_json import Malformed, Reader
from plugin.ports import Clock
from plugin.stores.shopify.account import Account, understood
from plugin.stores.shopify.documents import LISTED, lines_of_each
from plugin.stores.shopify.orders import Objects, all_lines_read

MOST_EMAILS = 10
"""Addresses in one search."""


@dataclass(frozen=True, slots=True)
class _Page:
    """`behind` is where the next page begins; None for the last one."""

    nodes: tuple[Reader, ...]
    behind: str | None


@dataclass(frozen=True, slots=True)
class _Read:
    """What two calls read: orders, whole lines by order, and whether the search has more orders."""

    nodes: tuple[Reader, ...]
    has_more: bool
    lines: Mapping[str, Reader] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderSearch:
    """The orders of one shop."""

    account: Account
    objects: Objects
    clock: Clock

    def by_emails(self, emails: Iterable[str]) -> Sequence[Order]:
        """The orders of exactly these addresses, newest first: the search may match more."""
        wanted = sorted({customer_key(email) for email in emails})[:MOST_EMAILS]
        if not wanted:
            return ()
        query = _any_of("email", wanted)
        page = self._page(query)
        with understood(RetryLater):
            nodes = _of_customers(page.nodes, wanted)
            cut = [node for node in nodes if not all_lines_read(node)]
        if not cut and page.behind is not None:
            second = self._page(query, page.behind)
            with understood(RetryLater):
                nodes = (*nodes, *_of_customers(second.nodes, wanted))
            return self._orders(_Read(nodes, second.behind is not None))
        return self._orders(_Read(nodes, page.behind is not None, self._lines(cut)))

    def by_number(self, number: str) -> Sequence[Order]:
        """The orders called so, `#1001` or `1001`, and others of the same customer: see the port.

        Without the others nobody knows what else pays for what she holds.
        """
        names = {number, f"#{number}"} if number else set()
        if not names:
            return ()
        page = self._page(_any_of("name", sorted(names)))
        with understood(RetryLater):
            nodes = tuple(node for node in page.nodes if node.text("name") in names)
            cut = [node for node in nodes if not all_lines_read(node)]
            wanted = sorted({_address(node) for node in nodes if _has_others(node, nodes)} - {""})
        if cut or not wanted:
            return self._orders(_Read(nodes, has_more=False, lines=self._lines(cut)))
        found = self._page(_any_of("email", wanted[:MOST_EMAILS]))
        with understood(RetryLater):
            known = {node.text("id") for node in nodes}
            others = _of_customers(found.nodes, wanted)
            new = tuple(node for node in others if node.text("id") not in known)
        return self._orders(_Read((*nodes, *new), found.behind is not None))

    def _page(self, query: str, after: str | None = None) -> _Page:
        data = self.account.ask("order.find", {"query": query, "after": after})
        with understood(RetryLater):
            nodes = data.items("orders", "nodes")
            behind = data.optional_text("orders", "pageInfo", "endCursor")
            has_more = data.boolean("orders", "pageInfo", "hasNextPage")
            if has_more and behind is None:
                raise Malformed("orders.pageInfo.endCursor")
        return _Page(nodes, behind if has_more else None)

    def _lines(self, cut: Sequence[Reader]) -> Mapping[str, Reader]:
        """The lines of these orders as a whole, as far as one call may ask for them."""
        if not cut:
            return {}
        with understood(RetryLater):
            ids = [node.text("id") for node in cut]
        data = self.account.ask("order.lines", {"ids": [*ids], "lines": lines_of_each(len(ids))})
        with understood(RetryLater):
            # One that is gone meanwhile comes as null.
            found = [node for node in data.items("nodes") if node.value is not None]
            return {node.text("id"): node for node in found}

    def _orders(self, read: _Read) -> Sequence[Order]:
        now, most = self.clock.now(), LISTED["transactions"]
        with understood(RetryLater):
            made = [
                (node, self.objects.order(node, now, most, read.lines.get(node.text("id"))))
                for node in read.nodes
            ]
            cut = {_address(node) for node, order in made if order is not None and not order.lines}
            return [
                replace(order, others_unseen=_others_unseen(node, read, cut))
                for node, order in made
                if order is not None
            ]


def _others_unseen(node: Reader, read: _Read, cut: set[str]) -> bool | None:
    """None for a guest's order: the shop counts none, and old ones may be hidden from us."""
    if read.has_more or _address(node) in cut or _has_others(node, read.nodes):
        return True
    return None if node.optional_section("customer") is None else False


def _has_others(node: Reader, among: Sequence[Reader]) -> bool:
    """Whether the shop counts more orders of its customer than came.

    What is older than our rights is counted, and not listed.
    https://shopify.dev/docs/api/admin-graphql/latest/objects/Customer
    """
    customer = node.optional_text("customer", "id")
    if customer is None:
        return False
    came = [one for one in among if one.optional_text("customer", "id") == customer]
    counted = node.identifier("customer", "numberOfOrders")
    if not (counted.isascii() and counted.isdigit()):
        raise Malformed("customer.numberOfOrders")
    return int(counted) > len(came)


def _of_customers(nodes: Sequence[Reader], wanted: Sequence[str]) -> tuple[Reader, ...]:
    return tuple(node for node in nodes if _address(node) in wanted)


def _address(node: Reader) -> str:
    return customer_key(node.optional_text("email") or "")


def _any_of(field_name: str, values: Sequence[str]) -> str:
    return " OR ".join(f'{field_name}:"{_escaped(value)}"' for value in values)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
