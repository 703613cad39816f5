"""Runs a history twice and compares: with itself heard in order, and with the naive model."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from tests.histories.drive import Outcome, drive
from tests.histories.history import History
from tests.histories.model import Json
from tests.histories.template import Template

COUNTS = (
    "differences",
    "order_differences",
    "money_over",
    "effects_twice",
    "stuck",
    "false_drifts",
)


@dataclass(slots=True)
class Verdict:
    """What was found, as sentences by the name of their count; nothing is good."""

    steps: int = 0
    found: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in COUNTS})
    end: Json = field(default_factory=dict)

    @property
    def is_bad(self) -> bool:
        return any(self.found.values())

    def lines(self) -> list[str]:
        return [f"{name}: {what}" for name, found in self.found.items() for what in found]


def judge(template: Template, history: History) -> Verdict:
    """Both runs, against each other and against the model."""
    verdict = Verdict()
    in_order = _run(template, history.in_order(), verdict, "in order")
    as_heard = _run(template, history, verdict, "as heard")
    world = history.world()
    wanted = world.end()
    verdict.end = as_heard
    verdict.found["differences"] += _compare(wanted, in_order, "in order")
    late = _leave_out(wanted, as_heard, world.may_stay_untold())
    verdict.found["order_differences"] += _compare(late, as_heard, "as heard")
    return verdict


def _run(template: Template, history: History, verdict: Verdict, how: str) -> Json:
    outcome: Outcome = drive(template, history)
    verdict.steps += outcome.steps
    for name, faults in outcome.faults.items():
        verdict.found[name] += [f"{how}: {fault}" for fault in faults]
    return outcome.end


def _leave_out(wanted: Json, seen: Json, may_stay_untold: list[str]) -> Json:
    """News that were overtaken need not be told any more; told or not, both is right."""
    notices = {
        step: counts
        for step, counts in wanted["notices"].items()
        if step not in may_stay_untold or step in seen["notices"]
    }
    return {**wanted, "notices": notices}


def _compare(wanted: Json, seen: Json, how: str) -> list[str]:
    return [
        f"{how}: {part} {name} is {json.dumps(seen[part].get(name))}, "
        f"not {json.dumps(wanted[part].get(name))}"
        for part in wanted
        for name in sorted({*wanted[part], *seen[part]})
        if wanted[part].get(name) != seen[part].get(name)
    ]
