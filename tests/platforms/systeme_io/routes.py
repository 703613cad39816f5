"""The paths of the made-up account's API: what each call does to the books, and what it answers.

Refuses what the vendor's schema refuses: a page of fewer than ten, a cursor of zero, a second
webhook of the same name or address.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.platforms.systeme_io.books import Body, Books, Missing, Unprocessable

Reply = tuple[int, Any]


@dataclass
class Exchange:
    """One request and its answer, kept for checks against the vendor's specification."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: Any
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: Any = None
    fault: str | None = None

    def asked(self, name: str) -> str | None:
        return dict(self.query).get(name)


def reply(books: Books, key: str, call: Exchange) -> Reply:
    if "x-api-key" not in call.headers:
        return 401, {"detail": "Full authentication is required to access this resource."}
    if call.headers["x-api-key"] != key:
        return 401, {"detail": "Invalid API Key."}
    for (method, pattern), handle in _ROUTES.items():
        match = re.fullmatch(pattern, call.path)
        if match and method == call.method:
            try:
                return handle(books, call, *(int(ref) for ref in match.groups()))
            except Missing:
                return _nowhere()
            except Unprocessable as error:
                return 422, problem(error.field_name, error.message)
    if re.fullmatch("/api/webhooks/[0-9a-f-]+", call.path):
        return _webhook(books, call, call.path.rpartition("/")[2])
    return _nowhere()


def problem(field_name: str, message: str) -> Body:
    violation = {"propertyPath": field_name, "message": message, "code": str(uuid.uuid4())}
    detail = f"{field_name}: {message}" if field_name else message
    shown = {"type": "/errors/422", "title": "An error occurred", "detail": detail}
    return {**shown, "violations": [violation]}


def _nowhere() -> Reply:
    return 404, {"title": "An error occurred", "detail": "Not Found"}


def _page(call: Exchange, items: list[Body]) -> Reply:
    """One page, newest first, as the cursor says."""
    limit = int(call.asked("limit") or "10")
    if not 10 <= limit <= 100:
        raise Unprocessable("limit", "This value should be between 10 and 100.")
    ordered = sorted(items, key=lambda item: -int(item["id"]))
    if (cursor := call.asked("startingAfter")) is not None:
        if int(cursor) < 1:
            raise Unprocessable("startingAfter", "This value should be positive.")
        ordered = [item for item in ordered if int(item["id"]) < int(cursor)]
    return 200, {"items": ordered[:limit], "hasMore": len(ordered) > limit}


def _of(call: Exchange, rows: dict[int, Body], *fields: str) -> list[Body]:
    return [
        row
        for row in rows.values()
        if all(call.asked(name) in (None, str(row[f"_{name}"])) for name in fields)
    ]


def _gone(rows: dict[Any, Body], ref: int | str) -> Reply:
    if rows.pop(ref, None) is None:
        raise Missing
    return 204, None


def _contact_fields(_books: Books, _call: Exchange) -> Reply:
    return 200, {"items": [{"slug": "first_name", "fieldName": "First name"}], "hasMore": False}


def _contacts(books: Books, call: Exchange) -> Reply:
    email = call.asked("email")
    return _page(call, [one for one in books.contacts.values() if email in (None, one["email"])])


def _new_contact(books: Books, call: Exchange) -> Reply:
    return 201, books.contacts[books.add_contact(call.body["email"])]


def _contact(books: Books, _call: Exchange, ref: int) -> Reply:
    if ref not in books.contacts:
        raise Missing
    return 200, books.contacts[ref]


def _tag_contact(books: Books, call: Exchange, ref: int) -> Reply:
    books.give_tag(ref, call.body["tagId"])
    return 204, None


def _untag_contact(books: Books, _call: Exchange, ref: int, tag: int) -> Reply:
    books.take_tag(ref, tag)
    return 204, None


def _tags(books: Books, call: Exchange) -> Reply:
    query = call.asked("query") or ""
    return _page(call, [tag for tag in books.tags.values() if query in tag["name"]])


def _new_tag(books: Books, call: Exchange) -> Reply:
    return 201, books.tags[books.add_tag(call.body["name"])]


def _courses(books: Books, call: Exchange) -> Reply:
    return _page(call, list(books.courses.values()))


def _enrol(books: Books, call: Exchange, course: int) -> Reply:
    made = books.enrol(call.body["contactId"], course, call.body["accessType"])
    return 201, books.told_enrolment(made)


def _enrolments(books: Books, call: Exchange) -> Reply:
    rows = _of(call, books.enrolments, "contact", "course")
    return _page(call, [books.told_enrolment(row) for row in rows])


def _unenrol(books: Books, _call: Exchange, ref: int) -> Reply:
    return _gone(books.enrolments, ref)


def _communities(books: Books, call: Exchange) -> Reply:
    return _page(call, list(books.communities.values()))


def _join(books: Books, call: Exchange, community: int) -> Reply:
    books.join(call.body["contactId"], community)
    return 202, None


def _memberships(books: Books, call: Exchange) -> Reply:
    rows = _of(call, books.memberships, "contact", "community")
    return _page(call, [books.told_membership(row) for row in rows])


def _leave(books: Books, _call: Exchange, ref: int) -> Reply:
    return _gone(books.memberships, ref)


def _subscriptions(books: Books, call: Exchange) -> Reply:
    rows = _of(call, books.subscriptions, "contact")
    shown = [{key: row[key] for key in row if not key.startswith("_")} for row in rows]
    return _page(call, shown)


def _cancel(books: Books, call: Exchange, ref: int) -> Reply:
    books.cancel(ref, call.body["cancel"])
    return 204, None


def _webhooks(books: Books, _call: Exchange) -> Reply:
    return 200, {"items": list(books.webhooks.values()), "hasMore": False}


def _new_webhook(books: Books, call: Exchange) -> Reply:
    keys = ("name", "url", "secret", "subscriptions")
    return 201, books.register(*(call.body[key] for key in keys))


def _webhook(books: Books, call: Exchange, ref: str) -> Reply:
    if ref not in books.webhooks:
        return _nowhere()
    return _gone(books.webhooks, ref) if call.method == "DELETE" else (200, books.webhooks[ref])


_ROUTES: dict[tuple[str, str], Callable[..., Reply]] = {
    ("GET", "/api/contact_fields"): _contact_fields,
    ("GET", "/api/contacts"): _contacts,
    ("POST", "/api/contacts"): _new_contact,
    ("GET", r"/api/contacts/(\d+)"): _contact,
    ("POST", r"/api/contacts/(\d+)/tags"): _tag_contact,
    ("DELETE", r"/api/contacts/(\d+)/tags/(\d+)"): _untag_contact,
    ("GET", "/api/tags"): _tags,
    ("POST", "/api/tags"): _new_tag,
    ("GET", "/api/school/courses"): _courses,
    ("POST", r"/api/school/courses/(\d+)/enrollments"): _enrol,
    ("GET", "/api/school/enrollments"): _enrolments,
    ("DELETE", r"/api/school/enrollments/(\d+)"): _unenrol,
    ("GET", "/api/community/communities"): _communities,
    ("POST", r"/api/community/communities/(\d+)/memberships"): _join,
    ("GET", "/api/community/memberships"): _memberships,
    ("DELETE", r"/api/community/memberships/(\d+)"): _leave,
    ("GET", "/api/payment/subscriptions"): _subscriptions,
    ("POST", r"/api/payment/subscriptions/(\d+)/cancel"): _cancel,
    ("GET", "/api/webhooks"): _webhooks,
    ("POST", "/api/webhooks"): _new_webhook,
}
