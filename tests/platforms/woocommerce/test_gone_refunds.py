"""A refund that the shop does not list any more, or not at all, may have been paid all the same.

Staff can strike a row although the customer has the money, and a gateway's extension strikes it
because the money came back: the row cannot tell which. So a person is asked, and nothing is sent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

import pytest

from plugin.domain.drift import DriftKind
from plugin.domain.events import StoreEvent, Unrecognised
from plugin.domain.orders import Order
from plugin.domain.plan import Plan
from plugin.domain.refunds import RefundState
from plugin.platforms.strict_json import read_json
from plugin.ports.platforms import Pace
from plugin.services.applying import NotRecognised
from plugin.services.examine_drift import ExamineDrift
from plugin.stores.woocommerce.account import manifest
from tests.factories import EMAIL, NOW, STORE
from tests.platforms.woocommerce.conftest import store_at
from tests.platforms.woocommerce.fake import FakeShop
from tests.services.scene import Scene
from webhooks.delivery import Delivery
from webhooks.stores.woocommerce import parse


def wait(scene: Scene, fake: FakeShop, seconds: int) -> None:
    """Time passes here and in the shop."""
    fake.books.advance(seconds)
    scene.wait(seconds=seconds)


def refunded(scene: Scene, fake: FakeShop) -> tuple[Plan, int]:
    """One order, all of whose money we sent back, and the number of the order."""
    number = fake.books.sell(("49.00", "0"), email=EMAIL)["id"]
    plan = scene.decided(_found(scene))
    wait(scene, fake, 12)
    return plan, number


def _found(scene: Scene) -> Order:
    [found] = scene.find()
    return found.order


def news(fake: FakeShop, number: int) -> Sequence[StoreEvent]:
    body = fake.books.order(number)
    raw = json.dumps(body).encode()
    return parse(Delivery(raw, {}, NOW), STORE, read_json(raw))


def test_a_paid_refund_whose_row_is_gone_stays_paid_and_a_person_is_asked(
    scene: Scene, fake: FakeShop
) -> None:
    store = store_at(fake, installation=STORE)
    plan, number = refunded(scene, fake)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    told = news(fake, number)
    row = fake.books.refunds[number][0]["id"]
    fake.books.strike_refund(row)
    [_, gone] = [store.confirm(event) for event in told]
    assert isinstance(gone, Unrecognised)
    assert gone.what.startswith(f"refund {row} ")
    assert isinstance(scene.apply(gone), NotRecognised)
    assert scene.states(plan) == [RefundState.SUCCEEDED]
    assert not isinstance(scene.preview(_found(scene)).outcome, Plan)


def test_what_we_count_as_done_and_the_shop_does_not_list_is_a_difference(
    scene: Scene, fake: FakeShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene.platforms, "pace", lambda _: Pace(10, 1, 20))
    _, number = refunded(scene, fake)
    fake.books.strike_refund(fake.books.refunds[number][0]["id"])
    for _ in range(2):
        scene.clock.advance(minutes=5)
        with scene.storage.read(scene.tenant.id) as uow:
            shop = uow.installations.get(STORE)
        assert shop is not None
        look = ExamineDrift(scene.storage, scene.platforms, scene.clock)
        look(scene.tenant.id, shop, "", scene.clock.now() + timedelta(seconds=20))
    with scene.storage.read(scene.tenant.id) as uow:
        [drift] = uow.drifts.open(10)
    assert drift.difference.kind is DriftKind.REFUND_GONE


def test_a_refund_that_was_paid_unseen_is_never_sent_again(scene: Scene, fake: FakeShop) -> None:
    """An extension throws after the gateway paid, the shop strikes the row, its answer is lost."""
    fake.books.throws = True
    fake.faults = ["drop_after"]
    plan, _ = refunded(scene, fake)
    assert scene.states(plan) == [RefundState.UNKNOWN]
    for _ in range(200):
        wait(scene, fake, 60)
    assert len(fake.books.paid) == 1
    [refund] = scene.refunds(plan)
    assert (refund.state, refund.reason) == (RefundState.NEEDS_PERSON, "never_answered")


def test_a_no_in_words_after_the_gateway_paid_sends_a_person_to_the_gateway_first(
    scene: Scene, fake: FakeShop
) -> None:
    fake.books.throws = True
    plan, _ = refunded(scene, fake)
    assert scene.states(plan) == [RefundState.MANUAL]
    assert len(fake.books.paid) == 1
    worksheet = manifest().refunds.manual
    assert worksheet is not None
    looks, pays = (
        next(place for place, step in enumerate(worksheet.steps) if words in step)
        for words in ("the gateway's own dashboard", "pay it back")
    )
    assert looks < pays
