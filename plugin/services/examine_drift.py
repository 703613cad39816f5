"""Compare what a platform holds of some customers with our books, and keep what differs.

Those of whom something ended are looked at in turn, in small portions that leave most of the
account's calls to people. A difference that is seen twice is shown to a person with its next step;
one that is not there any more is mended by itself. Reads outside and never changes anything there:
access may have been given back by hand, and on purpose.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from plugin.domain.drift import (
    Difference,
    DriftState,
    booked_refunds,
    compare_access,
    compare_refunds,
    is_moving,
    known_refunds,
    next_state,
)
from plugin.domain.effects import EffectState, access_key
from plugin.domain.errors import NeedsHuman, RetryLater
from plugin.domain.facts import Fact, Refunded
from plugin.domain.ids import CustomerKey, InstallationId, RunId, TenantId, digest
from plugin.domain.ledger import Ledger
from plugin.domain.orders import Order, RefundStage, Resource
from plugin.domain.rules import rule_effects
from plugin.ports import Clock, Connection, FindsOrders, HoldsAccess
from plugin.ports.platforms import Platforms
from plugin.ports.records import Drift, Installation
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.contact_at import contact_at
from plugin.services.effect_calls import changed_resource
from plugin.services.ledger_of import ledger_of

GRACE = timedelta(minutes=3)
"""How long a difference must last: news of it may be on its way."""
MOST = 200
"""As many customers are looked at in one portion, where the account's pace allows it."""
CANDIDATES = 500
CALLS_EACH = 3
SHARE = 2
"""A portion uses one part in so many of the calls that the account has in a minute.

Half as many again are for those suspected: however many they are, they slow down nobody's turn.
"""
REST = timedelta(minutes=1)
"""After a whole portion the account is left alone for so long; after a part of one for as much less
as it took less, since half of the calls are people's all the same."""
SHORTEST_REST = timedelta(seconds=10)
BUDGET_SPENT = "budget_spent"
MOST_ORDERS = 10
WORKER = "worker"
_THROUGH = (EffectState.DONE, EffectState.ALREADY)
_log = logging.getLogger("makegood.sweep")


@dataclass(frozen=True, slots=True)
class Looked:
    """How many customers we looked at outside, and what became of differences.

    `unclear` are those of whom the platform tells nothing that could be compared.
    """

    customers: int = 0
    unclear: int = 0
    suspected: int = 0
    opened: int = 0
    mended: int = 0

    def plus(self, other: Looked) -> Looked:
        return Looked(
            self.customers + other.customers,
            self.unclear + other.unclear,
            self.suspected + other.suspected,
            self.opened + other.opened,
            self.mended + other.mended,
        )


NOBODY = Looked()


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of a round. `examined` is the last customer of it, empty when the round is over.

    `error` is why it stopped early; whoever it was about has had their turn. Where the account's
    calls were spent it goes on with them instead, after `rest`.
    """

    looked: Looked
    examined: str
    error: Exception | None = None
    rest: timedelta | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the platform holds of one customer: None where it does not tell of such things."""

    holds: Sequence[Resource] | None
    orders: Sequence[Order]


