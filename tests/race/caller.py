"""A process full of callers: agents who plan, press, and press again; and workers who send.

Started as `python -m tests.race.caller HOUSE`. Agents act through the use case, as the web does, or
at the real panel, through the app's own routes.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from flask import Flask

from plugin.app import Parts, create_app, worker_tasks
from plugin.chance import Threads
from plugin.domain.ids import PlanId, TicketId, customer_key
from plugin.domain.money import Money
from plugin.domain.orders import LineRef, OrderRef
from plugin.domain.plan import AmountKind, Choice, Plan
from plugin.domain.requests import Channel, RefundRequest
from plugin.services.decide_refund import (
    AlreadyDecided,
    ChangedSince,
    Decided,
    DecideRefund,
    Held,
    PlanGone,
    WeakMatch,
)
from plugin.services.find_orders import FindOrders, Search
from plugin.services.plan_refund import PlanRefund, Reader, request_id_for
from tests.journey.sidebar import Page, Sidebar
from tests.kill.peers import obey
from tests.race.lane import Lane, Said
from tests.race.planted import DecideUnguarded
from tests.shared_house import DESK, STRIPE, SharedHouse

ANSWER_SECONDS = 120.0
"""Far beyond what a hundred callers take: who has no answer by then never gets one."""
PRESSES = 12
"""How often the most patient agent presses again."""
Words = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Agent:
    """Who presses for which order, from which ticket. Comes and goes as plain words."""

    charge: str
    email: str
    ticket: str
    name: str

    @classmethod
    def of(cls, words: Words) -> Agent:
        return cls(**{name: words[name] for name in ("charge", "email", "ticket", "name")})

    @property
    def search(self) -> Search:
        return Search(emails=(self.email,), number=self.charge)

    @property
    def reader(self) -> Reader:
        return Reader("en-US", DESK, TicketId(self.ticket), can_reply=True, agent=self.name)


@dataclass(slots=True)
class Callers:
    """What this process does when it is told to."""

    house: SharedHouse
    parts: Parts
    app: Flask
    decide: type[DecideRefund]
    tasks: Mapping[str, Callable[[str, str], None]]
    gather: Threads = field(default_factory=Threads)
    sidebars: dict[str, Sidebar] = field(default_factory=dict)
    lane: Lane | None = None

    # --- before the race --------------------------------------------------------------------------

    def plan(self, agents: list[Words]) -> list[Words]:
        """A plan for each, and the hash that its button carries."""
        return [self._planned(words) for words in agents]

    def _planned(self, words: Words) -> Words:
        parts, agent = self.parts, Agent.of(words)
        storage, now = parts.house.storage, parts.clock.now()
        ref = OrderRef(STRIPE, agent.charge)
        find = FindOrders(storage, parts.platforms, self.gather)
        found = find(self.house.tenant_id, agent.search, now).get(ref)
        assert found is not None, agent.charge
        ticket = TicketId(agent.ticket)
        request = RefundRequest(
            id=request_id_for(DESK, ticket, found.order),
            order=ref,
            customer=customer_key(agent.email),
            channel=Channel.TICKET,
            asked_at=now,
            ticket=ticket,
            desk=DESK,
        )
        lines = tuple(line.ref for line in found.order.lines)
        choice = Choice(lines, AmountKind.POLICY)
        if words["amount"] is not None:
            free = Money(words["amount"], found.order.currency)
            choice = Choice(lines, AmountKind.FREE, free)
        elif words["line"] is not None:
            choice = Choice((LineRef(ref, words["line"]),), AmountKind.POLICY)
        planned = PlanRefund(storage, parts.platforms, self.gather)(
            self.house.tenant_id,
            found,
            request,
            choice,
            agent.reader,
            PlanId(parts.mint.id()),
            now,
        )
        assert isinstance(planned.outcome, Plan), planned.outcome
        return {"plan": planned.outcome.id, "hash": planned.outcome.hash}

    def sit_down(self, token: str, ticket: str, amount: int) -> Words:
        """An agent opens the ticket in the panel and chooses an amount. What her button carries."""
        client = self.app.test_client()
        entered = client.post(f"/panel/zendesk/{DESK}", data={"token": token})
        sidebar = Sidebar(client, Page(entered.status_code, entered.text))
        sidebar.press("open", ticket=ticket)
        sidebar.choose(amount="free", free=f"{amount // 100}.{amount % 100:02}")
        self.sidebars[ticket] = sidebar
        button = sidebar.page.form("refund").fields
        return {"plan": button["plan"], "hash": button["hash"]}

    # --- the race ---------------------------------------------------------------------------------

    def line_up(self, calls: list[Words], places: int) -> int:
        """Have a caller wait at the barrier for each call."""
        does: dict[str, Callable[[Words], Said]] = {
            "click": self._click,
            "press": self._press,
            "send": self._send,
        }
        self.lane = Lane(calls, lambda call: does[call["do"]](call), places)
        return len(calls)

    def go(self) -> list[Said]:
        """Let them all go. What each was answered."""
        assert self.lane is not None
        answers, self.lane = self.lane.run(ANSWER_SECONDS), None
        return answers

    def _click(self, call: Words) -> Said:
        """Decide a plan; the patient press again for as long as a new plan is offered."""
        agent, plan, shown = Agent.of(call), call["plan"], call["hash"]
        for _ in range(PRESSES if call["patient"] else 1):
            ports = (self.parts.house.storage, self.parts.platforms, self.gather)
            decide = self.decide(ports[0], FindOrders(*ports), PlanRefund(*ports))
            decision = decide(
                self.house.tenant_id,
                PlanId(plan),
                shown,
                agent.search,
                agent.reader,
                PlanId(self.parts.mint.id()),
                self.parts.clock.now(),
            )
            match decision:
                case Decided(decided):
                    return {"said": "decided", "plan": decided.id}
                case AlreadyDecided():
                    return {"said": "already"}
                case ChangedSince(_, now) if isinstance(now.outcome, Plan):
                    plan, shown = now.outcome.id, now.outcome.hash
                case ChangedSince(_, now):
                    return {"said": "blocked"}
                case WeakMatch() | PlanGone() | Held():
                    return {"said": type(decision).__name__}
        return {"said": "changed"}

    def _press(self, call: Words) -> Said:
        """The button in the panel. Tells the status, and whose refund the page then shows."""
        sidebar = self.sidebars.pop(call["ticket"])
        page = sidebar.press("refund")
        # Only the winner may undo; the timeline goes on for whoever looks.
        shown = page.form("timeline").fields.get("refund", "") if page.has("timeline") else ""
        return {"said": f"page {page.status}", "shows": shown}

    def _send(self, call: Words) -> Said:
        """What a worker does for a refund that is due."""
        self._work("refund", call["ref"])
        return {"said": "sent"}

    # --- after the race ---------------------------------------------------------------------------

    def work(self, rows: list[tuple[str, str]]) -> int:
        """What a worker does for each due row, one after the other."""
        for kind, ref in rows:
            self._work(kind, ref)
        return len(rows)

    def _work(self, kind: str, ref: str) -> None:
        self.tasks[kind](self.house.tenant, ref)


def main(house_file: str) -> None:
    house = SharedHouse.read(house_file)
    parts = house.parts()
    logging.getLogger().setLevel(logging.ERROR)
    decide: type[DecideRefund] = DecideRefund
    if house.planted:
        decide = DecideUnguarded
        mock.patch("plugin.web.panel_flow.DecideRefund", DecideUnguarded).start()
    callers = Callers(house, parts, create_app(parts=parts), decide, worker_tasks(parts))
    orders: dict[str, Callable[..., Any]] = {
        "plan": callers.plan,
        "sit_down": callers.sit_down,
        "line_up": callers.line_up,
        "go": callers.go,
        "work": callers.work,
    }
    obey(orders, {"ready": True})
    parts.house.engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
