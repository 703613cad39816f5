"""Scripted platforms in memory: they keep books, write down who called what, and fail as told.

Implements `plugin.ports.platforms.Platforms`. A store's books say what was really paid and what is
really held, whatever its answers claimed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from plugin.domain.errors import (
    InvalidInput,
    NeedsHuman,
    OutcomeUnknown,
    Refused,
    RetryLater,
)
from plugin.domain.events import StoreEvent
from plugin.domain.ids import InstallationId, TicketId
from plugin.domain.money import Money
from plugin.domain.orders import Order, Payment, Resource, Subscription
from plugin.domain.refunds import (
    Ambiguous,
    Declined,
    Found,
    GatewayRules,
    LookUp,
    NotFound,
    Pending,
    Refund,
    RefundAnswer,
    Succeeded,
)
from plugin.ports import Changed, Clock, Connection, Contact, OrderQuery
from plugin.ports.platforms import P, Pace, WorksheetStep
from plugin.services.webhook_secrets import webhook_secrets

R = TypeVar("R")


class Mood(StrEnum):
    """How a gateway meets one refund call."""

    PLAIN = "plain"
    PENDING = "pending"
    SILENT_AFTER = "silent_after"  # pays, and its answer is lost
    SILENT_BEFORE = "silent_before"  # pays nothing, and nobody can tell
    BUSY = "busy"  # pays nothing, and says so
    NO = "no"
    BY_HAND = "by_hand"
    FAULT = "fault"  # our own adapter breaks after the money went


@dataclass
class Paid:
    """One refund in a gateway's books."""

    ref: str
    key: str
    payment: str
    amount: Money
    state: str = "succeeded"


