"""Putting deliveries back in line. That nothing is done twice: tests/webhooks/test_dispatch.py."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.ids import DeliveryId
from plugin.ports.records import NOT_APPLIED, DeliveryState, StoredDelivery
from plugin.services.replay_delivery import ReplayDelivery
from plugin.services.replaying import NotReplayable, Replay, Replayed, WhyNot
from tests.factories import NOW, a_delivery
from tests.services.scene import Scene

REF = a_delivery().id


def keep(scene: Scene, state: DeliveryState, wake_at: timedelta | None = None) -> None:
    at = None if wake_at is None else NOW + wake_at
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.deliveries.add(replace(a_delivery(), state=state, wake_at=at, topic="sale.made"))
        uow.commit()


def replay(scene: Scene, ref: DeliveryId = REF) -> Replay:
    return ReplayDelivery(scene.storage, scene.clock)(scene.tenant.id, ref, "Kim")


def stored(scene: Scene) -> StoredDelivery:
    with scene.storage.read(scene.tenant.id) as uow:
        found = uow.deliveries.get(REF)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "state", [*NOT_APPLIED, DeliveryState.APPLIED, DeliveryState.IGNORED], ids=str
)
def test_what_is_over_is_read_again(scene: Scene, state: DeliveryState) -> None:
    keep(scene, state)
    assert replay(scene) == Replayed()
    again = stored(scene)
    assert (again.state, again.reason, again.wake_at) == (
        DeliveryState.RECEIVED,
        "replayed",
        NOW,
    )
    assert again.topic == "sale.made"
    assert [work.ref for work in scene.storage.due(NOW, 9)] == [REF]
    with scene.storage.read(scene.tenant.id) as uow:
        entry = uow.audit.entries(0, 99)[-1]
    assert (entry.actor, entry.action, entry.subject) == ("Kim", "delivery.replayed", REF)
    assert entry.details == {"was": state}


def test_what_waits_for_later_is_read_now(scene: Scene) -> None:
    keep(scene, DeliveryState.WAITING, timedelta(hours=6))
    assert replay(scene) == Replayed()
    assert stored(scene).wake_at == NOW


def test_what_is_due_keeps_its_turn(scene: Scene) -> None:
    keep(scene, DeliveryState.RECEIVED, timedelta())
    before = stored(scene)
    assert replay(scene) == NotReplayable(WhyNot.IN_LINE)
    assert stored(scene) == before


def test_of_two_people_at_once_one_replays_it(scene: Scene) -> None:
    keep(scene, DeliveryState.FAILED)
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: replay(scene), range(8)))
    assert outcomes.count(Replayed()) == 1
    assert outcomes.count(NotReplayable(WhyNot.IN_LINE)) == 7
    assert scene.audited().count("delivery.replayed") == 1


def test_what_there_is_not_cannot_be_replayed(scene: Scene) -> None:
    assert replay(scene, DeliveryId("nobody")) == NotReplayable(WhyNot.NOT_THERE)
