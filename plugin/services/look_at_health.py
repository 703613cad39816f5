"""How a business's Makegood is: what is on the way, who was heard, what waits for a person.

Reads what is stored, each part bounded and by an index, and calls no platform: looking must not
cost what it looks at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import assert_never
from zoneinfo import ZoneInfo

from plugin.domain.effects import (
    AddTicketNote,
    CancelSubscription,
    Effect,
    EffectState,
    RemoveTag,
    RestoreAccess,
    RestoreTag,
    RevokeAccess,
    TellCustomer,
    TellOwner,
    VerifyAccess,
)
from plugin.domain.errors import KEY_CODES
from plugin.domain.ids import InstallationId, RefundId, TenantId
from plugin.domain.refunds import Refund, RefundState
from plugin.domain.requests import RefundRequest
from plugin.ports import Clock, Kind
from plugin.ports.platforms import Pace, Platforms
from plugin.ports.records import (
    DeliveryState,
    Drift,
    Hold,
    Installation,
    InstallationStatus,
    RestingAccount,
    StoredDelivery,
    StoredEffect,
    Sweep,
    Tenant,
)
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.health import (
    Budget,
    ConnectionHealth,
    Count,
    Credential,
    Health,
    Hour,
    Standing,
    TicketOf,
)
from plugin.services.keep_webhook import made_anew_at
from plugin.services.key_replacement import KEY_WORKS, offers
from plugin.services.self_test_lines import FAILED, OK, WEBHOOK
from plugin.services.webhook_secrets import webhook_secrets

MOST = 200
"""Counts end here: above it there are "200 or more", whatever floods us."""
SHOWN = 20
"""So many of each list, those that wait longest: what came later never pushes one off the page."""
MOST_IN_AN_HOUR = 5000
ON_THE_WAY = (RefundState.RESERVED, RefundState.SUBMITTING, RefundState.PENDING)
FOR_A_PERSON = (RefundState.MANUAL, RefundState.NEEDS_PERSON, RefundState.FAILED_LATER)
OPEN_EFFECTS = (EffectState.NEEDS_PERSON, EffectState.UNKNOWN)
WORKER_LIVES = timedelta(seconds=15)
"""A worker that said nothing for longer counts as gone here."""

MADE_ANEW_SHOWN = timedelta(days=7)
"""For so long it is said that a webhook had been off."""

_MORE = MOST + 1
_HEARD = 50
_ENOUGH = 10
_FAILURES = 2
_LONG_SILENCE = timedelta(days=1)
_TIMES_BEFORE = 3


@dataclass(frozen=True, slots=True)
class LookAtHealth:
    """The use case, with its ports."""

    storage: Storage
    platforms: Platforms
    clock: Clock

    def __call__(self, tenant: TenantId) -> Health:
        """How it is now. Raises KeyError for no such tenant."""
        now = self.clock.now()
        with self.storage.read(tenant) as uow:
            found = _read(uow, now)
        refs = [one.connection.installation for one in found.installations]
        to_full = self.storage.seconds_to_full(refs)
        connections = tuple(
            self._connection(one, found.known(one, to_full), now) for one in found.installations
        )
        tickets = dict(self._tickets(found))
        workers = len(self.storage.living_workers(WORKER_LIVES))
        return found.health(connections, tickets, workers, now)

    def _tickets(self, found: _Found) -> Iterator[tuple[RefundId, TicketOf]]:
        desks = {one.connection.installation: one.connection for one in found.installations}
        for ref, request in found.requests.items():
            ticket, desk = request.ticket, request.desk
            if ticket is not None and desk is not None:
                there = desks.get(desk)
                link = None if there is None else self.platforms.ticket_link(there, ticket)
                yield ref, TicketOf(ticket, desk, link or "")

    def _connection(
        self, installation: Installation, known: _Known, now: datetime
    ) -> ConnectionHealth:
        connection = installation.connection
        pace = self.platforms.pace(connection)
        credentials = tuple(_credentials(installation, known, now))
        return ConnectionHealth(
            installation=installation,
            title=self.platforms.title(connection),
            standing=_standing(installation, known, credentials, now),
            heard_at=known.heard[0] if known.heard else None,
            longest_gap=longest_gap(known.heard),
            yesterday=known.yesterday,
            refunds_waiting=known.refunds,
            closings_waiting=known.closings,
            credentials=credentials,
            secrets=len(self.platforms.signing_secrets(connection)),
            budget=None if pace is None else budget(pace, known.seconds_to_full),
            sweep=known.sweep,
            rest=known.rest,
            made_anew_at=_made_anew_at(installation, now),
            reads_news=connection.kind is Kind.STORE and self.platforms.can(connection, "news"),
        )


# --- what is read in one moment -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one connection, beside the connection itself."""

    heard: Sequence[datetime]
    yesterday: Count
    refunds: Count
    closings: Count
    refused: bool
    sweep: Sweep | None
    rest: RestingAccount | None
    seconds_to_full: float


