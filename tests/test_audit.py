"""The gate of known weaknesses: what was not told is no good news. The lists are not asked here."""

from __future__ import annotations

import pytest

from tools.audit import node_faults, python_faults

# As pip-audit 2.10 and npm 11 print them.
CLEAN = {"dependencies": [{"name": "wheel", "version": "0.48.0", "vulns": []}], "fixes": []}
WEAK = {
    "dependencies": [
        {
            "name": "flask",
            "version": "0.5",
            "vulns": [
                {
                    "id": "PYSEC-2019-179",
                    "fix_versions": ["1.0"],
                    "aliases": ["CVE-2019-1010083"],
                    "description": "unexpected memory usage",
                }
            ],
        }
    ],
    "fixes": [],
}
UNTOLD = {
    "dependencies": [
        {
            "name": "wheel",
            "skip_reason": "Dependency not found on PyPI and could not be audited: wheel (0.48.0)",
        }
    ],
    "fixes": [],
}
COUNTS = {"vulnerabilities": {"total": 0}, "dependencies": {"total": 6}}


def test_what_was_audited_and_is_well_has_no_faults() -> None:
    assert list(python_faults(CLEAN)) == []
    assert list(node_faults({"vulnerabilities": {}, "metadata": COUNTS})) == []


def test_a_known_weakness_is_named_with_the_version_that_mends_it() -> None:
    assert list(python_faults(WEAK)) == ["flask 0.5: PYSEC-2019-179, mended in 1.0"]
    weak = {"ip": {"name": "ip", "severity": "high", "range": "<=2.0.1", "via": []}}
    told = {"vulnerabilities": weak, "metadata": COUNTS}
    assert list(node_faults(told)) == ["ip <=2.0.1: high"]


def test_a_weakness_that_no_version_mends_says_so() -> None:
    one = {"name": "odd", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": []}]}
    assert list(python_faults({"dependencies": [one]})) == [
        "odd 1: PYSEC-1, mended in no version yet"
    ]


@pytest.mark.parametrize("report", [{}, {"dependencies": []}, {"message": "no answer"}])
def test_a_report_about_nothing_fails(report: dict[str, object]) -> None:
    assert list(python_faults(report)) == ["nothing was audited"]


def test_what_the_lists_did_not_tell_fails() -> None:
    [fault] = python_faults(UNTOLD)
    assert fault.startswith("wheel: not audited: Dependency not found")
    assert list(node_faults({"message": "405 Method Not Allowed"})) == [
        "nothing was audited: 405 Method Not Allowed"
    ]
