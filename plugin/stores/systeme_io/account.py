"""One Systeme.io account over HTTP: every call we make there, its lists, and its refusals.

Raises `Refused`, `RetryLater`, `OutcomeUnknown` or `NeedsHuman` and nothing else for what the other
side does. It never deletes a tag, a contact or a course: those calls would hit every customer.

Source: https://developer.systeme.io/reference/api (OpenAPI of 2025, changes of 2026-10).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from plugin.domain.errors import NeedsHuman, OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import customer_key
from plugin.domain.orders import Resource, ResourceKind
from plugin.platforms.http_client import Answer, Call, HttpClient
from plugin.platforms.strict_json import JsonValue, Malformed, Reader
from plugin.ports import Connection, Contact
from plugin.stores.systeme_io.records import (
    Held,
    Hook,
    PaidPlan,
    Person,
    hook_of,
    paid_plan_of,
    person_of,
)

PUBLIC_ADDRESS = "https://api.systeme.io"

_PAGE = 100  # 10 to 100; less is refused
_MOST_PAGES = 100
_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
_HOOK_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_FIELD = re.compile(r"[A-Za-z0-9_.\[\]]{1,60}")
_HOLDINGS = {
    ResourceKind.COURSE: ("/api/school/enrollments", "course"),
    ResourceKind.COMMUNITY: ("/api/community/memberships", "community"),
}
_NAMED = {
    ResourceKind.COURSE: "/api/school/courses",
    ResourceKind.COMMUNITY: "/api/community/communities",
    ResourceKind.TAG: "/api/tags",
}
_Item = TypeVar("_Item")


class Account:
    """The account that `connection.secrets["api_key"]` opens.

    `connection.settings["base_url"]` stands in for the public address in development.
    """

    def __init__(self, connection: Connection, http: HttpClient) -> None:
        self.installation = connection.installation
        self.key_tail = connection.secrets["api_key"][-4:]
        self._key = connection.secrets["api_key"]
        self._base = connection.settings.get("base_url") or PUBLIC_ADDRESS
        self._http = http

    # --- contacts -----------------------------------------------------------------------------

    def find_person(self, contact: Contact) -> Person | None:
        """The one contact with exactly this address. Raises NeedsHuman where that is unclear."""
        if contact.ref is not None and is_number(contact.ref):
            answer = self.send("GET", f"/api/contacts/{contact.ref}", "contact.read", expected=404)
            if answer.is_ok:
                person = told(answer, person_of)
                if customer_key(person.email) != customer_key(contact.email):
                    raise NeedsHuman("contact_has_another_address", f"contact {contact.ref}")
                return person
        query = (("email", contact.email.strip()),)
        found = [
            person
            for person in self.items("/api/contacts", "contact.find", person_of, query)
            if customer_key(person.email) == customer_key(contact.email)
        ]
        if len(found) > 1:
            raise NeedsHuman("several_contacts", "the address belongs to more than one contact")
        return found[0] if found else None

    def person(self, contact: Contact) -> Person | None:
        """As `find_person`; None only where the contact's own id is known, so it is surely gone.

        An address that is not found proves nothing: the customer may have changed it.
        """
        person = self.find_person(contact)
        if person is None and contact.ref is None:
            raise NeedsHuman("no_such_contact", "no contact has this address")
        return person

    def present(self, contact: Contact) -> Person:
        """The contact, which must be there. Raises NeedsHuman where it is not."""
        person = self.find_person(contact)
        if person is None:
            raise NeedsHuman("no_such_contact", "no contact has this address")
        return person

    def create_person(self, email: str) -> Person:
        """Make a contact. For our own test contact only."""
        answer = self.send("POST", "/api/contacts", "contact.create", json={"email": email})
        return told(answer, person_of)

    # --- what contacts hold -------------------------------------------------------------------

    def holdings(self, contact: str, kind: ResourceKind, ref: str | None = None) -> list[Held]:
        """The enrolments or memberships of a contact's id, of one course or community or of all."""
        path, field = _HOLDINGS[kind]
        query = [("contact", contact)]
        if ref is not None:
            query.append((field, number(ref)))

        def held_of(item: Reader) -> Held:
            return Held(
                item.identifier("id"),
                item.identifier("contact", "id"),
                self._resource(kind, item.section(field)),
                item.optional_boolean("active") is not False,
            )

        # Were a filter ever ignored, a revocation would hit other customers or other courses.
        return [
            held
            for held in self.items(path, f"{field}.held", held_of, query)
            if held.contact == contact and ref in (None, held.resource.ref)
        ]

    def end_holding(self, held: Held) -> bool:
        """Delete one enrolment or membership: True when it went, False when it was gone."""
        path, field = _HOLDINGS[held.resource.kind]
        return self.send("DELETE", f"{path}/{held.ref}", f"{field}.revoke", expected=404).is_ok

    def open(self, person: Person, resource: Resource) -> None:
        """Enrol the contact with full access, or let it join; joining is queued there (202)."""
        path, field = _NAMED[resource.kind], _HOLDINGS[resource.kind][1]
        body: dict[str, JsonValue] = {"contactId": int(person.ref)}
        end = "memberships"
        if resource.kind is ResourceKind.COURSE:
            body["accessType"], end = "full_access", "enrollments"
        self.send("POST", f"{path}/{number(resource.ref)}/{end}", f"{field}.open", json=body)

    def subscriptions(self, person: Person) -> list[PaidPlan]:
        """The contact's subscriptions; none where the account never set up payments (404)."""
        query = (("contact", person.ref),)
        path = "/api/payment/subscriptions"
        return self.items(path, "subscription.list", paid_plan_of, query, expected=404)

    # --- what the account has -----------------------------------------------------------------

    def named(self, kind: ResourceKind, query: Sequence[tuple[str, str]] = ()) -> list[Resource]:
        """All courses, communities or tags."""

        def resource_of(item: Reader) -> Resource:
            return self._resource(kind, item)

        return self.items(_NAMED[kind], f"{kind}.list", resource_of, query)

    def create_tag(self, name: str) -> Resource:
        """Make a tag. For our own test tag only."""
        answer = self.send("POST", "/api/tags", "tag.create", json={"name": name})
        return told(answer, lambda item: self._resource(ResourceKind.TAG, item))

    def hooks(self) -> list[Hook]:
        """All webhooks of the account, ours and others'."""
        return self.items("/api/webhooks", "webhook.list", hook_of, paged=False)

    def create_hook(self, name: str, url: str, secret: str, events: Sequence[str]) -> Hook:
        """Register a webhook that sends `events` in schema version 2."""
        body: JsonValue = {
            "name": name,
            "url": url,
            "secret": secret,
            "subscriptions": [{"event": event, "schemaVersion": 2} for event in events],
        }
        return told(self.send("POST", "/api/webhooks", "webhook.create", json=body), hook_of)

    def resource(self, kind: ResourceKind, ref: str, name: str) -> Resource:
        """A thing of this account."""
        return Resource(self.installation, kind, ref, name)

    def _resource(self, kind: ResourceKind, item: Reader) -> Resource:
        return self.resource(kind, item.identifier("id"), item.optional_text("name") or "")

    # --- calls --------------------------------------------------------------------------------

    def items(
        self,
        path: str,
        label: str,
        of: Callable[[Reader], _Item],
        query: Sequence[tuple[str, str]] = (),
        *,
        paged: bool = True,
        expected: int = 0,
    ) -> list[_Item]:
        """All items of a list. `expected`: a status that says that there is no such list."""
        found: list[_Item] = []
        size = (("limit", str(_PAGE)),) if paged else ()
        cursor = ""
        for _ in range(_MOST_PAGES):
            after = (("startingAfter", cursor),) if cursor else ()
            whole = (*query, *size, *after)
            answer = self.send("GET", path, label, query=whole, expected=expected)
            if not answer.is_ok:
                return found
            listed, more, last = told(answer, _page_of)
            found += [_understood(item, of, answer) for item in listed]
            if not more:
                return found
            if last in ("", cursor):
                raise RetryLater("answer_malformed", f"{label}: the list does not go on")
            cursor = last
        raise NeedsHuman("list_too_long", label)

    def send(
        self,
        method: str,
        path: str,
        label: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        json: JsonValue = None,
        expected: int = 0,
    ) -> Answer:
        """One call. Raises Refused for every 4xx but `expected`, and as `HttpClient.send`."""
        headers = {"X-API-Key": self._key}
        call = Call(method, self._base + path, label, headers=headers, query=query, json=json)
        answer = self._http.send(call)
        if answer.is_ok or answer.status == expected:
            return answer
        if answer.status == 401:
            raise Refused("key_refused", "the key is wrong, revoked or expired: make a new one")
        faults = ", ".join(_faulty_fields(answer))
        raise Refused(f"http_{answer.status}", f"{label} {faults}".rstrip())


