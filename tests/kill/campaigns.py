"""The ways to kill: at random moments, at every named point, in system calls, and the whole server.

Each builds a scene of its own, kills under load, lets one last worker finish, and judges.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from plugin.app import Parts
from tests.kill.cold import Server
from tests.kill.drain import drain
from tests.kill.judge import Findings, judge
from tests.kill.load import Load
from tests.kill.mortal import find_strace
from tests.kill.peers import Peer
from tests.kill.points import read_names
from tests.kill.scene import Outside, Scene, build_scene, read_registry

SPEED = 40
BATCH = 50
DRAIN_SECONDS = 120
PLANTED_DRAIN_SECONDS = 10
"""The planted bug leaves rows that never end; there is no point in waiting for them."""
POINT_SECONDS = 6.0
"""How long a process may take to get to its point; one that does not is killed where it is."""
CALLS = {
    "sqlite": ("pwrite64", "fsync,fdatasync", "sendto", "pwrite64,write,sendto"),
    "postgresql": ("sendto", "recvfrom", "write"),
}
"""System calls by which a worker writes, syncs and sends."""
STRIDE = 7
"""System calls between one kill and the next: the first, the eighth, and so on."""


@dataclass(slots=True)
class Result:
    """What all campaigns of a run found."""

    seed: int
    kills: int = 0
    points: int = 0
    point_kills: int = 0
    call_kills: int = 0
    not_reached: int = 0
    restarts: int = 0
    left_behind: int = 0
    findings: list[Findings] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a campaign takes place: a folder, and an empty database (`""` for SQLite there)."""

    folder: Path
    database: str
    planted: bool = False

    @property
    def kind(self) -> str:
        return "postgresql" if self.database else "sqlite"


@dataclass(frozen=True, slots=True)
class Battle:
    """A scene under load, with its door and its nursery of workers."""

    scene: Scene
    parts: Parts
    outside: Outside
    door: Peer
    nursery: Peer
    load: Load

    def finish(self, result: Result, bound: float) -> Findings:
        """Stop the load, let one worker live until all is over, and judge."""
        self.nursery.ask("let_live")
        done = self.load.stop()
        self.outside.set_mood(moody=False)
        left = drain(self.parts, self.outside, bound)
        code = self.nursery.ask("end")
        findings = judge(self.scene, self.parts, self.outside, done, left)
        if code != 0:
            findings.stuck.append(f"the last worker ended with {code}")
        result.findings.append(findings)
        result.recoveries += self.nursery.ask("recoveries")
        return findings


@contextmanager
def battle(ground: Ground, result: Result) -> Iterator[Battle]:
    """A scene on quick time, for warm workers; finished and judged at the end of the block."""
    with ExitStack() as stack:
        scene, outside = build_scene(
            stack,
            ground.folder,
            begun=time.time(),
            factor=SPEED,
            seed=result.seed,
            database=ground.database,
            planted=ground.planted,
        )
        fight = _take_up_places(stack, scene, outside)
        outside.set_mood(moody=True)
        fight.load.start()
        begun = time.monotonic()
        yield fight
        say(f"{time.monotonic() - begun:.0f} s; {len(fight.load.done.decided)} decided")
        fight.finish(result, PLANTED_DRAIN_SECONDS if ground.planted else DRAIN_SECONDS)


def _take_up_places(stack: ExitStack, scene: Scene, outside: Outside) -> Battle:
    door = stack.enter_context(Peer("door", scene.file, log=scene.log))
    nursery = stack.enter_context(Peer("warm", scene.file, log=scene.log))
    parts = scene.parts(read_registry(), limited=False)
    stack.callback(parts.house.engine.dispose)
    assert door.ready
    assert nursery.ready
    return Battle(scene, parts, outside, door, nursery, Load(scene, parts, outside))


