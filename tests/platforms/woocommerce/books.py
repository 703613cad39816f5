"""The books of a synthetic WooCommerce shop and of the gateway behind it. No network.

Shaped as the vendor's REST v3 examples; its rules are those of the vendor's source: a refund's row
is written first, then the gateway is called, then the row is marked as paid, then the downloads of
the products named by its `line_items` are closed. Amounts are decimal text of `places` decimals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

Thing = dict[str, Any]


class WooError(Exception):
    """An answer of the shop that is no 2xx."""

    def __init__(self, status: int, code: str, message: str = "Invalid.") -> None:
        super().__init__(code)
        self.status = status
        self.body = {"code": code, "message": message, "data": {"status": status}}


def refused(message: str = "Invalid refund amount.") -> WooError:
    """Every failure of a refund comes as this: also an amount that is too high."""
    return WooError(500, "woocommerce_rest_cannot_create_order_refund", message)


@dataclass
class Books:
    """What the shop keeps. `paid` is the gateway's: (order, amount, refund) of money that moved."""

    now: datetime
    places: int = 2
    newest_first: bool = True
    orders: dict[int, Thing] = field(default_factory=dict)
    refunds: dict[int, list[Thing]] = field(default_factory=dict)
    webhooks: dict[int, Thing] = field(default_factory=dict)
    subscriptions: dict[int, Thing] | None = None
    memberships: dict[int, Thing] | None = None
    downloads: set[tuple[int, int]] = field(default_factory=set)
    paid: list[tuple[int, Decimal, int]] = field(default_factory=list)
    disputed: set[int] = field(default_factory=set)
    pends: bool = False
    throws: bool = False
    last_id: int = 700

    def new_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def text(self, amount: Decimal) -> str:
        return f"{amount:.{self.places}f}"

    def gmt(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%S")

    def sell(
        self,
        *lines: tuple[str, str],
        currency: str = "EUR",
        email: str = "ada@example.com",
        paid: bool = True,
        **more: Any,  # noqa: ANN401 - any field of an order
    ) -> Thing:
        """An order of lines (net, tax), each of a product with a download."""
        number, items = self.new_id(), []
        for net, tax in lines:
            product = self.new_id()
            amounts = {"total": self.text(Decimal(net)), "total_tax": self.text(Decimal(tax))}
            taxes = [{"id": 75, "total": amounts["total_tax"], "subtotal": ""}]
            items.append(
                {
                    "id": self.new_id(),
                    "name": "A &amp; B &ndash; Course",
                    "product_id": product,
                    "variation_id": 0,
                    "quantity": 1,
                    **amounts,
                    "taxes": taxes if Decimal(tax) else [],
                    "meta_data": [],
                    "price": 3.5,
                }
            )
            self.downloads.add((number, product))
        total = sum((Decimal(net) + Decimal(tax) for net, tax in lines), Decimal(0))
        order = {
            "id": number,
            "number": str(number),
            "status": "completed" if paid else "pending",
            "currency": currency,
            "date_paid_gmt": self.gmt() if paid else None,
            "date_modified_gmt": self.gmt(),
            "total": self.text(total),
            "customer_id": 25,
            "billing": {"first_name": "Ada", "last_name": "L", "email": email},
            "payment_method": "stripe",
            "payment_method_title": "Credit Card",
            "transaction_id": f"ch_{number}",
            "meta_data": [],
            "line_items": items,
            "shipping_lines": [],
            "fee_lines": [],
            **more,
        }
        self.orders[number], self.refunds[number] = order, []
        return order

    def told(self, number: int) -> Thing:
        """The order as the API gives it, with its refunds."""
        order = self.orders[number]
        rows = [
            {"id": row["id"], "reason": row["reason"], "total": f"-{row['amount']}"}
            for row in self.refunds[number]
        ]
        return {**order, "refunds": rows[::-1] if self.newest_first else rows}

    def order(self, number: int) -> Thing:
        if number not in self.orders:
            raise WooError(404, "woocommerce_rest_shop_order_invalid_id")
        return self.told(number)

    def refund(self, number: int, asked: Thing) -> Thing:
        """The code path of the vendor's source, in its order."""
        order = self.order(number)
        amount = Decimal(asked["amount"])
        back = sum((Decimal(row["amount"]) for row in self.refunds[number]), Decimal(0))
        if amount <= 0 or amount > Decimal(order["total"]) - back:
            raise refused()
        by_api = asked.get("api_refund", True)
        if by_api and order["payment_method"] == "bacs":
            raise refused("The payment gateway for this order does not support automatic refunds.")
        if by_api and (not order["transaction_id"] or number in self.disputed):
            raise refused()  # the gateway said no: its row is deleted again
        row: Thing = {
            "id": self.new_id(),
            "date_created_gmt": self.gmt(),
            "amount": self.text(amount),
            "reason": asked.get("reason", ""),
            "refunded_payment": bool(by_api and not self.pends),
            "meta_data": [],
            "line_items": [self._refunded(order, line) for line in asked.get("line_items", [])],
        }
        self.refunds[number].append(row)
        if row["refunded_payment"]:
            self.paid.append((number, amount, row["id"]))
        self.pends = False
        if self.throws:
            # What another extension throws after the gateway paid: the row is deleted all the same.
            self.throws = False
            self.refunds[number].remove(row)
            raise refused()
        for line in row["line_items"]:
            self.downloads.discard((number, line["product_id"]))
        self.orders[number]["date_modified_gmt"] = self.gmt()
        if back + amount == Decimal(order["total"]):
            self.orders[number]["status"] = "refunded"
            self.downloads = {held for held in self.downloads if held[0] != number}
        return row

    def _refunded(self, order: Thing, asked: Thing) -> Thing:
        [item] = [one for one in order["line_items"] if one["id"] == asked["id"]]
        tax = sum((Decimal(one["refund_total"]) for one in asked["refund_tax"]), Decimal(0))
        return {
            "id": self.new_id(),
            "product_id": item["product_id"],
            "quantity": -asked.get("quantity", 0),
            "total": self.text(-Decimal(asked["refund_total"])),
            "total_tax": self.text(-tax),
            "meta_data": [{"id": 1, "key": "_refunded_item_id", "value": str(asked["id"])}],
        }

    def delete_refund(self, ref: int) -> None:
        """As gateways' extensions do when a refund failed at the bank: the money came back."""
        self.strike_refund(ref)
        self.paid = [entry for entry in self.paid if entry[2] != ref]

    def strike_refund(self, ref: int) -> None:
        """As staff can: the row is gone, and the customer keeps the money."""
        for number, rows in self.refunds.items():
            self.refunds[number] = [row for row in rows if row["id"] != ref]

    def advance(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
