"""Sweep one account: read what its platform told since last time, and compare with the books.

Webhooks get lost. So every few minutes the account's news are read since a cursor, with an overlap,
and put into the inbox beside what was delivered: what came already is known by its name and costs
nothing, what did not is read, confirmed and applied like any delivery. The cursor moves only after
all news of its time are committed, so a crash anywhere reads them again. Then some customers are
looked at (`examine_drift`). Changes nothing outside; the webhook itself is looked after before all
that (`keep_webhook`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from plugin.domain.drift import Difference, DriftKind, DriftState
from plugin.domain.errors import MakegoodError, RetryLater
from plugin.domain.ids import DeliveryId, InstallationId, TenantId
from plugin.domain.texts import one_line
from plugin.ports import Clock, Mint
from plugin.ports.news import News, TellsNews
from plugin.ports.platforms import Platforms
from plugin.ports.records import (
    DeliveryState,
    Drift,
    Installation,
    InstallationStatus,
    StoredDelivery,
    Sweep,
)
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.examine_drift import (
    BUDGET_SPENT,
    NOBODY,
    WORKER,
    ExamineDrift,
    Looked,
    drift_id,
    keep_drift,
)

INTERVAL = timedelta(minutes=5)
"""Between two sweeps of an account. What a platform tells is here well within 15 minutes."""
OVERLAP = timedelta(minutes=10)
"""How much is read again: a platform may list news late, and its clock may be behind ours."""
WINDOW = timedelta(hours=6)
"""How much is read before the cursor moves, after a long gap."""
BUSY = timedelta(minutes=2)
"""Longer than a sweep may take: one that was interrupted is begun again then."""
AT_MOST = timedelta(seconds=20)
"""After that long a sweep goes on in another turn: others want to be swept too."""
HELD_UP = timedelta(minutes=30)
"""For so long news that could not be applied yet keep differences from being told; not for ever."""
SOON = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=10)
"""However often an account failed to answer: when it does again, nothing is found too late."""
MISSED = "no webhook brought it"
RIGHT_MISSING = "right_missing"
_log = logging.getLogger("makegood.sweep")


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep found. `reason` says why it did not come to its end; empty where it did.

    `read` news were listed, `taken_in` of them nobody had told us. `goes_on`: there is more to
    look at, soon.
    """

    read: int = 0
    taken_in: int = 0
    looked: Looked = NOBODY
    reason: str = ""
    goes_on: bool = False


def _nothing_to_keep(tenant: TenantId, installation: InstallationId) -> None:
    """For a house whose webhooks nobody looks after."""
    del tenant, installation


@dataclass(frozen=True, slots=True)
class SweepAccount:
    """The use case, with its ports. `keep_webhook` is `plugin.services.keep_webhook`.

    `beside` are the platforms as they are asked about customers: beside people, who come first.
    """

    storage: Storage
    platforms: Platforms
    clock: Clock
    mint: Mint
    keep_webhook: Callable[[TenantId, InstallationId], None] = _nothing_to_keep
    beside: Platforms | None = None

    def __call__(self, tenant: TenantId, installation: InstallationId) -> Swept | None:
        """Sweep it if it is due. None where it is not, or where somebody else is at it."""
        claimed = self._claim(tenant, installation)
        if claimed is None:
            return None
        sweep, connected = claimed
        # First: what comes in from here on is heard, and what came before is among the news.
        self.keep_webhook(tenant, installation)
        swept = _Run(self, tenant, connected, sweep, self.clock.now()).to_its_end()
        _log.info(
            "sweep.done installation=%s read=%d taken_in=%d looked=%d opened=%d mended=%d error=%s",
            installation,
            swept.read,
            swept.taken_in,
            swept.looked.customers,
            swept.looked.opened,
            swept.looked.mended,
            swept.reason or "none",
        )
        return swept

    def now(self, tenant: TenantId, installation: InstallationId) -> Swept | None:
        """Look for missed events now. None where no such account is swept, or it is just then."""
        with self.storage.begin(tenant) as uow:
            if not uow.sweeps.wake(installation, self.clock.now()):
                return None
            uow.commit()
        return self(tenant, installation)

    def _claim(
        self, tenant: TenantId, installation: InstallationId
    ) -> tuple[Sweep, Installation] | None:
        """The row of a sweep that is ours to do, committed before its calls."""
        now = self.clock.now()
        with self.storage.begin(tenant) as uow:
            sweep = uow.sweeps.get(installation)
            if sweep is None or sweep.wake_at is None or sweep.wake_at > now:
                return None
            found = uow.installations.get(installation)
            if found is None or found.status is InstallationStatus.REMOVED:
                wait, is_ours = None, False
            elif found.status is InstallationStatus.CONNECTING:
                wait, is_ours = INTERVAL, False  # until its key was tried there is nothing to see
            else:
                wait, is_ours = BUSY, True
            wake_at = None if wait is None else now + wait
            claimed = replace(sweep, wakes=sweep.wakes + 1, wake_at=wake_at)
            if not uow.sweeps.save(sweep, claimed):
                return None
            uow.commit()
        return (claimed, found) if found is not None and is_ours else None


