"""What can be chosen of an open order: its lines, the amount, the reason.

Pure: says what each line opens and how an amount comes about. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from plugin.domain.access_map import AccessMap
from plugin.domain.money import Money, exponent
from plugin.domain.orders import Line, Order, Resource, ResourceKind
from plugin.domain.plan import AmountKind as PlannedAmount
from plugin.domain.plan import Choice
from plugin.domain.proration import ProrationSum
from plugin.domain.requests import Reason, RefundRequest
from plugin.domain.verdict import Because, OrderVerdict, VerdictKind
from plugin.services.wording import amount_words
from plugin.web.views.build_orders import Telling
from plugin.web.views.panel_blocks import (
    AmountChoice,
    AmountKind,
    LinePick,
    MonthBar,
    ProrataSum,
    ReasonChip,
    SumRow,
)

MAY_CHOOSE = (VerdictKind.ELIGIBLE, VerdictKind.ELIGIBLE_IN_PART, VerdictKind.NEEDS_REVIEW)
WITHOUT_CLAUSE = (Because.ALREADY_REFUNDED, Because.NOTHING_PAID)


@dataclass(frozen=True, slots=True)
class Typed:
    """What came back from the form, to be shown again: the free amount's text and its fault."""

    free: str = ""
    fault: str = ""


def build_lines(
    tell: Telling, order: Order, verdict: OrderVerdict, choice: Choice, access: AccessMap
) -> tuple[LinePick, ...]:
    """The lines to tick; one that the policy does not let go back says why."""
    picks = []
    for line in order.lines:
        of_line = verdict.of(line.ref)
        blocked = of_line.kind not in MAY_CHOOSE
        hint = _line_hint(tell, line, access)
        if blocked:
            hint = tell.say(f"because.{of_line.because}").rstrip(".")
            if of_line.clause is not None and of_line.because not in WITHOUT_CLAUSE:
                hint += f", {tell.say('verdict.clause', clause=of_line.clause.id)}"
        picks.append(
            LinePick(
                line.ref.ref,
                line.title,
                amount_words(line.left, tell.locale),
                picked=not blocked and line.ref in choice.lines,
                blocked=blocked,
                hint=hint,
            )
        )
    return tuple(picks)


def _line_hint(tell: Telling, line: Line, access: AccessMap) -> str:
    """`12 months, opens 1 course, 1 course by the tag wy-member`."""
    parts = []
    if line.term is not None:
        parts.append(tell.say(f"term.{line.term.unit}", n=line.term.periods))
    given = line.gives
    if given is None:
        given = access.given_by(line.ref.order.installation, line.product)
    if given is None:
        parts.append(tell.say("opens.unknown"))
    elif opened := _opened(tell, given, access):
        parts.append(tell.say("opens", things=", ".join(opened)))
    return ", ".join(parts)


def _opened(tell: Telling, given: Iterable[Resource], access: AccessMap) -> list[str]:
    """What a customer can use of it, in the plan's words: what it gives, then through what."""
    opened: set[Resource] = set()
    through: list[tuple[Resource, Collection[Resource]]] = []
    for resource in given:
        if resource.kind is ResourceKind.TAG:
            through.append((resource, access.opened_by(resource)))
        elif courses := access.inside(resource):
            through.append((resource, courses))
        else:
            opened.add(resource)
    words = _counted(tell, opened)
    for carrier, inside in through:
        more = set(inside) - opened
        opened |= more
        if things := _counted(tell, more):
            name = carrier.name or carrier.ref
            words.append(tell.say(f"opens.by_{carrier.kind}", things=", ".join(things), name=name))
    return words


def _counted(tell: Telling, opened: Collection[Resource]) -> list[str]:
    """`2 courses`, `1 community`."""
    counted = [(kind, sum(r.kind is kind for r in opened)) for kind in ResourceKind]
    return [tell.say(f"opens.{kind}", n=n) for kind, n in counted if n]


def amount_example(currency: str) -> str:
    """How an amount of this currency is typed: `12.50`, `1250`."""
    places = exponent(currency)
    return f"12.{'50'.ljust(places, '0')[:places]}" if places else "1250"


def build_amounts(
    tell: Telling, order: Order, verdict: OrderVerdict, choice: Choice, typed: Typed
) -> tuple[AmountChoice, ...]:
    """What the policy gives back for the ticked lines, and a free amount up to that."""
    ticked = [verdict.of(ref) for ref in choice.lines]
    most = sum((v.amount for v in ticked), start=order.nothing())
    prorated = next((v.prorata for v in ticked if v.prorata is not None), None)
    by_policy = choice.kind is PlannedAmount.POLICY
    if prorated is not None and len(ticked) == 1:
        kind = AmountKind.PRORATA
        label = tell.say(f"amount.prorata.{prorated.unit}")
        shown = _prorata_sum(tell, prorated)
    else:
        kind, shown = AmountKind.LINES, None
        label = tell.say("amount.lines", n=max(len(ticked), 1))
    limit = tell.say("amount.free.up_to", amount=amount_words(most, tell.locale))
    return (
        AmountChoice(kind, label, amount_words(most, tell.locale), by_policy, sum=shown),
        AmountChoice(
            AmountKind.FREE,
            tell.say("amount.free"),
            chosen=not by_policy,
            typed=typed.free,
            limit=limit,
            fault=typed.fault,
            example=f"0.{'0' * exponent(order.currency)}".rstrip("."),
        ),
    )


def _prorata_sum(tell: Telling, prorated: ProrationSum) -> ProrataSum:
    """How the amount comes about, from what was paid and what was begun."""

    def periods(count: int) -> str:
        return tell.say(f"term.{prorated.unit}", n=count)

    def row(key: str, count: int, amount: Money, sign: str = "") -> SumRow:
        label = tell.say(f"amount.prorata.{key}", periods=periods(count))
        return SumRow(label, f"{sign}{amount_words(amount, tell.locale)}")

    total = prorated.periods
    return ProrataSum(
        (
            row("paid", total, prorated.kept + prorated.back),
            row("used", prorated.used, prorated.kept, "\N{MINUS SIGN}"),
        ),
        row("back", prorated.left, prorated.back),
        MonthBar(
            prorated.used,
            total,
            tell.say("amount.prorata.bar", used=prorated.used, periods=periods(total)),
        ),
    )


def build_reasons(tell: Telling, request: RefundRequest) -> tuple[ReasonChip, ...]:
    """The reasons, with the one that the request has."""
    return tuple(
        ReasonChip(reason.value, tell.say(f"reason.{reason.value}"), reason is request.reason)
        for reason in Reason
    )
