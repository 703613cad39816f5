"""Short ways to write down what the practice shop sells and has sold, as orders in our words.

Used by the seeded cases (`practice_cases.py`). Builds values and keeps nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from plugin.domain.ids import InstallationId, TicketId, customer_key
from plugin.domain.money import Money
from plugin.domain.orders import (
    Line,
    LineRef,
    Order,
    OrderRef,
    Payment,
    PaymentRef,
    RefundRoute,
    Resource,
    ResourceKind,
    Subscription,
    Term,
    Usage,
    UsageKnown,
    UsageUnknown,
)
from plugin.ports import Ticket

_UNTOLD = UsageUnknown()


class Mood(StrEnum):
    """How the pretended gateway meets the first refund of a payment; afterwards it is plain."""

    PLAIN = "plain"
    SILENT = "silent"  # pays, does not answer, and does not answer the first look-up either
    UNHEARD = "unheard"  # pays, and its answer gets lost
    PENDING = "pending"  # takes it, and has not finished
    DOWN = "down"  # pays nothing and does not answer
    BUSY = "busy"  # pays nothing and says so


@dataclass(frozen=True, slots=True)
class Shop:
    """Short ways to write down what the shop sells and sold."""

    installation: InstallationId
    now: datetime

    def course(self, ref: str, name: str) -> Resource:
        return Resource(self.installation, ResourceKind.COURSE, ref, name)

    def tag(self, ref: str) -> Resource:
        return Resource(self.installation, ResourceKind.TAG, ref, ref)

    def download(self, ref: str, name: str) -> Resource:
        return Resource(self.installation, ResourceKind.DOWNLOAD, ref, name)

    @property
    def bundle(self) -> Resource:
        return Resource(self.installation, ResourceKind.BUNDLE, "shelf", "Illustrator's Shelf")

    @property
    def ink_and_line(self) -> Resource:
        return self.course("ink-line", "Ink & Line")

    @property
    def paper_cuts(self) -> Resource:
        return self.course("paper-cuts", "Paper Cuts")

    @property
    def gouache(self) -> Resource:
        return self.course("gouache", "Gouache from Scratch")

    @property
    def colour_mixing(self) -> Resource:
        return self.course("colour-mixing", "Colour Mixing Basics")

    def ticket(
        self,
        number: int,
        name: str,
        emails: tuple[str, ...],
        subject: str,
        text: str,
        locale: str = "en",
    ) -> Ticket:
        return Ticket(
            TicketId(str(number)),
            subject,
            name,
            emails,
            ("refund",),
            open=True,
            locale=locale,
            text=text,
        )

    def line(  # noqa: PLR0913 - a line is written down once, part by part
        self,
        number: str,
        title: str,
        product: str,
        paid: Money,
        kind: ResourceKind,
        gives: tuple[Resource, ...] | None,
        *,
        place: int = 1,
        usage: Usage = _UNTOLD,
        term: Term | None = None,
        subscription: str | None = None,
    ) -> Line:
        return Line(
            LineRef(OrderRef(self.installation, f"order-{number}"), f"line-{number}-{place}"),
            title,
            product,
            paid,
            Money(0, paid.currency),
            kind,
            gives,
            usage,
            term,
            subscription,
        )

    def payment(
        self,
        number: str,
        label: str,
        captured: Money,
        *,
        place: int = 1,
        route: RefundRoute = RefundRoute.BY_API,
        fee: int | None = None,
        disputed: bool = False,
    ) -> Payment:
        nothing = Money(0, captured.currency)
        return Payment(
            PaymentRef(self.installation, f"pay-{number}-{place}"),
            label,
            captured,
            nothing,
            disputed=captured if disputed else nothing,
            route=route,
            fee_kept=None if fee is None else Money(fee, captured.currency),
            dispute_open=disputed,
        )

    def order(
        self,
        number: str,
        name: str,
        email: str,
        days_ago: int,
        lines: tuple[Line, ...],
        payments: tuple[Payment, ...],
        subscription: Subscription | None = None,
    ) -> Order:
        return Order(
            OrderRef(self.installation, f"order-{number}"),
            number,
            customer_key(email),
            email,
            name,
            self.now - timedelta(days=days_ago),
            lines[0].paid.currency,
            lines,
            payments,
            read_at=self.now,
            subscription=subscription,
            contact=f"contact-{email}",
        )

    def one_course(  # noqa: PLR0913 - what differs between simple sales
        self,
        number: str,
        name: str,
        email: str,
        days_ago: int,
        course: Resource,
        cents: int,
        label: str,
        *,
        tags: tuple[Resource, ...] = (),
        share: int = 0,
        disputed: bool = False,
    ) -> Order:
        """A sale of one course in EUR, paid in one go by card."""
        paid = Money(cents, "EUR")
        line = self.line(
            number,
            course.name,
            f"plan-{course.ref}",
            paid,
            ResourceKind.COURSE,
            (course, *tags),
            usage=UsageKnown(share=share),
        )
        payment = self.payment(number, label, paid, fee=25 + cents * 15 // 1000, disputed=disputed)
        return self.order(number, name, email, days_ago, (line,), (payment,))
