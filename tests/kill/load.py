"""What goes on while workers are killed: customers buy, agents refund, stores tell their news.

Agents act through the services, as the web does. Remembers what was decided and what was done
outside, for the judge. Starts something new only while the worker is not far behind.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.exc import DBAPIError

from plugin.app import Parts
from plugin.chance import Threads
from plugin.domain.ids import PlanId, TicketId, customer_key
from plugin.domain.money import Money
from plugin.domain.orders import OrderRef
from plugin.domain.plan import AmountKind, Choice, Plan
from plugin.domain.refunds import UNDO_SECONDS
from plugin.domain.requests import Channel, RefundRequest
from plugin.services.decide_refund import AlreadyDecided, Decided, DecideRefund
from plugin.services.find_orders import FindOrders, FoundOrder, Search
from plugin.services.plan_refund import PlanRefund, Reader, request_id_for
from tests.kill.scene import DESK, STRIPE, SYSTEME_IO, Outside, Scene

CURRENCY = "EUR"
BACKLOG = 40
"""Rows due at a time: beyond it the load waits for the worker."""
OPEN_JOBS = 8
STEP_SECONDS = 0.03
_EARLIER = timedelta(seconds=UNDO_SECONDS)
Job = Generator[None, None, None]
"""A story in steps; each `yield` lets others go on."""


@dataclass(slots=True)
class Done:
    """What happened, as the world remembers it."""

    decided: dict[PlanId, tuple[str, int]] = field(default_factory=dict)
    """Plan -> the customer and the amount that a person confirmed."""
    outside: dict[str, str] = field(default_factory=dict)
    """The gateway's refund that somebody made there -> its charge."""
    cancelled: list[str] = field(default_factory=list)
    """Customers whose sale the store reported as refunded."""
    lost: dict[str, str] = field(default_factory=dict)
    """The dispute that the bank decided for the customer -> the customer."""
    decided_twice: int = 0
    stories: int = 0


