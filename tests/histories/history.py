"""Histories: made at random from a seed, written as JSON, shrunk when they show a difference.

A step has `wait` (minutes since the one before), `do`, an `id`, and `heard`: for each kind of news
that it makes, the delays in minutes after which we hear it. None at all means that it is dropped:
somebody finds it later by asking the store's API.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.histories.model import DAY, Json, Step, World

FORMAT = 1
PRICES = (1900, 4900, 9700)
THINGS = ("course c1", "course c2", "course c3", "course c4", "bundle b1", "tag t1", "tag t2")
MOODS = ("plain", "plain", "plain", "silent_after", "silent_before", "busy", "no", "undone")
KINDS = ("shop", "shop", "joined", "joined", "hand")


@dataclass(frozen=True, slots=True)
class History:
    """One history. `tag_echoes` are delays of the shop's news of our own changes of tags."""

    seed: str
    steps: tuple[Step, ...]
    tag_echoes: tuple[int, ...]
    heard_again: bool

    def world(self) -> World:
        """The world after it."""
        world = World()
        for step in self.steps:
            world.do(step)
        return world

    def is_possible(self) -> bool:
        """Whether each step may follow those before it."""
        world = World()
        for step in self.steps:
            if not world.may(step):
                return False
            world.do(step)
        return not any(ask["state"] in ("pending", "manual") for ask in world.asks.values())

    def in_order(self) -> History:
        """The same, with every news heard once and at once."""
        steps = tuple({**s, "heard": {kind: [0] for kind in s["heard"]}} for s in self.steps)
        return replace(self, steps=steps, tag_echoes=(0,), heard_again=False)

    def document(self, end: Json | None = None) -> Json:
        """As plain data, with the end that it must come to."""
        told = {
            "format": FORMAT,
            "seed": self.seed,
            "steps": list(self.steps),
            "tag_echoes": list(self.tag_echoes),
            "heard_again": self.heard_again,
        }
        return told if end is None else {**told, "end": end}


def read(path: Path) -> tuple[History, Json]:
    """A recorded history and its end. Raises ValueError for another format."""
    told = json.loads(path.read_text("utf-8"))
    if told["format"] != FORMAT:
        raise ValueError(f"{path.name} is of format {told['format']}, not {FORMAT}")
    history = History(
        told["seed"], tuple(told["steps"]), tuple(told["tag_echoes"]), told["heard_again"]
    )
    return history, told["end"]


def write(path: Path, history: History, end: Json) -> None:
    """One step a line, so that people can read it."""
    told = history.document(end)
    steps = ",\n  ".join(json.dumps(step, sort_keys=True) for step in told.pop("steps"))
    rest = json.dumps(told, indent=1, sort_keys=True)[1:]
    path.write_text(f'{{\n "steps": [\n  {steps}\n ],{rest}\n', "utf-8")


# --- made at random -------------------------------------------------------------------------------


def make(seed: str, length: int = 16) -> History:
    """The history of `seed`."""
    chance = random.Random(seed)
    maker = _Maker(chance)
    for _ in range(length):
        maker.add()
    maker.finish()
    delays = (0, 0, 1, 3, 30, 200, 3 * DAY)
    echoes = tuple(chance.choice(delays) for _ in range(5))
    return History(seed, tuple(maker.steps), echoes, chance.random() < 0.2)


