"""A process of the house: the door where webhooks arrive, or a worker that sends refunds.

Started as `python -m tests.overtake.room door|worker HOUSE`.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest import mock

from flask import Flask
from sqlalchemy import select
from werkzeug.serving import make_server

from plugin.app import Parts, create_app, worker_tasks
from plugin.chance import Threads
from plugin.domain.ids import PlanId, TicketId, customer_key
from plugin.domain.money import Money
from plugin.domain.orders import OrderRef, PaymentRef
from plugin.domain.plan import AmountKind, Choice, Plan
from plugin.domain.refunds import UNDO_SECONDS
from plugin.domain.requests import Channel, RefundRequest
from plugin.services import apply_payment_news
from plugin.services.decide_refund import Decided, DecideRefund
from plugin.services.find_orders import FindOrders, Search
from plugin.services.plan_refund import PlanRefund, Reader, request_id_for
from plugin.storage import tables as t
from tests.kill.drain import reading
from tests.kill.peers import obey
from tests.shared_house import DESK, STRIPE, SharedHouse

Words = dict[str, Any]
_EARLIER = timedelta(seconds=UNDO_SECONDS)


@dataclass(frozen=True, slots=True)
class Room:
    """What this process does when it is told to."""

    house: SharedHouse
    parts: Parts
    tasks: Mapping[str, Callable[[str, str], None]]
    gather: Threads = field(default_factory=Threads)

    def refund(self, charge: str, email: str, ticket: str, amount: int) -> str:
        """Plan, decide, and send: the refund's id. Returns when our call was answered, or broke."""
        refund = self.decide(charge, email, ticket, amount)
        self.tasks["refund"](self.house.tenant_id, refund)
        return refund

    def decide(self, charge: str, email: str, ticket: str, amount: int) -> str:
        """Plan and decide: the refund's id. It is due at once."""
        parts, tenant, storage = self.parts, self.house.tenant_id, self.parts.house.storage
        # Decided ten seconds ago: what is decided is due at once.
        now = parts.clock.now() - _EARLIER
        search = Search(emails=(email,), number=charge)
        reader = Reader("en-US", DESK, TicketId(ticket), can_reply=True, agent="Kim Agent")
        find = FindOrders(storage, parts.platforms, self.gather)
        found = find(tenant, search, now).get(OrderRef(STRIPE, charge))
        assert found is not None, charge
        order = found.order
        request = RefundRequest(
            id=request_id_for(DESK, TicketId(ticket), order),
            order=order.ref,
            customer=customer_key(email),
            channel=Channel.TICKET,
            asked_at=now,
            ticket=TicketId(ticket),
            desk=DESK,
        )
        lines = tuple(line.ref for line in order.lines)
        choice = Choice(lines, AmountKind.FREE, Money(amount, order.currency))
        ids = [PlanId(parts.mint.id()) for _ in range(2)]
        planner = PlanRefund(storage, parts.platforms, self.gather)
        plan = planner(tenant, found, request, choice, reader, ids[0], now).outcome
        assert isinstance(plan, Plan), plan
        find = FindOrders(storage, parts.platforms, self.gather)
        decide = DecideRefund(storage, find, planner)
        decided = decide(tenant, plan.id, plan.hash, search, reader, ids[1], now)
        assert isinstance(decided, Decided), decided
        return decided.refunds[0].id

    def refunds(self, orders: list[Words]) -> list[str]:
        """One after the other."""
        return [self.refund(**order) for order in orders]

    def dispatch(self, charge: str, names: list[str]) -> Words:
        """Work on these deliveries, as they are due. How far they are, and how far our refund."""
        with reading(self.parts) as db:
            wanted = select(t.deliveries.c.name, t.deliveries.c.id)
            rows = db.execute(wanted.where(t.deliveries.c.name.in_(names)))
            found = {row.name: row.id for row in rows}
        for name in names:
            self.tasks["delivery"](self.house.tenant, found[name])
        with reading(self.parts) as db:
            states = select(t.deliveries.c.state).where(t.deliveries.c.name.in_(names))
            told = sorted(db.scalars(states))
        with self.parts.house.storage.read(self.house.tenant_id) as uow:
            [refund] = uow.refunds.of_payment(PaymentRef(STRIPE, charge))
        return {"deliveries": told, "refund": refund.state}

    def work(self, rows: list[tuple[str, str]]) -> int:
        """What a worker does for each due row."""
        for kind, ref in rows:
            self.tasks[kind](self.house.tenant, ref)
        return len(rows)


def forget_echoes() -> None:
    """The planted bug: no news of a refund is recognised as news of our own."""
    mock.patch.object(apply_payment_news, "_our_refund", return_value=None).start()
    mock.patch.object(apply_payment_news, "_may_be_echo", return_value=False).start()


def main(kind: str, house_file: str) -> None:
    house = SharedHouse.read(house_file)
    parts = house.parts()
    for name in ("", "werkzeug"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if house.planted:
        forget_echoes()
    room = Room(house, parts, worker_tasks(parts))
    orders: dict[str, Callable[..., Any]] = {
        "refunds": room.refunds,
        "dispatch": room.dispatch,
        "work": room.work,
    }
    with ExitStack() as stack:
        stack.callback(parts.house.engine.dispose)
        if kind == "door":
            _open_door(stack, create_app(parts=parts), house.door)
        obey(orders, {"ready": True})


def _open_door(stack: ExitStack, app: Flask, port: int) -> None:
    server = make_server("127.0.0.1", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    stack.callback(server.shutdown)


if __name__ == "__main__":
    main(*sys.argv[1:])
