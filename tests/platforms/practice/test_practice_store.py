"""The practice store: once per key, silent when told to be, sound over processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from plugin.domain.errors import NeedsHuman, OutcomeUnknown, Refused, RetryLater
from plugin.domain.events import TestDelivery
from plugin.domain.ids import InstallationId, PlanId, RefundId
from plugin.domain.money import Money
from plugin.domain.orders import (
    Order,
    PaymentRef,
    Resource,
    ResourceKind,
    SubscriptionStatus,
)
from plugin.domain.refunds import (
    Ambiguous,
    Declined,
    Found,
    NotFound,
    Pending,
    Refund,
    RefundState,
    Succeeded,
)
from plugin.platforms.practice_cases import practice_cases
from plugin.platforms.practice_file import PracticeFile, _create
from plugin.platforms.practice_shop import Mood
from plugin.platforms.practice_world import PracticeWorld
from plugin.ports import (
    CancelsSubscriptions,
    Changed,
    ConfirmsEvents,
    Connects,
    Contact,
    FindsOrders,
    HoldsAccess,
    HoldsTags,
    ListsCatalog,
    OrderQuery,
    RefundsMoney,
)
from tests.platforms.practice.fixtures import NOW, SHOP, Practice

ROOT = Path(__file__).parents[3]
MIRELA = Contact("Mirela.Kovac@mail.example")


def order_of(practice: Practice, number: str) -> Order:
    (order,) = practice.store.find_orders(OrderQuery(number=number))
    return order


def refund_of(order: Order, amount: Money, name: str = "refund-1", attempt: int = 1) -> Refund:
    payment = order.payments[0]
    return Refund(
        RefundId(name),
        PlanId("plan-1"),
        order.ref,
        payment.ref,
        payment.label,
        amount,
        RefundState.SUBMITTING,
        attempt,
        NOW,
        None,
    )


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


def test_the_store_has_every_ability_that_its_manifest_declares(seeded: Practice) -> None:
    for ability in (
        FindsOrders,
        RefundsMoney,
        HoldsAccess,
        HoldsTags,
        CancelsSubscriptions,
        ConfirmsEvents,
        Connects,
        ListsCatalog,
    ):
        assert isinstance(seeded.store, ability)


def test_a_repeated_key_is_the_same_refund(seeded: Practice) -> None:
    refund = refund_of(order_of(seeded, "20418"), eur(10000))
    first = seeded.store.refund(refund)
    assert isinstance(first, Succeeded)
    assert seeded.store.refund(refund) == first
    assert order_of(seeded, "20418").refunded == eur(10000)
    assert seeded.store.look_up(refund) == Found(first)


def test_two_attempts_that_both_paid_are_for_a_person(seeded: Practice) -> None:
    order = order_of(seeded, "20418")
    seeded.store.refund(refund_of(order, eur(100)))
    seeded.store.refund(refund_of(order, eur(100), attempt=2))
    assert seeded.store.look_up(refund_of(order, eur(100), attempt=2)) == Ambiguous(2)


def test_a_pending_refund_ends_at_the_bank(practice: Practice) -> None:
    order = practice_cases(SHOP, NOW)[0].orders[0]
    practice.world.add_order(order, Mood.PENDING)
    refund = refund_of(order, order.paid)
    pending = practice.store.refund(refund)
    assert isinstance(pending, Pending)
    assert practice.store.refund(refund) == pending
    assert order_of(practice, order.number).refunds[0].state == "pending"
    practice.world.finish_refund(pending.gateway_ref, NOW, failed=False)
    assert practice.store.refund(refund) == Succeeded(pending.gateway_ref)
    practice.world.finish_refund(pending.gateway_ref, NOW, failed=True)
    assert order_of(practice, order.number).refunded == eur(0)
    again = replace(refund, attempt=2)
    assert isinstance(practice.store.refund(again), Succeeded)
    assert order_of(practice, order.number).refunded == order.paid


def test_a_new_attempt_is_another_refund(seeded: Practice) -> None:
    order = order_of(seeded, "20418")
    seeded.store.refund(refund_of(order, eur(10000)))
    seeded.store.refund(refund_of(order, eur(10000), attempt=2))
    after = order_of(seeded, "20418")
    assert after.refunded == eur(20000)
    assert [seen.reference for seen in after.refunds] == ["mg-refund-1-a1", "mg-refund-1-a2"]


def test_a_key_used_for_another_amount_is_refused(seeded: Practice) -> None:
    order = order_of(seeded, "20418")
    seeded.store.refund(refund_of(order, eur(10000)))
    with pytest.raises(Refused, match="key_used_differently"):
        seeded.store.refund(refund_of(order, eur(9900)))


@pytest.mark.parametrize("amount", [eur(29701), eur(0), Money(297, "JPY"), eur(-5)])
def test_an_amount_that_cannot_be_paid_is_declined_and_moves_nothing(
    seeded: Practice, amount: Money
) -> None:
    order = order_of(seeded, "20418")
    assert seeded.store.refund(refund_of(order, amount)) == Declined("amount_not_possible")
    assert order_of(seeded, "20418") == order


def test_the_rest_can_be_paid_and_not_a_cent_more(seeded: Practice) -> None:
    order = order_of(seeded, "20418")
    seeded.store.refund(refund_of(order, eur(29699)))
    over = seeded.store.refund(refund_of(order, eur(2), "refund-2"))
    assert over == Declined("amount_not_possible")
    assert isinstance(seeded.store.refund(refund_of(order, eur(1), "refund-3")), Succeeded)
    assert order_of(seeded, "20418").lines[0].left == eur(0)


def test_a_payment_that_is_not_there_is_declined(seeded: Practice) -> None:
    refund = refund_of(order_of(seeded, "20418"), eur(1))
    nowhere = replace(refund, payment=PaymentRef(SHOP, "pay-0-1"))
    assert seeded.store.refund(nowhere) == Declined("no_such_payment")


def test_a_payment_that_goes_back_whole_only_declines_a_part(practice: Practice) -> None:
    order = practice_cases(SHOP, NOW)[0].orders[0]
    whole = replace(order, payments=(replace(order.payments[0], partial=False),))
    practice.world.add_order(whole)
    assert practice.store.refund(refund_of(whole, eur(1))) == Declined("whole_only")
    assert isinstance(practice.store.refund(refund_of(whole, order.paid)), Succeeded)


def test_the_silent_gateway_pays_and_is_found_at_the_second_look(seeded: Practice) -> None:
    order = order_of(seeded, "20436")
    refund = refund_of(order, order.paid)
    with pytest.raises(OutcomeUnknown):
        seeded.store.refund(refund)
    with pytest.raises(RetryLater):
        seeded.store.look_up(refund)
    found = seeded.store.look_up(refund)
    assert found == seeded.store.look_up(refund)
    assert isinstance(found, Found)
    (paid,) = seeded.world.refunds(SHOP)
    assert (paid.amount, found.answer) == (order.paid, Succeeded(paid.ref))


def test_only_the_first_refund_of_a_payment_is_met_by_silence(seeded: Practice) -> None:
    order = order_of(seeded, "20436")
    with pytest.raises(OutcomeUnknown):
        seeded.store.refund(refund_of(order, eur(100)))
    assert isinstance(seeded.store.refund(refund_of(order, eur(200), "refund-2")), Succeeded)


def test_what_was_never_sent_is_not_found(seeded: Practice) -> None:
    assert seeded.store.look_up(refund_of(order_of(seeded, "20418"), eur(1))) == NotFound()


def test_orders_of_several_addresses_come_once_each_newest_first(seeded: Practice) -> None:
    emails = ("MIRELA.kovac@mail.example", "mirela.kovac@mail.example", "ana.horvat@mail.example")
    found = seeded.store.find_orders(OrderQuery(emails=emails, number=" 20312 "))
    assert [order.number for order in found] == ["20418", "20312", "19877"]
    assert seeded.store.find_orders(OrderQuery()) == ()
    assert seeded.store.find_orders(OrderQuery(number="2031")) == ()
    assert seeded.store.read_order("order-0") is None


def test_access_goes_once_and_comes_back_once(seeded: Practice) -> None:
    course = Resource(SHOP, ResourceKind.COURSE, "watercolour-year", "Watercolour Year")
    store = seeded.store
    assert course in store.read_access(MIRELA)
    assert [store.revoke(MIRELA, course), store.revoke(MIRELA, course)] == [
        Changed.DONE,
        Changed.ALREADY,
    ]
    assert course not in store.read_access(MIRELA)
    assert [store.restore(MIRELA, course), store.restore(MIRELA, course)] == [
        Changed.DONE,
        Changed.ALREADY,
    ]
    assert course in store.read_access(MIRELA)


def test_a_tag_goes_from_one_contact_only(seeded: Practice) -> None:
    tag = Resource(SHOP, ResourceKind.TAG, "newsletter", "newsletter")
    assert seeded.store.remove_tag(MIRELA, tag) is Changed.DONE
    assert seeded.store.remove_tag(MIRELA, tag) is Changed.ALREADY
    assert tag in seeded.store.read_access(Contact("d.okafor@post.example"))
    assert seeded.store.add_tag(MIRELA, tag) is Changed.DONE


def test_a_subscription_ends_with_its_paid_period_or_at_once(seeded: Practice) -> None:
    store = seeded.store
    before = store.read_subscription(MIRELA, "sub-20312")
    assert before is not None
    assert before.status is SubscriptionStatus.ACTIVE
    assert before.renews == eur(14900)
    assert store.cancel_subscription(MIRELA, "sub-20312", at_once=False) is Changed.DONE
    assert store.cancel_subscription(MIRELA, "sub-20312", at_once=False) is Changed.ALREADY
    ending = store.read_subscription(MIRELA, "sub-20312")
    assert ending is not None
    assert ending.paid_until is not None
    assert (ending.status, ending.paid_until) == (SubscriptionStatus.ENDING, before.paid_until)
    assert ending.renews is None
    seeded.clock.at = ending.paid_until
    over = store.read_subscription(MIRELA, "sub-20312")
    assert over is not None
    assert over.status is SubscriptionStatus.ENDED
    assert store.cancel_subscription(MIRELA, "sub-20312", at_once=True) is Changed.ALREADY


def test_a_subscription_cancelled_at_once_is_over_now(seeded: Practice) -> None:
    assert seeded.store.cancel_subscription(MIRELA, "sub-20312", at_once=True) is Changed.DONE
    over = order_of(seeded, "20312").subscription
    assert over is not None
    assert (over.status, over.paid_until) == (SubscriptionStatus.ENDED, NOW)


def test_a_subscription_of_somebody_else_is_none(seeded: Practice) -> None:
    stranger = Contact("ana.horvat@mail.example")
    assert seeded.store.read_subscription(stranger, "sub-20312") is None
    with pytest.raises(Refused, match="no_such_subscription"):
        seeded.store.cancel_subscription(stranger, "sub-20312", at_once=True)


def test_a_second_seed_leaves_what_is_there(seeded: Practice) -> None:
    seeded.store.refund(refund_of(order_of(seeded, "20418"), eur(5)))
    assert not seeded.world.seed(NOW + timedelta(days=3))
    assert seeded.world.seeded_at() == NOW
    assert order_of(seeded, "20418").refunded == eur(5)


def test_after_a_reset_the_world_is_new(seeded: Practice) -> None:
    seeded.store.refund(refund_of(order_of(seeded, "20418"), eur(5)))
    seeded.world.reset()
    assert seeded.world.seeded_at() is None
    assert seeded.tickets.list_tickets() == ()
    assert seeded.world.refunds(SHOP) == ()
    assert seeded.world.seed(NOW)
    assert order_of(seeded, "20418").refunded == eur(0)


def test_an_added_order_gives_what_its_lines_tell_and_stands_once(practice: Practice) -> None:
    order = practice_cases(SHOP, NOW)[0].orders[0]
    practice.world.add_order(order)
    practice.world.add_order(replace(order, name="Somebody Else"))
    assert practice.store.find_orders(OrderQuery(number=order.number)) == (order,)
    assert set(practice.store.read_access(Contact(order.email))) == set(order.lines[0].gives or ())


def test_the_catalog_lists_what_is_sold_and_what_can_be_held(seeded: Practice) -> None:
    catalog = seeded.store.read_catalog()
    assert ("plan-shelf", "Illustrator's Shelf") in [(p.ref, p.name) for p in catalog.products]
    kinds = {resource.kind for resource in catalog.resources}
    assert kinds == {
        ResourceKind.BUNDLE,
        ResourceKind.COURSE,
        ResourceKind.DOWNLOAD,
        ResourceKind.TAG,
    }
    assert {resource.installation for resource in catalog.resources} == {SHOP}


def test_an_empty_shop_says_that_it_was_never_filled(practice: Practice) -> None:
    with pytest.raises(Refused, match="practice_empty"):
        practice.store.probe()
    practice.world.seed(NOW)
    assert "simulated" in practice.store.probe().details
    assert practice.store.check_rights()


def test_two_shops_on_one_file_speak_of_their_own_installation(seeded: Practice) -> None:
    other = InstallationId("other")
    (order,) = seeded.world.find_orders(other, NOW, number="20418")
    assert {order.ref.installation, order.payments[0].ref.installation} == {other}


def test_a_file_that_cannot_be_opened_is_asked_later(tmp_path: Path) -> None:
    world = PracticeWorld(tmp_path / "no" / "such" / "folder.sqlite")
    with pytest.raises(RetryLater, match="practice_unavailable"):
        world.seeded_at()
    with pytest.raises(RetryLater, match="practice_unavailable"):
        world.seed(NOW)


def test_a_file_that_is_none_of_ours_is_shown_to_a_person(practice: Practice) -> None:
    practice.file.write_text("this is a letter, and not a database" * 50)
    with pytest.raises(NeedsHuman, match="practice_file_unreadable"):
        practice.world.seed(NOW)
    assert practice.file.read_text().startswith("this is a letter")


def test_who_comes_second_finds_the_tables_made(seeded: Practice) -> None:
    with closing(sqlite3.connect(seeded.file, isolation_level=None)) as db:
        _create(db)
    assert seeded.world.seeded_at() == NOW


def test_an_event_is_as_it_was_signed(seeded: Practice) -> None:
    assert seeded.store.confirm(TestDelivery()) == TestDelivery()


def test_a_file_that_somebody_holds_is_asked_later(
    seeded: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugin.platforms.practice_file._PATIENCE_SECONDS", 0)
    holder = sqlite3.connect(seeded.file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(RetryLater, match="practice_unavailable"):
            seeded.store.refund(refund_of(order_of(seeded, "20418"), eur(5)))
    finally:
        holder.close()
    assert seeded.world.refunds(SHOP) == ()


def test_a_commit_that_the_disk_breaks_off_leaves_the_outcome_open(
    seeded: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    class _Broken(sqlite3.Connection):
        def execute(self, sql: str, *rest: object) -> sqlite3.Cursor:
            if sql == "COMMIT":
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error
            return super().execute(sql, *rest)  # type: ignore[arg-type]  # passed on as it came

    real = sqlite3.connect

    def connect(path: Path, **options: object) -> sqlite3.Connection:
        return real(path, factory=_Broken, **options)  # type: ignore[call-overload, no-any-return]  # passed on

    monkeypatch.setattr("plugin.platforms.practice_file.sqlite3.connect", connect)
    with pytest.raises(OutcomeUnknown, match="practice_commit"):
        seeded.store.refund(refund_of(order_of(seeded, "20418"), eur(5)))


def test_an_exception_in_a_transaction_undoes_it(seeded: Practice) -> None:
    file = PracticeFile(seeded.file)

    def break_off() -> None:
        with file.writing() as db:
            db.execute("UPDATE about SET value = 'never'")
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert seeded.world.seeded_at() == NOW


_PAYER = """
import sys
from datetime import UTC, datetime
from plugin.domain.money import Money
from plugin.domain.refunds import Succeeded
from plugin.platforms.practice_world import PracticeWorld

