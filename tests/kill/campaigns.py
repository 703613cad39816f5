"""The ways to kill: at random moments, in system calls, the whole server, and the database.

Each builds a scene of its own, kills under load, lets one last worker finish, and judges. The named
points are in `at_points.py`.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from tests.kill.places import free_port
from tests.kill.scene import Outside, Scene, build_scene, read_registry

SPEED = 40
BATCH = 50
DRAIN_SECONDS = 120
PLANTED_DRAIN_SECONDS = 10
"""The planted bug leaves rows that never end; there is no point in waiting for them."""
DOORS_OF = 5
"""One kill of the web's door at a random moment to so many of workers."""
CALL_SECONDS = 6.0
"""How long a process may take to get to its call; one that does not is killed where it is."""
CALLS = {
    "sqlite": ("pwrite64", "fsync,fdatasync", "sendto", "pwrite64,write,sendto"),
    "postgresql": ("sendto", "recvfrom", "write"),
}
"""System calls by which a worker, or the door, writes, syncs and sends."""
STRIDE = 7
"""System calls between one kill and the next: the first, the eighth, and so on."""


@dataclass(slots=True)
class Result:
    """What all campaigns of a run found."""

    seed: int
    kills: int = 0
    web_kills: int = 0
    points: int = 0
    point_kills: int = 0
    never_passed: list[str] = field(default_factory=list)
    not_reached: list[str] = field(default_factory=list)
    times_not_reached: int = 0
    call_kills: int = 0
    web_call_kills: int = 0
    calls_not_reached: int = 0
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
    door = stack.enter_context(Peer("door", scene.file, scene.door, log=scene.log))
    nursery = stack.enter_context(Peer("warm", scene.file, log=scene.log))
    parts = scene.parts(read_registry(), limited=False)
    stack.callback(parts.house.engine.dispose)
    assert door.ready
    assert nursery.ready
    return Battle(scene, parts, outside, door, nursery, Load(scene, parts, outside, scene.door))


def kill_warm(ground: Ground, result: Result, kills: int) -> None:
    """Kill `kills` warm-forked workers at random moments, and the door beside them."""
    with battle(ground, result) as fight, ThreadPoolExecutor(1) as beside:
        done = 0
        while done < kills:
            batch = min(BATCH, kills - done)
            doors = beside.submit(fight.door.ask, "kill", times=-(-batch // DOORS_OF))
            told = fight.nursery.ask("kill", times=batch)
            done += batch
            result.web_kills += doors.result()
            say(
                f"{done} kills, {batch / told['seconds']:.1f}/s, {told['worked']} of {batch} at "
                f"work, {told['boot']:.2f} s to work, {len(fight.load.done.decided)} decided"
            )
        result.kills += kills


def kill_in_calls(ground: Ground, result: Result, kills: int) -> None:
    """Kill workers, then the door, in the n-th write, sync or send, for growing n."""
    strace = find_strace()
    if strace is None:
        say("no kills in system calls: strace is not installed, or may not trace here")
        return
    with battle(ground, result) as fight:
        doors = kills // 3
        made = _kill_in_calls(fight.nursery, strace, CALLS[ground.kind], kills - doors)
        with at_work(fight):
            made_of_doors = _kill_in_calls(fight.door, strace, CALLS[ground.kind], doors)
        result.kills += kills - doors
        result.web_kills += doors
        result.call_kills += made + made_of_doors
        result.web_call_kills += made_of_doors
        result.calls_not_reached += kills - made - made_of_doors


def _kill_in_calls(post: Peer, strace: str, kinds: Sequence[str], kills: int) -> int:
    """How many were made of so many."""
    made = 0
    for place in range(kills):
        when = 1 + place // len(kinds) * STRIDE
        words = {"strace": strace, "calls": kinds[place % len(kinds)], "when": when}
        made += post.ask("kill_in_call", **words, bound_seconds=CALL_SECONDS)
    return made


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
        # Agents press at a door of their own, which stays: here it is the server that is killed.
        port = free_port()
        agents = stack.enter_context(Peer("door", scene.file, port, log=scene.log))
        assert agents.ready
        load = Load(scene, parts, outside, port)
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
        door = stack.enter_context(Peer("door", scene.file, scene.door, log=scene.log))
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
    with battle(ground, result) as fight, at_work(fight):
        for done in range(1, times + 1):
            time.sleep(chance.uniform(5, 40))
            restart(chance)
            result.restarts += 1
            say(f"{done} restarts, {len(fight.load.done.decided)} decided")


@contextmanager
def at_work(fight: Battle) -> Iterator[None]:
    """A worker that nobody kills, for the block."""
    fight.nursery.ask("let_live")
    yield
    fight.nursery.ask("end")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
