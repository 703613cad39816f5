"""Half of the 20,000 steps of each run of the suite; `test_ten_thousand_more` is the other.

Two files, so that two workers share them; processes of their own, which nobody counts lines in.
"""

from __future__ import annotations

import pytest

from tests.harness import run_harness

pytestmark = pytest.mark.timeout(3600)
"""Far beyond what it takes: on a busy machine it may take many minutes."""


def test_no_history_of_ten_thousand_steps_ends_differently() -> None:
    code, told, said = run_harness("histories", "--n", "10000", "--seed", "20261122")
    assert code == 0, said
    assert told["steps"] >= 10_000
