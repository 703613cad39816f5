"""Which tickets an agent may see in Zendesk, so that our key does not show them more.

Our key is usually an administrator's: without this check any agent could read any ticket through
us. Where two settings speak (the agent's own restriction and their role's), both must allow it;
what is unknown is not allowed. Pure: no calls.

Sources: developer.zendesk.com, Users (`ticket_restriction`, `restricted_agent`), Custom Agent Roles
(`configuration.ticket_access`), Groups (`is_public`). Not checked, since no agent-scoped API tells
it: the brands an agent works for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, assert_never

from plugin.domain.ids import AgentId
from plugin.platforms.strict_json import Reader


class Reach(StrEnum):
    """How far one setting lets an agent see."""

    ALL = "all"
    GROUPS = "groups"
    GROUPS_AND_PUBLIC = "groups_and_public"
    ORGANIZATION = "organization"
    ASSIGNED = "assigned"
    REQUESTED = "requested"
    UNKNOWN = "unknown"


_RESTRICTIONS: Final[Mapping[str | None, Reach]] = MappingProxyType(
    {
        None: Reach.ALL,
        "groups": Reach.GROUPS,
        "organization": Reach.ORGANIZATION,
        "assigned": Reach.ASSIGNED,
        "requested": Reach.REQUESTED,
    }
)
_ROLE_ACCESS: Final[Mapping[str, Reach]] = MappingProxyType(
    {
        "all": Reach.ALL,
        "within-groups": Reach.GROUPS,
        "within-groups-and-public-groups": Reach.GROUPS_AND_PUBLIC,
        "within-organization": Reach.ORGANIZATION,
        "assigned-only": Reach.ASSIGNED,
    }
)
_ANSWERS_IN_PUBLIC: Final = frozenset({None, 0})
"""Types of role of a full agent: none, and a role of the account's own. Others (light agents, chat
agents, contributors) read tickets and may write private notes at most."""


@dataclass(frozen=True, slots=True)
class DeskUser:
    """A user as the API tells. `role` is `admin`, `agent`, `light_agent` or `end_user`."""

    id: AgentId
    name: str
    role: str
    active: bool
    reaches: tuple[Reach, ...]
    groups: frozenset[str]
    organization: str | None
    only_private_comments: bool

    @property
    def works_here(self) -> bool:
        """True for an agent or admin who is neither suspended nor deleted."""
        return self.active and self.role != "end_user"


@dataclass(frozen=True, slots=True)
class TicketPlace:
    """What decides who sees a ticket."""

    requester: str
    assignee: str | None
    group: str | None
    group_is_public: bool
    organization: str | None


def read_user(answer: Reader) -> DeskUser:
    """The user of an answer with `include=groups,roles`. Raises Malformed."""
    user = answer.section("user")
    role = _role(user)
    return DeskUser(
        id=AgentId(user.identifier("id")),
        name=user.optional_text("name") or "",
        role=role,
        active=user.boolean("active") and not (user.optional_boolean("suspended") or False),
        reaches=(Reach.ALL,) if role == "admin" else _reaches(user, answer),
        groups=frozenset(group.identifier("id") for group in answer.optional_items("groups") or ()),
        organization=user.optional_identifier("organization_id"),
        only_private_comments=user.optional_boolean("only_private_comments") or False,
    )


def _role(user: Reader) -> str:
    role = user.text("role")
    is_full = user.optional_integer("role_type") in _ANSWERS_IN_PUBLIC
    if role == "agent" and (not is_full or user.optional_boolean("only_private_comments")):
        return "light_agent"  # reads, and pays nothing
    return role if role in {"admin", "agent"} else "end_user"


def _reaches(user: Reader, answer: Reader) -> tuple[Reach, ...]:
    own = _RESTRICTIONS.get(user.optional_text("ticket_restriction"), Reach.UNKNOWN)
    custom_role = user.optional_identifier("custom_role_id")
    access = next(
        (
            role.optional_text("configuration", "ticket_access")
            for role in answer.optional_items("roles") or ()
            if custom_role is not None and role.optional_identifier("id") == custom_role
        ),
        None,
    )
    if access is not None:
        return own, _ROLE_ACCESS.get(access, Reach.UNKNOWN)
    if own is Reach.ALL and user.optional_boolean("restricted_agent") is not False:
        # Restricted by something that we were not told.
        return (Reach.UNKNOWN,)
    return (own,)


def may_see(agent: DeskUser, ticket: TicketPlace) -> bool:
    """Whether Zendesk itself would show the ticket to this agent."""
    return agent.works_here and all(_reach_holds(reach, agent, ticket) for reach in agent.reaches)


def _reach_holds(reach: Reach, agent: DeskUser, ticket: TicketPlace) -> bool:
    in_groups = ticket.group is not None and ticket.group in agent.groups
    own = agent.id in {ticket.assignee, ticket.requester}
    match reach:
        case Reach.ALL:
            return True
        case Reach.GROUPS:
            return in_groups or own
        case Reach.GROUPS_AND_PUBLIC:
            return in_groups or own or ticket.group_is_public
        case Reach.ORGANIZATION:
            same = ticket.organization is not None and ticket.organization == agent.organization
            return same or own
        case Reach.ASSIGNED:
            return agent.id == ticket.assignee
        case Reach.REQUESTED:
            return agent.id == ticket.requester
        case Reach.UNKNOWN:
            return False
        case _:
            assert_never(reach)
