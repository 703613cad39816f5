"""The fake Stripe as a peer of a run: moody, and patient with its webhooks."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from tests.kill.clock import SharedClock
from tests.kill.peers import Orders
from tests.platforms.stripe.fake import FakeStripe, Fault
from tests.platforms.stripe.hooks import Hooks, Sending

REPEATED = 0.08
"""How many of all webhooks are sent once more although they were acknowledged."""
_MONEY_MOODS = (
    ("slow", 0.30),
    ("drop_after", 0.04),
    ("error_after", 0.04),
    ("drop_before", 0.02),
    ("webhook_first", 0.02),
    ("truncated", 0.02),
    ("unavailable", 0.01),
    ("rate_limited", 0.01),
    ("running", 0.01),
    ("empty", 0.01),
    ("wrong_refund", 0.01),
)
_READ_MOODS = (("unavailable", 0.02), ("drop_before", 0.01))


class PatientHooks(Hooks):
    """Sends each event until it is acknowledged, as a gateway does over days."""

    def __init__(self, now: Callable[[], int], chance: random.Random) -> None:
        super().__init__(now)
        self.acknowledged: list[str] = []
        self._chance = chance

    def _delivered(self, sending: Sending) -> bool:
        while not super()._delivered(sending):
            if self._stopped.wait(0.1):
                return False
        self.acknowledged.append(json.loads(sending.body)["id"])
        if self._chance.random() < REPEATED:
            super()._delivered(sending)
        return True


class MoodyStripe(FakeStripe):
    """The gateway, with its moods."""

    def __init__(self, clock: SharedClock, chance: random.Random) -> None:
        super().__init__(now=lambda: int(clock.seconds()))
        self.patient = PatientHooks(self.books.now, chance)
        self.hooks = self.patient
        self.moody = False
        self._chance = chance

    def take_fault(self, method: str, path: str) -> Fault | None:
        if not self.moody:
            return None
        moods = _MONEY_MOODS if (method, path) == ("POST", "/v1/refunds") else _READ_MOODS
        if method != "GET" and moods is _READ_MOODS:
            return None
        roll = self._chance.random()
        for kind, share in moods:
            roll -= share
            if roll < 0:
                return Fault(kind, seconds=self._chance.uniform(0.02, 0.2))
        return None

    def orders(self) -> Orders:
        return {
            "sell": self.sell,
            "subscribe": self.subscribe,
            "refund_outside": self.refund_outside,
            "dispute": self.dispute,
            "close_dispute": self.close_dispute,
            "report": self.report,
            "set_mood": self.set_mood,
        }

    def sell(self, email: str, amount: int) -> str:
        with self.lock:
            customer = self.books.add_customer(email)
            return str(self.books.sell(amount, customer=customer["id"])["id"])

    def subscribe(self, email: str, amount: int) -> str:
        """A subscription of thirty days, ten of them used."""
        with self.lock:
            customer = self.books.add_customer(email)
            made = self.books.subscribe(customer["id"], amount)
            invoice = self.books.all("invoice", subscription=made["id"])[0]
            recurring = invoice["lines"]["data"][0]["price"]["recurring"]
            recurring.update(interval="day", interval_count=30)
            return str(self.books.all("charge", invoice=invoice["id"])[0]["id"])

    def refund_outside(self, charge: str, amount: int) -> str:
        """What somebody does in the gateway's dashboard."""
        with self.lock:
            made = self.books.refund({"charge": charge, "amount": str(amount)})
        self.send_hooks()
        return str(made["id"])

    def dispute(self, charge: str) -> str:
        """A customer calls her bank."""
        with self.lock:
            made = self.books.dispute(charge)
        self.send_hooks()
        return str(made["id"])

    def close_dispute(self, dispute: str, status: str) -> None:
        """The bank decides: `won` or `lost`, as seen by the seller."""
        with self.lock:
            self.books.close_dispute(dispute, status)
        self.send_hooks()

    def report(self) -> dict[str, Any]:
        with self.lock:
            topics = [set(e["enabled_events"]) for e in self.books.all("webhook_endpoint")]
            told = sum(event["type"] in t for event in self.hooks.events for t in topics)
            acknowledged = list(self.patient.acknowledged)
            return {
                "moved": self.books.moved(),
                "acknowledged": acknowledged,
                "unsent": told - len(acknowledged),
            }

    def set_mood(self, *, moody: bool) -> None:
        self.moody = moody
