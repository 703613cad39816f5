"""An open order as components: what to choose, what it will do, the button. Pure.

All inputs of a canvas come back with whichever button is pressed, so a choice stays chosen.
"""

from __future__ import annotations

from plugin.web.views import canvas_components as kit
from plugin.web.views.canvas_blocks import (
    BESIDE,
    Parts,
    Pen,
    cite,
    draw_lots,
    quoted,
)
from plugin.web.views.canvas_components import Option
from plugin.web.views.panel_blocks import (
    AmountChoice,
    AmountKind,
    MessageText,
    PlanBlock,
    PoliteNo,
    SubscriptionQuestion,
)
from plugin.web.views.panel_parts import VerdictChip
from plugin.web.views.panel_view import OpenOrder


def draw_polite_no(pen: Pen, no: PoliteNo | None, verdict: VerdictChip | None) -> Parts:
    """The kind sentence, and the clause behind it."""
    if no is None:
        return []
    return [*cite(verdict), kit.words(pen.t("no.heading")), kit.words(quoted(no.sentence))]


def draw_choice(pen: Pen, state: OpenOrder) -> Parts:
    """Lines, amount and reason, and a button that works the plan out again."""
    parts: Parts = []
    if state.lines:
        options = [
            Option(line.key, _with_hint(f"{line.title}, {line.amount}", line.hint), line.blocked)
            for line in state.lines
        ]
        picked = [line.key for line in state.lines if line.picked]
        parts.append(
            kit.ticks("line", f"{pen.t('lines')}{BESIDE}{state.currency}", options, picked)
        )
    if state.amounts:
        parts += _amounts(pen, state)
    if state.reasons:
        chosen = next((one.key for one in state.reasons if one.chosen), "")
        reasons = [Option(one.key, one.label) for one in state.reasons]
        parts += kit.choose_one("reason", pen.t("reason"), reasons, chosen)
    if parts or (state.plan and state.plan.subscription):
        fields = [("order", state.head.key), *fixed_choice(state)]
        parts += pen.ask("plan", pen.t("plan.again"), fields)
    return parts


def fixed_choice(state: OpenOrder) -> list[tuple[str, str]]:
    """What is chosen where there is nothing to choose from: no input says it."""
    fixed = []
    if state.amounts and not kit.is_choice(state.amounts):
        chosen = [one.kind for one in state.amounts if one.chosen] or [state.amounts[0].kind]
        fixed.append(("amount", str(chosen[0])))
    if state.reasons and not kit.is_choice(state.reasons):
        fixed += [("reason", one.key) for one in state.reasons if one.chosen]
    return fixed


def _amounts(pen: Pen, state: OpenOrder) -> Parts:
    options = [Option(one.kind, _amount_words(one)) for one in state.amounts]
    chosen = next((str(one.kind) for one in state.amounts if one.chosen), "")
    label = f"{pen.t('amount')}{BESIDE}{state.currency}"
    parts = kit.choose_one("amount", label, options, chosen)
    for choice in state.amounts:
        if choice.hint:
            told = pen.own("choice.hint", label=choice.label, hint=choice.hint)
            parts.append(kit.words(told, "muted"))
        if choice.sum:
            rows = [*choice.sum.rows, choice.sum.total]
            parts += kit.table((row.label, row.amount) for row in rows)
            if choice.sum.bar:
                parts.append(kit.words(choice.sum.bar.words, "muted"))
        if choice.kind is AmountKind.FREE:
            parts += _free(pen, state, choice)
    return parts


def _free(pen: Pen, state: OpenOrder, choice: AmountChoice) -> Parts:
    label = pen.t("amount.free.label", currency=state.currency, limit=choice.limit)
    typed = kit.line_input("free", label, choice.typed, choice.example)
    return [typed, *([kit.words(choice.fault, "error")] if choice.fault else [])]


def _amount_words(choice: AmountChoice) -> str:
    return f"{choice.label}, {choice.amount}" if choice.amount else choice.label


def _with_hint(text: str, hint: str) -> str:
    return f"{text} ({hint})" if hint else text


def draw_plan(pen: Pen, plan: PlanBlock) -> Parts:
    """What it will do: money per payment, then goes, stays, unknown, future charges."""
    rows = [(row.label, row.amount) for row in plan.money]
    asides = [(row.label, row.amount) for row in plan.asides]
    total = (plan.total.label, f"{plan.total.amount} {plan.currency}")
    return [
        kit.divider(),
        kit.words(pen.t("plan"), "header"),
        *([kit.words(plan.holds, "muted")] if plan.holds else []),
        *kit.table([*rows, total, *asides]),
        *draw_lots(pen, plan.lots),
        *(_subscription(pen, plan.subscription) if plan.subscription else []),
    ]


def _subscription(pen: Pen, asked: SubscriptionQuestion) -> Parts:
    options = [
        Option("stop", _with_hint(pen.t("subscription.stop"), asked.stop_hint)),
        Option("keep", _with_hint(pen.t("subscription.keep"), asked.keep_hint)),
    ]
    chosen = "stop" if asked.stop else "keep"
    return kit.choose_one("sub", pen.t("subscription"), options, chosen)


def draw_message(message: MessageText) -> Parts:
    """A message that will be sent: to whom, and its text."""
    texts = [kit.words(paragraph, "muted") for paragraph in message.paragraphs]
    return [kit.words(message.summary), *texts]
