"""A door, what dispatches behind it, and deliveries of the practice shop."""

from __future__ import annotations

from plugin.domain.ids import DeliveryId
from plugin.ports.records import StoredDelivery
from plugin.services.replay_delivery import ReplayDelivery
from plugin.services.replaying import Replayed
from tests.fakes.platforms import FakePlatforms, FakeStore, one_after_the_other
from tests.webhooks.door import SHOP, Door, document
from webhooks.dispatch import Dispatch

PING = document(type="ping")
SALE = {
    "type": "sale.made",
    "at": "2026-11-23T12:00:00Z",
    "order": {
        "id": "o-1",
        "number": "1",
        "email": "ana@mail.example",
        "bought_at": "2026-11-23T12:00:00Z",
        "currency": "EUR",
        "lines": [
            {
                "id": "l-1",
                "title": "Ink",
                "product": "p-1",
                "paid": 4900,
                "gives": [{"kind": "course", "id": "c1"}],
            }
        ],
    },
}
CANCELLED = {**SALE, "type": "sale.refunded", "refund": "cancel-1"}


class Desk:
    """A door, what dispatches behind it, and the shop that may be asked."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.shop = FakeStore()
        platforms = FakePlatforms({SHOP: self.shop})
        self.dispatch = Dispatch(
            door.storage, platforms, door.registry, door.clock, one_after_the_other
        )

    def deliver(self, body: bytes = PING, name: str = "d-1") -> DeliveryId:
        assert self.door.deliver(body, delivery=name).status == 200
        return next(d.id for d in self.door.stored() if d.name == name)

    def run(self, delivery: DeliveryId) -> StoredDelivery:
        self.dispatch(self.door.tenant.id, delivery)
        return next(d for d in self.door.stored() if d.id == delivery)

    def replay(self, delivery: DeliveryId) -> bool:
        replay = ReplayDelivery(self.door.storage, self.door.clock)
        return replay(self.door.tenant.id, delivery, "Kim") == Replayed()

    def facts(self) -> int:
        with self.door.storage.read(self.door.tenant.id) as uow:
            return len(uow.facts.of_customer("ana@mail.example"))  # type: ignore[arg-type]  # a key
