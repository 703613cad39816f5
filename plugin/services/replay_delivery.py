"""Put a delivery back in line. What it did is known by its facts and is not done again."""

from __future__ import annotations

from dataclasses import dataclass

from plugin.domain.ids import DeliveryId, TenantId
from plugin.ports import Clock
from plugin.ports.records import DeliveryState
from plugin.ports.storage import Storage
from plugin.services.replaying import NotReplayable, Replay, Replayed, WhyNot


@dataclass(frozen=True, slots=True)
class ReplayDelivery:
    """The use case, with its ports."""

    storage: Storage
    clock: Clock

    def __call__(self, tenant: TenantId, delivery: DeliveryId, by: str) -> Replay:
        """Have the delivery read again, `by` whom goes into the audit trail.

        One that waits for later is read now; one whose turn has come is left as it is.
        """
        now = self.clock.now()
        with self.storage.begin(tenant) as uow:
            stored = uow.deliveries.get(delivery)
            if stored is None:
                return NotReplayable(WhyNot.NOT_THERE)
            if stored.wake_at is not None and stored.wake_at <= now:
                return NotReplayable(WhyNot.IN_LINE)
            if stored.is_closed:
                return NotReplayable(WhyNot.CLOSED_BEFORE)
            uow.deliveries.settle(
                delivery,
                DeliveryState.RECEIVED,
                reason="replayed",
                topic=stored.topic,
                wake_at=now,
            )
            uow.audit.write(now, by, "delivery.replayed", delivery, {"was": stored.state})
            uow.commit()
        return Replayed()