@dataclass(frozen=True, slots=True)
class _Found:
    """What one transaction read."""

    tenant: Tenant
    installations: Sequence[Installation]
    moments: Sequence[datetime]
    heard: Mapping[InstallationId, Sequence[datetime]]
    delivered: Mapping[InstallationId, Sequence[int]]
    not_applied_yesterday: Sequence[datetime]
    not_applied: Mapping[DeliveryState, int]
    deliveries: Sequence[StoredDelivery]
    on_the_way: Mapping[InstallationId, int]
    unknown: Sequence[Refund]
    refunds: Sequence[Refund]
    requests: Mapping[RefundId, RefundRequest]
    closings: Mapping[InstallationId, int]
    open_effects: int
    effects: Sequence[StoredEffect]
    drifts: Sequence[Drift]
    sweeps: Mapping[InstallationId, Sweep]
    resting: Mapping[InstallationId, RestingAccount]
    holds: Sequence[Hold]

    def known(self, one: Installation, to_full: Mapping[InstallationId, float]) -> _Known:
        ref = one.connection.installation
        unknown = sum(refund.payment.installation == ref for refund in self.unknown)
        hours = self.delivered.get(ref, ())
        return _Known(
            heard=self.heard.get(ref, ()),
            yesterday=Count(sum(hours), more=MOST_IN_AN_HOUR in hours),
            refunds=_counted(self.on_the_way.get(ref, 0) + unknown),
            closings=_counted(self.closings.get(ref, 0)),
            refused=_was_refused(one, self.effects),
            sweep=self.sweeps.get(ref),
            rest=self.resting.get(ref),
            seconds_to_full=to_full.get(ref, 0.0),
        )

    def hours(self) -> Iterator[Hour]:
        for place, (begins, ends) in enumerate(pairwise(self.moments)):
            each = [hours[place] for hours in self.delivered.values()]
            bad = sum(begins <= at < ends for at in self.not_applied_yesterday)
            yield Hour(begins, Count(sum(each), more=MOST_IN_AN_HOUR in each), bad)

    def health(
        self,
        connections: tuple[ConnectionHealth, ...],
        tickets: Mapping[RefundId, TicketOf],
        workers: int,
        now: datetime,
    ) -> Health:
        asked = [one.wake_at for one in self.unknown if one.wake_at is not None]
        return Health(
            at=now,
            tenant=self.tenant,
            connections=connections,
            on_the_way=_counted(sum(self.on_the_way.values())),
            unknown=_counted(len(self.unknown)),
            unknown_asked_at=min(asked, default=None),
            hours=tuple(self.hours()),
            not_applied=_counted(sum(self.not_applied.values())),
            not_applied_by_state=self.not_applied,
            deliveries=tuple(self.deliveries),
            open_effects=_counted(self.open_effects),
            effects=tuple(self.effects[:SHOWN]),
            for_a_person=_counted(len(self.refunds)),
            refunds=tuple(self.refunds[:SHOWN]),
            tickets=tickets,
            open_drifts=_counted(len(self.drifts)),
            drifts=tuple(self.drifts[:SHOWN]),
            holds=tuple(self.holds),
            workers=workers,
        )


def _read(uow: UnitOfWork, now: datetime) -> _Found:
    tenant, tallies = uow.settings.tenant(), uow.tallies
    moments = yesterday(now, tenant.time_zone)
    bad = tallies.not_applied_between(moments[0], moments[-1], MOST_IN_AN_HOUR)
    refunds = uow.refunds.oldest(_MORE, FOR_A_PERSON)
    return _Found(
        tenant=tenant,
        installations=uow.installations.all(),
        moments=moments,
        heard=tallies.heard(_HEARD),
        delivered=tallies.deliveries(moments, MOST_IN_AN_HOUR),
        not_applied_yesterday=[at for _, at in bad],
        not_applied=tallies.not_applied(_MORE),
        deliveries=uow.deliveries.not_applied(SHOWN),
        on_the_way=tallies.refunds(ON_THE_WAY, _MORE),
        unknown=uow.refunds.newest(_MORE, (RefundState.UNKNOWN,)),
        refunds=refunds,
        requests=_requests(uow, refunds[:SHOWN]),
        closings=tallies.closings(_MORE),
        open_effects=tallies.effects(OPEN_EFFECTS, _MORE),
        effects=uow.effects.open(_MORE),
        drifts=uow.drifts.open(_MORE),
        sweeps={one.installation: one for one in uow.sweeps.all()},
        resting={one.installation: one for one in uow.breakers.resting()},
        holds=uow.holds.all(),
    )


