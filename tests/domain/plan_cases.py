"""A shop's plans for the tests of planning."""

from __future__ import annotations

from plugin.domain.effects import (
    AddTicketNote,
    TellCustomer,
)
from plugin.domain.ids import PlanId, TicketId
from plugin.domain.plan import (
    Blocked,
    Choice,
    Plan,
)
from plugin.domain.plan_draft import PlanInputs, draft_plan
from tests.factories import (
    DESK,
    EMAIL,
    NOW,
    a_choice,
    a_course,
    a_line,
    a_tag,
    an_order,
    eur,
)

COURSE, TAG = a_course("c1", "Watercolour Year"), a_tag("t1", "Buyers")
NOTE = AddTicketNote(DESK, TicketId("77"), "49 € went back.", ("refunded",))
TOLD = TellCustomer(DESK, TicketId("77"), EMAIL, "Your refund", "It is sent.", "en")
TELLS = (("note", NOTE), ("customer", TOLD))


def draft(
    inputs: PlanInputs, choice: Choice | None = None, plan_id: str = "plan-1"
) -> Plan | Blocked:
    return draft_plan(inputs, choice or a_choice(inputs.order), PlanId(plan_id), NOW)


def planned(inputs: PlanInputs, choice: Choice | None = None) -> Plan:
    plan = draft(inputs, choice)
    assert isinstance(plan, Plan)
    return plan


TWO = an_order(a_line("1"), a_line("2", paid=eur(1000)))
