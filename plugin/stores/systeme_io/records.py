"""What Systeme.io's API answers, as small facts: read strictly, and nothing in it is guessed.

Pure: no call, no clock. Every reader raises `Malformed` for an answer of another shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from plugin.domain.errors import InvalidInput
from plugin.domain.money import Money, exponent
from plugin.domain.orders import Resource
from plugin.platforms.strict_json import Malformed, Reader

_OVER = frozenset({"cancelled", "completed", "incomplete_expired"})
_UNITS = frozenset({"day", "week", "month", "year"})
_LAST_DAY_OF_EVERY_MONTH = 28


@dataclass(frozen=True, slots=True)
class Person:
    """A contact with its own id, address, and tags as (id, name)."""

    ref: str
    email: str
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Held:
    """An enrolment in a course, or a membership of a community. `ref` is its own id."""

    ref: str
    contact: str
    resource: Resource
    active: bool


@dataclass(frozen=True, slots=True)
class Hook:
    """A registered webhook with the events that are not switched off."""

    ref: str
    name: str
    url: str
    active: bool
    events: frozenset[str]


@dataclass(frozen=True, slots=True)
class PaidPlan:
    """A contact's subscription. `interval`: (unit, count), None where periods are not certain."""

    ref: str
    plan: str | None
    status: str
    created: datetime
    cancelled: datetime | None
    renews: Money | None
    interval: tuple[str, int] | None

    @property
    def live(self) -> bool:
        """True until the platform calls it over. One set to end with its period is still live."""
        return self.status not in _OVER

    @property
    def stopped(self) -> bool:
        """True when it was cancelled in any way, or is over."""
        return self.cancelled is not None or not self.live

    def period_end(self, at: datetime) -> datetime | None:
        """When the period that runs at `at` ends, so never before what was paid for has passed.

        Counted from the start, since the API tells no period. None where that is not certain: with
        a trial, with a limited number of payments, before a first payment, and by month from the
        29th on, where gateways disagree about short months.
        """
        if self.interval is None or self.status.startswith("incomplete"):
            return None
        unit, count = self.interval
        at = max(at, self.created)
        try:
            if unit in ("day", "week"):
                step = timedelta(days=count * (7 if unit == "week" else 1))
                return self.created + ((at - self.created) // step + 1) * step
            months = count * (12 if unit == "year" else 1)
            passed = (at.year - self.created.year) * 12 + at.month - self.created.month
            end = _months_later(self.created, passed // months * months)
            return end if end > at else _months_later(end, months)
        except (ValueError, OverflowError):
            # A start so far away that no calendar holds the end.
            return None


def person_of(item: Reader) -> Person:
    """A contact."""
    tags = item.optional_items("tags") or ()
    named = tuple((tag.identifier("id"), tag.optional_text("name") or "") for tag in tags)
    return Person(item.identifier("id"), item.text("email"), named)


def hook_of(item: Reader) -> Hook:
    """A webhook, in a list or alone."""
    subscriptions = item.optional_items("subscriptions") or ()
    return Hook(
        item.identifier("id"),
        item.optional_text("name") or "",
        item.optional_text("url") or "",
        item.optional_boolean("active") is not False,
        frozenset(
            one.text("event") for one in subscriptions if one.optional_text("disabledAt") is None
        ),
    )


def paid_plan_of(item: Reader) -> PaidPlan:
    """A subscription."""
    created = _moment(item, "createdAt")
    if created is None:
        raise Malformed(f"{item.path}.createdAt")
    plan = item.optional_section("pricePlan")
    return PaidPlan(
        item.identifier("id"),
        None if plan is None else plan.optional_identifier("id"),
        item.text("status"),
        created,
        _moment(item, "cancelledAt"),
        None if plan is None else _renews(plan),
        None if plan is None else _interval(plan, created),
    )


def _renews(plan: Reader) -> Money | None:
    amount, currency = plan.optional_integer("amount"), plan.optional_text("currency")
    # How a currency without two decimals is written is unknown, so its amount is.
    if amount is None or currency is None or exponent(currency.upper()) != 2:
        return None
    try:
        return Money(amount, currency.upper())
    except InvalidInput:
        return None


def _interval(plan: Reader, created: datetime) -> tuple[str, int] | None:
    options = plan.optional_section("recurringOptions")
    if options is None or options.optional_integer("trialPeriod"):
        return None
    if options.optional_integer("limitOfPayments") is not None:
        return None
    unit = options.optional_text("interval")
    count = options.optional_integer("intervalCount") or 0
    if unit not in _UNITS or not 1 <= count <= 366:
        return None
    if unit in ("month", "year") and created.day > _LAST_DAY_OF_EVERY_MONTH:
        return None
    return unit, count


def _moment(item: Reader, key: str) -> datetime | None:
    text = item.optional_text(key)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Malformed(f"{item.path}.{key}")


def _months_later(moment: datetime, months: int) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1)
