"""Prepared statements: the same rows, types and errors as SQLAlchemy's own way, at less cost."""

from __future__ import annotations

from typing import Never

import pytest
from sqlalchemy import Engine, Table, bindparam, event, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from plugin.storage import tables as t
from plugin.storage.prepared import Prepared
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW

FULL_AT = 7
_B = t.buckets
ADD = Prepared(insert(_B), ("account", "full_at_us"))
FILL = Prepared(
    update(_B)
    .where(_B.c.account == bindparam("of"))
    .values(full_at_us=_B.c.full_at_us + 1)
    .returning(_B.c.full_at_us)
)
ALL = Prepared(select(_B).order_by(_B.c.account))


def accounts(engine: Engine) -> list[tuple[object, ...]]:
    with engine.connect() as db:
        return [tuple(row) for row in ALL.rows(db, {})]


@pytest.mark.parametrize("table", t.metadata.sorted_tables, ids=lambda table: table.name)
def test_each_column_is_read_as_sqlalchemy_reads_it(
    house: SqlStorage, engine: Engine, table: Table
) -> None:
    del house
    in_order = select(table).order_by(*table.primary_key)
    with engine.connect() as db:
        usual = db.execute(in_order).all()
        rows = Prepared(in_order).rows(db, {})
    assert rows == usual
    assert [[type(one) for one in row] for row in rows] == [[type(x) for x in row] for row in usual]


@pytest.mark.parametrize("table", t.metadata.sorted_tables, ids=lambda table: table.name)
def test_each_column_is_written_as_it_was_read(
    house: SqlStorage, engine: Engine, table: Table
) -> None:
    """Whatever points at the rows: it is done and undone in one transaction."""
    del house
    kept = [one.name for one in table.c if not one.primary_key]
    key = [one.name for one in table.primary_key]
    change = update(table).where(*(table.c[name] == bindparam(f"its_{name}") for name in key))
    change = change.values({name: bindparam(f"new_{name}") for name in kept}).returning(*table.c)
    with engine.connect() as db:
        for row in db.execute(select(table)).all() if kept else []:
            given = {f"its_{name}": getattr(row, name) for name in key}
            new = {f"new_{name}": getattr(row, name) for name in kept}
            assert Prepared(change).rows(db, {**given, **new}) == [row]


def test_rows_are_found_by_what_is_given_and_by_what_stands_in_the_words(engine: Engine) -> None:
    full = select(_B.c.account.label("of")).where(_B.c.full_at_us == FULL_AT)
    first = Prepared(full.order_by(_B.c.account.desc()).limit(bindparam("most")))
    with engine.connect() as db:
        for name in ("a", "b", "c"):
            ADD.rows(db, {"account": name, "full_at_us": FULL_AT})
        assert [row.of for row in first.rows(db, {"most": 2})] == ["c", "b"]
        assert [row.of for row in first.rows(db, {"most": 1})] == ["c"]
        assert FILL.first(db, {"of": "a"}) == (FULL_AT + 1,)
        assert FILL.first(db, {"of": "nobody"}) is None


def test_other_values_than_it_takes_are_refused(engine: Engine) -> None:
    with engine.connect() as db:
        with pytest.raises(TypeError, match="not the values"):
            FILL.rows(db, {})
        with pytest.raises(TypeError, match="not the values"):
            FILL.rows(db, {"of": "a", "more": 1})
        with pytest.raises(TypeError, match="not the values"):
            FILL.rows(db, {"off": "a"})


def test_what_is_not_committed_is_undone(engine: Engine) -> None:
    with engine.connect() as db:
        ADD.rows(db, {"account": "a", "full_at_us": 1})
    assert accounts(engine) == []


def test_alone_it_is_committed_when_it_is_over(engine: Engine) -> None:
    for name in ("a0", "a1", "a2"):  # the line is left each time, or the next would wait
        assert ADD.alone(engine, {"account": name, "full_at_us": 1}) is None
    found = FILL.alone(engine, {"of": "a1"})
    assert found is not None
    assert found.full_at_us == 2
    assert accounts(engine) == [("a0", 1), ("a1", 2), ("a2", 1)]


def test_what_the_database_refuses_is_told_as_sqlalchemy_tells_it(engine: Engine) -> None:
    given = {"account": "secret", "full_at_us": 1}
    assert ADD.alone(engine, given) is None
    with pytest.raises(IntegrityError) as alone:
        ADD.alone(engine, given)
    with engine.connect() as db, pytest.raises(IntegrityError) as among_others:
        ADD.rows(db, given)
    for told in (alone.value, among_others.value):
        assert told.params is None
        assert not told.connection_invalidated
    assert accounts(engine) == [("secret", 1)]
    assert FILL.alone(engine, {"of": "secret"}) == (2,)


def test_a_dead_connection_is_told_and_let_go_of(engine: Engine) -> None:
    with engine.connect() as db:
        assert ALL.rows(db, {}) == []
        db.connection.dbapi_connection.close()  # type: ignore[union-attr]  # it is there
        with pytest.raises(DBAPIError):
            ALL.rows(db, {})
        assert db.invalidated
    assert accounts(engine) == []


def test_no_connection_is_told_as_sqlalchemy_tells_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Never:
        raise engine.dialect.loaded_dbapi.OperationalError("no more connections")

    monkeypatch.setattr(engine, "raw_connection", refuse)
    with pytest.raises(DBAPIError, match="no more connections"):
        FILL.alone(engine, {"of": "a"})


def test_who_listens_to_the_engine_hears_it(engine: Engine) -> None:
    heard: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *told: heard.append(told[2]))
    with engine.connect() as db:
        ALL.rows(db, {})
    assert heard[-1].startswith("SELECT")


def test_a_signal_leaves_no_connection_half_way(engine: Engine) -> None:
    def stop(*_: object) -> Never:
        raise KeyboardInterrupt

    with engine.connect() as db:
        ADD.rows(db, {"account": "a", "full_at_us": 1})
        event.listen(engine, "before_cursor_execute", stop)
        with pytest.raises(KeyboardInterrupt):
            ALL.rows(db, {})
        event.remove(engine, "before_cursor_execute", stop)
        assert db.invalidated
    assert accounts(engine) == []


def test_a_signal_leaves_none_that_writes_alone_half_way_either(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> Never:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("plugin.storage.prepared.line_up_alone", stop)
        with pytest.raises(KeyboardInterrupt):
            ADD.alone(engine, {"account": "a", "full_at_us": 1})
    assert ADD.alone(engine, {"account": "a", "full_at_us": 1}) is None


def test_a_time_without_a_zone_is_refused_before_anything_begins(engine: Engine) -> None:
    wake = Prepared(update(t.runs).values(wake_at=bindparam("at")))
    with engine.connect() as db:
        with pytest.raises(ValueError, match="its zone"):
            wake.rows(db, {"at": NOW.replace(tzinfo=None)})
        assert not db.in_transaction()
