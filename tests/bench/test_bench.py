"""The benchmarks run, count right, and stop at a wrong answer. What they measure is not judged."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bench import __main__ as command
from bench import growth
from bench.bare import ID_HEADER, SIGNATURE_HEADER
from bench.djstripe import an_event
from bench.house import DidNotWork, build_house, outside
from bench.intake import BARE, OURS, PATHS, bare_server, figures, measure, requests
from bench.load import Load, WrongAnswer, send_all
from bench.report import AIMS, MISSING, Aim, report
from bench.results import keep, table
from bench.rounds import CONNECTIONS
from plugin.chance import SystemClock
from plugin.storage import tables as t

FIGURES = {
    "rules": {
        "rule_runs_per_s",
        "rule_cpu_ms",
        "bare_rule_runs_per_s",
        "bare_rule_cpu_ms",
        "rule_runs_vs_bare",
        "rule_cpu_vs_bare",
    },
    "events": {"event_to_effect_p95_s", "event_to_effect_s"},
    "plan": {"plan_p95_ms", "plan_cpu_ms", "plan_ms", "open_ms"},
}
"""Of the parts that are over in seconds when little is asked of them."""


def test_the_intake_is_measured_beside_the_bare_one() -> None:
    measured = measure(rounds=1, number=40, seed=7, warm_up=20)
    assert {name: len(rounds) for name, rounds in measured.items()} == {OURS: 1, BARE: 1}
    assert all(len(one.load.answers) == 40 for rounds in measured.values() for one in rounds)
    assert set(figures(measured)) == {
        "intake_vs_bare",
        "intake_cpu_us",
        "bare_cpu_us",
        "intake_p99_vs_bare",
        "intake_per_s",
    }


@pytest.mark.parametrize("part", FIGURES)
def test_a_part_measures_what_it_names(part: str) -> None:
    assert import_module(f"bench.{part}").run(7, small=True).keys() == FIGURES[part]


def test_growth_is_measured_on_two_houses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "SMALL", 10)
    monkeypatch.setattr(growth, "LARGE", 30)
    monkeypatch.setattr(growth, "ASKED", 2)
    assert growth.run(7, small=False).keys() == growth.FIGURES.keys()


def test_a_grown_house_holds_as_much_as_it_says(tmp_path: Path) -> None:
    with ExitStack() as stack:
        store = outside(stack, tmp_path, 0)
        house = build_house(stack, tmp_path / "house", [store.port])
        growth.grow(house, 20, seed=7)
        with house.parts.house.engine.connect() as db:
            counts = {
                kept.name: db.execute(select(func.count()).select_from(kept)).scalar_one()
                for kept in (t.orders, t.facts, t.deliveries, t.runs, t.effects)
            }
    # With the pattern's own rows, of which the last fact and the run came after the copying.
    assert counts == {
        "mg_orders": 21,
        "mg_facts": 64,
        "mg_deliveries": 21,
        "mg_runs": 3,
        "mg_effects": 3 * 3,
    }


def test_rule_runs_that_fall_due_too_soon_are_no_fair_start(tmp_path: Path) -> None:
    with ExitStack() as stack:
        house = build_house(stack, tmp_path / "house", [outside(stack, tmp_path, 0).port])
        with pytest.raises(DidNotWork, match="fair start"):
            house.add_runs(1, 1, SystemClock().now() - timedelta(seconds=1))


def test_rule_runs_are_of_each_business_by_turns(tmp_path: Path) -> None:
    with ExitStack() as stack:
        store = outside(stack, tmp_path, 0)
        house = build_house(stack, tmp_path / "house", [store.port], businesses=3)
        house.add_runs(1, 7, SystemClock().now() + timedelta(hours=1))
        counted = select(t.runs.c.tenant_id, func.count()).group_by(t.runs.c.tenant_id)
        with house.parts.house.engine.connect() as db:
            runs = {row[0]: row[1] for row in db.execute(counted)}
    assert runs == {house.tenant: 3, "business-1": 2, "business-2": 2}


def test_deliveries_are_of_one_size_and_of_names_of_their_own() -> None:
    made = list(requests("/x", 5, 3))
    assert len(set(made)) == 3
    bodies = {one.partition(b"\r\n\r\n")[2] for one in made}
    assert [len(body) for body in bodies] == [4096]


def test_events_for_the_peer_are_of_the_same_size_and_of_ids_of_their_own() -> None:
    events = [json.loads(an_event(place)) for place in range(3)]
    assert {len(an_event(place)) for place in range(3)} == {4096}
    assert len({one["id"] for one in events}) == 3


def test_an_answer_that_is_not_200_stops_the_load(tmp_path: Path) -> None:
    with bare_server(tmp_path / "bare") as server:
        fine = list(requests(PATHS[BARE], 0, 3))
        assert len(send_all(server.port, fine, CONNECTIONS).answers) == 3
        unsigned = [one.replace(SIGNATURE_HEADER.encode(), b"X-Other") for one in fine]
        with pytest.raises(WrongAnswer, match="401"):
            send_all(server.port, unsigned, 2)
        assert all(ID_HEADER.encode() in one for one in unsigned)


def test_percentiles_are_of_the_answers() -> None:
    load = Load(2.0, tuple(float(n) for n in range(100, 0, -1)))
    assert (load.per_second, load.percentile(0.5), load.percentile(0.99)) == (50.0, 51.0, 100.0)


def test_figures_join_those_of_other_benchmarks(tmp_path: Path) -> None:
    file = tmp_path / "build" / "bench.json"
    keep({"a": 1, "b": 2}, file)
    keep({"b": 3}, file)
    kept = json.loads(file.read_text())
    assert kept.pop("machine")
    assert kept == {"a": 1, "b": 3}


def test_a_table_stands_in_columns() -> None:
    assert table(("name", "n"), [("a", "10")]).splitlines() == ["name   n", "----  --", "a     10"]


def test_the_report_holds_every_aim_and_says_what_falls_short(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    keep({"intake_vs_bare": 0.9, "ready_s": 9.5, "start_load_before": 7.0}, file)
    lines = report(file).splitlines()
    assert sum(line.startswith("| ") for line in lines) == len(AIMS) + 1
    assert "| durable accepts, against a bare Flask app | 0.9 | at least 0.7 | yes |" in lines
    assert "| `makegood serve` until it answers, s | 9.5* | at most 4 | **no** |" in lines
    assert sum(MISSING in line for line in lines) == len(AIMS) - 2


def test_an_aim_without_a_number_is_not_met() -> None:
    assert not Aim("a", "", "", at_least=1).is_met("could not be installed")


def test_a_part_that_there_is_not_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "speed"])
    with pytest.raises(SystemExit):
        command.main()
    assert "there is no part speed" in capsys.readouterr().err


def test_every_part_is_a_module_that_runs() -> None:
    assert all(callable(import_module(f"bench.{part}").run) for part in command.PARTS)
