"""Money, dates and lists as people read them, in the reader's locale, always with the ISO code.

What stores call things is put on one line. Never reads the clock or the machine's own locale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import assert_never
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_decimal

from plugin.domain.ledger import Reason, ReasonKind
from plugin.domain.money import Money, exponent
from plugin.domain.orders import OrderRef, Resource, ResourceKind
from plugin.domain.plan import Part, PlanItem
from plugin.domain.texts import one_line

_KINDS = {
    ResourceKind.COURSE: "Course",
    ResourceKind.BUNDLE: "Bundle",
    ResourceKind.COMMUNITY: "Community",
    ResourceKind.DOWNLOAD: "Download",
    ResourceKind.LICENCE: "Licence",
    ResourceKind.MEMBERSHIP: "Membership",
    ResourceKind.TAG: "Tag",
}


def locale_of(wanted: str) -> Locale:
    """The Babel locale nearest to a BCP 47 tag; English where there is none."""
    try:
        return Locale.parse(wanted.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return Locale("en")


def amount_words(money: Money, locale: str) -> str:
    """Only the number: `3,800` or `111,75`."""
    places = exponent(money.currency)
    pattern = "#,##0" + ("." + "0" * places if places else "")
    value = Decimal(money.minor).scaleb(-places)
    return str(format_decimal(value, pattern, locale=locale_of(locale)))


def money_words(money: Money, locale: str) -> str:
    """`111.75 EUR`: the number and the ISO code, kept on one line."""
    return f"{amount_words(money, locale)}\u00a0{money.currency}"


def field_words(what: str, money: Money) -> str:
    """What came out, as a ticket's field keeps it: `Refunded 49.00 EUR`, in English.

    With a plain space: reports and automations compare it with what somebody typed.
    """
    return f"{what} {amount_words(money, 'en')} {money.currency}"


def day_words(at: datetime, time_zone: str, locale: str) -> str:
    """`25 Aug 2026`, as the day was in the seller's time zone."""
    day = at.astimezone(ZoneInfo(time_zone)).date()
    return str(format_date(day, "d MMM y", locale=locale_of(locale)))


def resource_words(resource: Resource) -> str:
    """`Course Paper & Pigment`: the kind, and the name or else the store's own id."""
    return one_line(f"{_KINDS[resource.kind]} {resource.name or resource.ref}")


def kind_word(kind: ResourceKind) -> str:
    """`Course`, `Tag`."""
    return _KINDS[kind]


def because_words(
    reasons: Sequence[Reason], time_zone: str, locale: str, own: OrderRef | None = None
) -> str:
    """Why a resource stays: its oldest living reason, of another order than `own` if there is."""
    if not reasons:
        return ""
    others = [r for r in reasons if r.line is None or r.line.order != own]
    if not others:
        return "this order still gives it"
    reason = min(others, key=lambda r: (r.since, r))
    day = day_words(reason.since, time_zone, locale)
    match reason.kind:
        case ReasonKind.PURCHASE:
            return f"also bought on {day}"
        case ReasonKind.BUNDLE:
            return f"part of a bundle bought on {day}"
        case ReasonKind.TAG:
            return f"opened by the tag {one_line(reason.title)}"
        case ReasonKind.GIFT:
            return f"given on {day}"
        case ReasonKind.BY_ITSELF:
            return f"added on {day}, not by this purchase"
        case _:
            assert_never(reason.kind)


def items_words(items: Iterable[PlanItem]) -> str:
    """One resource a line."""
    return "\n".join(f"- {resource_words(item.resource)}" for item in items)


def stays_words(items: Iterable[PlanItem], own: OrderRef, time_zone: str, locale: str) -> str:
    """One resource a line, with why it stays although `own` is refunded, where that is told."""
    lines = (
        (resource_words(item.resource), because_words(item.because, time_zone, locale, own))
        for item in items
    )
    return "\n".join(f"- {', '.join(filter(None, line))}" for line in lines)


def without_tags(items: Iterable[PlanItem]) -> list[PlanItem]:
    """What a customer is told of `items`: tags are the seller's own notes about her."""
    return [
        replace(item, because=tuple(r for r in item.because if r.kind is not ReasonKind.TAG))
        for item in items
        if item.resource.kind is not ResourceKind.TAG
    ]


def parts_words(parts: Sequence[Part], locale: str) -> str:
    """`91.79 EUR to Visa ...4242, 19.96 EUR to gift card`."""
    return ", ".join(
        f"{money_words(part.amount, locale)} to {one_line(part.label)}" for part in parts
    )
