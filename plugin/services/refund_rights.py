"""Who may move money from a panel: one question, one place.

The desk says who its agent is and in which role; its adapter puts the desk's word into
`Agent.role`. Only the roles named here may pay, undo and attest. Any other may look, one that we
have never heard of too. Limits per person and approvals will stand here as well.
"""

from __future__ import annotations

from typing import Final

from plugin.ports import Agent

PAYING_ROLES: Final = frozenset({"admin", "lead", "agent"})


def may_refund(agent: Agent) -> bool:
    """Whether this agent may decide, undo and attest refunds. Never true for a former agent."""
    return agent.active and agent.role in PAYING_ROLES
