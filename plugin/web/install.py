"""`/install`: connect stores and helpdesks, self-test, access map, shop, a policy to start from.

For the signed-in admin only. Every step is a plain form post that leads to a page which can be
loaded again; the script only looks again by itself.
"""

from __future__ import annotations

from flask import Blueprint, Response
from werkzeug.wrappers import Response as BaseResponse

from plugin.web.access_map_screen import AccessMapScreen
from plugin.web.auth import Access, open_to
from plugin.web.context import WebContext
from plugin.web.install_screen import InstallScreen
from plugin.web.install_ways import add_ways
from plugin.web.schemas import StartPolicyForm
from plugin.web.strict_forms import read_form


def install_blueprint(context: WebContext) -> Blueprint:
    """Routes below `/install`."""
    blueprint = Blueprint("install", __name__, url_prefix="/install")
    screen = InstallScreen(context)
    _connecting(blueprint, screen)
    _testing(blueprint, screen)
    _map_and_policy(blueprint, screen, AccessMapScreen(context))
    _shop(blueprint, screen)
    add_ways(blueprint, context, screen)
    return blueprint


def _connecting(blueprint: Blueprint, screen: InstallScreen) -> None:

    @blueprint.get("")
    @open_to(Access.ADMIN)
    def overview() -> Response:
        return screen.overview()

    @blueprint.get("/<any(store, helpdesk):kind>/<platform>")
    @open_to(Access.ADMIN)
    def form(kind: str, platform: str) -> Response:
        return screen.overview(manifest=screen.manifest(kind, platform))

    @blueprint.post("/<any(store, helpdesk):kind>/<platform>")
    @open_to(Access.ADMIN)
    def connect(kind: str, platform: str) -> BaseResponse:
        return screen.connect(screen.manifest(kind, platform))

    @blueprint.get("/at/<installation>")
    @open_to(Access.ADMIN)
    def at(installation: str) -> Response:
        return screen.overview(installation=screen.installation(installation))


def _testing(blueprint: Blueprint, screen: InstallScreen) -> None:
    @blueprint.post("/at/<installation>/step")
    @open_to(Access.ADMIN)
    def step(installation: str) -> Response:
        return screen.step(screen.installation(installation))

    @blueprint.post("/at/<installation>/again")
    @open_to(Access.ADMIN)
    def again(installation: str) -> BaseResponse:
        return screen.again(screen.installation(installation))

    @blueprint.post("/at/<installation>/finish")
    @open_to(Access.ADMIN)
    def finish(installation: str) -> BaseResponse:
        return screen.finish(screen.installation(installation))


def _shop(blueprint: Blueprint, screen: InstallScreen) -> None:
    @blueprint.post("/shop")
    @open_to(Access.ADMIN)
    def describe_shop() -> BaseResponse:
        return screen.describe_shop()


def _map_and_policy(blueprint: Blueprint, screen: InstallScreen, access: AccessMapScreen) -> None:
    @blueprint.get("/at/<installation>/map")
    @open_to(Access.ADMIN)
    def access_map(installation: str) -> Response:
        return access.show(screen.installation(installation))

    @blueprint.post("/at/<installation>/map")
    @open_to(Access.ADMIN)
    def save_entry(installation: str) -> BaseResponse:
        return access.save(screen.installation(installation))

    @blueprint.post("/policy")
    @open_to(Access.ADMIN)
    def start_policy() -> BaseResponse:
        return screen.start_policy()

    @blueprint.post("/policy/preview")
    @open_to(Access.ADMIN)
    def preview_policy() -> Response:
        return screen.overview(start=read_form(StartPolicyForm)["start"])
