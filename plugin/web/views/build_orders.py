"""The upper half of the panel from what was found: who writes, the orders, their verdicts.

Pure: takes what the use cases returned and formats it in the agent's locale. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time

from plugin.domain.ids import InstallationId
from plugin.domain.ledger import Ledger
from plugin.domain.money import Money
from plugin.domain.orders import Order, OrderRef, UsageUnknown
from plugin.domain.verdict import Because, OrderVerdict
from plugin.domain.verdict import VerdictKind as Kind
from plugin.services.find_orders import Evidence, FoundOrder, FoundOrders, is_strong
from plugin.services.wording import amount_words, day_words, locale_of
from plugin.web.views.panel_blocks import OrderHead
from plugin.web.views.panel_parts import (
    Amount,
    Link,
    MatchBadge,
    MatchStrength,
    OrderRow,
    OrdersBlock,
    VerdictChip,
    VerdictKind,
    Who,
)
from plugin.web.views.panel_words import word

JUST_NOW_SECONDS = 10
_KINDS = {
    Kind.ELIGIBLE: VerdictKind.ELIGIBLE,
    Kind.ELIGIBLE_IN_PART: VerdictKind.IN_PART,
    Kind.NOT_ELIGIBLE: VerdictKind.NOT_ELIGIBLE,
    Kind.NEEDS_REVIEW: VerdictKind.NEEDS_REVIEW,
    Kind.UNKNOWN: VerdictKind.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Telling:
    """How to say things to this agent. `titles` are the platforms' names by installation."""

    locale: str
    time_zone: str
    now: datetime
    titles: Mapping[InstallationId, str]

    def say(self, key: str, /, **values: str | int) -> str:
        return word(self.locale, key, **values)

    def money(self, money: Money) -> Amount:
        return Amount(amount_words(money, self.locale), money.currency)

    def both(self, money: Money) -> str:
        return f"{amount_words(money, self.locale)} {money.currency}"

    def day(self, at: datetime) -> str:
        return day_words(at, self.time_zone, self.locale)

    def month(self, at: datetime) -> str:
        """`Nov 2026`."""
        day = at.astimezone(ZoneInfo(self.time_zone)).date()
        return str(format_date(day, "MMM y", locale=locale_of(self.locale)))

    def time(self, at: datetime) -> str:
        """`14:06`."""
        return self._clock(at, "HH:mm")

    def second(self, at: datetime) -> str:
        """`14:06:21`."""
        return self._clock(at, "HH:mm:ss")

    def _clock(self, at: datetime, pattern: str) -> str:
        local = at.astimezone(ZoneInfo(self.time_zone))
        return str(format_time(local, pattern, locale=locale_of(self.locale)))

    def age(self, at: datetime) -> str:
        """`40 s`, `12 min`, `3 h 12 min`, `2 d`."""
        seconds = max(0, int((self.now - at).total_seconds()))
        if seconds < 90:
            return f"{seconds} s"
        if seconds < 5400:
            return f"{seconds // 60} min"
        if seconds < 172800:
            return f"{seconds // 3600} h {seconds % 3600 // 60} min"
        return f"{seconds // 86400} d"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one order stands: by the policy, in the ledger, and what of it is on its way back."""

    verdict: OrderVerdict
    ledger: Ledger
    flying: Money


def first_name(name: str) -> str:
    """What a person is called in short; the whole where it is one word."""
    return name.split(maxsplit=1)[0] if name.split() else name


def order_key(ref: OrderRef) -> str:
    """An order's name in forms. Its parts come back through `order_of_key`."""
    return f"{ref.installation}~{ref.ref}"


def order_of_key(key: str) -> OrderRef | None:
    """The order that a form named, or None where it named none."""
    installation, mark, ref = key.partition("~")
    return OrderRef(InstallationId(installation), ref) if mark and installation and ref else None


def build_who(
    tell: Telling,
    name: str,
    email: str,
    found: FoundOrders,
    refunds: int,
    opened: OrderRef | None,
) -> Who:
    """Who writes, with the evidence of the open order, else of the best match."""
    shown = found.get(opened) if opened is not None else None
    best = (
        max((f.evidence for f in found.orders), key=_strength, default=frozenset[Evidence]())
        if shown is None
        else shown.evidence
    )
    quiet = []
    if refunds:
        quiet.append(tell.say("who.refunds", n=refunds))
    if found.orders:
        first = min(f.order.bought_at for f in found.orders)
        quiet.append(tell.say("who.since", month=tell.month(first)))
    else:
        quiet.append(tell.say("who.asked_from"))
    return Who(name or email, email, _badge(tell, best) if best else None, tuple(quiet))


def _strength(evidence: frozenset[Evidence]) -> tuple[bool, int]:
    """What a match is compared by: much that proves nothing is less than one proof."""
    return is_strong(evidence), len(evidence)


