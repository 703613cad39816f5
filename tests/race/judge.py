"""Compares what callers were told, what the rows say and what the gateway did.

double: money that was decided or moved more often than may be, or a refund that was sent twice.
over: more promised than was paid, for a payment or a line of it.
wrong_answer: a caller who was told something else than what is.
lost: a refund that was decided and is not there, or has no entry in the ledger.
stuck: a caller without an answer, or a row that did not come to its end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from plugin.app import Parts
from plugin.domain.facts import Refunded
from plugin.domain.ids import customer_key
from plugin.domain.orders import OrderRef
from plugin.domain.refunds import OVER, Refund, RefundState
from tests.kill.drain import QUEUES, open_rows
from tests.race.contests import Contest
from tests.shared_house import STRIPE, SharedHouse, World

MUST_BE_NOTHING = ("double", "over", "wrong_answer", "lost", "stuck")


@dataclass(slots=True)
class Findings:
    """Each finding is a sentence with ids; the counts are what the last line shows."""

    double: list[str] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    wrong_answer: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    refunds: int = 0

    def lines(self) -> Iterator[str]:
        for name in MUST_BE_NOTHING:
            for finding in getattr(self, name):
                yield f"{name}: {finding}"


def judge_race(found: Findings, contest: Contest, house: SharedHouse, parts: Parts) -> None:
    """Right after the race, while all that was promised is still in flight."""
    with parts.house.storage.read(house.tenant_id) as uow:
        rows = uow.refunds.of_order(OrderRef(STRIPE, contest.charge))
        plans = [uow.plans.get(row.plan) for row in rows]
    name = f"{contest.kind} {contest.charge}"
    found.refunds += len(rows)
    if len(rows) > contest.moves:
        found.double.append(f"{name}: decided {len(rows)} times, {contest.moves} may be")
    if len(rows) < contest.moves:
        found.lost.append(f"{name}: decided {len(rows)} times, {contest.moves} must be")
    promised = sum(row.amount.minor for row in rows)
    if promised > sum(contest.paid.values()):
        found.over.append(f"{name}: {promised} promised of {contest.paid}")
    by_line: Counter[str] = Counter()
    for plan in plans:
        assert plan is not None
        by_line.update({line.ref: money.minor for line, money in plan.plan.fact.amounts})
    for line, minor in by_line.items():
        if minor > contest.paid[line]:
            found.over.append(f"{name}: {minor} promised of line {line}, {contest.paid[line]} paid")
    _judge_answers(found, contest, rows, name)


def _judge_answers(found: Findings, contest: Contest, rows: Sequence[Refund], name: str) -> None:
    told: Counter[str] = Counter(str(answer["said"]) for answer in contest.answers)
    plans = {row.plan for row in rows}
    for answer in contest.answers:
        said, plan = str(answer["said"]), answer.get("plan")
        if said == "nothing":
            found.stuck.append(f"{name}: a caller had no answer")
        elif said == "decided" and plan not in plans:
            found.lost.append(f"{name}: plan {plan} was decided and has no row")
        elif said.startswith("error") or said not in _fitting(contest, answer, plans):
            found.wrong_answer.append(f"{name}: a caller was told {said}")
        elif said.startswith("page") and answer["shows"] not in plans:
            found.wrong_answer.append(f"{name}: {said} shows {answer['shows'] or 'no refund'}")
    if told["decided"] > contest.moves:
        found.double.append(f"{name}: {told['decided']} callers were told that they decided")


def _fitting(contest: Contest, answer: dict[str, Any], plans: set[Any]) -> set[str]:
    """What a caller may be told, by whether the plan in hand is one that was decided."""
    first = answer["first"]
    if contest.kind == "pair":
        if "shows" in answer:
            return {"page 200" if first in plans else "page 409"}
        return {"decided", "already"} if first in plans else {"changed", "blocked"}
    if contest.kind in ("clicks", "crowd"):
        return {"decided", "already"}
    return {"decided", "already", "changed", "blocked"}


def judge_end(
    found: Findings, contests: Sequence[Contest], house: SharedHouse, parts: Parts, world: World
) -> None:
    """At the end: rows, the gateway's books and calls, the ledger, and what was told."""
    found.stuck += [f"{kind} {state}" for kind, state, _ in open_rows(parts)]
    moved: dict[str, list[Any]] = defaultdict(list)
    for one in world.stripe.books.moved():
        moved[one["charge"]].append(one)
    sent = Counter(
        headers["Idempotency-Key"]
        for method, path, headers, _ in world.stripe.calls
        if (method, path) == ("POST", "/v1/refunds")
    )
    found.double += [f"{key} was sent {times} times" for key, times in sent.items() if times > 1]
    comments = Counter(tuple(one) for one in world.desk.report()["comments"])
    found.double += [f"comment {one} stands {n} times" for one, n in comments.items() if n > 1]
    with parts.house.storage.read(house.tenant_id) as uow:
        for contest in contests:
            rows = uow.refunds.of_order(OrderRef(STRIPE, contest.charge))
            facts = uow.facts.of_customer(customer_key(contest.email))
            told = [fact for fact in facts if isinstance(fact, Refunded)]
            _judge_money(found, contest, rows, moved[contest.charge])
            _judge_ledger(found, contest, rows, told)
        entries, broken = uow.audit.verify()
    if broken is not None:
        found.lost.append(f"the audit trail breaks at entry {broken} of {entries}")


def _judge_money(
    found: Findings, contest: Contest, rows: Sequence[Refund], moved: list[dict[str, Any]]
) -> None:
    name = f"{contest.kind} {contest.charge}"
    if len(moved) > contest.moves:
        found.double.append(f"{name}: money moved {len(moved)} times, {contest.moves} may be")
    if sum(one["amount"] for one in moved) > sum(contest.paid.values()):
        found.over.append(f"{name}: more went back than was paid")
    amounts = {one["metadata"]["makegood_refund"]: one["amount"] for one in moved}
    for row in rows:
        if row.state not in OVER | QUEUES:
            found.stuck.append(f"{name}: refund {row.id} is {row.state}")
        if row.state is RefundState.SUCCEEDED and amounts.get(row.id) != row.amount.minor:
            found.lost.append(f"{name}: refund {row.id} succeeded and moved {amounts.get(row.id)}")
        if row.state is not RefundState.SUCCEEDED and row.id in amounts:
            found.wrong_answer.append(f"{name}: refund {row.id} is {row.state} and moved money")
    if len(rows) <= contest.moves and any(r.state is not RefundState.SUCCEEDED for r in rows):
        found.wrong_answer.append(f"{name}: {[str(row.state) for row in rows]}")


def _judge_ledger(
    found: Findings, contest: Contest, rows: Sequence[Refund], told: list[Refunded]
) -> None:
    name = f"{contest.kind} {contest.charge}"
    wanted = sum(row.state is RefundState.SUCCEEDED for row in rows)
    if len(told) > wanted:
        found.double.append(f"{name}: {len(told)} entries for {wanted} refunds")
    if len(told) < wanted:
        found.lost.append(f"{name}: {len(told)} entries for {wanted} refunds")
