"""Who may do what about a refund from a panel: one question, one place.

The panel draws a button only where `rights_of` allows it, and the server asks the same function
again before it does anything. The desk says who its agent is and in which role; its adapter puts
the desk's word into `Agent.role`. Only the roles named here may act. Any other may look, one that
we have never heard of too. Limits per person and approvals will stand here as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from plugin.domain.ids import AgentRef, InstallationId
from plugin.ports import Agent

LEADING_ROLES: Final = frozenset({"admin", "lead"})
PAYING_ROLES: Final = LEADING_ROLES | {"agent"}


@dataclass(frozen=True, slots=True)
class RefundRights:
    """What one agent may do about one refund.

    `pay` is to decide it, and to say what a person did or found: both may pay. `undo` is to take it
    back while nothing was sent.
    """

    pay: bool
    undo: bool


def rights_of(agent: Agent, desk: InstallationId, decider: AgentRef | None) -> RefundRights:
    """What `agent` of `desk` may do about the refund that `decider` started.

    Undo is for whoever started it, and for those who lead. `decider` None is a refund that nobody
    started yet, or that nobody knows who did: then only those who lead. A former agent may nothing.
    """
    pay = agent.active and agent.role in PAYING_ROLES
    is_own = decider == AgentRef(desk, agent.id)
    return RefundRights(pay, undo=pay and (is_own or agent.role in LEADING_ROLES))
