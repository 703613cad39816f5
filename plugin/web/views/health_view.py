"""What the health page shows, made from `Health` by pure functions: display-ready content only.

A state is a word and a drawing before it is a colour. No body and no secret is shown, and a
customer's address only where a person must find one customer at a platform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from plugin.domain.drift import NEXT_STEPS
from plugin.domain.effects import EffectState
from plugin.domain.ids import InstallationId
from plugin.domain.money import Money
from plugin.domain.refunds import Refund
from plugin.domain.texts import one_line
from plugin.ports.records import Drift, StoredDelivery, StoredEffect
from plugin.services.health import ConnectionHealth, Count, Health, Standing
from plugin.services.wording import money_words
from plugin.web.views.admin_view import (
    DELIVERY_LOOK,
    Look,
    When,
    delivery_cause,
    effect_waiting,
    refund_waiting,
)
from plugin.web.views.effect_words import cause_words
from plugin.web.views.health_accounts import BudgetRow, KeyRow, budget_row, key_row
from plugin.web.views.health_concerns import Concern, concerns, names, top_sentence
from plugin.web.views.health_day import Day, day
from plugin.web.views.health_telling import Tell

STANDING_LOOK: Final[Mapping[Standing, Look]] = {
    Standing.WELL: ("good", "yes", "state.well"),
    Standing.CONNECTING: ("", "clock", "state.connecting"),
    Standing.SILENT: ("warn", "cloud", "state.silent"),
    Standing.NOT_ANSWERING: ("warn", "cloud", "state.not_answering"),
    Standing.RESTING: ("warn", "clock", "state.resting"),
    Standing.NEEDS_ATTENTION: ("warn", "warn", "state.needs_attention"),
    Standing.KEY_REFUSED: ("bad", "key", "state.key_refused"),
}


DID: Final = ("replayed", "closed", "done_by_hand")
"""What a press is said to have done; all else changed nothing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with its name, and a word beside it."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """One connection. `words` say why it is not well; `go` is what the link beside them says."""

    id: InstallationId
    name: str
    label: str
    tone: str
    icon: str
    state: str
    heard: str
    words: str
    go: str
    yesterday: str


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that waits. `press` is where its button posts; empty for none.

    `close` is where it posts that a person did it by hand. `told_apart` follows the button's word
    for those who hear it without the row. `anyway`: the press says that it may be done twice.
    `ticket` is named where it was asked for in one, with its page where that is known.
    """

    what: str
    of: str
    words: str
    tone: str
    icon: str
    press: str = ""
    close: str = ""
    told_apart: str = ""
    anyway: bool = False
    ticket: str = ""
    ticket_link: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """Things of one kind. `more` says how many there are where not all are shown."""

    items: tuple[Item, ...]
    total: str
    more: str


@dataclass(frozen=True, slots=True)
class HealthPage:
    """All of the page. `said`: what became of the last press, and whether it did something."""

    said: str
    did: bool
    says: str
    needed: tuple[Concern, ...]
    figures: tuple[Figure, ...]
    connections: tuple[ConnectionRow, ...]
    day: Day
    deliveries: Listing
    effects: Listing
    refunds: Listing
    drifts: Listing
    keys: tuple[KeyRow, ...]
    budgets: tuple[BudgetRow, ...]


def health_page(health: Health, said: str = "") -> HealthPage:
    """The page for the tenant's admin, after a press that ended as `said`."""
    tell = Tell(health.tenant, health.at)
    when = When(health.tenant)
    called = names(health)
    needed = concerns(health, tell)
    return HealthPage(
        said=tell.say(f"said.{said}") if said else "",
        did=said in DID,
        says=top_sentence(health, needed, tell),
        needed=needed,
        figures=_figures(health, called, tell),
        connections=tuple(_connection(one, called[one.id], tell) for one in health.connections),
        day=day(health.hours, tell),
        deliveries=_listing(
            [_delivery(one, called, tell) for one in health.deliveries], health.not_applied, tell
        ),
        effects=_listing([_effect(one, tell) for one in health.effects], health.open_effects, tell),
        refunds=_listing(
            [_refund(one, health, called, when, tell) for one in health.refunds],
            health.for_a_person,
            tell,
        ),
        drifts=_listing(
            [_drift(one, called, tell) for one in health.drifts], health.open_drifts, tell
        ),
        keys=tuple(key_row(one, called[one.id], tell) for one in health.connections),
        budgets=tuple(
            row for one in health.connections if (row := budget_row(one, called[one.id], tell))
        ),
    )


# --- figures and connections ----------------------------------------------------------------------


def _figures(
    health: Health, called: Mapping[InstallationId, str], tell: Tell
) -> tuple[Figure, ...]:
    asked = health.unknown_asked_at
    kinds = [
        tell.say(f"count.{state}", n=tell.number(number))
        for state, number in sorted(health.not_applied_by_state.items())
    ]
    figures = [
        Figure(tell.say("fact.on_the_way"), tell.count(health.on_the_way)),
        Figure(
            tell.say("fact.unknown"),
            tell.count(health.unknown),
            "" if asked is None else tell.say("fact.unknown.asked", at=tell.at(asked)),
        ),
        Figure(
            tell.say("fact.not_applied"),
            tell.count(health.not_applied),
            ", ".join(kinds) if len(kinds) > 1 else "",
        ),
    ]
    timed = [
        (one.slowest_line.milliseconds or 0, one) for one in health.connections if one.slowest_line
    ]
    if timed:
        milliseconds, slowest = max(timed, key=lambda pair: pair[0])
        seconds = tell.say("age.tenths", n=f"{milliseconds / 1000:.1f}")
        figures.append(Figure(tell.say("fact.slowest"), seconds, called[slowest.id]))
    none = "" if health.workers else tell.say("fact.workers.none")
    figures.append(Figure(tell.say("fact.workers"), str(health.workers), none))
    return tuple(figures)


