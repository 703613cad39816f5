"""`makegood effects replay` and `makegood deliveries replay`: back in line, for the next worker.

Does nothing outside by itself, and nothing twice: see `plugin.services.replay_effect`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, assert_never

from plugin.domain.effects import EffectState
from plugin.domain.errors import InvalidInput
from plugin.domain.ids import DeliveryId, EffectKey, TenantId
from plugin.ports.records import NOT_APPLIED
from plugin.services.replay_delivery import ReplayDelivery
from plugin.services.replay_effect import ReplayEffect
from plugin.services.replaying import NotReplayable, Replay, Replayed, WhyNot

if TYPE_CHECKING:
    from plugin.app import Parts

OPERATOR: Final = "operator"
_ADVICE: Final[Mapping[WhyNot, str]] = {
    WhyNot.NOT_THERE: "there is none of this id; see `makegood {} list`",
    WhyNot.IN_LINE: "it is in line already, or being done just now",
    WhyNot.DONE: "it is done, and is not done again",
    WhyNot.MAY_REPEAT: (
        "this mail may have gone out, and nobody can know. To send it all the same, add "
        "`--although-it-may-repeat`"
    ),
}


def replay_effect(parts: Parts, key: str, *, although_it_may_repeat: bool) -> None:
    """Put one effect back in line. Raises InvalidInput, with what to do, where that cannot be."""
    replay = ReplayEffect(parts.house.storage, parts.clock)
    _one(
        parts,
        "effects",
        lambda tenant: replay(
            tenant, EffectKey(key), OPERATOR, although_it_may_repeat=although_it_may_repeat
        ),
    )


def replay_effects(parts: Parts) -> tuple[int, int]:
    """Put all back in line that need a person.

    Gives how many, and how many mails that may have gone out were left alone.
    """
    storage = parts.house.storage
    replay = ReplayEffect(storage, parts.clock)
    replayed = left = 0
    for tenant in storage.tenants():
        with storage.read(tenant.id) as uow:
            keys = uow.effects.keys_in(EffectState.NEEDS_PERSON)
            left += len(uow.effects.keys_in(EffectState.UNKNOWN))
        replayed += sum(isinstance(replay(tenant.id, key, OPERATOR), Replayed) for key in keys)
    return replayed, left


def replay_delivery(parts: Parts, delivery: str) -> None:
    """Put one delivery back in line. Raises InvalidInput, with what to do, where that cannot be."""
    replay = ReplayDelivery(parts.house.storage, parts.clock)
    _one(parts, "deliveries", lambda tenant: replay(tenant, DeliveryId(delivery), OPERATOR))


def replay_deliveries(parts: Parts) -> int:
    """Put all back in line that were not applied. Gives how many."""
    storage = parts.house.storage
    replay = ReplayDelivery(storage, parts.clock)
    replayed = 0
    for tenant in storage.tenants():
        with storage.read(tenant.id) as uow:
            ids = uow.deliveries.ids_in(NOT_APPLIED)
        replayed += sum(isinstance(replay(tenant.id, ref, OPERATOR), Replayed) for ref in ids)
    return replayed


def _one(parts: Parts, what: str, replay: Callable[[TenantId], Replay]) -> None:
    """Replay it in the tenant that has it."""
    for tenant in parts.house.storage.tenants():
        match replay(tenant.id):
            case Replayed():
                return
            case NotReplayable(WhyNot.NOT_THERE):
                continue
            case NotReplayable(why):
                raise InvalidInput(what, _ADVICE[why])
            case outcome:
                assert_never(outcome)
    raise InvalidInput(what, _ADVICE[WhyNot.NOT_THERE].format(what))
