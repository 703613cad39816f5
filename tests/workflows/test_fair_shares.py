"""Fair shares: no business gets every place, and no place stays empty for nothing."""

from __future__ import annotations

from collections import Counter

from plugin.domain.ids import TenantId
from plugin.ports.records import DueWork
from plugin.workflows.feeder import (
    ALONE_AT_A_TIME,
    AT_A_TIME,
    AT_ONCE,
    FOR_OTHERS,
    RECENT,
)
from tests.factories import TENANT
from tests.workflows.feeding_bench import (
    OTHER,
    Bench,
)


def test_only_a_few_are_started_before_the_tables_are_looked_at_again(bench: Bench) -> None:
    bench.due(*[f"r{n:02}" for n in range(AT_ONCE)])

    bench.rows.works.append(DueWork("run", OTHER, "other", 0))

    assert len(bench.feed()) == AT_A_TIME
    assert len(bench.feed()) == AT_A_TIME


def test_of_a_tenant_that_is_alone_a_few_more_are_started(bench: Bench) -> None:
    bench.due(*[f"r{n:02}" for n in range(AT_ONCE)])

    assert len(bench.feed()) == ALONE_AT_A_TIME
    assert len(bench.feed()) == AT_ONCE - FOR_OTHERS - ALONE_AT_A_TIME


def test_one_tenant_never_gets_the_last_places(bench: Bench) -> None:
    bench.due(*[f"r{n:02}" for n in range(AT_ONCE + 4)])

    assert len(bench.feed(9)) == AT_ONCE - FOR_OTHERS
    bench.rows.works.extend(DueWork("run", OTHER, f"other-{n}", 0) for n in range(FOR_OTHERS + 1))
    assert bench.feed(9) == [f"run:other-{n}:0" for n in range(FOR_OTHERS)]


def test_whoever_has_less_in_hand_is_first(bench: Bench) -> None:
    bench.due("a", "b")
    bench.feed()
    bench.due("a", "b", "c")
    bench.rows.works.append(DueWork("run", OTHER, "once", 0))

    assert bench.feed() == ["run:once:0", "run:c:0"]


def test_places_are_shared_among_those_who_had_something_of_late(bench: Bench) -> None:
    """With one share more than there are tenants, which is there for whoever comes."""
    flood = [DueWork("run", TENANT, f"r{n:02}", 0) for n in range(AT_ONCE + 4)]
    bench.rows.works = [DueWork("run", OTHER, "once", 0), *flood]

    most = AT_ONCE // 3 + 1  # and what the division leaves over
    assert len(bench.feed(20)) == 1 + most
    bench.end("run:once:0")
    bench.rows.works = flood
    assert bench.feed(5) == []
    assert len(bench.feed(20, seconds=RECENT.total_seconds())) == AT_ONCE - FOR_OTHERS - most


def test_of_many_tenants_with_much_to_do_no_place_stays_empty_but_for_whoever_comes(
    bench: Bench,
) -> None:
    bench.rows.works = [
        DueWork("run", TenantId(f"shop-{number}"), f"r{number}-{part}", 0)
        for part in range(4)
        for number in range(8)
    ]

    assert len(bench.feed(20)) == AT_ONCE - FOR_OTHERS
    assert max(Counter(name[:6] for name in bench.engine.started).values()) == 2
    bench.rows.works.append(DueWork("run", OTHER, "new", 0))
    assert bench.feed() == ["run:new:0"]


def test_no_more_is_under_way_than_the_database_bears(bench: Bench) -> None:
    for number in range(AT_ONCE + 4):
        tenant = TenantId(f"tenant-{number}")
        bench.rows.works += [DueWork("run", tenant, f"r{number:02}-{part}", 0) for part in (1, 2)]

    assert len(bench.feed(20)) == AT_ONCE
    looks = len(bench.rows.limits)
    bench.feed(5)
    assert len(bench.rows.limits) == looks  # nobody reads a backlog of which nothing can start
    bench.end(bench.engine.started[0])
    assert len(bench.feed(5)) == 1
