"""The fake Systeme.io as a peer of a run: moody, and patient with its webhooks."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

from tests.kill.clock import SharedClock
from tests.kill.peers import Orders
from tests.platforms.systeme_io.books import price_plan
from tests.platforms.systeme_io.fake import FakeSystemeIo, Sent
from tests.platforms.systeme_io.fake import Fault as SystemeFault

REPEATED = 0.08
"""How many of all webhooks are sent once more although they were acknowledged."""
_SYSTEME_MOODS = (
    SystemeFault.SERVER_ERROR,
    SystemeFault.SERVER_ERROR_AFTER,
    SystemeFault.SILENCE,
    SystemeFault.SILENCE_AFTER,
    SystemeFault.RATE_LIMIT,
)


class MoodySystemeIo(FakeSystemeIo):
    """The course platform, with its moods. Delivers in a thread of its own."""

    def __init__(self, clock: SharedClock, chance: random.Random) -> None:
        super().__init__(now=clock.now)
        self.moody = False
        self.acknowledged: list[str] = []
        self._delivering = 0
        self._chance = chance
        self.course = self.books.add_course("Portrait Lighting")
        self.opened_by_tag = self.books.add_course("Members' Room")
        self.tag = self.books.add_tag("buyer")
        self.member = self.books.add_tag("member")
        self.books.tag_rules[self.member] = self.opened_by_tag
        threading.Thread(target=self._deliver_always, daemon=True).start()

    def next_fault(self, method: str, path: str) -> SystemeFault | None:
        if not self.moody or self._chance.random() >= 0.04:
            return None
        return self._chance.choice(_SYSTEME_MOODS)

    def orders(self) -> Orders:
        return {
            "sell": self.sell,
            "cancel": self.cancel,
            "give_back": self.give_back,
            "tag": self.give_tag,
            "untag": self.take_tag,
            "report": self.report,
            "set_mood": self.set_mood,
        }

    def sell(self, email: str, amount: int) -> dict[str, int]:
        with self.lock:
            contact = self.books.add_contact(email)
            plan = price_plan(3456401, "Portrait Lighting", amount)
            item = self.books.sell(contact, plan, courses=(self.course,), tags=(self.tag,))
            return {"item": item, "order": self.books.sales[item]["order"]["id"]}

    def cancel(self, item: int) -> None:
        with self.lock:
            self.books.refund(item)

    def give_back(self, item: int) -> None:
        """What somebody does in the store's dashboard; no webhook tells of it."""
        with self.lock:
            self.books.enrol(self.books.sales[item]["customer"]["contactId"], self.course)

    def give_tag(self, email: str) -> int:
        with self.lock:
            contact = self.books.add_contact(email)
            self.books.give_tag(contact, self.member)
            return contact

    def take_tag(self, contact: int) -> None:
        with self.lock:
            self.books.take_tag(contact, self.member)

    def report(self) -> dict[str, Any]:
        with self.lock:
            emails = {ref: one["email"] for ref, one in self.books.contacts.items()}
            courses = [
                [emails[e["_contact"]], e["_course"]] for e in self.books.enrolments.values()
            ]
            tags = [
                [one["email"], t["id"]] for one in self.books.contacts.values() for t in one["tags"]
            ]
            return {
                "courses": courses,
                "tags": tags,
                "acknowledged": list(self.acknowledged),
                "unsent": len(self._outbox) + self._delivering,
            }

    def set_mood(self, *, moody: bool) -> None:
        self.moody = moody

    def _deliver_always(self) -> None:
        while True:
            with self.lock:
                due = self.take_outbox()
                self._delivering = len(due)
            for one in due:
                self._deliver(one)
            self._delivering = 0
            time.sleep(0.01)

    def _deliver(self, one: Sent) -> None:
        while self.post(one).status != 200:
            time.sleep(0.1)
        self.acknowledged.append(one.headers["X-Webhook-Message-Id"])
        if self._chance.random() < REPEATED:
            self.post(self.duplicate(one))
