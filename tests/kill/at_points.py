"""Kill at every named point, each time that it is passed, up to a bound.

The load tells one story of each kind, so that names are learnt; then each is led to once more, by
the story that passes it, and its process dies there. What was learnt on the way is added. A name at
which nobody died, after several turns, was not reached: that is told, and fails the run; so does a
place of `sites.KILLED` that nobody passed at all.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import groupby

from tests.kill.campaigns import Battle, Ground, Result, at_work, battle, say
from tests.kill.points import WEB, read_names
from tests.kill.sites import never_passed

POINT_SECONDS = 6.0
"""How long a process may take to get to its point; one that does not is killed where it is."""
TURNS = 4
"""How often a name is tried for its first time, each with twice the time."""
LEADS = (
    ("restored_house", "restored"),
    ("examine_drift", "meddled"),
    ("UndoRefund", "undone"),
    ("sweep_account", "swept"),
    ("event.list", "swept"),
    ("PanelFlow.attest", "joined"),
    ("PanelFlow", "ticked"),
    ("agent.read", "ticked"),
    ("ticket.read", "ticked"),
    ("web after call identities.read", "ticked"),
    ("web before call identities.read", "ticked"),
    ("worker after call identities.read", "outside"),
    ("worker before call identities.read", "outside"),
    ("tickets.search", "outside"),
    ("subscription.", "prorated"),
    ("dispute.", "disputed"),
    ("course.", "tagged"),
    ("course.", "cancelled"),
    ("contact.", "cancelled"),
    ("community.", "cancelled"),
    ("tag.", "cancelled"),
    ("refund.list", "outside"),
)
"""What a name holds -> the kind of story that passes there. Others are passed by most of them."""
Turn = tuple[str, int]
"""A name, and at which of its times the process dies."""


@dataclass(slots=True)
class _Campaign:
    """What was tried, and what came of it. `names` are those to take, None for all there are."""

    fight: Battle
    occurrences: int
    names: Sequence[str] | None = None
    tried: Counter[Turn] = field(default_factory=Counter)
    died: set[Turn] = field(default_factory=set)

    def learn(self) -> None:
        """One story of each kind, and a worker's life; again for places that were not passed."""
        stories = set(self.fight.load.kinds)
        for turn in range(TURNS):
            for story in sorted(stories):
                self.fight.load.lead_to(story)
            bound = POINT_SECONDS * 2**turn
            words = {"name": "nowhere", "occurrence": 1, "bound_seconds": bound}
            self.fight.nursery.ask("kill_at", **words)
            missing = self.never_passed()
            if not missing:
                return
            stories = {story for name in missing for story in _leading_to(name)}

    def never_passed(self) -> list[str]:
        return never_passed(self.learnt())

    def learnt(self) -> list[str]:
        return read_names(self.fight.scene.points)

    def todo(self) -> Sequence[Turn]:
        """Of the names known now. A later time is tried once: of that nothing depends."""
        names = self.learnt() if self.names is None else self.names
        every = [(name, n) for n in range(1, self.occurrences + 1) for name in names]
        return [
            turn
            for turn in every
            if turn not in self.died and self.tried[turn] < (TURNS if turn[1] == 1 else 1)
        ]

    def take(self, turns: Sequence[Turn]) -> None:
        """Each once. While the door is killed a worker works, or there would be nothing to do."""
        for is_web, some in groupby(turns, lambda turn: turn[0].startswith(f"{WEB} ")):
            with at_work(self.fight) if is_web else nullcontext():
                for turn in some:
                    self._die_at(turn, is_web=is_web)

    def _die_at(self, turn: Turn, *, is_web: bool) -> None:
        name, occurrence = turn
        bound = POINT_SECONDS * 2 ** self.tried[turn]
        self.tried[turn] += 1
        # Not each story of a kind passes there: the more turns it takes, the more are begun.
        for story in sorted(_leading_to(name)) * self.tried[turn]:
            self.fight.load.lead_to(story)
        post = self.fight.door if is_web else self.fight.nursery
        if post.ask("kill_at", name=name, occurrence=occurrence, bound_seconds=bound):
            self.died.add(turn)
        else:
            say(f"not within {bound:.0f} s: {name}, time {occurrence}")


def _leading_to(name: str) -> set[str]:
    return {story for part, story in LEADS if part in name}


def kill_at_points(ground: Ground, result: Result, occurrences: int, sample: int) -> None:
    """Kill workers and the door at every point, or at `sample` of them, by the seed."""
    with battle(ground, result) as fight:
        campaign = _Campaign(fight, occurrences)
        campaign.learn()
        if sample:
            learnt, chance = campaign.learnt(), random.Random(f"{result.seed} points")
            campaign.names = sorted(chance.sample(learnt, min(sample, len(learnt))))
        while todo := campaign.todo():
            campaign.take(todo)
            say(f"{len(campaign.died)} deaths at points, {len(fight.load.done.decided)} decided")
        _write_down(result, campaign)


def _write_down(result: Result, campaign: _Campaign) -> None:
    names = {name for name, _ in campaign.tried}
    died_at = {name for name, _ in campaign.died}
    kills = sum(campaign.tried.values())
    web_kills = sum(n for (name, _), n in campaign.tried.items() if name.startswith(f"{WEB} "))
    result.kills += kills - web_kills
    result.web_kills += web_kills
    result.points += len(names)
    result.point_kills += len(campaign.died)
    result.not_reached += sorted(names - died_at)
    result.times_not_reached += sum(n > 1 for _, n in set(campaign.tried) - campaign.died)
    result.never_passed += campaign.never_passed()
    for name in result.not_reached:
        say(f"not reached: {name}")
    for site in result.never_passed:
        say(f"never passed: {site}")
