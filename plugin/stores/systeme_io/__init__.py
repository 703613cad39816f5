"""Systeme.io: takes access and tags away and gives them back, stops subscriptions, connects itself.

Works per contact, by the account's one API key. There is no API for orders or refunds: it moves no
money, and sales come as webhooks. What the API does not tell stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import wait
from dataclasses import replace

from plugin.domain.errors import NeedsHuman, Refused
from plugin.domain.events import StoreEvent, SubscriptionCancelled
from plugin.domain.orders import Resource, ResourceKind, Subscription, SubscriptionStatus
from plugin.platforms.aside import aside
from plugin.platforms.http_client import HttpClient
from plugin.platforms.strict_json import JsonValue
from plugin.ports import Catalog, Changed, Clock, Connection, Contact, Probe, WebhookRegistered
from plugin.stores.systeme_io.account import Account, hook_id, is_number, number, told
from plugin.stores.systeme_io.records import PaidPlan, Person, hook_of

TEST_CONTACT = "makegood-test@example.com"
TEST_TAG = "makegood-test"
"""The self-test's own. The parser knows them too, so that they reach no ledger."""

EVENTS = ("SALE_NEW", "SALE_CANCELED", "CONTACT_TAG_ADDED", "CONTACT_TAG_REMOVED")

_PLAN = "plan:"  # what the parser calls a subscription of which a sale tells the price plan only
_WEBHOOK_PLACES = 10
_HOLDABLE = (ResourceKind.COURSE, ResourceKind.COMMUNITY)


