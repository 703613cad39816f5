"""What the admin's pages show: connections and their health, what waits, what happened.

Display-ready content only, made by pure functions from rows. A state is shown as a word, never by
colour alone; no body, no secret and no customer's address is shown in the lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from plugin.domain.effects import EffectState
from plugin.domain.ids import InstallationId
from plugin.domain.messages import reason_words
from plugin.domain.refunds import Refund, RefundState
from plugin.domain.texts import one_line
from plugin.ports.records import (
    AuditEntry,
    DeliveryState,
    Installation,
    StoredDelivery,
    StoredEffect,
    Tenant,
)
from plugin.services.self_test_lines import FAILED
from plugin.services.wording import locale_of, money_words
from plugin.web.views.effect_words import CAUSES, advice, effect_words
from plugin.web.views.install_view import STATUS_LOOK

Look = tuple[str, str, str]
"""Tone, drawing, word."""

REFUND_LOOK: Final[Mapping[RefundState, Look]] = {
    RefundState.RESERVED: ("", "clock", "Ten seconds to undo"),
    RefundState.WITHDRAWN: ("", "undo", "Undone, nothing was sent"),
    RefundState.SUBMITTING: ("", "clock", "Being sent"),
    RefundState.PENDING: ("", "clock", "Sent, the bank has it"),
    RefundState.SUCCEEDED: ("good", "yes", "Paid back"),
    RefundState.REFUSED: ("bad", "no", "Refused by the gateway"),
    RefundState.UNKNOWN: ("unk", "unk", "Unknown, being looked up"),
    RefundState.MANUAL: ("warn", "hand", "To be done by hand"),
    RefundState.NEEDS_PERSON: ("warn", "look", "A person must look"),
    RefundState.FAILED_LATER: ("bad", "warn", "Came back later: not paid"),
}

DELIVERY_LOOK: Final[Mapping[DeliveryState, Look]] = {
    DeliveryState.RECEIVED: ("", "clock", "Waiting to be read"),
    DeliveryState.WAITING: ("", "clock", "Waiting for another answer"),
    DeliveryState.APPLIED: ("good", "yes", "Applied"),
    DeliveryState.IGNORED: ("", "stop", "Not our concern"),
    DeliveryState.UNREADABLE: ("warn", "look", "Could not be read"),
    DeliveryState.UNRECOGNISED: ("warn", "look", "Of a kind we do not know"),
    DeliveryState.FAILED: ("bad", "warn", "Failed, kept"),
}

_BY_HAND: Final[Look] = ("good", "hand", "Done by hand")

WAITS_FOR_PERSON: Final = (
    RefundState.MANUAL,
    RefundState.NEEDS_PERSON,
    RefundState.UNKNOWN,
    RefundState.FAILED_LATER,
)


@dataclass(frozen=True, slots=True)
class HealthRow:
    """One connection: its state, its self-test in a sentence, and when it was last heard."""

    id: str
    platform: str
    label: str
    tone: str
    icon: str
    state: str
    words: str
    heard: str


@dataclass(frozen=True, slots=True)
class ListedRow:
    """A refund's part or a delivery in its list: what it is, what of, how it stands, and when."""

    what: str
    of: str
    tone: str
    icon: str
    state: str
    reason: str
    at: str
    amount: str = ""


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One thing that no rule decides: what it is, and what to do."""

    what: str
    advice: str
    tone: str
    icon: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One entry of the trail. `hash` is its beginning, enough to compare by eye."""

    seq: int
    at: str
    actor: str
    action: str
    subject: str
    details: str
    hash: str


@dataclass(frozen=True, slots=True)
class When:
    """Times in the tenant's zone and language."""

    tenant: Tenant

    def __call__(self, at: datetime | None) -> str:
        """`22 Nov, 14:05`, or nothing for no time."""
        if at is None:
            return ""
        zone = ZoneInfo(self.tenant.time_zone)
        words: str = format_datetime(
            at, "d MMM, HH:mm", tzinfo=zone, locale=locale_of(self.tenant.locale)
        )
        return words


