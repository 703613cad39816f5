"""What pairing an agent needs of a desk that proves only its account. Protocols only.

Such a desk's manifest says `panel.agent_vouched_by: installation`. Its `sign_in` gives
`SignIn(agent=None, claimed_agent=...)`: the agent is a claim of the page until the one whom the
desk's own API knows by that id has opened a link in the very browser that asked.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from plugin.domain.ids import AgentId, TicketId
from plugin.ports import Ticket


@runtime_checkable
class PairsAgents(Protocol):
    """Tells where an agent is reached. Without it nobody of the desk can be paired."""

    def read_agent_email(self, agent: AgentId) -> str | None:
        """The agent's own address, by the desk's API and never by the page.

        None where the desk has no such agent, or the agent does not work there any more. Raises
        RetryLater when it does not answer.
        """


@runtime_checkable
class ReadsSharedTickets(Protocol):
    """Tells which tickets every agent of the account may see. Without it the unpaired see none."""

    def read_shared_ticket(self, ticket: TicketId) -> Ticket | None:
        """The ticket, if whoever works at this desk may see it.

        None where some may not, and where the desk cannot say so.
        """
