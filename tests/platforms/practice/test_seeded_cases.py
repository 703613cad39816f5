"""Each seeded case leads to the verdict and the plan that it promises, through the real domain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from plugin.domain.effects import RestoreAccess, VerifyAccess
from plugin.domain.events import DisputeNews, SaleMade, TagNews
from plugin.domain.facts import Bought, DisputeOpened, Fact, TagAdded
from plugin.domain.ids import CustomerKey, InstallationId, PlanId, customer_key
from plugin.domain.money import Money
from plugin.domain.orders import LineRef, Order, RefundRoute, Resource, ResourceKind
from plugin.domain.plan import (
    Allowed,
    AmountKind,
    Blocked,
    BlockedBy,
    Choice,
    Plan,
)
from plugin.domain.plan_draft import PlanInputs, draft_plan
from plugin.domain.refunds import Declined
from plugin.domain.verdict import Because, OrderVerdict, Verdict, VerdictKind, judge_order
from plugin.platforms.practice_cases import (
    FIRST_TICKET,
    practice_access_map,
    practice_cases,
    practice_history,
    practice_policy,
)
from plugin.ports import Contact, OrderQuery
from tests.platforms.practice.fixtures import NOW, SHOP, Practice

SLUGS = [case.slug for case in practice_cases(SHOP, NOW)]
PAYS = {VerdictKind.ELIGIBLE, VerdictKind.ELIGIBLE_IN_PART}


@dataclass(frozen=True)
class Answer:
    """What an agent would see of one case: orders, the verdict on the one asked about, a plan."""

    orders: Sequence[Order]
    order: Order
    verdict: OrderVerdict
    plan: Plan | Blocked

    @property
    def made(self) -> Plan:
        assert isinstance(self.plan, Plan)
        return self.plan

    @property
    def goes(self) -> set[str]:
        return {item.resource.name for item in self.made.goes}

    @property
    def stays(self) -> set[str]:
        return {item.resource.name for item in self.made.stays}


def answer(practice: Practice, slug: str, now: datetime = NOW) -> Answer:
    """Follow a ticket as the panel does: addresses, the named or newest order, verdict, plan."""
    case = next(case for case in practice_cases(SHOP, now) if case.slug == slug)
    ticket = practice.tickets.read_ticket(case.ticket.id)
    assert ticket == case.ticket
    orders = practice.store.find_orders(OrderQuery(emails=ticket.emails))
    named = [o for o in orders if o.number in ticket.text + ticket.subject] or list(orders)
    order = named[0]
    verdict = judge_order(order, practice_policy(), now, timedelta(hours=1))
    choice = Choice(
        tuple(line for line, judged in verdict.lines if judged.kind in PAYS)
        or tuple(line for line, _ in verdict.lines),
        AmountKind.POLICY,
    )
    held = practice.store.read_access(Contact(order.email))
    inputs = PlanInputs(
        order=order,
        allowed=[_allowed(order, line, judged) for line, judged in verdict.lines],
        ours=(),
        facts=_facts(order.customer, now),
        access=practice_access_map(SHOP),
        turns={},
        has={SHOP: frozenset(held)},
    )
    return Answer(orders, order, verdict, draft_plan(inputs, choice, PlanId("plan-1"), now))


def _allowed(order: Order, ref: LineRef, judged: Verdict) -> Allowed:
    """What needs review may be paid in full by the person who reviews."""
    amount = order.line(ref).left if judged.kind is VerdictKind.NEEDS_REVIEW else judged.amount
    clause = judged.clause.id if judged.clause else ""
    return Allowed(
        ref, amount, judged.kind, clause, judged.policy_version, judged.prorata is not None
    )


def _facts(customer: CustomerKey, now: datetime) -> list[Fact]:
    """The customer's facts, from what the store told before today."""
    facts: list[Fact] = []
    for event in practice_history(SHOP, now):
        match event:
            case SaleMade(order) if order.customer == customer:
                facts += _bought(order)
            case TagNews(email, tag, True, at) if customer_key(email) == customer:
                facts.append(TagAdded(customer, tag, at))
            case DisputeNews(_, dispute, amount, "open", at, Order() as order) if (
                order.customer == customer
            ):
                facts.append(DisputeOpened(customer, order.ref, dispute, amount, at))
            case _:
                pass
    return facts