class _Overtaken(Exception):
    """Somebody else took the row, since this turn went on for too long. The row is theirs."""


@dataclass(slots=True)
class _Run:
    """One sweep while it runs. `sweep` is its row as it stands."""

    use: SweepAccount
    tenant: TenantId
    installation: Installation
    sweep: Sweep
    begun: datetime
    read: int = 0
    taken_in: int = 0
    looked: Looked = NOBODY

    def to_its_end(self) -> Swept:
        """News first, then people. Whatever stops it, its row says when to go on."""
        is_read, applied = False, self.sweep.read_until
        examined, error, rest = self.sweep.examined, None, None
        try:
            is_read = self._read_all_news()
            if is_read:
                beside = self.use.beside or self.use.platforms
                examine = ExamineDrift(self.use.storage, beside, self.use.clock)
                deadline = self.begun + AT_MOST
                portion = examine(
                    self.tenant,
                    self.installation,
                    examined,
                    deadline,
                    known_until=self._known_until(applied),
                )
                self.looked, examined, error = portion.looked, portion.examined, portion.error
                rest = portion.rest
        except Exception as problem:  # noqa: BLE001 - the row must say when to go on
            error = problem
        is_within = rest is not None or examined != "" or self.sweep.examined != ""
        goes_on = not is_read or self.taken_in > 0 or is_within
        reason = "" if error is None else _words_of(error)
        with suppress(_Overtaken):
            wait = (rest or SOON) if goes_on else INTERVAL
            self._write_down(replace(self.sweep, examined=examined), error, wait)
        return Swept(self.read, self.taken_in, self.looked, reason, goes_on)

    # --- news -------------------------------------------------------------------------------------

    def _known_until(self, before: datetime) -> datetime | None:
        """Until when all news are applied; None where none wait. `before` this turn it was so far.

        What came in this turn waits, and so does what was tried and must be tried again.
        """
        here, now = self.installation.connection.installation, self.use.clock.now()
        with self.use.storage.read(self.tenant) as uow:
            held_up = uow.deliveries.put_off_since(here, now - HELD_UP, now)
        wait_since = [at for at in (before if self.taken_in else None, held_up) if at is not None]
        return min(wait_since, default=None)

    def _read_all_news(self) -> bool:
        """Read window by window. False where there is more to read than fits into one turn."""
        connection = self.installation.connection
        news = self.use.platforms.able(connection, TellsNews)
        if news is None:
            self._move_cursor(self.begun)
            return True
        kept_since = news.kept_since(self.begun)
        if self.sweep.read_until < kept_since:
            self._tell_gap(kept_since)
        while self.sweep.read_until < self.begun:
            since = self.sweep.read_until - OVERLAP
            until = min(self.sweep.read_until + WINDOW, self.begun)
            for page in news.read_news(since, until):
                self._take_in(page)
            self._move_cursor(until)
            if until < self.begun and self.use.clock.now() >= self.begun + AT_MOST:
                return False
        return True

    def _take_in(self, page: Sequence[News]) -> None:
        """Put a page into the inbox, in one commit. What came already stays as it is."""
        with self.use.storage.begin(self.tenant) as uow:
            new = [uow.deliveries.add(self._delivery(one)) for one in page]
            uow.commit()
        self.read += len(page)
        self.taken_in += sum(new)

    def _delivery(self, news: News) -> StoredDelivery:
        now = self.use.clock.now()
        return StoredDelivery(
            id=DeliveryId(self.use.mint.id()),
            tenant=self.tenant,
            installation=self.installation.connection.installation,
            name=news.name,
            topic=one_line(news.topic)[:255],
            received_at=now,
            headers={},
            body=news.body,
            state=DeliveryState.RECEIVED,
            reason=MISSED,
            wake_at=now,
        )

    def _tell_gap(self, kept_since: datetime) -> None:
        """For longer than the platform keeps its news nobody read them: a person must know."""
        here = self.installation.connection.installation
        now = self.use.clock.now()
        days = {"from": self.sweep.read_until.isoformat(), "until": kept_since.isoformat()}
        subject = self.sweep.read_until.isoformat()
        gap = Difference(DriftKind.NEWS_GAP, subject, days)
        drift = Drift(drift_id(here, None, gap), here, None, gap, DriftState.OPEN, now, now)
        with self.use.storage.begin(self.tenant) as uow:
            if uow.drifts.get(drift.id) is None:
                keep_drift(uow, drift, WORKER, now)
                uow.commit()

    # --- the row ----------------------------------------------------------------------------------

    def _move_cursor(self, until: datetime) -> None:
        """All that is told of the time before `until` is committed. Never moves it back."""
        self._save(replace(self.sweep, read_until=max(until, self.sweep.read_until)))

    def _write_down(self, after: Sweep, error: Exception | None, wait: timedelta) -> None:
        """`wait` is how long it waits where nothing stopped it."""
        now = self.use.clock.now()
        if error is None:
            after = replace(after, swept_at=now, failures=0, reason="")
        elif isinstance(error, RetryLater) and error.code == BUDGET_SPENT:
            wait = SOON  # no failure: people came first
        else:
            wait = min(SOON * 2 ** min(after.failures, 10), LONGEST_WAIT)
            wish = error.after_seconds if isinstance(error, RetryLater) else None
            wait = max(wait, min(timedelta(seconds=wish or 0), LONGEST_WAIT))
            after = replace(after, failures=after.failures + 1, reason=_words_of(error))
        self._save(replace(after, wake_at=now + wait))

    def _save(self, after: Sweep) -> None:
        """Compare-and-set. Raises _Overtaken where another turn of this sweep has the row."""
        with self.use.storage.begin(self.tenant) as uow:
            if not uow.sweeps.save(self.sweep, after):
                raise _Overtaken
            uow.commit()
        self.sweep = after


