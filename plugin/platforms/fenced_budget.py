"""A budget that gives nothing out while whoever asks may be taken for dead by the others.

A worker that cannot show that it lives will be taken over from. What it had begun ends by the
call's own deadline; but it must begin nothing more. Every call asks for its budget just before it
goes out, so this is the gate that all of them pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from plugin.platforms.token_bucket import Budget

ASK_AGAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class FencedBudget:
    """Implements `plugin.platforms.token_bucket.Budget`."""

    budget: Budget
    may_call: Callable[[], bool]

    def take(self) -> float:
        wait = self.budget.take()
        # Asked last: the budget may have kept us waiting.
        return wait if wait > 0 or self.may_call() else ASK_AGAIN_SECONDS