class SystemeIoStore:
    """One account. Access, tags, subscriptions; probing, webhooks, catalogue and round trip."""

    def __init__(self, connection: Connection, http: HttpClient, clock: Clock) -> None:
        self._account = Account(connection, http)
        self._webhook = connection.settings.get("webhook_ref", "")
        self._clock = clock

    # --- access and tags ----------------------------------------------------------------------

    def read_access(self, contact: Contact) -> Sequence[Resource]:
        """All is read at the same time where the contact's own id is known: an agent waits."""
        early = [
            aside.begin(self._account.holdings, contact.ref, kind)
            for kind in _HOLDABLE
            if contact.ref is not None and is_number(contact.ref)
        ]
        try:
            person = self._account.person(contact)
        finally:
            wait(early)  # nothing of ours is under way when this is over
        if person is None:
            return ()
        if early and person.ref == contact.ref:
            held = [one for read in early for one in read.result()]
        else:
            held = [one for kind in _HOLDABLE for one in self._account.holdings(person.ref, kind)]
        tags = (self._account.resource(ResourceKind.TAG, *tag) for tag in person.tags)
        return tuple(dict.fromkeys([*(one.resource for one in held if one.active), *tags]))

    def revoke(self, contact: Contact, resource: Resource) -> Changed:
        """Every enrolment or membership that the contact has in it goes, also inactive ones."""
        kind = _holdable(resource)
        person = self._account.person(contact)
        if person is None:
            return Changed.ALREADY
        held = self._account.holdings(person.ref, kind, resource.ref)
        went = [self._account.end_holding(one) for one in held]
        return Changed.DONE if any(went) else Changed.ALREADY

    def restore(self, contact: Contact, resource: Resource) -> Changed:
        """Gives full access: of an old enrolment's modules or drip plan the API tells nothing.

        A community is joined later, so only reading back shows it.
        """
        kind = _holdable(resource)
        person = self._account.present(contact)
        if any(one.active for one in self._account.holdings(person.ref, kind, resource.ref)):
            return Changed.ALREADY
        self._account.open(person, resource)
        return Changed.DONE

    def add_tag(self, contact: Contact, tag: Resource) -> Changed:
        body: JsonValue = {"tagId": int(number(tag.ref))}
        person = self._account.present(contact)
        if tag.ref in (ref for ref, _ in person.tags):
            return Changed.ALREADY
        self._account.send("POST", f"/api/contacts/{person.ref}/tags", "tag.add", json=body)
        return Changed.DONE

    def remove_tag(self, contact: Contact, tag: Resource) -> Changed:
        ref = number(tag.ref)
        person = self._account.person(contact)
        if person is None:
            return Changed.ALREADY
        path = f"/api/contacts/{person.ref}/tags/{ref}"
        answer = self._account.send("DELETE", path, "tag.remove", expected=404)
        return Changed.DONE if answer.is_ok else Changed.ALREADY

    # --- subscriptions ------------------------------------------------------------------------

    def read_subscription(self, contact: Contact, ref: str) -> Subscription | None:
        person = self._account.person(contact)
        found = None if person is None else self._the_one(person, ref)
        return None if found is None else self._subscription(found)

    def cancel_subscription(self, contact: Contact, ref: str, *, at_once: bool) -> Changed:
        """Stops the charges of this contact's own subscription. Moves no money back."""
        found = self._the_one(self._account.present(contact), ref)
        if found is None:
            raise Refused("no_such_subscription", "this contact has none of that name")
        if not found.live or (found.stopped and not at_once):
            return Changed.ALREADY
        path = f"/api/payment/subscriptions/{found.ref}/cancel"
        when = "Now" if at_once else "WhenBillingPeriodEnds"
        self._account.send("POST", path, "subscription.cancel", json={"cancel": when})
        return Changed.DONE

    def confirm(self, event: StoreEvent) -> StoreEvent:
        """A cancelled subscription with its paid period; any other event as it is.

        `ended` says that nothing paid for is left. What the API leaves open stays open: no
        `paid_until` and not ended. So does a plan whose payments are all made: it stopped, but what
        it bought is paid, and a person decides.
        """
        if not isinstance(event, SubscriptionCancelled) or event.subscription is None:
            return event
        person = self._account.person(Contact(event.order.email, event.order.contact))
        if person is None:
            return event
        stopped = [one for one in self._called(person, event.subscription) if one.stopped]
        if len(stopped) != 1:
            return event
        found = stopped[0]
        read = replace(event, subscription=found.ref)
        if found.status == "completed":
            return read
        if found.status == "incomplete_expired":
            return replace(read, ended=True)
        until = found.period_end(found.cancelled or event.at)
        ended = not found.live and until is not None and until <= self._clock.now()
        return replace(read, paid_until=until, ended=ended)

    def _subscription(self, found: PaidPlan) -> Subscription:
        now = self._clock.now()
        until = found.period_end(found.cancelled or now)
        renewing = found.status == "active" and not found.stopped
        if renewing:
            status = SubscriptionStatus.ACTIVE
        elif found.status in ("active", "cancelled") and until is not None and until > now:
            status = SubscriptionStatus.ENDING
        elif not found.live:
            status = SubscriptionStatus.ENDED
        else:
            status = SubscriptionStatus.UNKNOWN
        return Subscription(
            self._account.installation,
            found.ref,
            status,
            paid_until=until,
            renews=found.renews if renewing else None,
            renews_at=until if renewing else None,
        )

    def _called(self, person: Person, ref: str) -> list[PaidPlan]:
        plan = ref.removeprefix(_PLAN) if ref.startswith(_PLAN) else None
        listed = self._account.subscriptions(person)
        return [one for one in listed if (one.ref == ref if plan is None else one.plan == plan)]

    def _the_one(self, person: Person, ref: str) -> PaidPlan | None:
        """Of several subscriptions to one plan the only live one; a person decides between two."""
        called = self._called(person, ref)
        meant = [one for one in called if one.live] or called[-1:]
        if len(meant) > 1:
            raise NeedsHuman("several_subscriptions", "this contact has more than one to that plan")
        return meant[0] if meant else None

    # --- connecting ---------------------------------------------------------------------------

    def probe(self) -> Probe:
        """Reads the contact fields' definitions: the one list that shows no customer.

        No call tells which account a key opens. That it lists our webhook proves it to be ours.
        """
        self._account.items(
            "/api/contact_fields", "probe", lambda field: field.text("slug"), paged=False
        )
        tail = self._account.key_tail
        words = "tried without touching any customer"
        return Probe(f"key ending in {tail}", words, has_our_webhook=self._has_our_webhook())

    def _has_our_webhook(self) -> bool | None:
        if not self._webhook:
            return None
        return any(
            hook.ref == self._webhook or hook.name == self._webhook_name
            for hook in self._account.hooks()
        )

    @property
    def _webhook_name(self) -> str:
        return f"Makegood {self._account.installation}"

    def check_rights(self) -> str:
        """A key has no smaller rights than the account; an area may still be closed to its plan."""
        self.read_catalog()
        self._account.hooks()
        return "Contacts, courses, communities, tags, subscriptions"

    def register_webhook(self, url: str, secret: str) -> WebhookRegistered:
        """Name and address are unique per account, so ours goes before it is made anew."""
        name = self._webhook_name
        hooks = self._account.hooks()
        ours = [hook for hook in hooks if hook.name == name or hook.url == url]
        for hook in ours:
            self.remove_webhook(hook.ref)
        made = self._account.create_hook(name, url, secret, EVENTS)
        used = len(hooks) - len(ours) + 1
        return WebhookRegistered(
            made.ref,
            secret,
            f"Sales, cancellations, tags. {used} of {_WEBHOOK_PLACES} places used",
        )

    def webhook_alive(self, ref: str) -> bool:
        """False when it is gone, or was switched off by a person or for failing too often."""
        path = f"/api/webhooks/{hook_id(ref)}"
        answer = self._account.send("GET", path, "webhook.read", expected=404)
        if not answer.is_ok:
            return False
        hook = told(answer, hook_of)
        return hook.active and hook.events.issuperset(EVENTS)

    def remove_webhook(self, ref: str) -> Changed:
        path = f"/api/webhooks/{hook_id(ref)}"
        answer = self._account.send("DELETE", path, "webhook.remove", expected=404)
        return Changed.DONE if answer.is_ok else Changed.ALREADY

    def provoke_delivery(self) -> str | None:
        contact, tag = self._test_contact(), self._test_tag()
        if self.add_tag(contact, tag) is Changed.ALREADY:
            self.remove_tag(contact, tag)
            self.add_tag(contact, tag)
        self.remove_tag(contact, tag)
        return "We added a tag to a test contact; Systeme.io should tell us within a minute"

    def round_trip(self) -> str:
        """On a test contact of ours: a tag on and off, the first course open and closed."""
        contact = self._test_contact()
        self._give_and_take(contact, self._test_tag(), self.add_tag, self.remove_tag)
        courses = self._account.named(ResourceKind.COURSE)
        if not courses:
            return "Added a tag to the test contact and removed it. There is no course to try"
        self._give_and_take(contact, courses[0], self.restore, self.revoke)
        return "Opened a course for the test contact, closed it, and looked again"

    def _give_and_take(
        self,
        contact: Contact,
        resource: Resource,
        give: Callable[[Contact, Resource], Changed],
        take: Callable[[Contact, Resource], Changed],
    ) -> None:
        give(contact, resource)
        given = resource in self.read_access(contact)
        take(contact, resource)
        taken = resource not in self.read_access(contact)
        if not (given and taken):
            raise Refused("round_trip_failed", f"{resource.kind} given: {given}, taken: {taken}")

    def read_catalog(self) -> Catalog:
        kinds = (*_HOLDABLE, ResourceKind.TAG)
        return Catalog(
            resources=tuple(one for kind in kinds for one in self._account.named(kind)),
            unlisted=("price plans", "course bundles"),
        )

    def _test_contact(self) -> Contact:
        person = self._account.find_person(Contact(TEST_CONTACT))
        made = person or self._account.create_person(TEST_CONTACT)
        return Contact(TEST_CONTACT, made.ref)

    def _test_tag(self) -> Resource:
        tags = self._account.named(ResourceKind.TAG, (("query", TEST_TAG),))
        return next(
            (tag for tag in tags if tag.name == TEST_TAG), None
        ) or self._account.create_tag(TEST_TAG)


def _holdable(resource: Resource) -> ResourceKind:
    """The kind, where the API opens and closes it. Of a bundle only its courses can be."""
    if resource.kind not in _HOLDABLE:
        raise NeedsHuman("no_call_for_this_kind", f"{resource.kind} {resource.ref}")
    return resource.kind
