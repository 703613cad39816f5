"""A fake Stripe whose webhooks overtake its answers: told, worked on, and only then answered.

Some answers never come, or are errors. Some payments are bare: neither the event nor a read of the
refund shows our reference, as where a gateway keeps none.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tests.kill.moody_stripe import PatientHooks
from tests.platforms.stripe.books import Thing
from tests.platforms.stripe.fake import Answer, FakeStripe, Fault

BARE = "shows_no_reference"
_ANSWERS = {"": 6, "drop_after": 2, "error_after": 1, "truncated": 1}
"""How the call is answered after all: in most cases as it should be, else with silence."""
_REFUND = re.compile(r"/v1/refunds/re_\w+")


class OvertakingStripe(FakeStripe):
    """`arrived` is called with the charge and the deliveries' names once they were acknowledged."""

    def __init__(
        self,
        chance: random.Random,
        now: Callable[[], int],
        arrived: Callable[[str, Sequence[str]], None],
    ) -> None:
        super().__init__(now=now)
        self.patient = PatientHooks(now, chance)
        self.hooks = self.patient
        self.failed: list[str] = []
        self.silent = 0
        self._arrived = arrived
        self._chance = chance
        self._caused = threading.local()

    def take_fault(self, method: str, path: str) -> Fault | None:
        if (method, path) != ("POST", "/v1/refunds"):
            return None
        with self.lock:
            [kind] = self._chance.choices(list(_ANSWERS), list(_ANSWERS.values()))
            self.silent += bool(kind)
        return Fault(kind) if kind else None

    def answer(self, method: str, path: str, query: str, body: str, key: str | None) -> Answer:
        """As the fake answers. What it caused is kept by thread: another call must not send it."""
        with self.lock:
            found = super().answer(method, path, query, body, key)
            self._caused.events, self.books.events = self.books.events, []
            if method == "GET" and _REFUND.fullmatch(path) and self._is_bare(found.body):
                return Answer(found.status, {**found.body, "metadata": {}}, found.headers)
        return found

    def keep(self, key: str | None, answer: Answer) -> None:
        """Called before a byte of the answer leaves: the webhooks go first."""
        super().keep(key, answer)
        events: list[Thing] = getattr(self._caused, "events", [])
        if events:
            self._caused.events = []
            self._overtake(events)

    def send_hooks(self, *, wait: bool = False) -> None:
        """Nothing: all was sent before the answer."""

    def _overtake(self, events: list[Thing]) -> None:
        with self.lock:
            told = [self._as_shown(event) for event in events]
            endpoints = self.books.all("webhook_endpoint")
        self.hooks.send(told, endpoints, wait=True)
        refund = next(e["data"]["object"] for e in told if e["type"] == "refund.created")
        try:
            self._arrived(refund["charge"], [name_of(event) for event in told])
        except Exception as error:  # noqa: BLE001 - told at the end, in the thread that can show it
            self.failed.append(f"{refund['charge']}: {error!r}")

    def _as_shown(self, event: Thing) -> Thing:
        about = event["data"]["object"]
        if about["object"] != "refund" or not self._is_bare(about):
            return event
        return {**event, "data": {"object": {**about, "metadata": {}}}}

    def _is_bare(self, refund: dict[str, Any]) -> bool:
        charge = self.books.things.get(refund.get("charge", ""))
        return charge is not None and BARE in charge["metadata"]


def name_of(event: Thing) -> str:
    """The name under which our inbox keeps the delivery of an event."""
    return str(event["id"])
