"""Every series of `/metrics`, declared once: the counters are built from it, and so is its page.

Labels are words of ours from closed lists: platforms, states, routes, names of calls. Never the id
of a tenant, an address, or what somebody typed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What Prometheus takes it for."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0)
CALLS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
WORK: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
LAGS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 86400.0)
REFUNDS: Final = (5.0, 10.0, 11.0, 12.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 86400.0, 604800.0)


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its name as it is scraped, its labels, and what it means."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    text: str
    buckets: tuple[float, ...] = ()


COUNTED: Final = (
    Series(
        "makegood_deliveries_total",
        Kind.COUNTER,
        ("platform", "outcome"),
        "Webhooks that came: taken, duplicate (known by name, stored once), refused (not rightly "
        "signed), unusable, not_here, not_now (asked to come again), broken.",
    ),
    Series(
        "makegood_intake_seconds",
        Kind.HISTOGRAM,
        (),
        "From a webhook's arrival to its answer, where it was taken: with the commit.",
        FAST,
    ),
    Series(
        "makegood_deliveries_settled_total",
        Kind.COUNTER,
        ("state",),
        "Deliveries by the state that the worker brought them to. Each try that ends in `waiting` "
        "counts.",
    ),
    Series(
        "makegood_delivery_lag_seconds",
        Kind.HISTOGRAM,
        (),
        "From a delivery's arrival to the end of it: applied, ignored, or kept for a person.",
        LAGS,
    ),
    Series(
        "makegood_refund_moves_total",
        Kind.COUNTER,
        ("state",),
        "Refunds by the state that they went to.",
    ),
    Series(
        "makegood_refund_seconds",
        Kind.HISTOGRAM,
        (),
        "From the decision to the money being on its way back. Ten seconds of it are the undo.",
        REFUNDS,
    ),
    Series(
        "makegood_effect_attempts_total",
        Kind.COUNTER,
        ("kind",),
        "Tries at an effect: a change at a store, a note, a mail.",
    ),
    Series(
        "makegood_effects_total",
        Kind.COUNTER,
        ("kind", "outcome"),
        "How tries and effects ended: done, already, waiting (tried again), needs_person, unknown.",
    ),
    Series(
        "makegood_calls_total",
        Kind.COUNTER,
        ("platform", "label", "outcome"),
        "Calls to platforms and to the mail server. The outcome is the HTTP status, or our word "
        "for how it broke.",
    ),
    Series(
        "makegood_call_seconds",
        Kind.HISTOGRAM,
        ("platform", "label"),
        "How long those calls took.",
        CALLS,
    ),
    Series(
        "makegood_calls_put_off_total",
        Kind.COUNTER,
        ("platform", "reason"),
        "Calls not made: the account's budget is spent, or the account rests after failures.",
    ),
    Series(
        "makegood_work_total",
        Kind.COUNTER,
        ("kind", "outcome"),
        "Rows that the worker took up, and whether that ended well (`done`) or in an error.",
    ),
    Series(
        "makegood_work_seconds",
        Kind.HISTOGRAM,
        ("kind",),
        "How long the worker had a row in hand.",
        WORK,
    ),
    Series(
        "makegood_requests_total",
        Kind.COUNTER,
        ("route", "method", "status"),
        "Answers of panel, install and admin pages. Webhooks are counted as deliveries.",
    ),
    Series(
        "makegood_request_seconds",
        Kind.HISTOGRAM,
        ("route",),
        "How long those answers took.",
        FAST,
    ),
)
"""Counted where it happens, by each process; all processes of one `makegood serve` are added up."""

LOOKED_UP: Final = (
    Series(
        "makegood_database_up",
        Kind.GAUGE,
        (),
        "1 while the database answers. At 0 all that is looked up in it is missing.",
    ),
    Series("makegood_database_bytes", Kind.GAUGE, (), "How large the database is."),
    Series(
        "makegood_backlog_due",
        Kind.GAUGE,
        ("kind",),
        "Rows whose time has come and that nobody has finished yet.",
    ),
    Series(
        "makegood_backlog_oldest_seconds",
        Kind.GAUGE,
        ("kind",),
        "How long the oldest of them has been due; 0 when none is.",
    ),
    Series(
        "makegood_backlog_waiting",
        Kind.GAUGE,
        ("kind",),
        "Rows whose time is yet to come: the next try, the next look, the end of a paid period.",
    ),
    Series(
        "makegood_refunds",
        Kind.GAUGE,
        ("state",),
        "Refunds that are not over, by state.",
    ),
    Series(
        "makegood_refunds_oldest_seconds",
        Kind.GAUGE,
        ("state",),
        "How long ago the oldest of them was to be sent.",
    ),
    Series(
        "makegood_dead_letters",
        Kind.GAUGE,
        ("kind",),
        "What waits for a person: deliveries that could not be applied, effects and refunds that "
        "nobody but a person can end.",
    ),
    Series(
        "makegood_drifts_open",
        Kind.GAUGE,
        (),
        "Differences to a store or gateway that reconciliation found and nobody has closed.",
    ),
    Series("makegood_workers_alive", Kind.GAUGE, (), "Workers that said so a moment ago."),
    Series(
        "makegood_breakers_open",
        Kind.GAUGE,
        ("platform",),
        "Accounts that rest, because their platform failed again and again.",
    ),
    Series(
        "makegood_tenants_held",
        Kind.GAUGE,
        (),
        "Tenants for whom nothing is sent, since a copy was restored.",
    ),
)
"""Read from the database at each scrape; on every machine the same. Practice is left out."""

PROCESS: Final = (
    Series(
        "process_cpu_seconds_total",
        Kind.COUNTER,
        ("role", "pid"),
        "CPU time, of each process that lives.",
    ),
    Series("process_resident_memory_bytes", Kind.GAUGE, ("role", "pid"), "Memory in RAM."),
    Series("process_virtual_memory_bytes", Kind.GAUGE, ("role", "pid"), "Address space."),
    Series("process_start_time_seconds", Kind.GAUGE, ("role", "pid"), "When it was started."),
    Series("process_open_fds", Kind.GAUGE, ("role", "pid"), "Open files and sockets."),
    Series("process_max_fds", Kind.GAUGE, ("role", "pid"), "How many it may open."),
)
"""As the library reads them from the system. Linux only."""

SERIES: Final = (*COUNTED, *LOOKED_UP, *PROCESS)


def series_table() -> str:
    """All series for the docs, as Markdown."""
    rows = [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} "
        f"| {one.text} |"
        for one in SERIES
    ]
    return "\n".join(("| series | kind | labels | what it is |", "|---|---|---|---|", *rows))