def _bought(order: Order) -> Iterable[Fact]:
    for line in order.lines:
        yield Bought(
            order.customer,
            line.ref,
            line.product,
            line.title,
            line.paid,
            order.bought_at,
            line.gives,
        )


def test_a_course_within_its_days_goes_with_its_tag(seeded: Practice) -> None:
    found = answer(seeded, "simple")
    assert (found.verdict.kind, found.verdict.leading.day) == (VerdictKind.ELIGIBLE, 21)
    assert found.made.amount == Money(29700, "EUR")
    assert found.goes == {"Portrait Lighting, full course", "portrait-student"}
    assert found.stays == set()
    assert found.made.unknown == ()


def test_of_a_course_bought_twice_one_refund_takes_nothing(seeded: Practice) -> None:
    found = answer(seeded, "bought_twice")
    assert len(found.orders) == 2
    assert found.order.number == "20457"
    assert found.made.amount == Money(4900, "EUR")
    assert found.goes == set()
    assert found.stays == {"Colour Mixing Basics"}
    kinds = [type(planned.effect) for planned in found.made.effects]
    assert kinds == [RestoreAccess, VerifyAccess]  # a store may take it all the same


def test_access_opened_by_a_tag_goes_with_the_tag(seeded: Practice) -> None:
    found = answer(seeded, "tag_only")
    assert found.order.lines[0].gives == (Resource(SHOP, ResourceKind.TAG, "critique-2026"),)
    assert found.goes == {"Studio Critique", "critique-2026"}
    assert found.stays == {"newsletter"}


def test_after_three_of_twelve_months_nine_come_back_over_both_payments(seeded: Practice) -> None:
    found = answer(seeded, "three_of_twelve")
    leading = found.verdict.leading
    assert found.verdict.kind is VerdictKind.ELIGIBLE_IN_PART
    assert leading.clause is not None
    assert leading.clause.id == "4.2"
    assert leading.prorata is not None
    assert (leading.prorata.used, leading.prorata.left) == (3, 9)
    assert [(part.label, part.amount.decimal()) for part in found.made.parts] == [
        ("Visa …4242", "91.79"),
        ("gift card …K7QD", "19.96"),
    ]
    assert found.goes == {"Watercolour Year", "Paper & Pigment", "wy-member"}
    assert found.stays == {"Colour Mixing Basics", "Paper guide", "newsletter"}
    (cancel,) = found.made.cancels
    assert cancel.at_once
    assert [judged.because for _, judged in found.verdict.lines] == [
        Because.MONTHS_NOT_STARTED,
        Because.WINDOW_OVER,
    ]


def test_of_a_bundle_the_course_bought_alone_stays(seeded: Practice) -> None:
    found = answer(seeded, "bundle")
    assert found.made.amount == Money(19900, "EUR")
    assert found.goes == {"Paper Cuts", "Gouache from Scratch"}
    assert found.stays == {"Ink & Line"}


def test_yen_of_unknown_use_wait_for_a_person(seeded: Practice) -> None:
    found = answer(seeded, "yen")
    leading = found.verdict.leading
    assert (leading.kind, leading.because) == (
        VerdictKind.NEEDS_REVIEW,
        Because.USAGE_UNKNOWN,
    )
    assert leading.clause is not None
    assert leading.clause.id == "3.2"
    assert found.made.amount == Money(3800, "JPY")
    assert found.made.amount.decimal() == "3800"
    assert found.goes == {"Ink brush pack, vol. 2"}


def test_an_open_dispute_stops_plan_and_payment(seeded: Practice) -> None:
    found = answer(seeded, "open_dispute")
    assert found.verdict.leading.because is Because.DISPUTE_OPEN
    assert found.plan == Blocked(BlockedBy.DISPUTE_OPEN)
    payment = found.order.payments[0].ref.ref
    declined = seeded.world.pay_back(payment, Money(100, "EUR"), "key-1", NOW)
    assert declined == Declined("dispute_open")


