"""`python -m tests.kill --n 2000`: kill, drain, judge. The last line is one JSON object.

Exit code 0 only when nothing was doubled, lost, stuck or at odds, and no process was left behind.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from plugin.app import Parts
from tests.kill.cold import Server
from tests.kill.drain import drain
from tests.kill.judge import Findings, judge
from tests.kill.load import Load
from tests.kill.peers import Peer
from tests.kill.scene import Outside, Scene, build_scene, read_registry

SPEED = 40
BATCH = 50
MOST_SENTENCES = 50
DRAIN_SECONDS = 180
PLANTED_DRAIN_SECONDS = 10
"""The planted bug leaves rows that never end; there is no point in waiting for them."""
MUST_BE_NOTHING = ("double", "lost", "stuck", "mismatch", "left_behind")


@dataclass(slots=True)
class Result:
    """The last line."""

    seed: int
    kills: int = 0
    findings: list[Findings] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    left_behind: int = 0
    seconds: float = 0.0

    def line(self) -> dict[str, int | float | None]:
        """Flat, for machines."""

        def count(name: str) -> int:
            return sum(len(getattr(f, name)) for f in self.findings)

        def total(name: str) -> int:
            return sum(getattr(f, name) for f in self.findings)

        median = round(statistics.median(self.recoveries), 3) if self.recoveries else None
        return {
            "kills": self.kills,
            **{name: count(name) for name in MUST_BE_NOTHING[:-1]},
            "left_behind": self.left_behind,
            "seed": self.seed,
            "refunds": total("refunds"),
            "events": total("events"),
            "parked": total("parked"),
            "interrupted": total("interrupted"),
            "recovery_median_s": median,
            "seconds": round(self.seconds, 1),
        }


def kill_warm(folder: Path, result: Result, kills: int, *, planted: bool) -> None:
    """Kill `kills` warm-forked workers under load, then let one finish, and judge."""
    with ExitStack() as stack:
        scene, outside = build_scene(
            stack, folder, begun=time.time(), factor=SPEED, seed=result.seed, planted=planted
        )
        door = stack.enter_context(Peer("door", scene.file, log=scene.log))
        nursery = stack.enter_context(Peer("warm", scene.file, log=scene.log))
        parts = scene.parts(read_registry(), limited=False)
        stack.callback(parts.house.engine.dispose)
        load = Load(scene, parts, outside)
        assert door.ready
        outside.set_mood(moody=True)
        load.start()
        begun = time.monotonic()
        done = 0
        while done < kills:
            batch = min(BATCH, kills - done)
            told = nursery.ask("kill", times=batch)
            done += batch
            say(
                f"{done} kills, {batch / told['seconds']:.1f}/s, {told['worked']} of {batch} at "
                f"work, {told['boot']:.2f} s to work, {len(load.done.decided)} decided"
            )
        say(f"{kills} warm kills in {time.monotonic() - begun:.0f} s")
        result.kills += kills
        bound = PLANTED_DRAIN_SECONDS if planted else DRAIN_SECONDS
        _finish(Run(scene, parts, outside, nursery, load), result, bound)
        result.recoveries += nursery.ask("recoveries")


def kill_cold(folder: Path, result: Result, kills: int) -> None:
    """Kill `makegood serve` or a part of it `kills` times, on the wall's own time, and judge."""
    with ExitStack() as stack:
        scene, outside = build_scene(stack, folder, begun=time.time(), factor=1, seed=result.seed)
        parts = scene.parts(read_registry(), limited=False)
        stack.callback(parts.house.engine.dispose)
        load = Load(scene, parts, outside)
        begun = time.monotonic()
        with Server(scene, random.Random(f"{scene.seed} cold")) as server:
            is_up = server.is_up()
            outside.set_mood(moody=True)
            load.start()
            for _ in range(kills):
                server.kill_something()
            is_up = is_up and server.is_up()
        result.kills += kills
        result.left_behind += server.left_behind
        say(f"{kills} cold kills in {time.monotonic() - begun:.0f} s")
        # The server is gone for good; what it left is finished on a clock that can jump.
        stack.enter_context(Peer("door", scene.file, log=scene.log))
        nursery = stack.enter_context(Peer("warm", scene.file, log=scene.log))
        findings = _finish(Run(scene, parts, outside, nursery, load), result, DRAIN_SECONDS)
        if not is_up:
            findings.stuck.append("the server did not come up")


@dataclass(frozen=True, slots=True)
class Run:
    """What the end of either kind of run needs."""

    scene: Scene
    parts: Parts
    outside: Outside
    nursery: Peer
    load: Load


def _finish(run: Run, result: Result, bound: float) -> Findings:
    """Stop the load, let one worker live until all is over, and judge."""
    run.nursery.ask("let_live")
    done = run.load.stop()
    run.outside.set_mood(moody=False)
    left = drain(run.parts, run.outside, bound)
    code = run.nursery.ask("end")
    findings = judge(run.scene, run.parts, run.outside, done, left)
    if code != 0:
        findings.stuck.append(f"the last worker ended with {code}")
    result.findings.append(findings)
    return findings


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="warm kills")
    parser.add_argument("--cold", type=int, help="kills of `makegood serve`; a twentieth of n")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--planted", action="store_true", help="the worker with the planted bug")
    parser.add_argument("--keep", action="store_true", help="keep the folder, to look at the rows")
    chosen = parser.parse_args(words)
    cold = chosen.n // 20 if chosen.cold is None else chosen.cold
    folder = Path(tempfile.mkdtemp(prefix="makegood-kill-"))
    result = Result(chosen.seed)
    begun = time.monotonic()
    say(f"seed {chosen.seed}, {chosen.n} warm and {cold} cold kills in {folder}")
    try:
        if chosen.n:
            kill_warm(folder / "warm", result, chosen.n, planted=chosen.planted)
        if cold:
            kill_cold(folder / "cold", result, cold)
    finally:
        if not chosen.keep:
            shutil.rmtree(folder, ignore_errors=True)
    result.seconds = time.monotonic() - begun
    for findings in result.findings:
        for sentence in list(findings.lines())[:MOST_SENTENCES]:
            say(sentence)
    line = result.line()
    print(json.dumps(line), flush=True)
    return int(any(line[name] for name in MUST_BE_NOTHING))


if __name__ == "__main__":
    sys.exit(main())
