"""What the panel reads before it answers: ticket, agent, orders, and how far a refund is.

The ticket, its requester and the agent's right to see it are read back through the desk's API, for
seconds only, and only to look, from memory; what the page says of them is a claim. Writes nothing
but what the stores told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from plugin.domain.errors import MakegoodError
from plugin.domain.facts import Refunded, RefundFailed
from plugin.domain.ids import (
    AgentId,
    AgentRef,
    CustomerKey,
    InstallationId,
    RunId,
    TenantId,
    TicketId,
    customer_key,
)
from plugin.domain.money import total
from plugin.domain.orders import Order, OrderRef
from plugin.domain.refunds import IN_FLIGHT, Refund, RefundState
from plugin.domain.requests import Channel, RefundRequest
from plugin.ports import Agent, ServesPanel, Ticket
from plugin.ports.pairing import ReadsSharedTickets
from plugin.ports.records import Installation, Tenant
from plugin.ports.storage import UnitOfWork
from plugin.services.find_orders import (
    Evidence,
    FindOrders,
    FoundOrder,
    FoundOrders,
    Search,
    is_strong,
)
from plugin.services.plan_refund import (
    Reader,
    judge,
    ledger_for_order,
    request_id_for,
    unshown,
)
from plugin.services.refund_rights import RefundRights, rights_of
from plugin.services.what_went_back import as_known
from plugin.web.context import WebContext
from plugin.web.desk_memory import DeskMemory
from plugin.web.views import panel_view as view
from plugin.web.views.build_orders import Standing, Telling, build_orders, build_who
from plugin.web.views.build_quiet import build_told
from plugin.web.views.build_timeline import Progress
from plugin.web.views.panel_parts import OrdersBlock, Who

STALE = timedelta(minutes=1)
"""Older than this, what a store told is asked for again; also how often a silent store is asked."""
NOBODY = Agent(AgentId(""), "", "unpaired", active=True)
"""Who looks where the desk did not prove who it is. This role may look only."""
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")


@dataclass(frozen=True, slots=True)
class Sitting:
    """One agent at one ticket, as the session proves it, and the proofs that this agent gave.

    Not `is_proven`: the agent is a claim, and nothing may be read or done in their name.
    """

    tenant: TenantId
    installation: InstallationId
    agent: AgentId
    ticket: TicketId | None
    typed_email: str | None = None
    number: str | None = None
    card_digits: str | None = None
    is_proven: bool = True


class Ask(Enum):
    """Whom to ask, and not to trust what is kept of it."""

    STORES = auto()  # the desk and the stores: a ticket is opened
    WHEN_STALE = auto()  # the stores, where what they told last is old
    DESK = auto()  # the desk: something will be written
    NOBODY = auto()


@dataclass(frozen=True, slots=True)
class Scene:
    """All that was read for one answer. Orders carry what we know went back of them."""

    tenant: Tenant
    desk: Installation
    ticket: Ticket
    agent: Agent
    found: FoundOrders
    search: Search
    tell: Telling
    fresh: bool

    def strong(self, ref: OrderRef | None) -> FoundOrder | None:
        """The order, if this ticket proves whose it is."""
        found = None if ref is None else self.found.get(ref)
        return found if found is not None and is_strong(found.evidence) else None

    def rights(self, decider: AgentRef | None = None) -> RefundRights:
        """What this agent may do about the refund that `decider` started, or about a new one."""
        return rights_of(self.agent, self.desk.connection.installation, decider)

    def first_to_open(self) -> OrderRef | None:
        """The only order there is, or the only one whose number was given, else named."""
        found = self.found.orders
        given = [f for f in found if Evidence.ORDER_NUMBER in f.evidence]
        named = [f for f in found if Evidence.NAMED_NUMBER in f.evidence]
        meant = given or named or found
        return meant[0].order.ref if len(meant) == 1 else None

    def vouched(self, sitting: Sitting, ref: OrderRef | None) -> Sitting:
        """The sitting once its agent gives a proof for this order, at which they looked.

        Where only the ticket names the order's address, that is taken as the agent's word from now
        on: beside the order the panel says so, and whoever proves it believes it.
        """
        found = None if ref is None else self.found.get(ref)
        if found is None or Evidence.NAMED_EMAIL not in found.evidence:
            return sitting
        return replace(sitting, typed_email=self.search.named_email)


@dataclass(frozen=True, slots=True)
class SceneReader:
    """Reads scenes, and what is kept of one order in them."""

    context: WebContext
    find: FindOrders
    memory: DeskMemory = field(default_factory=DeskMemory)

    def read(self, sitting: Sitting, ask: Ask) -> Scene | view.Told:
        """Everything for one answer, or a notice that this ticket cannot be shown."""
        now = self.context.clock.now()
        with self.context.storage.read(sitting.tenant) as uow:
            tenant = uow.settings.tenant()
            installations = uow.installations.all()
        platforms = self.context.platforms
        titles = {i.connection.installation: platforms.title(i.connection) for i in installations}
        tell = Telling(tenant.locale, tenant.time_zone, now, titles)
        desk = next(
            (i for i in installations if i.connection.installation == sitting.installation), None
        )
        port = None if desk is None else platforms.able(desk.connection, ServesPanel)
        if desk is None or port is None or sitting.ticket is None:
            return build_told(tell, "ticket.gone")
        try:
            told = self._ask_desk(port, sitting, sitting.ticket, ask, now)
        except MakegoodError:
            return build_told(tell, "desk.silent")
        if told is None:
            return build_told(tell, "ticket.gone" if sitting.is_proven else "pairing.first")
        ticket, agent = told
        search = Search(
            ticket.emails,
            sitting.typed_email,
            sitting.number,
            sitting.card_digits,
            None if sitting.typed_email else _named_address(ticket),
            f"{ticket.subject}\n{ticket.text}",
        )
        found, fresh = self._find(sitting.tenant, search, ask)
        return Scene(tenant, desk, ticket, agent, found, search, tell, fresh)

    def _ask_desk(
        self, port: ServesPanel, sitting: Sitting, ticket_id: TicketId, ask: Ask, now: datetime
    ) -> tuple[Ticket, Agent] | None:
        """The ticket and the agent, from the desk itself where a person opens or writes."""
        who = sitting.agent if sitting.is_proven else NOBODY.id
        key = (sitting.installation, ticket_id, who)
        may_recall = ask not in (Ask.STORES, Ask.DESK)
        if may_recall and (told := self.memory.recall(key, now)) is not None:
            return told
        agent: Agent | None
        if sitting.is_proven:
            ticket = port.read_ticket(ticket_id, who)
            agent = None if ticket is None else port.read_agent(who)
        else:
            ticket = None
            if isinstance(port, ReadsSharedTickets):
                ticket = port.read_shared_ticket(ticket_id)
            agent = NOBODY
        if ticket is None or agent is None or not agent.active:
            self.memory.forget(key)
            return None
        self.memory.keep(key, ticket, agent, now)
        return ticket, agent

    def _find(self, tenant: TenantId, search: Search, ask: Ask) -> tuple[FoundOrders, bool]:
        now = self.context.clock.now()
        found = None if ask is Ask.STORES else self.find.recall(tenant, search, now)
        fresh = found is None or (ask is Ask.WHEN_STALE and _is_stale(found))
        if found is None or fresh:
            found = self.find(tenant, search, now)
        with self.context.storage.read(tenant) as uow:
            known = [
                as_known(uow, one.order, uow.facts.of_customer(one.order.customer))
                for one in found.orders
            ]
        pairs = zip(found.orders, known, strict=True)
        return replace(found, orders=tuple(replace(f, order=o) for f, o in pairs)), fresh

    def read_again(self, scene: Scene) -> Scene:
        """The scene after something was written: the orders as they are kept now."""
        found, _ = self._find(scene.tenant.id, scene.search, Ask.NOBODY)
        return replace(scene, found=found)

    # --- one order of it --------------------------------------------------------------------------

    def progress(self, scene: Scene, order: Order) -> Progress | None:
        """The decided plan on `order`, by whomever, that is under way, else the latest one.

        None where there is none, or all of it was taken back.
        """
        with self.context.storage.read(scene.tenant.id) as uow:
            refunds = uow.refunds.of_order(order.ref)
            alive = [r for r in refunds if r.state is not RefundState.WITHDRAWN]
            if not alive:
                return None
            latest = max(alive, key=lambda r: (r.state in IN_FLIGHT, r.send_at, r.id)).plan
            of_plan = [r for r in refunds if r.plan == latest]
            stored = uow.plans.get(latest)
            if stored is None:
                return None
            paid = [part.payment for part in stored.plan.parts]
            of_plan.sort(key=lambda refund: paid.index(refund.payment))
            hand = next((r for r in of_plan if r.state is RefundState.MANUAL), None)
            payer = uow.installations.get(hand.payment.installation) if hand else None
            return Progress(
                order,
                stored,
                scene.rights(stored.decider),
                uow.requests.get(stored.request),
                of_plan,
                uow.refunds.moves(latest),
                uow.effects.of_run(RunId(latest)),
                self.context.platforms.worksheet(payer.connection) if payer else (),
                order.name or order.email,
                [refund.id for refund in unshown(uow, order) if refund.plan == latest],
            )

    def request(self, uow: UnitOfWork, sitting: Sitting, found: FoundOrder) -> RefundRequest:
        """The request that this ticket makes about this order: one, kept from the first look on."""
        ticket = sitting.ticket or TicketId("")
        order = found.order
        known = uow.requests.for_ticket(sitting.installation, ticket, order.ref)
        if known is not None:
            return known
        return RefundRequest(
            id=request_id_for(sitting.installation, ticket, order),
            order=order.ref,
            customer=order.customer,
            channel=Channel.TICKET,
            asked_at=self.context.clock.now(),
            ticket=sitting.ticket,
            desk=sitting.installation,
        )

    def reader(self, scene: Scene, sitting: Sitting) -> Reader:
        """Who will read what a plan sends, and where."""
        can_reply = self.context.platforms.can(scene.desk.connection, "reply")
        return Reader(
            scene.ticket.locale,
            sitting.installation,
            sitting.ticket,
            can_reply,
            scene.agent.name,
            scene.agent.id,
        )

    # --- the upper half ---------------------------------------------------------------------------

    def upper(
        self, scene: Scene, sitting: Sitting, opened: OrderRef | None
    ) -> tuple[Who, OrdersBlock | None]:
        """Who writes, and the orders; no list where nothing was found."""
        tell = scene.tell
        orders = [f.order for f in scene.found.orders]
        with self.context.storage.read(sitting.tenant) as uow:
            standing = {order.ref: _standing(uow, order, tell) for order in orders}
            earlier = sum(
                _refunds_in_a_year(uow, customer, tell)
                for customer in {order.customer for order in orders}
            )
        email = scene.ticket.emails[0] if scene.ticket.emails else ""
        who = build_who(tell, scene.ticket.name, email, scene.found, earlier, opened)
        return who, build_orders(tell, scene.found, standing, opened) if orders else None


def _standing(uow: UnitOfWork, order: Order, tell: Telling) -> Standing:
    flying: Sequence[Refund] = [
        refund for refund in uow.refunds.of_order(order.ref) if refund.state in IN_FLIGHT
    ]
    return Standing(
        judge(uow, order, tell.now),
        ledger_for_order(uow, order, tell.now),
        total((refund.amount for refund in flying), order.currency),
    )


def _refunds_in_a_year(uow: UnitOfWork, customer: CustomerKey, tell: Telling) -> int:
    """Refunds of the last twelve months that did not come back, whoever made them."""
    facts = uow.facts.of_customer(customer)
    failed = {(f.order, f.refund) for f in facts if isinstance(f, RefundFailed)}
    refunds = {
        (fact.order, fact.refund)
        for fact in facts
        if isinstance(fact, Refunded) and tell.now - fact.at < timedelta(days=365)
    }
    return len(refunds - failed)


def _is_stale(found: FoundOrders) -> bool:
    """Whether to ask again: nothing is known, or what is known is a minute old."""
    oldest = min((f.order.read_at for f in found.orders), default=None)
    return oldest is None or found.read_at - oldest > STALE


def _named_address(ticket: Ticket) -> str | None:
    """Another address that the ticket names: worth a look, and never a proof."""
    own = {customer_key(email) for email in ticket.emails}
    named = (customer_key(found) for found in _ADDRESS.findall(ticket.text))
    return next((address for address in named if address not in own), None)