class Load:
    """Runs in a thread of the harness until `stop`."""

    def __init__(self, scene: Scene, parts: Parts, outside: Outside) -> None:
        self.done = Done()
        self.failure: BaseException | None = None
        self._scene = scene
        self._parts = parts
        self._outside = outside
        self._chance = random.Random(f"{scene.seed} load")
        self._gather = Threads(4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._stories: dict[str, tuple[int, Callable[[str], Job]]] = {
            "part": (40, self._refund_part),
            "full": (14, self._refund_in_full),
            "prorated": (10, self._refund_by_time),
            "joined": (12, self._refund_a_joined_sale),
            "outside": (12, self._refund_outside),
            "cancelled": (6, self._cancel_a_sale),
            "tagged": (6, self._tag_and_untag),
            "disputed": (8, self._dispute),
        }

    def start(self) -> None:
        """Returns once there is enough to do that the first worker finds work."""
        self._thread.start()
        while self._thread.is_alive() and len(self.done.decided) < OPEN_JOBS:
            time.sleep(0.05)

    def stop(self) -> Done:
        """Start nothing new, and come to a rest. Raises what went wrong in the load itself."""
        self._stop.set()
        self._thread.join(60)
        if self.failure is not None:
            raise RuntimeError("the load broke") from self.failure
        return self.done

    # --- the flow ---------------------------------------------------------------------------------

    def _run(self) -> None:
        jobs: list[Job] = []
        try:
            while not self._stop.is_set():
                if len(jobs) < OPEN_JOBS and self._worker_keeps_up():
                    jobs.append(self._begin())
                for job in list(jobs):
                    if next(job, self) is self:
                        jobs.remove(job)
                time.sleep(STEP_SECONDS)
        except Exception as error:  # noqa: BLE001 - told by `stop`, in the thread that can show it
            self.failure = error

    def _worker_keeps_up(self) -> bool:
        storage = self._parts.house.storage
        try:
            return len(storage.due(self._parts.clock.now(), BACKLOG)) < BACKLOG
        except DBAPIError:  # the database is being restarted
            return False

    def _begin(self) -> Job:
        names = list(self._stories)
        [name] = self._chance.choices(names, [self._stories[n][0] for n in names])
        self.done.stories += 1
        return self._stories[name][1](f"{name}-{self.done.stories}@customer.test")

    # --- the stories ------------------------------------------------------------------------------

    def _refund_part(self, email: str) -> Job:
        """Less than half of it, so that a second one would find money to move."""
        paid = self._price()
        charge = self._outside.stripe.ask("sell", email=email, amount=paid)
        part = Money(self._chance.randint(1, paid * 2 // 5), CURRENCY)
        yield from self._refund(email, OrderRef(STRIPE, charge), part)

    def _refund_in_full(self, email: str) -> Job:
        charge = self._outside.stripe.ask("sell", email=email, amount=self._price())
        yield from self._refund(email, OrderRef(STRIPE, charge))

    def _refund_by_time(self, email: str) -> Job:
        charge = self._outside.stripe.ask("subscribe", email=email, amount=self._price())
        yield from self._refund(email, OrderRef(STRIPE, charge))

    def _refund_a_joined_sale(self, email: str) -> Job:
        """Sold at the store, paid at the gateway: the money goes back there, the access here."""
        amount = self._price()
        sold = self._outside.systeme_io.ask("sell", email=email, amount=amount)
        self._outside.stripe.ask("sell", email=email, amount=amount)
        order = OrderRef(SYSTEME_IO, str(sold["order"]))
        yield from self._until_known(order)
        yield from self._refund(email, order)

    def _refund_outside(self, email: str) -> Job:
        """Somebody refunds in the gateway's dashboard, in full or a part."""
        paid = self._price()
        charge = self._outside.stripe.ask("sell", email=email, amount=paid)
        if self._chance.random() < 0.5:
            self._outside.desk.ask("ask", email=email)
        yield
        amount = paid if self._chance.random() < 0.5 else self._chance.randint(1, paid)
        made = self._outside.stripe.ask("refund_outside", charge=charge, amount=amount)
        self.done.outside[made] = charge

    def _cancel_a_sale(self, email: str) -> Job:
        sold = self._outside.systeme_io.ask("sell", email=email, amount=self._price())
        if self._chance.random() < 0.5:
            yield from self._until_known(OrderRef(SYSTEME_IO, str(sold["order"])))
        self._outside.systeme_io.ask("cancel", item=sold["item"])
        self.done.cancelled.append(email)

    def _tag_and_untag(self, email: str) -> Job:
        """A tag that opens a course comes, and goes again; the course must go with it."""
        contact = self._outside.systeme_io.ask("tag", email=email)
        later = self._parts.clock.now() + timedelta(seconds=5)
        while self._parts.clock.now() < later:
            yield
        if self._chance.random() < 0.7:
            self._outside.systeme_io.ask("untag", contact=contact)

    def _dispute(self, email: str) -> Job:
        """A sale that is disputed; the bank decides it one way or the other, or not yet."""
        amount = self._price()
        sold = self._outside.systeme_io.ask("sell", email=email, amount=amount)
        charge = self._outside.stripe.ask("sell", email=email, amount=amount)
        if self._chance.random() < 0.5:
            yield from self._until_known(OrderRef(SYSTEME_IO, str(sold["order"])))
        dispute = str(self._outside.stripe.ask("dispute", charge=charge))
        yield
        status = self._chance.choice(("won", "lost", "needs_response"))
        if status != "needs_response":
            self._outside.stripe.ask("close_dispute", dispute=dispute, status=status)
        if status == "lost":
            self.done.lost[dispute] = email

    def _price(self) -> int:
        return self._chance.randint(500, 50_000)

    # --- as an agent does it ----------------------------------------------------------------------

    def _until_known(self, order: OrderRef) -> Job:
        while True:
            with suppress(DBAPIError), self._parts.house.storage.read(self._scene.tenant_id) as uow:
                if uow.orders.get(order) is not None:
                    return
            yield

    def _refund(self, email: str, order: OrderRef, part: Money | None = None) -> Job:
        ticket = TicketId(self._outside.desk.ask("ask", email=email))
        reader = Reader("en", DESK, ticket, self._chance.random() < 0.5, "Kim Agent")
        while True:
            with suppress(DBAPIError):
                found = self._find(email, order)
                plan = None if found is None else self._plan(found, part, reader)
                if plan is not None:
                    break
            yield
        yield
        while (is_decided := self._decide(plan, email, reader)) is None:
            yield
        if not is_decided:
            yield from self._refund(email, order, part)

    def _find(self, email: str, order: OrderRef) -> FoundOrder | None:
        parts = self._parts
        find = FindOrders(parts.house.storage, parts.platforms, self._gather)
        return find(self._scene.tenant_id, Search(emails=(email,)), self._now()).get(order)

    def _plan(self, found: FoundOrder, part: Money | None, reader: Reader) -> Plan | None:
        """A plan as the panel asks for it; None where a store was silent just now."""
        order, parts = found.order, self._parts
        assert reader.ticket is not None
        lines = tuple(line.ref for line in order.lines)
        kind = AmountKind.POLICY if part is None else AmountKind.FREE
        request = RefundRequest(
            id=request_id_for(DESK, reader.ticket, order),
            order=order.ref,
            customer=customer_key(order.email),
            channel=Channel.TICKET,
            asked_at=self._now(),
            ticket=reader.ticket,
            desk=DESK,
        )
        planned = PlanRefund(parts.house.storage, parts.platforms, self._gather)(
            self._scene.tenant_id,
            found,
            request,
            Choice(lines, kind, part),
            reader,
            PlanId(parts.mint.id()),
            self._now(),
        )
        return planned.outcome if isinstance(planned.outcome, Plan) else None

    def _decide(self, plan: Plan, email: str, reader: Reader) -> bool | None:
        """Whether the plan is decided now. None where the database went away: ask once more."""
        ports = self._parts.house.storage, self._parts.platforms, self._gather
        decide = DecideRefund(ports[0], FindOrders(*ports), PlanRefund(*ports))
        clicks = 2 if self._chance.random() < 0.1 else 1
        times = 0
        is_decided = False
        for _ in range(clicks):
            try:
                decision = decide(
                    self._scene.tenant_id,
                    plan.id,
                    plan.hash,
                    Search(emails=(email,)),
                    reader,
                    PlanId(self._parts.mint.id()),
                    self._now(),
                )
            except DBAPIError:
                return None  # perhaps it was decided: the same plan tells
            times += isinstance(decision, Decided)
            is_decided = is_decided or isinstance(decision, Decided | AlreadyDecided)
        if is_decided:
            self.done.decided[plan.id] = (email, plan.amount.minor)
            self.done.decided_twice += max(0, times - 1)
        return is_decided

    def _now(self) -> datetime:
        """Ten seconds ago: what is decided is due at once; kills land in calls, not in waits."""
        return self._parts.clock.now() - _EARLIER
