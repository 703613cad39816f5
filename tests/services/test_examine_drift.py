"""What differs outside is found by looking twice, told once, and mended by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.drift import DriftKind, DriftState
from plugin.domain.effects import EffectState
from plugin.domain.errors import NeedsHuman, Refused
from plugin.domain.facts import Refunded
from plugin.domain.ids import CustomerKey, InstallationId, RunId
from plugin.domain.orders import RefundStage, Resource
from plugin.ports import Contact, FindsOrders, HoldsAccess
from plugin.ports.platforms import Pace
from plugin.ports.records import Drift, Installation
from plugin.services import examine_drift
from plugin.services.examine_drift import CloseDrift, ExamineDrift, Portion
from plugin.services.run_rules import run_rules, tell_nobody
from tests.factories import (
    BANK,
    CUSTOMER,
    EMAIL,
    STORE,
    a_choice,
    a_course,
    a_line,
    a_line_ref,
    a_payment,
    a_purchase,
    a_refund_fact,
    a_tag,
    an_order_ref,
    eur,
)
from tests.fakes.platforms import FakeStore, Mood, Paid
from tests.fakes.telling import TellingStore
from tests.services.event_cases import facts, refunded
from tests.services.scene import Scene, sale

COURSE, OTHER = a_course("c1"), a_course("c2")


@pytest.fixture(autouse=True)
def _quick(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts that may be called often, unless a test has a slow one."""
    monkeypatch.setattr(scene.platforms, "pace", lambda _: Pace(10, 1, 20))


@pytest.fixture
def refunded_customer(scene: Scene) -> Scene:
    """One bought a course at the shop, and got her money back through us."""
    order = scene.sell(COURSE)
    scene.decided(order)
    scene.wait(minutes=1)
    assert scene.held() == set()
    return scene


def account(scene: Scene, installation: InstallationId = STORE) -> Installation:
    with scene.storage.read(scene.tenant.id) as uow:
        found = uow.installations.get(installation)
    assert found is not None
    return found


def examine(scene: Scene, installation: InstallationId = STORE, after: str = "") -> Portion:
    deadline = scene.clock.now() + timedelta(seconds=20)
    look = ExamineDrift(scene.storage, scene.platforms, scene.clock)
    return look(scene.tenant.id, account(scene, installation), after, deadline)


def twice(scene: Scene, installation: InstallationId = STORE) -> None:
    examine(scene, installation)
    scene.clock.advance(minutes=3)
    examine(scene, installation)


def shown(scene: Scene) -> list[tuple[DriftKind, str]]:
    return [(one.difference.kind, one.difference.subject) for one in open_drifts(scene)]


def open_drifts(scene: Scene) -> list[Drift]:
    with scene.storage.read(scene.tenant.id) as uow:
        return list(uow.drifts.open(50))


def all_states(scene: Scene, installation: InstallationId = STORE) -> list[DriftState]:
    with scene.storage.read(scene.tenant.id) as uow:
        return [one.state for one in uow.drifts.of_customer(installation, CUSTOMER)]


# --- access ---------------------------------------------------------------------------------------


def test_who_holds_what_her_books_say_differs_in_nothing(refunded_customer: Scene) -> None:
    twice(refunded_customer)

    assert all_states(refunded_customer) == []
    assert len(refunded_customer.shop.called("read_access")) >= 2


def test_access_given_back_by_hand_is_suspected_then_told_and_never_taken(
    refunded_customer: Scene,
) -> None:
    scene = refunded_customer
    scene.shop.held[EMAIL].add(COURSE)

    first = examine(scene)
    assert (first.looked.customers, first.looked.suspected, first.looked.opened) == (1, 1, 0)
    assert shown(scene) == []
    scene.clock.advance(minutes=3)
    second = examine(scene)

    assert second.looked.opened == 1
    assert shown(scene) == [(DriftKind.ACCESS_LEFT, "course:c1")]
    assert scene.held() == {"c1"}
    assert scene.audited()[-1] == "drift.open"


def test_a_difference_that_was_news_on_its_way_is_told_to_nobody(
    refunded_customer: Scene,
) -> None:
    scene = refunded_customer
    scene.shop.held[EMAIL].add(COURSE)
    examine(scene)
    scene.clock.advance(minutes=1)
    examine(scene)  # too early to say
    assert all_states(scene) == [DriftState.SUSPECTED]
    scene.shop.held[EMAIL].discard(COURSE)
    scene.clock.advance(minutes=3)
    examine(scene)

    assert all_states(scene) == [DriftState.MENDED]
    assert shown(scene) == []


