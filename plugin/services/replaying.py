"""What comes of putting something back in line: the outcomes that both replays share.

Closing what a person did by hand (`plugin.services.close_by_hand`) is hindered by the same things.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WhyNot(StrEnum):
    """Why something was left as it is."""

    NOT_THERE = "not_there"
    IN_LINE = "in_line"
    """It waits for its turn, or is being done. Another person may have replayed it just now."""
    DONE = "done"
    CLOSED_BEFORE = "closed_before"
    """A person has closed it as done by hand."""
    MAY_REPEAT = "may_repeat"
    """A mail that may have gone out. Nobody can know, so a person must say that it may repeat."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """It is back in line, with all its attempts before it."""


@dataclass(frozen=True, slots=True)
class NotReplayable:
    """Nothing was changed."""

    why: WhyNot


Replay = Replayed | NotReplayable
