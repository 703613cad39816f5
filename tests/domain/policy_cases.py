"""The shop of the design pages: its policy, its orders, and small builders for lines and orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from plugin.domain.ids import InstallationId, customer_key
from plugin.domain.money import Money, zero
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
    Term,
    Usage,
    UsageUnknown,
)
from plugin.domain.policy import (
    Clause,
    Policy,
    PolicyVersion,
    ProRata,
    Selector,
    UsageCondition,
)

ZAGREB = ZoneInfo("Europe/Zagreb")
STORE = InstallationId("store-1")
ORDER = OrderRef(STORE, "10412")
NOW = datetime(2026, 11, 23, 13, 40, tzinfo=ZAGREB)
FRESH = timedelta(minutes=15)

COURSES = Clause(
    "2.1",
    "Courses: your money back within 30 days of purchase. You need not say why.",
    applies_to=Selector(frozenset({ResourceKind.COURSE})),
    window_days=30,
)
DOWNLOADS = Clause(
    "3.1",
    "Downloads: within 14 days, if you have not downloaded them.",
    applies_to=Selector(frozenset({ResourceKind.DOWNLOAD})),
    window_days=14,
    usage=UsageCondition(not_downloaded=True, if_unknown="3.2"),
)
PERSON_DECIDES = Clause(
    "3.2",
    "If we cannot see whether you downloaded it, a person decides, not a machine.",
    decides=False,
)
MEMBERSHIPS = Clause(
    "4.2",
    "Yearly memberships: leave at any time, months not started come back.",
    applies_to=Selector(frozenset({ResourceKind.MEMBERSHIP})),
    prorata=ProRata(),
)
PAGE = (COURSES, DOWNLOADS, PERSON_DECIDES, MEMBERSHIPS)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def local(year: int, month: int, day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=ZAGREB)


def version(
    *clauses: Clause, number: int = 1, since: datetime | None = None, zone: str = "Europe/Zagreb"
) -> PolicyVersion:
    return PolicyVersion(number, since or local(2024, 1, 1), zone, clauses or PAGE)


def policy(*clauses: Clause) -> Policy:
    return Policy((version(*clauses),))


SHOP = Policy(
    (
        version(number=5, since=local(2026, 1, 1)),
        version(number=6, since=local(2026, 6, 1)),
        version(number=7, since=local(2026, 11, 1)),
    )
)


def line(
    *,
    paid: Money,
    kind: ResourceKind | None = ResourceKind.COURSE,
    refunded: Money | None = None,
    usage: Usage | None = None,
    term: Term | None = None,
    product: str = "p-1",
    gives: tuple[Resource, ...] | None = None,
    subscription: str | None = None,
    ref: str = "1",
) -> Line:
    return Line(
        ref=LineRef(ORDER, ref),
        title="Watercolour Year",
        product=product,
        paid=paid,
        refunded=refunded or zero(paid.currency),
        kind=kind,
        gives=gives,
        usage=usage or UsageUnknown(),
        term=term,
        subscription=subscription,
    )


def payment(
    captured: Money,
    *,
    refunded: Money | None = None,
    disputed: Money | None = None,
    dispute_open: bool = False,
) -> Payment:
    nothing = zero(captured.currency)
    return Payment(
        ref=PaymentRef(STORE, "pay-1"),
        label="Visa …4242",
        captured=captured,
        refunded=refunded or nothing,
        disputed=disputed or nothing,
        route=RefundRoute.BY_API,
        dispute_open=dispute_open,
    )


def order(
    *lines: Line,
    bought_at: datetime,
    payments: Sequence[Payment] = (),
    read_at: datetime = NOW,
    currency: str = "EUR",
) -> Order:
    email = "mirela.kovac@mail.example"
    return Order(
        ref=ORDER,
        number="10412",
        customer=customer_key(email),
        email=email,
        name="Mirela Kovač",
        bought_at=bought_at,
        currency=currency,
        lines=lines,
        payments=tuple(payments),
        read_at=read_at.astimezone(UTC),
    )


def year_from(start: datetime) -> Term:
    return Term(start=start, periods=12)
