"""Make the plan of a refund from what the stores say now, stored to be decided by its hash.

Reads the order, what the customer holds at each store, the policy and the ledger. Moves nothing and
promises nothing: the plan lives five minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from plugin.domain.effects import AddTicketNote, TellCustomer
from plugin.domain.errors import NeedsHuman
from plugin.domain.ids import (
    AgentId,
    AgentRef,
    InstallationId,
    PlanId,
    RequestId,
    TenantId,
    TicketId,
    digest,
)
from plugin.domain.ledger import Ledger
from plugin.domain.messages import MessageId, compose, locale_for
from plugin.domain.orders import Order, Resource
from plugin.domain.plan import (
    Allowed,
    Blocked,
    BlockedBy,
    Choice,
    Plan,
    PlanItem,
    seal_plan,
)
from plugin.domain.plan_draft import PlanInputs, draft_plan
from plugin.domain.refunds import IN_FLIGHT, Refund, RefundState
from plugin.domain.requests import RefundRequest
from plugin.domain.rules import Tell
from plugin.domain.texts import bullets, one_line
from plugin.domain.verdict import OrderVerdict, judge_order
from plugin.ports import HoldsAccess, Kind
from plugin.ports.platforms import Gather, Platforms
from plugin.ports.records import Installation, Tenant
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.announce import order_words
from plugin.services.ask_all import ask_all
from plugin.services.contact_at import contact_at
from plugin.services.find_orders import FoundOrder, is_strong
from plugin.services.ledger_of import beside, ledger_of
from plugin.services.promised_elsewhere import promised_elsewhere
from plugin.services.record_sale import known_sales, later_months, may_have_unseen
from plugin.services.settle_refund import is_only_said
from plugin.services.what_went_back import as_known, less_ours, ours_of, paid_back
from plugin.services.wording import (
    field_words,
    items_words,
    money_words,
    parts_words,
    stays_words,
    without_tags,
)

MAX_AGE = timedelta(minutes=10)
REFUNDED_TAG = "refunded"
Has = Mapping[InstallationId, frozenset[Resource] | None]


@dataclass(frozen=True, slots=True)
class Reader:
    """Who will read: the customer's locale, and where to write to her.

    `agent` is the name that signs, `agent_id` the desk's own id of that person. Without it a refund
    is started by nobody in particular, and only those who lead may undo it.
    """

    locale: str
    desk: InstallationId | None
    ticket: TicketId | None
    can_reply: bool
    agent: str
    agent_id: AgentId | None = None

    @property
    def agent_ref(self) -> AgentRef | None:
        """Who that is, where both the desk and its agent are known."""
        if self.desk is None or self.agent_id is None:
            return None
        return AgentRef(self.desk, self.agent_id)


@dataclass(frozen=True, slots=True)
class Preview:
    """What planning came to: the verdict, and a stored plan or why there is none."""

    verdict: OrderVerdict
    outcome: Plan | Blocked


@dataclass(frozen=True, slots=True)
class PlanRefund:
    """The use case, with its ports."""

    storage: Storage
    platforms: Platforms
    gather: Gather

    def __call__(
        self,
        tenant: TenantId,
        found: FoundOrder,
        request: RefundRequest,
        choice: Choice,
        reader: Reader,
        plan_id: PlanId,
        now: datetime,
    ) -> Preview:
        """Plan refunding `choice` of `found`, and store the plan under `plan_id`."""
        order = found.order
        has = self.read_holdings(tenant, order)
        with self.storage.begin(tenant) as uow:
            preview = draft(uow, found, choice, reader, has, plan_id, now)
            if isinstance(preview.outcome, Plan):
                uow.requests.save(request)
                uow.plans.add(preview.outcome, request.id)
            uow.commit()
        return preview

    def read_holdings(self, tenant: TenantId, order: Order) -> Has:
        """What each store says the customer holds; None for one that cannot tell."""
        with self.storage.read(tenant) as uow:
            holders = {
                installation.connection.installation: port
                for installation in uow.installations.all()
                if (port := self._holder(installation)) is not None
            }
            sold = uow.orders.of_customer(order.customer)
        asks = {
            store: partial(port.read_access, replace(contact, email=order.email))
            for store, port in holders.items()
            if (contact := contact_at(store, order.customer, sold, [order.ref])) is not None
        }
        answers = zip(asks, ask_all(self.gather, list(asks.values())), strict=True)
        held = {store: frozenset(things) for store, things in answers if things is not None}
        return {store: held.get(store) for store in holders}

    def _holder(self, installation: Installation) -> HoldsAccess | None:
        if installation.connection.kind is not Kind.STORE:
            return None
        return self.platforms.able(installation.connection, HoldsAccess)


def draft(
    uow: UnitOfWork,
    found: FoundOrder,
    choice: Choice,
    reader: Reader,
    has: Has,
    plan_id: PlanId,
    now: datetime,
) -> Preview:
    """A sealed plan, or why there is none, from what is read and what is kept."""
    tenant = uow.settings.tenant()
    facts = uow.facts.of_customer(found.order.customer)
    order = as_known(uow, found.order, facts)
    verdict = judge(uow, order, now)
    if found.silent:
        return Preview(verdict, Blocked(BlockedBy.VERDICT_UNKNOWN))
    ours = ours_of(uow, order)
    if _is_beside(found.order, ours):
        return Preview(verdict, Blocked(BlockedBy.OTHER_PAYMENT))
    inputs = PlanInputs(
        order=order,
        allowed=allowed_lines(judge(uow, less_ours(uow, order, ours, facts), now)),
        ours=ours,
        facts=[*facts, *known_sales(uow, order)],
        promised=promised_elsewhere(uow, order),
        months=later_months(uow, order),
        beside=beside(uow, order.customer, now),
        access=uow.settings.access_map(),
        turns=uow.effects.turns(order.customer),
        has=has,
        has_unseen=may_have_unseen(uow.orders.of_customer(order.customer)),
    )
    outcome = draft_plan(inputs, choice, plan_id, now)
    if isinstance(outcome, Plan):
        outcome = seal_plan(outcome, _tells(outcome, order, verdict, tenant, reader))
    elif outcome.by in _GONE and _is_under_way(ours, choice, verdict):
        outcome = Blocked(BlockedBy.IN_PROGRESS)
    return Preview(verdict, outcome)


_GONE = (BlockedBy.NOT_ELIGIBLE, BlockedBy.NOTHING_LEFT)


def _is_under_way(ours: Sequence[Refund], choice: Choice, verdict: OrderVerdict) -> bool:
    """Whether what was chosen would be due, were it not on its way already."""
    due = any(judged.amount for ref, judged in verdict.lines if ref in choice.lines)
    return due and any(refund.state in IN_FLIGHT for refund in ours)


def unshown(uow: UnitOfWork, order: Order) -> Sequence[Refund]:
    """What counts as back by a person's word alone, and the payment shown for it does not show."""
    shown = {payment.ref for payment in order.payments}
    ours = uow.refunds.of_order(order.ref)
    said = [one for one in ours if one.payment not in shown and is_only_said(uow, one)]
    return said if said and _is_beside(order, paid_back(uow, order)) else ()


