"""Hypothesis strategies: histories of one customer, orders with their refunds, and choices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hypothesis import strategies as st

from plugin.domain.access_map import AccessMap
from plugin.domain.effects import (
    AddTicketNote,
    CancelSubscription,
    Effect,
    RemoveTag,
    RestoreAccess,
    RestoreTag,
    RevokeAccess,
    TellCustomer,
    TellOwner,
    VerifyAccess,
)
from plugin.domain.facts import (
    Bought,
    DisputeClosed,
    DisputeOpened,
    Fact,
    Given,
    PaidUntil,
    Refunded,
    RefundFailed,
    TagAdded,
    TagRemoved,
)
from plugin.domain.ids import TicketId
from plugin.domain.orders import (
    LineRef,
    Order,
    OrderRef,
    RefundRoute,
    Resource,
    SubscriptionRef,
    SubscriptionStatus,
)
from plugin.domain.plan import Choice
from plugin.domain.refunds import Refund, RefundState
from tests.factories import (
    CUSTOMER,
    DESK,
    NOW,
    STORE,
    a_bundle,
    a_choice,
    a_course,
    a_line,
    a_payment,
    a_payment_ref,
    a_refund,
    a_subscription,
    a_tag,
    ago,
    an_order,
    eur,
)

COURSES = (a_course("c1"), a_course("c2"), a_course("c3"))
TAGS = (a_tag("t1"), a_tag("t2"))
KNOWN_BUNDLE, UNTOLD_BUNDLE = a_bundle("b1"), a_bundle("b2")
THINGS: tuple[Resource, ...] = (*COURSES, *TAGS, KNOWN_BUNDLE, UNTOLD_BUNDLE)
MAPPED = "in-the-map"
ACCESS = AccessMap(
    products={(STORE, MAPPED): (COURSES[2], TAGS[1])},
    bundles={KNOWN_BUNDLE: (COURSES[0], COURSES[1])},
    tags={TAGS[0]: (COURSES[1],), TAGS[1]: (COURSES[2], KNOWN_BUNDLE)},
)
ONE_OF_EACH: tuple[Effect, ...] = (
    CancelSubscription(STORE, "sub-1", at_once=True),
    RevokeAccess(a_course()),
    RemoveTag(a_tag()),
    RestoreAccess(a_course()),
    RestoreTag(a_tag()),
    VerifyAccess(STORE, (a_course(),), (a_tag(),)),
    AddTicketNote(DESK, TicketId("77"), "Done.", ("refunded",)),
    TellCustomer(DESK, None, "ana@mail.example", "Your refund", "It is sent.", "en"),
    TellOwner("A refund failed", "Look."),
)

ORDERS = (OrderRef(STORE, "o1"), OrderRef(STORE, "o2"), OrderRef(STORE, "o3"))
LINES = tuple(LineRef(order, ref) for order in ORDERS for ref in ("1", "2"))
SUBSCRIPTIONS = ("sub-1", "sub-2")

# Minutes apart and days apart: inside and outside of the window in which a tag is a sale's echo.
MOMENTS: st.SearchStrategy[datetime] = st.builds(
    lambda days, minutes: ago(days=30) + timedelta(days=days, minutes=minutes),
    st.integers(0, 3),
    st.integers(0, 40),
)
ENDS = st.lists(st.sampled_from(LINES), unique=True, max_size=2).map(tuple)
GIVES = st.lists(st.sampled_from(THINGS), max_size=3).map(tuple)


@st.composite
def sales(draw: st.DrawFn) -> list[Fact]:
    """Lines with what was told of each: at once, later and richer, or never."""
    facts: list[Fact] = []
    for line in draw(st.lists(st.sampled_from(LINES), unique=True, max_size=5)):
        at = draw(MOMENTS)
        told, richer = draw(GIVES), draw(GIVES)
        how = draw(st.sampled_from(["told", "richer", "later", "mapped", "never"]))
        product = MAPPED if how == "mapped" else f"product-{line.ref}"
        renewed = draw(st.none() | st.sampled_from(SUBSCRIPTIONS))

        def bought(
            gives: tuple[Resource, ...] | None,
            line: LineRef = line,
            product: str = product,
            at: datetime = at,
            renewed: str | None = renewed,
        ) -> Bought:
            name = f"Line {line.ref}"
            return Bought(CUSTOMER, line, product, name, eur(1000), at, gives, renewed)

        if how in ("mapped", "never", "later"):
            facts.append(bought(None))
        if how in ("told", "later", "richer"):
            facts.append(bought(told))
        if how == "richer":
            facts.append(bought((*told, *richer)))
    return facts


_REFUNDS = st.sampled_from(["r1", "r2", "r3"])
_DISPUTES = st.sampled_from(["d1", "d2"])
_ORDERS = st.sampled_from(ORDERS)
_TAGS = st.sampled_from(TAGS)
_AMOUNTS = st.sampled_from([eur(0), eur(400), eur(600), eur(1000)])
_PARTS = st.lists(st.tuples(st.sampled_from(LINES), _AMOUNTS), max_size=2).map(tuple)
_PAYMENTS = st.sampled_from([a_payment_ref("pay-1"), a_payment_ref("pay-2", STORE)])
CHANGES: st.SearchStrategy[Fact] = st.one_of(
    st.builds(
        Refunded,
        customer=st.just(CUSTOMER),
        order=_ORDERS,
        refund=_REFUNDS,
        at=st.just(ago(days=1)),
        amount=st.just(eur(1000)),
        amounts=_PARTS,
        ends=ENDS,
        whole=st.booleans(),
        by_payment=st.lists(st.tuples(_PAYMENTS, _AMOUNTS), max_size=2).map(tuple),
        captured=st.none() | st.sampled_from([eur(1000), eur(2500)]),
    ),
    st.builds(RefundFailed, st.just(CUSTOMER), _ORDERS, _REFUNDS, st.just(NOW)),
    st.builds(
        PaidUntil,
        st.just(CUSTOMER),
        st.sampled_from([*LINES, *(SubscriptionRef(STORE, ref) for ref in SUBSCRIPTIONS)]),
        st.sampled_from([None, ago(days=1), NOW, NOW + timedelta(days=1)]),
        st.sampled_from([ago(days=3), ago(days=2)]),
    ),
    st.builds(DisputeOpened, st.just(CUSTOMER), _ORDERS, _DISPUTES, st.just(eur(1)), st.just(NOW)),
    st.builds(DisputeClosed, st.just(CUSTOMER), _ORDERS, _DISPUTES, st.booleans(), st.just(NOW)),
    st.builds(TagAdded, st.just(CUSTOMER), _TAGS, MOMENTS),
    st.builds(TagRemoved, st.just(CUSTOMER), _TAGS, MOMENTS),
    st.builds(
        Given,
        st.just(CUSTOMER),
        st.sampled_from(THINGS),
        st.just("team"),
        st.just(ago(days=29)),
    ),
)
HISTORIES: st.SearchStrategy[list[Fact]] = st.builds(
    lambda sold, changes: [*sold, *changes], sales(), st.lists(CHANGES, max_size=8)
)


@st.composite
def retellings(draw: st.DrawFn, facts: Sequence[Fact]) -> list[Fact]:
    """The same facts in another order, some of them told again."""
    again = draw(st.lists(st.sampled_from(facts), max_size=4)) if facts else []
    return draw(st.permutations([*facts, *again]))


@st.composite
def orders_with_refunds(draw: st.DrawFn) -> tuple[Order, list[Refund]]:
    lines = [
        a_line(str(place), paid=eur(draw(st.integers(0, 5000))), gives=draw(GIVES))
        for place in range(draw(st.integers(1, 3)))
    ]
    payments = [
        a_payment(
            f"pay-{place}",
            captured=eur(draw(st.integers(0, 8000))),
            refunded=eur(draw(st.integers(0, 500))),
            partial=draw(st.booleans()),
            route=draw(st.sampled_from(RefundRoute)),
        )
        for place in range(draw(st.integers(1, 3)))
    ]
    ours = [
        a_refund(
            plan=f"p-{place}",
            payment=draw(st.sampled_from(payments)).ref,
            amount=eur(draw(st.integers(1, 400))),
            state=draw(st.sampled_from(RefundState)),
        )
        for place in range(draw(st.integers(0, 2)))
    ]
    status = draw(st.none() | st.sampled_from(SubscriptionStatus))
    subscription = None if status is None else a_subscription(status=status)
    return an_order(*lines, payments=payments, subscription=subscription), ours


@st.composite
def choices(draw: st.DrawFn, order: Order) -> Choice:
    refs = draw(st.lists(st.sampled_from(order.lines), unique_by=lambda line: line.ref.ref))
    free = draw(st.none() | st.integers(1, 6000))
    return a_choice(
        order,
        *[line.ref.ref for line in refs],
        free=None if free is None else eur(free),
        stop=draw(st.booleans()),
    )
