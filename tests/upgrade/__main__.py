"""`python -m tests.upgrade --n 3`: up and back with the version before as it was. Ends with JSON.

Exit code 0 only when nothing was doubled, lost, stuck, at odds or unreadable, nobody was turned
away by a web that was there, no server told of a fault of ours, and there was traffic at each step.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from plugin.app import Parts
from tests.harness import Given, Outcome, run_from_terminal, say
from tests.kill.drain import open_rows
from tests.kill.judge import judge
from tests.kill.scene import Outside, build_scene, read_registry
from tests.nothing_unseen import IS_JUDGED
from tests.upgrade.older import NoHistoryError, Version, find_older, take_out, take_present
from tests.upgrade.planted import plant_a_lie
from tests.upgrade.site import NotWorked, open_site
from tests.upgrade.traffic import PanelStories, Traffic, TrafficBroke
from tests.upgrade.ways import Journey

SETTLE_SECONDS = 90.0
BROKEN_SETTLE_SECONDS = 3.0
"""Where a step did not work rows never end; there is no point in waiting for them."""
JUDGED = ("double", "lost", "stuck", "mismatch")
MUST_BE_NOTHING = (*JUDGED, "unreadable", "turned_away", "faults", "not_worked")
FAULTS = frozenset(
    {
        "canvas.failed",
        "dispatch.fault",
        "effect.fault",
        "intake.fault",
        "intake.unusable",
        "process.broke",
        "serve.child_died",
        "serve.child_killed",
        "task.failed",
        "web.failed",
        "work.stuck",
    }
)
"""What a server says in its log where something is that should not be (docs/operating.md).

Not `work.ended_without_moving`: a worker may say so of what a worker beside it, which began a
moment ago, has just done. Work that ended in an error says `task.failed`.
"""


def faults_in(log: Path) -> list[str]:
    """What the servers said of themselves that should not be."""
    found = []
    for line in log.read_text("utf-8", "replace").splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        event = str(told.get("event", "")).partition(" ")[0] if isinstance(told, dict) else ""
        if event in FAULTS:
            found.append(line[:300])
    return found


def settle(parts: Parts, outside: Outside, seconds: float) -> dict[str, int]:
    """Wait until all is over; what is still open then, counted."""
    deadline = time.monotonic() + seconds
    while True:
        unsent = outside.stripe.ask("report")["unsent"] + outside.systeme_io.ask("report")["unsent"]
        rows = list(open_rows(parts))
        if not rows and not unsent:
            return {}
        if time.monotonic() > deadline:
            left = Counter(f"{kind} {state}" for kind, state, _ in rows)
            return dict(left) | ({"webhooks that nobody took": unsent} if unsent else {})
        time.sleep(0.1)


def run_upgrades(given: Given, older: Version, newer: Version) -> Outcome:
    """All of it."""
    chance = random.Random(f"{given.seed} upgrade")
    not_worked: list[str] = []
    if given.planted:
        say("planted: documents that the version before cannot read, and a schema that lets it run")
        plant_a_lie(newer, older)
    with ExitStack() as stack:
        scene, outside = build_scene(
            stack,
            given.folder / "scene",
            begun=time.time(),
            factor=1,
            seed=given.seed,
            database=given.database,
        )
        parts = scene.parts(read_registry(), limited=False)
        stack.callback(parts.house.engine.dispose)
        site = stack.enter_context(open_site(scene))
        stories = PanelStories(scene, parts, outside, chance)
        journey = Journey(site, Traffic(stories, chance), older, newer)
        went = _go(journey, given.n, not_worked)
        left = settle(parts, outside, SETTLE_SECONDS if went else BROKEN_SETTLE_SECONDS)
        if went:
            site.stop(site.servers[-1])
        found = judge(scene, parts, outside, stories.done, left)
    faults = faults_in(site.log)
    turned_away = stories.browser.turned_away
    counts = {
        "ways": given.n,
        "steps": journey.steps,
        "refunds": found.refunds,
        "events": found.events,
        "documents": journey.documents,
        "decided_by_both": journey.both,
        **{name: len(getattr(found, name)) for name in JUDGED},
        "unreadable": len(journey.unreadable),
        "turned_away": len(turned_away),
        "faults": len(faults),
        "not_worked": len(not_worked),
        "parked": found.parked,
    }
    sentences = [
        *not_worked,
        *found.lines(),
        *(f"unreadable: {one}" for one in sorted(journey.unreadable)),
        *(f"turned away: {one}" for one in turned_away),
        *(f"fault: {one}" for one in faults),
    ]
    return Outcome(counts, MUST_BE_NOTHING, sentences, complete=found.refunds > 0)


def _go(journey: Journey, times: int, not_worked: list[str]) -> bool:
    """There and back so many times, and there once more, all of it under traffic."""
    try:
        server = journey.begin()
        for _ in range(times):
            server = journey.there_and_back(server)
        journey.up(server)
        journey.traffic.stop()
    except (NotWorked, TrafficBroke) as error:
        journey.traffic.abandon()
        not_worked.append(f"not worked: {error}; {error.__cause__!r}")
        return False
    return True


def main(words: Sequence[str] | None = None) -> int:
    try:
        commit = find_older()
    except NoHistoryError as error:
        say(str(error))
        print(json.dumps({"skipped": str(error)}), flush=True)
        return int(IS_JUDGED)

    def run(given: Given) -> Outcome:
        older = take_out(commit, given.folder / "older")
        say(f"the version before is {commit[:12]}, of schema {older.schema}")
        return run_upgrades(given, older, take_present(given.folder / "newer"))

    return run_from_terminal("upgrade", 3, run, seconds_each=120, words=words)


if __name__ == "__main__":
    sys.exit(main())