def _is_beside(order: Order, ours: Sequence[Refund]) -> bool:
    """Whether we refund, or refunded, by a payment that `order` is not shown with.

    What is done may be shown all the same, where a store names its payment anew.
    """
    shown = {payment.ref for payment in order.payments}
    others = [refund for refund in ours if refund.payment not in shown]
    if any(refund.state in IN_FLIGHT for refund in others):
        return True
    done = RefundState.SUCCEEDED
    if all(refund.state is not done for refund in others):
        return False
    told = sum(payment.refunded.minor for payment in order.payments)
    return told < sum(refund.amount.minor for refund in ours if refund.state is done)


def judge(uow: UnitOfWork, order: Order, now: datetime) -> OrderVerdict:
    """The verdict on an order by the tenant's policy in force at purchase."""
    policy = uow.settings.policy()
    if policy is None:
        raise NeedsHuman("no_policy", "pick a refund policy on the install screen")
    return judge_order(order, policy, now, MAX_AGE)


def allowed_lines(verdict: OrderVerdict) -> tuple[Allowed, ...]:
    """What may go back per line; where a person decides, what goes back once she says yes."""
    return tuple(
        Allowed(
            line=ref,
            amount=ref_verdict.amount,
            verdict=ref_verdict.kind,
            clause=ref_verdict.clause.id if ref_verdict.clause else "",
            policy_version=ref_verdict.policy_version,
            prorated=ref_verdict.prorata is not None,
        )
        for ref, ref_verdict in verdict.lines
    )


def _tells(
    plan: Plan, order: Order, verdict: OrderVerdict, tenant: Tenant, reader: Reader
) -> Sequence[tuple[str, Tell]]:
    def facts(locale: str, goes: Sequence[PlanItem], stays: Sequence[PlanItem]) -> dict[str, str]:
        """Amounts and days as the language of the text writes them, not as its reader does."""
        clause = verdict.leading.clause
        return {
            "amount": money_words(plan.amount, locale),
            **order_words(order, locale),
            "customer": one_line(order.name),
            "payments": parts_words(plan.parts, locale),
            "shop": tenant.name,
            "goes": items_words(goes),
            "stays": stays_words(stays, order.ref, tenant.time_zone, locale),
            "unknown": bullets(item.title for item in plan.unknown),
            "clause": clause.id if clause else "",
            "clause_text": clause.text if clause else "",
        }

    spoken = locale_for(reader.locale)
    hers = facts(spoken, without_tags(plan.goes), without_tags(plan.stays))
    text = compose(MessageId.SENT, spoken, hers)
    desk = reader.desk if reader.can_reply else None
    ticket = reader.ticket if reader.can_reply else None
    tells: list[tuple[str, Tell]] = []
    if ticket is not None or order.email:
        told = TellCustomer(desk, ticket, order.email, text.subject, text.body, text.locale)
        tells.append(("customer", told))
    if reader.ticket is not None:
        all_of_it = facts("en", plan.goes, plan.stays)
        note = compose(MessageId.NOTE_DONE, "en", {**all_of_it, "unknown": ""})
        tells.insert(
            0,
            (
                "note",
                AddTicketNote(
                    reader.desk,
                    reader.ticket,
                    note.body,
                    (REFUNDED_TAG,),
                    field_words("Refunded", plan.amount),
                ),
            ),
        )
    return tells


def may_move_money(found: FoundOrder) -> bool:
    """The wrong-person guard: a weak match shows, and pays nothing."""
    return is_strong(found.evidence)


def ledger_for_order(uow: UnitOfWork, order: Order, now: datetime) -> Ledger:
    """What the customer of `order` holds and why."""
    return ledger_of(uow, order.customer, now, known_sales(uow, order))


def request_id_for(desk: InstallationId, ticket: str, order: Order) -> RequestId:
    """One request per ticket and order."""
    return RequestId(digest("request", desk, ticket, order.ref.installation, order.ref.ref))
