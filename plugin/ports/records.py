"""What the use cases keep, as values: the rows of storage as the core reads them. No behaviour.

Times are aware UTC. Bodies, headers and secrets stay out of every repr.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from plugin.domain.drift import Difference, DriftState
from plugin.domain.effects import EffectState, PlannedEffect
from plugin.domain.ids import (
    AgentId,
    AgentRef,
    CustomerKey,
    DeliveryId,
    InstallationId,
    PairingId,
    RefundId,
    RequestId,
    RunId,
    TenantId,
)
from plugin.domain.plan import Plan
from plugin.ports import Connection


@dataclass(frozen=True, slots=True)
class Tenant:
    """One business. `owners` are the addresses that are told; `simulated` is practice."""

    id: TenantId
    name: str
    owners: tuple[str, ...] = ()
    time_zone: str = "UTC"
    locale: str = "en"
    simulated: bool = False


class InstallationStatus(StrEnum):
    """How an installation stands. Removed ones stay as rows: what happened there is still told."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    NEEDS_ATTENTION = "needs_attention"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class SelfTestLine:
    """One line of an installation's self-test. `state`: waiting, ok, failed, skipped.

    `milliseconds`: how long our calls for it took; None before, and where we made none.
    """

    name: str
    state: str
    details: str = ""
    at: datetime | None = None
    milliseconds: int | None = None


@dataclass(frozen=True, slots=True)
class Installation:
    """A stored connection with its state.

    Secrets sit inside `connection`, decrypted, out of every repr.
    """

    connection: Connection
    status: InstallationStatus
    created_at: datetime
    self_test: tuple[SelfTestLine, ...] = ()


class DeliveryState(StrEnum):
    """`waiting` for another answer first, `failed` after all attempts: shown, replayable."""

    RECEIVED = "received"
    WAITING = "waiting"
    APPLIED = "applied"
    IGNORED = "ignored"
    UNREADABLE = "unreadable"
    UNRECOGNISED = "unrecognised"
    FAILED = "failed"


NOT_APPLIED: Final = (
    DeliveryState.FAILED,
    DeliveryState.UNREADABLE,
    DeliveryState.UNRECOGNISED,
)
"""Kept for a person, who may have them read again, or close them."""

DONE_BY_HAND: Final = "done_by_hand"
"""Why a delivery is `ignored`, or an effect `already`, that a person did herself and closed.

No states of their own: the version before reads the same rows.
"""


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """One webhook as it came.

    `body` is the raw bytes; `name` is the vendor's id of the delivery.
    """

    id: DeliveryId
    tenant: TenantId
    installation: InstallationId
    name: str
    topic: str
    received_at: datetime
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    state: DeliveryState
    reason: str = ""
    attempts: int = 0
    wake_at: datetime | None = None

    @property
    def is_closed(self) -> bool:
        """Whether a person closed it as done by hand."""
        return self.state is DeliveryState.IGNORED and self.reason == DONE_BY_HAND


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan with the request that it answers, and who decided it, when.

    `decided_by` is a name for people, which many may have; `decider` says who it is. None where
    nobody told: then it was nobody in particular.
    """

    plan: Plan
    request: RequestId
    decided_at: datetime | None = None
    decided_by: str = ""
    decider: AgentRef | None = None


@dataclass(frozen=True, slots=True)
class RefundMove:
    """One appended fact of a refund's life."""

    refund: RefundId
    before: str
    after: str
    at: datetime
    actor: str
    reason: str = ""
    evidence: str = ""


class RunState(StrEnum):
    """How far a rule run is."""

    WAITING = "waiting"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Run:
    """A rule run: the effects of one cause, done in order.

    `cause` names a plan, a delivery or a moment. A run with cause `moment` re-reads the ledger when
    its time comes: access that ends with a paid period.
    """

    id: RunId
    customer: CustomerKey
    cause: str
    state: RunState
    wake_at: datetime | None
    wakes: int = 0


