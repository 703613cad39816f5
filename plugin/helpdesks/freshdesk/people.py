"""Who works at a Freshdesk account, in which role, and which tickets they may see there.

Our key is an administrator's: without this check any agent could read any ticket through us. What
is unknown is not allowed. Pure: no calls.

Sources: developers.freshdesk.com/api, Agents (`ticket_scope`, `group_ids`, `role_ids`, `type`) and
Roles; support.freshdesk.com 97079, "Understanding ticket scope and agent role". Not checked, since
the ticket does not tell it: tickets where an agent is only mentioned, or is the internal agent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from plugin.domain.ids import AgentId
from plugin.platforms.strict_json import Reader

ID: Final = re.compile(r"[1-9][0-9]{0,18}")
"""A Freshdesk id. Use `fullmatch`, before it stands in a path."""

ALL_TICKETS: Final = 1
"""`ticket_scope` of an agent who sees everything; 2 is their groups', 3 their own."""

_SUPPORT_AGENT: Final = "support_agent"

_ROLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Account Administrator": "admin",
        "Administrator": "admin",
        "Supervisor": "lead",
        "Agent": "agent",
    }
)
_RANKS: Final = ("admin", "lead", "agent")
OTHER_ROLE: Final = "custom"
"""An agent whose roles are all of the account's own making: we do not know what they may do."""


@dataclass(frozen=True, slots=True)
class DeskAgent:
    """An agent as the API tells. `kind` is Freshdesk's word, such as `collaborator`."""

    id: AgentId
    name: str
    email: str | None
    active: bool
    kind: str
    scope: int | None
    groups: frozenset[str]
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class TicketPlace:
    """What decides who sees a ticket."""

    responder: str | None
    group: str | None


def read_desk_agent(answer: Reader) -> DeskAgent:
    """The agent of `agents/{id}` or `agents/me`. Raises Malformed."""
    contact = answer.section("contact")
    return DeskAgent(
        id=AgentId(answer.identifier("id")),
        name=contact.optional_text("name") or "",
        email=contact.optional_text("email"),
        active=contact.boolean("active") and not (answer.optional_boolean("deactivated") or False),
        kind=answer.optional_text("type") or _SUPPORT_AGENT,
        scope=answer.optional_integer("ticket_scope"),
        groups=frozenset(one.identifier() for one in answer.optional_items("group_ids") or ()),
        roles=frozenset(one.identifier() for one in answer.optional_items("role_ids") or ()),
    )


def may_see(agent: DeskAgent, ticket: TicketPlace) -> bool:
    """Whether Freshdesk itself would show the ticket to this agent."""
    if not agent.active:
        return False
    is_own = ticket.responder == agent.id
    if agent.kind != _SUPPORT_AGENT:
        # Collaborators see what they were invited to, whatever their scope; nothing tells us what.
        return is_own
    match agent.scope:
        case 1:
            return True
        case 2:
            return is_own or (ticket.group is not None and ticket.group in agent.groups)
        case 3:
            return is_own
        case _:
            return False


def everybody_sees_all(agents: Sequence[Reader]) -> bool:
    """Whether every ticket is shown to all of `agents`, as `agents` lists them; no for nobody."""
    return bool(agents) and all(
        one.optional_integer("ticket_scope") == ALL_TICKETS
        and (one.optional_text("type") or _SUPPORT_AGENT) == _SUPPORT_AGENT
        for one in agents
    )


def role_of(agent: DeskAgent, roles: Sequence[Reader]) -> str:
    """`admin`, `lead` or `agent` by Freshdesk's own roles, the highest; else a word for looking.

    A role counts only where Freshdesk says that it is one of its own: anybody with the right may
    call a role of theirs "Administrator". Raises Malformed.
    """
    if agent.kind != _SUPPORT_AGENT:
        return agent.kind
    held = {
        _ROLES.get(role.text("name"), OTHER_ROLE)
        for role in roles
        if role.identifier("id") in agent.roles and role.optional_boolean("default") is True
    }
    return next((rank for rank in _RANKS if rank in held), OTHER_ROLE)
