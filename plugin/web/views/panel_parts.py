"""The small parts of the panel's view, and its upper half: the frame, who writes, the orders.

Display-ready content only; see `plugin.web.views.panel_view` for what that means.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# ---------------------------------------------------------------------------------- small parts


class Tone(StrEnum):
    """What a colour means. A shape always says the same."""

    PLAIN = "plain"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    UNKNOWN = "unk"


class Icon(StrEnum):
    """The drawings of the sprite, by name."""

    AGAIN = "again"
    BOOK = "book"
    CHECK = "check"
    CLOCK = "clock"
    CLOUD = "cloud"
    COPY = "copy"
    FIND = "find"
    HAND = "hand"
    LOOK = "look"
    NO = "no"
    SHIELD = "shield"
    UNKNOWN = "unk"
    WARN = "warn"
    YES = "yes"


class Ask(StrEnum):
    """The forms a view may offer as a button; the value is the last part of the address."""

    ORDERS = "orders"
    ORDER = "order"
    TIMELINE = "timeline"
    LOOK = "look"
    ATTEST = "attest"


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount as written for the agent, with its ISO 4217 code: ``Amount("1,234.50", "EUR")``."""

    text: str
    currency: str


@dataclass(frozen=True, slots=True)
class Link:
    """A way out of the panel, opened in a new tab.

    Raises:
        ValueError: the address is neither https, plain http (development) nor a path of our own.
    """

    label: str
    href: str

    def __post_init__(self) -> None:
        own_path = self.href.startswith("/") and not self.href.startswith("//")
        if not own_path and not self.href.startswith(("https://", "http://")):
            # Autoescaping does not stop a `javascript:` address that came from a store.
            message = f"a link must be https, http or a path of our own, not {self.href[:24]!r}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Press:
    """A button that posts to one of our own forms. It never moves money."""

    label: str
    ask: Ask
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Copy:
    """A button that copies a text; the text itself also stands on the page."""

    label: str
    text: str


Action = Press | Link | Copy


@dataclass(frozen=True, slots=True)
class Notice:
    """What it is about, what happened to the money, and what to do next."""

    tone: Tone
    icon: Icon
    title: str
    text: str
    actions: tuple[Action, ...] = ()


# ---------------------------------------------------------------------------------- frame and who


class Direction(StrEnum):
    """Which way the agent's language runs."""

    LEFT_TO_RIGHT = "ltr"
    RIGHT_TO_LEFT = "rtl"


@dataclass(frozen=True, slots=True)
class HostAccent:
    """The desk's accent and the ink on it, as ``#rrggbb``. Left out by the page below 4.5:1."""

    accent: str
    on_accent: str


@dataclass(frozen=True, slots=True)
class PracticeBanner:
    """The banner that is always in sight while nothing is real."""

    text: str
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """What every picture of the panel carries.

    `base` is the panel's own path without a trailing slash; every form posts below it.
    `session` is the bearer token. `stylesheets` and `scripts` are addresses, in loading order.

    Raises:
        ValueError: `base` is not a path of our own.
    """

    base: str
    session: str
    title: str
    locale: str = "en"
    direction: Direction = Direction.LEFT_TO_RIGHT
    accent: HostAccent | None = None
    practice: PracticeBanner | None = None
    stylesheets: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.base.startswith("/") or self.base.startswith("//") or self.base.endswith("/"):
            message = f"the panel's base must be a path without a trailing slash, not {self.base!r}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class PairingOffer:
    """The agent is not proven: why, and a press that opens a window of ours.

    The press posts to `pairing` below the panel's base, into a new window; `pair` is asked every
    `ask_again_ms` whether the agent was proven meanwhile. No press where the page names no agent.
    """

    title: str
    text: str
    press: str | None
    ask_again_ms: int | None


class MatchStrength(StrEnum):
    """How sure we are that the writer is this customer."""

    STRONG = "strong"
    WEAK = "weak"


@dataclass(frozen=True, slots=True)
class MatchBadge:
    """The evidence in words: "Matched by e-mail + order number"."""

    strength: MatchStrength
    text: str


@dataclass(frozen=True, slots=True)
class Who:
    """Who writes. `quiet` holds short facts for one quiet line ("2 refunds in 12 months")."""

    name: str
    email: str
    match: MatchBadge | None = None
    quiet: tuple[str, ...] = ()


# ---------------------------------------------------------------------------------- orders


class VerdictKind(StrEnum):
    """The five verdicts."""

    ELIGIBLE = "eligible"
    IN_PART = "in_part"
    NOT_ELIGIBLE = "not_eligible"
    NEEDS_REVIEW = "needs_review"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class VerdictChip:
    """The verdict as a chip, with its clause on tap.

    `clause` is short ("clause 2.1"); `quote` is the sentence that stands on the published page and
    what it means here; `footer` names the version in force. An empty `quote` makes a chip without a
    tap.
    """

    kind: VerdictKind
    text: str
    clause: str = ""
    quote: str = ""
    footer: str = ""


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order in the list. `refunded` is a whole phrase ("10.00 already refunded") or empty.

    `verdict` is None where all of it went back: then there is nothing to judge.
    """

    key: str
    title: str
    amount: Amount
    store: str
    date: str
    verdict: VerdictChip | None
    access: str = ""
    refunded: str = ""
    expanded: bool = False


@dataclass(frozen=True, slots=True)
class OrdersBlock:
    """The orders of all stores, newest first.

    While stores are still being asked, rows that arrive take the next free place (sorting them in
    would make the list jump), `waiting` says for whom, `skeletons` keeps that many places in their
    final size, and `ask_again_ms` says when the page asks again.
    """

    rows: tuple[OrderRow, ...]
    count: str = ""
    age: str = ""
    waiting: str = ""
    skeletons: int = 0
    ask_again_ms: int | None = None
