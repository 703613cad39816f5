"""What connecting a platform needs to know of its manifest, without knowing manifests.

Protocols only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from plugin.ports import Connection


@dataclass(frozen=True, slots=True)
class DeclaredLine:
    """One line of a platform's self-test: which check, and the platform's own sentence on it."""

    check: str
    sentence: str


@dataclass(frozen=True, slots=True)
class FilledForm:
    """An install form, checked. `account` are the values that say which account it is.

    `places` are the `host:port` that calls would go to; empty for a platform that is never called.
    """

    title: str
    simulated: bool
    settings: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    account: Mapping[str, str]
    places: frozenset[str]


class Declarations(Protocol):
    """What manifests declare about connecting."""

    def read_form(self, kind: str, platform: str, typed: Mapping[str, str]) -> FilledForm:
        """The form's values, checked. Raises InvalidInput naming the field and what to give.

        `base_url` may be typed as well: an address for development, in place of the declared one.
        """

    def self_test(self, connection: Connection) -> Sequence[DeclaredLine]:
        """The lines of this platform's self-test, in order."""
