"""What is counted for whoever looks at the whole: a part of `plugin.ports.storage`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from plugin.domain.effects import EffectState
from plugin.domain.ids import InstallationId
from plugin.domain.refunds import RefundState
from plugin.ports.records import DeliveryState


class Tallies(Protocol):
    """How many there are, found by index; never more than `most` rows of a kind are looked at."""

    def refunds(self, states: Sequence[RefundState], most: int) -> Mapping[InstallationId, int]:
        """Refunds in these states by the account that pays them back, at most `most` in all."""

    def effects(self, states: Sequence[EffectState], most: int) -> int:
        """Effects in these states; at most `most`."""

    def closings(self, most: int) -> Mapping[InstallationId, int]:
        """What is to be taken away and is not yet, by connection; at most `most` in all."""

    def not_applied(self, most: int) -> Mapping[DeliveryState, int]:
        """Deliveries that were not applied, by state; at most `most` in all."""

    def deliveries(
        self, moments: Sequence[datetime], most: int
    ) -> Mapping[InstallationId, Sequence[int]]:
        """Between each two moments what each connection was delivered; each at most `most`."""

    def not_applied_between(
        self, begin: datetime, end: datetime, most: int
    ) -> Sequence[tuple[InstallationId, datetime]]:
        """When deliveries came that were not applied; at most `most`."""

    def heard(self, most: int) -> Mapping[InstallationId, Sequence[datetime]]:
        """The last `most` times that each connection was heard, newest first."""
