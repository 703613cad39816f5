"""Failing requests on disk: made as small as they stay failing, and played again.

A request that fails only after others is kept with its batch, which is played up to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tests.fuzz.batch import Batch, Finding, Outcome, run_batch, run_one
from tests.fuzz.world import Ground
from tests.fuzz.wsgi import Asked

MOST_KEPT: Final = 12
_MOST_TRIES: Final = 20


def keep(finding: Finding, batch: Batch, scratch: Ground, into: Path, *, cut: bool) -> Path:
    """Write `finding` down; with `cut` smaller, if it fails alone. `scratch` is for its worlds."""
    if cut and _fails(finding, batch, scratch):
        finding = replace(_smaller(finding, batch, scratch), alone=True)
    into.mkdir(parents=True, exist_ok=True)
    path = into / f"{finding.kind}-{batch.seed}-{finding.batch}-{finding.place}.json"
    document = {
        "seed": batch.seed,
        "size": batch.size,
        "planted": batch.planted,
        **finding.document(),
    }
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    return path


def replay(path: Path, scratch: Ground) -> Outcome:
    """Send what was kept again: the request alone, or its batch up to it."""
    told: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    asked = Asked.read(told["asked"])
    batch = Batch(told["seed"], told["batch"], told["size"], told["planted"])
    if told["alone"]:
        finding = Finding(told["kind"], batch.number, told["place"], told["words"], asked)
        return run_one(finding, scratch, batch.planted)
    return run_batch(batch, scratch, stop_after=told["place"])


def _fails(finding: Finding, batch: Batch, scratch: Ground) -> bool:
    return run_one(finding, scratch, batch.planted).counts[finding.kind] > 0


def _smaller(finding: Finding, batch: Batch, scratch: Ground) -> Finding:
    """Leave out what is not needed: header by header, then halves and quarters of the body."""
    tries = 0
    changed = True
    while changed and tries < _MOST_TRIES:
        changed = False
        for asked in _cuts(finding.asked):
            tries += 1
            smaller = replace(finding, asked=asked)
            if _fails(smaller, batch, scratch):
                finding, changed = smaller, True
                break
            if tries >= _MOST_TRIES:
                break
    return finding


def _cuts(asked: Asked) -> Iterator[Asked]:
    for at in range(len(asked.headers)):
        yield replace(asked, headers=(*asked.headers[:at], *asked.headers[at + 1 :]))
    if asked.query:
        yield replace(asked, query="")
    if asked.signed:
        return  # another body would need another signature
    size = len(asked.body)
    for parts in (1, 2, 4, 8):
        step = -(-size // parts)
        for start in range(0, size, step or 1):
            yield replace(asked, body=asked.body[:start] + asked.body[start + step :])