def kill_warm(ground: Ground, result: Result, kills: int) -> None:
    """Kill `kills` warm-forked workers at random moments."""
    with battle(ground, result) as fight:
        done = 0
        while done < kills:
            batch = min(BATCH, kills - done)
            told = fight.nursery.ask("kill", times=batch)
            done += batch
            say(
                f"{done} kills, {batch / told['seconds']:.1f}/s, {told['worked']} of {batch} at "
                f"work, {told['boot']:.2f} s to work, {len(fight.load.done.decided)} decided"
            )
        result.kills += kills


def kill_at_points(ground: Ground, result: Result, occurrences: int) -> None:
    """Kill workers and the door at every point that there is, at each of its first occurrences.

    Names that are learnt on the way are added; a campaign ends when none is left.
    """
    with battle(ground, result) as fight:
        fight.nursery.ask("kill_at", **_words("nowhere", 1))  # a life that learns names
        tried: set[tuple[str, int]] = set()
        while todo := _not_tried(fight.scene.points, tried, occurrences):
            for name, occurrence in todo:
                tried.add((name, occurrence))
                post = fight.door if name.endswith(" intake") else fight.nursery
                reached = post.ask("kill_at", **_words(name, occurrence))
                result.kills += 1
                result.point_kills += reached
                result.not_reached += not reached
            say(f"{len(tried)} points and occurrences, {len(fight.load.done.decided)} decided")
        result.points += len({name for name, _ in tried})


def _words(name: str, occurrence: int) -> dict[str, str | int | float]:
    return {"name": name, "occurrence": occurrence, "bound_seconds": POINT_SECONDS}


def _not_tried(
    learnt: Path, tried: set[tuple[str, int]], occurrences: int
) -> Sequence[tuple[str, int]]:
    every = [(name, n) for n in range(1, occurrences + 1) for name in read_names(learnt)]
    return [one for one in every if one not in tried]


def kill_in_calls(ground: Ground, result: Result, kills: int) -> None:
    """Kill workers in the n-th write, sync or send, for growing n."""
    strace = find_strace()
    if strace is None:
        say("no kills in system calls: strace is not installed, or may not trace here")
        return
    kinds = CALLS[ground.kind]
    with battle(ground, result) as fight:
        for place in range(kills):
            when = 1 + place // len(kinds) * STRIDE
            words = {"strace": strace, "calls": kinds[place % len(kinds)], "when": when}
            reached = fight.nursery.ask("kill_in_call", **words, bound_seconds=POINT_SECONDS)
            result.kills += 1
            result.call_kills += reached
            result.not_reached += not reached


def kill_cold(ground: Ground, result: Result, kills: int) -> None:
    """Kill `makegood serve` or a part of it `kills` times, on the wall's own time."""
    with ExitStack() as stack:
        scene, outside = build_scene(
            stack,
            ground.folder,
            begun=time.time(),
            factor=1,
            seed=result.seed,
            database=ground.database,
        )
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
        door = stack.enter_context(Peer("door", scene.file, log=scene.log))
        nursery = stack.enter_context(Peer("warm", scene.file, log=scene.log))
        fight = Battle(scene, parts, outside, door, nursery, load)
        findings = fight.finish(result, DRAIN_SECONDS)
        if not is_up:
            findings.stuck.append("the server did not come up")


def restart_postgres(
    ground: Ground, result: Result, times: int, restart: Callable[[random.Random], None]
) -> None:
    """Restart the database under load, after 5 to 40 seconds each, with a worker at work."""
    chance = random.Random(f"{result.seed} restarts")
    with battle(ground, result) as fight, _at_work(fight):
        for done in range(1, times + 1):
            time.sleep(chance.uniform(5, 40))
            restart(chance)
            result.restarts += 1
            say(f"{done} restarts, {len(fight.load.done.decided)} decided")


@contextmanager
def _at_work(fight: Battle) -> Iterator[None]:
    fight.nursery.ask("let_live")
    yield
    fight.nursery.ask("end")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
