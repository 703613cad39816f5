"""The coverage gate judges a report as setup.cfg asks. It never runs tests of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.coverage_gate import Gate, MeasuredFile, faults, main, percentage_elsewhere, read_gate

GATE = Gate(complete=("plugin/domain", "webhooks"), ratchet=50.0)


def measured(
    covered: int, statements: int, missing_branches: list[list[int]] | None = None
) -> MeasuredFile:
    missing = missing_branches or []
    return {
        "summary": {
            "covered_lines": covered,
            "num_statements": statements,
            "covered_branches": 0,
            "num_branches": len(missing),
        },
        "missing_lines": list(range(covered + 1, statements + 1)),
        "missing_branches": missing,
    }


COMPLETE = {"plugin/domain/money.py": measured(9, 9), "webhooks/http.py": measured(4, 4)}


def test_complete_folders_and_a_held_ratchet_pass() -> None:
    assert faults(COMPLETE | {"plugin/cli.py": measured(5, 10)}, GATE) == []


def test_one_line_that_never_ran_in_a_complete_folder_fails() -> None:
    found = faults(COMPLETE | {"plugin/domain/money.py": measured(8, 9)}, GATE)
    assert found == ["plugin/domain/money.py:9 never ran"]


def test_one_branch_that_was_never_taken_in_a_complete_folder_fails() -> None:
    found = faults(COMPLETE | {"webhooks/http.py": measured(4, 4, [[2, 4], [3, -1]])}, GATE)
    assert found == [
        "webhooks/http.py:2 never went on to 4",
        "webhooks/http.py:3 never went on to the end",
    ]


def test_a_folder_with_a_longer_name_is_not_taken_for_a_complete_one() -> None:
    assert faults(COMPLETE | {"webhooks_old/http.py": measured(5, 10)}, GATE) == []


def test_a_complete_folder_that_was_not_measured_fails() -> None:
    found = faults({"plugin/domain/money.py": measured(1, 1)}, GATE)
    assert len(found) == 1
    assert found[0].startswith("webhooks: not measured at all")


def test_falling_under_the_ratchet_fails() -> None:
    found = faults(COMPLETE | {"plugin/cli.py": measured(4, 10)}, GATE)
    assert found == ["elsewhere 40.00 % is covered, under the ratchet 50.0 %"]


def test_branches_count_in_the_ratchet_and_complete_folders_do_not() -> None:
    files = COMPLETE | {"plugin/cli.py": measured(6, 6, [[1, 2], [1, 3]])}
    assert percentage_elsewhere(files, GATE) == pytest.approx(75.0)


def test_nothing_elsewhere_is_nothing_missed() -> None:
    assert percentage_elsewhere(COMPLETE, GATE) == pytest.approx(100.0)


def test_the_repository_asks_for_the_folders_where_money_is_decided() -> None:
    gate = read_gate(Path(__file__).parent.parent / "setup.cfg")
    assert gate.complete == ("plugin/domain", "plugin/services", "webhooks")


@pytest.fixture
def setup_cfg(tmp_path: Path) -> Path:
    path = tmp_path / "setup.cfg"
    path.write_text("[makegood:coverage]\ncomplete =\n    webhooks\nratchet = 50\n")
    return path


def run(setup_cfg: Path, files: dict[str, MeasuredFile]) -> int:
    report = setup_cfg.with_name("coverage.json")
    report.write_text(json.dumps({"files": files}))
    return main([str(report), str(setup_cfg)])


def test_the_program_passes_and_says_how_far_the_ratchet_may_go(
    setup_cfg: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(setup_cfg, COMPLETE) == 0
    assert "raise `ratchet` in setup.cfg to 100.0" in capsys.readouterr().out


def test_the_program_fails_with_every_fault(
    setup_cfg: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"webhooks/http.py": measured(3, 4), "plugin/cli.py": measured(0, 2)}
    assert run(setup_cfg, files) == 1
    assert capsys.readouterr().out.count("coverage gate:") == 2


def test_the_program_says_so_when_there_is_no_report(
    setup_cfg: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none.json"), str(setup_cfg)]) == 2
    assert "run the tests with coverage first" in capsys.readouterr().out
