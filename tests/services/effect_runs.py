"""One run of effects in a scene, and what became of it."""

from __future__ import annotations

from plugin.domain.effects import (
    Effect,
    EffectState,
    PlannedEffect,
    RestoreAccess,
    RevokeAccess,
    access_key,
    run_key,
)
from plugin.domain.ids import EffectKey, RunId
from plugin.ports.records import Run, RunState
from tests.factories import CUSTOMER, EMAIL, NOW, a_course
from tests.services.scene import Scene

RUN = RunId("run-1")


def a_run(scene: Scene, *effects: Effect) -> None:
    """A run of these effects, due now."""
    planned = [
        PlannedEffect(_key(effect, place), place, effect) for place, effect in enumerate(effects)
    ]
    run = Run(RUN, CUSTOMER, "plan plan-1", RunState.WAITING, NOW)
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.effects.add_run(run, planned, NOW)
        uow.commit()


def _key(effect: Effect, place: int) -> EffectKey:
    match effect:
        case RevokeAccess(resource) | RestoreAccess(resource):
            return access_key(CUSTOMER, resource, 1)
        case _:
            return run_key(RUN, str(place))


def states(scene: Scene) -> list[EffectState]:
    return [effect.state for effect in scene.effects(RUN)]


def outcomes(scene: Scene) -> list[str]:
    return [effect.outcome for effect in scene.effects(RUN)]


def run_state(scene: Scene) -> RunState:
    with scene.storage.read(scene.tenant.id) as uow:
        run = uow.effects.run(RUN)
    assert run is not None
    return run.state


def hold(scene: Scene, *refs: str) -> None:
    scene.shop.held[EMAIL] |= {a_course(ref) for ref in refs}