def _connection(one: ConnectionHealth, name: str, tell: Tell) -> ConnectionRow:
    tone, icon, state = STANDING_LOOK[one.standing]
    heard = tell.say("heard.never")
    if one.heard_at is not None:
        heard = tell.say("heard.ago", age=tell.age(one.heard_at))
    words = " ".join(_why(one, tell))
    return ConnectionRow(
        id=one.id,
        name=name,
        label=one.label if name == one.title else "",
        tone=tone,
        icon=icon,
        state=tell.say(state),
        heard=heard,
        words=words,
        go="" if one.standing in (Standing.WELL, Standing.CONNECTING) else _go(one, tell),
        yesterday=tell.count(one.yesterday),
    )


def _go(one: ConnectionHealth, tell: Tell) -> str:
    key = "go.key" if one.standing is Standing.KEY_REFUSED else "go.test"
    return tell.say(key)


def _why(one: ConnectionHealth, tell: Tell) -> list[str]:
    """Why it stands as it does, and when we look again."""
    said = []
    failed, sweep = one.failed_line, one.sweep
    match one.standing:
        case Standing.SILENT if one.longest_gap is not None:
            said.append(tell.say("heard.before", gap=tell.span(one.longest_gap)))
        case Standing.NEEDS_ATTENTION if failed is not None:
            said.append(_sentence(failed.details))
        case Standing.NOT_ANSWERING if sweep is not None:
            said.append(cause_words(sweep.reason))
        case Standing.RESTING if one.rest is not None:
            return [tell.say("heard.again", at=tell.at(one.rest.next_try))]
        case _:
            pass
    is_asked = one.standing in (Standing.SILENT, Standing.NOT_ANSWERING)
    if is_asked and sweep is not None and sweep.wake_at is not None:
        said.append(tell.say("heard.again", at=tell.at(sweep.wake_at)))
    return said


def _sentence(text: str) -> str:
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


# --- what waits -----------------------------------------------------------------------------------


def _listing(items: Sequence[Item], count: Count, tell: Tell) -> Listing:
    total = tell.count(count)
    is_all = len(items) >= count.number and not count.more
    more = "" if is_all else tell.say("more", shown=len(items), total=total)
    return Listing(tuple(items), total, more)


def _refund(
    one: Refund, health: Health, called: Mapping[InstallationId, str], when: When, tell: Tell
) -> Item:
    row = refund_waiting(one, when)
    of = tell.say("order", ref=one_line(one.order.ref))
    ticket = health.tickets.get(one.id)
    if ticket is None:
        return Item(row.what, of, row.advice, row.tone, row.icon)
    desk = called.get(ticket.desk, tell.say("delivery.removed"))
    named = tell.say("ticket", ref=one_line(ticket.ticket), desk=desk)
    return Item(row.what, of, row.advice, row.tone, row.icon, ticket=named, ticket_link=ticket.link)


def _delivery(one: StoredDelivery, called: Mapping[InstallationId, str], tell: Tell) -> Item:
    tone, icon, state = DELIVERY_LOOK[one.state]
    at = tell.at(one.received_at)
    kept = tell.say("delivery.kept")
    if one.attempts > 1:
        kept = tell.say("delivery.tried", n=one.attempts)
    what = one_line(one.topic) or tell.say("delivery.untold")
    return Item(
        what=what,
        of=called.get(one.installation, tell.say("delivery.removed")),
        words=f"{at}: {_sentence(delivery_cause(one) or state)} {kept}",
        tone=tone,
        icon=icon,
        press=f"/admin/health/deliveries/{one.id}/replay",
        close=f"/admin/health/deliveries/{one.id}/close",
        told_apart=tell.say("replay.of", what=what, at=at),
    )


def _effect(stored: StoredEffect, tell: Tell) -> Item:
    row = effect_waiting(stored)
    at = "" if stored.changed_at is None else tell.at(stored.changed_at)
    return Item(
        what=row.what,
        of=at,
        words=row.advice,
        tone=row.tone,
        icon=row.icon,
        press=f"/admin/health/effects/{stored.planned.key}/replay",
        close=f"/admin/health/effects/{stored.planned.key}/close",
        told_apart=tell.say("replay.of", what=row.what, at=at),
        anyway=stored.state is EffectState.UNKNOWN,
    )


def _drift(one: Drift, called: Mapping[InstallationId, str], tell: Tell) -> Item:
    details = one.difference.details
    kind = one.difference.kind
    thing = details.get("name") or details.get("ref", "")
    what = tell.say(
        f"drift.{kind}",
        thing=one_line(thing),
        customer=one.customer or tell.say("drift.somebody"),
        refund=one_line(details.get("refund", one.difference.subject)),
        there=_amount(details.get("there", ""), tell),
        here=_amount(details.get("here", ""), tell),
    )
    place = called.get(one.installation, tell.say("delivery.removed"))
    found = tell.say("drift.found", at=tell.at(one.found_at))
    return Item(
        what=what,
        of=f"{place}, {found}",
        words=NEXT_STEPS[kind],
        tone="warn",
        icon="half",
        press=f"/admin/health/drifts/{one.id}/close",
        told_apart=tell.say("replay.of", what=what, at=found),
    )


def _amount(told: str, tell: Tell) -> str:
    """`4900 EUR`, in minor units, as people read it; as it stands where it is no amount."""
    minor, _, currency = told.partition(" ")
    try:
        return money_words(Money(int(minor), currency), tell.tenant.locale)
    except ValueError:
        return told
