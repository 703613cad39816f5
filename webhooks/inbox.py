"""Take a verified delivery in: committed with a full sync before anybody says thanks.

Does not open the body, but for the delivery's name where a platform puts that there: the worker
does, in its own time. What cannot be read is stored like all else, since the sender did nothing
wrong that a repeat would mend. A delivery of a name that this installation already sent is known:
it is answered like the first and stored once. So is another delivery of an event that it already
told in the same words, where the vendor names events.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

from plugin.domain.ids import DeliveryId, InstallationId, TenantId
from plugin.domain.texts import one_line
from plugin.platforms.webhook_declaration import Webhooks
from plugin.ports import Mint
from plugin.ports.records import DeliveryState, StoredDelivery
from plugin.ports.storage import Storage
from webhooks.delivery import Delivery

KEPT_HEADERS = 60
_ID_LENGTH = 32


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
        declared: Webhooks,
    ) -> DeliveryId | None:
        """Commit the delivery, and give its id. None when it was here before: nothing is stored.

        `declared` tells where the vendor puts the delivery's name, unique per installation, and
        perhaps its topic and its event. Raises as `Storage.take_in`.
        """
        header = declared.topic_header
        topic = None if header is None else delivery.header(header)
        stored = StoredDelivery(
            id=self._id(installation, delivery, declared, topic),
            tenant=tenant,
            installation=installation,
            name=_name(delivery, declared, topic),
            topic=one_line(topic or "")[:255],
            received_at=delivery.received_at,
            headers=dict(islice(delivery.headers.items(), KEPT_HEADERS)),
            body=delivery.body,
            state=DeliveryState.RECEIVED,
            wake_at=delivery.received_at,
        )
        return stored.id if self.storage.take_in(stored) else None

    def _id(
        self,
        installation: InstallationId,
        delivery: Delivery,
        declared: Webhooks,
        topic: str | None,
    ) -> DeliveryId:
        """Made of the event where the vendor names it: told twice, it cannot be kept twice.

        With topic and body: one act may tell several topics, and one topic of several things.
        """
        header = declared.event_id_header
        event = None if header is None else delivery.header(header)
        if not event:
            return DeliveryId(self.mint.id())
        parts = (installation, event, topic or "", delivery.digest())
        return DeliveryId(sha256("\n".join(parts).encode()).hexdigest()[:_ID_LENGTH])


def _name(delivery: Delivery, declared: Webhooks, topic: str | None) -> str:
    """What tells a repeated delivery from a new one.

    Where the body says so little that a later one may read the same, a header is added to it.
    """
    name = delivery.delivery_id(declared.delivery_id_header, declared.delivery_id_field)
    bare = declared.bare_topics
    if bare is None or topic not in bare.topics:
        return name
    words = f"{name}\n{delivery.header(bare.header) or ''}"
    return f"sha256:{sha256(words.encode()).hexdigest()}"