def test_a_difference_must_outlast_what_news_are_applied_of(refunded_customer: Scene) -> None:
    scene = refunded_customer
    look = ExamineDrift(scene.storage, scene.platforms, scene.clock)
    scene.shop.held[EMAIL].add(COURSE)
    states = []
    for _ in range(3):
        deadline = scene.clock.now() + timedelta(seconds=20)
        applied = scene.clock.now() - timedelta(minutes=1)
        look(scene.tenant.id, account(scene), "", deadline, known_until=applied)
        states += all_states(scene)
        scene.clock.advance(minutes=3)

    assert states == [DriftState.SUSPECTED, DriftState.SUSPECTED, DriftState.OPEN]


def test_a_difference_that_is_gone_is_mended_and_told_again_when_it_comes_back(
    refunded_customer: Scene,
) -> None:
    scene = refunded_customer
    scene.shop.held[EMAIL].add(COURSE)
    twice(scene)
    found = open_drifts(scene)[0].found_at
    scene.shop.held[EMAIL].discard(COURSE)
    assert examine(scene).looked.mended == 1
    assert shown(scene) == []
    assert scene.audited()[-1] == "drift.mended"

    scene.shop.held[EMAIL].add(COURSE)
    twice(scene)

    assert shown(scene) == [(DriftKind.ACCESS_LEFT, "course:c1")]
    assert open_drifts(scene)[0].found_at > found


def test_what_a_person_closed_stays_closed_while_it_lasts(refunded_customer: Scene) -> None:
    scene = refunded_customer
    scene.shop.held[EMAIL].add(COURSE)
    twice(scene)
    [drift] = open_drifts(scene)
    close = CloseDrift(scene.storage)
    now = scene.clock.now()

    assert close(scene.tenant.id, drift.id, "admin", now)
    assert not close(scene.tenant.id, drift.id, "admin", now)
    assert not close(scene.tenant.id, "no such", "admin", now)
    twice(scene)
    assert all_states(scene) == [DriftState.CLOSED]
    scene.shop.held[EMAIL].discard(COURSE)
    examine(scene)
    assert all_states(scene) == [DriftState.MENDED]


def test_a_tag_and_a_course_that_another_sale_gives_are_missed_when_they_are_gone(
    refunded_customer: Scene,
) -> None:
    scene = refunded_customer
    again = scene.sell(OTHER, a_tag("t1"), order=sale(OTHER, a_tag("t1"), ref="10413"))
    with scene.storage.begin(scene.tenant.id) as uow:
        for line in again.lines:
            bought = a_purchase(*line.gives or (), line=line.ref, at=again.bought_at)
            uow.facts.append(bought, "test", scene.clock.now())
        uow.commit()
    twice(scene)
    assert shown(scene) == []

    scene.shop.held[EMAIL].clear()
    twice(scene)

    assert sorted(shown(scene)) == [
        (DriftKind.ACCESS_MISSING, "course:c2"),
        (DriftKind.ACCESS_MISSING, "tag:t1"),
    ]


def test_what_we_are_still_changing_is_not_compared(scene: Scene) -> None:
    order = scene.sell(COURSE)
    scene.shop.raises["revoke"].append(Refused("no_such_right"))
    plan = scene.decided(order)
    scene.wait(minutes=1)
    states = dict(scene.effect_states(plan.id))
    assert states["RevokeAccess"] is EffectState.NEEDS_PERSON
    twice(scene)

    assert all_states(scene) == []  # a person sees the effect already


def test_what_the_rules_have_not_spoken_of_yet_is_not_compared(scene: Scene) -> None:
    scene.sell(COURSE)
    with scene.storage.begin(scene.tenant.id) as uow:
        bought = a_purchase(COURSE)
        uow.facts.append(bought, "test", scene.clock.now())
        uow.facts.append(a_refund_fact(bought.line), "test", scene.clock.now())
        uow.commit()
    twice(scene)

    assert all_states(scene) == []


# --- money ----------------------------------------------------------------------------------------


