"""What the panel shows and does for one agent at one ticket: use cases in, one `Panel` out.

Knows no request and no response. The ticket, its requester and the agent's right to see it are read back
through the desk's API; what the page says of them is a claim. Money moves only through `decide_refund`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from plugin.domain.errors import InvalidInput, MakegoodError
from plugin.domain.ids import (
    AgentId,
    InstallationId,
    PlanId,
    RequestId,
    RunId,
    TenantId,
    TicketId,
    customer_key,
    digest,
)
from plugin.domain.ledger import open_disputes
from plugin.domain.money import parse_amount
from plugin.domain.orders import LineRef, OrderRef
from plugin.domain.plan import AmountKind, Blocked, BlockedBy, Choice, Plan
from plugin.domain.refunds import IN_FLIGHT, Refund, RefundState
from plugin.domain.requests import (
    Channel,
    GuidedStep,
    Reason,
    RefundRequest,
    tick,
    untick,
)
from plugin.ports import Agent, ServesPanel, Ticket
from plugin.ports.storage import Installation, StoredPlan, Tenant, UnitOfWork
from plugin.services.decide_refund import (
    AlreadyDecided,
    ChangedSince,
    DecideRefund,
    Decided,
    PlanGone,
    UndoRefund,
    WeakMatch,
)
from plugin.services.find_orders import FindOrders, FoundOrder, FoundOrders, Search, is_strong
from plugin.services.plan_refund import PlanRefund, Preview, Reader, judge, ledger_of
from plugin.services.settle_refund import attest_by_hand
from plugin.web.context import WebContext
from plugin.web.views import panel_view as view
from plugin.web.views.build_orders import (
    Telling,
    build_head,
    build_orders,
    build_who,
    order_key,
    order_of_key,
)
from plugin.web.views.build_plan import Typed, build_open_order
from plugin.web.views.build_progress import Progress, build_changed, build_progress, is_over
from plugin.web.views.panel_blocks import Decide
from plugin.web.views.panel_parts import (
    Ask,
    Copy,
    Icon,
    Notice,
    OrdersBlock,
    Press,
    Tone,
    Who,
)

ACTOR = "agent"


@dataclass(frozen=True, slots=True)
class Sitting:
    """One agent at one ticket, as the session proves it, and the proofs that were typed."""

    tenant: TenantId
    installation: InstallationId
    agent: AgentId
    ticket: TicketId | None
    typed_email: str | None = None
    number: str | None = None
    card_digits: str | None = None


@dataclass(frozen=True, slots=True)
class Picked:
    """The choice as the form gave it. Everything is text from outside until it is checked here."""

    order: str
    lines: tuple[str, ...] = ()
    amount: str = ""
    free: str = ""
    reason: str = ""
    sub: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """What to answer: the lower half and its upper half, the status, and the sitting to go on with."""

    state: view.PanelState
    sitting: Sitting
    scene: Scene | None
    status: int = 200
    opened: OrderRef | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """All that was read for one answer."""

    tenant: Tenant
    desk: Installation
    ticket: Ticket
    agent: Agent
    found: FoundOrders
    search: Search
    tell: Telling


@dataclass(frozen=True, slots=True)
class PanelFlow:
    """The panel's moves. Each reads what it needs and answers with one picture."""

    context: WebContext

    # --- moves ------------------------------------------------------------------------------------

    def show(self, sitting: Sitting, *, order: str = "", fresh: bool = True, again: bool = False) -> Picture:
        """The list, and the order that is open: the one named, or the only one there is."""
        scene = self._scene(sitting, fresh=fresh)
        if isinstance(scene, view.Told):
            return Picture(scene, sitting, None)
        picture = self._open(scene, sitting, order_of_key(order), again=again)
        if not fresh and isinstance(picture.state, view.Done):
            # What was kept is from before the refund; the end is shown as the store tells it now.
            return self.show(sitting, order=order, again=again)
        return picture

    def plan(self, sitting: Sitting, picked: Picked) -> Picture:
        """Work the plan out again for what is ticked and typed now."""
        scene = self._scene(sitting, fresh=False)
        if isinstance(scene, view.Told):
            return Picture(scene, sitting, None)
        return self._open(scene, sitting, order_of_key(picked.order), picked)

    def refund(self, sitting: Sitting, picked: Picked, plan_id: str, shown_hash: str) -> Picture:
        """Decide the plan that the button was pressed for."""
        scene = self._scene(sitting, fresh=True)
        if isinstance(scene, view.Told):
            return Picture(scene, sitting, None)
        ref = order_of_key(picked.order)
        found = None if ref is None else scene.found.get(ref)
        if found is None:
            return self._open(scene, sitting, ref, status=409)
        with self.context.storage.read(sitting.tenant) as uow:
            stored = uow.plans.get(PlanId(plan_id))
        if stored is None or (picked.amount and self._differs(found, stored.plan, picked)):
            return self._open(scene, sitting, ref, picked, status=409)
        return self._decided(scene, sitting, found, stored, shown_hash)

    def _decided(
        self, scene: Scene, sitting: Sitting, found: FoundOrder, stored: StoredPlan, shown_hash: str
    ) -> Picture:
        now = self.context.clock.now()
        decision = DecideRefund(self.context.storage, self.context.platforms, self.context.gather)(
            sitting.tenant,
            stored.plan.id,
            shown_hash,
            scene.search,
            self._reader(scene, sitting),
            PlanId(self.context.mint.id()),
            now,
        )
        ref = found.order.ref
        match decision:
            case Decided() | AlreadyDecided():
                return self._open(scene, sitting, ref)
            case ChangedSince(before, current):
                if self._is_under_way(sitting.tenant, ref):
                    return self._open(scene, sitting, ref, status=409)
                state = build_changed(scene.tell, found.order, before, current, found.order.name)
                return Picture(state, sitting, scene, 409, ref)
            case WeakMatch() | PlanGone():
                return self._open(scene, sitting, ref, status=409)

    def undo(self, sitting: Sitting, order: str, plan_id: str) -> Picture:
        """Take it back, if nothing was sent."""
        UndoRefund(self.context.storage)(
            sitting.tenant, PlanId(plan_id), f"{ACTOR} {sitting.agent}", self.context.clock.now()
        )
        return self.show(sitting, order=order, fresh=False)

    def look(self, sitting: Sitting, order: str, plan_id: str) -> Picture:
        """Have the worker look it up now instead of later."""
        now = self.context.clock.now()
        with self.context.storage.begin(sitting.tenant) as uow:
            for refund in uow.refunds.of_plan(PlanId(plan_id)):
                if refund.state in (RefundState.UNKNOWN, RefundState.PENDING):
                    uow.refunds.wake(refund, now)
            uow.commit()
        return self.show(sitting, order=order, fresh=False)

    def attest(self, sitting: Sitting, order: str, plan_id: str) -> Picture:
        """The agent says that she refunded it by hand."""
        now = self.context.clock.now()
        with self.context.storage.begin(sitting.tenant) as uow:
            attest_by_hand(uow, PlanId(plan_id), f"{ACTOR} {sitting.agent}", "attested", now)
            uow.commit()
        return self.show(sitting, order=order, fresh=False)

    def steps(self, sitting: Sitting, order: str, done: Sequence[str]) -> Picture:
        """Keep the guided steps as they are ticked now."""
        ref = order_of_key(order)
        scene = self._scene(sitting, fresh=False)
        if isinstance(scene, view.Told):
            return Picture(scene, sitting, None)
        found = None if ref is None else scene.found.get(ref)
        if found is not None:
            with self.context.storage.begin(sitting.tenant) as uow:
                request = self._request(uow, sitting, found)
                for step in GuidedStep:
                    request = (
                        tick(request, step, sitting.agent, self.context.clock.now())
                        if step.value in done
                        else untick(request, step)
                    )
                uow.requests.save(request)
                uow.commit()
        return self._open(scene, sitting, ref)

    def search(self, sitting: Sitting, typed: str) -> Picture:
        """Look for another address or an order number."""
        text = typed.strip()
        searched = (
            replace(sitting, typed_email=text)
            if "@" in text
            else replace(sitting, number=text.lstrip("#"))
        )
        scene = self._scene(searched, fresh=True)
        if isinstance(scene, view.Told):
            return Picture(scene, searched, None)
        if not scene.found.orders:
            state = self._nothing(scene, text, scene.tell.say("nothing.fault"))
            return Picture(state, sitting, scene, 422)
        return self._open(scene, searched, None)

    def prove(self, sitting: Sitting, order: str, proof: str) -> Picture:
        """One more proof: an order number or the last four digits of the card."""
        text = proof.strip().lstrip("#")
        is_digits = len(text) == 4 and text.isascii() and text.isdecimal()
        candidates = [replace(sitting, number=text)]
        if is_digits:
            candidates.append(replace(sitting, card_digits=text))
        for proven in candidates:
            scene = self._scene(proven, fresh=False)
            if isinstance(scene, view.Told):
                return Picture(scene, proven, None)
            strong = [f for f in scene.found.orders if is_strong(f.evidence)]
            if strong:
                return self._open(scene, proven, strong[0].order.ref)
        return self._open(
            self._must(sitting), sitting, order_of_key(order), fault=True, status=422
        )

    # --- reading ----------------------------------------------------------------------------------

    def _must(self, sitting: Sitting) -> Scene:
        scene = self._scene(sitting, fresh=False)
        if isinstance(scene, view.Told):
            raise MakegoodError("ticket_gone")
        return scene

    def _scene(self, sitting: Sitting, *, fresh: bool) -> Scene | view.Told:
        """Everything for one answer, or a notice that this ticket cannot be shown."""
        now = self.context.clock.now()
        with self.context.storage.read(sitting.tenant) as uow:
            tenant = uow.settings.tenant()
            installations = uow.installations.all()
        desk = next(
            (i for i in installations if i.connection.installation == sitting.installation), None
        )
        titles = {
            i.connection.installation: self.context.platforms.title(i.connection)
            for i in installations
        }
        tell = Telling(tenant.locale, tenant.time_zone, now, titles)
        if desk is None or sitting.ticket is None:
            return _told(tell, "ticket.gone")
        port = self.context.platforms.able(desk.connection, ServesPanel)
        if port is None:
            return _told(tell, "ticket.gone")
        try:
            ticket = port.read_ticket(sitting.ticket, sitting.agent)
            agent = None if ticket is None else port.read_agent(sitting.agent)
        except MakegoodError:
            return _told(tell, "desk.silent")
        if ticket is None or agent is None or not agent.active:
            return _told(tell, "ticket.gone")
        search = Search(
            ticket.emails,
            sitting.typed_email or _named_address(ticket),
            sitting.number,
            sitting.card_digits,
            f"{ticket.subject}\n{ticket.text}",
        )
        finder = FindOrders(self.context.storage, self.context.platforms, self.context.gather)
        found = (
            finder(sitting.tenant, search, now)
            if fresh
            else finder.recall(sitting.tenant, search, now)
        )
        return Scene(tenant, desk, ticket, agent, found, search, tell)

    def _open(
        self,
        scene: Scene,
        sitting: Sitting,
        ref: OrderRef | None,
        picked: Picked | None = None,
        *,
        status: int = 200,
        again: bool = False,
        fault: bool = False,
    ) -> Picture:
        if not scene.found.orders:
            return Picture(self._nothing(scene, ""), sitting, scene, status)
        if ref is None and len(scene.found.orders) == 1:
            ref = scene.found.orders[0].order.ref
        found = None if ref is None else scene.found.get(ref)
        if found is None:
            return Picture(view.OrderList(), sitting, scene, status)
        state = self._order_state(scene, sitting, found, picked, again=again, fault=fault)
        if isinstance(state, view.OpenOrder) and any(a.fault for a in state.amounts):
            status = 422
        return Picture(state, sitting, scene, status, found.order.ref)

    def _order_state(
        self,
        scene: Scene,
        sitting: Sitting,
        found: FoundOrder,
        picked: Picked | None,
        *,
        again: bool,
        fault: bool,
    ) -> view.PanelState:
        """The first of: under way, weak match, store silent, dispute, the open order."""
        order = found.order
        tell = scene.tell
        if not again and (progress := self._progress(sitting, found)) is not None:
            return build_progress(tell, progress)
        if not is_strong(found.evidence):
            return self._weak(scene, found, fault=fault)
        if found.silent:
            return self._offline(scene, found)
        with self.context.storage.read(sitting.tenant) as uow:
            disputes = open_disputes(uow.facts.of_customer(order.customer), order.ref)
            request = self._request(uow, sitting, found)
        if disputes or any(payment.dispute_open for payment in order.payments):
            return self._dispute(scene, found)
        return self._planned(scene, sitting, found, request, picked)

    def _planned(
        self,
        scene: Scene,
        sitting: Sitting,
        found: FoundOrder,
        request: RefundRequest,
        picked: Picked | None,
    ) -> view.OpenOrder:
        now = self.context.clock.now()
        with self.context.storage.read(sitting.tenant) as uow:
            verdict = judge(uow, found.order, now)
        choice, typed = _choice(found, picked, [ref for ref, v in verdict.lines if v.amount])
        if picked is not None and picked.reason in {reason.value for reason in Reason}:
            request = replace(request, reason=Reason(picked.reason))
        preview = PlanRefund(self.context.storage, self.context.platforms, self.context.gather)(
            sitting.tenant,
            found,
            request,
            choice,
            self._reader(scene, sitting),
            PlanId(self.context.mint.id()),
            now,
        )
        if isinstance(preview.outcome, Blocked):
            typed = _fault(scene.tell, choice, typed, preview)
        return build_open_order(
            scene.tell, found.order, request, choice, preview, found.order.name, typed
        )

    def _progress(self, sitting: Sitting, found: FoundOrder) -> Progress | None:
        """The latest decided plan on this order, by whomever, unless nothing of it is left to see."""
        order = found.order
        with self.context.storage.read(sitting.tenant) as uow:
            refunds = uow.refunds.of_order(order.ref)
            if not refunds:
                return None
            latest = max(refunds, key=lambda r: (r.send_at, r.id)).plan
            of_plan = [r for r in refunds if r.plan == latest]
            stored = uow.plans.get(latest)
            if stored is None or is_over(of_plan) and not _needs_eyes(of_plan):
                return None
            request = uow.requests.get(stored.request)
            payment = uow.installations.get(of_plan[0].payment.installation)
            return Progress(
                order,
                stored.plan,
                request,
                of_plan,
                uow.refunds.moves(latest),
                uow.effects.of_run(RunId(latest)),
                self.context.platforms.worksheet(payment.connection)
                if payment is not None
                and any(r.state is RefundState.MANUAL for r in of_plan)
                else (),
                order.name or order.email,
            )

    def _is_under_way(self, tenant: TenantId, ref: OrderRef) -> bool:
        with self.context.storage.read(tenant) as uow:
            return any(r.state in IN_FLIGHT for r in uow.refunds.of_order(ref))

    def _request(self, uow: UnitOfWork, sitting: Sitting, found: FoundOrder) -> RefundRequest:
        """The request that this ticket makes about this order: one, kept from the first look on."""
        ticket = sitting.ticket or TicketId("")
        order = found.order
        known = uow.requests.for_ticket(sitting.installation, ticket, order.ref)
        if known is not None:
            return known
        name = digest(
            "request", sitting.installation, ticket, order.ref.installation, order.ref.ref
        )
        return RefundRequest(
            id=RequestId(name),
            order=order.ref,
            customer=order.customer,
            channel=Channel.TICKET,
            asked_at=self.context.clock.now(),
            ticket=sitting.ticket,
            desk=sitting.installation,
        )

    def _reader(self, scene: Scene, sitting: Sitting) -> Reader:
        can_reply = self.context.platforms.can(scene.desk.connection, "reply")
        return Reader(
            scene.ticket.locale, sitting.installation, sitting.ticket, can_reply, scene.agent.name
        )

    def _differs(self, found: FoundOrder, plan: Plan, picked: Picked) -> bool:
        """Whether something was ticked or typed since the plan on the button was made."""
        choice, typed = _choice(found, picked, list(plan.choice.lines))
        return bool(typed.fault) or choice != plan.choice

    # --- the quieter states -----------------------------------------------------------------------

    def _nothing(self, scene: Scene, typed: str, fault: str = "") -> view.NothingFound:
        tell = scene.tell
        return view.NothingFound(
            tell.say("nothing.title"),
            tuple(
                tell.say("nothing.place" if store.answered else "nothing.silent", store=store.title)
                for store in scene.found.stores
            ),
            tell.say("nothing.reply"),
            typed,
            fault,
        )

    def _weak(self, scene: Scene, found: FoundOrder, *, fault: bool) -> view.WeakMatch:
        tell = scene.tell
        return view.WeakMatch(
            Notice(
                Tone.WARN,
                Icon.SHIELD,
                tell.say("weak.title"),
                tell.say("weak.text.address", name=found.order.name or found.order.number),
            ),
            tell.say("weak.question"),
            "10388",
            tell.say("weak.reply"),
            Decide(None, tell.say("decide.waits_proof")),
            tell.say("prove.fault") if fault else "",
        )

    def _offline(self, scene: Scene, found: FoundOrder) -> view.StoreOffline:
        tell = scene.tell
        return view.StoreOffline(
            order_key(found.order.ref),
            found.order.title,
            Notice(
                Tone.WARN,
                Icon.CLOUD,
                tell.say("offline.title", store=found.store),
                tell.say("offline.text", age=tell.age(found.order.read_at)),
                (Press(tell.say("offline.ask_now"), Ask.ORDERS),),
            ),
            Decide(tell.money(found.order.paid), tell.say("decide.waits_store", store=found.store)),
            60_000,
        )

    def _dispute(self, scene: Scene, found: FoundOrder) -> view.DisputeOpen:
        tell = scene.tell
        order = found.order
        disputed = order.disputed or order.paid
        return view.DisputeOpen(
            build_head(tell, order),
            Notice(
                Tone.BAD,
                Icon.NO,
                tell.say("dispute.title"),
                tell.say(
                    "dispute.text.plain", name=order.name or order.email, amount=tell.both(disputed)
                ),
                (Copy(tell.say("copy.reply"), tell.say("dispute.reply")),),
            ),
            tell.say("dispute.next"),
        )

    # --- the whole picture ------------------------------------------------------------------------

    def upper(
        self, picture: Picture
    ) -> tuple[Who | None, OrdersBlock | None]:
        """Who and the orders, for a picture that has a scene."""
        scene = picture.scene
        if scene is None:
            return None, None
        tell = scene.tell
        email = scene.ticket.emails[0] if scene.ticket.emails else ""
        with self.context.storage.read(picture.sitting.tenant) as uow:
            verdicts = {f.order.ref: judge(uow, f.order, tell.now) for f in scene.found.orders}
            ledger = (
                ledger_of(uow, scene.found.orders[0].order, tell.now)
                if scene.found.orders
                else None
            )
            earlier = sum(
                r.state is RefundState.SUCCEEDED and (tell.now - r.send_at).days < 365
                for f in scene.found.orders
                for r in uow.refunds.of_order(f.order.ref)
            )
        who = build_who(tell, scene.ticket.name, email, scene.found, earlier)
        if ledger is None or isinstance(picture.state, view.NothingFound):
            return who, None
        return who, build_orders(tell, scene.found, verdicts, ledger, picture.opened)


