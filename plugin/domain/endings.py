"""What ended a line that was sold: money back, a lost dispute, or the end of what was paid.

A pure reading of the facts as a set; it says nothing of access. Every answer names the facts that
it rests on, so that a person can be told why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import takewhile

from plugin.domain.facts import Bought, DisputeClosed, Fact, PaidUntil, Refunded, RefundFailed
from plugin.domain.ids import FactId, InstallationId
from plugin.domain.orders import LineRef, OrderRef, SubscriptionRef

Causes = tuple[FactId, ...]
"""The facts that ended something, sorted; empty while it lives."""


@dataclass(frozen=True, slots=True)
class SoldLine:
    """One line, what ended it, and when time alone will end it (None: nobody told of an end)."""

    bought: Bought
    ended: Causes
    ends_at: datetime | None


def sold_lines(known: Sequence[Fact], now: datetime) -> Iterator[SoldLine]:
    """Each line once, whatever was told of it how often, as it stands at `now` (aware UTC)."""
    lines = _lines(known)
    for bought in lines:
        news = _news_of(bought, known)
        # Told twice that it is over, it ended once: the first news stays a cause of it.
        over = {f.id for f in takewhile(lambda f: _is_over(f, now), reversed(news))}
        causes = over | _lost(bought.line.order, known) | _refunded_by(bought, lines, known)
        ends_at = news[-1].until if news and not over else None
        yield SoldLine(bought, tuple(sorted(causes)), ends_at)


def refunded_lines(known: Sequence[Fact]) -> frozenset[LineRef]:
    """The lines that refunds alone ended."""
    lines = _lines(known)
    return frozenset(bought.line for bought in lines if _refunded_by(bought, lines, known))


def paid_until(known: Sequence[Fact], line: LineRef) -> datetime | None:
    """The end of what is paid for `line`, by the latest news; None where it is open."""
    news = [n for bought in _lines(known) if bought.line == line for n in _news_of(bought, known)]
    return news[-1].until if news else None


# --- what was sold --------------------------------------------------------------------------------


def _lines(known: Iterable[Fact]) -> Sequence[Bought]:
    told: dict[LineRef, list[Bought]] = {}
    for fact in known:
        if isinstance(fact, Bought):
            told.setdefault(fact.line, []).append(fact)
    return [_together(tellings) for tellings in told.values()]


def _together(tellings: Sequence[Bought]) -> Bought:
    """What the tellings of one line say together: the first one, with all that any of them gives.

    The highest price counts, so that a line is never taken for paid back too early.
    """
    given = [bought.gives for bought in tellings if bought.gives is not None]
    renewed = [bought.subscription for bought in tellings if bought.subscription is not None]
    return replace(
        min(tellings, key=lambda bought: (bought.at, bought.id)),
        paid=max((b.paid for b in tellings), key=lambda paid: (paid.currency, paid.minor)),
        gives=tuple(sorted({r for gives in given for r in gives})) if given else None,
        subscription=min(renewed, default=None),
    )


# --- time and disputes ----------------------------------------------------------------------------


def _news_of(bought: Bought, known: Iterable[Fact]) -> Sequence[PaidUntil]:
    """The news of how long this line is paid for. The last one counts."""
    news = [fact for fact in known if isinstance(fact, PaidUntil) and _is_about(fact, bought)]
    # Of two at one moment the kinder one comes last: access is not taken on a doubt.
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(news, key=lambda f: (f.at, f.until is None, f.until or never))


def _is_over(news: PaidUntil, now: datetime) -> bool:
    return news.until is not None and news.until <= now


def _is_about(news: PaidUntil, bought: Bought) -> bool:
    if isinstance(news.of, LineRef):
        return news.of == bought.line
    if bought.subscription is None:
        return False
    is_same = news.of == SubscriptionRef(bought.line.order.installation, bought.subscription)
    # Who paid again after an announced end has resumed, whether we were told so or not.
    return is_same and (news.until is None or news.until >= bought.at)


def _lost(order: OrderRef, known: Iterable[Fact]) -> set[FactId]:
    """Disputes of `order` that the bank decided against us, and did not take back."""
    closed = [f for f in known if isinstance(f, DisputeClosed) and f.order == order]
    won = {fact.dispute for fact in closed if fact.won}
    return {fact.id for fact in closed if fact.dispute not in won}


# --- money back -----------------------------------------------------------------------------------


def _refunded_by(bought: Bought, lines: Iterable[Bought], known: Sequence[Fact]) -> set[FactId]:
    """The refunds that ended a line: named by them, paid back part by part, or with its order."""
    order = bought.line.order
    failures = [f for f in known if isinstance(f, RefundFailed) and f.order == order]
    failed = {failure.refund for failure in failures}
    refunds = [
        fact
        for fact in known
        if isinstance(fact, Refunded) and fact.order == order and fact.refund not in failed
    ]
    last_failure = max((failure.at for failure in failures), default=None)
    named = {f.id for f in refunds if bought.line in f.ends or _is_whole(f, last_failure)}
    siblings = [line for line in lines if line.line.order == order]
    return named | _parts_back(bought, refunds) | _all_back(siblings, refunds)


def _is_whole(refund: Refunded, last_failure: datetime | None) -> bool:
    """Nothing was left then, and nothing has come back since."""
    return refund.whole and (last_failure is None or last_failure <= refund.at)


def _parts_back(bought: Bought, refunds: Iterable[Refunded]) -> set[FactId]:
    """The refunds whose parts reach what was paid for the line together, or none."""
    parts: dict[str, tuple[int, FactId]] = {}
    for fact in refunds:
        for line, amount in fact.amounts:
            if line == bought.line and amount and amount.currency == bought.paid.currency:
                told = parts.get(fact.refund, (0, fact.id))  # one refund told twice counts once
                parts[fact.refund] = max(told, (amount.minor, fact.id))
    return _if_reached(bought.paid.minor, parts.values())


def _all_back(lines: Sequence[Bought], refunds: Sequence[Refunded]) -> set[FactId]:
    """The refunds that together reach all that was taken for the order, or none.

    Counted per account that took the payments: a store and its gateway may both tell of the same
    money, and twice the half is not the whole.
    """
    currency = lines[0].paid.currency
    taken = [f.captured.minor for f in refunds if f.captured and f.captured.currency == currency]
    wanted = max([sum(line.paid.minor for line in lines), *taken])
    parts: dict[InstallationId, dict[tuple[str, str], tuple[int, FactId]]] = {}
    for fact in refunds:
        for payment, amount in fact.by_payment:
            if amount and amount.currency == currency:
                of_account = parts.setdefault(payment.installation, {})
                name = (fact.refund, payment.ref)
                told = of_account.get(name, (0, fact.id))
                of_account[name] = max(told, (amount.minor, fact.id))
    reached = (_if_reached(wanted, of_account.values()) for of_account in parts.values())
    return set().union(*reached)


def _if_reached(wanted: int, parts: Iterable[tuple[int, FactId]]) -> set[FactId]:
    parts = list(parts)
    if parts and sum(minor for minor, _ in parts) >= wanted:
        return {fact for _, fact in parts}
    return set()
