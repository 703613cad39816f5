"""What all tables of a tenant share: the connection, and the tenant that every statement names.

Statements that are asked often are prepared, with `mine` and their other values bound when they
run: to make one anew costs ten times what it costs to run it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import TypeVar, cast

from sqlalchemy import ColumnElement, Table, bindparam, insert, select
from sqlalchemy import Connection as Db

from plugin.domain.ids import TenantId
from plugin.ports.watching import Tell, unwatched
from plugin.storage.insert_or import insert_or
from plugin.storage.prepared import Found, Prepared

T = TypeVar("T")


def mine(table: Table) -> ColumnElement[bool]:
    """The rows of the tenant that a statement is run for, in statements that are made once."""
    return table.c.tenant_id == bindparam("tenant")


@cache
def _in_state(table: Table, *, oldest: bool) -> Prepared:
    at = table.c.changed_at  # by the key too would sort all rows of one moment
    in_state = table.c.state == bindparam("state")
    rows = select(table).where(mine(table), in_state).order_by(at if oldest else at.desc())
    return Prepared(rows.limit(bindparam("most")))


class TenantRows:
    """Rows of one tenant, inside one transaction. `tell` is told what moves in it."""

    def __init__(self, db: Db, tenant: TenantId, tell: Tell = unwatched) -> None:
        self._db = db
        self._tenant = tenant
        self._tell = tell
        self._kept: dict[object, object] | None = None

    def _mine(self, table: Table) -> ColumnElement[bool]:
        return table.c.tenant_id == self._tenant

    def keep_what_is_read(self) -> None:
        """For a transaction that sees one moment throughout: what is asked again is the same."""
        self._kept = {}

    def _once(self, key: object, read: Callable[[], T]) -> T:
        """What `read` gives, asked once where the transaction only reads."""
        if self._kept is None:
            return read()
        if key not in self._kept:
            self._kept[key] = read()
        return cast("T", self._kept[key])

    def _run(self, statement: Prepared, **given: object) -> Sequence[Found]:
        """Run a statement for this tenant."""
        return statement.rows(self._db, {"tenant": self._tenant, **given})

    def _first(self, statement: Prepared, **given: object) -> Found | None:
        """The first row of a statement for this tenant."""
        return statement.first(self._db, {"tenant": self._tenant, **given})

    def _last_changed(
        self, table: Table, states: Iterable[str], limit: int, *, oldest: bool = False
    ) -> Sequence[Found]:
        """Rows in these states, changed last first; with `oldest`, changed first first.

        Each state by itself, so that the index of states finds its ends however many there are.
        """
        [key] = (column.name for column in table.primary_key if column.name != "tenant_id")
        statement = _in_state(table, oldest=oldest)
        rows = [row for state in states for row in self._run(statement, state=state, most=limit)]
        rows.sort(key=attrgetter(key))
        rows.sort(key=attrgetter("changed_at"), reverse=not oldest)
        return rows[:limit]

    def _insert(self, table: Table, **values: object) -> None:
        _inserting(table, tuple(values)).rows(self._db, self._row(values))

    def _insert_new(self, table: Table, **values: object) -> bool:
        """Insert unless a unique constraint says that it is there. True when a row came into being.

        Asked by RETURNING: `rowcount` after ON CONFLICT does not tell on every driver.
        """
        statement = _inserting_new(self._db.dialect.name, table, tuple(values))
        return statement.first(self._db, self._row(values)) is not None

    def _replace(self, table: Table, key: tuple[str, ...], **values: object) -> None:
        """Insert, or overwrite the row with the same key."""
        rest = tuple(name for name in values if name not in key)
        statement = _replacing(self._db.dialect.name, table, key, rest)
        statement.rows(self._db, self._row(values))

    def _row(self, values: Mapping[str, object]) -> dict[str, object]:
        return {"tenant_id": self._tenant, **values}


@cache
def _inserting(table: Table, names: tuple[str, ...]) -> Prepared:
    return Prepared(insert(table), ("tenant_id", *names))


@cache
def _inserting_new(dialect: str, table: Table, names: tuple[str, ...]) -> Prepared:
    new = insert_or(dialect, table).on_conflict_do_nothing()
    return Prepared(new.returning(table.c.tenant_id), ("tenant_id", *names))


@cache
def _replacing(dialect: str, table: Table, key: tuple[str, ...], rest: tuple[str, ...]) -> Prepared:
    new = insert_or(dialect, table)
    replacing = new.on_conflict_do_update(
        index_elements=["tenant_id", *key], set_={name: new.excluded[name] for name in rest}
    )
    return Prepared(replacing, ("tenant_id", *key, *rest))
