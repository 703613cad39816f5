"""Two processes that write at once: nothing lost, nothing done twice, nobody turned away."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context

from plugin.domain.ids import PlanId
from plugin.domain.refunds import RefundState
from plugin.ports.records import RefundMove, Tenant
from plugin.storage.database import open_database
from plugin.storage.keyring import Keyring
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import (
    CUSTOMER,
    NOW,
    TENANT,
    a_gift,
    a_plan,
    a_refund,
    a_request,
    a_tag,
    moved,
)

ROUNDS = 40


def opened(url: str) -> SqlStorage:
    return SqlStorage(open_database(url), Keyring(["A" * 43 + "="]))


def write_rounds(url: str, name: str) -> int:
    """Read, then write, in one transaction, again and again. Returns how many facts were new."""
    storage = opened(url)
    new = 0
    for place in range(ROUNDS):
        with storage.begin(TENANT) as uow:
            known = len(uow.facts.of_customer(CUSTOMER))
            new += uow.facts.append(a_gift(a_tag(f"{name}-{place}")), name, NOW)
            uow.facts.append(a_gift(a_tag(f"shared-{place}")), name, NOW)
            uow.audit.write(NOW, name, "gift.given", f"{place}", {"known": str(known)})
            uow.commit()
    storage._engine.dispose()
    return new


def decide_all(url: str, name: str) -> list[str]:
    """Try to decide and to send every plan. Returns what this process won."""
    storage = opened(url)
    won = []
    for place in range(ROUNDS):
        refund = a_refund(plan=f"plan-{place}")
        with storage.begin(TENANT) as uow:
            if uow.plans.decide(PlanId(f"plan-{place}"), name, NOW):
                won.append(f"decided-{place}")
            if uow.refunds.add(refund, name, NOW):
                won.append(f"reserved-{place}")
            uow.commit()
        with storage.begin(TENANT) as uow:
            sent = moved(refund, RefundState.SUBMITTING)
            if uow.refunds.move(
                refund, sent, RefundMove(refund.id, "reserved", "submitting", NOW, name)
            ):
                won.append(f"sent-{place}")
            uow.commit()
    storage._engine.dispose()
    return won


def test_nothing_is_lost_and_nobody_is_turned_away(
    storage: SqlStorage, tenant: Tenant, database_url: str
) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        new = list(pool.map(write_rounds, repeat(database_url), ["one", "two"]))

    assert new == [ROUNDS, ROUNDS]
    with storage.read(tenant.id) as uow:
        assert len(uow.facts.of_customer(CUSTOMER)) == 3 * ROUNDS
        assert uow.audit.verify() == (2 * ROUNDS, None)


def test_of_two_processes_one_decides_reserves_and_sends(
    shop: SqlStorage, database_url: str
) -> None:
    with shop.begin(TENANT) as uow:
        uow.requests.save(a_request())
        for place in range(ROUNDS):
            uow.plans.add(a_plan(plan_id=f"plan-{place}"), a_request().id)
        uow.commit()

    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        one, two = pool.map(decide_all, repeat(database_url), ["one", "two"])

    assert len(one) + len(two) == 3 * ROUNDS
    assert set(one).isdisjoint(two)
    with shop.read(TENANT) as uow:
        for place in range(ROUNDS):
            moves = uow.refunds.moves(PlanId(f"plan-{place}"))
            assert [move.after for move in moves] == ["reserved", "submitting"]
