"""What the lines of a self-test say: which one is next, how a connection stands, what to do.

Pure: reads rows, makes new ones, calls nobody and stores nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from plugin.domain.errors import InvalidInput, MakegoodError, NeedsHuman, OutcomeUnknown, RetryLater
from plugin.ports.records import Installation, InstallationStatus, SelfTestLine
from plugin.services.key_replacement import KEY_WORKS, offers

WAITING, OK, FAILED, SKIPPED = "waiting", "ok", "failed", "skipped"
DELIVERY = "delivery_received"
WEBHOOK = "webhook_registered"
RIGHTS = "rights_are_enough"
TURN = "Waits for its turn"
"""How the details of a line begin that is to be tried again at its time."""

_CLAIM = timedelta(seconds=90)
_LONGEST_DETAILS = 500
_MAY_LAG = (DELIVERY, "canary")


@dataclass(frozen=True, slots=True)
class LineResult:
    """How one line went. `settings` and `secrets` are new values to keep with the installation."""

    state: str
    details: str
    label: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] | None = field(default=None, repr=False)
    at: datetime | None = None

    def line(self, claim: SelfTestLine, now: datetime) -> SelfTestLine:
        """The line to keep. `claim` is what it was while it was done; its calls ended `now`."""
        begun = claim.at or now
        at = self.at or (begun if claim.name == DELIVERY else now)
        took = None if self.state == WAITING else round((now - begun).total_seconds() * 1000)
        return SelfTestLine(claim.name, self.state, self.details[:_LONGEST_DETAILS], at, took)


def status_of(lines: tuple[SelfTestLine, ...]) -> InstallationStatus:
    """What the lines say together. A first delivery and the round trip may come after it works."""
    if any(line.state == FAILED for line in lines):
        return InstallationStatus.NEEDS_ATTENTION
    if any(line.state == WAITING for line in lines if line.name not in _MAY_LAG):
        return InstallationStatus.CONNECTING
    return InstallationStatus.CONNECTED


def is_under_way(installation: Installation) -> bool:
    """Whether a line is due, postponed or being done: whoever looks should look again soon."""
    lines = _lines_at_work(installation)
    return not any(line.state == FAILED for line in lines) and any(
        line.state == WAITING and not is_provoked(line) for line in lines
    )


def advice_for(error: MakegoodError, title: str, again: str = "test again") -> str:
    """What went wrong outside, and what to do. `again` is how it is repeated.

    Codes and words of ours only, never an answer's text.
    """
    if isinstance(error, InvalidInput):
        return f"{error.field}: {error.advice}"
    if isinstance(error, NeedsHuman):
        return f"{error.detail or error.code}. Look at it at {title}, then {again}"
    if isinstance(error, RetryLater):
        return f"{title} did not answer ({error.code}). Nothing was changed; {again} in a minute"
    if isinstance(error, OutcomeUnknown):
        return (
            f"{title} went quiet ({error.code}); it may or may not be done. "
            f"{again.capitalize()}: what is ours is replaced, never doubled"
        )
    return f"{title} refused: {error.detail or error.code}. Mend it there, then {again}"


def next_line(installation: Installation, now: datetime) -> SelfTestLine | None:
    """The line to do now, if one is due."""
    for line in _lines_at_work(installation):
        if line.state == FAILED:
            return None
        if line.state == WAITING and not is_provoked(line):
            return line if _is_due(line, now) else None
    return None


def _lines_at_work(installation: Installation) -> tuple[SelfTestLine, ...]:
    """While a new key waits to be tried, the line that tries it: the others are the old key's."""
    if not offers(installation.connection):
        return installation.self_test
    return tuple(line for line in installation.self_test if line.name == KEY_WORKS)


def is_provoked(line: SelfTestLine) -> bool:
    """Whether we did our part of a line that the platform must finish."""
    return line.name == DELIVERY and line.details != "" and not line.details.startswith(TURN)


def _is_due(line: SelfTestLine, now: datetime) -> bool:
    """Not when its turn comes later, and not while somebody is at it.

    A claim that is old was left behind by a process that ended.
    """
    if line.at is None:
        return True
    return now >= (line.at if line.details else line.at + _CLAIM)


def turn_comes_in(installation: Installation, now: datetime) -> float | None:
    """Seconds until a postponed line may be tried."""
    for line in _lines_at_work(installation):
        if line.state == WAITING and line.at is not None and line.details.startswith(TURN):
            return max(0.0, (line.at - now).total_seconds())
    return None


def with_line(installation: Installation, line: SelfTestLine) -> tuple[SelfTestLine, ...]:
    """The installation's lines, this one in place of the one of its name."""
    return tuple(line if one.name == line.name else one for one in installation.self_test)
