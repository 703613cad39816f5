"""What the health page does: show how all is, and take a person's word of what waits for her.

She has it done again, or closes what she did herself. Reads and writes through use cases only; the
tenant is the session's.
"""

from __future__ import annotations

from typing import assert_never

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from plugin.domain.ids import DeliveryId, EffectKey
from plugin.services.close_by_hand import (
    Closed,
    CloseDelivery,
    CloseEffect,
    Closing,
    NotClosable,
)
from plugin.services.examine_drift import CloseDrift
from plugin.services.look_at_health import LookAtHealth
from plugin.services.replay_delivery import ReplayDelivery
from plugin.services.replay_effect import ReplayEffect
from plugin.services.replaying import NotReplayable, Replay, Replayed, WhyNot
from plugin.web.auth import current_admin
from plugin.web.context import WebContext
from plugin.web.pages import ACTOR, Pages, see_other
from plugin.web.problems import NotHere
from plugin.web.views.health_view import health_page


class HealthScreen:
    """The screen's moves."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._pages = Pages(context)
        self._look = LookAtHealth(context.storage, context.platforms, context.clock)
        self._replay_delivery = ReplayDelivery(context.storage, context.clock)
        self._replay_effect = ReplayEffect(context.storage, context.clock)
        self._close_delivery = CloseDelivery(context.storage, context.clock)
        self._close_effect = CloseEffect(context.storage, context.clock)
        self._close_drift = CloseDrift(context.storage)

    def show(self, said: str = "") -> Response:
        """The page. `said`: what became of the press before it."""
        page = health_page(self._look(current_admin().tenant), said)
        return self._pages.render(
            "admin/health.html", "health", page=page, needs_look=len(page.needed)
        )

    def replay_delivery(self, delivery: str) -> BaseResponse:
        """Have it read again. Raises NotHere."""
        outcome = self._replay_delivery(current_admin().tenant, DeliveryId(delivery), ACTOR)
        return _shown(outcome, "no_such_delivery")

    def replay_effect(self, effect: str, *, anyway: bool) -> BaseResponse:
        """Have it done after all. Raises NotHere."""
        outcome = self._replay_effect(
            current_admin().tenant, EffectKey(effect), ACTOR, although_it_may_repeat=anyway
        )
        return _shown(outcome, "no_such_effect")

    def close_delivery(self, delivery: str) -> BaseResponse:
        """A person did what it asks for. Raises NotHere."""
        outcome = self._close_delivery(current_admin().tenant, DeliveryId(delivery), ACTOR)
        return _shown(outcome, "no_such_delivery")

    def close_effect(self, effect: str) -> BaseResponse:
        """A person did it. Raises NotHere."""
        outcome = self._close_effect(current_admin().tenant, EffectKey(effect), ACTOR)
        return _shown(outcome, "no_such_effect")

    def close_drift(self, drift: str) -> BaseResponse:
        """Show a difference no more while it lasts. One that is not open stays as it is."""
        now = self._context.clock.now()
        closed = self._close_drift(current_admin().tenant, drift, ACTOR, now)
        said = "closed" if closed else WhyNot.NOT_THERE.value
        return see_other(f"/admin/health?said={said}")


def _shown(outcome: Replay | Closing, missing: str) -> BaseResponse:
    match outcome:
        case Replayed():
            said = "replayed"
        case Closed():
            said = "done_by_hand"
        case NotReplayable(WhyNot.NOT_THERE) | NotClosable(WhyNot.NOT_THERE):
            raise NotHere(missing)
        case NotReplayable(why) | NotClosable(why):
            said = why.value
        case _:
            assert_never(outcome)
    return see_other(f"/admin/health?said={said}")