@pytest.fixture
def gateway(scene: Scene) -> TellingStore:
    """The bank lists its own charge, of which a part was paid back there, and we were told."""
    bank = TellingStore(clock=scene.clock)
    scene.platforms.adapters[BANK] = bank
    ref = an_order_ref("ch-1", BANK)
    line = a_line(gives=(COURSE,), order=ref)
    charge = sale(ref="ch-1", lines=(line,), payments=(a_payment("pay-ch-1"),))
    bank.orders["ch-1"] = replace(charge, ref=ref)
    pay_back(scene, bank, "re-1", 1500)
    event = refunded(refund="re-1", payment="pay-ch-1", amount=1500, whole=False)
    scene.apply(replace(event, order=bank.orders["ch-1"]), at=BANK)
    return bank


def pay_back(scene: Scene, bank: TellingStore, ref: str, minor: int) -> Paid:
    paid = Paid(ref, "", "pay-ch-1", eur(minor))
    bank.paid.append(paid)
    bank.at[ref] = scene.clock.now()
    return paid


def test_refunds_that_both_know_differ_in_nothing(scene: Scene, gateway: TellingStore) -> None:
    twice(scene, BANK)

    assert all_states(scene, BANK) == []
    assert facts(scene, Refunded)
    assert gateway.called("read_order") == ["ch-1"] * 2


def test_a_refund_at_the_gateway_that_nobody_told_us_is_told_to_a_person(
    scene: Scene, gateway: TellingStore
) -> None:
    pay_back(scene, gateway, "re-2", 700)
    twice(scene, BANK)

    assert shown(scene) == [(DriftKind.REFUND_UNHEARD, "re-2")]


def test_a_refund_that_the_gateway_took_back_is_gone(scene: Scene, gateway: TellingStore) -> None:
    gateway.paid[0].state = RefundStage.FAILED
    twice(scene, BANK)

    assert shown(scene) == [(DriftKind.REFUND_GONE, "re-1")]


def test_an_amount_that_differs_is_told(scene: Scene, gateway: TellingStore) -> None:
    gateway.paid[0].amount = eur(1400)
    twice(scene, BANK)

    assert shown(scene) == [(DriftKind.REFUND_DIFFERS, "re-1")]


def test_money_is_not_compared_while_a_refund_of_ours_is_under_way(
    scene: Scene, gateway: TellingStore
) -> None:
    scene.shop.orders["ch-1"] = gateway.orders["ch-1"]
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.orders.save(gateway.orders["ch-1"])
        uow.commit()
    order = gateway.orders["ch-1"]
    gateway.moods = [Mood.PENDING]
    scene.platforms.adapters[STORE] = FakeStore(clock=scene.clock)
    scene.decided(order, a_choice(order, free=eur(200)))
    scene.wait(seconds=11)
    gateway.paid[0].amount = eur(1400)
    twice(scene, BANK)

    assert all_states(scene, BANK) == []


def test_a_payment_that_only_a_refund_named_is_read_by_its_name(
    scene: Scene, gateway: TellingStore
) -> None:
    """As when the charge was joined with the sale of a shop, which is the order that is kept."""
    order = gateway.orders.pop("ch-1")
    gateway.orders["pay-ch-1"] = order
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.orders.save(replace(order, payments=()))
        uow.commit()
    gateway.paid[0].amount = eur(1400)
    twice(scene, BANK)

    assert shown(scene) == [(DriftKind.REFUND_DIFFERS, "re-1")]


# --- turns ----------------------------------------------------------------------------------------


def many(scene: Scene, count: int) -> list[str]:
    """Customers who had a course that ended, by key."""
    names = [f"customer-{number:02}@mail.example" for number in range(count)]
    with scene.storage.begin(scene.tenant.id) as uow:
        for number, name in enumerate(names):
            line = a_line_ref(order=an_order_ref(f"many-{number}"))
            bought = replace(a_purchase(COURSE, line=line), customer=CustomerKey(name))
            back = replace(a_refund_fact(line, order=line.order), customer=bought.customer)
            for fact in (bought, back):
                uow.facts.append(fact, "test", scene.clock.now())
        uow.commit()
    return names


def test_a_portion_uses_half_of_a_minutes_calls_and_the_next_goes_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = many(scene, 5)
    monkeypatch.setattr(scene.platforms, "pace", lambda _: Pace(12, 60, 12))  # a slow account

    first = examine(scene)
    assert (first.looked.customers, first.examined) == (2, names[1])
    second = examine(scene, after=first.examined)
    third = examine(scene, after=second.examined)

    assert (second.examined, third.examined) == (names[3], "")
    assert scene.shop.called("read_access") == names


