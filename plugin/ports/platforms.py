"""How the use cases reach platforms: by connection and capability, never by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from plugin.domain.ids import TicketId
from plugin.domain.refunds import GatewayRules
from plugin.ports import Connection

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class WorksheetStep:
    """One numbered step of a refund by hand, in the platform's own words.

    `link` only on the first.
    """

    text: str
    hint: str = ""
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How often an account may be called: `requests` in `per_seconds`, `burst` of them at once."""

    requests: int
    per_seconds: int
    burst: int


class Platforms(Protocol):
    """Adapters and what their manifests declare."""

    def able(self, connection: Connection, port: type[P]) -> P | None:
        """The adapter as `port`, or None when the manifest does not declare the ability."""

    def can(self, connection: Connection, capability: str) -> bool:
        """Whether the manifest declares this capability as ours to do by program."""

    def title(self, connection: Connection) -> str:
        """The platform's name as people write it."""

    def gateway_rules(self, connection: Connection) -> GatewayRules: ...
    def pace(self, connection: Connection) -> Pace | None:
        """How often the account may be called; None for a platform that is never called."""

    def signing_secrets(self, connection: Connection) -> Sequence[str]:
        """What proves the account's deliveries; empty where none can be proven."""

    def worksheet(self, connection: Connection) -> Sequence[WorksheetStep]: ...
    def ticket_link(self, connection: Connection, ticket: TicketId) -> str | None:
        """The page of a desk's ticket; None where its address cannot be told."""


class Gather(Protocol):
    """Calls several outside reads side by side."""

    def __call__(self, calls: Sequence[Callable[[], R]]) -> Sequence[R | Exception]:
        """Each call's answer in order, or the exception it raised. Never raises itself."""
