"""The panel's blocks as components: the upper half, and what several states share. Pure.

A pen draws for one canvas: it knows the language and the one-time number of its buttons, and draws
no button twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from plugin.platforms.strict_json import JsonObject
from plugin.web.views import canvas_components as kit
from plugin.web.views.canvas_components import Option, Row
from plugin.web.views.canvas_words import canvas_word
from plugin.web.views.panel_blocks import (
    Decide,
    Lot,
    NineSteps,
    OrderHead,
    Step,
    Timeline,
)
from plugin.web.views.panel_parts import (
    Action,
    Amount,
    Copy,
    Link,
    Notice,
    OrderRow,
    OrdersBlock,
    Press,
    Tone,
    VerdictChip,
    Who,
)
from plugin.web.views.panel_words import word

Parts: TypeAlias = list[JsonObject]
Fields: TypeAlias = Sequence[tuple[str, str]]

BESIDE = " · "
FIRST_ROWS = 3
"""Orders of the first canvas, which has to be low: it stands among other apps' canvases."""
MOST_ROWS = 50
"""Orders of any canvas. A customer with more is looked up by an order's number."""
ROW = "row"
"""A field of a row's id that no form has: it only keeps ids apart."""


@dataclass(slots=True)
class Pen:
    """Draws for one canvas."""

    locale: str
    nonce: str
    _drawn: set[str] = field(default_factory=set)

    def t(self, key: str, **values: str | int) -> str:
        """A word of the panel."""
        return word(self.locale, key, **values)

    def own(self, key: str, **values: str | int) -> str:
        """A word that only canvases have."""
        return canvas_word(self.locale, key, **values)

    def ask(self, verb: str, label: str, fields: Fields = (), style: str = "secondary") -> Parts:
        """A button that asks for `verb`; nothing where this canvas has that very button already."""
        ask = kit.ask_id(verb, self.nonce, fields)
        if ask in self._drawn:
            return []
        self._drawn.add(ask)
        return [kit.button(label, ask, style)]

    def again(self, verb: str, fields: Fields) -> Parts:
        """What a page asks by itself: here a button."""
        return self.ask(verb, self.t("way.again"), fields)

    def row(self, verb: str, fields: Fields, place: str, title: str, *lines: str) -> Row:
        """A row that asks for `verb`. Its id names its place: a button may ask for the same."""
        ask = kit.ask_id(verb, self.nonce, [*fields, (ROW, place)])
        return Row(place, title, lines, ask)


def amount_words(amount: Amount) -> str:
    """An amount in a sentence."""
    return f"{amount.text} {amount.currency}"


def quoted(sentence: str) -> str:
    """A sentence for the reply."""
    return f"“{sentence.strip('“”')}”"


def for_reply(pen: Pen, sentence: str) -> Parts:
    """The same, where nothing else says what it is for."""
    return [kit.words(pen.own("for_reply"), "muted"), kit.words(quoted(sentence))]


# ---------------------------------------------------------------------------------- upper half


def draw_who(who: Who) -> Parts:
    """Who writes, and how sure that is."""
    beside = [who.email] if who.email and who.email != who.name else []
    evidence = [who.match.text] if who.match else []
    lines = [*beside, *evidence, *([BESIDE.join(who.quiet)] if who.quiet else [])]
    return [
        kit.words(who.name, "header", close=bool(lines)),
        *(kit.words(line, "muted", close=True) for line in lines[:-1]),
        *(kit.words(line, "muted") for line in lines[-1:]),
    ]


def draw_orders(pen: Pen, orders: OrdersBlock, *, first: bool = False) -> Parts:
    """The list: each row opens its order. While one is open the others fold to one button.

    The clause stands below the order that is open. `first`: the newest few, which were just read.
    """
    told = orders.waiting or orders.age
    head = BESIDE.join(text for text in (pen.t("orders"), orders.count, told) if text)
    opened = [row for row in orders.rows if row.expanded]
    shown = (opened or orders.rows)[: FIRST_ROWS if first else MOST_ROWS]
    left = len(orders.rows) - len(shown)
    named = [("order", row.key) for row in opened]
    rows = [_order_row(pen, row, n) for n, row in enumerate(shown, start=1)]
    parts: Parts = [kit.words(head), *kit.listed(rows)]
    if orders.skeletons:
        parts.append(kit.words(pen.t("orders.keeps_place"), "muted"))
    for row in opened:
        parts += cite(row.verdict)
    if left and (opened or first):
        parts += pen.ask("list", pen.t("orders.others", n=left), style="link")
    elif left:
        parts.append(kit.words(pen.own("orders.newest", n=len(shown)), "muted"))
    if not orders.waiting and not first:
        parts += pen.ask("orders", pen.t("orders.again"), named, "link")
    elif orders.ask_again_ms is not None:
        parts += pen.again("orders", named)
    return parts


