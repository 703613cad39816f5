"""When a refund is due, as the seller says it: versions of numbered clauses.

Each clause is one sentence on the published page and the rule behind it, so that what decides is
what customers can read. Never judges: `plugin.domain.verdict` does. Reading and writing documents
is in `plugin.domain.policy_document`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from zoneinfo import ZoneInfo

from plugin.domain.days import require_zone
from plugin.domain.errors import InvalidInput
from plugin.domain.money import Money
from plugin.domain.orders import ResourceKind
from plugin.domain.texts import is_one_line

_CLAUSE_ID = re.compile(r"[1-9][0-9]?(?:\.[1-9][0-9]?){0,2}")
_LONGEST_TEXT = 600
_LONGEST_WINDOW = 3660
_WHOLE = 10_000


class Split(StrEnum):
    """How a refund is spread over the payments of an order."""

    PROPORTIONAL = "proportional"


@dataclass(frozen=True, slots=True)
class Selector:
    """What a clause speaks of: these kinds of thing, and these products. Empty is everything."""

    kinds: frozenset[ResourceKind] = frozenset()
    products: frozenset[str] = frozenset()

    def covers(self, product: str, kinds: frozenset[ResourceKind] | None) -> bool | None:
        """Whether the clause speaks of this product. None when that hangs on a kind nobody told."""
        if product in self.products or not (self.kinds or self.products):
            return True
        if not self.kinds:
            return False
        return None if kinds is None else bool(self.kinds & kinds)


EVERYTHING = Selector()


@dataclass(frozen=True, slots=True)
class UsageCondition:
    """How little must have been used. With both conditions set, both must hold.

    `max_share_percent` is the most that may be used: "less than 20 %" is 19. `if_unknown` is the
    clause to cite where the store does not tell: "If we cannot see whether you downloaded it, a
    person decides".
    """

    not_downloaded: bool = False
    max_share_percent: int | None = None
    if_unknown: str | None = None

    def __post_init__(self) -> None:
        if not self.not_downloaded and self.max_share_percent is None:
            raise InvalidInput("usage", "say what must not have been used")
        if self.max_share_percent is not None and not 0 <= self.max_share_percent <= 100:
            raise InvalidInput("usage.max_share_percent", "give 0 to 100 per cent")


@dataclass(frozen=True, slots=True)
class ProRata:
    """What is not used comes back, by time. A begun period counts as used unless said otherwise."""

    begun_period_counts: bool = True


@dataclass(frozen=True, slots=True)
class KeptFee:
    """What the seller keeps of each line: fixed, basis points of what would come back, or both."""

    fixed: Money | None = None
    basis_points: int = 0

    def __post_init__(self) -> None:
        if not self.fixed and not self.basis_points:
            raise InvalidInput("kept_fee", "give a fixed amount, basis points, or both")
        if self.fixed is not None and self.fixed.minor < 0:
            raise InvalidInput("kept_fee.minor", "a fee is not negative")
        if not 0 <= self.basis_points <= _WHOLE:
            raise InvalidInput("kept_fee.basis_points", "give 0 to 10000; 250 are 2.5 per cent")

    def of(self, amount: Money) -> Money | None:
        """The fee on `amount`, never more than it. None when it is fixed in another currency."""
        share = amount.share(self.basis_points, _WHOLE)
        if self.fixed is None:
            return share
        if self.fixed.currency != amount.currency:
            return None
        return (share + self.fixed).clamp(amount)


@dataclass(frozen=True, slots=True)
class Clause:
    """One sentence of the published page, and the rule it states.

    `window_days` counts whole days after the day of purchase; day 30 of 30 is still within. With
    `prorata` as well, everything comes back within the window and the unused part after it; with
    `prorata` alone the unused part comes back at any time; with neither, everything does. `usage`
    must hold in every case. A clause that does not `decide` only informs, and can be cited by
    `UsageCondition.if_unknown`.
    """

    id: str
    text: str
    applies_to: Selector = EVERYTHING
    window_days: int | None = None
    usage: UsageCondition | None = None
    prorata: ProRata | None = None
    non_refundable: bool = False
    kept_fee: KeptFee | None = None
    decides: bool = True

    def __post_init__(self) -> None:
        if not _CLAUSE_ID.fullmatch(self.id):
            raise InvalidInput("id", "number clauses like 2 or 2.1")
        if not self.text.strip() or len(self.text) > _LONGEST_TEXT or not is_one_line(self.text):
            raise InvalidInput("text", f"write one line of up to {_LONGEST_TEXT} characters")
        if self.window_days is not None and not 0 <= self.window_days <= _LONGEST_WINDOW:
            raise InvalidInput("window_days", f"give 0 to {_LONGEST_WINDOW} days")
        gives = (self.window_days, self.usage, self.prorata, self.kept_fee) != (None,) * 4
        if self.non_refundable and gives:
            raise InvalidInput("non_refundable", "leave out window, usage, prorata and kept_fee")
        if not self.decides and (gives or self.non_refundable or self.applies_to != EVERYTHING):
            raise InvalidInput("decides", "a clause that only informs has a text and no rule")


class Unmatched(Enum):
    """Why no clause decides."""

    NO_CLAUSE = "no_clause"
    KIND_UNKNOWN = "kind_unknown"


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """The clauses as they stood from `in_force_from` on. Days are those of `timezone` (IANA)."""

    number: int
    in_force_from: datetime
    timezone: str
    clauses: tuple[Clause, ...]
    split: Split = Split.PROPORTIONAL

    def __post_init__(self) -> None:
        if self.number < 1:
            raise InvalidInput("number", "count versions from 1")
        require_zone(self.in_force_from, "in_force_from")
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):  # unknown, malformed, or a folder such as "Europe"
            raise InvalidInput("timezone", "give an IANA name like Europe/Zagreb") from None
        ids = [clause.id for clause in self.clauses]
        if len(set(ids)) != len(ids):
            raise InvalidInput("clauses", "each clause needs a number of its own")
        if not any(clause.decides for clause in self.clauses):
            raise InvalidInput("clauses", "give at least one clause that decides")
        for clause in self.clauses:
            cited = clause.usage.if_unknown if clause.usage else None
            if cited is not None and cited not in ids:
                raise InvalidInput("clauses", f"{clause.id} cites {cited}, which is not here")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def clause_for(self, product: str, kinds: frozenset[ResourceKind] | None) -> Clause | Unmatched:
        """The clause that decides on this product: the first in order that speaks of it.

        So special clauses stand before general ones. When `kinds` is None and a clause before the
        first sure match speaks of kinds, nothing is guessed: KIND_UNKNOWN.
        """
        for clause in self.clauses:
            speaks = clause.decides and clause.applies_to.covers(product, kinds)
            if speaks is None:
                return Unmatched.KIND_UNKNOWN
            if speaks:
                return clause
        return Unmatched.NO_CLAUSE

    def cited(self, clause_id: str) -> Clause:
        """The clause numbered `clause_id`. Raises KeyError when there is none."""
        for clause in self.clauses:
            if clause.id == clause_id:
                return clause
        raise KeyError(clause_id)


@dataclass(frozen=True, slots=True)
class Policy:
    """All versions, oldest first. They are added and never changed: old purchases keep theirs."""

    versions: tuple[PolicyVersion, ...]

    def __post_init__(self) -> None:
        if not self.versions:
            raise InvalidInput("versions", "give at least one version")
        for older, newer in zip(self.versions, self.versions[1:], strict=False):
            if newer.number <= older.number or newer.in_force_from < older.in_force_from:
                raise InvalidInput("versions", "list versions from the oldest to the newest")

    @property
    def newest(self) -> PolicyVersion:
        return self.versions[-1]

    def in_force(self, at: datetime) -> PolicyVersion:
        """The version that applies to a purchase made at `at`.

        The earliest version also covers older purchases: the seller had no page before it, and a
        customer who bought earlier is better served by the first written rule than by none. Raises
        InvalidInput for a time without a zone.
        """
        require_zone(at, "at")
        begun = [version for version in self.versions if version.in_force_from <= at]
        return begun[-1] if begun else self.versions[0]
