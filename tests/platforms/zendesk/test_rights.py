"""Our key sees every ticket; an agent sees through us what Zendesk would show that agent."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.domain.ids import AgentId, TicketId
from plugin.services.refund_rights import rights_of
from tests.factories import DESK
from tests.platforms.zendesk.data import (
    AGENT,
    ASSIGNED,
    CUSTOMER,
    GROUP,
    IN_GROUP,
    IN_ORGANIZATION,
    IN_ROLE,
    LIGHT,
    ORGANIZATION,
    OTHER_GROUP,
    OUTSIDER,
    OWNER,
    SUSPENDED,
)
from tests.platforms.zendesk.world import World

IN_ORG = {"organization_id": ORGANIZATION}


def sees(world: World, agent: int, **ticket: Any) -> bool:  # noqa: ANN401 - any field of a ticket
    number = world.fake.account.add_ticket(**ticket)
    return world.desk.read_ticket(TicketId(str(number)), AgentId(str(agent))) is not None


@pytest.mark.parametrize(
    ("agent", "ticket", "seen"),
    [
        (OWNER, {}, True),
        (AGENT, {}, True),
        (LIGHT, {}, True),
        (IN_GROUP, {}, True),
        (IN_GROUP, {"group_id": None}, False),
        (IN_GROUP, {"group_id": OTHER_GROUP}, False),
        (IN_GROUP, {"group_id": OTHER_GROUP, "assignee_id": IN_GROUP}, True),
        (OUTSIDER, {}, False),
        (OUTSIDER, {"requester_id": OUTSIDER}, True),
        (IN_ORGANIZATION, IN_ORG, True),
        (IN_ORGANIZATION, {}, False),
        (IN_ORGANIZATION, {"organization_id": 22}, False),
        (ASSIGNED, {"assignee_id": ASSIGNED}, True),
        (ASSIGNED, {"requester_id": ASSIGNED}, False),
        (ASSIGNED, {}, False),
        (SUSPENDED, {}, False),
        (CUSTOMER, {}, False),
        (IN_ROLE, {}, True),
        (IN_ROLE, {"group_id": OTHER_GROUP}, False),
    ],
)
def test_an_agent_sees_what_the_desk_would_show(
    world: World, agent: int, ticket: dict[str, Any], seen: bool
) -> None:
    assert sees(world, agent, **ticket) is seen


@pytest.mark.parametrize(
    ("access", "ticket", "seen"),
    [
        ("all", {"group_id": OTHER_GROUP}, True),
        ("within-groups-and-public-groups", {"group_id": OTHER_GROUP}, False),
        ("within-organization", IN_ORG, False),
        ("assigned-only", {"assignee_id": IN_ROLE}, True),
        ("assigned-only", {}, False),
        ("something-new", {}, False),
        (None, {}, False),
    ],
)
def test_a_custom_role_narrows_the_view_and_an_unknown_one_closes_it(
    world: World, access: str | None, ticket: dict[str, Any], seen: bool
) -> None:
    world.fake.account.role_access = access
    assert sees(world, IN_ROLE, **ticket) is seen


def test_public_groups_are_open_to_roles_that_include_them(world: World) -> None:
    world.fake.account.role_access = "within-groups-and-public-groups"
    world.fake.account.public_groups = {OTHER_GROUP}
    assert sees(world, IN_ROLE, group_id=OTHER_GROUP)


def test_an_agents_own_restriction_holds_beside_a_wider_role(world: World) -> None:
    world.fake.account.role_access = "all"
    world.fake.account.users[IN_ROLE]["ticket_restriction"] = "groups"
    assert sees(world, IN_ROLE, group_id=GROUP)
    assert not sees(world, IN_ROLE, group_id=OTHER_GROUP)


@pytest.mark.parametrize("restriction", ["requested", "something-new"])
def test_other_restrictions_show_own_requests_at_most(world: World, restriction: str) -> None:
    world.fake.account.users[AGENT]["ticket_restriction"] = restriction
    assert not sees(world, AGENT)
    assert sees(world, AGENT, requester_id=AGENT) is (restriction == "requested")


@pytest.mark.parametrize(
    ("agent", "role", "active"),
    [
        (OWNER, "admin", True),
        (AGENT, "agent", True),
        (LIGHT, "light_agent", True),
        (SUSPENDED, "agent", False),
        (CUSTOMER, "end_user", False),
    ],
)
def test_an_agent_comes_with_the_role_the_desk_gives(
    world: World, agent: int, role: str, active: bool
) -> None:
    found = world.desk.read_agent(AgentId(str(agent)))
    assert found is not None
    assert (found.role, found.active) == (role, active)


@pytest.mark.parametrize(
    "told",
    [
        {"role_type": 0, "custom_role_id": 7, "only_private_comments": True},
        {"only_private_comments": True},
        {"role_type": 2},
        {"role_type": 3},
    ],
    ids=["own-role-private", "private", "chat-agent", "contributor"],
)
def test_who_may_not_answer_in_public_pays_nothing(world: World, told: dict[str, object]) -> None:
    world.fake.account.users[AGENT].update(told)
    found = world.desk.read_agent(AgentId(str(AGENT)))
    assert found is not None
    assert found.role == "light_agent"
    assert not rights_of(found, DESK, None).pay


def test_a_full_agent_in_a_role_of_the_accounts_own_pays(world: World) -> None:
    found = world.desk.read_agent(AgentId(str(IN_ROLE)))
    assert found is not None
    assert rights_of(found, DESK, None).pay


def test_a_deleted_agent_is_not_active(world: World) -> None:
    world.fake.account.users[AGENT]["active"] = False
    found = world.desk.read_agent(AgentId(str(AGENT)))
    assert found is not None
    assert not found.active
    assert not sees(world, AGENT)
