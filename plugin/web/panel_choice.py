"""What a form chose, checked: lines, amount, future charges. Everything in it is text from outside.

Pure: turns text into a `Choice`, and a fault into words on what to type instead. Plans nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from plugin.domain.errors import InvalidInput
from plugin.domain.money import parse_amount
from plugin.domain.orders import LineRef
from plugin.domain.plan import AmountKind, Blocked, BlockedBy, Choice, Plan
from plugin.services.find_orders import FoundOrder
from plugin.services.plan_refund import Preview
from plugin.web.views.build_choice import Typed, amount_example
from plugin.web.views.build_orders import Telling


@dataclass(frozen=True, slots=True)
class Picked:
    """The choice as the form gave it. Everything is text from outside until it is checked here."""

    order: str
    lines: tuple[str, ...] = ()
    amount: str = ""
    free: str = ""
    reason: str = ""
    sub: str = ""

    @property
    def is_choice(self) -> bool:
        """Whether the form had anything to choose."""
        return bool(self.amount)


def differs(found: FoundOrder, plan: Plan, picked: Picked) -> bool:
    """Whether something was ticked or typed since the plan on the button was made."""
    choice, typed = read_choice(found, picked, plan.choice.lines)
    return bool(typed.fault) or choice != plan.choice


def read_choice(
    found: FoundOrder, picked: Picked | None, payable: Sequence[LineRef]
) -> tuple[Choice, Typed]:
    """The choice of a form, checked; without a form all that the policy lets go back."""
    order = found.order
    if picked is None or not picked.is_choice:
        return Choice(tuple(payable), AmountKind.POLICY), Typed()
    lines = tuple(line.ref for line in order.lines if line.ref.ref in picked.lines)
    stop = picked.sub != "keep"
    if picked.amount != "free":
        return Choice(lines, AmountKind.POLICY, None, stop), Typed(picked.free)
    nothing = Choice(lines, AmountKind.FREE, None, stop)
    if not picked.free.strip():
        return nothing, Typed()
    try:
        return replace(nothing, free=parse_amount(picked.free, order.currency)), Typed(picked.free)
    except InvalidInput as error:
        return nothing, Typed(picked.free, error.advice)


def with_fault(
    tell: Telling, choice: Choice, typed: Typed, preview: Preview, currency: str
) -> Typed:
    """What is wrong with a typed amount, and what to type instead."""
    outcome = preview.outcome
    if choice.kind is not AmountKind.FREE or not isinstance(outcome, Blocked):
        return typed
    if outcome.by not in (BlockedBy.OVER_POLICY, BlockedBy.OVER_LEFT) or outcome.most is None:
        return typed
    limit = tell.say("amount.free.up_to", amount=tell.money(outcome.most).text)
    if choice.free is not None:
        return Typed(typed.free, tell.say("amount.free.over", limit=limit))
    if typed.fault:
        example = amount_example(currency)
        return Typed(typed.free, tell.say("amount.free.fault", example=example, limit=limit))
    return typed
