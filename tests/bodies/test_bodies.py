"""A small run over every parser there is, and the proof that it finds the bug it is for."""

from __future__ import annotations

import pytest

from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.ports import Kind
from tests.bodies.__main__ import MUST_BE_NOTHING
from tests.bodies.foreign import readers
from tests.harness import run_harness

pytestmark = pytest.mark.timeout(300)
"""Far beyond what it takes: on a busy machine processes start slowly."""

N = 500


def test_a_changed_body_is_refused_by_name_or_gives_events() -> None:
    parsers = sum(
        one.webhooks is not None for one in Registry([DataFiles().manifests()]).manifests()
    )
    code, told, said = run_harness("bodies", "--n", str(N), "--seed", "20261122")
    assert code == 0, said
    assert {name: told[name] for name in MUST_BE_NOTHING} == dict.fromkeys(MUST_BE_NOTHING, 0)
    others = len(list(readers()))
    assert others > 0
    assert (told["parsers"], told["readers"]) == (parsers, others)
    assert told["bodies"] == N * (parsers + others)
    assert told["taken"] > 0


def test_every_desk_that_is_real_brings_a_reader_of_what_opens_its_panel() -> None:
    desks = {
        one.stem
        for one in Registry([DataFiles().manifests()]).manifests()
        if one.kind == Kind.HELPDESK and not one.simulated
    }
    assert desks <= {one.name.partition("'")[0] for one in readers()}


def test_a_reader_that_lets_through_what_is_missing_is_found_out() -> None:
    code, told, said = run_harness("bodies", "--n", "60", "--seed", "20261122", "--planted")
    assert code == 1
    assert told["other_exceptions"] > 0, said
