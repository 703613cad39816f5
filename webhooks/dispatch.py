"""Make sense of a stored delivery: read it, parse it, re-read what must be re-read, and apply it.

Everything that a delivery changes is committed together with its new state. A delivery that cannot be applied
now comes back later; one that never can is kept, shown and replayable. Calls no platform but to re-read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from plugin.domain.errors import InvalidInput, MakegoodError, NeedsHuman, RetryLater
from plugin.domain.events import StoreEvent
from plugin.domain.ids import DeliveryId, TenantId
from plugin.platforms.manifest import Kind
from plugin.platforms.registry import Registry
from plugin.platforms.strict_json import Malformed, Unreadable, read_json
from plugin.ports import Clock, ConfirmsEvents, Connection
from plugin.ports.platforms import Platforms
from plugin.ports.storage import DeliveryState, Storage, StoredDelivery
from plugin.services.apply_event import (
    Application,
    Applied,
    Ignored,
    MustWait,
    NotRecognised,
    Source,
    apply_event,
)
from webhooks.delivery import Delivery

RETRIES = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 1800, 3600, 10800, 21600, 43200))


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The use case, with its ports."""

    storage: Storage
    platforms: Platforms
    registry: Registry
    clock: Clock

    def __call__(self, tenant: TenantId, delivery_id: DeliveryId) -> None:
        """Bring one delivery to its end, or say when to try again."""
        with self.storage.read(tenant) as uow:
            stored = uow.deliveries.get(delivery_id)
            if stored is None or stored.wake_at is None or stored.wake_at > self.clock.now():
                return
            installation = uow.installations.get(stored.installation)
        if installation is None:
            raise NeedsHuman("installation_gone", stored.installation)
        connection = installation.connection
        try:
            events = self._read(stored, connection)
        except (Unreadable, Malformed, InvalidInput) as error:
            self._settle(stored, DeliveryState.UNREADABLE, str(error))
            return
        except RetryLater as error:
            self._retry(stored, error.code)
            return
        except MakegoodError as error:
            self._settle(stored, DeliveryState.FAILED, error.code)
            return
        self._apply(stored, connection, events)

    def _read(self, stored: StoredDelivery, connection: Connection) -> Sequence[StoreEvent]:
        """The delivery's events, each as the store's API tells it where the manifest asks for that."""
        kind = Kind(connection.kind)
        parse = self.registry.parser(kind, connection.platform)
        delivery = Delivery(stored.body, stored.headers, stored.received_at)
        events: list[StoreEvent] = parse(delivery, connection.installation, read_json(stored.body))
        confirms = self.platforms.able(connection, ConfirmsEvents)
        return events if confirms is None else [confirms.confirm(event) for event in events]

    def _apply(
        self, stored: StoredDelivery, connection: Connection, events: Sequence[StoreEvent]
    ) -> None:
        now = self.clock.now()
        source = Source(
            stored.id,
            connection.installation,
            self.platforms.title(connection),
            stored.received_at,
        )
        with self.storage.begin(stored.tenant) as uow:
            outcomes = [apply_event(uow, event, source, now) for event in events]
            waits = [o.until for o in outcomes if isinstance(o, MustWait)]
            if not waits:
                state, reason = _summary(outcomes)
                uow.deliveries.settle(stored.id, state, reason=reason)
                uow.commit()
        if waits:
            # Nothing of this delivery is applied until all of it can be: its parts belong together.
            self._settle(stored, DeliveryState.WAITING, "our own call is in flight", min(waits))

    def _retry(self, stored: StoredDelivery, code: str) -> None:
        if stored.attempts >= len(RETRIES):
            self._settle(stored, DeliveryState.FAILED, code)
            return
        wake_at = self.clock.now() + RETRIES[stored.attempts]
        self._settle(stored, DeliveryState.WAITING, code, wake_at)

    def _settle(
        self,
        stored: StoredDelivery,
        state: DeliveryState,
        reason: str,
        wake_at: datetime | None = None,
    ) -> None:
        with self.storage.begin(stored.tenant) as uow:
            uow.deliveries.settle(stored.id, state, reason=reason, wake_at=wake_at)
            uow.commit()

    def replay(self, tenant: TenantId, delivery_id: DeliveryId) -> bool:
        """Put a delivery back in line. What it did before is known by its facts and is not done again."""
        with self.storage.begin(tenant) as uow:
            stored = uow.deliveries.get(delivery_id)
            if stored is None:
                return False
            uow.deliveries.settle(
                stored.id, DeliveryState.RECEIVED, reason="replayed", wake_at=self.clock.now()
            )
            uow.audit.write(self.clock.now(), "operator", "delivery.replayed", delivery_id, {})
            uow.commit()
        return True


def _summary(outcomes: Sequence[Application]) -> tuple[DeliveryState, str]:
    """One state for the whole delivery: what was not recognised must be seen, even beside what was."""
    unknown = [o.what for o in outcomes if isinstance(o, NotRecognised)]
    if unknown:
        return DeliveryState.UNRECOGNISED, ", ".join(unknown)
    if any(isinstance(o, Applied) for o in outcomes):
        return DeliveryState.APPLIED, ""
    reasons = [o.reason for o in outcomes if isinstance(o, Ignored)]
    return DeliveryState.IGNORED, ", ".join(reasons) or "says nothing that concerns us"
