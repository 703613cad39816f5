"""Who works at a Freshdesk account, in which role, and which tickets they see."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.domain.ids import AgentId, TicketId
from tests.platforms.freshdesk.account import (
    ADMIN,
    AGENT_ROLE,
    ASSIGNED,
    FALSE_ADMIN,
    GONE,
    GROUP,
    HELPER,
    IN_GROUP,
    OF_OWN_ROLE,
    OTHER_GROUP,
    OUTSIDER,
    OWNER,
    SUPERVISING,
    SUPERVISOR,
)
from tests.platforms.freshdesk.fake import Mishap
from tests.platforms.freshdesk.world import World


@pytest.fixture
def ticket(world: World) -> TicketId:
    return TicketId(str(world.fake.account.add_ticket()))


# --- people ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "role", "active"),
    [
        (OWNER, "admin", True),
        (SUPERVISOR, "lead", True),
        (ASSIGNED, "agent", True),
        (GONE, "agent", False),
        (HELPER, "collaborator", True),
        (OF_OWN_ROLE, "custom", True),
    ],
)
def test_a_role_is_told_in_our_words(world: World, agent: int, role: str, active: bool) -> None:
    found = world.desk.read_agent(AgentId(str(agent)))
    assert found is not None
    assert (found.role, found.active) == (role, active)


@pytest.mark.parametrize(
    ("roles", "word"),
    [
        ([AGENT_ROLE, ADMIN], "admin"),
        ([AGENT_ROLE, SUPERVISING], "lead"),
        ([FALSE_ADMIN, AGENT_ROLE], "agent"),
        ([], "custom"),
        ([999], "custom"),
    ],
)
def test_of_several_roles_the_highest_of_the_desks_own_counts(
    world: World, roles: list[int], word: str
) -> None:
    world.fake.account.agents[int(world.agent)]["role_ids"] = roles
    found = world.desk.read_agent(world.agent)
    assert found is not None
    assert found.role == word


def test_without_a_list_of_roles_nobody_has_one(world: World) -> None:
    world.fake.mishaps.append(Mishap(path="roles", status=404))
    found = world.desk.read_agent(world.agent)
    assert found is not None
    assert found.role == "custom"


@pytest.mark.parametrize(
    ("agent", "place", "sees"),
    [
        (IN_GROUP, {}, True),
        (IN_GROUP, {"group_id": OTHER_GROUP}, False),
        (IN_GROUP, {"group_id": None}, False),
        (IN_GROUP, {"group_id": None, "responder_id": IN_GROUP}, True),
        (OUTSIDER, {}, False),
        (ASSIGNED, {}, False),
        (ASSIGNED, {"responder_id": ASSIGNED}, True),
        (GONE, {}, False),
        (HELPER, {}, False),
        (HELPER, {"responder_id": HELPER}, True),
        (OWNER, {"group_id": OTHER_GROUP}, True),
    ],
)
def test_an_agent_sees_what_the_desk_shows_them(
    world: World, agent: int, place: dict[str, Any], sees: bool
) -> None:
    number = world.fake.account.add_ticket(**{"group_id": GROUP, **place})
    found = world.desk.read_ticket(TicketId(str(number)), AgentId(str(agent)))
    assert (found is not None) is sees


@pytest.mark.parametrize("scope", [None, 0, 4])
def test_a_scope_that_we_do_not_know_shows_nothing(
    world: World, ticket: TicketId, scope: int | None
) -> None:
    world.fake.account.agents[int(world.agent)]["ticket_scope"] = scope
    assert world.desk.read_ticket(ticket, world.agent) is None


def test_an_agents_address_is_the_desks_word(world: World) -> None:
    assert world.desk.read_agent_email(world.agent) == "ada@acme.test"
    assert world.desk.read_agent_email(AgentId(str(GONE))) is None
    assert world.desk.read_agent_email(AgentId("999999")) is None


def test_a_ticket_is_shared_only_where_every_agent_sees_all(world: World, ticket: TicketId) -> None:
    desk, agents = world.desk, world.fake.account.agents
    assert desk.read_shared_ticket(ticket) is None
    for one in agents.values():
        one["ticket_scope"] = 1
    assert desk.read_shared_ticket(ticket) is None  # a collaborator sees what they are invited to
    agents[HELPER]["type"] = "support_agent"
    found = desk.read_shared_ticket(ticket)
    assert found is not None
    assert found.emails == ("mia@example.com",)
    world.delete(ticket)
    assert desk.read_shared_ticket(ticket) is None
    assert desk.read_shared_ticket(TicketId("../agents/me")) is None


@pytest.mark.parametrize("status", [200, 404])
def test_with_no_agents_or_too_many_to_tell_no_ticket_is_shared(
    world: World, ticket: TicketId, status: int
) -> None:
    many = [{"ticket_scope": 1}] * 100
    world.fake.mishaps.append(Mishap(path="agents", status=status, body=many))
    assert world.desk.read_shared_ticket(ticket) is None
