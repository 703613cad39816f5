"""Opens a data folder after a cut, with the product, and looks for everything that was promised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from plugin.domain.effects import EffectState
from plugin.domain.errors import MakegoodError
from plugin.domain.ids import TenantId
from plugin.domain.refunds import RefundState
from plugin.first_start import House, open_house
from plugin.settings import Settings
from plugin.storage import tables as t
from plugin.storage.database import connect_to_read
from tests.powercut.disk import Files, Promise

LEFT_US = frozenset(RefundState) - {
    RefundState.RESERVED,
    RefundState.MANUAL,
    RefundState.WITHDRAWN,
}
"""A refund in one of these states is never just sent: it is looked up first, or over."""


@dataclass(slots=True)
class Findings:
    """Each finding is a sentence; the counts are what the last line shows."""

    cuts: int = 0
    judged: int = 0
    acknowledged_lost: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        yield from (f"lost: {finding}" for finding in self.acknowledged_lost)
        yield from (f"broken: {finding}" for finding in self.broken)


def judge(
    settings: Settings, files: Files, promises: Iterable[Promise], where: str, found: Findings
) -> None:
    """Lay `files` down as the disk after a cut, and see whether each of `promises` is kept."""
    _lay_down(settings.data_dir, files)
    found.judged += 1
    promises = list(promises)
    if not promises:
        return  # the first start was not over: it may begin again
    try:
        house = open_house(settings)
        with closing(_Closing(house)):
            faults, broken = _judge_house(house, promises)
    except (MakegoodError, SQLAlchemyError) as error:
        found.broken.append(f"{where}: the database does not open ({error})")
        found.acknowledged_lost += [f"{where}: {promise}" for promise in promises[-1:]]
        return
    found.acknowledged_lost += [f"{where}: {fault}" for fault in faults]
    found.broken += [f"{where}: {fault}" for fault in broken]


@dataclass(frozen=True, slots=True)
class _Closing:
    house: House

    def close(self) -> None:
        self.house.engine.dispose()


def _lay_down(folder: Path, files: Files) -> None:
    for old in folder.glob("*.sqlite*"):
        old.unlink()
    for path, content in files.items():
        (folder / Path(path).name).write_bytes(content)


def _judge_house(house: House, promises: list[Promise]) -> tuple[list[str], list[str]]:
    broken = []
    with connect_to_read(house.engine) as db:
        told = db.exec_driver_sql("PRAGMA integrity_check").scalar_one()
        if told != "ok":
            broken.append(f"integrity check: {told}")
        faults = list(_missing(db, promises))
    tenant = TenantId(promises[0].what)
    with house.storage.read(tenant) as uow:
        entries, first_wrong = uow.audit.verify()
    if first_wrong is not None:
        broken.append(f"the audit trail breaks at entry {first_wrong} of {entries}")
    return faults, broken


def _missing(db: Connection, promises: Iterable[Promise]) -> Iterator[str]:
    """Every promise of which the database knows nothing, as a sentence."""
    deliveries = {
        row.name: hashlib.sha256(row.body).hexdigest()
        for row in db.execute(select(t.deliveries.c.name, t.deliveries.c.body))
    }
    refunds = {
        row.id: row
        for row in db.execute(
            select(t.refunds.c.id, t.refunds.c.plan_id, t.refunds.c.state, t.refunds.c.looks)
        )
    }
    effects = {row.key: row.state for row in db.execute(select(t.effects.c.key, t.effects.c.state))}
    tenants = set(db.execute(select(t.tenants.c.id)).scalars())
    for promise in promises:
        row = refunds.get(promise.what)
        match promise.kind:
            case "started":
                is_kept = promise.what in tenants
            case "delivery":
                is_kept = deliveries.get(promise.what) == promise.detail
            case "decided":
                is_kept = row is not None and row.plan_id == promise.detail
            case "called":
                is_kept = row is not None and (row.state in LEFT_US or row.looks > 0)
            case "succeeded":
                is_kept = row is not None and row.state == RefundState.SUCCEEDED
            case "told":
                is_kept = effects.get(promise.what, EffectState.WAITING) != EffectState.WAITING
            case _:
                raise ValueError(promise.kind)
        if not is_kept:
            yield f"{promise.kind} {promise.what}"
