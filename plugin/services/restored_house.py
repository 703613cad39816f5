"""After a copy was restored: nothing is sent before it is known what happened since the copy.

What was sent, decided or undone since then is forgotten here, and not at the gateways. So a hold is
put on every real tenant, refunds under way are looked up, and mails that may have gone out are left
to a person. The hold ends once every account was read up to the restoring, or by a person's word.
Calls nothing outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from plugin.domain.drift import DriftKind, DriftState
from plugin.domain.effects import EffectState, goes_by_mail
from plugin.domain.errors import InvalidInput
from plugin.domain.ids import DeliveryId, TenantId
from plugin.domain.refunds import RESTORED as NOT_LOOKED_UP
from plugin.domain.refunds import RefundState, after_restore
from plugin.ports import Clock, Kind
from plugin.ports.platforms import Platforms
from plugin.ports.records import (
    HOUSE_RESTORED,
    RESTORED,
    Hold,
    Installation,
    InstallationStatus,
    StoredEffect,
    Sweep,
)
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.settle_refund import settle_refund

OPERATOR = "operator"
LOOK_AGAIN = timedelta(seconds=5)
_ALL = 2**31 - 1
_UNDER_WAY = (
    RefundState.RESERVED,
    RefundState.SUBMITTING,
    RefundState.UNKNOWN,
    RefundState.PENDING,
)


@dataclass(frozen=True, slots=True)
class StillUnread:
    """What must be known before sending goes on.

    `refunds`: how many were not looked up yet. `deliveries`: whether some wait to be applied.
    `behind`: accounts whose news is being read. `silent`: stores that tell no news, so that only a
    person can say what happened there since. `gaps`: accounts that do not keep all news of that
    time any more; a person looks there and closes what the health page shows of it.
    """

    refunds: int = 0
    deliveries: bool = False
    behind: tuple[Installation, ...] = ()
    silent: tuple[Installation, ...] = ()
    gaps: tuple[Installation, ...] = ()

    @property
    def is_nothing(self) -> bool:
        return not (self.refunds or self.deliveries or self.behind or self.silent or self.gaps)


def hold_restored(uow: UnitOfWork, copied_at: datetime, platforms: Platforms, now: datetime) -> int:
    """Hold the tenant, and doubt all that was under way when the copy was made at `copied_at`.

    Returns how many refunds are to be looked up. Practice is not held: nothing there is real.
    """
    under_way = uow.refunds.newest(_ALL, _UNDER_WAY)
    moves = [(refund, move) for refund in under_way if (move := after_restore(refund, now))]
    doubted = sum(settle_refund(uow, refund, move, OPERATOR, now) for refund, move in moves)
    _doubt_mails(uow, now)
    if not uow.settings.tenant().simulated:
        uow.holds.put(Hold(RESTORED, now, copied_at, wake_at=now))
        for one in _stores(uow):
            if tells_news(platforms, one):
                # Where it was read already, it is read on from there: that was before the copy.
                uow.sweeps.begin(Sweep(one.connection.installation, copied_at, None, now))
    details = {"copied_at": copied_at.isoformat(), "refunds": str(doubted)}
    uow.audit.write(now, OPERATOR, HOUSE_RESTORED, uow.tenant_id, details)
    return doubted


def hold_of(uow: UnitOfWork) -> Hold | None:
    """The hold that stands since a copy was restored, if one does."""
    return next((hold for hold in uow.holds.all() if hold.reason == RESTORED), None)


def still_unread(uow: UnitOfWork, hold: Hold, platforms: Platforms) -> StillUnread:
    """What keeps the hold.

    A desk is no account to read: notes and replies are looked for there by their marks.
    """
    under_way = uow.refunds.newest(_ALL, (RefundState.UNKNOWN, RefundState.PENDING))
    unlooked = sum(refund.reason == NOT_LOOKED_UP for refund in under_way)
    stores = _stores(uow)
    silent = [one for one in stores if not tells_news(platforms, one)]
    sweeps = {
        one.connection.installation: uow.sweeps.get(one.connection.installation)
        for one in stores
        if one not in silent
    }
    behind = [
        one
        for one in stores
        if one not in silent and not _is_read(sweeps[one.connection.installation], hold)
    ]
    ends = [sweep.swept_at for sweep in sweeps.values() if sweep and sweep.swept_at]
    has_unapplied = uow.holds.has_unapplied(max([hold.since, *ends]))
    gaps = [one for one in stores if one not in silent and _has_gap(uow, one, hold)]
    return StillUnread(unlooked, has_unapplied, tuple(behind), tuple(silent), tuple(gaps))


def release(uow: UnitOfWork, actor: str, unread: StillUnread, now: datetime) -> bool:
    """End the hold. False when none stands (any more).

    Mails that came up while it stood mostly tell of what happened before: whether they went out
    then is not known, so they are left to a person. What was delivered since is told.
    """
    hold = hold_of(uow)
    if hold is None:
        return False
    uow.holds.lift(RESTORED)
    _doubt_mails(uow, now, hold)
    accounts = (*unread.behind, *unread.silent, *unread.gaps)
    names = ", ".join(one.connection.installation for one in accounts)
    details = {"unread": names, "refunds": str(unread.refunds)}
    uow.audit.write(now, actor, "hold.released", uow.tenant_id, details)
    return True


@dataclass(frozen=True, slots=True)
class HoldOlder:
    """Hold tenants of whom the database forgot something: a copy was put back by hand."""

    storage: Storage
    platforms: Platforms
    clock: Clock

    def __call__(self, known_until: Mapping[TenantId, datetime]) -> None:
        """`known_until`: of each such tenant when the last thing happened that is known."""
        for tenant, copied_at in known_until.items():
            with self.storage.begin(tenant) as uow:
                hold = hold_of(uow)
                # One from before the copy says nothing of what was forgotten since.
                if hold is None or hold.since <= copied_at:
                    hold_restored(uow, copied_at, self.platforms, self.clock.now())
                    uow.commit()


@dataclass(frozen=True, slots=True)
class EndHold:
    """Look whether the hold may end by itself: nothing is unread any more."""

    storage: Storage
    platforms: Platforms
    clock: Clock

    def __call__(self, tenant: TenantId) -> None:
        with self.storage.begin(tenant) as uow:
            now = self.clock.now()
            hold = hold_of(uow)
            if hold is None or hold.wake_at is None or hold.wake_at > now:
                return
            unread = still_unread(uow, hold, self.platforms)
            if unread.is_nothing:
                release(uow, "worker", unread, now)
            else:
                later = replace(hold, wake_at=now + LOOK_AGAIN, wakes=hold.wakes + 1)
                uow.holds.put(later)
            uow.commit()


def tells_news(platforms: Platforms, installation: Installation) -> bool:
    """Whether what happened there since the copy can be read; not where its manifest is gone."""
    try:
        return platforms.can(installation.connection, "news")
    except InvalidInput:
        return False


def _stores(uow: UnitOfWork) -> list[Installation]:
    return [
        one
        for one in uow.installations.all()
        if one.connection.kind is Kind.STORE and one.status is not InstallationStatus.CONNECTING
    ]


def _is_read(sweep: Sweep | None, hold: Hold) -> bool:
    return sweep is not None and sweep.read_until >= hold.since


def _has_gap(uow: UnitOfWork, one: Installation, hold: Hold) -> bool:
    """Whether its news were read to the end, and some of them were not there any more."""
    return any(
        drift.difference.kind is DriftKind.NEWS_GAP
        and drift.state is DriftState.OPEN
        and drift.found_at >= hold.since
        for drift in uow.drifts.of_customer(one.connection.installation, None)
    )


def _doubt_mails(uow: UnitOfWork, now: datetime, hold: Hold | None = None) -> None:
    for mail in uow.effects.unsent_messages():
        if goes_by_mail(mail.planned.effect) and not (hold and _is_news(uow, mail, hold)):
            doubted = replace(
                mail, state=EffectState.UNKNOWN, outcome=RESTORED, wake_at=None, changed_at=now
            )
            uow.effects.set_state(mail.planned.key, mail.state, doubted)


def _is_news(uow: UnitOfWork, mail: StoredEffect, hold: Hold) -> bool:
    """Whether a store told it by itself since the hold began. What we read there has no headers."""
    told = uow.deliveries.get(DeliveryId(mail.run))
    return told is not None and bool(told.headers) and told.received_at >= hold.since
