"""What was seen last of the database, kept apart from it: so an older copy in its place is noticed.

A tenant's audit trail grows with all that is decided and undone and with each answer of a gateway,
and each entry is chained to the one before. So a database without the entry that was seen last does
not know what was done since. A call that nobody answered yet is in no trail. Kept in the data
folder: whoever puts back that folder as a whole, or the machine, puts this back as well, and nobody
can tell. Decides nothing.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Final

from sqlalchemy import ColumnElement, Engine, and_, select
from sqlalchemy import Connection as Db

from plugin.domain.ids import TenantId
from plugin.ports.records import HOUSE_RESTORED
from plugin.storage import tables as t
from plugin.storage.database import connect_to_read

FILE: Final = "last-seen"
_log = logging.getLogger("makegood.storage")


@dataclass(frozen=True, slots=True)
class _End:
    """The last entry of a tenant's audit trail: its number, its hash, and when it was written."""

    count: int
    head: str
    at: datetime


class LastSeen:
    """The file in `folder` beside the database of `engine`. For one thread."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._file = folder / FILE
        self._kept: Mapping[str, _End] | None = None

    def older(self) -> Mapping[TenantId, datetime]:
        """The tenants whose last seen entry the database lacks, and until when it knows of each.

        Left out is a tenant that is not there at all, since that is another house, and one that was
        held as restored after that entry: then it is known what is missing.
        """
        with connect_to_read(self._engine) as db:
            now = _ends(db)
            return {
                TenantId(tenant): now[tenant].at
                for tenant, seen in self._seen().items()
                if tenant in now
                and seen.count
                and seen != now[tenant]
                and not _has(db, tenant, t.audit.c.seq == seen.count, t.audit.c.hash == seen.head)
                and not _has(db, tenant, t.audit.c.at > seen.at, t.audit.c.action == HOUSE_RESTORED)
            }

    def keep(self) -> None:
        """See the database as it is now. What cannot be written is told, and no harm."""
        with connect_to_read(self._engine) as db:
            now = _ends(db)
        if now == self._seen():
            return
        part = self._file.with_name(f"{FILE}.{token_hex(8)}")  # workers in containers are all 1
        told = {tenant: (end.count, end.head, end.at.isoformat()) for tenant, end in now.items()}
        try:
            with part.open("w", encoding="ascii") as file:
                json.dump(told, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._file)
        except OSError as error:
            _log.warning("house.not_remembered errno=%s", error.errno)
            part.unlink(missing_ok=True)
        self._kept = now

    def _seen(self) -> Mapping[str, _End]:
        if self._kept is None:
            self._kept = _read(self._file)
        return self._kept


def _read(file: Path) -> Mapping[str, _End]:
    """What is written there; nothing where it was cut short, or never was."""
    try:
        found = json.loads(file.read_bytes())
        return {
            str(tenant): _End(int(count), str(head), datetime.fromisoformat(at))
            for tenant, (count, head, at) in found.items()
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _ends(db: Db) -> Mapping[str, _End]:
    """Of each tenant; of one without an entry, when it was made."""
    tenant, last = t.tenants.c, t.audit.c
    is_last = and_(last.tenant_id == tenant.id, last.seq == tenant.audit_count)
    columns = tenant.id, tenant.audit_count, tenant.audit_head, tenant.created_at, last.at
    rows = db.execute(select(*columns).select_from(t.tenants.outerjoin(t.audit, is_last)))
    return {row.id: _End(row.audit_count, row.audit_head, row.at or row.created_at) for row in rows}


def _has(db: Db, tenant: str, *which: ColumnElement[bool]) -> bool:
    found = select(t.audit.c.seq).where(t.audit.c.tenant_id == tenant, *which).limit(1)
    return db.execute(found).first() is not None
