"""Budgets of platform accounts: shared by everyone who calls for the account, never overdrawn."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import repeat
from multiprocessing import get_context

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from plugin.platforms.token_bucket import Bucket, Rate, take
from plugin.storage.budgets import SqlBudgets, database_now_us
from plugin.storage.database import open_database

SLOW = Rate(requests=1, per_seconds=86_400, burst=25)
"""Nothing flows in while a test runs, so exactly the burst is there, however long it takes."""


def take_many(url: str, times: int) -> int:
    """How many of `times` calls were granted, in a process of its own."""
    engine = open_database(url)
    budget = SqlBudgets(engine).budget_for("store-1", SLOW)
    granted = sum(budget.take() == 0.0 for _ in range(times))
    engine.dispose()
    return granted


def test_two_processes_together_never_pass_the_limit(database_url: str) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        granted = list(pool.map(take_many, repeat(database_url, 2), repeat(20, 2)))

    assert sum(granted) == SLOW.burst
    assert take_many(database_url, 1) == 0


def test_threads_together_never_pass_the_limit(engine: Engine) -> None:
    budget = SqlBudgets(engine).budget_for("store-1", SLOW)
    with ThreadPoolExecutor(4) as pool:
        waits = list(pool.map(lambda _: budget.take(), range(40)))

    assert waits.count(0.0) == SLOW.burst
    assert all(0 < wait <= 86_400 for wait in waits if wait)


def test_each_account_has_its_own_budget(engine: Engine) -> None:
    budgets = SqlBudgets(engine)
    rate = Rate(requests=1, per_seconds=3600, burst=1)

    assert budgets.budget_for("store-1", rate).take() == 0.0
    assert budgets.budget_for("store-1", rate).take() > 0
    assert budgets.budget_for("store-2", rate).take() == 0.0


@given(
    rate=st.builds(
        Rate,
        requests=st.integers(1, 100),
        per_seconds=st.integers(1, 60),
        burst=st.integers(1, 5),
    ),
    steps=st.lists(st.integers(0, 5_000_000), min_size=1, max_size=12),
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_it_counts_as_the_bucket_does(engine: Engine, rate: Rate, steps: list[int]) -> None:
    now = [1_700_000_000_000_000]
    account = f"account-{rate}-{steps}"[:255]
    budgets = SqlBudgets(engine, lambda _db: now[0])
    with engine.begin() as db:
        db.exec_driver_sql("DELETE FROM mg_buckets")

    bucket = Bucket()
    for place, step in enumerate(steps):
        now[0] += step
        # Now and then somebody asks who leaves some to others.
        asked = replace(rate, left=rate.burst // 2) if place % 3 == 2 else rate
        bucket, wait = take(bucket, now[0], asked)
        assert budgets.budget_for(account, asked).take() == pytest.approx(wait)


def test_the_time_is_the_databases_own(engine: Engine) -> None:
    with engine.connect() as db:
        first, second = database_now_us(db), database_now_us(db)

    told = datetime.fromtimestamp(first / 10**6, UTC)
    assert abs((told - datetime.now(UTC)).total_seconds()) < 3600
    assert second >= first