_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")


def _named_address(ticket: Ticket) -> str | None:
    """Another address that the customer names in the ticket: worth a look, and weak by itself."""
    own = {customer_key(email) for email in ticket.emails}
    named = (customer_key(found) for found in _ADDRESS.findall(ticket.text))
    return next((address for address in named if address not in own), None)


def _needs_eyes(refunds: Sequence[Refund]) -> bool:
    return any(r.state is RefundState.REFUSED for r in refunds)


def _told(tell: Telling, key: str) -> view.Told:
    return view.Told(
        Notice(Tone.WARN, Icon.WARN, tell.say(f"{key}.title"), tell.say(f"{key}.text"))
    )


def _choice(
    found: FoundOrder, picked: Picked | None, payable: Sequence[LineRef]
) -> tuple[Choice, Typed]:
    """The choice of a form, checked; without a form all that the policy lets go back."""
    order = found.order
    if picked is None or not picked.amount:
        return Choice(tuple(payable), AmountKind.POLICY), Typed()
    lines = tuple(line.ref for line in order.lines if line.ref.ref in picked.lines)
    stop = picked.sub != "keep"
    if picked.amount != "free":
        return Choice(lines, AmountKind.POLICY, None, stop), Typed(picked.free)
    try:
        free = parse_amount(picked.free, order.currency)
    except InvalidInput as error:
        return Choice(lines, AmountKind.FREE, None, stop), Typed(picked.free, error.advice)
    return Choice(lines, AmountKind.FREE, free, stop), Typed(picked.free)


def _fault(tell: Telling, choice: Choice, typed: Typed, preview: Preview) -> Typed:
    """What is wrong with a typed amount, and what to type instead."""
    outcome = preview.outcome
    if choice.kind is not AmountKind.FREE or not isinstance(outcome, Blocked):
        return typed
    if outcome.by in (BlockedBy.OVER_POLICY, BlockedBy.OVER_LEFT) and outcome.most is not None:
        limit = tell.say("amount.free.up_to", amount=tell.money(outcome.most).text)
        return Typed(typed.free, tell.say("amount.free.fault", limit=limit))
    return typed

