"""The audit trail: whatever is changed, cut out or put in afterwards is seen."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from plugin.domain.ids import TenantId
from plugin.ports.records import AuditEntry
from plugin.storage import tables as t
from plugin.storage.audit_rows import FIRST, link
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, TENANT, a_tenant, soon

DETAILS = {"z": "é", "a": '"quoted"'}


@pytest.fixture
def trail(shop: SqlStorage) -> SqlStorage:
    """Four entries."""
    with shop.begin(TENANT) as uow:
        for place in range(4):
            at = soon(minutes=place).astimezone(timezone(timedelta(hours=place)))
            uow.audit.write(at, f"agent-{place}", "refund.decided", f"plan-{place}", DETAILS)
        uow.commit()
    return shop


def verified(storage: SqlStorage, tenant: TenantId = TENANT) -> tuple[int, int | None]:
    with storage.read(tenant) as uow:
        return uow.audit.verify()


def tamper(engine: Engine, *statements: str) -> None:
    with engine.begin() as db:
        for statement in statements:
            assert db.execute(text(statement)).rowcount == 1


def test_an_untouched_trail_fits(trail: SqlStorage) -> None:
    assert verified(trail) == (4, None)


def test_an_empty_trail_fits(shop: SqlStorage) -> None:
    assert verified(shop) == (0, None)


def test_entries_are_read_in_order_and_by_pages(trail: SqlStorage) -> None:
    with trail.read(TENANT) as uow:
        first, second = uow.audit.entries(0, 2)
        rest = uow.audit.entries(2, 9)

    assert first == AuditEntry(
        1, NOW, "agent-0", "refund.decided", "plan-0", DETAILS, FIRST, first.hash
    )
    assert second.previous == first.hash
    assert [entry.seq for entry in rest] == [3, 4]


CHANGES = {
    "tenant_id": "'tenant-2'",
    "seq": "9",
    "at": "'2026-11-23T12:42:00.000001+00:00'",
    "actor": "'mallory'",
    "action": "'refund.undone'",
    "subject": "'plan-9'",
    "details": "'{}'",
    "previous": "hash",
    "hash": "previous",
}


def test_every_column_is_tried() -> None:
    assert set(CHANGES) == set(t.audit.c.keys())


@pytest.mark.parametrize("seq", [1, 3, 4])
@pytest.mark.parametrize("column", CHANGES)
def test_a_change_to_any_column_is_seen(
    trail: SqlStorage, engine: Engine, column: str, seq: int
) -> None:
    trail.add_tenant(a_tenant("tenant-2"), NOW)

    tamper(engine, f"UPDATE mg_audit SET {column} = {CHANGES[column]} WHERE seq = {seq}")  # noqa: S608 - fixed words

    count, first_bad = verified(trail)
    assert count == seq - 1
    assert first_bad is not None
    if column not in ("seq", "tenant_id"):
        assert first_bad == seq


@pytest.mark.parametrize(
    "same",
    [
        'details = \'{"z":"é", "a":"\\"quoted\\""}\'',
        "at = '2026-11-23T13:42:00.000000+01:00'",
    ],
)
def test_even_a_change_that_says_the_same_is_seen(
    trail: SqlStorage, engine: Engine, same: str
) -> None:
    with engine.begin() as db:
        db.exec_driver_sql(f"UPDATE mg_audit SET {same} WHERE seq = 3")  # noqa: S608 - fixed words

    assert verified(trail) == (2, 3)


@pytest.mark.parametrize(("seq", "found"), [(1, (0, 2)), (2, (1, 3)), (4, (3, 4))])
def test_an_entry_cut_out_is_seen_the_last_one_too(
    trail: SqlStorage, engine: Engine, seq: int, found: tuple[int, int]
) -> None:
    tamper(engine, f"DELETE FROM mg_audit WHERE seq = {seq}")  # noqa: S608 - fixed words

    assert verified(trail) == found


def test_a_trail_emptied_altogether_is_seen(trail: SqlStorage, engine: Engine) -> None:
    with engine.begin() as db:
        db.exec_driver_sql("DELETE FROM mg_audit")

    assert verified(trail) == (0, 1)


def test_a_trail_that_goes_on_after_a_cut_does_not_hide_it(
    trail: SqlStorage, engine: Engine
) -> None:
    tamper(engine, "DELETE FROM mg_audit WHERE seq = 4")
    with trail.begin(TENANT) as uow:
        uow.audit.write(NOW, "ana", "refund.decided", "plan-5", {})
        uow.commit()

    assert verified(trail) == (3, 5)


def test_two_entries_that_changed_places_are_seen(trail: SqlStorage, engine: Engine) -> None:
    tamper(
        engine,
        "UPDATE mg_audit SET seq = 9 WHERE seq = 2",
        "UPDATE mg_audit SET seq = 2 WHERE seq = 3",
        "UPDATE mg_audit SET seq = 3 WHERE seq = 9",
    )

    assert verified(trail) == (1, 2)


def test_an_entry_put_in_is_seen(trail: SqlStorage, engine: Engine) -> None:
    with trail.read(TENANT) as uow:
        last = uow.audit.entries(3, 1)[0]
    words = ("at", "mallory", "refund.decided", "plan-9", "{}")
    forged = dict(
        zip(t.audit.c.keys(), (TENANT, 5, *words, last.hash), strict=False),
        hash=link(last.hash, TENANT, 5, *words),
    )
    columns, places = ", ".join(forged), ", ".join(f":{name}" for name in forged)
    with engine.begin() as db:
        db.execute(text(f"INSERT INTO mg_audit ({columns}) VALUES ({places})"), forged)  # noqa: S608 - fixed words

    assert verified(trail) == (5, 5)


def test_a_changed_end_is_seen(trail: SqlStorage, engine: Engine) -> None:
    tamper(engine, f"UPDATE mg_tenants SET audit_head = '{FIRST}'")  # noqa: S608 - fixed words

    assert verified(trail) == (4, 5)


@given(st.lists(st.text(max_size=5), min_size=5, max_size=5), st.data())
def test_any_other_word_makes_another_link(words: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, 4))
    other = [*words]
    other[place] = data.draw(st.text(max_size=5))

    same = link(FIRST, "t", 1, *words) == link(FIRST, "t", 1, *other)
    assert same is (words == other)
