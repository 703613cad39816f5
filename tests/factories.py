"""Small builders of domain values, with defaults that fit together. No fixtures, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from plugin.domain.access_map import AccessMap
from plugin.domain.facts import Bought, DisputeClosed, Fact, Given, Refunded, TagAdded, TagRemoved
from plugin.domain.ids import (
    AgentId,
    CustomerKey,
    DeliveryId,
    InstallationId,
    PairingId,
    PlanId,
    RequestId,
    TenantId,
    TicketId,
    customer_key,
)
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
    Subscription,
    SubscriptionStatus,
)
from plugin.domain.plan import (
    Allowed,
    AmountKind,
    Blocked,
    Choice,
    Plan,
    seal_plan,
)
from plugin.domain.plan_draft import PlanInputs, draft_plan
from plugin.domain.refunds import Refund, RefundState, refund_id
from plugin.domain.requests import Channel, RefundRequest
from plugin.domain.rules import Tell, Turns
from plugin.domain.verdict import VerdictKind
from plugin.ports import Connection, Kind
from plugin.ports.connecting import PendingInstall, PendingState
from plugin.ports.records import (
    DeliveryState,
    Installation,
    InstallationStatus,
    Pairing,
    PairingState,
    StoredDelivery,
    Tenant,
)

NOW = datetime(2026, 11, 23, 12, 40, tzinfo=UTC)
EMAIL = "mirela.kovac@mail.example"
CUSTOMER: CustomerKey = customer_key(EMAIL)
TENANT = TenantId("tenant-1")
STORE = InstallationId("store-1")
BANK = InstallationId("bank-1")
DESK = InstallationId("desk-1")
ORDER = OrderRef(STORE, "10412")


def ago(**length: float) -> datetime:
    """A moment before NOW: `ago(days=2)`."""
    return NOW - timedelta(**length)


def soon(**length: float) -> datetime:
    """A moment after NOW."""
    return NOW + timedelta(**length)


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


# --- things that can be held ----------------------------------------------------------------------


def a_course(ref: str = "c1", name: str = "", store: InstallationId = STORE) -> Resource:
    return Resource(store, ResourceKind.COURSE, ref, name)


def a_tag(ref: str = "t1", name: str = "", store: InstallationId = STORE) -> Resource:
    return Resource(store, ResourceKind.TAG, ref, name)


def a_bundle(ref: str = "b1", name: str = "", store: InstallationId = STORE) -> Resource:
    return Resource(store, ResourceKind.BUNDLE, ref, name)


# --- orders ---------------------------------------------------------------------------------------


def an_order_ref(ref: str = ORDER.ref, store: InstallationId = STORE) -> OrderRef:
    return OrderRef(store, ref)


def a_line_ref(ref: str = "1", order: OrderRef = ORDER) -> LineRef:
    return LineRef(order, ref)


def a_payment_ref(ref: str = "pay-1", account: InstallationId = BANK) -> PaymentRef:
    return PaymentRef(account, ref)


def a_line(
    ref: str = "1",
    *,
    paid: Money | None = None,
    gives: Sequence[Resource] | None = (),
    product: str = "p-1",
    title: str = "Watercolour Year",
    refunded: Money | None = None,
    subscription: str | None = None,
    order: OrderRef = ORDER,
) -> Line:
    price = eur(4900) if paid is None else paid
    return Line(
        ref=LineRef(order, ref),
        title=title,
        product=product,
        paid=price,
        refunded=zero(price.currency) if refunded is None else refunded,
        kind=ResourceKind.COURSE,
        gives=None if gives is None else tuple(gives),
        subscription=subscription,
    )


def a_payment(
    ref: str = "pay-1",
    *,
    captured: Money | None = None,
    refunded: Money | None = None,
    disputed: Money | None = None,
    route: RefundRoute = RefundRoute.BY_API,
    partial: bool = True,
    dispute_open: bool = False,
    account: InstallationId = BANK,
) -> Payment:
    amount = eur(4900) if captured is None else captured
    nothing = zero(amount.currency)
    return Payment(
        ref=PaymentRef(account, ref),
        label="Visa …4242",
        captured=amount,
        refunded=nothing if refunded is None else refunded,
        disputed=nothing if disputed is None else disputed,
        route=route,
        partial=partial,
        dispute_open=dispute_open,
    )


def a_subscription(
    ref: str = "sub-1",
    *,
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE,
    account: InstallationId = STORE,
) -> Subscription:
    return Subscription(account, ref, status)


def an_order(
    *lines: Line,
    payments: Sequence[Payment] | None = None,
    ref: OrderRef = ORDER,
    number: str | None = None,
    email: str = EMAIL,
    bought_at: datetime | None = None,
    read_at: datetime = NOW,
    currency: str = "EUR",
    subscription: Subscription | None = None,
    contact: str | None = None,
) -> Order:
    """An order of one line and one payment that fit, unless told otherwise."""
    sold = lines or (a_line(order=ref),)
    paid = Money(sum(line.paid.minor for line in sold), currency)
    return Order(
        ref=ref,
        number=number or ref.ref,
        customer=customer_key(email),
        email=email,
        name="Mirela Kovač",
        bought_at=bought_at or ago(days=9),
        currency=currency,
        lines=sold,
        payments=(a_payment(captured=paid),) if payments is None else tuple(payments),
        read_at=read_at,
        subscription=subscription,
        contact=contact,
    )


# --- facts ----------------------------------------------------------------------------------------


def a_purchase(
    *gives: Resource,
    line: LineRef | None = None,
    paid: Money | None = None,
    at: datetime | None = None,
    product: str = "p-1",
    told: bool = True,
    subscription: str | None = None,
) -> Bought:
    """A line bought. With `told=False` nobody told what it gives."""
    return Bought(
        CUSTOMER,
        line or a_line_ref(),
        product,
        "Watercolour Year",
        eur(4900) if paid is None else paid,
        at or ago(days=9),
        gives if told else None,
        subscription,
    )


def a_refund_fact(
    *ends: LineRef,
    order: OrderRef = ORDER,
    refund: str = "re-1",
    amounts: Sequence[tuple[LineRef, Money]] = (),
    whole: bool = False,
    by_payment: Sequence[tuple[PaymentRef, Money]] = (),
    captured: Money | None = None,
) -> Refunded:
    return Refunded(
        CUSTOMER,
        order,
        refund,
        ago(days=1),
        eur(4900),
        tuple(amounts),
        tuple(ends),
        whole,
        tuple(by_payment),
        captured,
    )


def a_dispute_closed(*, won: bool, order: OrderRef = ORDER, dispute: str = "dp-1") -> Fact:
    return DisputeClosed(CUSTOMER, order, dispute, won, ago(hours=5))


def a_tag_added(tag: Resource, at: datetime) -> TagAdded:
    return TagAdded(CUSTOMER, tag, at)


def a_tag_removed(tag: Resource, at: datetime) -> TagRemoved:
    return TagRemoved(CUSTOMER, tag, at)


def a_gift(resource: Resource, at: datetime | None = None) -> Given:
    return Given(CUSTOMER, resource, "team", at or ago(days=90))


# --- refunds and plans ----------------------------------------------------------------------------


def a_refund(
    *,
    plan: str = "plan-1",
    payment: PaymentRef | None = None,
    amount: Money | None = None,
    state: RefundState = RefundState.RESERVED,
    order: OrderRef = ORDER,
    send_at: datetime = NOW,
    wake_at: datetime | None = None,
    looks: int = 0,
) -> Refund:
    paid_by = payment or a_payment_ref()
    return Refund(
        id=refund_id(PlanId(plan), paid_by),
        plan=PlanId(plan),
        order=order,
        payment=paid_by,
        label="Visa …4242",
        amount=eur(4900) if amount is None else amount,
        state=state,
        attempt=1,
        send_at=send_at,
        wake_at=wake_at,
        looks=looks,
        changed_at=NOW,
    )


def allow(order: Order, **by_line: Money) -> tuple[Allowed, ...]:
    """What the policy gives back: what is left of each line, or as given: `allow(o, _1=eur(5))`."""
    return tuple(
        Allowed(
            line.ref,
            by_line.get(f"_{line.ref.ref}", line.left),
            VerdictKind.ELIGIBLE,
            "2.1",
            7,
        )
        for line in order.lines
    )


def a_choice(order: Order, *refs: str, free: Money | None = None, stop: bool = True) -> Choice:
    """All lines of `order`, or those named; a free amount where one is given."""
    lines = tuple(line.ref for line in order.lines if not refs or line.ref.ref in refs)
    kind = AmountKind.POLICY if free is None else AmountKind.FREE
    return Choice(lines, kind, free, stop_subscription=stop)


def purchases_of(order: Order) -> tuple[Bought, ...]:
    """The facts that an order's lines are."""
    return tuple(
        Bought(
            order.customer,
            line.ref,
            line.product,
            line.title,
            line.paid,
            order.bought_at,
            line.gives,
        )
        for line in order.lines
    )