def _words_of(error: Exception) -> str:
    """Codes only: the text of a fault of ours may hold a customer's data."""
    if isinstance(error, MakegoodError):
        # Which right is missing must be known to be given.
        return one_line(str(error))[:255] if error.code == RIGHT_MISSING else error.code
    if isinstance(error, _Overtaken):
        return "another sweep of this account is at it"
    return f"fault: {type(error).__name__}"


def begin_sweeping(uow: UnitOfWork, installation: InstallationId, now: datetime) -> None:
    """As for a store that is being connected: what happened before is none of our news.

    One that is swept already, and perhaps waits since its key was refused, is looked at soon.
    """
    if not uow.sweeps.begin(Sweep(installation, now, None, now + INTERVAL)):
        uow.sweeps.wake(installation, now + SOON)


@dataclass(frozen=True, slots=True)
class SweepSoon:
    """Have the worker look for missed events now: what a screen offers, which must not wait."""

    storage: Storage

    def __call__(
        self, tenant: TenantId, installation: InstallationId, actor: str, now: datetime
    ) -> bool:
        """False where this account is never swept."""
        with self.storage.begin(tenant) as uow:
            if not uow.sweeps.wake(installation, now):
                return False
            uow.audit.write(now, actor, "sweep.wanted", installation, {})
            uow.commit()
        return True