def health(
    installations: Sequence[Installation],
    titles: Mapping[str, str],
    heard: Mapping[InstallationId, datetime],
    when: When,
) -> tuple[HealthRow, ...]:
    """A row per connection. `titles` and when each was last `heard` are by installation."""
    rows = []
    for one in installations:
        ref = one.connection.installation
        tone, icon, state = STATUS_LOOK[one.status]
        failed = next((line for line in one.self_test if line.state == FAILED), None)
        done = sum(line.state != "waiting" for line in one.self_test)
        words = failed.details if failed else f"Self-test: {done} of {len(one.self_test)} done"
        if not one.self_test:
            words = "It has no self-test"
        rows.append(
            HealthRow(
                ref,
                titles[ref],
                one.connection.label,
                tone,
                icon,
                state,
                words,
                when(heard.get(ref)),
            )
        )
    return tuple(rows)


def refund_row(refund: Refund, when: When) -> ListedRow:
    """A refund's part in words."""
    tone, icon, state = REFUND_LOOK[refund.state]
    return ListedRow(
        what=refund.label,
        of=refund.order.ref,
        tone=tone,
        icon=icon,
        state=state,
        reason=_reason(refund),
        at=when(refund.changed_at),
        amount=money_words(refund.amount, when.tenant.locale),
    )


def _reason(refund: Refund) -> str:
    """Why it stands where it does; of a refund that was paid back, the bank's own reference."""
    if refund.reason in _TOLD_BY or refund.state is RefundState.SUCCEEDED:
        return _TOLD_BY.get(refund.reason, refund.reason)
    return reason_words(refund.reason)


def delivery_row(delivery: StoredDelivery, titles: Mapping[str, str], when: When) -> ListedRow:
    """A delivery in words."""
    tone, icon, state = _BY_HAND if delivery.is_closed else DELIVERY_LOOK[delivery.state]
    return ListedRow(
        what=delivery.topic or "without a topic",
        of=titles.get(delivery.installation, "a removed connection"),
        tone=tone,
        icon=icon,
        state=state,
        reason="" if delivery.is_closed else delivery.reason,
        at=when(delivery.received_at),
    )


def waiting(
    refunds: Sequence[Refund],
    effects: Sequence[StoredEffect],
    deliveries: Sequence[StoredDelivery],
    when: When,
) -> tuple[PersonRow, ...]:
    """All that waits for a person, money first. Each list holds only what waits."""
    return (
        *(refund_waiting(one, when) for one in refunds),
        *(effect_waiting(one) for one in effects),
        *(delivery_waiting(one, when) for one in deliveries),
    )


def refund_waiting(refund: Refund, when: When) -> PersonRow:
    """A refund that waits for a person."""
    what = f"Refund of {money_words(refund.amount, when.tenant.locale)} to {refund.label}"
    return PersonRow(what, _REFUND_ADVICE[refund.state], *REFUND_LOOK[refund.state][:2])


def effect_waiting(stored: StoredEffect) -> PersonRow:
    """What could not be done outside."""
    look = ("unk", "unk") if stored.state is EffectState.UNKNOWN else ("warn", "look")
    return PersonRow(effect_words(stored.planned.effect), advice(stored), *look)


def delivery_waiting(delivery: StoredDelivery, when: When) -> PersonRow:
    """A delivery that could not be applied."""
    cause = delivery_cause(delivery) or DELIVERY_LOOK[delivery.state][2]
    return PersonRow(
        f"Delivery {delivery.topic or delivery.id} of {when(delivery.received_at)}",
        f"{cause.rstrip('.')}. Kept: replay it once that is mended, or close it as done by hand, "
        "on the health page.",
        *DELIVERY_LOOK[delivery.state][:2],
    )


def delivery_cause(delivery: StoredDelivery) -> str:
    """Why it was not applied; our own codes in words."""
    return CAUSES.get(delivery.reason) or one_line(delivery.reason)


_TOLD_BY: Final[Mapping[str, str]] = {
    "by_hand": "A person said so.",
    "reported_by_store": "The store said so.",
    "reported_by_gateway": "The gateway said so.",
}
_REFUND_ADVICE: Final[Mapping[RefundState, str]] = {
    RefundState.MANUAL: "Open its ticket: the panel shows the steps and closes it.",
    RefundState.NEEDS_PERSON: "Look it up at the gateway, then say in the panel what is so.",
    RefundState.UNKNOWN: "Makegood looks it up by itself. Do not send it again by hand.",
    RefundState.FAILED_LATER: "The money came back to you. Ask the customer for another way.",
}


def audit_row(entry: AuditEntry, when: When) -> AuditRow:
    """An entry in words."""
    details = ", ".join(f"{name} {value}" for name, value in entry.details.items())
    return AuditRow(
        entry.seq,
        when(entry.at),
        entry.actor,
        entry.action,
        entry.subject,
        details,
        entry.hash[:12],
    )
