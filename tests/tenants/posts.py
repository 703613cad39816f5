"""Posts of a desk that draws the panel itself: rightly signed, by ours and by theirs."""

from __future__ import annotations

import json
from typing import Any, Final

from plugin.domain.ids import AgentId, TenantId, TicketId
from plugin.ports import Connection
from plugin.web.canvas_buttons import Buttons
from plugin.web.context import WebContext
from plugin.web.panel_scene import Sitting
from tests.fuzz.wsgi import Asked
from tests.platforms.intercom.beside_practice import STEM, TEAMMATES, document_for, signed_for
from tests.tenants.scene import THEIR_TICKET, Scene, connection_of
from tests.web.canvas_reading import asks_of, components_of

NUMBER: Final = "number"
"""The place of a button's one-time number."""


def number_of_theirs(scene: Scene) -> str:
    """The one-time number on a canvas of theirs, unspent."""
    told = scene.send(post_of_teammate(scene, scene.theirs, "initialize", THEIR_TICKET))
    buttons = asks_of(components_of(json.loads(told.body)))
    return next(iter(buttons.values())).partition(":")[2].partition("?")[0]


def drawing_desk(scene: Scene, tenant: TenantId) -> Connection:
    """A tenant's account of a desk that draws the panel itself."""
    return connection_of(scene, tenant, "helpdesk", STEM)


def post_of_teammate(
    scene: Scene,
    tenant: TenantId,
    name: str,
    ticket: str,
    **more: Any,  # noqa: ANN401 - whatever a post may say
) -> Asked:
    """A post that this tenant's desk signs, for a teammate who may pay."""
    desk = drawing_desk(scene, tenant)
    body, headers = signed_for(desk, document_for(desk, TEAMMATES[0], ticket, **more))
    path = f"/canvas/{desk.platform}/{desk.installation}/{name}"
    return Asked("POST", path, "", tuple(headers.items()), body)


def fresh_number(scene: Scene, ticket: str) -> str:
    """A one-time number for a press of ours, as a canvas beside this ticket would hold."""
    desk = drawing_desk(scene, scene.ours)
    who = Sitting(desk.tenant, desk.installation, AgentId(TEAMMATES[0]), TicketId(ticket))
    parts = scene.house.parts
    context = WebContext(
        parts.settings,
        parts.house.storage,
        parts.platforms,
        parts.registry,
        lambda *_: (),
        parts.clock,
        parts.mint,
        {},
        (),
    )
    return Buttons(context).issue(who)
