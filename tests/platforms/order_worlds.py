"""What the worlds of the contracts on orders share: what a manifest and its parser say, and faults.

The books and the fake are each store's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from plugin.domain.events import StoreEvent
from plugin.domain.ids import InstallationId
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.platforms.strict_json import read_json
from plugin.platforms.webhook_declaration import Webhooks
from plugin.ports import Kind
from plugin.ports.news import News
from tests.contracts.asking import Trouble
from webhooks.delivery import Delivery

_REGISTRY = Registry([DataFiles().manifests()])


class Declared:
    """Half of a `TellingWorld`: the store of the manifest `stem`."""

    stem: ClassVar[str]
    installation: ClassVar = InstallationId("inst-1")

    @property
    def now(self) -> datetime:
        raise NotImplementedError

    @property
    def webhooks(self) -> Webhooks:
        declared = _REGISTRY.manifest(Kind.STORE, self.stem).webhooks
        assert declared is not None
        return declared

    def meaning(self, news: News) -> Sequence[StoreEvent]:
        parse = _REGISTRY.parser(Kind.STORE, self.stem)
        found: Sequence[StoreEvent] = parse(
            Delivery(news.body, {}, self.now), self.installation, read_json(news.body)
        )
        return found


class BehindANetwork:
    """The `trouble` of a world whose fake has a word for each fault, and `fine` for none."""

    faults: ClassVar[Mapping[Trouble, str]]
    retry_after: int = 7

    def fail(self, kind: str) -> None:
        """Let the fake's next call meet it, behind those that were said before."""
        raise NotImplementedError

    def trouble(self, trouble: Trouble, *, after: int) -> None:
        for kind in [*["fine"] * after, self.faults[trouble]]:
            self.fail(kind)
