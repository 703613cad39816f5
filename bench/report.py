"""The kept figures beside what was aimed at, as the Markdown table of docs/performance.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.results import FILE, Figure

MISSING: Final = "not measured"
_QUIET_LOAD: Final = 2.5
"""More than this before a part began, and others were at work on the same two cores."""


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure and what it shall be: at least, or at most."""

    key: str
    words: str
    part: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def told(self) -> str:
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return "" if self.at_most is None else f"at most {self.at_most:g}"

    def is_met(self, figure: Figure) -> bool:
        if not isinstance(figure, int | float):
            return False
        if self.at_least is not None:
            return figure >= self.at_least
        return self.at_most is None or figure <= self.at_most


AIMS: Final = (
    Aim("intake_vs_bare", "durable accepts, against a bare Flask app", "intake", at_least=0.7),
    Aim("intake_cpu_us", "server CPU for each accept, µs", "intake", at_most=420),
    Aim("bare_cpu_us", "the bare app's, µs", "intake"),
    Aim("intake_p99_vs_bare", "p99, against the bare app's", "intake", at_most=2),
    Aim("vs_djstripe_best", "accepts, against dj-stripe, both at their best", "djstripe", 14),
    Aim("vs_djstripe_gunicorn", "accepts, against dj-stripe, both on gunicorn", "djstripe", 5),
    Aim("pg_vs_bare", "accepts on PostgreSQL, against a bare app", "postgres", at_least=0.7),
    Aim("rule_runs_per_s", "three-effect rule runs a second", "rules", at_least=60),
    Aim("rule_cpu_ms", "worker CPU for each rule run, ms", "rules", at_most=14),
    Aim("bare_rule_runs_per_s", "the same of bare DBOS, runs a second", "rules"),
    Aim("bare_rule_cpu_ms", "the same of bare DBOS, CPU, ms", "rules"),
    Aim("pg_second_worker_x", "a second worker, beside a 200 ms store", "workers", at_least=1.7),
    Aim("pg_second_worker_cpu_x", "a second worker, CPU the limit", "workers", at_least=1.2),
    Aim("pg_second_worker_several_x", "the same of eight businesses, 200 ms store", "workers"),
    Aim("pg_second_worker_several_cpu_x", "the same, CPU the limit", "workers"),
    Aim("event_to_effect_p95_s", "store event to last effect, p95, s", "events", at_most=2),
    Aim("plan_p95_ms", "plan over three stores at 200 ms, p95, ms", "plan", at_most=350),
    Aim("plan_cpu_ms", "web CPU for each plan, ms", "plan", at_most=40),
    Aim("growth_panel", "panel opening at 1,000,000 orders, times", "growth", at_most=1.5),
    Aim("growth_plan", "plan at 1,000,000 orders, times", "growth", at_most=1.5),
    Aim("growth_apply", "applying an event at 1,000,000 orders, times", "growth", at_most=1.5),
    Aim("growth_health", "health page at 1,000,000 orders, times", "growth", at_most=1.5),
    Aim("import_cpu_s", "`import plugin.app`, CPU s", "start", at_most=0.45),
    Aim("ready_s", "`makegood serve` until it answers, s", "start", at_most=4),
    Aim("memory_mb", "memory of all its processes, MB", "start", at_most=350),
    Aim("idle_cpu_pct", "idle, per cent of a core", "start", at_most=8),
)
"""As the project set them before it measured; none was changed since."""


def report(file: Path = FILE) -> str:
    """The table, with the machine above it. Figures of a busy machine are marked with a star."""
    kept: dict[str, Figure] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    lines = [str(kept.get("machine", "")), "", "| what | measured | aim | |", "|---|---|---|---|"]
    lines += [_line(aim, kept) for aim in AIMS]
    lines += [
        "",
        "\\* while others were at work on the same cores: a ratio says something, a time little.",
    ]
    return "\n".join(lines)


def _line(aim: Aim, kept: dict[str, Figure]) -> str:
    figure = kept.get(aim.key)
    if figure is None:
        return f"| {aim.words} | {MISSING} | {aim.told} | |"
    loads = [kept.get(f"{aim.part}_load_{when}", 0.0) for when in ("before", "after")]
    busy = isinstance(loads[0], int | float) and loads[0] > _QUIET_LOAD
    met = "" if not aim.told else "yes" if aim.is_met(figure) else "**no**"
    return f"| {aim.words} | {figure}{'*' if busy else ''} | {aim.told} | {met} |"
