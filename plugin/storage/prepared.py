"""Statements that are put into a database's words once, and given to its driver from then on.

For a statement that is run a hundred times a second nearly all the time goes into what SQLAlchemy
does around it, each time anew. Here that is done once: the words, the order of the values, how each
is written and read. Connections, transactions and errors stay SQLAlchemy's, and whoever listens to
an engine's statements hears of these too. Not for lists of any length (`IN`): their words change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, Dialect, Engine, PoolProxiedConnection, Row, Select
from sqlalchemy.engine import result_tuple
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import UpdateBase

from plugin.storage.database import line_up_alone
from plugin.storage.disk import heed

Statement = Select[Any] | UpdateBase
Found = Row[tuple[object, ...]]
_Turn = Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class _Form:
    """A statement in the words of one database.

    `asked`: the values that it takes, beside those that it came with, `fixed`. `order`: for a
    driver that takes them by their places. `writers` and `readers` turn the few values that are not
    kept as they are. `row` is None where it returns none.
    """

    words: str
    asked: frozenset[str]
    fixed: Mapping[str, object]
    order: tuple[str, ...] | None
    writers: tuple[tuple[str, _Turn], ...]
    readers: tuple[tuple[int, _Turn], ...]
    row: Callable[[Sequence[object]], Found] | None

    def values(self, given: Mapping[str, object]) -> Mapping[str, object] | tuple[object, ...]:
        """As the driver takes them. Raises TypeError for others than it takes."""
        if given.keys() != self.asked:
            raise TypeError(f"not the values of {self.words}: {sorted(given)}")
        values = {**self.fixed, **given}
        for name, write in self.writers:
            values[name] = write(values[name])
        return values if self.order is None else tuple([values[name] for name in self.order])

    def found(self, rows: Sequence[Sequence[object]]) -> list[Found]:
        """Rows as the driver gave them, for who reads them."""
        made = cast("Callable[[Sequence[object]], Found]", self.row)
        if not self.readers:
            return [made(values) for values in rows]
        found = []
        for row in rows:
            values = list(row)
            for place, read in self.readers:
                values[place] = read(values[place])
            found.append(made(values))
        return found


class Prepared:
    """One statement, in which all that changes is bound by name.

    `columns`: those that an insert is given.
    """

    def __init__(self, statement: Statement, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = columns
        self._forms: dict[str, _Form] = {}

    def rows(self, db: Connection, given: Mapping[str, object]) -> list[Found]:
        """Run it in the transaction of `db`, which begins here where there is none yet.

        Gives all rows; none for a statement that returns none. Raises as `db.execute` does.
        """
        form = self._forms.get(db.dialect.name) or self._form(db.dialect)
        values = form.values(given)
        if not db.in_transaction():
            db.begin()
        cursor: DBAPICursor | None = None
        try:
            cursor = db.connection.cursor()
            for listener in db.engine.dispatch.before_cursor_execute:
                listener(db, cursor, form.words, values, None, False)  # noqa: FBT003 - as it is
            cursor.execute(form.words, values)
            rows = [] if form.row is None else cursor.fetchall()
            cursor.close()
        except db.dialect.loaded_dbapi.Error as error:
            if db.dialect.is_disconnect(error, db.connection, cursor):
                db.invalidate(error)
            raise _told(error, form.words, db.dialect) from error
        except BaseException as error:  # a signal leaves it half-way
            db.invalidate(error)
            raise
        return form.found(rows)

    def first(self, db: Connection, given: Mapping[str, object]) -> Found | None:
        """The first of its rows. None: there is none."""
        rows = self.rows(db, given)
        return rows[0] if rows else None

    def alone(self, engine: Engine, given: Mapping[str, object]) -> Found | None:
        """Write by this statement alone, a transaction by itself. Gives its first row.

        Costs a third of one with a connection of SQLAlchemy's, and no listener hears of it.
        """
        dialect = engine.dialect
        form = self._forms.get(dialect.name) or self._form(dialect)
        values = form.values(given)
        connection: PoolProxiedConnection | None = None
        try:
            connection = engine.raw_connection()
            line_up_alone(engine, connection)
            cursor = connection.cursor()
            cursor.execute(form.words, values)
            rows = [] if form.row is None else cursor.fetchall()
            cursor.close()
            connection.commit()
        except BaseException as error:
            if connection is not None:
                connection.invalidate(error)
            if isinstance(error, dialect.loaded_dbapi.Error):
                heed(error)  # one statement alone, which ends with its commit
                raise _told(error, form.words, dialect) from error
            raise
        connection.close()
        return form.found(rows)[0] if rows else None

    def _form(self, dialect: Dialect) -> _Form:
        form = self._forms[dialect.name] = _formed(self._statement, self._columns, dialect)
        return form


def _formed(statement: Statement, columns: Sequence[str] | None, dialect: Dialect) -> _Form:
    keys = None if columns is None else list(columns)
    compiled = statement.compile(dialect=dialect, column_keys=keys)
    binds = {name: compiled.binds[name] for name in compiled.params}
    write = {
        name: turn
        for name, one in binds.items()
        if (turn := one.type.dialect_impl(dialect).bind_processor(dialect)) is not None
    }
    fixed = {name: one.value for name, one in binds.items() if not one.required}
    returned = list(statement.exported_columns)
    order = compiled.positiontup
    return _Form(
        words=str(compiled),
        asked=frozenset(binds) - fixed.keys(),
        fixed={
            name: write[name](value) if name in write else value for name, value in fixed.items()
        },
        order=None if order is None else tuple(order),
        writers=tuple((name, turn) for name, turn in write.items() if name not in fixed),
        readers=tuple(
            (place, turn)
            for place, one in enumerate(returned)
            if (turn := one.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
        ),
        row=result_tuple([str(one.key) for one in returned]) if returned else None,
    )


def _told(error: Exception, words: str, dialect: Dialect) -> BaseException:
    """A driver's error as SQLAlchemy tells it. Never what was given: it may be a customer's."""
    known = dialect.loaded_dbapi.Error
    return DBAPIError.instance(words, None, error, known, hide_parameters=True, dialect=dialect)
