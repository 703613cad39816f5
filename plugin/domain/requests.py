"""What a customer asks for, and the nine guided steps of answering it well.

A request says who asked, how, why, with which documents, and which steps an agent has taken. It
holds no decision and no money: those are the plan's and the refund's, which name their request.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from plugin.domain.days import require_zone
from plugin.domain.errors import InvalidInput
from plugin.domain.ids import AgentId, CustomerKey, InstallationId, RequestId, TicketId
from plugin.domain.orders import OrderRef

LONGEST_REASON = 2000


class GuidedStep(StrEnum):
    """The steps of a good conversation, in order."""

    LISTEN = "listen"
    REVIEW = "review"
    VERIFY = "verify"
    OFFER = "offer"
    EXPLAIN = "explain"
    RESPECT = "respect"
    DOCUMENT = "document"
    PROCESS = "process"
    FEEDBACK = "feedback"


GUIDED_STEPS: tuple[GuidedStep, ...] = tuple(GuidedStep)


class Channel(StrEnum):
    """Where the customer asked. Phone and social are typed in by an agent."""

    TICKET = "ticket"
    PAGE = "page"
    CHAT = "chat"
    PHONE = "phone"
    SOCIAL = "social"


class Reason(StrEnum):
    """Why, as the customer gave it."""

    NO_TIME = "no_time"
    NOT_AS_EXPECTED = "not_as_expected"
    TECHNICAL = "technical"
    BOUGHT_TWICE = "bought_twice"
    TOO_EXPENSIVE = "too_expensive"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class StepDone:
    """One ticked step, by whom and when."""

    step: GuidedStep
    by: AgentId
    at: datetime

    def __post_init__(self) -> None:
        require_zone(self.at, "at")


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """One request. `documents` are references to what the customer sent, never its content.

    `reason` None means the customer gave none, which no policy of ours holds against them.
    """

    id: RequestId
    order: OrderRef
    customer: CustomerKey
    channel: Channel
    asked_at: datetime
    reason: Reason | None = None
    reason_text: str = ""
    documents: tuple[str, ...] = ()
    ticket: TicketId | None = None
    desk: InstallationId | None = None
    steps_done: tuple[StepDone, ...] = ()

    def __post_init__(self) -> None:
        require_zone(self.asked_at, "asked_at")
        if len(self.reason_text) > LONGEST_REASON:
            raise InvalidInput("reason_text", f"write up to {LONGEST_REASON} characters")
        if not all(self.documents):
            raise InvalidInput("documents", "name each document")
        if self.ticket is not None and self.desk is None:
            raise InvalidInput("ticket", "say which desk the ticket is in")
        if len({done.step for done in self.steps_done}) != len(self.steps_done):
            raise InvalidInput("steps_done", "each step is done once")

    def is_done(self, step: GuidedStep) -> bool:
        return any(done.step is step for done in self.steps_done)


def tick(request: RefundRequest, step: GuidedStep, by: AgentId, at: datetime) -> RefundRequest:
    """`request` with `step` done. Any order is allowed; a second tick changes nothing.

    Raises InvalidInput for a time without a zone.
    """
    if request.is_done(step):
        return request
    return replace(request, steps_done=(*request.steps_done, StepDone(step, by, at)))


def untick(request: RefundRequest, step: GuidedStep) -> RefundRequest:
    """`request` with `step` open again. A step that is open stays open."""
    left = tuple(done for done in request.steps_done if done.step is not step)
    return replace(request, steps_done=left)


def next_step(request: RefundRequest) -> GuidedStep | None:
    """The first open step, or None when all nine are done."""
    return next((step for step in GUIDED_STEPS if not request.is_done(step)), None)
