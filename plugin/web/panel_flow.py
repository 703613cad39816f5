"""The panel's moves for one agent at one ticket: use cases in, one `Picture` out.

Knows no request and no response. Money moves only through `decide_refund`; whoever decides, undoes
or attests must have the right to, by what the desk says at that moment, and the order must be
proven to be the writer's. A plan that is not of such an order is answered like one that does not
exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from plugin.domain.ids import PlanId, RefundId
from plugin.domain.orders import OrderRef
from plugin.domain.plan import Plan
from plugin.domain.refunds import RefundState
from plugin.domain.requests import GuidedStep, Reason, RefundRequest, tick, untick
from plugin.ports.records import StoredPlan
from plugin.services.decide_refund import (
    AlreadyDecided,
    ChangedSince,
    Decided,
    DecideRefund,
    Held,
    PlanGone,
    UndoRefund,
    WeakMatch,
)
from plugin.services.find_orders import FindOrders, FoundOrder, is_strong
from plugin.services.plan_refund import PlanRefund, judge, unshown
from plugin.services.settle_refund import attest_by_hand, release_by_hand, take_back_word
from plugin.services.standing_disputes import dispute_stands
from plugin.web.context import WebContext
from plugin.web.panel_choice import Picked, differs, read_choice, with_fault
from plugin.web.panel_scene import Ask, Scene, SceneReader, Sitting
from plugin.web.problems import NoRight
from plugin.web.views import panel_view as view
from plugin.web.views.build_changed import build_changed
from plugin.web.views.build_orders import Telling, order_of_key
from plugin.web.views.build_plan import build_open_order
from plugin.web.views.build_progress import build_progress
from plugin.web.views.build_quiet import build_dispute, build_nothing, build_offline, build_weak
from plugin.web.views.panel_blocks import Decide
from plugin.web.views.panel_parts import Icon, Notice, Tone

CHANGED = 409
MEND = 422


@dataclass(frozen=True, slots=True)
class Picture:
    """What to answer: the lower half, the status, the sitting to go on with, and what was read."""

    state: view.PanelState
    sitting: Sitting
    scene: Scene | None
    status: int = 200
    opened: OrderRef | None = None


class PanelFlow:
    """The panel's moves. Each reads what it needs and answers with one picture."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        ports = context.storage, context.platforms, context.gather
        find = FindOrders(*ports)
        self._plan = PlanRefund(*ports)
        self._decide = DecideRefund(context.storage, find, self._plan)
        self._undo = UndoRefund(context.storage)
        self.reader = SceneReader(context, find)

    # --- looking ----------------------------------------------------------------------------------

    def show(
        self, sitting: Sitting, picked: Picked, ask: Ask = Ask.STORES, *, again: bool = False
    ) -> Picture:
        """The list, and the order that is open: the one named, or the one that is meant."""
        scene = self.reader.read(sitting, ask)
        if isinstance(scene, view.Told):
            return Picture(scene, sitting, None)
        picture = self._open(scene, sitting, order_of_key(picked.order), picked, again=again)
        if not scene.fresh and isinstance(picture.state, view.Done):
            # What was kept is from before the refund; the end is shown as the store tells it now.
            return self.show(sitting, picked, Ask.STORES, again=again)
        return picture

    def search(self, sitting: Sitting, typed: str) -> Picture:
        """Look for another address or an order number."""
        text = typed.strip()
        searched = (
            replace(sitting, typed_email=text)
            if "@" in text
            else replace(sitting, number=text.lstrip("#"))
        )
        scene = self.reader.read(searched, Ask.STORES)
        if isinstance(scene, view.Told):
            return Picture(scene, sitting, None)
        before = self.reader.read(sitting, Ask.NOBODY)
        seen = () if isinstance(before, view.Told) else before.found.orders
        known = {found.order.ref for found in seen}
        new = [f.order.ref for f in scene.found.orders if f.order.ref not in known]
        if not scene.found.orders:
            return Picture(build_nothing(scene.tell, scene.found, text), sitting, scene, MEND)
        return self._open(scene, searched, new[0] if len(new) == 1 else None)

    def prove(self, sitting: Sitting, order: str, proof: str) -> Picture:
        """One more proof: an order number or the last four digits of the card.

        One that fits nothing is not kept, nor is the agent's word for an address with it.
        """
        scene = self.reader.read(sitting, Ask.NOBODY)
        if isinstance(scene, view.Told):
            return Picture(scene, sitting, None)
        wanted = order_of_key(order) or scene.first_to_open()
        before = _strong(scene)
        vouched = scene.vouched(sitting, wanted)
        text = proof.strip().lstrip("#")
        is_digits = len(text) == 4 and text.isascii() and text.isdecimal()
        candidates = [replace(vouched, number=text)]
        if is_digits:
            candidates.append(replace(vouched, card_digits=text))
        for proven in candidates:
            after = self.reader.read(proven, Ask.NOBODY)
            if isinstance(after, view.Told):
                return Picture(after, sitting, None)
            fits = [ref for ref in _strong(after) if ref == wanted or ref not in before]
            if fits:
                return self._open(after, proven, wanted if wanted in fits else fits[0])
        return self._open(scene, sitting, wanted, fault=True, status=MEND)

    # --- writing: the desk itself is asked who this is and what they may do -----------------------

    def steps(self, sitting: Sitting, picked: Picked, done: Sequence[str]) -> Picture:
        """Keep the guided steps as they are ticked now; what is chosen stays chosen."""
        scene = self.reader.read(sitting, Ask.DESK)
        if isinstance(scene, view.Told):
            return Picture(scene, sitting, None)
        ref = order_of_key(picked.order)
        if found := scene.strong(ref):
            now = self._context.clock.now()
            with self._context.storage.begin(sitting.tenant) as uow:
                request = self.reader.request(uow, sitting, found)
                for step in GuidedStep:
                    request = (
                        tick(request, step, sitting.agent, now)
                        if step.value in done
                        else untick(request, step)
                    )
                uow.requests.save(request)
                uow.commit()
        return self._open(scene, sitting, ref, picked)

    def refund(self, sitting: Sitting, picked: Picked, plan_id: str, shown_hash: str) -> Picture:
        """Decide the plan that the button was pressed for. The decision asks the stores."""
        scene = self.reader.read(sitting, Ask.DESK)
        if isinstance(scene, view.Told):
            return Picture(scene, sitting, None)
        _require(scene.rights().pay, "role_may_not_refund")
        ref = order_of_key(picked.order)
        found = scene.strong(ref)
        stored = None if found is None else self._plan_for(sitting, found, plan_id)
        if found is None or stored is None:
            return self._undecided(sitting, picked)
        if picked.is_choice and differs(found, stored.plan, picked):
            # Without script something can be ticked and the button pressed unseen.
            picture = self._undecided(sitting, picked)
            return _with_notice(picture, scene.tell, Icon.AGAIN, "changed.choice")
        self._keep_reason(sitting, stored, picked.reason)
        return self._decided(scene, sitting, found, stored, shown_hash)

    def _keep_reason(self, sitting: Sitting, stored: StoredPlan, given: str) -> None:
        """Keep the reason that came with the button: its plan may be older than it."""
        if given not in {reason.value for reason in Reason}:
            return
        with self._context.storage.begin(sitting.tenant) as uow:
            request = uow.requests.get(stored.request)
            if request is not None and request.reason != given:
                uow.requests.save(replace(request, reason=Reason(given)))
                uow.commit()

    def _undecided(self, sitting: Sitting, picked: Picked) -> Picture:
        """What stands now, after a button whose plan was not taken up."""
        picture = self.show(sitting, picked, Ask.WHEN_STALE)
        return picture if picture.status == MEND else replace(picture, status=CHANGED)

    def undo(self, sitting: Sitting, order: str, plan_id: str) -> Picture:
        """Take it back, if nothing was sent: whoever started it, or those who lead."""
        scene = self.reader.read(sitting, Ask.DESK)
        if isinstance(scene, view.Told):
            return Picture(scene, sitting, None)
        _require(scene.rights().pay, "role_may_not_refund")
        ref = order_of_key(order)
        stored = self._plan_of(sitting, scene.strong(ref), plan_id)
        undone = False
        if stored is not None:
            _require(scene.rights(stored.decider).undo, "not_yours_to_undo")
            now = self._context.clock.now()
            undone = self._undo(sitting.tenant, stored.plan.id, _actor(sitting), now)
        picture = self._open(scene, sitting, ref)
        return _with_notice(picture, scene.tell, Icon.CHECK, "undone") if undone else picture

    def look(self, sitting: Sitting, order: str, plan_id: str) -> Picture:
        """Have the worker look it up now instead of later."""
        scene = self.reader.read(sitting, Ask.DESK)
        if isinstance(scene, view.Told):
            return Picture(scene, sitting, None)
        ref = order_of_key(order)
        if stored := self._plan_of(sitting, scene.strong(ref), plan_id):
            with self._context.storage.begin(sitting.tenant) as uow:
                for refund in uow.refunds.of_plan(stored.plan.id):
                    if refund.state in (RefundState.UNKNOWN, RefundState.PENDING):
                        uow.refunds.wake(refund, self._context.clock.now())
                uow.commit()
        return self._open(scene, sitting, ref)

    def attest(
        self, sitting: Sitting, order: str, plan_id: str, part: str, *, paid: bool
    ) -> Picture:
        """The agent says what a person did or saw: the money went back, or it did not.

        `part` is the refund that she was asked about; empty where it is the worksheet's. Where it
        counts as done already, and she says that it is not there, the stores are asked.
        """
        takes_back = not paid and self._is_done(sitting, part)
        scene = self.reader.read(sitting, Ask.STORES if takes_back else Ask.DESK)
        if isinstance(scene, view.Told):
            return Picture(scene, sitting, None)
        _require(scene.rights().pay, "role_may_not_refund")
        ref = order_of_key(order)
        found = scene.strong(ref)
        stored = self._plan_of(sitting, found, plan_id)
        if found is not None and stored is not None:
            now, actor = self._context.clock.now(), _actor(sitting)
            with self._context.storage.begin(sitting.tenant) as uow:
                if takes_back:
                    for said in unshown(uow, found.order):
                        if (said.id, said.plan) == (part, stored.plan.id):
                            take_back_word(uow, said, actor, now)
                else:
                    settle = attest_by_hand if paid else release_by_hand
                    settle(uow, stored.plan.id, actor, "", now, RefundId(part) if part else None)
                uow.commit()
            scene = self.reader.read_again(scene)
        return self._open(scene, sitting, ref)

    def _is_done(self, sitting: Sitting, part: str) -> bool:
        with self._context.storage.read(sitting.tenant) as uow:
            refund = uow.refunds.get(RefundId(part)) if part else None
        return refund is not None and refund.state is RefundState.SUCCEEDED

    # --- plans of this sitting --------------------------------------------------------------------

    def _plan_of(
        self, sitting: Sitting, found: FoundOrder | None, plan_id: str
    ) -> StoredPlan | None:
        """The plan, if it is of this order, which this ticket proves."""
        with self._context.storage.read(sitting.tenant) as uow:
            stored = None if found is None else uow.plans.get(PlanId(plan_id))
        if found is None or stored is None or stored.plan.order != found.order.ref:
            return None
        return stored

    def _plan_for(self, sitting: Sitting, found: FoundOrder, plan_id: str) -> StoredPlan | None:
        """The plan, if it was made for what this very ticket asks: it alone is told of the end."""
        stored = self._plan_of(sitting, found, plan_id)
        if stored is None:
            return None
        with self._context.storage.read(sitting.tenant) as uow:
            asked = uow.requests.get(stored.request)
        is_ours = asked is not None and (asked.desk, asked.ticket) == (
            sitting.installation,
            sitting.ticket,
        )
        return stored if is_ours else None

    def _decided(
        self, scene: Scene, sitting: Sitting, found: FoundOrder, stored: StoredPlan, shown_hash: str
    ) -> Picture:
        context = self._context
        decision = self._decide(
            sitting.tenant,
            stored.plan.id,
            shown_hash,
            scene.search,
            self.reader.reader(scene, sitting),
            PlanId(context.mint.id()),
            context.clock.now(),
        )
        ref = found.order.ref
        scene = self.reader.read_again(scene)  # the decision asked the stores
        match decision:
            case Decided() | AlreadyDecided():
                return self._open(scene, sitting, ref)
            case ChangedSince(before, current):
                progress = self.reader.progress(scene, found.order)
                is_theirs = progress is not None and (
                    not progress.is_over or not isinstance(current.outcome, Plan)
                )
                if is_theirs:  # someone was first, and there is something of theirs to see
                    return self._open(scene, sitting, ref, status=CHANGED)
                state = build_changed(scene.tell, found.order, before, current)
                return Picture(state, sitting, scene, CHANGED, ref)
            case WeakMatch() | PlanGone() | Held():
                return self._open(scene, sitting, ref, status=CHANGED)

    # --- one order --------------------------------------------------------------------------------

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
            return Picture(build_nothing(scene.tell, scene.found), sitting, scene, status)
        ref = ref or scene.first_to_open()
        found = None if ref is None else scene.found.get(ref)
        if found is None:
            return Picture(view.OrderList(), sitting, scene, status)
        again = again or (picked is not None and picked.is_choice)
        state = self._state(scene, sitting, found, picked, again=again, fault=fault)
        state = self._while_held(scene, sitting, state)
        if isinstance(state, view.OpenOrder) and any(a.fault for a in state.amounts):
            status = MEND
        return Picture(state, sitting, scene, status, found.order.ref)

    def _state(
        self,
        scene: Scene,
        sitting: Sitting,
        found: FoundOrder,
        picked: Picked | None,
        *,
        again: bool,
        fault: bool,
    ) -> view.PanelState:
        """The first of: weak match, under way, store silent, dispute, the open order.

        `again` passes by a refund that is over, to make another.
        """
        if not is_strong(found.evidence):
            return build_weak(scene.tell, found, fault=fault)
        progress = self.reader.progress(scene, found.order)
        if progress is not None and not (again and progress.is_over):
            return build_progress(scene.tell, progress)
        if found.silent:
            return build_offline(scene.tell, found)
        order = found.order
        with self._context.storage.read(sitting.tenant) as uow:
            paid = [payment.ref for payment in order.payments]
            stands = dispute_stands(uow, order.ref, order.customer, paid)
            request = self.reader.request(uow, sitting, found)
        if stands or any(payment.dispute_open for payment in order.payments):
            return build_dispute(scene.tell, found)
        return self._planned(scene, sitting, found, request, picked)

    def _while_held(
        self, scene: Scene, sitting: Sitting, state: view.PanelState
    ) -> view.PanelState:
        """The picture with the reason why nothing is sent just now, and without its button."""
        if not isinstance(state, view.OpenOrder | view.UnderWay):
            return state
        with self._context.storage.read(sitting.tenant) as uow:
            holds = uow.holds.all()
        if not holds:
            return state
        tell, since = scene.tell, holds[0].read_from
        when = f"{tell.day(since)}, {tell.time(since)}"
        told = Notice(
            Tone.WARN, Icon.CLOCK, tell.say("held.title"), tell.say("held.text", time=when)
        )
        if isinstance(state, view.UnderWay):
            return replace(state, notice=told)
        blocked = Decide(state.decide.amount, tell.say("decide.waits_hold"))
        return replace(state, notice=told, decide=blocked)

    def _planned(
        self,
        scene: Scene,
        sitting: Sitting,
        found: FoundOrder,
        request: RefundRequest,
        picked: Picked | None,
    ) -> view.OpenOrder:
        context = self._context
        now = context.clock.now()
        with context.storage.read(sitting.tenant) as uow:
            verdict = judge(uow, found.order, now)
            access = uow.settings.access_map()
        choice, typed = read_choice(found, picked, [ref for ref, v in verdict.lines if v.amount])
        if picked is not None and picked.reason in {reason.value for reason in Reason}:
            request = replace(request, reason=Reason(picked.reason))
        preview = self._plan(
            sitting.tenant,
            found,
            request,
            choice,
            self.reader.reader(scene, sitting),
            PlanId(context.mint.id()),
            now,
        )
        typed = with_fault(scene.tell, choice, typed, preview, found.order.currency)
        state = build_open_order(scene.tell, found.order, request, choice, preview, access, typed)
        if scene.rights().pay:
            return state
        waits = "decide.waits_right" if sitting.is_proven else "decide.waits_pairing"
        blocked = Decide(state.decide.amount, scene.tell.say(waits))
        return replace(state, decide=blocked)


def _require(right: bool, code: str) -> None:  # noqa: FBT001 - the right is the question
    """Stop an agent who has not the right. Raises NoRight."""
    if not right:
        raise NoRight(code)


def _strong(scene: Scene) -> Sequence[OrderRef]:
    """The orders that are proven to be the writer's."""
    return [found.order.ref for found in scene.found.orders if is_strong(found.evidence)]


def _actor(sitting: Sitting) -> str:
    return f"agent {sitting.agent}"


def _with_notice(picture: Picture, tell: Telling, icon: Icon, key: str) -> Picture:
    """The picture with a word on what has just happened, where the order is open again."""
    if not isinstance(picture.state, view.OpenOrder):
        return picture
    notice = Notice(Tone.PLAIN, icon, tell.say(f"{key}.title"), tell.say(key))
    return replace(picture, state=replace(picture.state, notice=notice))
