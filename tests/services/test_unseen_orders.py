"""What an order may pay for that nobody here has seen: nothing takes it but a person."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.effects import EffectState, RemoveTag, RevokeAccess
from plugin.services.effect_calls import changed_resource
from tests.factories import EMAIL, a_course, a_tag
from tests.services.effect_runs import a_run, outcomes, states
from tests.services.scene import Scene, sale


@pytest.mark.parametrize("taken", [RevokeAccess(a_course("c1")), RemoveTag(a_tag("c1"))])
def test_what_an_unseen_order_may_pay_for_is_taken_by_a_person(
    scene: Scene, taken: RevokeAccess | RemoveTag
) -> None:
    resource = changed_resource(taken)
    assert resource is not None
    scene.shop.held[EMAIL].add(resource)
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.orders.save(replace(sale(), others_unseen=True))
        uow.commit()
    a_run(scene, taken)
    scene.work()
    assert (states(scene), outcomes(scene)) == ([EffectState.NEEDS_PERSON], ["orders_unseen"])
    assert scene.held() == {"c1"}


def test_what_a_person_took_is_over_when_it_is_put_back_in_line(scene: Scene) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.orders.save(replace(sale(), others_unseen=True))
        uow.commit()
    a_run(scene, RevokeAccess(a_course("c1")))
    scene.work()
    assert states(scene) == [EffectState.ALREADY]