def test_the_silent_gateway_s_case_is_an_ordinary_plan(seeded: Practice) -> None:
    found = answer(seeded, "gateway_silent")
    assert found.verdict.kind is VerdictKind.ELIGIBLE
    assert found.goes == {"Lettering for Posters"}


def test_day_266_is_too_late(seeded: Practice) -> None:
    found = answer(seeded, "too_late")
    assert (found.verdict.kind, found.verdict.leading.day) == (VerdictKind.NOT_ELIGIBLE, 266)
    assert found.plan == Blocked(BlockedBy.NOT_ELIGIBLE)


def test_a_transfer_goes_back_by_hand_and_the_map_knows_what_it_opened(seeded: Practice) -> None:
    found = answer(seeded, "by_hand")
    assert found.order.lines[0].gives is None
    assert found.made.by_hand
    assert [part.route for part in found.made.parts] == [RefundRoute.BY_HAND]
    assert found.goes == {"Mentoring Circle"}
    payment = found.order.payments[0].ref.ref
    declined = seeded.world.pay_back(payment, found.made.amount, "key-1", NOW)
    assert declined == Declined("not_by_api", by_hand=True)


def test_an_unknown_address_finds_nothing(seeded: Practice) -> None:
    case = practice_cases(SHOP, NOW)[SLUGS.index("nothing_found")]
    assert seeded.store.find_orders(OrderQuery(emails=case.ticket.emails)) == ()


def test_a_weak_match_is_found_by_what_was_typed_and_needs_a_second_proof(
    seeded: Practice,
) -> None:
    case = practice_cases(SHOP, NOW)[SLUGS.index("weak_match")]
    assert seeded.store.find_orders(OrderQuery(emails=case.ticket.emails)) == ()
    typed = "j.weber@post.example"
    assert typed in case.ticket.text
    (found,) = seeded.store.find_orders(OrderQuery(emails=(typed,)))
    assert found.number not in case.ticket.text
    digits = found.payments[0].label[-4:]
    assert digits in case.ticket.text
    (namesake,) = (order for order in case.orders if order.customer != found.customer)
    assert namesake.name == found.name == case.ticket.name
    assert not namesake.payments[0].label.endswith(digits)


def test_the_first_ticket_names_an_order_of_its_own_address(seeded: Practice) -> None:
    ticket = seeded.tickets.read_ticket(FIRST_TICKET)
    assert ticket is not None
    (by_address,) = seeded.store.find_orders(OrderQuery(emails=ticket.emails))
    assert by_address.number in ticket.text
    assert seeded.store.find_orders(OrderQuery(number=by_address.number)) == (by_address,)


@pytest.mark.parametrize(
    "now",
    [
        datetime(2027, 2, 28, 23, 59, tzinfo=UTC),
        datetime(2028, 2, 29, 0, 0, tzinfo=UTC),
        datetime(2026, 1, 31, 12, 0, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 0, tzinfo=UTC),
    ],
)
def test_the_cases_hold_on_any_day_of_the_calendar(practice: Practice, now: datetime) -> None:
    practice.clock.at = now
    practice.world.seed(now)
    year = answer(practice, "three_of_twelve", now)
    assert [part.amount.decimal() for part in year.made.parts] == ["91.79", "19.96"]
    assert answer(practice, "simple", now).verdict.leading.day == 21
    assert answer(practice, "too_late", now).verdict.leading.day == 266


@pytest.mark.parametrize("slug", [s for s in SLUGS if s != "nothing_found"])
def test_every_order_comes_back_from_the_file_as_the_case_tells_it(
    seeded: Practice, slug: str
) -> None:
    case = practice_cases(SHOP, NOW)[SLUGS.index(slug)]
    for order in case.orders:
        assert seeded.store.read_order(order.ref.ref) == order


def test_every_customer_holds_what_the_history_gives(seeded: Practice) -> None:
    access = practice_access_map(SHOP)
    for case in practice_cases(SHOP, NOW):
        for email, resource in case.holds(access):
            assert resource in seeded.store.read_access(Contact(email))


def test_the_cases_name_no_installation_of_their_own() -> None:
    other = InstallationId("another-shop")
    for case in practice_cases(other, NOW):
        assert {order.ref.installation for order in case.orders} <= {other}
        assert {tag.installation for tag in case.own_tags} <= {other}
