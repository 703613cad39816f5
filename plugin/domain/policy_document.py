"""A policy version as a document (JSON in shape), and back. Strict: nothing guessed or ignored.

    {"number": 7, "in_force_from": "2026-11-01T00:00:00+01:00", "timezone": "Europe/Zagreb",
     "split": "proportional",
     "clauses": [{"id": "3.1", "text": "Downloads: within 14 days, if not downloaded.",
                  "applies_to": {"kinds": ["download"], "products": []}, "window_days": 14,
                  "usage": {"not_downloaded": true, "if_unknown": "3.2"},
                  "kept_fee": {"minor": 100, "currency": "EUR", "basis_points": 250}}, ...]}

What a clause leaves out has the default of `plugin.domain.policy`. Errors are InvalidInput whose
field is the path to the part: `clauses[0].usage.max_share_percent`. Never reads files and never
parses text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from plugin.domain.errors import InvalidInput
from plugin.domain.money import Money
from plugin.domain.orders import ResourceKind
from plugin.domain.policy import (
    EVERYTHING,
    Clause,
    KeptFee,
    PolicyVersion,
    ProRata,
    Selector,
    Split,
    UsageCondition,
)

_Choice = TypeVar("_Choice", bound=StrEnum)


def policy_version_from(document: Mapping[str, object]) -> PolicyVersion:
    """The version `document` describes. Raises InvalidInput naming the part and what to do."""
    fields = _Fields(document, "document")
    number = fields.whole("number")
    in_force_from = fields.moment("in_force_from")
    timezone = fields.text("timezone")
    split = _one_of(Split, fields.text("split", Split.PROPORTIONAL), "split")
    clauses = []
    for place, part in enumerate(fields.parts("clauses")):
        with _inside(f"clauses[{place}]"):
            clauses.append(_clause_from(_Fields(part, "clause")))
    fields.refuse_others()
    return PolicyVersion(number, in_force_from, timezone, tuple(clauses), split)


def to_document(version: PolicyVersion) -> dict[str, object]:
    """The document of `version`. `policy_version_from` gives the same version back."""
    return {
        "number": version.number,
        "in_force_from": version.in_force_from.isoformat(),
        "timezone": version.timezone,
        "split": version.split.value,
        "clauses": [_clause_document(clause) for clause in version.clauses],
    }


def _clause_from(fields: _Fields) -> Clause:
    clause = Clause(
        id=fields.text("id"),
        text=fields.text("text"),
        applies_to=_selector_from(fields),
        window_days=fields.whole_or_none("window_days"),
        usage=_usage_from(fields),
        prorata=_prorata_from(fields),
        non_refundable=fields.flag("non_refundable", default=False),
        kept_fee=_kept_fee_from(fields),
        decides=fields.flag("decides", default=True),
    )
    fields.refuse_others()
    return clause


def _selector_from(clause: _Fields) -> Selector:
    fields = clause.part("applies_to")
    if fields is None:
        return EVERYTHING
    with _inside("applies_to"):
        kinds = [_one_of(ResourceKind, kind, "kinds") for kind in fields.texts("kinds")]
        selector = Selector(frozenset(kinds), frozenset(fields.texts("products")))
        fields.refuse_others()
    return selector


def _usage_from(clause: _Fields) -> UsageCondition | None:
    fields = clause.part("usage")
    if fields is None:
        return None
    with _inside("usage"):
        not_downloaded = fields.flag("not_downloaded", default=False)
        max_share_percent = fields.whole_or_none("max_share_percent")
        if_unknown = fields.text("if_unknown") if fields.has("if_unknown") else None
        fields.refuse_others()
    return UsageCondition(not_downloaded, max_share_percent, if_unknown)


def _prorata_from(clause: _Fields) -> ProRata | None:
    fields = clause.part("prorata")
    if fields is None:
        return None
    with _inside("prorata"):
        begun_period_counts = fields.flag("begun_period_counts", default=True)
        fields.refuse_others()
    return ProRata(begun_period_counts)


def _kept_fee_from(clause: _Fields) -> KeptFee | None:
    fields = clause.part("kept_fee")
    if fields is None:
        return None
    with _inside("kept_fee"):
        fixed = None
        if fields.has("minor") or fields.has("currency"):
            fixed = Money(fields.whole("minor"), fields.text("currency"))
        basis_points = fields.whole_or_none("basis_points") or 0
        fields.refuse_others()
    return KeptFee(fixed, basis_points)


def _clause_document(clause: Clause) -> dict[str, object]:
    document: dict[str, object] = {"id": clause.id, "text": clause.text}
    if clause.applies_to != EVERYTHING:
        document["applies_to"] = {
            "kinds": sorted(kind.value for kind in clause.applies_to.kinds),
            "products": sorted(clause.applies_to.products),
        }
    if clause.window_days is not None:
        document["window_days"] = clause.window_days
    if clause.usage:
        document["usage"] = _told(
            not_downloaded=clause.usage.not_downloaded,
            max_share_percent=clause.usage.max_share_percent,
            if_unknown=clause.usage.if_unknown,
        )
    if clause.prorata:
        document["prorata"] = {"begun_period_counts": clause.prorata.begun_period_counts}
    if clause.kept_fee:
        fixed = clause.kept_fee.fixed
        document["kept_fee"] = _told(
            minor=fixed.minor if fixed else None,
            currency=fixed.currency if fixed else None,
            basis_points=clause.kept_fee.basis_points,
        )
    if clause.non_refundable:
        document["non_refundable"] = True
    if not clause.decides:
        document["decides"] = False
    return document


def _told(**parts: bool | int | str | None) -> dict[str, object]:
    return {key: value for key, value in parts.items() if value is not None}


@contextmanager
def _inside(part: str) -> Iterator[None]:
    """Puts the path to `part` before the field of an InvalidInput raised inside."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{part}.{error.field}", error.advice) from None


