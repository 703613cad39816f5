"""The arithmetic of a circuit breaker, and the port through which calls ask whether to go out.

After some failures in a row an account rests: calls end at once, with certainly nothing sent. Then
one call at a time may try, each time after a longer rest, until the account answers. A failure is
no answer, or a server error; a no (4xx) and "too many" (429) are answers. Pure: the time is an
argument and the state a value; who stores it, and under which lock, is the storage's affair.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Protocol, assert_never

FAILURES_TO_OPEN = 5
"""So many in a row. With every tenth call failing by chance, once in 100,000 calls."""
FIRST_REST_SECONDS = 5
LONGEST_REST_SECONDS = 300
PROBE_SECONDS = 120
"""How long a probe keeps others away: longer than any call takes, in case its process died."""
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class BreakerState:
    """How an account answers. Microseconds since 1970.

    `failures` in a row; `opened_at_us` since when it rests, None while calls go out; `probe_at_us`
    when one call may try. While a probe is under way that is the moment at which it counts as lost.
    """

    failures: int = 0
    opened_at_us: int | None = None
    probe_at_us: int = 0


@dataclass(frozen=True, slots=True)
class Admission:
    """The call may go out. `failures` stood before it; `probe_until_us` only where it is a probe.

    Whoever holds it tells what came of the call.
    """

    failures: int = 0
    probe_until_us: int | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing may go out for so long."""

    seconds: float


class Outcome(Enum):
    """What came of a call that was admitted."""

    ANSWERED = auto()
    FAILED = auto()
    NOT_MADE = auto()


class Breaker(Protocol):
    """The breaker of one platform account, shared by all processes that call for it.

    Never raises: what it cannot know must not keep a call from going out, and what it cannot write
    must not change what a call has brought.
    """

    def ask(self) -> Admission | Rest: ...
    def tell(self, admission: Admission, outcome: Outcome) -> None: ...


def rest_seconds(failures: int) -> int:
    """How long the account rests after so many failures in a row: doubled each time, capped."""
    doublings = min(failures - FAILURES_TO_OPEN, 16)
    return min(FIRST_REST_SECONDS << max(doublings, 0), LONGEST_REST_SECONDS)


def ask(state: BreakerState, now_us: int) -> tuple[BreakerState, Admission | Rest]:
    """Whether a call may go out, and the state after asking.

    When the clock was set back, nobody waits longer than the longest rest.
    """
    if state.opened_at_us is None:
        return state, Admission(state.failures)
    probe_at_us = min(state.probe_at_us, now_us + LONGEST_REST_SECONDS * _MICROSECONDS)
    if probe_at_us > now_us:
        rest = Rest((probe_at_us - now_us) / _MICROSECONDS)
        return replace(state, probe_at_us=probe_at_us), rest
    until_us = now_us + PROBE_SECONDS * _MICROSECONDS
    return replace(state, probe_at_us=until_us), Admission(state.failures, until_us)


def tell(state: BreakerState, admission: Admission, outcome: Outcome, now_us: int) -> BreakerState:
    """The state after a call. An answer closes it, whoever's it is: the account is there."""
    is_open = state.opened_at_us is not None
    is_its_probe = is_open and admission.probe_until_us == state.probe_at_us
    match outcome:
        case Outcome.ANSWERED:
            return BreakerState()
        case Outcome.NOT_MADE:
            return replace(state, probe_at_us=now_us) if is_its_probe else state
        case Outcome.FAILED if is_open and not is_its_probe:
            return state  # it went out before, and says nothing new
        case Outcome.FAILED:
            failures = state.failures + 1
            if failures < FAILURES_TO_OPEN:
                return replace(state, failures=failures)
            return BreakerState(
                failures,
                now_us if state.opened_at_us is None else state.opened_at_us,
                now_us + rest_seconds(failures) * _MICROSECONDS,
            )
        case _:
            assert_never(outcome)
