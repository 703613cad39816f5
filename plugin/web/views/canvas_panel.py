"""The panel as components: a pure function of the same view model that the HTML page renders.

It reads no clock, store or session, and decides nothing. What the page shows is shown here too, but
for what a canvas cannot do, which is folded on purpose: copying (the text to copy stands there),
asking again by itself (a button), the clauses of orders that are not open, drawings. Where all of
it is more than fits, parts that decide nothing are left out, and the canvas says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import assert_never

from plugin.platforms.strict_json import JsonObject
from plugin.web.views import canvas_blocks as draw
from plugin.web.views import canvas_components as kit
from plugin.web.views import canvas_order as order
from plugin.web.views.canvas_blocks import Parts, Pen
from plugin.web.views.panel_blocks import DifferenceRow, SheetState, Worksheet
from plugin.web.views.panel_parts import Icon, Notice, Tone
from plugin.web.views.panel_view import (
    ByHand,
    ChangedSince,
    DisputeOpen,
    Done,
    NothingFound,
    OpenOrder,
    OrderList,
    Panel,
    PanelState,
    StoreOffline,
    TenSeconds,
    Told,
    UnderWay,
    WeakMatch,
)

_DECIDED = (TenSeconds, UnderWay, ByHand, Done)
"""States in which somebody has decided already that money goes back."""


class Fold(IntEnum):
    """What may be left out where it does not fit: the last goes first. `KEEP` never goes."""

    KEEP = 0
    STEPS = 1
    ELSEWHERE = 2
    MESSAGES = 3


@dataclass(frozen=True, slots=True)
class Section:
    """Components that stand or go together."""

    fold: Fold
    parts: Parts


def render_canvas(
    panel: Panel,
    nonce: str,
    kept: Mapping[str, str] | None = None,
    told: str = "",
    largest: int = kit.LARGEST_CONTENT,
    *,
    first: bool = False,
) -> JsonObject:
    """The answer to a post: `{"canvas": {"content": {"components": [...]}, "stored_data": {...}}}`.

    `nonce` goes into the id of everything that can be pressed. `kept` comes back with the next
    post, through a browser. `told` is a sentence above all else. `first`: it stands among the
    canvases of other apps, before anybody pressed on it, and is kept low.
    """
    parts = _fitting(Pen(panel.frame.locale, nonce), panel, told, largest, first=first)
    content: JsonObject = {"components": [*parts]}
    return {"canvas": {"content": content, "stored_data": dict(kept or {})}}


def _fitting(pen: Pen, panel: Panel, told: str, largest: int, *, first: bool) -> Parts:
    """The sections that fit, and a word where not all of them do."""
    sections = _sections(pen, panel, told, first=first)
    for least in sorted(Fold, reverse=True):
        staying = [part for one in sections if one.fold <= least for part in one.parts]
        if least is not max(Fold):
            staying.append(kit.words(pen.own("folded"), "muted"))
        if kit.size_of(staying) <= largest:
            return staying
    # After the decision the advice must not be to pay it in the store: that would pay it twice.
    text = "too_much.decided" if isinstance(panel.state, _DECIDED) else "too_much.text"
    notice = Notice(Tone.WARN, Icon.WARN, pen.own("too_much.title"), pen.own(text))
    return draw.draw_notice(pen, notice)


def _sections(pen: Pen, panel: Panel, told: str, *, first: bool) -> list[Section]:
    top: Parts = [kit.words(told, "error")] if told else []
    if banner := panel.frame.practice:
        top.append(kit.words(banner.text))
        top += draw.draw_actions(pen, [banner.link] if banner.link else [])
    if panel.pairing:
        # A window of ours needs a page to be opened from; here one can only look.
        top += [kit.words(panel.pairing.title), kit.words(panel.pairing.text)]
    if panel.who:
        top += draw.draw_who(panel.who)
    if panel.orders:
        top += draw.draw_orders(pen, panel.orders, first=first)
    state = _state(pen, panel.state)
    sections = [Section(Fold.KEEP, [*top, *([kit.divider()] if top and state else [])]), *state]
    if panel.orders and panel.orders.rows and not panel.orders.waiting and not first:
        sections.append(Section(Fold.ELSEWHERE, [kit.divider(), *draw.draw_elsewhere(pen)]))
    return sections


def _keep(*parts: JsonObject) -> Section:
    return Section(Fold.KEEP, [*parts])


def _state(pen: Pen, state: PanelState) -> list[Section]:  # noqa: C901, PLR0911, PLR0912 - one case per state
    match state:
        case WeakMatch():
            return [_keep(*_weak_match(pen, state))]
        case NothingFound():
            return [_keep(*_nothing_found(pen, state))]
        case OrderList():
            return []
        case StoreOffline():
            return [_keep(*_store_offline(pen, state))]
        case OpenOrder():
            return _open_order(pen, state)
        case ChangedSince():
            return [_keep(*_changed_since(pen, state))]
        case TenSeconds():
            return [_keep(*_ten_seconds(pen, state))]
        case UnderWay():
            return _under_way(pen, state)
        case ByHand():
            return _by_hand(pen, state)
        case Done():
            return _done(pen, state)
        case DisputeOpen():
            return [_keep(*_dispute_open(pen, state))]
        case Told():
            return [_keep(*draw.draw_notice(pen, state.notice))]
        case _:
            assert_never(state)


def _weak_match(pen: Pen, state: WeakMatch) -> Parts:
    return [
        *draw.draw_notice(pen, state.notice),
        kit.line_input("proof", state.question, example=state.example),
        *([kit.words(state.fault, "error")] if state.fault else []),
        *pen.ask("prove", pen.t("weak.check"), [("order", state.order)]),
        kit.words(pen.t("weak.reply_before"), "muted"),
        kit.words(draw.quoted(state.reply)),
        *draw.draw_decide(pen, state.decide),
    ]


def _nothing_found(pen: Pen, state: NothingFound) -> Parts:
    return [
        kit.words(state.heading, "header"),
        *(kit.words(place, "muted") for place in (*state.places, *state.silent)),
        kit.line_input("q", pen.t("nothing.question"), state.typed),
        *([kit.words(state.fault, "error")] if state.fault else []),
        *pen.ask("search", pen.t("nothing.look")),
        *draw.for_reply(pen, state.reply),
    ]


def _store_offline(pen: Pen, state: StoreOffline) -> Parts:
    named = [("order", state.order)]
    return [
        kit.words(state.title, "header"),
        *draw.draw_notice(pen, state.notice),
        *draw.draw_decide(pen, state.decide),
        *(pen.again("order", named) if state.ask_again_ms is not None else []),
    ]


def _open_order(pen: Pen, state: OpenOrder) -> list[Section]:
    verdict = state.head.verdict
    messages = state.plan.messages if state.plan else ()
    return [
        _keep(
            *draw.draw_head(state.head),
            *(draw.draw_notice(pen, state.notice) if state.notice else []),
            *order.draw_polite_no(pen, state.polite_no, verdict),
            *order.draw_choice(pen, state),
            *(order.draw_plan(pen, state.plan) if state.plan else []),
        ),
        *(Section(Fold.MESSAGES, order.draw_message(message)) for message in messages),
        _keep(*draw.draw_decide(pen, state.decide, order.fixed_choice(state))),
        # Below the button: nine lines above it would push it out of sight.
        Section(Fold.STEPS, draw.draw_steps(pen, state.steps, state.head.key)),
    ]


def _changed_since(pen: Pen, state: ChangedSince) -> Parts:
    difference = state.difference
    rows = [(row.label, _change(pen, row)) for row in (*difference.rows, difference.total)]
    return [
        *draw.draw_head(state.head),
        *draw.draw_notice(pen, state.notice),
        kit.words(pen.t("changed.caption", currency=difference.currency), "muted"),
        *kit.table(rows),
        *draw.draw_decide(pen, state.decide),
    ]


def _change(pen: Pen, row: DifferenceRow) -> str:
    if not row.changed:
        return row.now
    return pen.own("to_and_fro", before=row.before, now=row.now)


def _ten_seconds(pen: Pen, state: TenSeconds) -> Parts:
    undo = state.undo
    named = [("order", undo.order), ("refund", undo.refund)]
    left = pen.t("undo.text", n=undo.seconds_left, amount=draw.amount_words(undo.amount))
    return [
        kit.words(state.title, "header"),
        kit.words(f"{undo.seconds_left} {left}"),
        kit.words(pen.own("undo.stands_still"), "muted"),
        *(
            [kit.words(undo.only, "muted")]
            if undo.only
            else pen.ask("undo", pen.t("undo.button"), named, "primary")
        ),
        kit.words(state.foot, "muted"),
        *pen.again("timeline", named),
    ]


def _under_way(pen: Pen, state: UnderWay) -> list[Section]:
    named = [("order", state.order), ("refund", state.refund)]
    return [
        _keep(
            kit.words(state.title, "header"),
            *([kit.words(state.certain)] if state.certain else []),
            *draw.draw_timelines(pen, state.timelines),
            *(draw.draw_notice(pen, state.notice) if state.notice else []),
            *(pen.again("timeline", named) if state.ask_again_ms is not None else []),
        ),
        Section(Fold.STEPS, draw.draw_steps(pen, state.steps, state.order)),
    ]


def _by_hand(pen: Pen, state: ByHand) -> list[Section]:
    sheet = state.worksheet
    named = [("order", sheet.order), ("refund", sheet.refund)]
    return [
        _keep(
            kit.words(sheet.title, "header"),
            kit.words(draw.amount_words(sheet.amount), "muted"),
            kit.words(sheet.intro),
            *_sheet(pen, sheet),
        ),
        Section(Fold.STEPS, draw.draw_steps(pen, state.steps, sheet.order)),
        _keep(
            *([kit.words(sheet.attest_sub, "muted")] if sheet.attest else []),
            *(pen.ask("attest", sheet.attest, named, "primary") if sheet.attest else []),
            *(pen.ask("undo", sheet.undo, named, "link") if sheet.undo else []),
            *(
                pen.ask("attest", sheet.release, [*named, ("found", "nothing")], "link")
                if sheet.release
                else []
            ),
            *([kit.words(sheet.only, "muted")] if sheet.only else []),
            *(pen.again("timeline", named) if state.ask_again_ms is not None else []),
        ),
    ]


def _sheet(pen: Pen, sheet: Worksheet) -> Parts:
    parts: Parts = []
    for n, step in enumerate(sheet.steps, start=1):
        state = "" if step.state is SheetState.LATER else f", {pen.t(f'hand.state.{step.state}')}"
        parts.append(kit.words(f"{n}. {step.title}{state}"))
        if step.text:
            parts.append(kit.words(step.text, "muted"))
        if step.link:
            parts.append(kit.way_out(step.link.label, step.link.href))
        parts += kit.table((row.label, row.value) for row in step.copy)
    return parts


def _done(pen: Pen, state: Done) -> list[Section]:
    done = state.done
    named = [("order", state.order), ("refund", state.refund)]
    return [
        _keep(
            *draw.draw_notice(pen, done.notice),
            *draw.draw_lots(pen, done.lots, done=True),
            *([kit.words(done.told, "muted")] if done.told else []),
            *draw.draw_actions(pen, done.actions),
            *(pen.again("timeline", named) if state.ask_again_ms is not None else []),
        ),
        Section(Fold.STEPS, draw.draw_steps(pen, state.steps, state.order)),
    ]


def _dispute_open(pen: Pen, state: DisputeOpen) -> Parts:
    return [
        *draw.draw_head(state.head),
        *draw.draw_notice(pen, state.notice),
        *(draw.for_reply(pen, state.reply) if state.reply else []),
        kit.words(state.text, "muted"),
    ]
