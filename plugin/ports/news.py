"""What a platform still tells of its past: the way to news that no webhook brought. Protocols only.

An adapter reads them; `plugin.services.sweep_account` puts those that are missing into the inbox.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class News:
    """One delivery as its platform keeps it.

    `name` is what the webhook's delivery of the same news is called: by it we know that it came.
    `body` is what the platform's parser reads, as if it had been sent.
    """

    name: str
    topic: str
    at: datetime
    body: bytes = field(repr=False)


@runtime_checkable
class TellsNews(Protocol):
    """Capability `news`: the platform lists what it told, for a while at least."""

    def kept_since(self, now: datetime) -> datetime:
        """From when on the platform lists all that it tells. Older news may be told in part."""

    def read_news(self, since: datetime, until: datetime) -> Iterator[Sequence[News]]:
        """All of that time, page by page, in any order, each call made when its page is asked for.

        The bounds may be wider by a little, never narrower. Raises RetryLater or Refused, and what
        was given out before stands.
        """