def draw_elsewhere(pen: Pen) -> Parts:
    """A look for another purchase."""
    return [
        kit.words(pen.t("orders.elsewhere"), "muted"),
        kit.line_input("q", pen.t("nothing.question")),
        *pen.ask("search", pen.t("nothing.look")),
    ]


def _order_row(pen: Pen, row: OrderRow, n: int) -> Row:
    facts = (amount_words(row.amount), row.store, row.date, row.access, row.refunded)
    chip = chip_words(row.verdict) if row.verdict else ""
    shown = BESIDE.join(fact for fact in facts if fact)
    return pen.row("order", [("order", row.key)], f"order-{n}", row.title, shown, chip)


def chip_words(chip: VerdictChip) -> str:
    """The verdict with its clause's number."""
    return BESIDE.join(text for text in (chip.text, chip.clause) if text)


def cite(chip: VerdictChip | None) -> Parts:
    """The clause that a verdict rests on."""
    texts = (chip.quote, chip.footer) if chip else ()
    return [kit.words(text, "muted") for text in texts if text]


# ---------------------------------------------------------------------------------- shared blocks


def draw_head(head: OrderHead) -> Parts:
    """The head of the order at hand."""
    beside = [
        *([head.number] if head.number and not head.link else []),
        *([amount_words(head.amount)] if head.amount else []),
    ]
    return [
        kit.words(head.title, "header"),
        *([kit.words(BESIDE.join(beside), "muted")] if beside else []),
        *([kit.way_out(head.link.label, head.link.href)] if head.link else []),
        *([kit.words(head.note, "muted")] if head.note else []),
    ]


def draw_notice(pen: Pen, notice: Notice) -> Parts:
    """What it is about, what happened to the money, and what to do next."""
    style = "error" if notice.tone is Tone.BAD else "header"
    return [
        kit.words(notice.title, style),
        kit.words(notice.text),
        *draw_actions(pen, notice.actions),
    ]


def draw_actions(pen: Pen, actions: Iterable[Action]) -> Parts:
    """Buttons and ways out. A desk of components lets nobody copy: the text stands there."""
    parts: Parts = []
    for action in actions:
        match action:
            case Press():
                parts += pen.ask(action.ask, action.label, action.fields)
            case Link():
                parts.append(kit.way_out(action.label, action.href))
            case Copy():
                parts += for_reply(pen, action.text)
    return parts


def draw_steps(pen: Pen, steps: NineSteps | None, order: str) -> Parts:
    """The nine guided steps."""
    if steps is None:
        return []
    options = [Option(step, pen.t(f"step.{step}")) for step in Step]
    done = [step for step in Step if step in steps.done]
    label = pen.t("steps", n=len(done))
    return [
        kit.ticks("step", label, options, done),
        *([kit.words(steps.hint, "muted")] if steps.hint else []),
        *pen.ask("steps", pen.t("steps.keep"), [("order", order)], "link"),
    ]


def draw_lots(pen: Pen, lots: Iterable[Lot], *, done: bool = False) -> Parts:
    """What goes, stays and is unknown."""
    parts: Parts = []
    for lot in lots:
        if lot.items:
            heading = pen.t(f"lot.{lot.kind}{'.done' if done else ''}")
            parts.append(kit.words(f"{heading}{BESIDE}{lot.aside or len(lot.items)}"))
            parts += kit.listed(
                [
                    Row(f"{lot.kind}-{n}", f"{one.kind} {one.name}".strip(), (one.because,))
                    for n, one in enumerate(lot.items, start=1)
                ]
            )
    return parts


def draw_decide(pen: Pen, decide: Decide, more: Fields = ()) -> Parts:
    """The one button, under its tally. Blocked it keeps its amount and says what it waits for."""
    amount = decide.amount
    label = decide.label or (
        pen.t("decide.refund", amount=amount_words(amount))
        if amount
        else pen.t("decide.refund.no_amount")
    )
    parts: Parts = []
    if tally := decide.tally:
        told = pen.t("tally.label", goes=tally.goes, stays=tally.stays, unknown=tally.unknown)
        parts.append(kit.words(told, "muted"))
    if decide.sub:
        parts.append(kit.words(decide.sub, "muted"))
    if ticket := decide.ticket:
        pressed = [("order", ticket.order), ("plan", ticket.plan), ("hash", ticket.plan_hash)]
        parts += pen.ask("refund", label, [*pressed, *more], "primary")
    else:
        parts.append(kit.blocked_button(label))
    if decide.foot:
        parts.append(kit.words(decide.foot, "muted"))
    return parts


def draw_timelines(pen: Pen, timelines: Iterable[Timeline]) -> Parts:
    """The refund as it happens, per payment."""
    parts: Parts = []
    for place, timeline in enumerate(timelines, start=1):
        if timeline.heading:
            parts.append(kit.words(timeline.heading))
        parts += kit.listed(
            [
                Row(
                    f"way-{place}-{n}",
                    f"{step.what}, {pen.t(f'way.state.{step.state}')}",
                    (step.when, step.more),
                )
                for n, step in enumerate(timeline.steps, start=1)
            ]
        )
    return parts