def _requests(uow: UnitOfWork, refunds: Sequence[Refund]) -> Mapping[RefundId, RefundRequest]:
    """What each was asked for in."""
    asked = {one.id: plan.request for one in refunds if (plan := uow.plans.get(one.plan))}
    return {one: found for one, ref in asked.items() if (found := uow.requests.get(ref))}


def _counted(found: int) -> Count:
    """What was counted up to one more than is said."""
    return Count(min(found, MOST), more=found > MOST)


# --- how each is judged ---------------------------------------------------------------------------


def yesterday(now: datetime, time_zone: str) -> Sequence[datetime]:
    """The moments at which yesterday's hours began there, and its end; UTC.

    Where clocks are changed that day it has 23 hours, or 25.
    """
    zone = ZoneInfo(time_zone)
    today = now.astimezone(zone).date()
    begin, end = (
        datetime.combine(day, time(), zone).astimezone(UTC)
        for day in (today - timedelta(days=1), today)
    )
    hours = -((begin - end) // timedelta(hours=1))
    return [*(begin + timedelta(hours=hour) for hour in range(hours)), end]


def longest_gap(heard: Sequence[datetime]) -> timedelta | None:
    """How long it was silent at most between these deliveries; None where too few came to tell."""
    if len(heard) < _ENOUGH:
        return None
    return max(later - earlier for later, earlier in pairwise(heard))


def budget(pace: Pace, seconds_to_full: float) -> Budget:
    """The calls that are left when the bucket is full again in so many seconds."""
    spent = math.ceil(seconds_to_full * pace.requests / pace.per_seconds)
    return Budget(max(0, pace.burst - spent), pace)


def _is_silent(heard: Sequence[datetime], now: datetime) -> bool:
    """Silent for more than a day, and for much longer than it was before."""
    gap = longest_gap(heard)
    return gap is not None and now - heard[0] > max(_LONG_SILENCE, _TIMES_BEFORE * gap)


def _standing(
    installation: Installation,
    known: _Known,
    credentials: Sequence[Credential],
    now: datetime,
) -> Standing:
    if Credential.KEY_REFUSED in credentials:
        return Standing.KEY_REFUSED
    if installation.status is InstallationStatus.NEEDS_ATTENTION:
        return Standing.NEEDS_ATTENTION
    if known.rest is not None:
        return Standing.RESTING
    if known.sweep is not None and known.sweep.failures >= _FAILURES:
        return Standing.NOT_ANSWERING
    if _is_silent(known.heard, now):
        return Standing.SILENT
    if installation.status is InstallationStatus.CONNECTING:
        return Standing.CONNECTING
    return Standing.WELL


def _made_anew_at(installation: Installation, now: datetime) -> datetime | None:
    at = made_anew_at(installation.connection)
    return at if at is not None and now - at < MADE_ANEW_SHOWN else None


def _credentials(installation: Installation, known: _Known, now: datetime) -> Iterator[Credential]:
    webhook = next((one for one in installation.self_test if one.name == WEBHOOK), None)
    swept = known.sweep is not None and known.sweep.reason in KEY_CODES
    if known.refused or swept:
        yield Credential.KEY_REFUSED
    if webhook is not None and webhook.state == FAILED:
        yield Credential.WEBHOOK_OFF
    is_on = webhook is not None and webhook.state == OK
    if is_on and not webhook_secrets(installation.connection.secrets):
        yield Credential.UNSIGNED
    if offers(installation.connection):
        yield Credential.NEW_KEY_WAITS
    if is_on and _made_anew_at(installation, now) is not None:
        yield Credential.WEBHOOK_MADE_ANEW


def _was_refused(installation: Installation, effects: Sequence[StoredEffect]) -> bool:
    """Whether an effect there stopped at the key, and since then the key was not seen to work."""
    connection = installation.connection
    tried = [one.at for one in installation.self_test if one.name == KEY_WORKS and one.at]
    return any(
        effect.outcome in KEY_CODES
        and _place_of(effect.planned.effect) == connection.installation
        and (not tried or effect.changed_at is None or effect.changed_at > tried[0])
        for effect in effects
    )


def _place_of(effect: Effect) -> InstallationId | None:
    """The connection where it is done; None for what goes by mail or to any desk."""
    match effect:
        case RevokeAccess(resource) | RestoreAccess(resource):
            return resource.installation
        case RemoveTag(tag) | RestoreTag(tag):
            return tag.installation
        case CancelSubscription(installation) | VerifyAccess(installation):
            return installation
        case AddTicketNote(desk) | TellCustomer(desk):
            return desk
        case TellOwner():
            return None
        case _:
            assert_never(effect)
