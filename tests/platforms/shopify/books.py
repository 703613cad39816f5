"""The books of our fake Shopify: customers, orders, transactions and refunds as GraphQL shows them.

It behaves as the schema and the facts say: a refund without a good transaction is no refund, more
than is left is a user error, the same idempotency key gives the first result, an order under
dispute is not refunded, tags are compared without case. Amounts inside are minor units.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from plugin.domain.money import Money

Thing = dict[str, Any]
AT = "2026-11-20T10:00:00Z"


def bag(money: Money) -> Thing:
    """A MoneyBag whose shop currency is another: who reads the wrong side is found out."""
    shop = {"amount": "1.23", "currencyCode": "XTS"}
    return {
        "presentmentMoney": {"amount": money.decimal(), "currencyCode": money.currency},
        "shopMoney": shop,
    }


def read_bag(amount: str, currency: str) -> Money:
    whole, _, fraction = amount.partition(".")
    places = len(Money(0, currency).decimal().partition(".")[2])
    return Money(int(whole + fraction.ljust(places, "0")), currency)


@dataclass
class UserError(Exception):
    message: str
    fields: list[str] = field(default_factory=list)

    @property
    def shown(self) -> list[Thing]:
        return [{"field": self.fields or None, "message": self.message}]


class Books:
    """One shop. `outcome` is the status of the next refund's transaction."""

    def __init__(self) -> None:
        self.orders: dict[str, Thing] = {}
        self.customers: dict[str, Thing] = {}
        self.webhooks: dict[str, Thing] = {}
        self.outcome = "SUCCESS"
        self.most: int | None = None
        self._next = 1000
        self._results: dict[str, tuple[Thing, Thing]] = {}

    def gid(self, kind: str) -> str:
        self._next += 1
        return f"gid://shopify/{kind}/{self._next}"

    # --- what was sold ----------------------------------------------------------------------------

    def add_customer(self, email: str, *, tags: list[str] | None = None) -> Thing:
        made: Thing = {
            "id": self.gid("Customer"),
            "email": email,
            "displayName": "Ada Lovelace",
            "numberOfOrders": "0",
            "tags": list(tags or []),
            "metafields": {},
        }
        self.customers[made["id"]] = made
        return made

    def sell(self, *amounts: Money, email: str = "ada@example.com", **more: object) -> Thing:
        """An order of one line, paid by one transaction for each amount."""
        number = self.gid("Order")
        currency = amounts[0].currency
        whole = Money(sum(amount.minor for amount in amounts), currency)
        known: list[Thing] = [one for one in self.customers.values() if one["email"] == email]
        for one in known[:1]:
            one["numberOfOrders"] = str(int(one["numberOfOrders"]) + 1)
        order: Thing = {
            "id": number,
            "name": f"#{number[-4:]}",
            "email": email,
            "createdAt": AT,
            "processedAt": AT,
            "updatedAt": AT,
            "totalPriceSet": bag(whole),
            "presentmentCurrencyCode": currency,
            "refundable": True,
            "returnStatus": "NO_RETURN",
            "customer": known[0] if known else None,
            "disputes": [],
            "taxesIncluded": True,
            "shipping": Money(0, currency),
            "lineItems": [self.line("Course", whole)],
            "transactions": [self.payment(amount) for amount in amounts],
            "refunds": [],
            **more,
        }
        self.orders[number] = order
        return order

    def line(self, title: str, price: Money, *, quantity: int = 1, left: int = 1) -> Thing:
        return {
            "id": self.gid("LineItem"),
            "title": title,
            "quantity": quantity,
            "currentQuantity": left,
            "product": {"id": self.gid("Product")},
            "discountedTotalSet": bag(price),
            "tax": Money(0, price.currency),
        }

    def payment(self, amount: Money, **more: object) -> Thing:
        return {
            "id": self.gid("OrderTransaction"),
            "kind": "SALE",
            "status": "SUCCESS",
            "gateway": "shopify_payments",
            "formattedGateway": "Shopify Payments",
            "accountNumber": "•••• •••• •••• 4242",
            "manualPaymentGateway": False,
            "processedAt": AT,
            "createdAt": AT,
            "errorCode": None,
            "amountSet": bag(amount),
            "parentTransaction": None,
            **more,
        }

    def dispute(self, order: str, status: str = "NEEDS_RESPONSE", kind: str = "CHARGEBACK") -> None:
        disputes = self.orders[order]["disputes"]
        disputes.append({"id": self.gid("Dispute"), "status": status, "initiatedAs": kind})

    def financial_status(self, order: Thing) -> str:
        """As the search knows it: only money that went back for sure is refunded."""
        captured = [one for one in order["transactions"] if one["kind"] in ("SALE", "CAPTURE")]
        good = [one for one in order["transactions"] if one["status"] == "SUCCESS"]
        back = sum(_amount(one).minor for one in good if one["kind"] == "REFUND")
        if not captured or not all(one in good for one in captured):
            return "pending"
        if back >= sum(_amount(one).minor for one in captured) > 0:
            return "refunded"
        return "partially_refunded" if back else "paid"

    # --- refunds ----------------------------------------------------------------------------------

    def left(self, order: Thing, payment: Thing) -> Money:
        captured = _amount(payment)
        for one in order["transactions"]:
            parent = one["parentTransaction"] or {}
            is_back = one["kind"] == "REFUND" and one["status"] not in ("FAILURE", "ERROR")
            if is_back and parent.get("id") == payment["id"]:
                captured -= _amount(one)
        return captured

    def refund(self, sent: Thing, key: str) -> Thing:
        """`refundCreate`. Raises UserError; a key that ran before gives its result again."""
        if key in self._results:
            before, result = self._results[key]
            if before != sent:
                raise UserError("The idempotency key was used with other parameters")
            return result
        order = self.orders.get(sent["orderId"])
        if order is None:
            raise UserError("Order does not exist", ["orderId"])
        if any(one["status"] in ("NEEDS_RESPONSE", "UNDER_REVIEW") for one in order["disputes"]):
            raise UserError("Order is disputed", ["orderId"])
        self._take_back(order, sent.get("refundLineItems", []))
        made = [self._transaction(order, one) for one in sent["transactions"]]
        refund = {"id": self.gid("Refund"), "note": sent.get("note"), "transactions": made}
        order["transactions"] += made
        order["refunds"].append(refund)
        self._results[key] = (sent, refund)
        return refund

    def _take_back(self, order: Thing, lines: list[Thing]) -> None:
        found = {one["id"]: one for one in order["lineItems"]}
        for sent in lines:
            line = found.get(sent["lineItemId"])
            if line is None or not 0 < sent["quantity"] <= line["currentQuantity"]:
                raise UserError("Quantity is too large", ["refundLineItems", "0", "quantity"])
            if sent["restockType"] != "NO_RESTOCK":
                raise UserError("A location is needed", ["refundLineItems", "0", "locationId"])
        for sent in lines:
            found[sent["lineItemId"]]["currentQuantity"] -= sent["quantity"]

    def _transaction(self, order: Thing, sent: Thing) -> Thing:
        found = [one for one in order["transactions"] if one["id"] == sent["parentId"]]
        if not found or found[0]["gateway"] != sent["gateway"] or sent["kind"] != "REFUND":
            raise UserError("Transaction is invalid", ["transactions", "0", "parentId"])
        amount = read_bag(sent["amount"], order["presentmentCurrencyCode"])
        if self.left(order, found[0]) < amount or amount.minor <= 0:
            raise UserError("Refund is too large", ["transactions", "0", "amount"])
        return {
            **self.payment(amount),
            "kind": "REFUND",
            "status": self.outcome,
            "errorCode": "CARD_DECLINED" if self.outcome == "FAILURE" else None,
            "gateway": sent["gateway"],
            "parentTransaction": {"id": found[0]["id"]},
        }

    def paid_back(self, payment: str) -> list[int]:
        """What went back of a payment, refund by refund; failed ones are not in it."""
        return [
            _amount(one).minor
            for order in self.orders.values()
            for one in order["transactions"]
            if one["kind"] == "REFUND"
            and one["status"] == "SUCCESS"
            and one["parentTransaction"]["id"].endswith(f"/{payment}")
        ]

    def settle(self, transaction: str, status: str) -> None:
        for order in self.orders.values():
            for one in order["transactions"]:
                if one["id"].endswith(f"/{transaction}"):
                    one["status"] = status

    def suggested(self, order: Thing) -> Thing:
        """A full refund, as Shopify suggests it: transactions with something left."""
        told = []
        for one in order["transactions"]:
            if one["kind"] in ("SALE", "CAPTURE") and one["status"] == "SUCCESS":
                left = self.left(order, one)
                if self.most is not None:
                    left = Money(min(left.minor, self.most), left.currency)
                told.append(
                    {"parentTransaction": {"id": one["id"]}, "maximumRefundableSet": bag(left)}
                )
        shipping = order["shipping"]
        parts = [_suggested_line(line) for line in order["lineItems"] if line["currentQuantity"]]
        whole = sum((one["minor"] for one in parts), start=shipping.minor)
        whole += 0 if order["taxesIncluded"] else sum(one["tax"] for one in parts)
        most = sum(read_bag(_shown(one), shipping.currency).minor for one in told)
        return {
            "suggestedTransactions": told,
            "amountSet": bag(Money(min(whole, most), shipping.currency)),
            "shipping": {"amountSet": bag(shipping), "taxSet": bag(Money(0, shipping.currency))},
            "refundLineItems": parts,
        }


def _suggested_line(line: Thing) -> Thing:
    """What is left of a line: Shopify rounds each by itself."""
    price = _amount({"amountSet": line["discountedTotalSet"]})
    rest = price.share(line["currentQuantity"], line["quantity"])
    tax = line["tax"].share(line["currentQuantity"], line["quantity"])
    return {
        "lineItem": {"id": line["id"]},
        "quantity": line["currentQuantity"],
        "subtotalSet": bag(rest),
        "totalTaxSet": bag(tax),
        "minor": rest.minor,
        "tax": tax.minor,
    }


def _shown(suggested: Thing) -> str:
    return str(suggested["maximumRefundableSet"]["presentmentMoney"]["amount"])


def _amount(transaction: Thing) -> Money:
    shown = transaction["amountSet"]["presentmentMoney"]
    return read_bag(shown["amount"], shown["currencyCode"])