file, name = sys.argv[1:]
now = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
world = PracticeWorld(file)
world.seed(now)
print("ready", flush=True)
sys.stdin.readline()
paid = 0
for number in range(60):
    key = f"{name}-{number}" if number % 3 else f"shared-{number}"
    paid += isinstance(world.pay_back("pay-20418-1", Money(700, "EUR"), key, now), Succeeded)
print(paid, flush=True)
"""


def _start(file: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _PAYER, str(file), name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_processes_on_one_payment_never_pay_more_than_it_holds(practice: Practice) -> None:
    """Both seed at once, then both refund at once: 42 times 7.00 fit into 297.00, and no more."""
    with _start(practice.file, "one") as one, _start(practice.file, "two") as two:
        assert [_line_of(one), _line_of(two)] == ["ready", "ready"]
        _go(one)
        _go(two)
        said = [int(_line_of(one)), int(_line_of(two))]
    paid = practice.world.refunds(SHOP)
    assert len(paid) == 42
    assert order_of(practice, "20418").refunded == eur(42 * 700)
    assert len({seen.reference for seen in paid}) == 42
    assert sum(said) >= 42  # a shared key is a success to both
    assert len(practice.tickets.list_tickets()) == 12


def test_a_process_killed_at_work_leaves_whole_refunds_behind(practice: Practice) -> None:
    with _start(practice.file, "one") as one:
        assert _line_of(one) == "ready"
        _go(one)
        while not practice.world.refunds(SHOP):
            pass
        os.kill(one.pid, signal.SIGKILL)
    paid = practice.world.refunds(SHOP)
    assert order_of(practice, "20418").refunded == eur(700 * len(paid))
    answer = practice.world.pay_back("pay-20418-1", eur(700), "after", NOW)
    assert isinstance(answer, Succeeded | Declined)
