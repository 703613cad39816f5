"""One worker's part of the sweep, in a scene of its own. Begun by name in a fresh process."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.watch import Calls
from tests.harness import Databases
from tests.tenants.planted import PLANTED
from tests.tenants.scene import build_scene
from tests.tenants.sweep import Findings, Sweep


@dataclass(frozen=True, slots=True)
class Share:
    """One worker's part of the sweep: every `of`-th pair, from `place` on.

    `server`: PostgreSQL's address, empty for SQLite.
    """

    folder: str
    seed: int
    n: int
    place: int
    of: int
    planted: str
    server: str = ""


def sweep_share(share: Share) -> tuple[Findings, frozenset[str]]:
    """Build a scene and sweep a part of it; what was found, and the endpoints that were reached."""
    logging.disable(logging.CRITICAL)  # thousands of refusals, each one as it should be
    with Databases.at(share.server).fresh() as database:
        scene = build_scene(Path(share.folder) / str(share.place), database)
        try:
            if share.planted:
                PLANTED[share.planted](scene)
            sweep = Sweep(scene)
            pairs = sweep.pairs(share.n, random.Random(share.seed))
            outside = Calls()
            outside.armed = True  # pages ask stores: nobody answers, and no packet leaves
            try:
                return sweep.go(pairs[share.place :: share.of]), sweep.reached
            finally:
                outside.armed = False
        finally:
            scene.close()
