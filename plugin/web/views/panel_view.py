"""What the agent's panel shows, as plain display-ready content, the same for every desk.

Every text is final: amounts, dates and names are formatted by whoever builds the view, in the
agent's locale. Renderers (HTML today, cards for other desks later) only arrange it. This module
never computes money, never decides what is allowed and never reads a clock.

The parts stand in `panel_parts`, the blocks of an open order in `panel_blocks`. One `Panel` is one
picture of the panel: the frame it stands in, who writes, the orders, and one `PanelState` below
them. `PanelState` is a closed union; renderers match it exhaustively.
"""

from __future__ import annotations

from dataclasses import dataclass

from plugin.web.views.panel_blocks import (
    AmountChoice,
    Decide,
    Difference,
    DoneBlock,
    LinePick,
    NineSteps,
    OrderHead,
    PlanBlock,
    PoliteNo,
    ReasonChip,
    Timeline,
    UndoBlock,
    Worksheet,
)
from plugin.web.views.panel_parts import (
    Frame,
    Notice,
    OrdersBlock,
    PairingOffer,
    Who,
)


@dataclass(frozen=True, slots=True)
class WeakMatch:
    """Two people could be meant: money is blocked until one more proof is given."""

    notice: Notice
    question: str
    example: str
    reply: str
    decide: Decide
    fault: str = ""
    order: str = ""


@dataclass(frozen=True, slots=True)
class NothingFound:
    """No purchase: where we looked, a search, and a sentence for the reply.

    `silent` are the places that did not answer.
    """

    heading: str
    places: tuple[str, ...]
    reply: str
    typed: str = ""
    fault: str = ""
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderList:
    """The list only: no order is open. Also the first paint, while stores are being asked."""


@dataclass(frozen=True, slots=True)
class StoreOffline:
    """The order's store does not answer: old data with its age, and the money stays put.

    `title` is the order's; its row in the list shows what is known, with the verdict "unknown".
    """

    order: str
    title: str
    notice: Notice
    decide: Decide
    ask_again_ms: int | None = None


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order with what to choose, what it will do, and the button.

    A refused order has a `polite_no`, usually nothing to choose, and a blocked button.
    """

    head: OrderHead
    steps: NineSteps
    decide: Decide
    currency: str = ""
    lines: tuple[LinePick, ...] = ()
    amounts: tuple[AmountChoice, ...] = ()
    reasons: tuple[ReasonChip, ...] = ()
    plan: PlanBlock | None = None
    polite_no: PoliteNo | None = None
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class ChangedSince:
    """The plan no longer holds; the difference, and a button for the new plan."""

    head: OrderHead
    notice: Notice
    difference: Difference
    decide: Decide


@dataclass(frozen=True, slots=True)
class TenSeconds:
    """Reserved, not sent."""

    title: str
    undo: UndoBlock
    foot: str


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The refund as it happens, also while a gateway is silent (then with a notice).

    `certain` says what is sure when payments differ ("91.79 paid, 19.96 unknown").
    """

    order: str
    refund: str
    title: str
    timelines: tuple[Timeline, ...]
    steps: NineSteps | None = None
    notice: Notice | None = None
    certain: str = ""
    ask_again_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ByHand:
    """A person refunds in the store; evidence or their word closes it."""

    worksheet: Worksheet
    steps: NineSteps | None = None
    ask_again_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """It ended. `ask_again_ms` while something is still open."""

    order: str
    refund: str
    done: DoneBlock
    steps: NineSteps | None = None
    ask_again_ms: int | None = None


@dataclass(frozen=True, slots=True)
class DisputeOpen:
    """The bank holds the money: a refund could pay twice. `reply` is a sentence for the reply."""

    head: OrderHead
    notice: Notice
    text: str
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """Only a notice: the ticket is not the agent's, the session ended, too many requests."""

    notice: Notice


PanelState = (
    WeakMatch
    | NothingFound
    | OrderList
    | StoreOffline
    | OpenOrder
    | ChangedSince
    | TenSeconds
    | UnderWay
    | ByHand
    | Done
    | DisputeOpen
    | Told
)


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of the panel. `say` is the one sentence a screen reader hears when it appears.

    `pairing` stands above everything while the desk does not prove its agent: then one may look, at
    most, and every button that does something is blocked.
    """

    frame: Frame
    state: PanelState
    who: Who | None = None
    orders: OrdersBlock | None = None
    say: str = ""
    pairing: PairingOffer | None = None
