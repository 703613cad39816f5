"""`/panel/<platform>/<installation>/pass`: what a desk's own servers fetch before our frame opens.

The desk's adapter judges who asks. The answer is JSON, for the desk's page to hand to the frame. It
opens nothing by itself: who sits at the panel is found out by the frame's first request.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from plugin.domain.errors import Refused
from plugin.domain.ids import InstallationId
from plugin.ports import Kind
from plugin.ports.passes import GivesPasses
from plugin.ports.records import InstallationStatus
from plugin.web.auth import Access, open_to
from plugin.web.context import WebContext
from plugin.web.problems import NotHere, NotVouchedFor
from plugin.web.strict_forms import read_pairs, single_fields


def add_pass_route(blueprint: Blueprint, base: str, context: WebContext) -> None:
    """Add the route below `base`, for the desks whose adapters give passes."""

    @blueprint.route(f"{base}/pass", methods=["POST"])
    @open_to(Access.PANEL_ENTRY)
    def give(platform: str, installation: str) -> Response:
        found = context.storage.find_installation(InstallationId(installation))
        if (
            found is None
            or found.status is InstallationStatus.REMOVED
            or found.connection.kind is not Kind.HELPDESK
            or found.connection.platform != platform
        ):
            raise NotHere("not_here")
        port = context.platforms.able(found.connection, GivesPasses)
        form = single_fields(read_pairs())
        if port is None:
            raise NotVouchedFor("gives_no_pass")
        shown = request.headers.get("Authorization", "")
        try:
            return jsonify({"pass": port.give_pass(shown, form, context.clock.now())})
        except Refused as error:
            raise NotVouchedFor(error.code) from None
