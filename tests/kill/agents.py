"""What agents do at the door, in the process that is killed there: plan, decide, undo, attest.

The same use cases and the panel's own moves that the web calls, behind plain JSON. Keeps nothing:
who presses again after a crash sends the same words again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request

from plugin.app import Parts
from plugin.chance import Threads
from plugin.domain.ids import AgentId, InstallationId, PlanId, TenantId, TicketId, customer_key
from plugin.domain.money import Money
from plugin.domain.orders import OrderRef
from plugin.domain.plan import AmountKind, Choice, Plan
from plugin.domain.refunds import UNDO_SECONDS
from plugin.domain.requests import Channel, GuidedStep, RefundRequest
from plugin.services.decide_refund import DecideRefund, UndoRefund
from plugin.services.find_orders import FindOrders, Search
from plugin.services.plan_refund import PlanRefund, Reader, request_id_for
from plugin.services.sweep_account import SweepSoon
from plugin.web.context import WebContext
from plugin.web.panel_choice import Picked
from plugin.web.panel_flow import PanelFlow
from plugin.web.panel_scene import Sitting
from plugin.web.views.build_orders import order_key
from tests.kill.scene import DESK
from tests.platforms.zendesk.data import AGENT

CURRENCY = "EUR"
NAME = "Kim Agent"
_EARLIER = timedelta(seconds=UNDO_SECONDS)
Words = Mapping[str, Any]
"""Of each press: `email`, `ticket`, `order`; and what the press needs beside."""


@dataclass(slots=True)
class Agents:
    """The presses, each answered with what it brought."""

    parts: Parts
    tenant: TenantId
    gather: Threads = field(default_factory=lambda: Threads(4))

    def plan(self, words: Words) -> dict[str, Any] | None:
        """A plan as the panel asks for it; None where a store was silent just now."""
        parts, order, reader = self.parts, _order(words), _reader(words)
        find = FindOrders(*self._ports)
        found = find(self.tenant, Search(emails=(words["email"],)), self._now()).get(order)
        if found is None:
            return None
        part = None if words["part"] is None else Money(words["part"], CURRENCY)
        kind = AmountKind.POLICY if part is None else AmountKind.FREE
        assert reader.ticket is not None
        asked = RefundRequest(
            id=request_id_for(DESK, reader.ticket, found.order),
            order=order,
            customer=customer_key(found.order.email),
            channel=Channel.TICKET,
            asked_at=self._now(),
            ticket=reader.ticket,
            desk=DESK,
        )
        plan = PlanRefund(*self._ports)(
            self.tenant,
            found,
            asked,
            Choice(tuple(line.ref for line in found.order.lines), kind, part),
            reader,
            PlanId(parts.mint.id()),
            self._now(),
        ).outcome
        if not isinstance(plan, Plan):
            return None
        return {"plan": plan.id, "hash": plan.hash, "amount": plan.amount.minor}

    def decide(self, words: Words) -> str:
        """How it was decided. `undoable`: not before the ten seconds are over it is sent."""
        find, plan = FindOrders(*self._ports), PlanRefund(*self._ports)
        decision = DecideRefund(self.parts.house.storage, find, plan)(
            self.tenant,
            PlanId(words["plan"]),
            words["hash"],
            Search(emails=(words["email"],)),
            _reader(words),
            PlanId(self.parts.mint.id()),
            self.parts.clock.now() if words["undoable"] else self._now(),
        )
        return type(decision).__name__

    def undo(self, words: Words) -> bool:
        undo = UndoRefund(self.parts.house.storage)
        return undo(self.tenant, PlanId(words["plan"]), NAME, self.parts.clock.now())

    def tick(self, words: Words) -> bool | None:
        """Open the ticket and tick all guided steps. None where a store was silent just now."""
        steps = [step.value for step in GuidedStep]
        picked = Picked(order_key(_order(words)))
        sitting, panel = self._sitting(words), self._panel()
        panel.show(sitting, picked)
        return None if panel.steps(sitting, picked, steps).opened is None else True

    def look(self, words: Words) -> bool | None:
        """Have an unknown refund looked up now. None where the desk was silent just now."""
        key = order_key(_order(words))
        picture = self._panel().look(self._sitting(words), key, words["plan"])
        return None if picture.opened is None else True

    def attest(self, words: Words) -> bool | None:
        """Say that what goes back by hand did. None where the desk was silent just now."""
        key, plan = order_key(_order(words)), words["plan"]
        picture = self._panel().attest(self._sitting(words), key, plan, "", paid=True)
        return None if picture.opened is None else True

    def sweep(self, words: Words) -> bool:
        """Have missed events of an account looked for now."""
        soon = SweepSoon(self.parts.house.storage)
        account = InstallationId(words["installation"])
        return soon(self.tenant, account, NAME, self.parts.clock.now())

    @property
    def _ports(self) -> tuple[Any, Any, Any]:
        return self.parts.house.storage, self.parts.platforms, self.gather

    def _panel(self) -> PanelFlow:
        parts = self.parts
        return PanelFlow(
            WebContext(
                parts.settings,
                parts.house.storage,
                parts.platforms,
                parts.registry,
                self.gather,
                parts.clock,
                parts.mint,
                assets={},
                signing_keys=parts.house.signing_keys,
            )
        )

    def _sitting(self, words: Words) -> Sitting:
        return Sitting(self.tenant, DESK, AgentId(str(AGENT)), TicketId(words["ticket"]))

    def _now(self) -> datetime:
        """Ten seconds ago: what is decided is due at once; kills land in calls, not in waits."""
        return self.parts.clock.now() - _EARLIER


def agents_blueprint(agents: Agents) -> Blueprint:
    """`POST /agents/<do>`, words in and what it brought out, as JSON."""
    blueprint = Blueprint("agents", __name__)
    presses: dict[str, Callable[[Words], object]] = {
        "plan": agents.plan,
        "decide": agents.decide,
        "undo": agents.undo,
        "tick": agents.tick,
        "look": agents.look,
        "attest": agents.attest,
        "sweep": agents.sweep,
    }

    @blueprint.post("/agents/<do>")
    def press(do: str) -> Response:
        if do not in presses:
            abort(404)
        return jsonify(presses[do](request.get_json()))

    return blueprint


def _order(words: Words) -> OrderRef:
    installation, ref = words["order"]
    return OrderRef(InstallationId(installation), ref)


def _reader(words: Words) -> Reader:
    return Reader("en", DESK, TicketId(words["ticket"]), words["replies"], NAME)
