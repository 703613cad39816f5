"""The lower half of the panel's view: an open order and its plan, and what follows the button.

Display-ready content only; see `plugin.web.views.panel_view` for what that means.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from plugin.web.views.panel_parts import (
    Action,
    Amount,
    Direction,
    Link,
    Notice,
    VerdictChip,
)

# ---------------------------------------------------------------------------------- an open order


class Step(StrEnum):
    """The nine guided steps, in their order."""

    LISTEN = "listen"
    REVIEW = "review"
    VERIFY = "verify"
    OFFER = "offer"
    EXPLAIN = "explain"
    RESPECT = "respect"
    DOCUMENT = "document"
    PROCESS = "process"
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True)
class NineSteps:
    """Which steps are ticked, which is next, and one sentence about it."""

    done: frozenset[Step]
    current: Step | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class OrderHead:
    """The order that is open. `number` is the store's own ("Order 10412")."""

    key: str
    title: str
    number: str = ""
    link: Link | None = None
    amount: Amount | None = None
    note: str = ""
    verdict: VerdictChip | None = None


@dataclass(frozen=True, slots=True)
class LinePick:
    """One line to tick. A blocked line says why in `hint`."""

    key: str
    title: str
    amount: str
    picked: bool = False
    blocked: bool = False
    hint: str = ""


class AmountKind(StrEnum):
    """How much: all that is left, the ticked lines, a typed amount, or the unused time."""

    FULL = "full"
    LINES = "lines"
    FREE = "free"
    PRORATA = "prorata"


@dataclass(frozen=True, slots=True)
class SumRow:
    """One row of a sum, the amount without its currency ("-37.25")."""

    label: str
    amount: str


@dataclass(frozen=True, slots=True)
class MonthBar:
    """`used` of `total` periods as a bar; `words` says the same. Drawn for at most 36 periods."""

    used: int
    total: int
    words: str


@dataclass(frozen=True, slots=True)
class ProrataSum:
    """How a pro-rated amount comes about: rows, then the total under a line."""

    rows: tuple[SumRow, ...]
    total: SumRow
    bar: MonthBar | None = None


@dataclass(frozen=True, slots=True)
class AmountChoice:
    """One way to set the amount.

    A `FREE` choice has an input: `typed` is what the agent wrote, `limit` the most that is possible
    as a phrase, `fault` what is wrong with what was typed and what to write instead, `example` an
    amount of this currency.
    """

    kind: AmountKind
    label: str
    amount: str = ""
    chosen: bool = False
    hint: str = ""
    sum: ProrataSum | None = None
    typed: str = ""
    limit: str = ""
    fault: str = ""
    example: str = "0.00"


@dataclass(frozen=True, slots=True)
class ReasonChip:
    """One reason to choose from."""

    key: str
    label: str
    chosen: bool = False


class LotKind(StrEnum):
    """What becomes of access and tags."""

    GOES = "goes"
    STAYS = "stays"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LotItem:
    """One thing: "Course", "Watercolour Year", and why. `is_tag` sets the name like a tag."""

    kind: str
    name: str
    because: str = ""
    is_tag: bool = False


@dataclass(frozen=True, slots=True)
class Lot:
    """Things with the same fate. `aside` stands at the far edge: a count, or a time."""

    kind: LotKind
    items: tuple[LotItem, ...]
    aside: str = ""


@dataclass(frozen=True, slots=True)
class SubscriptionQuestion:
    """Also stop future charges? Asked, never silent."""

    stop: bool
    stop_hint: str = ""
    keep_hint: str = ""


@dataclass(frozen=True, slots=True)
class MessageText:
    """A message that will be sent: `summary` says to whom, how and in which language."""

    summary: str
    paragraphs: tuple[str, ...]
    language: str = ""
    direction: Direction = Direction.LEFT_TO_RIGHT


@dataclass(frozen=True, slots=True)
class PlanBlock:
    """All that carrying out the refund would do.

    Amounts are without currency; it stands at the total.
    """

    currency: str
    money: tuple[SumRow, ...]
    total: SumRow
    asides: tuple[SumRow, ...] = ()
    holds: str = ""
    lots: tuple[Lot, ...] = ()
    subscription: SubscriptionQuestion | None = None
    messages: tuple[MessageText, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanTicket:
    """What the button hands in: the order, and the plan it was pressed for with its hash."""

    order: str
    plan: str
    plan_hash: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How many things go, stay and are unknown: the line above the button."""

    goes: int
    stays: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Decide:
    """The one button.

    Without a `ticket` it is blocked: it keeps its amount and `sub` says what it waits for.
    `label` replaces the usual "Refund 49.00 EUR" where the plan does something else as well.
    """

    amount: Amount | None
    sub: str
    ticket: PlanTicket | None = None
    tally: Tally | None = None
    foot: str = ""
    label: str = ""

    @property
    def blocked(self) -> bool:
        """Whether the button waits for something."""
        return self.ticket is None


@dataclass(frozen=True, slots=True)
class PoliteNo:
    """The kind sentence for the reply when the policy says no."""

    sentence: str


# --------------------------------------------------------------------------------- after the button


@dataclass(frozen=True, slots=True)
class UndoBlock:
    """The ten seconds before anything is sent.

    `seconds_left` is counted by us at the moment of rendering, so a wrong clock in the browser can
    neither shorten nor lengthen it. `only` says who can undo it, where this agent cannot: there is
    no button then.
    """

    order: str
    refund: str
    amount: Amount
    seconds_left: int
    of_seconds: int = 10
    only: str = ""


class TimelineState(StrEnum):
    """Done, current, still to come, no answer, refused, or done by a person."""

    OK = "ok"
    NOW = "now"
    NEXT = "next"
    HUH = "huh"
    STOP = "stop"
    BY = "by"


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """One step: `what` happened, `when` (a time, an age or "1 of 2"), and `more` about it."""

    state: TimelineState
    what: str
    when: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The steps of one refund, or of one payment of it; then `heading` names the payment."""

    steps: tuple[TimelineStep, ...]
    heading: str = ""


class SheetState(StrEnum):
    """A step of the worksheet: done, to be done now, or later."""

    OK = "ok"
    ON = "on"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class CopyRow:
    """A value to look for in the store: "E-mail", the address, "Copy e-mail"."""

    label: str
    value: str
    copy_label: str


@dataclass(frozen=True, slots=True)
class SheetStep:
    """One numbered step for a person."""

    title: str
    state: SheetState = SheetState.LATER
    text: str = ""
    link: Link | None = None
    copy: tuple[CopyRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Worksheet:
    """A refund that only a person can do.

    `attest` is the button's text, `attest_sub` what follows; `undo` takes all of it back, and
    `release` what is left to be paid, where a part was paid. Each is empty where it may not be
    pressed; `only` says then who may.
    """

    order: str
    refund: str
    title: str
    amount: Amount
    intro: str
    steps: tuple[SheetStep, ...]
    attest: str
    attest_sub: str
    undo: str = ""
    release: str = ""
    only: str = ""


@dataclass(frozen=True, slots=True)
class DoneBlock:
    """What happened, what did not, and when the money arrives."""

    notice: Notice
    lots: tuple[Lot, ...]
    told: str = ""
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """One thing before and now; equal texts are set quietly."""

    label: str
    before: str
    now: str

    @property
    def changed(self) -> bool:
        """Whether the two differ."""
        return self.before != self.now


@dataclass(frozen=True, slots=True)
class Difference:
    """Why the plan no longer holds."""

    rows: tuple[DifferenceRow, ...]
    total: DifferenceRow
    currency: str
