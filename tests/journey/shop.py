"""A seller's Systeme.io account with things to sell, connected, and one customer."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

import requests

from plugin.domain.ids import InstallationId, customer_key
from plugin.domain.ledger import Ledger
from plugin.services.ledger_of import ledger_of
from tests.journey.house import House
from tests.platforms.systeme_io.books import Books, price_plan
from tests.platforms.systeme_io.fake import php_json

BUYER = "mia@example.com"
"""The requester of the tickets at the fake desk."""


@dataclass
class Shop:
    """Two one-shot plans and a monthly one; a bundle, a tag that opens a course, a community."""

    house: House
    name: InstallationId
    books: Books
    course: int
    inside: int
    opened: int
    community: int
    tag: int
    buyer: int

    bundle = 77
    plan = price_plan(3456401, "Portrait course", 4900)
    other_plan = price_plan(3456402, "Year of portraits", 9900)
    monthly = price_plan(3456410, "Membership", 1500, every="month")

    def held(self, buyer: int | None = None) -> set[str]:
        """What the store's own books say that a customer has."""
        who = buyer or self.buyer
        books = self.books
        enrolled, joined = books.enrolments.values(), books.memberships.values()
        courses = {f"course {e['_course']}" for e in enrolled if e["_contact"] == who}
        communities = {f"community {m['_community']}" for m in joined if m["_contact"] == who}
        return courses | communities | {f"tag {tag['id']}" for tag in books.contacts[who]["tags"]}

    def ledger(self) -> Ledger:
        with self.house.parts.house.storage.read(self.house.tenant) as uow:
            return ledger_of(uow, customer_key(BUYER), self.house.clock.now())

    def sell(self, **given: Any) -> int:  # noqa: ANN401 - as the fake sells
        """A sale of the portrait course, and all that the store and our side do about it."""
        item = self.books.sell(self.buyer, given.pop("plan", self.plan), **given)
        self.house.settle()
        return item

    def store_takes(self, course: int, buyer: int | None = None) -> None:
        """The store closes a course on its own, whichever sale opened it."""
        for ref in [
            ref
            for ref, one in self.books.enrolments.items()
            if (one["_contact"], one["_course"]) == (buyer or self.buyer, course)
        ]:
            del self.books.enrolments[ref]

    def tell(self, topic: str, body: Any, **headers: str) -> int:  # noqa: ANN401 - JSON
        """A delivery made by hand, signed with the secret that was registered."""
        raw = php_json(body)
        (hook,) = self.books.webhooks.values()
        secret = self.books.secrets[hook["id"]]
        sign = hmac.new(secret.encode(), raw, "sha256").hexdigest()
        told = {"X-Webhook-Event": topic, "X-Webhook-Signature": sign, **headers}
        return requests.post(hook["url"], data=raw, headers=told, timeout=60).status_code


def open_shop(house: House) -> Shop:
    """The account, connected with its access map, and a customer who has bought nothing yet."""
    books = house.world.systeme_io.books
    course, inside, opened = (books.add_course(n) for n in ("Portrait", "Landscape", "Studio"))
    community, tag = books.add_community("Critique"), books.add_tag("portrait-buyer")
    books.tag_rules[tag] = opened
    access = {
        "products": {"3456410": [{"kind": "community", "ref": str(community), "name": "Critique"}]},
        "bundles": {"77": [{"kind": "course", "ref": str(inside), "name": "Landscape"}]},
        "tags": {str(tag): [{"kind": "course", "ref": str(opened), "name": "Studio"}]},
    }
    name = house.connect_systeme_io(access)
    house.pass_time(minutes=5)
    buyer = books.add_contact(BUYER, "Mia")
    return Shop(house, name, books, course, inside, opened, community, tag, buyer)