@dataclass
class Trouble:
    """What the next calls of some methods raise. `calls` is all that was called, in order."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    raises: dict[str, list[Exception]] = field(default_factory=lambda: defaultdict(list))

    def enter(self, method: str, detail: str) -> None:
        self.calls.append((method, detail))
        if self.raises[method]:
            raise self.raises[method].pop(0)

    def called(self, method: str) -> list[str]:
        return [detail for name, detail in self.calls if name == method]


@dataclass
class FakeStore(Trouble):
    """A store and gateway with every ability."""

    orders: dict[str, Order] = field(default_factory=dict)
    held: dict[str, set[Resource]] = field(default_factory=lambda: defaultdict(set))
    paid: list[Paid] = field(default_factory=list)
    moods: list[Mood] = field(default_factory=list)
    honours_key: bool = True
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    clock: Clock | None = None
    shows_refunds: bool = True
    confirm_as: Callable[[StoreEvent], StoreEvent] | None = None
    before_paying: Callable[[], None] | None = None

    def find_orders(self, query: OrderQuery) -> Sequence[Order]:
        self.enter("find_orders", ",".join(query.emails))
        return [
            self._as_it_is(order)
            for order in self.orders.values()
            if order.email in query.emails or order.number == query.number
        ]

    def read_order(self, ref: str) -> Order | None:
        order = self.orders.get(ref)
        return None if order is None else self._as_it_is(order)

    def _as_it_is(self, order: Order) -> Order:
        """Read now, with what went back."""
        payments = tuple(
            replace(payment, refunded=sum(self._back(payment), start=payment.refunded))
            for payment in order.payments
        )
        read_at = order.read_at if self.clock is None else self.clock.now()
        return replace(order, payments=payments, read_at=read_at)

    def _back(self, payment: Payment) -> list[Money]:
        return [
            paid.amount
            for paid in self.paid
            if self.shows_refunds and paid.payment == payment.ref.ref and paid.state != "failed"
        ]

    def refund(self, refund: Refund) -> RefundAnswer:
        self.enter("refund", refund.key)
        mood = self.moods.pop(0) if self.moods else Mood.PLAIN
        if self.before_paying is not None:
            self.before_paying()
        match mood:
            case Mood.BUSY:
                raise RetryLater("busy", after_seconds=7)
            case Mood.NO:
                raise Refused("card_closed")
            case Mood.BY_HAND:
                raise NeedsHuman("too_old_for_the_api")
            case Mood.SILENT_BEFORE:
                raise OutcomeUnknown("timed_out")
            case _:
                paid = self._pay(refund, "pending" if mood is Mood.PENDING else "succeeded")
        if mood is Mood.SILENT_AFTER:
            raise OutcomeUnknown("timed_out")
        if mood is Mood.FAULT:
            raise ZeroDivisionError("a bug of ours, about someone@mail.example")
        return _answer(paid)

    def _pay(self, refund: Refund, state: str) -> Paid:
        known = [p for p in self.paid if p.key == refund.key]
        if known and self.honours_key:
            return known[0]
        number = len(self.paid) + 1
        paid = Paid(f"re-{number}", refund.key, refund.payment.ref, refund.amount, state)
        self.paid.append(paid)
        return paid

    def look_up(self, refund: Refund) -> LookUp:
        self.enter("look_up", refund.key)
        found = [paid for paid in self.paid if paid.key == refund.key]
        match found:
            case []:
                return NotFound()
            case [paid]:
                return Found(_answer(paid))
            case _:
                return Ambiguous(len(found))

    def read_access(self, contact: Contact) -> Sequence[Resource]:
        self.enter("read_access", contact.email)
        return tuple(self.held[contact.email])

    def revoke(self, contact: Contact, resource: Resource) -> Changed:
        self.enter("revoke", resource.ref)
        return self._take(contact, resource)

    def restore(self, contact: Contact, resource: Resource) -> Changed:
        self.enter("restore", resource.ref)
        return self._give(contact, resource)

    def add_tag(self, contact: Contact, tag: Resource) -> Changed:
        self.enter("add_tag", tag.ref)
        return self._give(contact, tag)

    def remove_tag(self, contact: Contact, tag: Resource) -> Changed:
        self.enter("remove_tag", tag.ref)
        return self._take(contact, tag)

    def _take(self, contact: Contact, resource: Resource) -> Changed:
        if resource not in self.held[contact.email]:
            return Changed.ALREADY
        self.held[contact.email].discard(resource)
        return Changed.DONE

    def _give(self, contact: Contact, resource: Resource) -> Changed:
        if resource in self.held[contact.email]:
            return Changed.ALREADY
        self.held[contact.email].add(resource)
        return Changed.DONE

    def read_subscription(self, contact: Contact, ref: str) -> Subscription | None:
        return self.subscriptions.get(ref)

    def cancel_subscription(self, contact: Contact, ref: str, *, at_once: bool) -> Changed:
        self.enter("cancel_subscription", f"{ref} {'at once' if at_once else 'later'}")
        return Changed.DONE

    def confirm(self, event: StoreEvent) -> StoreEvent:
        self.enter("confirm", type(event).__name__)
        return event if self.confirm_as is None else self.confirm_as(event)


def _answer(paid: Paid) -> RefundAnswer:
    match paid.state:
        case "pending":
            return Pending(paid.ref)
        case "failed":
            return Declined("failed_at_the_bank")
        case _:
            return Succeeded(paid.ref, "ARN-1")


@dataclass(frozen=True)
class Written:
    """One note or reply."""

    ticket: TicketId
    body: str
    tags: tuple[str, ...]
    marker: str
    field: str = ""


@dataclass
class FakeDesk(Trouble):
    """A helpdesk that keeps what was written."""

    notes: list[Written] = field(default_factory=list)
    replies: list[Written] = field(default_factory=list)
    open_tickets: dict[str, list[TicketId]] = field(default_factory=lambda: defaultdict(list))

    def add_note(
        self, ticket: TicketId, body: str, tags: Sequence[str], marker: str, field: str = ""
    ) -> Changed:
        self.enter("add_note", ticket)
        if self._stands(ticket, marker):
            self.notes = [
                replace(note, field=field or note.field) if note.marker == marker else note
                for note in self.notes
            ]
            return Changed.ALREADY
        self.notes.append(Written(ticket, body, tuple(tags), marker, field))
        return Changed.DONE

    def reply(self, ticket: TicketId, body: str, marker: str) -> Changed:
        self.enter("reply", ticket)
        self.replies.append(Written(ticket, body, (), marker))
        return Changed.DONE

    def has_marker(self, ticket: TicketId, marker: str) -> bool:
        self.enter("has_marker", ticket)
        return self._stands(ticket, marker)

    def _stands(self, ticket: TicketId, marker: str) -> bool:
        written = [*self.notes, *self.replies]
        return any((w.ticket, w.marker) == (ticket, marker) for w in written)

    def find_open_tickets(self, email: str) -> Sequence[TicketId]:
        self.enter("find_open_tickets", email)
        return self.open_tickets[email]


@dataclass(frozen=True)
class Mail:
    """One mail that the server has."""

    to: str
    subject: str
    body: str
    message_id: str


@dataclass
class FakeMailer(Trouble):
    """A mail server that keeps what it got. Implements `plugin.ports.Mailer`."""

    sent: list[Mail] = field(default_factory=list)

    def send(self, to: str, subject: str, body: str, message_id: str) -> None:
        self.enter("send", to)
        self.sent.append(Mail(to, subject, body, message_id))


@dataclass
class FakePlatforms:
    """Adapters by installation. `lacks` takes one ability away from one of them."""

    adapters: dict[str, object] = field(default_factory=dict)
    never_called: set[str] = field(default_factory=set)
    lacks: set[tuple[str, type | str]] = field(default_factory=set)
    rules: GatewayRules = field(
        default_factory=lambda: GatewayRules(honours_key=True, key_lives=82800, looks=(5, 30, 300))
    )

    def able(self, connection: Connection, port: type[P]) -> P | None:
        if (connection.installation, port) in self.lacks:
            return None
        adapter = self.adapters.get(connection.installation)
        return adapter if isinstance(adapter, port) else None

    def can(self, connection: Connection, capability: str) -> bool:
        if (connection.installation, "manifest") in self.lacks:
            raise InvalidInput("unknown_platform", connection.platform)
        return (connection.installation, capability) not in self.lacks

    def title(self, connection: Connection) -> str:
        return connection.label

    def gateway_rules(self, connection: Connection) -> GatewayRules:
        return self.rules

    def pace(self, connection: Connection) -> Pace | None:
        return None if connection.installation in self.never_called else Pace(1, 60, 20)

    def signing_secrets(self, connection: Connection) -> Sequence[str]:
        return webhook_secrets(connection.secrets)

    def worksheet(self, connection: Connection) -> Sequence[WorksheetStep]:
        return ()

    def ticket_link(self, connection: Connection, ticket: TicketId) -> str | None:
        return None

    def lack(self, installation: InstallationId, port: type | str) -> None:
        self.lacks.add((installation, port))


def one_after_the_other(calls: Sequence[Callable[[], R]]) -> Sequence[R | Exception]:
    """Implements `plugin.ports.platforms.Gather` without threads."""
    answers: list[R | Exception] = []
    for call in calls:
        try:
            answers.append(call())
        except Exception as error:  # noqa: BLE001 - the port hands every failure to its caller
            answers.append(error)
    return answers