def test_an_account_without_a_pace_is_read_in_large_portions(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = many(scene, 12)
    monkeypatch.setattr(scene.platforms, "pace", lambda _: None)  # practice calls nobody

    assert examine(scene).looked.customers == len(names)


def test_a_portion_ends_with_its_time(scene: Scene) -> None:
    names = many(scene, 3)
    real = scene.shop.enter

    def slow(method: str, detail: str) -> None:
        scene.clock.advance(seconds=15)
        real(method, detail)

    scene.shop.enter = slow  # type: ignore[method-assign]  # each call takes a quarter of a minute

    assert examine(scene).examined == names[1]


def test_more_candidates_than_one_read_gives_are_gone_on_with(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = many(scene, 3)
    monkeypatch.setattr(examine_drift, "CANDIDATES", 2)

    assert examine(scene).examined == names[1]
    assert examine(scene, after=names[1]).examined == ""


def test_suspects_come_before_all_others_and_slow_down_none(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = many(scene, 5)
    scene.shop.held[names[4]].add(COURSE)
    settle(scene, names)
    examine(scene)
    scene.clock.advance(minutes=3)
    scene.shop.calls.clear()
    monkeypatch.setattr(scene.platforms, "pace", lambda _: Pace(6, 60, 6))  # one customer a turn

    portion = examine(scene)

    assert (portion.looked.opened, portion.examined) == (1, names[0])
    assert scene.shop.called("read_access") == [names[4], names[0]]


def settle(scene: Scene, names: list[str]) -> None:
    """Our own effects on them are through: what was ended was taken."""
    with scene.storage.begin(scene.tenant.id) as uow:
        for name in names:
            run_rules(uow, CustomerKey(name), RunId(name), "test", scene.clock.now(), tell_nobody)
        uow.commit()
    held = {name: set(things) for name, things in scene.shop.held.items()}
    scene.work()
    scene.shop.held.update(held)


def test_whom_a_platform_cannot_tell_of_is_counted_and_nobody_waits_for_it(scene: Scene) -> None:
    names = many(scene, 3)
    scene.shop.raises["read_access"].append(NeedsHuman("several_contacts"))

    looked = examine(scene).looked

    assert (looked.customers, looked.unclear) == (3, 1)
    assert scene.shop.called("read_access") == names


def test_a_failure_ends_the_portion_and_its_customer_had_their_turn(scene: Scene) -> None:
    names = many(scene, 3)
    scene.shop.raises["read_access"].append(Refused("no_such_contact"))

    portion = examine(scene)

    assert (portion.examined, type(portion.error)) == (names[0], Refused)
    assert examine(scene, after=portion.examined).examined == ""


def test_who_has_nothing_at_an_account_costs_no_call(scene: Scene) -> None:
    many(scene, 2)
    scene.platforms.lack(BANK, HoldsAccess)

    assert examine(scene, BANK).looked.customers == 0
    assert scene.bank.calls == []


def test_a_store_that_tells_neither_orders_nor_access_is_left_alone(scene: Scene) -> None:
    many(scene, 2)
    scene.platforms.lack(STORE, HoldsAccess)
    scene.platforms.lack(STORE, FindsOrders)

    assert examine(scene).looked.customers == 0


def test_the_stores_own_id_of_a_contact_is_used_where_a_sale_told_it(
    refunded_customer: Scene,
) -> None:
    scene = refunded_customer
    with scene.storage.begin(scene.tenant.id) as uow:
        [order] = [o for o in uow.orders.of_customer(CUSTOMER) if o.ref.installation == STORE]
        uow.orders.save(replace(order, contact="4711"))
        uow.commit()
    asked: list[Contact] = []

    def read_access(contact: Contact) -> tuple[Resource, ...]:
        asked.append(contact)
        return ()

    scene.shop.read_access = read_access  # type: ignore[method-assign]  # only who is asked for matters

    examine(scene)

    assert asked == [Contact(CUSTOMER, "4711")]


def test_what_another_store_gives_is_looked_for_there(refunded_customer: Scene) -> None:
    scene = refunded_customer
    elsewhere = a_course("c8", store=BANK)
    with scene.storage.begin(scene.tenant.id) as uow:
        line = a_line_ref(order=an_order_ref("10600", BANK))
        uow.facts.append(a_purchase(elsewhere, line=line), "test", scene.clock.now())
        uow.commit()
    twice(scene, BANK)

    assert shown(scene) == [(DriftKind.ACCESS_MISSING, "course:c8")]