def is_number(ref: str) -> bool:
    """Whether it can be an id of this platform."""
    return _NUMBER.fullmatch(ref) is not None


def number(ref: str) -> str:
    """An id for a path. Raises Refused: maps are written by hand, and paths are made from refs."""
    if not is_number(ref):
        raise Refused("not_an_id", "ids of this platform are positive numbers")
    return ref


def hook_id(ref: str) -> str:
    """A webhook's id for a path. Raises Refused."""
    if not _HOOK_ID.fullmatch(ref):
        raise Refused("not_an_id", "webhook ids are letters, digits and dashes")
    return ref


def told(answer: Answer, of: Callable[[Reader], _Item]) -> _Item:
    """The answer's body as `of` reads it. Raises RetryLater, or OutcomeUnknown after a write."""
    return _understood(Reader(answer.json()), of, answer)


def _understood(item: Reader, of: Callable[[Reader], _Item], answer: Answer) -> _Item:
    try:
        return of(item)
    except Malformed as error:
        path = error.path
    if answer.after_read:
        raise RetryLater("answer_malformed", path)
    # The thing was made, but we cannot read which.
    raise OutcomeUnknown("answer_malformed", path)


def _page_of(page: Reader) -> tuple[tuple[Reader, ...], bool, str]:
    items = page.items("items")
    more = page.boolean("hasMore")
    return items, more, items[-1].identifier("id") if more and items else ""


def _faulty_fields(answer: Answer) -> Iterator[str]:
    """The names of fields that were not liked; the other side's words may hold content."""
    try:
        violations = Reader(answer.json()).optional_items("violations") or ()
        names = [violation.optional_text("propertyPath") or "" for violation in violations]
    except (Malformed, RetryLater, Refused):
        return
    yield from (name for name in names if _FIELD.fullmatch(name))
