"""The books of a made-up Systeme.io account: contacts, tags, courses, sales and what follows.

It does by itself what the platform does: a refund takes the courses bought with the sale back, but
leaves the tag, and what a rule opened because of the tag. No HTTP here.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Body = dict[str, Any]
News = Callable[[str, Body], None]

EVENTS = (
    "CONTACT_CREATED",
    "CONTACT_TAG_ADDED",
    "CONTACT_TAG_REMOVED",
    "CONTACT_OPT_IN",
    "SALE_NEW",
    "SALE_CANCELED",
)


class Unprocessable(Exception):
    """What the platform answers with 422: a field, and why."""

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(message)
        self.field_name = field_name
        self.message = message


class Missing(Exception):
    """What it answers with 404."""


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


@dataclass
class Books:
    """All tables by id. `news` is called for what webhooks tell, `now` is the platform's clock."""

    now: Callable[[], datetime]
    news: News
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(501))
    contacts: dict[int, Body] = field(default_factory=dict)
    tags: dict[int, Body] = field(default_factory=dict)
    courses: dict[int, Body] = field(default_factory=dict)
    communities: dict[int, Body] = field(default_factory=dict)
    enrolments: dict[int, Body] = field(default_factory=dict)
    memberships: dict[int, Body] = field(default_factory=dict)
    subscriptions: dict[int, Body] = field(default_factory=dict)
    webhooks: dict[str, Body] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    tag_rules: dict[int, int] = field(default_factory=dict)
    """A tag's rule: who gets it is enrolled in this course."""
    queue: list[Callable[[], object]] = field(default_factory=list)
    """Memberships answered with 202 and not yet true, while `slow_memberships`."""
    slow_memberships: bool = False
    sales: dict[int, Body] = field(default_factory=dict)

    # --- setting up -------------------------------------------------------------------------------

    def add_course(self, name: str) -> int:
        ref = next(self.ids)
        self.courses[ref] = {
            "id": ref,
            "locale": "en",
            "domainName": None,
            "path": f"course-{ref}",
            "active": True,
            "name": name,
            "modules": [{"id": next(self.ids), "name": "Start"}],
        }
        return ref

    def add_community(self, name: str) -> int:
        ref = next(self.ids)
        where = {"domainName": "shop.example", "path": f"community-{ref}"}
        self.communities[ref] = {"id": ref, "name": name, **where}
        return ref

    def add_tag(self, name: str) -> int:
        if len(name) > 64:
            raise Unprocessable("name", "This value is too long.")
        if any(tag["name"] == name for tag in self.tags.values()):
            raise Unprocessable("name", "This value is already used.")
        ref = next(self.ids)
        self.tags[ref] = {"id": ref, "name": name, "createdAt": stamp(self.now())}
        return ref

    def add_contact(self, email: str, first_name: str = "") -> int:
        if "@" not in email:
            raise Unprocessable("email", "This value is not a valid email address.")
        if any(one["email"].lower() == email.lower() for one in self.contacts.values()):
            raise Unprocessable("email", "This value is already used.")
        ref = next(self.ids)
        named = {"fieldName": "First name", "slug": "first_name", "value": first_name}
        self.contacts[ref] = {
            "id": ref,
            "email": email,
            "registeredAt": stamp(self.now()),
            "locale": "en",
            "sourceURL": None,
            "unsubscribed": False,
            "bounced": False,
            "needsConfirmation": False,
            "fields": [named] if first_name else [],
            "tags": [],
        }
        return ref

    def subscribe(
        self, contact: int, plan: Body, created: datetime | None = None, status: str = "active"
    ) -> int:
        ref = next(self.ids)
        self.subscriptions[ref] = {
            "id": ref,
            "createdAt": stamp(created or self.now()),
            "status": status,
            "completedAt": None,
            "cancelledAt": None,
            "pricePlan": plan,
            "_contact": contact,
        }
        return ref

    # --- changing ---------------------------------------------------------------------------------

    def give_tag(self, contact: int, tag: int) -> None:
        if contact not in self.contacts or tag not in self.tags:
            raise Unprocessable("tagId", "This value is not valid.")
        held = self.contacts[contact]["tags"]
        if any(one["id"] == tag for one in held):
            return
        held.append({"id": tag, "name": self.tags[tag]["name"]})
        self.news("CONTACT_TAG_ADDED", self._tag_news(contact, tag))
        if tag in self.tag_rules:
            self.enrol(contact, self.tag_rules[tag])

    def take_tag(self, contact: int, tag: int) -> None:
        held = self.contacts.get(contact, {"tags": []})["tags"]
        if not any(one["id"] == tag for one in held):
            raise Missing
        held[:] = [one for one in held if one["id"] != tag]
        self.news("CONTACT_TAG_REMOVED", self._tag_news(contact, tag))

    def enrol(
        self, contact: int, course: int, access: str = "full_access", sale: int | None = None
    ) -> Body:
        if contact not in self.contacts:
            raise Unprocessable("contactId", "This value is not valid.")
        if course not in self.courses:
            raise Unprocessable("courseId", "This value is not valid.")
        ref = next(self.ids)
        enrolment = {"id": ref, "accessType": access, "active": True}
        self.enrolments[ref] = {**enrolment, "_contact": contact, "_course": course, "_sale": sale}
        return self.enrolments[ref]

    def join(self, contact: int, community: int) -> None:
        if contact not in self.contacts or community not in self.communities:
            raise Unprocessable("contactId", "This value is not valid.")

        def joined() -> None:
            members = self.memberships.values()
            pairs = {(one["_contact"], one["_community"]) for one in members}
            if (contact, community) not in pairs:
                ref = next(self.ids)
                self.memberships[ref] = {"id": ref, "_contact": contact, "_community": community}

        if self.slow_memberships:
            self.queue.append(joined)
        else:
            joined()

    def settle(self) -> None:
        """Let the queued memberships become true."""
        while self.queue:
            self.queue.pop(0)()

    def cancel(self, subscription: int, when: str) -> None:
        found = self.subscriptions.get(subscription)
        if found is None or found["status"] not in ("active", "in_charge") or found["cancelledAt"]:
            raise Unprocessable("", "Subscription is already cancelled")
        found["cancelledAt"] = stamp(self.now())
        if when == "Now":
            found["status"] = "cancelled"

    def register(self, name: str, url: str, secret: str, subscriptions: list[Any]) -> Body:
        for key, value in (("name", name), ("url", url)):
            if any(one[key] == value for one in self.webhooks.values()):
                raise Unprocessable(key, "This value is already used.")
        if len(self.webhooks) >= 10:
            raise Unprocessable("", "You have reached the limit of webhooks.")
        ref = str(uuid.uuid4())
        told = [one if isinstance(one, dict) else {"event": one} for one in subscriptions]
        self.webhooks[ref] = {
            "id": ref,
            "name": name,
            "url": url,
            "active": True,
            "subscriptions": [
                {
                    "id": str(uuid.uuid4()),
                    "event": one["event"],
                    "schemaVersion": one.get("schemaVersion", 1),
                    "disabledAt": None,
                    "disabledReason": None,
                }
                for one in told
            ],
        }
        self.secrets[ref] = secret
        return self.webhooks[ref]

    def disable(self, ref: str, event: str, reason: str = "BAD_SUCCESS_RATE") -> None:
        for one in self.webhooks[ref]["subscriptions"]:
            if one["event"] == event:
                one.update(disabledAt=stamp(self.now()), disabledReason=reason)

    # --- selling ----------------------------------------------------------------------------------

    def sell(
        self,
        contact: int,
        plan: Body,
        *,
        courses: tuple[int, ...] = (),
        tags: tuple[int, ...] = (),
        bundle: int | None = None,
        order: int | None = None,
        processor: str = "stripe",
    ) -> int:
        """Sell one item; returns the order item's id, which names the sale here."""
        item = next(self.ids)
        body = self._sale_body(contact, plan, item, order or next(self.ids), processor)
        given: list[Body] = body["orderItem"]["resources"]
        given += [self._given(course=self.courses[one]) for one in courses]
        given += [self._given(tag=self.tags[one]) for one in tags]
        if bundle is not None:
            given.append(self._given(bundle={"id": bundle, "name": f"Bundle {bundle}"}))
        self.sales[item] = body
        for course in courses:
            self.enrol(contact, course, sale=item)
        for tag in tags:
            self.give_tag(contact, tag)
        if plan.get("recurringOptions"):
            self.subscribe(contact, plan)
        self.news("SALE_NEW", body)
        return item

    def refund(self, item: int) -> None:
        """What the dashboard's Refund does: the whole payment, and the courses bought with it."""
        for ref in [ref for ref, one in self.enrolments.items() if one["_sale"] == item]:
            del self.enrolments[ref]
        self.news("SALE_CANCELED", self.sales[item])

    def unsubscribe(self, item: int, subscription: int, when: str) -> None:
        """What the dashboard's Unsubscribe does."""
        self.cancel(subscription, when)
        self.news("SALE_CANCELED", self.sales[item])

    # --- what is told -----------------------------------------------------------------------------

    def told_enrolment(self, one: Body) -> Body:
        contact = self.contacts[one["_contact"]]
        course = self.courses[one["_course"]]
        hidden = ("fields", "tags")
        return {
            "id": one["id"],
            "contact": {key: value for key, value in contact.items() if key not in hidden},
            "course": {key: course[key] for key in ("id", "locale", "path", "active", "name")},
            "accessType": one["accessType"],
            "active": one["active"],
        }

    def told_membership(self, one: Body) -> Body:
        community = self.communities[one["_community"]]
        return {"id": one["id"], "community": community, "contact": {"id": one["_contact"]}}

    def _tag_news(self, contact: int, tag: int) -> Body:
        known = self.contacts[contact]
        shown = {key: known[key] for key in ("id", "email", "fields", "tags")}
        return {"contact": shown, "tag": {"id": tag, "name": self.tags[tag]["name"]}}

    @staticmethod
    def _given(
        course: Body | None = None, tag: Body | None = None, bundle: Body | None = None
    ) -> Body:
        def named(thing: Body | None) -> Body | None:
            return thing and {"id": thing["id"], "name": thing["name"]}

        return {
            "course": named(course),
            "courseBundle": named(bundle),
            "enrollmentAccessType": "full_access" if course or bundle else None,
            "enrollmentDrippingAccessCourse": None,
            "physicalProduct": None,
            "tag": named(tag),
        }

    def _sale_body(self, contact: int, plan: Body, item: int, order: int, processor: str) -> Body:
        made = stamp(self.now())
        known = self.contacts[contact]
        funnel = {"id": 7648170, "name": "Funnel"}
        return {
            "customer": {
                "id": next(self.ids),
                "clientIp": "203.0.113.10",
                "contactId": contact,
                "email": known["email"],
                "fields": {one["slug"]: one["value"] for one in known["fields"]},
                "paymentProcessor": processor,
                "sourceUrl": "https://shop.example/466f06b8",
            },
            "coupon": None,
            "funnelStep": {"id": 9, "name": "Order", "type": "offer-form", "funnel": funnel},
            "checkoutPage": None,
            "order": {
                "id": order,
                "createdAt": made,
                "discountAmount": None,
                "discountType": None,
                "shippingFee": None,
                "totalPrice": plan["amount"],
                "vat": 0.0,
            },
            "orderItem": {"createdAt": made, "id": item, "resources": []},
            "pricePlan": plan,
        }


def price_plan(ref: int, name: str, amount: int, *, every: str | None = None) -> Body:
    """A price plan in EUR: one payment, or one per `every` (day, week, month, year)."""
    renewed = every and {
        "id": ref + 1,
        "trialPeriod": 0,
        "trialInterval": "day",
        "interval": every,
        "intervalCount": 1,
        "limitOfPayments": None,
    }
    return {
        "id": ref,
        "name": name,
        "type": "subscription" if every else "one_shot",
        "amount": amount,
        "currency": "eur",
        "innerName": name,
        "recurringOptions": renewed or None,
        "statementDescriptor": "",
    }
