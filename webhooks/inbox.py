"""Take a verified delivery in: committed with a full sync before anybody says thanks.

Never interprets it. A delivery of a name that this installation already sent is known: it is
answered like the first and stored once. What cannot be read is stored too, since the sender did
nothing wrong that a repeat would mend.
"""

from __future__ import annotations

from dataclasses import dataclass

from plugin.domain.ids import DeliveryId, InstallationId, TenantId
from plugin.domain.texts import one_line
from plugin.platforms.strict_json import Unreadable, read_json
from plugin.ports import Mint
from plugin.ports.storage import DeliveryState, Storage, StoredDelivery
from webhooks.delivery import Delivery

KEPT_HEADERS = 60


@dataclass(frozen=True, slots=True)
class Inbox:
    """Where verified deliveries are put."""

    storage: Storage
    mint: Mint

    def take_in(
        self,
        tenant: TenantId,
        installation: InstallationId,
        delivery: Delivery,
        name: str,
        topic: str,
    ) -> bool:
        """Commit the delivery. False when it was here before; nothing is stored then.

        `name` is the vendor's id of the delivery, unique per installation.
        """
        state, reason = _readable(delivery.body)
        stored = StoredDelivery(
            id=DeliveryId(self.mint.id()),
            tenant=tenant,
            installation=installation,
            name=name,
            topic=one_line(topic)[:255],
            received_at=delivery.received_at,
            headers=dict(list(delivery.headers.items())[:KEPT_HEADERS]),
            body=delivery.body,
            state=state,
            reason=reason,
            wake_at=delivery.received_at if state is DeliveryState.RECEIVED else None,
        )
        with self.storage.begin(tenant) as uow:
            is_new = uow.deliveries.add(stored)
            uow.commit()
        return is_new


def _readable(body: bytes) -> tuple[DeliveryState, str]:
    try:
        read_json(body)
    except Unreadable as error:
        return DeliveryState.UNREADABLE, error.code
    return DeliveryState.RECEIVED, ""
