"""What the harness asks of one account of a store that lists its orders, whichever store it is.

The books behind it are those of the store's own fake, and change as its pages change them: nobody
is told. Names are those by which our adapter knows a thing.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import ClassVar

from plugin.domain.access_map import AccessMap
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Resource, ResourceKind

PAID = 4900
LONG_AGO = timedelta(days=5)
"""Longer than a sweep reads back: what was then is known, and is no news."""


class StoreAccount(ABC):
    """One account. It sells two things; each opens a membership and, where there are tags, one."""

    platform: ClassVar[str]
    products: ClassVar[tuple[str, str]]
    members: ClassVar[tuple[str, str]]
    tags: ClassVar[tuple[str, str] | None] = None

    def __init__(self, name: InstallationId, clock: Callable[[], datetime]) -> None:
        self.name = name
        self.ago = LONG_AGO
        self._clock = clock

    @property
    def now(self) -> datetime:
        """When what is done now is done: long ago, until the harness begins."""
        return self._clock() - self.ago

    def begin(self) -> None:
        """From now on all is done when it is done."""
        self.ago = timedelta()

    def gives(self, which: int) -> tuple[Resource, ...]:
        """What product `which` opens."""
        member = Resource(self.name, ResourceKind.MEMBERSHIP, self.members[which])
        if self.tags is None:
            return (member,)
        return (member, Resource(self.name, ResourceKind.TAG, self.tags[which]))

    @property
    def access_map(self) -> AccessMap:
        sold = enumerate(self.products)
        return AccessMap({(self.name, product): self.gives(which) for which, product in sold})

    @property
    @abstractmethod
    def place(self) -> str: ...

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, str]: ...

    @property
    @abstractmethod
    def secrets(self) -> Mapping[str, str]: ...

    @abstractmethod
    def running(self) -> AbstractContextManager[object]:
        """It answers until the end of the block."""

    @abstractmethod
    def stumble(self, chance: random.Random) -> None:
        """Let the next list of orders not come, or come in part."""

    # --- what happens there -----------------------------------------------------------------------

    @abstractmethod
    def add_customer(self, email: str) -> str: ...

    @abstractmethod
    def sell(self, email: str, customer: str, which: int) -> str:
        """An order of one product, paid."""

    @abstractmethod
    def hold(self, customer: str, resource: Resource, *, held: bool) -> None:
        """Somebody gives it, or takes it away, by hand."""

    @abstractmethod
    def pay_back(self, order: str, minor: int) -> str:
        """Somebody refunds a part of it in the store's own pages."""

    @abstractmethod
    def cancel(self, order: str, minor: int) -> str:
        """Somebody cancels it and gives the rest, `minor`, back."""

    @abstractmethod
    def went_back(self, order: str) -> int:
        """How much of it its customer has back."""

    @abstractmethod
    def webhook(self, order: str, refund: str, minor: int) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of what the store sends of this refund."""