def plan_inputs(
    order: Order,
    *,
    allowed: Sequence[Allowed] | None = None,
    ours: Sequence[Refund] = (),
    facts: Sequence[Fact] = (),
    access: AccessMap | None = None,
    turns: Turns | None = None,
    held: Sequence[Resource] | None = (),
) -> PlanInputs:
    """Inputs of a plan for `order`. `held` is what its store says is there; None for no answer."""
    return PlanInputs(
        order=order,
        allowed=allow(order) if allowed is None else allowed,
        ours=ours,
        facts=(*purchases_of(order), *facts),
        access=access or AccessMap(),
        turns=turns or {},
        has={order.ref.installation: None if held is None else frozenset(held)},
    )


def a_plan(
    order: Order | None = None,
    *,
    plan_id: str = "plan-1",
    now: datetime = NOW,
    tells: Sequence[tuple[str, Tell]] = (),
) -> Plan:
    """A sealed plan that gives `order` back whole."""
    sold = order or an_order()
    drafted = draft_plan(plan_inputs(sold), a_choice(sold), PlanId(plan_id), now)
    assert not isinstance(drafted, Blocked)
    return seal_plan(drafted, tells)


def a_request(
    request: str = "request-1", *, ticket: str | None = "77", order: OrderRef = ORDER
) -> RefundRequest:
    return RefundRequest(
        RequestId(request),
        order,
        CUSTOMER,
        Channel.TICKET,
        NOW,
        ticket=None if ticket is None else TicketId(ticket),
        desk=None if ticket is None else DESK,
    )


