"""What our fake Stripe keeps: charges, refunds, disputes, subscriptions, and the rules on money.

The rules and error words follow Stripe's documents (https://docs.stripe.com/api/refunds and
https://docs.stripe.com/error-codes). It knows no HTTP; `fake.py` serves it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Thing = dict[str, Any]

_REFUND_PARAMETERS = re.compile(
    r"(?:amount|charge|payment_intent|reason|instructions_email|metadata\[\w+\]|expand\[\])"
)
_CLAUSE = re.compile(r'(\w+)(?:\["(\w+)"\])?:"((?:[^"\\]|\\.)*)"')
_REFUNDABLE_DISPUTES = frozenset({"warning_needs_response", "warning_under_review", "won"})
_GONE = frozenset({"failed", "canceled"})
_CARD = {"type": "card", "card": {"brand": "visa", "last4": "4242"}}


class StripeError(Exception):
    """An answer with an error. `validation` says that no endpoint began: nothing is kept of it."""

    def __init__(
        self, status: int, code: str | None, *, validation: bool = False, **more: str
    ) -> None:
        super().__init__(code)
        self.status = status
        self.validation = validation
        error = {"type": "invalid_request_error", "message": "made up for a test", **more}
        self.body = {"error": error if code is None else {**error, "code": code}}


@dataclass
class Books:
    """One account. `now` gives seconds since 1970; every change leaves its events in `events`.

    `told` is the list of all events, which Stripe keeps for 30 days; it shows each after
    `listed_after` seconds.
    """

    now: Callable[[], int]
    things: dict[str, Thing] = field(default_factory=dict)
    events: list[Thing] = field(default_factory=list)
    told: list[Thing] = field(default_factory=list)
    listed_after: int = 0
    log: list[Thing] = field(default_factory=list)
    outcome: str = "succeeded"
    account: str = "acct_1"
    account_name: str = "Ada's Courses"
    serial: int = 0

    # --- what is there to begin with --------------------------------------------------------------

    def add(self, prefix: str, kind: str, **fields: object) -> Thing:
        self.serial += 1
        ref = f"{prefix}_{self.serial:024d}"
        thing: Thing = {
            "id": ref,
            "object": kind,
            "created": self.now(),
            "livemode": False,
            "metadata": {},
            **fields,
        }
        self.things[ref] = thing
        return thing

    def add_customer(self, email: str, name: str = "Ada Learner") -> Thing:
        return self.add("cus", "customer", email=email, name=name)

    def sell(self, amount: int, currency: str = "eur", **more: Any) -> Thing:  # noqa: ANN401 - any field of a charge
        """A captured payment, through a payment intent as is usual today."""
        intent = self.add("pi", "payment_intent", amount=amount, currency=currency)
        fee = amount * 29 // 1000 + 25
        settled = self.add("txn", "balance_transaction", amount=amount, currency=currency, fee=fee)
        fields = {
            "amount": amount,
            "amount_captured": amount,
            "amount_refunded": 0,
            "balance_transaction": settled["id"],
            "billing_details": {"email": None, "name": None},
            "captured": True,
            "currency": currency,
            "customer": None,
            "description": "Course",
            "disputed": False,
            "invoice": None,
            "paid": True,
            "payment_intent": intent["id"],
            "payment_method_details": _CARD,
            "receipt_email": None,
            "refunded": False,
            "status": "succeeded",
        }
        return self.add("ch", "charge", **{**fields, **more})

    def subscribe(self, customer: str, amount: int, currency: str = "eur") -> Thing:
        """A running monthly subscription with one paid invoice and its charge."""
        start, end = self.now() - 10 * 86400, self.now() + 20 * 86400
        price = {
            "id": "price_monthly",
            "product": "prod_membership",
            "currency": currency,
            "unit_amount": amount,
            "recurring": {"interval": "month", "interval_count": 1},
        }
        item = {"id": "si_1", "quantity": 1, "price": price}
        subscription = self.add(
            "sub",
            "subscription",
            status="active",
            customer=customer,
            cancel_at_period_end=False,
            cancel_at=None,
            ended_at=None,
            current_period_start=start,
            current_period_end=end,
            items={"object": "list", "has_more": False, "data": [item]},
        )
        line = {
            "id": "il_1",
            "amount": amount,
            "currency": currency,
            "description": "1 × Membership",
            "proration": False,
            "period": {"start": start, "end": end},
            "price": price,
            "subscription": subscription["id"],
        }
        lines = {"object": "list", "has_more": False, "data": [line]}
        invoice = self.add("in", "invoice", subscription=subscription["id"], lines=lines)
        self.sell(amount, currency, customer=customer, invoice=invoice["id"])
        return subscription

    def dispute(self, charge: str, status: str = "needs_response") -> Thing:
        of = self.get(charge)
        of["disputed"] = True
        dispute = self.add(
            "dp",
            "dispute",
            amount=of["amount"],
            currency=of["currency"],
            charge=charge,
            payment_intent=of["payment_intent"],
            status=status,
            reason="general",
            balance_transactions=[],
            evidence={},
            evidence_details={"has_evidence": False, "past_due": False, "submission_count": 0},
            is_charge_refundable=status in _REFUNDABLE_DISPUTES,
        )
        self.tell("charge.dispute.created", dispute)
        return dispute

    def close_dispute(self, dispute: str, status: str) -> None:
        thing = self.get(dispute)
        thing.update(status=status, is_charge_refundable=status in _REFUNDABLE_DISPUTES)
        self.tell("charge.dispute.closed", thing)

    # --- refunds ----------------------------------------------------------------------------------

    def refund(self, form: Mapping[str, str], key: str | None = None) -> Thing:
        """POST /v1/refunds. Raises StripeError; money moves only where it returns."""
        for name in form:
            if not _REFUND_PARAMETERS.fullmatch(name):
                raise StripeError(400, "parameter_unknown", validation=True, param=name)
        asked = form.get("amount")
        if asked is not None and not re.fullmatch(r"[1-9][0-9]{0,7}", asked):
            raise StripeError(400, "parameter_invalid_integer", validation=True, param="amount")
        charge = self._charge_of(form)
        rest = charge["amount_captured"] - charge["amount_refunded"]
        if rest == 0:
            raise StripeError(400, "charge_already_refunded")
        if any(
            not dispute["is_charge_refundable"]
            for dispute in self.all("dispute", charge=charge["id"])
        ):
            raise StripeError(400, "charge_disputed")
        amount = rest if asked is None else int(asked)
        if amount > rest:
            raise StripeError(400, None, param="amount")
        status, self.outcome = self.outcome, "succeeded"
        card = {"type": "refund", "reference": "24011336022000000000001"}
        refund = self.add(
            "re",
            "refund",
            amount=amount,
            balance_transaction=None,
            charge=charge["id"],
            currency=charge["currency"],
            destination_details={"type": "card", "card": card},
            metadata=metadata_of(form),
            payment_intent=charge["payment_intent"],
            reason=form.get("reason"),
            receipt_number=None,
            status=status,
        )
        del refund["livemode"]  # Stripe's refunds have none
        self.log.append({"key": key, "refund": refund["id"], "charge": charge["id"]})
        self.recount(charge)
        self.tell("refund.created", refund)
        self.tell("charge.refunded", charge)
        if status in _GONE:
            self.tell("refund.failed", refund)
        return refund

    def settle(self, refund: str, status: str, reason: str = "declined") -> None:
        """What happens to a refund later: `succeeded`, `failed` or `canceled`."""
        thing = self.get(refund)
        thing["status"] = status
        if status in _GONE:
            thing["failure_reason"] = reason
        self.recount(self.get(thing["charge"]))
        self.tell("refund.updated", thing)
        self.tell("charge.refund.updated", thing)
        if status == "failed":
            self.tell("refund.failed", thing)

    def moved(self, charge: str | None = None) -> list[Thing]:
        """All refunds that took money and kept it, with the key each was asked for with."""
        entries = [{**entry, **self._amounts(entry["refund"])} for entry in self.log]
        return [
            entry
            for entry in entries
            if entry["status"] not in _GONE and charge in (None, entry["charge"])
        ]

    def _amounts(self, refund: str) -> Thing:
        return {name: self.get(refund)[name] for name in ("amount", "status", "metadata")}

    def _charge_of(self, form: Mapping[str, str]) -> Thing:
        if "charge" in form:
            return self.get(form["charge"], "charge")
        if "payment_intent" not in form:
            raise StripeError(400, "parameter_missing", validation=True, param="charge")
        intent = self.get(form["payment_intent"], "payment_intent")
        return self.all("charge", payment_intent=intent["id"])[0]

    def recount(self, charge: Thing) -> None:
        back = [r for r in self.all("refund", charge=charge["id"]) if r["status"] not in _GONE]
        charge["amount_refunded"] = sum(refund["amount"] for refund in back)
        charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]

    # --- subscriptions ----------------------------------------------------------------------------

    def end_later(self, ref: str) -> Thing:
        thing = self.get(ref, "subscription")
        thing["cancel_at_period_end"] = True
        thing["cancel_at"] = thing["current_period_end"]
        self.tell("customer.subscription.updated", thing)
        return thing

    def end_now(self, ref: str) -> Thing:
        thing = self.get(ref, "subscription")
        if thing["status"] == "canceled":
            raise StripeError(404, "resource_missing", param="id")
        thing.update(status="canceled", ended_at=self.now())
        self.tell("customer.subscription.deleted", thing)
        return thing

    # --- reading ----------------------------------------------------------------------------------

    def get(self, ref: str, kind: str | None = None) -> Thing:
        thing = self.things.get(ref)
        if thing is None or kind not in (None, thing["object"]):
            raise StripeError(404, "resource_missing", param="id")
        return thing

    def all(self, kind: str, **match: str) -> list[Thing]:
        """The things of a kind, newest first."""
        found = [
            thing
            for thing in self.things.values()
            if thing["object"] == kind and all(thing.get(k) == v for k, v in match.items())
        ]
        return found[::-1]

    def search(self, kind: str, query: str) -> list[Thing]:
        """The search language as far as it is used: exact matches joined by OR, without case."""
        clauses = [
            (name, sub, re.sub(r"\\(.)", r"\1", value).casefold())
            for name, sub, value in _CLAUSE.findall(query)
        ]
        if not clauses or len(clauses) > 10:
            raise StripeError(400, "search_query_invalid", validation=True)

        def value(thing: Thing, name: str, sub: str) -> str:
            found = thing.get(name)
            return str((found.get(sub) if sub and found else found) or "").casefold()

        return [
            thing
            for thing in self.all(kind)
            if any(value(thing, name, sub) == wanted for name, sub, wanted in clauses)
        ]

    def view(self, thing: Thing, expand: Iterable[str]) -> Thing:
        """A thing as an answer shows it, with the named fields written out."""
        seen = dict(thing)
        for path in expand:
            name, _, rest = path.partition(".")
            if name == "refunds":
                data = [self.view(r, ()) for r in self.all("refund", charge=thing["id"])[:10]]
                url = f"/v1/charges/{thing['id']}/refunds"
                seen["refunds"] = {"object": "list", "url": url, "has_more": False, "data": data}
            elif isinstance(seen.get(name), str):
                seen[name] = self.view(self.things[seen[name]], [rest] if rest else ())
        return seen

    def tell(self, topic: str, thing: Thing) -> None:
        """Note an event as Stripe would send it: the thing as it is now."""
        self.serial += 1
        event = {
            "id": f"evt_{self.serial:024d}",
            "object": "event",
            "api_version": "2025-02-24.acacia",
            "created": self.now(),
            "data": {"object": self.view(thing, ())},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": topic,
        }
        self.events.append(event)
        self.told.append(event)


def metadata_of(form: Mapping[str, str]) -> dict[str, str]:
    found = ((re.fullmatch(r"metadata\[(\w+)\]", name), value) for name, value in form.items())
    return {match[1]: value for match, value in found if match is not None}
