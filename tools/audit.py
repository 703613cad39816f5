"""Ask the public lists of known weaknesses about everything that is locked, for Python and Node.

Needs the network: PyPI by pip-audit, npm's registry by `npm audit`. It never takes silence for good
news: pip-audit ends with 0 also where it was told nothing (seen with 2.10). Changes no file.

    python -m tools.audit
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
LOCKED: Final = tuple(sorted((ROOT / "requirements").glob("*.txt")))
PACKAGES: Final = (ROOT / "ui_extensions", ROOT / "tests" / "peers")
_SECONDS: Final = 600


def python_faults(report: Mapping[str, Any]) -> Iterator[str]:
    """What a report of `pip-audit --format json` has against our dependencies, a line each."""
    if not report.get("dependencies"):
        yield "nothing was audited"
    for one in report.get("dependencies", ()):
        if "vulns" not in one:
            yield f"{one['name']}: not audited: {one.get('skip_reason', 'no reason given')}"
        for weakness in one.get("vulns", ()):
            mended = ", ".join(weakness.get("fix_versions", ())) or "no version yet"
            yield f"{one['name']} {one['version']}: {weakness['id']}, mended in {mended}"


def node_faults(report: Mapping[str, Any]) -> Iterator[str]:
    """The same of `npm audit --json`."""
    if "vulnerabilities" not in report or "metadata" not in report:
        yield f"nothing was audited: {report.get('message', 'no reason given')}"
    for name, one in report.get("vulnerabilities", {}).items():
        yield f"{name} {one['range']}: {one['severity']}"


def _told(command: list[str], folder: Path) -> Mapping[str, Any]:
    # Both end with 1 where they found something, and say so in their report.
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=_SECONDS
    )
    try:
        report: Mapping[str, Any] = json.loads(ran.stdout)
    except ValueError:
        return {"message": ran.stderr.strip() or "no answer"}
    return report


def main() -> int:
    """Print what was found by file; 1 where anything was, or was not told."""
    by_pip = [sys.executable, "-m", "pip_audit", "--format", "json", "--no-deps", "--disable-pip"]
    found: dict[str, list[str]] = {}
    for file in LOCKED:
        report = _told([*by_pip, "--requirement", str(file)], ROOT)
        found[file.relative_to(ROOT).as_posix()] = list(python_faults(report))
    for folder in PACKAGES:
        by_npm = [str(ROOT / "tools" / "with-node"), "npm", "audit", "--json"]
        report = _told([*by_npm, "--package-lock-only"], folder)
        found[folder.relative_to(ROOT).as_posix()] = list(node_faults(report))
    for place, faults in found.items():
        print(f"{place}: {len(faults) or 'no'} known weaknesses or gaps")
        for fault in faults:
            print(f"  {fault}")
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