@dataclass(frozen=True, slots=True)
class StoredEffect:
    """One effect and how far it is. `outcome` is a short word for people; never a body."""

    planned: PlannedEffect
    run: RunId
    customer: CustomerKey
    state: EffectState
    attempts: int = 0
    wake_at: datetime | None = None
    outcome: str = ""
    changed_at: datetime | None = None

    @property
    def is_closed(self) -> bool:
        """Whether a person closed it as done by hand."""
        return self.state is EffectState.ALREADY and self.outcome == DONE_BY_HAND


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to what, when, chained by hash to the entry before it."""

    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: Mapping[str, str]
    previous: str
    hash: str


class SignInPurpose(StrEnum):
    """What the holder of a token may do: open one session, act as the admin, or press one button.

    A button's token is bound to one agent at one ticket.
    """

    LINK = "link"
    SESSION = "session"
    BUTTON = "button"


@dataclass(frozen=True, slots=True)
class StoredSignIn:
    """A one-time link or a session. `id` is the hash of its token, which is kept nowhere."""

    tenant: TenantId
    id: str
    purpose: SignInPurpose
    expires_at: datetime
    used_at: datetime | None = None


class PairingState(StrEnum):
    """`asked`: no link was sent yet. `linked`: one was. `over`: it led to nothing, or was ended."""

    ASKED = "asked"
    LINKED = "linked"
    PAIRED = "paired"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Pairing:
    """That an agent of a desk is proven in one browser, or the wish for it.

    `browser`, `frame` and `link` are hashes: of what the browser's cookie holds, of what the frame
    holds that waits (since `framed_at`), and of the one-time link's token. `name` and `role` are
    the desk's words when it was asked last. `expires_at` is the link's end, then the pairing's.
    """

    tenant: TenantId
    id: PairingId
    desk: InstallationId
    agent: AgentId
    state: PairingState
    browser: str
    frame: str
    framed_at: datetime
    asked_at: datetime
    expires_at: datetime
    link: str | None = None
    name: str = ""
    role: str = ""
    paired_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""
    wake_at: datetime | None = None
    wakes: int = 0

    def holds(self, now: datetime) -> bool:
        """Whether it proves its agent now."""
        return self.state is PairingState.PAIRED and now < self.expires_at


@dataclass(frozen=True, slots=True)
class TagChange:
    """A change of a tag that we made."""

    added: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class DueWork:
    """Something whose time has come.

    `name` is the workflow's id: the row and how often it was woken.
    """

    kind: str  # "delivery", "refund", "run", "sweep", "hold" or "pairing"
    tenant: TenantId
    ref: str
    wakes: int

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.ref}:{self.wakes}"


RESTORED = "restored"
"""The reason of the hold after a copy was restored."""
HOUSE_RESTORED = "house.restored"
"""What the audit trail says of it."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing is sent for the tenant while it stands: no refund, no effect, no mail, no note.

    `since`: when it began. `read_from`: what happened outside from then on is not known yet; for
    `restored` the moment of the copy. `wake_at`: when it is looked at whether it may end.
    """

    reason: str
    since: datetime
    read_from: datetime
    wake_at: datetime | None = None
    wakes: int = 0


@dataclass(frozen=True, slots=True)
class Sweep:
    """How far we have read what changed at one account, and when we look again.

    All that its platform tells of before `read_until` is in the inbox. `swept_at` is when a sweep
    last ended well, None before the first. `failures` in a row, with the `reason` of the last.
    `examined` is the last customer that the round now running looked at; empty between rounds.
    """

    installation: InstallationId
    read_until: datetime
    swept_at: datetime | None
    wake_at: datetime | None
    wakes: int = 0
    failures: int = 0
    reason: str = ""
    examined: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """A difference between the outside and our books, with how far it is.

    `customer` is None where it is nobody's in particular. `found_at`: when it was first seen.
    """

    id: str
    installation: InstallationId
    customer: CustomerKey | None
    difference: Difference
    state: DriftState
    found_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class RestingAccount:
    """A platform account that did not answer, so that calls to it end at once.

    `since` when it rests; `next_try` when one call goes out again; after another failure it rests
    for `then` (at most five minutes: "asked every 5 min"). `failures` in a row.
    """

    installation: InstallationId
    since: datetime
    next_try: datetime
    then: timedelta
    failures: int
