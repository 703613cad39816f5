"""What was confirmed beside what stands now, and a button for the new plan where there is one.

Pure: compares two plans as people read them. Decides nothing.
"""

from __future__ import annotations

from plugin.domain.money import Money
from plugin.domain.orders import Order
from plugin.domain.plan import Plan
from plugin.services.plan_refund import Preview
from plugin.services.wording import amount_words
from plugin.web.views.build_orders import Telling, build_head, first_name, order_key
from plugin.web.views.build_plan import parts_line, tally_of
from plugin.web.views.panel_blocks import Decide, Difference, DifferenceRow, PlanTicket
from plugin.web.views.panel_parts import Icon, Notice, Tone
from plugin.web.views.panel_view import ChangedSince


def build_changed(tell: Telling, order: Order, before: Plan, now: Preview) -> ChangedSince:
    """The picture for a plan that holds no longer."""
    fresh = now.outcome if isinstance(now.outcome, Plan) else None
    ran_out = fresh is not None and fresh.hash == before.hash
    nothing = Money(0, before.amount.currency)
    return ChangedSince(
        build_head(tell, order),
        Notice(
            Tone.WARN,
            Icon.CLOCK if ran_out else Icon.AGAIN,
            tell.say("changed.ran_out.title" if ran_out else "changed.title_plain"),
            tell.say("changed.ran_out")
            if ran_out
            else tell.say("changed.text", what=_what_changed(tell, before, fresh)),
        ),
        Difference(
            _rows(tell, before, fresh, nothing),
            DifferenceRow(
                tell.say("plan.gets", name=first_name(order.name or order.email)),
                amount_words(before.amount, tell.locale),
                amount_words(fresh.amount if fresh else nothing, tell.locale),
            ),
            before.amount.currency,
        ),
        _decide(tell, order, now),
    )


def _rows(
    tell: Telling, before: Plan, fresh: Plan | None, nothing: Money
) -> tuple[DifferenceRow, ...]:
    was = {part.payment: part for part in before.parts}
    now = {part.payment: part for part in fresh.parts} if fresh else {}
    return tuple(
        DifferenceRow(
            tell.say("plan.to", payment=part.label),
            amount_words(was[ref].amount if ref in was else nothing, tell.locale),
            amount_words(now[ref].amount if ref in now else nothing, tell.locale),
        )
        for ref, part in (was | now).items()
    )


def _decide(tell: Telling, order: Order, now: Preview) -> Decide:
    plan = now.outcome
    if not isinstance(plan, Plan):
        return Decide(None, tell.say(f"blocked.{plan.by}"))
    return Decide(
        tell.money(plan.amount),
        parts_line(tell, plan),
        PlanTicket(order_key(order.ref), plan.id, plan.hash),
        tally_of(plan),
        tell.say("decide.undo_foot"),
    )


def _what_changed(tell: Telling, before: Plan, now: Plan | None) -> str:
    if now is None:
        return tell.say("changed.blocked")
    refunded_before = {p.payment: p.refunded_before for p in before.parts}
    for part in now.parts:
        earlier = refunded_before.get(part.payment)
        if earlier is not None and earlier < part.refunded_before:
            more = part.refunded_before - earlier
            return tell.say("changed.refunded", amount=tell.both(more))
    return tell.say("changed.amount" if before.amount != now.amount else "changed.effects")
