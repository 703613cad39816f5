"""Another address of the customer hides nothing from what must stop a refund that waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.events import DisputeNews, SaleMade
from plugin.domain.ids import customer_key
from plugin.domain.orders import DisputeStage
from plugin.domain.plan import Plan
from plugin.domain.refunds import RefundState
from tests.factories import BANK, a_payment_ref, eur
from tests.fakes.platforms import Mood
from tests.services.scene import Scene
from tests.services.test_refunded_meanwhile import elsewhere, part_decided, sold


@pytest.fixture
def moved(scene: Scene) -> Plan:
    """A refund that its gateway puts off, and whose order has another address since."""
    order = sold(scene)
    plan = part_decided(scene, order)
    scene.bank.moods = [Mood.BUSY]
    scene.wait(seconds=11)
    new = "new@mail.example"
    read_at = scene.clock.now()
    scene.apply(SaleMade(replace(order, email=new, customer=customer_key(new), read_at=read_at)))
    return plan


def test_a_refund_elsewhere_withdraws_it(scene: Scene, moved: Plan) -> None:
    scene.apply(elsewhere(scene), at=BANK)
    scene.wait(hours=1)
    assert (scene.states(moved), scene.bank.paid) == ([RefundState.WITHDRAWN], [])


def test_a_dispute_withdraws_it(scene: Scene, moved: Plan) -> None:
    now = scene.clock.now()
    opened = DisputeNews(a_payment_ref("pay-10412"), "dp-1", eur(9800), DisputeStage.OPEN, now)
    scene.apply(opened, at=BANK)
    scene.wait(hours=1)
    assert (scene.states(moved), scene.bank.paid) == ([RefundState.WITHDRAWN], [])
