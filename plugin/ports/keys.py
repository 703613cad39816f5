"""Keys that end by themselves: renewed before their end, by one process at a time. Protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from plugin.ports import Connection

Secrets = Mapping[str, str]


class KeyShelf(Protocol):
    """Where the keys of all connections stand, for all processes."""

    def renewed(
        self,
        connection: Connection,
        is_due: Callable[[Secrets], bool],
        renew: Callable[[Secrets], Secrets],
    ) -> Secrets | None:
        """The connection's secrets as they stand, after `renew` where `is_due` says so of them.

        Of several that find them due, one renews; the others get None at once. What `renew` gives
        is kept before this returns. Raises what `renew` raises; a Refused is shown to the admin.
        """


@runtime_checkable
class RenewsKeys(Protocol):
    """An adapter whose keys end: it is given the shelf before its first call."""

    def use_shelf(self, shelf: KeyShelf) -> None: ...
