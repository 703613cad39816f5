"""Ask several outside places side by side, and tell a silent place from a bug of ours.

Knows no place and keeps nothing: what silence means, whoever asks decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from plugin.domain.errors import MakegoodError
from plugin.ports.platforms import Gather

R = TypeVar("R")


def ask_all(gather: Gather, calls: Sequence[Callable[[], R]]) -> list[R | None]:
    """Each call's answer in order, None where the place gave none.

    Raises what is not a MakegoodError: a bug must not pass for a place that is silent.
    """
    answers: list[R | None] = []
    for answer in gather(calls):
        if not isinstance(answer, Exception):
            answers.append(answer)
        elif isinstance(answer, MakegoodError):
            answers.append(None)
        else:
            raise answer
    return answers