# --- what is stored -------------------------------------------------------------------------------


def a_tenant(tenant: str = TENANT, *, name: str = "Watercolour Studio") -> Tenant:
    return Tenant(TenantId(tenant), name, ("owner@shop.example",), "Europe/Zagreb", "en")


def a_connection(
    installation: str = STORE,
    *,
    tenant: str = TENANT,
    kind: Kind = Kind.STORE,
    platform: str = "practice",
    secret: str = "s3cr3t",
) -> Connection:
    return Connection(
        tenant=TenantId(tenant),
        installation=InstallationId(installation),
        kind=kind,
        platform=platform,
        label="Test shop",
        settings={"account": "test"},
        secrets={"key": secret},
    )


def an_installation(
    installation: str = STORE,
    *,
    tenant: str = TENANT,
    kind: Kind = Kind.STORE,
    status: InstallationStatus = InstallationStatus.CONNECTED,
    created_at: datetime = NOW,
) -> Installation:
    return Installation(a_connection(installation, tenant=tenant, kind=kind), status, created_at)


def a_pending_install(
    pending: str = "pending-1", *, tenant: str = TENANT, expires_at: datetime | None = None
) -> PendingInstall:
    return PendingInstall(
        id=pending,
        tenant=TenantId(tenant),
        kind=Kind.STORE,
        platform="practice",
        typed={"shop": "acme"},
        created_by="admin",
        created_at=NOW,
        expires_at=expires_at or NOW + timedelta(minutes=30),
        state=PendingState.WAITING,
        changed_at=NOW,
    )


def a_pairing(
    pairing: str = "pairing-1",
    *,
    tenant: str = TENANT,
    desk: InstallationId = DESK,
    state: PairingState = PairingState.PAIRED,
    link: str | None = None,
) -> Pairing:
    """An agent who is proven in one browser for a month."""
    return Pairing(
        tenant=TenantId(tenant),
        id=PairingId(pairing),
        desk=desk,
        agent=AgentId("7"),
        state=state,
        browser="browser-hash",
        frame="frame-hash",
        framed_at=NOW,
        asked_at=NOW,
        expires_at=NOW + timedelta(days=30),
        link=link,
        name="Ana",
        role="agent",
        paired_at=NOW if state is PairingState.PAIRED else None,
    )


def a_delivery(
    delivery: str = "delivery-1",
    *,
    tenant: str = TENANT,
    installation: InstallationId = STORE,
    name: str | None = None,
    state: DeliveryState = DeliveryState.RECEIVED,
    received_at: datetime = NOW,
    wake_at: datetime | None = NOW,
) -> StoredDelivery:
    return StoredDelivery(
        id=DeliveryId(delivery),
        tenant=TenantId(tenant),
        installation=installation,
        name=name or f"name-of-{delivery}",
        topic="sale.made",
        received_at=received_at,
        headers={"content-type": "application/json"},
        body=b'{"\x00raw": "bytes \xff"}',
        state=state,
        wake_at=wake_at,
    )


def moved(refund: Refund, to: RefundState, **changes: object) -> Refund:
    """`refund` one wake later, in another state."""
    return replace(refund, state=to, wakes=refund.wakes + 1, **changes)  # type: ignore[arg-type]  # keywords of Refund
