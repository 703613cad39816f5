"""A small drill on both databases, and the proof that it finds a house that sends too early."""

from __future__ import annotations

import pytest

from tests.drill.judge import MUST_BE_NOTHING
from tests.harness import DATABASES, run_harness

pytestmark = pytest.mark.timeout(900)
"""Far beyond what it takes: on a busy machine processes start slowly."""


@pytest.mark.parametrize("database", DATABASES)
def test_a_restored_copy_pays_nothing_again_and_forgets_nothing(database: str) -> None:
    code, told, said = run_harness(
        "drill", "--n", "300", "--seed", "20261122", "--database", database
    )
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 0, said
    assert told["rows"] > 3000
    assert [told[name] for name in MUST_BE_NOTHING] == [0, 0, 0, 0]


def test_a_house_that_is_not_held_is_found_out() -> None:
    code, told, said = run_harness("drill", "--n", "10", "--seed", "20261122", "--planted")
    assert code != 0
    assert told["sent_while_held"] > 0, said
    assert told["double"] > 0, said
    assert told["lost"] > 0, said
