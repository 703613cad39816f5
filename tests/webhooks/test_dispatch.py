"""Dispatch: every delivery comes to an end that a person can see, and does its work once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from plugin.domain.errors import InvalidInput, NeedsHuman, OutcomeUnknown, Refused, RetryLater
from plugin.domain.events import PaymentRefunded, SaleMade, StoreEvent, TestDelivery, Unrecognised
from plugin.domain.ids import DeliveryId, InstallationId
from plugin.domain.refunds import Refund, RefundState
from plugin.platforms.data_files import DataFiles
from plugin.platforms.manifest import Kind
from plugin.platforms.registry import Registry
from plugin.platforms.strict_json import JsonValue, Malformed
from plugin.ports import ConfirmsEvents
from plugin.ports.storage import (
    DeliveryState,
    InstallationStatus,
    RefundMove,
    StoredDelivery,
    Tenant,
)
from plugin.storage.unit_of_work import SqlStorage
from tests.contracts.webhook import Recording
from tests.factories import (
    BANK,
    CUSTOMER,
    NOW,
    STORE,
    TENANT,
    a_delivery,
    a_line,
    a_payment,
    a_payment_ref,
    a_plan,
    a_refund,
    a_request,
    a_tag,
    an_installation,
    an_order,
    eur,
    moved,
)
from tests.fakes.platforms import FakePlatforms, FakeStore
from tests.storage_fixtures import FakeClock
from webhooks.delivery import Delivery
from webhooks.dispatch import FIRST_WAIT, LONGEST_WAIT, PATIENCE, Dispatch

S = DeliveryState
REF = DeliveryId("delivery-1")
RECORDED = Path(__file__).parents[1] / "platforms" / "practice" / "recordings"


@dataclass
class Told(Registry):
    """A registry whose only parser says what the test tells it to, or raises it."""

    events: Sequence[StoreEvent] | Exception = ()
    asked: list[str] = field(default_factory=list)

    def parser(self, kind: Kind, stem: str) -> Callable[..., Sequence[StoreEvent]]:
        def parse(
            delivery: Delivery, installation: InstallationId, body: JsonValue
        ) -> Sequence[StoreEvent]:
            self.asked.append(f"{kind} {stem} {installation} {body!r}")
            if isinstance(self.events, Exception):
                raise self.events
            return self.events

        return parse


@dataclass
class Scene:
    """One delivery of one store."""

    storage: SqlStorage
    clock: FakeClock
    store: FakeStore = field(default_factory=FakeStore)
    registry: Registry = field(default_factory=Told)

    def __post_init__(self) -> None:
        self.platforms = FakePlatforms({STORE: self.store, BANK: FakeStore()})

    @property
    def dispatch(self) -> Dispatch:
        return Dispatch(self.storage, self.platforms, self.registry, self.clock)

    def tell(self, *events: StoreEvent) -> None:
        self.registry = Told(events)

    def fail(self, error: Exception) -> None:
        """The parser raises `error`."""
        self.registry = Told(error)

    def receive(self, body: bytes = b"{}", ref: DeliveryId = REF) -> None:
        with self.storage.begin(TENANT) as uow:
            uow.deliveries.add(replace(a_delivery(ref), body=body))
            uow.commit()

    def work(self, ref: DeliveryId = REF) -> StoredDelivery:
        self.dispatch(TENANT, ref)
        return self.delivery(ref)

    def delivery(self, ref: DeliveryId = REF) -> StoredDelivery:
        with self.storage.read(TENANT) as uow:
            found = uow.deliveries.get(ref)
        assert found is not None
        return found

    def next(self) -> StoredDelivery:
        """Let time pass until the delivery is due, and work on it."""
        wake_at = self.delivery().wake_at
        assert wake_at is not None
        self.clock.at = max(self.clock.at, wake_at)
        return self.work()

    def state(self) -> tuple[str, str]:
        return self.delivery().state, self.delivery().reason

    def traces(self) -> tuple[int, int, int, list[str]]:
        """What was kept of a customer: facts, orders, runs, and what was written down."""
        with self.storage.read(TENANT) as uow:
            audited = [entry.action for entry in uow.audit.entries(0, 100)]
            facts = len(uow.facts.of_customer(CUSTOMER))
            orders = len(uow.orders.of_customer(CUSTOMER))
        runs = [work for work in self.storage.due(self.clock.now(), 99) if work.kind == "run"]
        return facts, orders, len(runs), audited

    def reserve(self) -> Refund:
        """A refund of ours whose call is on its way."""
        plan, request = a_plan(), a_request()
        refund = a_refund(state=RefundState.RESERVED)
        sending = moved(refund, RefundState.SUBMITTING, wake_at=NOW + timedelta(seconds=30))
        with self.storage.begin(TENANT) as uow:
            uow.requests.save(request)
            uow.plans.add(plan, request.id)
            uow.refunds.add(refund, "agent", NOW)
            uow.refunds.move(refund, sending, move_of(refund, sending))
            uow.commit()
        return sending

    def settle(self, refund: Refund, to: RefundState) -> None:
        after = moved(refund, to, wake_at=None, gateway_ref="re-1")
        with self.storage.begin(TENANT) as uow:
            assert uow.refunds.move(refund, after, move_of(refund, after))
            uow.commit()


def move_of(before: Refund, after: Refund) -> RefundMove:
    return RefundMove(before.id, before.state, after.state, NOW, "worker")


@pytest.fixture
def scene(storage: SqlStorage, tenant: Tenant, clock: FakeClock) -> Scene:
    with storage.begin(tenant.id) as uow:
        uow.installations.add(an_installation(STORE))
        uow.installations.add(an_installation(BANK))
        uow.commit()
    return Scene(storage, clock)


def a_sale() -> SaleMade:
    line = a_line(gives=(a_tag(),))
    return SaleMade(an_order(line, payments=(a_payment("pay-1"),)))


def an_echo(refund: Refund) -> PaymentRefunded:
    return PaymentRefunded(
        payment=refund.payment,
        refund="re-1",
        amount=refund.amount,
        state="succeeded",
        at=NOW,
        reference=refund.key,
    )


# --- the way through ------------------------------------------------------------------------------


def test_a_recorded_sale_becomes_an_order_and_its_facts(scene: Scene) -> None:
    sale = Recording.read(RECORDED / "sale_made.json")
    scene.registry = Registry([DataFiles().manifests()])
    scene.receive(sale.body)

    done = scene.work()

    assert (done.state, done.reason, done.wake_at) == (S.APPLIED, "", None)
    with scene.storage.read(TENANT) as uow:
        (order,) = uow.orders.by_number("20312")
        facts = uow.facts.of_customer(order.customer)
    assert order.ref.installation == STORE
    assert len(facts) == len(order.lines)


def test_each_event_is_asked_for_again_where_the_store_can_tell(scene: Scene) -> None:
    better = a_sale()
    scene.store.confirm_as = lambda _event: better
    scene.tell(Unrecognised("not.yet.confirmed"), TestDelivery())
    scene.receive()

    assert scene.work().state is S.APPLIED
    assert scene.store.called("confirm") == ["Unrecognised", "TestDelivery"]


def test_where_the_store_cannot_tell_the_event_is_taken_as_it_came(scene: Scene) -> None:
    scene.platforms.lack(STORE, ConfirmsEvents)
    scene.tell(a_sale())
    scene.receive()

    assert scene.work().state is S.APPLIED
    assert scene.store.calls == []


def test_the_parser_gets_the_installation_and_the_strictly_read_body(scene: Scene) -> None:
    scene.receive(b'{"a": [1]}')
    scene.work()

    assert isinstance(scene.registry, Told)
    assert scene.registry.asked == [f"store practice {STORE} {{'a': [1]}}"]


def test_what_is_not_due_or_not_there_is_left_alone(scene: Scene) -> None:
    scene.receive()
    scene.clock.at = NOW - timedelta(seconds=1)
    assert scene.work() == replace(a_delivery(REF), body=b"{}")

    scene.dispatch(TENANT, DeliveryId("nothing"))

    scene.clock.at = NOW
    assert scene.work().attempts == 1
    assert scene.work().attempts == 1


# --- every end is shown ---------------------------------------------------------------------------


def test_an_account_that_was_removed_applies_nothing_more(scene: Scene) -> None:
    with scene.storage.begin(TENANT) as uow:
        uow.installations.save(an_installation(STORE, status=InstallationStatus.REMOVED))
        uow.commit()
    scene.tell(a_sale())
    scene.receive()

    assert (scene.work().state, scene.state()[1]) == (S.FAILED, "not connected any more")
    assert scene.traces()[0] == 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Malformed("order.id"), "malformed: missing or of the wrong type: order.id"),
        (InvalidInput("currency", "of no country"), "invalid_input: currency: of no country"),
    ],
)
def test_what_the_parser_cannot_read_is_unreadable(
    scene: Scene, error: Exception, reason: str
) -> None:
    scene.fail(error)
    scene.receive()

    assert scene.work().wake_at is None
    assert scene.state() == (S.UNREADABLE, reason)


def test_bytes_that_cannot_be_read_are_unreadable_when_replayed(scene: Scene) -> None:
    scene.receive(b"{")

    assert scene.work().state is S.UNREADABLE


def test_what_we_have_no_words_for_is_shown_beside_what_was_applied(scene: Scene) -> None:
    scene.tell(a_sale(), Unrecognised("order.gift\nwrapped"), Unrecognised("order.sung"))
    scene.receive()
    scene.work()

    assert scene.state() == (S.UNRECOGNISED, "order.gift wrapped, order.sung")
    assert scene.traces()[:2] == (1, 1)


def test_what_does_not_concern_us_is_ignored_with_its_reason(scene: Scene) -> None:
    stranger = replace(an_echo(a_refund()), payment=a_payment_ref("pay-9"))
    scene.tell(stranger)
    scene.receive()
    scene.work()

    assert scene.state() == (S.IGNORED, "a refund of a payment that belongs to no order we know")


def test_a_delivery_that_says_nothing_is_ignored(scene: Scene) -> None:
    scene.receive()
    scene.work()

    assert scene.state() == (S.IGNORED, "says nothing that concerns us")


@pytest.mark.parametrize("error", [Refused("gone_for_good"), NeedsHuman("look_here")])
def test_a_definitive_no_fails_at_once(scene: Scene, error: Exception) -> None:
    scene.store.raises["confirm"] = [error]
    scene.tell(a_sale())
    scene.receive()

    assert scene.work().wake_at is None
    assert scene.state() == (S.FAILED, str(error))
    assert scene.traces()[0] == 0


# --- trying again ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [RetryLater, OutcomeUnknown])
def test_a_store_that_does_not_answer_is_asked_again_later_and_later(
    scene: Scene, kind: type[RetryLater]
) -> None:
    scene.store.raises["confirm"] = [kind("busy")] * 100
    scene.tell(a_sale())
    scene.receive()
    moments = [NOW]

    scene.work()
    while scene.delivery().state is S.WAITING:
        moments.append(due_of(scene))
        scene.next()

    waits = [after - before for before, after in pairwise(moments)]
    assert waits[:5] == [FIRST_WAIT, FIRST_WAIT, *(FIRST_WAIT * n for n in (2, 4, 8))]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT
    assert moments[-1] - NOW > PATIENCE
    assert scene.state() == (S.FAILED, "busy")
    assert len(waits) < 30


def test_a_store_that_answers_at_last_is_believed(scene: Scene) -> None:
    scene.store.raises["confirm"] = [RetryLater("busy")] * 5
    scene.tell(a_sale())
    scene.receive()

    scene.work()
    for _ in range(5):
        assert scene.delivery().state is S.WAITING
        scene.next()

    assert scene.delivery().state is S.APPLIED
    assert scene.traces()[:2] == (1, 1)


def test_a_poisonous_delivery_is_tried_then_fails_where_it_is_seen(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.fail(ZeroDivisionError("about ana@mail.example"))
    scene.receive()

    scene.work()
    assert scene.state() == (S.WAITING, "fault: ZeroDivisionError")
    while scene.delivery().state is S.WAITING:
        scene.next()

    assert scene.state() == (S.FAILED, "fault: ZeroDivisionError")
    with scene.storage.read(TENANT) as uow:
        assert [d.id for d in uow.deliveries.newest([S.FAILED], 9)] == [REF]
    assert "dispatch.fault delivery=delivery-1 kind=ZeroDivisionError" in caplog.text
    assert "ana@mail.example" not in caplog.text


def test_after_an_outage_of_ours_one_bad_moment_is_not_the_end(scene: Scene) -> None:
    scene.store.raises["confirm"] = [RetryLater("busy")]
    scene.tell(a_sale())
    scene.receive()
    scene.clock.advance(days=5)

    assert scene.work().state is S.WAITING
    assert scene.next().state is S.APPLIED


# --- waiting for our own answer -------------------------------------------------------------------


def test_waiting_for_our_own_call_uses_up_no_patience(scene: Scene) -> None:
    """After many short waits, a store that is busy for a moment is still asked again."""
    refund = scene.reserve()
    scene.tell(an_echo(refund))
    scene.receive()

    scene.work()
    for _ in range(20):
        assert scene.state() == (S.WAITING, "our own call is in flight")
        assert due_of(scene) - scene.clock.now() == timedelta(seconds=2)
        scene.next()
    scene.store.raises["confirm"] = [RetryLater("busy")]
    scene.next()

    assert scene.state() == (S.WAITING, "busy")
    scene.settle(refund, RefundState.SUCCEEDED)
    assert scene.next().state is S.APPLIED


def test_nothing_of_a_delivery_is_applied_while_a_part_of_it_must_wait(scene: Scene) -> None:
    refund = scene.reserve()
    scene.tell(a_sale(), an_echo(refund))
    scene.receive()

    assert scene.work().state is S.WAITING
    assert scene.traces()[:2] == (0, 0)

    scene.settle(refund, RefundState.SUCCEEDED)
    assert scene.next().state is S.APPLIED
    assert scene.traces()[:2] == (1, 1)


def test_the_soonest_of_several_waits_counts(scene: Scene) -> None:
    refund = scene.reserve()
    other = replace(an_echo(refund), refund="re-2", reference=None)
    scene.tell(other, an_echo(refund))
    scene.receive()

    assert scene.work().wake_at == NOW + timedelta(seconds=2)


# --- replays --------------------------------------------------------------------------------------


def test_a_replay_does_nothing_twice(scene: Scene) -> None:
    refund_elsewhere = PaymentRefunded(
        payment=a_payment_ref("pay-1"),
        refund="re-7",
        amount=eur(4900),
        state="succeeded",
        at=NOW,
        whole=True,
        order=a_sale().order,
    )
    scene.tell(a_sale(), refund_elsewhere)
    scene.receive()
    assert scene.work().state is S.APPLIED
    once = scene.traces()
    assert once[:3] == (2, 1, 1)

    scene.clock.advance(hours=1)
    assert scene.dispatch.replay(TENANT, REF)
    assert scene.state() == (S.RECEIVED, "replayed")
    assert due_of(scene) == scene.clock.now()
    assert scene.work().state is S.APPLIED

    assert scene.traces() == (*once[:3], [*once[3], "delivery.replayed"])


def test_a_replay_is_new_work_for_the_worker(scene: Scene) -> None:
    """The worker starts a name once: the row must be due under another one."""
    scene.tell(a_sale())
    scene.receive()
    (first,) = scene.storage.due(NOW, 9)
    scene.work()
    scene.dispatch.replay(TENANT, REF)

    (second,) = [work for work in scene.storage.due(NOW, 9) if work.kind == "delivery"]
    assert second.name != first.name


def test_a_failed_delivery_is_replayed_and_then_applied(scene: Scene) -> None:
    scene.store.raises["confirm"] = [Refused("revoked_key"), RetryLater("busy")]
    scene.tell(a_sale())
    scene.receive()
    assert scene.work().state is S.FAILED

    scene.clock.advance(days=30)
    scene.dispatch.replay(TENANT, REF)

    assert scene.work().state is S.WAITING
    assert scene.next().state is S.APPLIED


def test_what_is_not_there_cannot_be_replayed(scene: Scene) -> None:
    assert not scene.dispatch.replay(TENANT, DeliveryId("nothing"))
    assert scene.traces()[3] == []


def due_of(scene: Scene) -> datetime:
    wake_at = scene.delivery().wake_at
    assert wake_at is not None
    return wake_at
