"""The commands that look at what happened, and put back in line or close what did not come through.

Each is a few lines over `plugin.commands.look` and `plugin.commands.replay`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import click

from plugin.commands import look, replay
from plugin.commands.opened import open_parts
from plugin.commands.program import NOT_MANY, WRONG, Output, json_option
from plugin.domain.effects import EffectState
from plugin.domain.errors import InvalidInput
from plugin.domain.refunds import RefundState
from plugin.ports.records import DeliveryState

Command = Callable[..., None]


def _state_option(states: type[StrEnum]) -> Callable[[Command], Command]:
    text = f"Only those that are {', '.join(states)}. May come several times."
    return click.option("--state", multiple=True, help=text)


_limit_option = click.option(
    "--limit", default=20, show_default=True, type=NOT_MANY, help="At most so many."
)


def _one_or_all(one: str | None, *, every: bool, argument: str, option: str) -> None:
    """Raises InvalidInput unless exactly one of the two is said."""
    if (one is None) is not every:
        raise InvalidInput(argument, f"say which one, or {option} for all of them")


@click.group()
def deliveries() -> None:
    """Incoming webhooks."""


@deliveries.command("list")
@_state_option(DeliveryState)
@_limit_option
@json_option
def deliveries_list(*, state: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List the newest deliveries."""
    out = Output(as_json=as_json)
    out.end(deliveries=look.list_deliveries(open_parts(), state, limit, out.line))


@deliveries.command("show")
@click.argument("delivery")
@json_option
def deliveries_show(delivery: str, *, as_json: bool) -> None:
    """Show one delivery: its headers' names, state and size, never its content."""
    out = Output(as_json=as_json)
    out.end(**look.show_delivery(open_parts(), delivery, out.line))


@deliveries.command("replay")
@click.argument("delivery", required=False)
@click.option("--failed", is_flag=True, help="All that failed, or could not be read or recognised.")
@json_option
def deliveries_replay(delivery: str | None, *, failed: bool, as_json: bool) -> None:
    """Put a delivery back in line, or all that failed. What they did already is not done again."""
    out = Output(as_json=as_json)
    _one_or_all(delivery, every=failed, argument="delivery", option="--failed")
    if delivery is None:
        count = replay.replay_deliveries(open_parts())
        out.line(f"{count} back in line.")
        out.end(replayed=count)
    replay.replay_delivery(open_parts(), delivery)
    out.line("Back in line.")
    out.end(replayed=1)


@deliveries.command("close")
@click.argument("delivery")
@json_option
def deliveries_close(delivery: str, *, as_json: bool) -> None:
    """Close a delivery that could not be applied: a person did by hand what it asks for."""
    out = Output(as_json=as_json)
    replay.close_delivery(open_parts(), delivery)
    out.line("Closed as done by hand.")
    out.end(closed=1)


@click.group()
def effects() -> None:
    """What is done outside: access, tags, notes, replies and mails."""


@effects.command("list")
@_state_option(EffectState)
@_limit_option
@json_option
def effects_list(*, state: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List effects, changed last first. Without --state those that wait for a person."""
    out = Output(as_json=as_json)
    out.end(effects=look.list_effects(open_parts(), state, limit, out.line))


@effects.command("replay")
@click.argument("key", required=False)
@click.option("--all", "every", is_flag=True, help="All that need a person.")
@click.option(
    "--although-it-may-repeat",
    is_flag=True,
    help="For one mail that is unknown: the customer or the owner may get it twice.",
)
@json_option
def effects_replay(
    key: str | None, *, every: bool, although_it_may_repeat: bool, as_json: bool
) -> None:
    """Put an effect back in line that needs a person, or all of them."""
    out = Output(as_json=as_json)
    _one_or_all(key, every=every, argument="key", option="--all")
    if key is None:
        if although_it_may_repeat:
            raise InvalidInput("--although-it-may-repeat", "say it for one mail at a time")
        count, left = replay.replay_effects(open_parts())
        out.line(f"{count} back in line.")
        if left:
            out.line(f"Mails that may have gone out, and were left alone: {left}.")
        out.end(replayed=count, left=left)
    replay.replay_effect(open_parts(), key, although_it_may_repeat=although_it_may_repeat)
    out.line("Back in line.")
    out.end(replayed=1)


@effects.command("close")
@click.argument("key")
@json_option
def effects_close(key: str, *, as_json: bool) -> None:
    """Close an effect that is unknown or needs a person: a person did it by hand."""
    out = Output(as_json=as_json)
    replay.close_effect(open_parts(), key)
    out.line("Closed as done by hand.")
    out.end(closed=1)


@click.group()
def refunds() -> None:
    """Refunds and how far they are."""


@refunds.command("list")
@_state_option(RefundState)
@_limit_option
@json_option
def refunds_list(*, state: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List the newest refunds."""
    out = Output(as_json=as_json)
    out.end(refunds=look.list_refunds(open_parts(), state, limit, out.line))


@refunds.command("show")
@click.argument("refund")
@json_option
def refunds_show(refund: str, *, as_json: bool) -> None:
    """Show one refund with every move and effect."""
    out = Output(as_json=as_json)
    out.end(**look.show_refund(open_parts(), refund, out.line))


@click.group()
def audit() -> None:
    """The audit trail."""


@audit.command("verify")
@json_option
def audit_verify(*, as_json: bool) -> None:
    """Recompute the chain of hashes of every tenant."""
    out = Output(as_json=as_json)
    broken, entries = look.verify_audit(open_parts(), out.line)
    out.end(WRONG if broken else 0, entries=entries, broken=broken)


GROUPS = (deliveries, effects, refunds, audit)
