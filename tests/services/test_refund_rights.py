"""Who may pay and who may undo: by role, by desk, and by who started it."""

from __future__ import annotations

import pytest

from plugin.domain.ids import AgentId, AgentRef, InstallationId
from plugin.ports import Agent
from plugin.services.refund_rights import RefundRights, rights_of
from tests.factories import DESK

ANA = AgentId("7")
MINE = AgentRef(DESK, ANA)
NOTHING = RefundRights(pay=False, undo=False)


def an_agent(role: str, *, active: bool = True) -> Agent:
    return Agent(ANA, "Ana", role, active)


@pytest.mark.parametrize("decider", [None, MINE, AgentRef(DESK, AgentId("8"))])
@pytest.mark.parametrize("role", ["lead", "admin"])
def test_those_who_lead_may_pay_and_undo_whoever_started_it(
    role: str, decider: AgentRef | None
) -> None:
    assert rights_of(an_agent(role), DESK, decider) == RefundRights(pay=True, undo=True)


def test_an_agent_may_pay_and_undo_what_they_started() -> None:
    assert rights_of(an_agent("agent"), DESK, MINE) == RefundRights(pay=True, undo=True)


@pytest.mark.parametrize(
    "decider",
    [None, AgentRef(DESK, AgentId("8")), AgentRef(InstallationId("desk-2"), ANA)],
    ids=["nobody knows who", "another agent", "the same id at another desk"],
)
def test_an_agent_may_not_undo_what_another_started(decider: AgentRef | None) -> None:
    assert rights_of(an_agent("agent"), DESK, decider) == RefundRights(pay=True, undo=False)


@pytest.mark.parametrize("role", ["light_agent", "end_user", "", "Admin", "never heard of"])
def test_any_other_role_may_look_only(role: str) -> None:
    """Also at a refund that they started, before their role was another one."""
    assert rights_of(an_agent(role), DESK, MINE) == NOTHING


@pytest.mark.parametrize("role", ["agent", "lead", "admin"])
def test_a_former_agent_may_nothing(role: str) -> None:
    assert rights_of(an_agent(role, active=False), DESK, MINE) == NOTHING
