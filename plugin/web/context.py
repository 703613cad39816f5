"""What every view is given: the ports, built once in `plugin.app`. Holds no request state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from plugin.platforms.registry import Registry
from plugin.ports import Clock, Mint
from plugin.ports.platforms import Gather, Platforms
from plugin.ports.storage import Storage
from plugin.settings import Settings


def _nothing() -> None:
    """Nothing is missing."""


@dataclass(frozen=True, slots=True)
class WebContext:
    """The web process's collaborators. `signing_keys` sign sessions and links, newest first.

    `missing` says in one word why this process cannot serve right now; `scrape` gives the metrics.
    """

    settings: Settings
    storage: Storage
    platforms: Platforms
    registry: Registry
    gather: Gather
    clock: Clock
    mint: Mint
    assets: Mapping[str, str]
    signing_keys: tuple[str, ...] = field(repr=False)
    missing: Callable[[], str | None] = _nothing
    scrape: Callable[[], bytes] | None = None
