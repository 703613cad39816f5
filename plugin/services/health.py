"""What is said of the health of one business: values only, made by `look_at_health`.

Nothing here is in words for people; that is the screen's affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from plugin.domain.ids import InstallationId, RefundId, TicketId
from plugin.domain.refunds import Refund
from plugin.ports.platforms import Pace
from plugin.ports.records import (
    DeliveryState,
    Drift,
    Hold,
    Installation,
    RestingAccount,
    SelfTestLine,
    StoredDelivery,
    StoredEffect,
    Sweep,
    Tenant,
)
from plugin.services.key_replacement import KEY_WORKS
from plugin.services.self_test_lines import DELIVERY, FAILED, OK


@dataclass(frozen=True, slots=True)
class Count:
    """How many; with `more`, at least so many."""

    number: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class TicketOf:
    """The ticket that a refund was asked for in. `link` empty where its page is not known."""

    ticket: TicketId
    desk: InstallationId
    link: str = ""


class Standing(StrEnum):
    """How a connection is, the worst that is known of it."""

    WELL = "well"
    CONNECTING = "connecting"
    SILENT = "silent"  # not heard for much longer than it usually is
    NOT_ANSWERING = "not_answering"  # asked, it gave no answer, more than once in a row
    RESTING = "resting"  # not asked for a while, after failures in a row
    NEEDS_ATTENTION = "needs_attention"
    KEY_REFUSED = "key_refused"


class Credential(StrEnum):
    """What is wrong with a connection's keys, or waits to be done about them."""

    KEY_REFUSED = "key_refused"
    WEBHOOK_OFF = "webhook_off"
    UNSIGNED = "unsigned"  # no secret is kept, so no delivery can be told from a forged one
    NEW_KEY_WAITS = "new_key_waits"
    WEBHOOK_MADE_ANEW = "webhook_made_anew"  # it was off, and is on again by itself


@dataclass(frozen=True, slots=True)
class Budget:
    """The calls that an account may make. `left` now, of `pace.burst`."""

    left: int
    pace: Pace


@dataclass(frozen=True, slots=True)
class ConnectionHealth:
    """One connection.

    `longest_gap`: how long it was silent at most between the deliveries before now; None where too
    few came to tell. `made_anew_at`: when the webhook was made anew by itself, a while after it;
    `reads_news`: what it did not bring meanwhile was read. `refunds_waiting` and `closings_waiting`
    are what cannot go on without it.
    """

    installation: Installation
    title: str
    standing: Standing
    heard_at: datetime | None
    longest_gap: timedelta | None
    yesterday: Count
    refunds_waiting: Count
    closings_waiting: Count
    credentials: tuple[Credential, ...]
    secrets: int
    budget: Budget | None
    sweep: Sweep | None
    rest: RestingAccount | None
    made_anew_at: datetime | None = None
    reads_news: bool = False

    @property
    def id(self) -> InstallationId:
        return self.installation.connection.installation

    @property
    def label(self) -> str:
        return self.installation.connection.label

    @property
    def failed_line(self) -> SelfTestLine | None:
        """The line of its self-test that failed."""
        return next((one for one in self.installation.self_test if one.state == FAILED), None)

    @property
    def key_seen_at(self) -> datetime | None:
        """When its key was last seen to work: by the self-test, or by reading the platform."""
        tested = (one for one in self.installation.self_test if one.name == KEY_WORKS)
        seen = [one.at for one in tested if one.state == OK and one.at is not None]
        if self.sweep is not None and self.sweep.swept_at is not None:
            seen.append(self.sweep.swept_at)
        return max(seen, default=None)

    @property
    def slowest_line(self) -> SelfTestLine | None:
        """The line of its self-test whose calls took longest; a first delivery is no call."""
        timed = [
            one
            for one in self.installation.self_test
            if one.name != DELIVERY and one.state == OK and one.milliseconds is not None
        ]
        return max(timed, key=lambda one: one.milliseconds or 0, default=None)


@dataclass(frozen=True, slots=True)
class Hour:
    """What was delivered in the hour that began then, and how much of it was not applied."""

    begins: datetime
    delivered: Count
    not_applied: int


@dataclass(frozen=True, slots=True)
class Health:
    """All of it, of one tenant at one moment. `hours` are yesterday's, where the tenant is."""

    at: datetime
    tenant: Tenant
    connections: tuple[ConnectionHealth, ...]
    on_the_way: Count
    unknown: Count
    unknown_asked_at: datetime | None
    hours: tuple[Hour, ...]
    not_applied: Count
    not_applied_by_state: Mapping[DeliveryState, int]
    deliveries: tuple[StoredDelivery, ...]
    open_effects: Count
    effects: tuple[StoredEffect, ...]
    for_a_person: Count
    refunds: tuple[Refund, ...]
    tickets: Mapping[RefundId, TicketOf]
    open_drifts: Count
    drifts: tuple[Drift, ...]
    holds: tuple[Hold, ...]
    workers: int
