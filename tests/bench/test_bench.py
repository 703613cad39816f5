"""The benchmarks run, count right, and stop at a wrong answer. What they measure is not judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.bare import ID_HEADER, SIGNATURE_HEADER
from bench.intake import BARE, CONNECTIONS, OURS, PATHS, bare_server, figures, measure, requests
from bench.load import Load, WrongAnswer, send_all
from bench.results import keep, table


def test_the_intake_is_measured_beside_the_bare_one() -> None:
    measured = measure(rounds=1, number=40, seed=7)
    assert {name: len(rounds) for name, rounds in measured.items()} == {OURS: 1, BARE: 1}
    assert all(len(one.load.answers) == 40 for rounds in measured.values() for one in rounds)
    assert set(figures(measured)) == {
        "intake_vs_bare",
        "intake_cpu_us",
        "bare_cpu_us",
        "intake_p99_vs_bare",
        "intake_per_s",
        "intake_load_average",
    }


def test_deliveries_are_of_one_size_and_of_names_of_their_own() -> None:
    made = list(requests("/x", 5, 3))
    assert len(set(made)) == 3
    bodies = {one.partition(b"\r\n\r\n")[2] for one in made}
    assert [len(body) for body in bodies] == [4096]


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