def _badge(tell: Telling, evidence: frozenset[Evidence]) -> MatchBadge:
    words = " + ".join(tell.say(f"evidence.{e}") for e in Evidence if e in evidence)
    if is_strong(evidence):
        return MatchBadge(MatchStrength.STRONG, tell.say("match.strong", evidence=words))
    return MatchBadge(MatchStrength.WEAK, tell.say("match.weak", evidence=words))


def build_orders(
    tell: Telling,
    found: FoundOrders,
    standing: Mapping[OrderRef, Standing],
    opened: OrderRef | None,
) -> OrdersBlock:
    """The list, newest first."""
    rows = tuple(
        _row(tell, f, standing[f.order.ref], expanded=f.order.ref == opened) for f in found.orders
    )
    answered = sum(store.answered for store in found.stores)
    oldest = min((f.order.read_at for f in found.orders), default=found.read_at)
    return OrdersBlock(
        rows,
        tell.say(
            "orders.count", orders=str(len(rows)), stores=tell.say("orders.stores", n=answered)
        ),
        tell.say("orders.just_now")
        if (tell.now - oldest).total_seconds() < JUST_NOW_SECONDS
        else tell.say("orders.age", age=tell.age(oldest)),
    )


def _row(tell: Telling, found: FoundOrder, standing: Standing, *, expanded: bool) -> OrderRow:
    order = found.order
    is_back = standing.verdict.leading.because is Because.ALREADY_REFUNDED
    return OrderRow(
        key=order_key(order.ref),
        title=_title(order),
        amount=tell.money(order.paid),
        store=found.store,
        date=tell.day(order.bought_at),
        # An order that went back needs no verdict: the words beside its date say it.
        verdict=None if is_back else build_verdict(tell, order, standing.verdict),
        access=_access(tell, order, standing.ledger),
        refunded=_refunded(tell, order, standing.flying),
        expanded=expanded,
    )


def _refunded(tell: Telling, order: Order, flying: Money) -> str:
    words = []
    if order.refunded:
        words.append(tell.say("refunded.already", amount=amount_words(order.refunded, tell.locale)))
    if flying:
        words.append(tell.say("refunded.flying", amount=amount_words(flying, tell.locale)))
    return ", ".join(words)


def _title(order: Order) -> str:
    more = len(order.lines) - 1
    return order.title if more < 1 else f"{order.title} + {more}"


def _access(tell: Telling, order: Order, ledger: Ledger) -> str:
    """What became of what this order gave: live while one of its reasons lives."""
    refs = {line.ref for line in order.lines}
    living, ended = False, False
    for holding in ledger.holdings.values():
        living |= any(reason.line in refs for reason in holding.living)
        ended |= any(reason.line in refs for reason, _ in holding.ended)
    if living:
        return tell.say("access.live")
    if ended:
        return tell.say("access.gone")
    if all(isinstance(line.usage, UsageUnknown) for line in order.lines) and any(
        line.gives is None for line in order.lines
    ):
        return tell.say("access.unknown")
    return ""


def build_verdict(tell: Telling, order: Order, verdict: OrderVerdict) -> VerdictChip:
    """The chip, and behind it the sentence of the published page with what it means today."""
    leading = verdict.leading
    kind = _KINDS[verdict.kind]
    text = tell.say(f"verdict.{kind}")
    if leading.because is Because.DATA_OLD:
        return VerdictChip(kind, text, tell.say("verdict.old_data"))
    if leading.clause is None:
        return VerdictChip(kind, text, tell.say(f"because.{leading.because}"))
    window = leading.clause.window_days
    day = ""
    if leading.day is not None:
        day = (
            tell.say("verdict.day_of", day=leading.day, window=window)
            if window is not None and leading.day <= window
            else tell.say("verdict.day", day=leading.day)
        )
    meaning = tell.say(f"because.{leading.because}")
    quote = " ".join(part for part in (f"“{leading.clause.text}”", day, meaning) if part)
    return VerdictChip(
        kind,
        text,
        tell.say("verdict.clause", clause=leading.clause.id),
        quote,
        tell.say("verdict.footer", version=leading.policy_version, date=tell.day(order.bought_at)),
    )


def build_head(tell: Telling, order: Order, verdict: OrderVerdict | None = None) -> OrderHead:
    """The head of an open order."""
    link = None
    if order.deep_link and order.deep_link.startswith("https://"):
        link = Link(tell.say("order.number", number=order.number), order.deep_link)
    return OrderHead(
        key=order_key(order.ref),
        title=_title(order),
        number=tell.say("order.number", number=order.number),
        link=link,
        verdict=None if verdict is None else build_verdict(tell, order, verdict),
    )