class _Maker:
    """Adds steps that may follow."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.world = chance, World()
        self.steps: list[Step] = []
        self.forced: list[Step] = []

    def add(self) -> None:
        """One more step, where one of a few tries may follow."""
        kinds: list[Callable[[], Step | None]] = [self._sale] * 3
        kinds += [self._ask] * 4
        kinds += [self._refund_outside] * 3
        kinds += [self._refund_fails, self._cancel_sale, self._tag, self._tag, self._gift]
        kinds += [self._dispute, self._dispute, self._subscription, self._subscription]
        kinds += [self._cancel_subscription, self._settle, self._settle, self._bank_takes_back]
        for _ in range(8):
            step = self._sale() if not self.steps else self.chance.choice(kinds)()
            if step is not None and self._take(step):
                return

    def finish(self) -> None:
        """Settle what is pending, so that every history ends."""
        while (step := self._settle()) is not None:
            self._take(step)

    def _take(self, step: Step) -> bool:
        full = {"wait": self._wait(), **step, "id": f"{step['do']}-{len(self.steps) + 1}"}
        if any(a["state"] == "pending" for a in self.world.asks.values()):
            full["wait"] = min(full["wait"], 90)  # a pending refund is asked for every hour
        if not self.world.may(full):
            return False
        self.world.do(full)
        self.steps.append(full)
        return True

    def _wait(self) -> int:
        """Never less than half an hour: what happens within one is the race harness's."""
        return self.chance.choice((30, 45, 61, 90, 200, 400, DAY, DAY + 7, 2 * DAY, 4 * DAY))

    def _heard(self, *kinds: str) -> Json:
        return {kind: self._delays() for kind in kinds}

    def _delays(self) -> list[int]:
        chance = self.chance
        delay = chance.choice
        if chance.random() < 0.08:
            return []
        first = delay((0, 0, 0, 1, 5, 31, 100, 700, DAY, 3 * DAY, 9 * DAY, 30 * DAY))
        delays = [first]
        while chance.random() < 0.25:
            delays.append(first + delay((0, 1, 60, 2 * DAY)))
        return delays

    def _order(self) -> str | None:
        orders = sorted(self.world.orders)
        return self.chance.choice(orders) if orders else None

    def _sale(self) -> Step:
        chance = self.chance
        kind = chance.choice(KINDS)
        prices = [chance.choice(PRICES) for _ in range(2 if chance.random() < 0.3 else 1)]
        lines = [{"pays": price, "gives": self._things()} for price in prices]
        total = sum(prices)
        is_split = kind == "shop" and chance.random() < 0.25
        first = chance.choice((500, total // 2)) if is_split else total
        renewed = sorted(self.world.subscriptions)
        sub = None
        if kind == "shop" and chance.random() < 0.4:
            sub = chance.choice([*renewed, f"s{len(renewed) + 1}"])
        mine = [o["who"] for o in self.world.orders.values() if o["sub"] == sub]
        return {
            "do": "sale",
            "who": mine[0] if sub and mine else chance.choice((0, 0, 1)),
            "order": f"o{len(self.world.orders) + 1}",
            "kind": kind,
            "lines": lines,
            "payments": [first, total - first] if is_split else [total],
            "sub": sub,
            "heard": self._heard("sale", "tag"),
        }

    def _things(self) -> list[str]:
        return sorted(self.chance.sample(THINGS, self.chance.choice((1, 1, 2, 2, 3))))

    def _ask(self) -> Step | None:
        order = self._order()
        if order is None:
            return None
        chance = self.chance
        known = self.world.orders[order]
        what = chance.choice(("all", "all", "line", "part"))
        mood = chance.choice((*MOODS, "pending", "pending"))
        if known["kind"] == "hand" or (len(known["payments"]) > 1 and mood in ("no", "pending")):
            mood = "plain"
        return {
            "do": "ask",
            "ask": f"a{len(self.world.asks) + 1}",
            "order": order,
            "what": what,
            "line": chance.randrange(len(known["lines"])),
            "minor": chance.choice((300, 500, 950)),
            "mood": mood,
            "named": chance.random() < 0.7,
            "heard": {"echo": chance.choice((["during"], self._delays(), self._delays()))},
        }

    def _settle(self) -> Step | None:
        for name, ask in sorted(self.world.asks.items()):
            if ask["state"] == "pending":
                return {
                    "do": "bank_settles",
                    "ask": name,
                    "state": self.chance.choice(("succeeded", "succeeded", "failed")),
                    "wait": 61,
                    "heard": self._heard("echo"),
                }
            if ask["state"] == "manual":
                return {"do": "done_by_hand", "ask": name, "heard": self._heard("store")}
        return None

    def _bank_takes_back(self) -> Step | None:
        done = [n for n, ask in sorted(self.world.asks.items()) if ask["state"] == "succeeded"]
        if not done:
            return None
        ask = self.chance.choice(done)
        return {"do": "bank_takes_back", "ask": ask, "heard": self._heard("echo")}

    def _refund_outside(self) -> Step | None:
        order = self._order()
        if order is None:
            return None
        known = self.world.orders[order]
        payment = self.chance.randrange(len(known["payments"]))
        whole = known["payments"][payment]
        back = sum(b["minor"] for b in known["back"].values() if b["payment"] == payment)
        minor = self.chance.choice((whole - back, whole - back, whole // 3, 100))
        return {
            "do": "refund_outside",
            "refund": f"r{len(self.steps)}",
            "order": order,
            "payment": payment,
            "minor": minor,
            "heard": self._heard("pending", "bank"),
        }

    def _refund_fails(self) -> Step | None:
        refunds = [n for n, r in sorted(self.world.refunds.items()) if r["state"] == "succeeded"]
        if not refunds:
            return None
        refund = self.chance.choice(refunds)
        return {"do": "refund_fails", "refund": refund, "heard": self._heard("bank")}

    def _cancel_sale(self) -> Step | None:
        order = self._order()
        if order is None or self.world.orders[order]["kind"] == "hand":
            return None
        both = self.world.orders[order]["kind"] == "joined"
        return {
            "do": "cancel_sale",
            "refund": f"x{len(self.steps)}",
            "order": order,
            "takes": self.chance.random() < 0.5,
            "heard": self._heard("store", "bank") if both else self._heard("store"),
        }

    def _dispute(self) -> Step | None:
        still_open = [n for n, d in sorted(self.world.disputes.items()) if d["state"] == "open"]
        heard = self._heard("bank")
        if still_open and self.chance.random() < 0.7:
            state = self.chance.choice(("won", "lost"))
            return {"do": "dispute", "dispute": still_open[0], "state": state, "heard": heard}
        order = self._order()
        if order is None:
            return None
        name = f"d{len(self.steps)}"
        return {"do": "dispute", "dispute": name, "order": order, "state": "open", "heard": heard}

    def _subscription(self) -> Step | None:
        subs = sorted(self.world.subscriptions)
        if not subs:
            return None
        until = self.chance.choice((None, None, 0, 10 * DAY, 20 * DAY))
        sub = self.chance.choice(subs)
        return {"do": "subscription", "sub": sub, "until": until, "heard": self._heard("gateway")}

    def _cancel_subscription(self) -> Step | None:
        order = self._order()
        if order is None:
            return None
        until = self.chance.choice((1, 5 * DAY, 15 * DAY))
        heard = self._heard("store")
        return {"do": "cancel_subscription", "order": order, "until": until, "heard": heard}

    def _tag(self) -> Step:
        return {
            "do": "tag",
            "who": self.chance.choice((0, 0, 1)),
            "tag": self.chance.choice(("tag t1", "tag t2")),
            "added": self.chance.random() < 0.5,
            "heard": self._heard("tag"),
        }

    def _gift(self) -> Step:
        course = self.chance.choice(("course c1", "course c3", "course c4"))
        return {"do": "gift", "who": self.chance.choice((0, 1)), "course": course, "heard": {}}


# --- shrunk ---------------------------------------------------------------------------------------


def shrink(history: History, is_bad: Callable[[History], bool], most: int = 120) -> History:
    """A shorter history that is still bad: steps left out, news heard at once."""
    left = most
    is_smaller = True
    while is_smaller and left > 0:
        is_smaller = False
        for candidate in _smaller(history):
            left -= 1
            if left <= 0:
                break
            if candidate.is_possible() and is_bad(candidate):
                history, is_smaller = candidate, True
                break
    return history


def _smaller(history: History) -> list[History]:
    found = []
    for number in range(len(history.steps) - 1, -1, -1):
        rest = history.steps[:number] + history.steps[number + 1 :]
        found.append(replace(history, steps=rest))
    if history.heard_again:
        found.append(replace(history, heard_again=False))
    if history.tag_echoes != (0,):
        found.append(replace(history, tag_echoes=(0,)))
    for number, step in enumerate(history.steps):
        for kind, delays in step["heard"].items():
            for simpler in ([0], delays[:1]):
                if delays not in (simpler, []) or (delays == [] and simpler == [0]):
                    if delays == simpler:
                        continue
                    heard = {**step["heard"], kind: simpler}
                    changed: Step = {**step, "heard": heard}
                    steps = (*history.steps[:number], changed, *history.steps[number + 1 :])
                    found.append(replace(history, steps=steps))
    return found


def as_lines(history: History) -> list[str]:
    """For people."""
    lines = []
    minute = 0
    for step in history.steps:
        minute += step["wait"]
        shown: dict[str, Any] = {
            k: v for k, v in step.items() if k not in ("do", "id", "wait", "heard")
        }
        lines.append(f"{minute:>7} min  {step['id']}  {shown}  heard {step['heard']}")
    return lines
