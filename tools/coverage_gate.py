"""Decide whether the tests covered enough: everything where money is decided, a ratchet elsewhere.

Reads the report of `coverage json` and the section [makegood:coverage] of setup.cfg. It runs no
tests and changes no file: when coverage has grown, it says to which number the ratchet may go.

    python -m tools.coverage_gate coverage.json setup.cfg
"""

from __future__ import annotations

import configparser
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

SECTION = "makegood:coverage"


class Summary(TypedDict):
    """The counts coverage keeps per file; lines and branches, each in whole numbers."""

    covered_lines: int
    num_statements: int
    covered_branches: int
    num_branches: int


class MeasuredFile(TypedDict):
    """One file of the report, as far as the gate reads it."""

    summary: Summary
    missing_lines: list[int]
    missing_branches: list[list[int]]


@dataclass(frozen=True, slots=True)
class Gate:
    """What setup.cfg asks: folders that must be complete, and the least percentage elsewhere."""

    complete: tuple[str, ...]
    ratchet: float


def read_gate(setup_cfg: Path) -> Gate:
    """Return the gate written in setup.cfg; KeyError or ValueError when it is not there."""
    config = configparser.ConfigParser(interpolation=None)
    config.read_string(setup_cfg.read_text(encoding="utf-8"))
    section = config[SECTION]
    return Gate(tuple(section["complete"].split()), float(section["ratchet"]))


def _belongs(path: str, folders: Sequence[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


def _gaps(path: str, measured: MeasuredFile) -> list[str]:
    lines = [f"{path}:{line} never ran" for line in measured["missing_lines"]]
    branches = [
        f"{path}:{start} never went on to {end if end > 0 else 'the end'}"
        for start, end in measured["missing_branches"]
    ]
    return lines + branches


def percentage_elsewhere(files: Mapping[str, MeasuredFile], gate: Gate) -> float:
    """Return the covered percentage (0-100) of lines and branches outside `gate.complete`."""
    summaries = [f["summary"] for path, f in files.items() if not _belongs(path, gate.complete)]
    covered = sum(s["covered_lines"] + s["covered_branches"] for s in summaries)
    countable = sum(s["num_statements"] + s["num_branches"] for s in summaries)
    return 100.0 * covered / countable if countable else 100.0


def faults(files: Mapping[str, MeasuredFile], gate: Gate) -> list[str]:
    """Return every reason to fail, one line each; empty when the gate is passed."""
    found = [
        f"{folder}: not measured at all; is the folder's name in setup.cfg right?"
        for folder in gate.complete
        if not any(_belongs(path, [folder]) for path in files)
    ]
    for path, measured in sorted(files.items()):
        if _belongs(path, gate.complete):
            found += _gaps(path, measured)
    elsewhere = percentage_elsewhere(files, gate)
    if elsewhere < gate.ratchet:
        found.append(f"elsewhere {elsewhere:.2f} % is covered, under the ratchet {gate.ratchet} %")
    return found


def main(arguments: Sequence[str]) -> int:
    """Print the verdict; return 0 when passed, 1 when not, 2 when there is nothing to judge."""
    report, setup_cfg = (Path(argument) for argument in arguments)
    if not report.is_file():
        print(f"coverage gate: {report} is missing; run the tests with coverage first")
        return 2
    gate = read_gate(setup_cfg)
    files: dict[str, MeasuredFile] = json.loads(report.read_text(encoding="utf-8"))["files"]
    found = faults(files, gate)
    for fault in found:
        print(f"coverage gate: {fault}")
    elsewhere = percentage_elsewhere(files, gate)
    if not found:
        print(f"coverage gate: passed; {', '.join(gate.complete)} complete, {elsewhere:.2f} % else")
    if elsewhere >= gate.ratchet + 1:
        print(f"coverage gate: raise `ratchet` in setup.cfg to {int(elsewhere * 10) / 10}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
