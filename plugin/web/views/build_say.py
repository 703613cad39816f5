"""The one sentence that a screen reader hears when the panel has changed.

Pure: takes the state as it is shown, and says no more than it shows.
"""

from __future__ import annotations

from typing import assert_never

from plugin.web.views.build_orders import Telling
from plugin.web.views.panel_blocks import TimelineState
from plugin.web.views.panel_view import (
    ByHand,
    ChangedSince,
    DisputeOpen,
    Done,
    NothingFound,
    OpenOrder,
    OrderList,
    PanelState,
    StoreOffline,
    TenSeconds,
    Told,
    UnderWay,
    WeakMatch,
)


def say_state(tell: Telling, state: PanelState) -> str:
    """What `state` says first; empty where the page speaks for itself."""
    match state:
        case WeakMatch() | NothingFound() if state.fault:
            return state.fault
        case NothingFound():
            return state.heading
        case WeakMatch() | StoreOffline() | ChangedSince() | DisputeOpen() | Told():
            return state.notice.title
        case OpenOrder():
            return _say_order(tell, state)
        case TenSeconds():
            key = "undo.only.say" if state.undo.only else "undo.say"
            return tell.say(key, n=state.undo.seconds_left)
        case UnderWay():
            return _say_way(state)
        case ByHand():
            return state.worksheet.title
        case Done():
            return state.done.notice.title
        case OrderList():
            return ""
        case _:
            assert_never(state)


def _say_order(tell: Telling, state: OpenOrder) -> str:
    decide = state.decide
    fault = next((choice.fault for choice in state.amounts if choice.fault), "")
    first = state.notice.title if state.notice else state.head.title
    if fault:
        return fault
    if decide.amount is None or decide.blocked:
        return f"{first}. {tell.say('decide.refund.no_amount')}: {decide.sub}."
    amount = f"{decide.amount.text} {decide.amount.currency}"
    return f"{first}. {tell.say('decide.refund', amount=amount)}, {decide.sub}."


def _say_way(state: UnderWay) -> str:
    """The title and what is current, of each payment."""
    current = [
        step.what
        for timeline in state.timelines
        for step in timeline.steps
        if step.state in (TimelineState.NOW, TimelineState.HUH, TimelineState.STOP)
    ]
    notice = [state.notice.title] if state.notice else []
    return ". ".join((state.title, *current, *notice)) + "."
