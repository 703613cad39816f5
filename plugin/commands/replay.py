"""`makegood effects` and `makegood deliveries`, where something ended with a person.

`replay` puts it back in line, for the next worker; `close` closes what a person did by hand. Does
nothing outside by itself, and nothing twice: see `plugin.services.replay_effect`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, assert_never

from plugin.domain.effects import EffectState
from plugin.domain.errors import InvalidInput
from plugin.domain.ids import DeliveryId, EffectKey, TenantId
from plugin.ports.records import NOT_APPLIED
from plugin.services.close_by_hand import (
    Closed,
    CloseDelivery,
    CloseEffect,
    Closing,
    NotClosable,
)
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
    WhyNot.CLOSED_BEFORE: "a person has closed it as done by hand; it is not done again",
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


def close_effect(parts: Parts, key: str) -> None:
    """Close one effect as done by hand. Raises InvalidInput where that cannot be."""
    close = CloseEffect(parts.house.storage, parts.clock)
    _one(parts, "effects", lambda tenant: close(tenant, EffectKey(key), OPERATOR))


def close_delivery(parts: Parts, delivery: str) -> None:
    """Close one delivery as done by hand. Raises InvalidInput where that cannot be."""
    close = CloseDelivery(parts.house.storage, parts.clock)
    _one(parts, "deliveries", lambda tenant: close(tenant, DeliveryId(delivery), OPERATOR))


def _one(parts: Parts, what: str, press: Callable[[TenantId], Replay | Closing]) -> None:
    """Replay or close it in the tenant that has it."""
    for tenant in parts.house.storage.tenants():
        match press(tenant.id):
            case Replayed() | Closed():
                return
            case NotReplayable(WhyNot.NOT_THERE) | NotClosable(WhyNot.NOT_THERE):
                continue
            case NotReplayable(why) | NotClosable(why):
                raise InvalidInput(what, _ADVICE[why])
            case outcome:
                assert_never(outcome)
    raise InvalidInput(what, _ADVICE[WhyNot.NOT_THERE].format(what))