@dataclass(frozen=True, slots=True)
class ExamineDrift:
    """The use case, with its ports."""

    storage: Storage
    platforms: Platforms
    clock: Clock

    def __call__(
        self,
        tenant: TenantId,
        installation: Installation,
        after: str,
        deadline: datetime,
        *,
        known_until: datetime | None = None,
    ) -> Portion:
        """Those who are suspected, beside the next in turn after `after`, until `deadline`.

        News from before `known_until` are applied; None where that is now. What was taken in just
        now is not, however long ago a difference was seen: it may be what explains it.
        """
        here = installation.connection.installation
        most = self._most(installation.connection)
        ripe = (known_until or self.clock.now()) - GRACE
        with self.storage.read(tenant) as uow:
            suspects = uow.drifts.suspects(here, ripe, max(1, most // 2))
            turn = uow.sweeps.customers(after, CANDIDATES)
        looked, examined = NOBODY, after
        for customer, is_in_turn in _alternately(suspects, turn):
            if looked.customers >= most + len(suspects) or self.clock.now() >= deadline:
                return Portion(looked, examined)
            error = None
            try:
                looked = looked.plus(self.look_at(tenant, installation, customer, ripe))
            except Exception as problem:  # noqa: BLE001 - one customer must not hold up the others
                error = problem
            is_spent = isinstance(error, RetryLater) and error.code == BUDGET_SPENT
            # Who alone takes all there is would else never let the others have a turn.
            if is_in_turn and not (is_spent and looked.customers):
                examined = customer
            if is_spent:
                rest = REST * min(looked.customers, most) / most
                return Portion(looked, examined, rest=max(SHORTEST_REST, rest))
            if error is not None:
                return Portion(looked, examined, error)
        return Portion(looked, examined if len(turn) == CANDIDATES else "")

    def _most(self, connection: Connection) -> int:
        pace = self.platforms.pace(connection)
        if pace is None:
            return MOST
        calls = pace.requests * 60 // pace.per_seconds // SHARE
        return max(1, min(MOST, calls // CALLS_EACH))

    def look_at(
        self, tenant: TenantId, installation: Installation, customer: CustomerKey, ripe: datetime
    ) -> Looked:
        """Look at one customer. Raises as the adapters do; who is unclear there is counted.

        What was first seen by `ripe` and is there still is told.
        """
        here = installation.connection.installation
        with self.storage.read(tenant) as uow:
            asks = self._asks(uow, installation, customer)
        if asks is None:
            return NOBODY
        try:
            seen = asks()
        except NeedsHuman as error:
            _log.info("sweep.unclear installation=%s code=%s", here, error.code)
            return Looked(customers=1, unclear=1)
        now = self.clock.now()
        with self.storage.read(tenant) as uow:
            if not _changes(uow, installation, customer, seen, now, ripe):
                return Looked(customers=1)
        with self.storage.begin(tenant) as uow:
            changes = _changes(uow, installation, customer, seen, now, ripe)
            for drift in changes:
                keep_drift(uow, drift, WORKER, now)
            uow.commit()
        states = [drift.state for drift in changes]
        return Looked(
            1,
            0,
            states.count(DriftState.SUSPECTED),
            states.count(DriftState.OPEN),
            states.count(DriftState.MENDED),
        )

    def _asks(
        self, uow: UnitOfWork, installation: Installation, customer: CustomerKey
    ) -> Callable[[], _Seen] | None:
        """The outside reads for one customer; None where there is nothing to ask for."""
        connection = installation.connection
        here = connection.installation
        ledger = ledger_of(uow, customer, self.clock.now())
        sold = uow.orders.of_customer(customer)
        contact = contact_at(here, customer, sold)
        holds = None if contact is None else self.platforms.able(connection, HoldsAccess)
        if not any(resource.installation == here for resource in ledger.holdings):
            holds = None
        finds = self.platforms.able(connection, FindsOrders)
        refs = () if finds is None else _order_refs(uow, here, customer)
        if holds is None and not refs:
            return None

        def ask() -> _Seen:
            held = None if holds is None or contact is None else holds.read_access(contact)
            read = () if finds is None else tuple(finds.read_order(ref) for ref in refs)
            return _Seen(held, tuple(order for order in read if order is not None))

        return ask


def keep_drift(uow: UnitOfWork, drift: Drift, actor: str, now: datetime) -> None:
    """Write it down, and in the audit trail where a person is to know."""
    uow.drifts.put(drift)
    if drift.state is not DriftState.SUSPECTED:
        details = {"kind": drift.difference.kind, "installation": drift.installation}
        uow.audit.write(now, actor, f"drift.{drift.state}", drift.id, details)


@dataclass(frozen=True, slots=True)
class CloseDrift:
    """A person has looked at a difference, and wants it shown no more while it lasts."""

    storage: Storage

    def __call__(self, tenant: TenantId, drift_id: str, actor: str, now: datetime) -> bool:
        """False where it is not open (any more)."""
        with self.storage.begin(tenant) as uow:
            drift = uow.drifts.get(drift_id)
            if drift is None or drift.state is not DriftState.OPEN:
                return False
            keep_drift(uow, replace(drift, state=DriftState.CLOSED, changed_at=now), actor, now)
            uow.commit()
        return True


def _alternately(
    suspects: Sequence[CustomerKey], turn: Sequence[CustomerKey]
) -> Iterator[tuple[CustomerKey, bool]]:
    """Two suspects, then one in turn (True), and so on.

    The account's calls may be spent before either is through: neither takes all of them. A suspect
    is one for minutes already.
    """
    waiting, others = iter(suspects), iter(turn)
    for one in others:
        yield from ((suspect, False) for suspect in islice(waiting, 2))
        yield one, True
    yield from ((suspect, False) for suspect in waiting)


# --- what is known --------------------------------------------------------------------------------


def _order_refs(uow: UnitOfWork, here: InstallationId, customer: CustomerKey) -> tuple[str, ...]:
    """The orders at this gateway that belong to the customer, newest first, each once.

    A payment that is known by its refund only stands for the order of the same name.
    """
    kept = [order for order in uow.orders.of_customer(customer) if order.ref.installation == here]
    kept.sort(key=lambda order: (order.bought_at, order.ref), reverse=True)
    covered = {payment.ref for order in kept for payment in order.payments}
    told = sorted(
        payment.ref
        for fact in uow.facts.of_customer(customer)
        if isinstance(fact, Refunded)
        for payment, _ in fact.by_payment
        if payment.installation == here and payment not in covered
    )
    return tuple(dict.fromkeys([*(order.ref.ref for order in kept), *told]))[:MOST_ORDERS]


def _in_the_air(
    uow: UnitOfWork, here: InstallationId, customer: CustomerKey, ledger: Ledger
) -> frozenset[Resource]:
    """What we are still changing there, and what waits for a person already."""
    turns = uow.effects.turns(customer)
    planned = rule_effects(customer, RunId("look"), ledger, turns)
    moving = {r for p in planned if (r := changed_resource(p.effect)) is not None}
    for resource, turn in turns.items():
        if resource.installation == here:
            last = uow.effects.get(access_key(customer, resource, turn.count))
            if last is not None and last.state not in _THROUGH:
                moving.add(resource)
    return frozenset(moving)


def _differences(
    uow: UnitOfWork,
    installation: Installation,
    customer: CustomerKey,
    seen: _Seen,
    now: datetime,
) -> Iterator[Difference]:
    here = installation.connection.installation
    if seen.holds is not None:
        ledger = ledger_of(uow, customer, now)
        moving = _in_the_air(uow, here, customer, ledger)
        yield from compare_access(ledger, here, seen.holds, moving)
    facts = uow.facts.of_customer(customer)
    for order in seen.orders:
        yield from _of_money(uow, installation, order, facts)


def _of_money(
    uow: UnitOfWork, installation: Installation, order: Order, facts: Sequence[Fact]
) -> Iterator[Difference]:
    by_order = uow.refunds.of_order(order.ref)
    by_payment = (r for payment in order.payments for r in uow.refunds.of_payment(payment.ref))
    ours = tuple({refund.id: refund for refund in (*by_order, *by_payment)}.values())
    if is_moving(ours):
        return
    listed = [seen.amount.minor for seen in order.refunds if seen.state is not RefundStage.FAILED]
    yield from compare_refunds(
        order,
        booked_refunds(installation.connection.installation, ours, facts),
        known_refunds(ours, facts),
        installation.created_at,
        lists_all=sum(listed) == order.refunded.minor,
    )


# --- what becomes of it ---------------------------------------------------------------------------


def _changes(
    uow: UnitOfWork,
    installation: Installation,
    customer: CustomerKey,
    seen: _Seen,
    now: datetime,
    ripe: datetime,
) -> Sequence[Drift]:
    """The differences of one customer whose state changes with this look."""
    here = installation.connection.installation
    known = {drift.id: drift for drift in uow.drifts.of_customer(here, customer)}
    found = {
        drift_id(here, customer, one): one
        for one in _differences(uow, installation, customer, seen, now)
    }
    changes = []
    for name in sorted({*known, *found}):
        before = known.get(name)
        is_ripe = before is not None and before.found_at <= ripe
        state = None if before is None else before.state
        after = next_state(state, is_seen=name in found, is_ripe=is_ripe)
        if after is None or after is state:
            continue
        if before is None or after is DriftState.SUSPECTED:
            changes.append(Drift(name, here, customer, found[name], after, now, now))
        else:
            told = found.get(name, before.difference)
            changes.append(replace(before, difference=told, state=after, changed_at=now))
    return changes


def drift_id(here: InstallationId, customer: CustomerKey | None, difference: Difference) -> str:
    """The name of a difference: the same however often it comes and goes."""
    return digest("drift", here, customer or "", difference.kind, difference.subject)
