"""What happens, told as it happens to whoever watches: values for counters and spans. No behaviour.

Told at the rim only: where something enters, leaves, or is committed. A fact carries ids, words of
ours and seconds; never a body, an address of a customer or what somebody typed. The core tells
nothing and knows of no watcher.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Entry(StrEnum):
    """How the door for webhooks answered."""

    TAKEN = "taken"
    DUPLICATE = "duplicate"
    REFUSED = "refused"  # not rightly signed
    PING = "ping"  # a platform's unsigned try of the address: nothing is kept
    UNUSABLE = "unusable"  # too large, packed, cut short
    NOT_HERE = "not_here"  # nobody listens at that address
    NOT_NOW = "not_now"  # our database, or something that a person must mend
    BROKEN = "broken"  # a bug


@dataclass(frozen=True, slots=True)
class DeliveryAnswered:
    """A webhook came and was answered. `delivery` is its id where it was taken, else empty.

    `platform` is `none` where nobody listens at the address: any word may stand in it.
    """

    platform: str
    outcome: Entry
    seconds: float
    delivery: str = ""


@dataclass(frozen=True, slots=True)
class DeliverySettled:
    """A delivery got a new state: the end of it, or `waiting` to be tried again."""

    delivery: str
    state: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class RefundMoved:
    """A refund went from one state to another. `before` is `planned` when it was decided.

    `decided_at`: when that was.
    """

    refund: str
    plan: str
    before: str
    after: str
    at: datetime
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class EffectMoved:
    """An effect went from one state to another. `kind` is the effect's name in the domain."""

    effect: str
    run: str
    kind: str
    before: str
    after: str


Moved = DeliverySettled | RefundMoved | EffectMoved


@dataclass(frozen=True, slots=True)
class Committed:
    """What one transaction moved, told once it is lasting. `simulated`: in practice."""

    moves: tuple[Moved, ...]
    simulated: bool


@dataclass(frozen=True, slots=True)
class CallMade:
    """A call went out and came back, or did not.

    `label` is our name for the call, `place` its host and port. `outcome`: the HTTP status, or a
    word of ours for how it broke.
    """

    platform: str
    label: str
    place: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class CallPutOff:
    """A call was not made: the account's budget is spent, or it rests. `reason` is our code."""

    platform: str
    reason: str


@dataclass(frozen=True, slots=True)
class WorkBegun:
    """The worker takes up a row that is due. `kind` as in `DueWork`."""

    kind: str
    tenant: str
    ref: str


@dataclass(frozen=True, slots=True)
class WorkEnded:
    """It let go of it. `failed`: by an error, which leaves the row due."""

    kind: str
    ref: str
    failed: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class RequestBegun:
    """Somebody asks the web for something. `request` is our id of it."""

    request: str


@dataclass(frozen=True, slots=True)
class RequestAnswered:
    """It was answered. `route` is the pattern, never the address."""

    request: str
    route: str
    method: str
    status: int
    seconds: float


Told = (
    DeliveryAnswered
    | Committed
    | CallMade
    | CallPutOff
    | WorkBegun
    | WorkEnded
    | RequestBegun
    | RequestAnswered
)

Watch = Callable[[Told], None]
"""Takes what happened. Quick, safe from any thread, and never raises."""

Tell = Callable[[Moved], None]
"""Takes what moves in a transaction, before it is lasting."""


def unwatched(told: object) -> None:
    """Nobody watches."""
    del told


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of a series that is looked up when it is asked for, with its labels' values."""

    series: str
    value: float
    labels: tuple[str, ...] = ()
