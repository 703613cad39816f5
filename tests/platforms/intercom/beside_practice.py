"""Signed posts of an account whose conversations are practice's tickets: orders behind each panel.

For harnesses that open no socket. Who signs, what a post says and what is made of it are the
product's and the vendor's; only the desk's answers to our own calls come from practice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from plugin.domain.ids import AgentId, TenantId, TicketId
from plugin.platforms.adapters import Adapters
from plugin.platforms.practice_cases import AGENTS
from plugin.ports import Agent, Connection, ServesPanel, Ticket
from plugin.ports.platforms import P
from tests.platforms.intercom.posts import post_of, signed

STEM: Final = "intercom"
TEAMMATES: Final = ("7", "8")
"""One who pays and undoes their own refunds, and one who leads."""
_PEOPLE: Final = {
    TEAMMATES[0]: Agent(AgentId(TEAMMATES[0]), "Ada Agent", "agent", active=True),
    TEAMMATES[1]: Agent(AgentId(TEAMMATES[1]), "Lea Lead", "lead", active=True),
}


@dataclass(frozen=True, slots=True)
class _Desk:
    """Practice's tickets, to the account's own teammates."""

    practice: ServesPanel

    def read_ticket(self, ticket: TicketId, agent: AgentId) -> Ticket | None:
        known = self.read_agent(agent)
        return None if known is None else self.practice.read_ticket(ticket, AGENTS[0].id)

    def read_agent(self, agent: AgentId) -> Agent | None:
        return _PEOPLE.get(agent)


@dataclass(frozen=True, slots=True)
class BesidePractice(Adapters):
    """The adapters, but that a practice desk answers for the account beside it, by tenant."""

    desks: Mapping[TenantId, Connection] = field(default_factory=dict)

    def able(self, connection: Connection, port: type[P]) -> P | None:
        practice = self.desks.get(connection.tenant)
        if practice is None or connection.platform != STEM or port is not ServesPanel:
            return Adapters.able(self, connection, port)
        behind = Adapters.able(self, practice, ServesPanel)
        return None if behind is None else cast("P", _Desk(behind))


def beside_practice(adapters: Adapters, desks: Mapping[TenantId, Connection]) -> BesidePractice:
    """`adapters` with `desks` behind the accounts of the same tenants."""
    own = {name: getattr(adapters, name) for name in Adapters.__dataclass_fields__}
    return BesidePractice(**own, desks=desks)


def document_for(
    connection: Connection,
    agent: str,
    conversation: str | None,
    **more: Any,  # noqa: ANN401 - hostile values too
) -> dict[str, Any]:
    """A post of this account's workspace."""
    workspace = connection.settings["workspace_id"]
    return post_of(agent, conversation, **{"workspace_id": workspace, **more})


def signed_for(
    connection: Connection, document: Mapping[str, Any]
) -> tuple[bytes, Mapping[str, str]]:
    """Its bytes and headers, signed with this account's secret."""
    return signed(document, connection.secrets["client_secret"])
