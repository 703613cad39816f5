"""Servers that tests start in threads end at once: thousands of tests wait for some of them."""

from __future__ import annotations

import re

from tests.harness import ROOT

IN_A_THREAD = re.compile(r"target=[\w.]+\.serve_forever,(?: args=\(([\d.]+),\))?")
LONGEST = 0.01
"""Seconds between two looks whether to end; socketserver's own are 0.5."""


def test_every_server_looks_often_whether_it_is_to_end() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {looks}": float(looks or "0.5")
        for path in (ROOT / "tests").rglob("*.py")
        if "node_modules" not in path.parts
        for looks in IN_A_THREAD.findall(path.read_text("utf-8"))
    }
    assert len(found) > 10
    assert {place for place, seconds in found.items() if seconds > LONGEST} == set()
