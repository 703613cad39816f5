"""What our fake Saleor knows: orders, transactions, granted refunds, customers, webhooks.

As the vendor's source says: a refund is granted, then requested once; amounts follow from a
transaction's events; what is asked back moves from charged to pending, then to refunded.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

Thing = dict[str, Any]
DIGITS = {"JPY": 0, "RSD": 0}
NOW = "2026-11-22T09:00:00.000000+00:00"


def money(minor: int, currency: str) -> Thing:
    digits = DIGITS.get(currency, 2)
    return {
        "currency": currency,
        "amount": float(Decimal(minor).scaleb(-digits)),
        "fractionalAmount": minor,
        "fractionDigits": digits,
    }


def minor_of(text: str, currency: str) -> int:
    return int(Decimal(text).scaleb(DIGITS.get(currency, 2)))


class Books:
    def __init__(self) -> None:
        self._numbers: Iterator[int] = itertools.count(1)
        self.orders: dict[str, Thing] = {}
        self.transactions: dict[str, Thing] = {}
        self.grants: dict[str, Thing] = {}
        self.users: dict[str, Thing] = {}
        self.webhooks: dict[str, Thing] = {}
        self.permissions = ["MANAGE_ORDERS", "HANDLE_PAYMENTS", "MANAGE_USERS"]
        self.outcome = "SUCCESS"
        self.page = 50
        self.app: str | None = "makegood"
        self.has_payment_app = True

    def _id(self, kind: str) -> str:
        return f"{kind}:{next(self._numbers)}"

    # --- sales ------------------------------------------------------------------------------------

    def sell(
        self,
        minor: int,
        currency: str = "EUR",
        *,
        email: str = "ada@example.com",
        shipping: int = 0,
    ) -> Thing:
        """An order of one line, and the transaction that paid it."""
        order_id = self._id("Order")
        gross = {"gross": money(minor - shipping, currency)}
        user = next((one for one in self.users.values() if one["email"] == email), None)
        self.orders[order_id] = {
            "id": order_id,
            "number": str(len(self.orders) + 1),
            "created": NOW,
            "updatedAt": NOW,
            "userEmail": email,
            "user": user,
            "billingAddress": {"firstName": "Ada", "lastName": "Made-Up"},
            "total": {"gross": money(minor, currency)},
            "shippingPrice": {"gross": money(shipping, currency)},
            "lines": [
                {
                    "id": self._id("OrderLine"),
                    "productName": "Sourdough",
                    "variantName": "Course",
                    "productVariantId": "ProductVariant:7",
                    "totalPrice": gross,
                }
            ],
            "payments": [],
        }
        return self.charge(order_id, minor, currency)

    def charge(self, order_id: str, minor: int, currency: str) -> Thing:
        """A captured transaction of an order."""
        ref = self._id("TransactionItem")
        self.transactions[ref] = {
            "id": ref,
            "order": order_id,
            "currency": currency,
            "name": "Credit card",
            "offers": True,
            "events": [],
        }
        self.tell(ref, "CHARGE_SUCCESS", minor, f"psp-{ref}")
        return self.transactions[ref]

    def tell(self, ref: str, kind: str, minor: int, psp: str, at: str = NOW) -> Thing:
        """An event of a transaction, as its payment app reports it."""
        transaction = self.transactions[ref]
        event = {
            "id": self._id("TransactionEvent"),
            "type": kind,
            "pspReference": psp,
            "createdAt": at,
            "amount": money(minor, transaction["currency"]),
        }
        transaction["events"].append(event)
        if transaction["order"] is not None:
            self.orders[transaction["order"]]["updatedAt"] = at
        return event

    def amounts(self, ref: str) -> dict[str, int]:
        """charged, pending and refunded, from the events."""
        sums = {"charged": 0, "pending": 0, "refunded": 0}
        refunds: dict[str, dict[str, int]] = {}
        for event in self.transactions[ref]["events"]:
            minor = event["amount"]["fractionalAmount"]
            if event["type"] == "CHARGE_SUCCESS":
                sums["charged"] += minor
            elif event["type"] == "CHARGE_BACK":
                sums["charged"] -= minor
            else:
                refunds.setdefault(event["pspReference"], {})[event["type"]] = minor
        for told in refunds.values():
            if "REFUND_REVERSE" in told:
                continue
            if "REFUND_SUCCESS" in told:
                sums["refunded"] += told["REFUND_SUCCESS"]
                sums["charged"] -= told["REFUND_SUCCESS"]
            elif "REFUND_REQUEST" in told and "REFUND_FAILURE" not in told:
                sums["pending"] += told["REFUND_REQUEST"]
                sums["charged"] -= told["REFUND_REQUEST"]
        return sums

    def moved(self, ref: str) -> list[int]:
        """What really went back, in order."""
        events = self.transactions[ref]["events"]
        back = {one["pspReference"] for one in events if one["type"] == "REFUND_REVERSE"}
        return [
            one["amount"]["fractionalAmount"]
            for one in events
            if one["type"] == "REFUND_SUCCESS" and one["pspReference"] not in back
        ]

    # --- refunds ----------------------------------------------------------------------------------

    def grant(self, order_id: str, wanted: Thing) -> tuple[Thing | None, str | None]:
        transaction = self.transactions.get(wanted["transactionId"])
        if order_id not in self.orders or transaction is None:
            return None, "NOT_FOUND"
        minor = minor_of(wanted["amount"], transaction["currency"])
        if minor > self.amounts(transaction["id"])["charged"]:
            return None, "AMOUNT_GREATER_THAN_AVAILABLE"
        ref = self._id("OrderGrantedRefund")
        self.grants[ref] = {
            "id": ref,
            "order": order_id,
            "transaction": transaction["id"],
            "minor": minor,
            "reason": wanted["reason"],
            "psp": None,
        }
        return self.grants[ref], None

    def request(self, ref: str) -> tuple[Thing | None, str | None]:
        """Ask the payment app for a granted refund; `outcome` is what it answers at once."""
        grant = self.grants.get(ref)
        if grant is None:
            return None, "NOT_FOUND"
        status = self.status(grant)
        if status in ("SUCCESS", "PENDING"):
            taken = {"SUCCESS": "REFUND_ALREADY_PROCESSED", "PENDING": "REFUND_IS_PENDING"}
            return None, taken[status]
        if grant["minor"] > self.amounts(grant["transaction"])["charged"]:
            return None, "AMOUNT_GREATER_THAN_AVAILABLE"
        grant["psp"] = f"re-{ref}"
        if not self.has_payment_app:
            self.tell(grant["transaction"], "REFUND_FAILURE", grant["minor"], grant["psp"])
            return None, "MISSING_TRANSACTION_ACTION_REQUEST_WEBHOOK"
        self.tell(grant["transaction"], "REFUND_REQUEST", grant["minor"], grant["psp"])
        if self.outcome != "PENDING":
            self.settle(ref, self.outcome)
        return self.transactions[grant["transaction"]], None

    def settle(self, ref: str, outcome: str) -> None:
        """SUCCESS, FAILURE or REVERSE, as the payment app reports it."""
        grant = self.grants[ref]
        self.tell(grant["transaction"], f"REFUND_{outcome}", grant["minor"], grant["psp"])

    def status(self, grant: Thing) -> str:
        told = [one["type"] for one in self.events_of(grant) if one["type"] != "REFUND_REVERSE"]
        if not told:
            return "NONE"
        return {"REFUND_REQUEST": "PENDING", "REFUND_SUCCESS": "SUCCESS"}.get(told[-1], "FAILURE")

    def events_of(self, grant: Thing) -> list[Thing]:
        events = self.transactions[grant["transaction"]]["events"]
        return [one for one in events if grant["psp"] and one["pspReference"] == grant["psp"]]

    # --- as the schema has it ---------------------------------------------------------------------

    def transaction(self, ref: str, *, with_order: bool = True) -> Thing | None:
        kept = self.transactions.get(ref)
        if kept is None:
            return None
        sums = self.amounts(ref)
        currency = kept["currency"]
        order_id = kept["order"]
        return {
            "id": ref,
            "name": kept["name"],
            "actions": ["REFUND"] if kept["offers"] and sums["charged"] else [],
            "chargedAmount": money(sums["charged"], currency),
            "refundedAmount": money(sums["refunded"], currency),
            "refundPendingAmount": money(sums["pending"], currency),
            "paymentMethodDetails": {
                "__typename": "CardPaymentMethodDetails",
                "name": "Card",
                "brand": "Visa",
                "lastDigits": "4242",
            },
            "events": list(kept["events"]),
            "order": None
            if not with_order or order_id is None
            else {"id": order_id, "grantedRefunds": self.granted(order_id)},
        }

    def granted(self, order_id: str) -> list[Thing]:
        return [
            self.granted_refund(grant)
            for grant in self.grants.values()
            if grant["order"] == order_id
        ]

    def granted_refund(self, grant: Thing) -> Thing:
        currency = self.transactions[grant["transaction"]]["currency"]
        return {
            "id": grant["id"],
            "status": self.status(grant),
            "reason": grant["reason"],
            "createdAt": NOW,
            "amount": money(grant["minor"], currency),
            "transaction": {"id": grant["transaction"]},
            "transactionEvents": self.events_of(grant),
        }

    def order(self, ref: str) -> Thing | None:
        kept = self.orders.get(ref)
        if kept is None:
            return None
        paid = [one["id"] for one in self.transactions.values() if one["order"] == ref]
        return {
            **kept,
            "transactions": [self.transaction(one, with_order=False) for one in paid],
            "grantedRefunds": self.granted(ref),
        }

    def add_user(self, email: str, **keys: str) -> Thing:
        ref = self._id("User")
        self.users[ref] = {
            "id": ref,
            "email": email,
            "privateMetadata": [{"key": key, "value": value} for key, value in keys.items()],
        }
        return self.users[ref]