def _one_of(kind: type[_Choice], value: str, field: str) -> _Choice:
    try:
        return kind(value)
    except ValueError:
        raise InvalidInput(field, f"give one of {', '.join(kind)}") from None


class _Fields:
    """One object of a document while it is read. Keys that nothing asked for are refused."""

    def __init__(self, value: object, name: str) -> None:
        if not isinstance(value, Mapping):
            raise InvalidInput(name, "give an object")
        self._values: dict[object, object] = dict(value)
        self._asked: set[object] = set()

    def has(self, key: str) -> bool:
        return key in self._values

    def _take(self, key: str) -> object:
        self._asked.add(key)
        return self._values.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        value = self._take(key) if self.has(key) else default
        if not isinstance(value, str):
            raise InvalidInput(key, "give a text")
        return value

    def texts(self, key: str) -> list[str]:
        return [_text_in(value, key) for value in self.parts(key, optional=True)]

    def whole(self, key: str) -> int:
        value = self._take(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidInput(key, "give a whole number")
        return value

    def whole_or_none(self, key: str) -> int | None:
        return self.whole(key) if self.has(key) else None

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._take(key) if self.has(key) else default
        if not isinstance(value, bool):
            raise InvalidInput(key, "give true or false")
        return value

    def moment(self, key: str) -> datetime:
        try:
            return datetime.fromisoformat(self.text(key))
        except ValueError:
            raise InvalidInput(key, "give a time like 2026-11-01T00:00:00+01:00") from None

    def part(self, key: str) -> _Fields | None:
        return _Fields(self._take(key), key) if self.has(key) else None

    def parts(self, key: str, *, optional: bool = False) -> list[object]:
        value = self._take(key) if self.has(key) or not optional else []
        if not isinstance(value, list):
            raise InvalidInput(key, "give a list")
        return list(value)

    def refuse_others(self) -> None:
        """Raises InvalidInput when a key is left: a misspelt rule must not be a rule left out."""
        left = sorted(str(key) for key in self._values if key not in self._asked)
        if left:
            raise InvalidInput(left[0], "this is not a known part; check the spelling")


def _text_in(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(key, "give a list of texts")
    return value
