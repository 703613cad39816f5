"""Which platform accounts rest since they do not answer, kept where all processes see it.

One row per account that failed last, by the database's own clock, so that several machines share
one breaker. An account that answers has no row: a call to it costs one look by the key at most, and
writes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TypeVar

from sqlalchemy import Connection as Db
from sqlalchemy import Engine, bindparam, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from plugin.domain.ids import InstallationId
from plugin.platforms.breaker import (
    Admission,
    Breaker,
    BreakerState,
    Outcome,
    Rest,
    ask,
    rest_seconds,
    tell,
)
from plugin.ports.records import RestingAccount
from plugin.storage import tables as t
from plugin.storage.budgets import NowUs, database_now_us
from plugin.storage.database import connect_to_read
from plugin.storage.insert_or import insert_or
from plugin.storage.prepared import Prepared
from plugin.storage.rows import TenantRows

T = TypeVar("T")

_b = t.breakers
_log = logging.getLogger("makegood.breaker")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Made once: every call to every platform asks.
_ONE = select(_b).where(_b.c.account == bindparam("mine"))
_LOOK = Prepared(_ONE)
_LOCKED = Prepared(_ONE.with_for_update())


class SqlBreakers:
    """All accounts' breakers. `now_us` is the database's clock unless a test gives another.

    For `look_lasts` seconds after an account was seen to answer, this process does not look again:
    for so long it may call one that another process found to be silent.
    """

    def __init__(
        self, engine: Engine, now_us: NowUs = database_now_us, look_lasts: float = 0
    ) -> None:
        self._engine = engine
        self._now_us = now_us
        self._well = _Well(look_lasts)

    def breaker_for(self, account: str) -> Breaker:
        """The breaker of `account`. Everyone who names the same account shares it."""
        return _SqlBreaker(self._engine, self._now_us, self._well, account)


class _Well:
    """The accounts that had no failure when they were looked at a moment ago, by this process."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[str, float] = {}

    def knows(self, account: str) -> bool:
        return monotonic() < self._until.get(account, 0)

    def note(self, account: str) -> None:
        if self._seconds:
            self._until[account] = monotonic() + self._seconds

    def forget(self, account: str) -> None:
        self._until.pop(account, None)


@dataclass(frozen=True, slots=True)
class _SqlBreaker:
    """Implements `plugin.platforms.breaker.Breaker`."""

    engine: Engine
    now_us: NowUs
    well: _Well
    account: str

    def ask(self) -> Admission | Rest:
        if self.well.knows(self.account):
            return Admission()
        try:
            return self._ask()
        except SQLAlchemyError as error:
            return self._without_database(error, Admission())

    def tell(self, admission: Admission, outcome: Outcome) -> None:
        is_usual = admission == Admission() and outcome is not Outcome.FAILED
        if is_usual:
            return
        self.well.forget(self.account)
        try:
            self._change(lambda state, now_us: (tell(state, admission, outcome, now_us), None))
        except SQLAlchemyError as error:
            self._without_database(error, None)

    def _ask(self) -> Admission | Rest:
        with connect_to_read(self.engine, alone=True) as db:
            state = _read(db, self.account)
            if state == BreakerState():
                self.well.note(self.account)
            if state.opened_at_us is None:
                return Admission(state.failures)
            after, answer = ask(state, self.now_us(db))
        if after == state:
            return answer
        # Only here somebody may become the one who tries: seen again, with the row locked.
        return self._change(ask)

    def _change(self, step: Callable[[BreakerState, int], tuple[BreakerState, T]]) -> T:
        """Make one step of the state, with the row locked."""
        mine = _b.c.account == self.account
        with self.engine.begin() as db:
            new = insert_or(db.dialect.name, _b).values(account=self.account, failures=0)
            db.execute(new.on_conflict_do_nothing())
            before = _read(db, self.account, lock=True)
            after, answer = step(before, self.now_us(db))
            if after == BreakerState():
                db.execute(delete(_b).where(mine))
            else:
                db.execute(
                    update(_b)
                    .where(mine)
                    .values(
                        failures=after.failures,
                        opened_at_us=after.opened_at_us,
                        probe_at_us=after.probe_at_us,
                    )
                )
        if before.opened_at_us is None and after.opened_at_us is not None:
            _log.warning("breaker.opened account=%s failures=%d", self.account, after.failures)
        if before.opened_at_us is not None and after.opened_at_us is None:
            _log.warning("breaker.closed account=%s failures=%d", self.account, before.failures)
        return answer

    def _without_database(self, error: Exception, answer: T) -> T:
        _log.error("breaker.failed account=%s kind=%s", self.account, type(error).__name__)
        return answer


class BreakerRows(TenantRows):
    """Implements `plugin.ports.storage.Breakers`."""

    def resting(self) -> Sequence[RestingAccount]:
        mine = self._mine(t.installations)
        rows = self._db.execute(
            select(_b)
            .join(t.installations, t.installations.c.id == _b.c.account)
            .where(mine, _b.c.opened_at_us.is_not(None))
            .order_by(_b.c.opened_at_us, _b.c.account)
        )
        return [
            RestingAccount(
                InstallationId(row.account),
                _time(row.opened_at_us),
                _time(row.probe_at_us),
                timedelta(seconds=rest_seconds(row.failures + 1)),
                row.failures,
            )
            for row in rows
        ]


def _read(db: Db, account: str, *, lock: bool = False) -> BreakerState:
    row = (_LOCKED if lock else _LOOK).first(db, {"mine": account})
    if row is None:
        return BreakerState()
    return BreakerState(row.failures, row.opened_at_us, row.probe_at_us or 0)


def _time(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)
