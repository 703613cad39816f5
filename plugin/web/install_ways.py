"""`/installing` and the install pages beside it: a platform brings the keys itself.

The admin's pages show what to do and how it goes. Below `/installing/...` anybody may ask: an
address that we did not make is answered without a look into the database, and what comes to one
that we made goes to the use case as it is. Never shows or logs what arrived.
"""

from __future__ import annotations

from typing import assert_never

from flask import Blueprint, Response, json, request
from werkzeug.wrappers import Response as BaseResponse

from plugin.domain.ids import InstallationId
from plugin.platforms.declarations import ManifestDeclarations
from plugin.platforms.manifest import PlatformManifest
from plugin.ports.connecting import BACK, Arrived, Document, PendingInstall, PendingState
from plugin.services.connect_platform import (
    AlreadyConnected,
    ConnectPlatform,
    ConnectRequest,
    NotPossible,
)
from plugin.services.pending_install import NO_SUCH, Begun, InstallByWay, NotTaken, Taken
from plugin.web.auth import Access, current_admin, open_to
from plugin.web.context import WebContext
from plugin.web.install_screen import FormShown, InstallScreen
from plugin.web.pages import ACTOR, see_other
from plugin.web.problems import NotHere
from plugin.web.schemas import VALUE, AdminForm, way_form
from plugin.web.strict_forms import query_pairs, read_body, read_form, single_fields
from plugin.web.views.pending_view import pending_card

_OVER = (PendingState.DONE, PendingState.FAILED)


def installing_blueprint(context: WebContext) -> Blueprint:
    """The door for platforms: `/installing/<platform>/<one_time>/<part>`."""
    blueprint = Blueprint("installing", __name__, url_prefix="/installing")
    by_way = _by_way(context)

    @blueprint.route("/<platform>/<one_time>/<part>", methods=["GET", "POST"])
    @open_to(Access.PENDING_INSTALL)
    def arrive(platform: str, one_time: str, part: str) -> Response:
        if part == BACK:
            raise NotHere("not_here")  # that is for the admin's own browser
        outcome = by_way.arrive(platform, one_time, _arrived(part), context.clock.now)
        match outcome:
            case Document(content):
                return _json(200, content)
            case Taken():
                return _json(200, {})
            case NotTaken(status, advice):
                return _json(status, {"error": {"message": advice}})
            case _:
                assert_never(outcome)

    return blueprint


def add_ways(blueprint: Blueprint, context: WebContext, screen: InstallScreen) -> None:
    """The admin's routes, below `/install`."""
    ways = _WaysScreen(context, screen)

    @blueprint.post("/<any(store, helpdesk):kind>/<platform>/way")
    @open_to(Access.ADMIN)
    def begin_way(kind: str, platform: str) -> BaseResponse:
        return ways.begin(screen.manifest(kind, platform))

    @blueprint.get("/<any(store, helpdesk):kind>/<platform>/back")
    @open_to(Access.ADMIN)
    def back(kind: str, platform: str) -> BaseResponse:
        return ways.back(screen.manifest(kind, platform))

    @blueprint.get("/pending/<pending>")
    @open_to(Access.ADMIN)
    def pending_install(pending: str) -> BaseResponse:
        return ways.show(pending)

    @blueprint.post("/pending/<pending>/again")
    @open_to(Access.ADMIN)
    def begin_again(pending: str) -> BaseResponse:
        return ways.again(pending)


class _WaysScreen:
    """The admin's moves. The tenant is the session's."""

    def __init__(self, context: WebContext, screen: InstallScreen) -> None:
        self._context = context
        self._screen = screen
        self._by_way = _by_way(context)

    def begin(self, manifest: PlatformManifest) -> BaseResponse:
        """Keep what was typed; the page that follows says what to do at the platform."""
        if manifest.install_way is None:
            raise NotHere("no_such_way")
        development = bool(self._context.settings.allow_private_hosts)
        form = read_form(way_form(manifest, development=development))
        typed = {
            name.removeprefix(VALUE): value
            for name, value in form.items()
            if name.startswith(VALUE) and (value or name != f"{VALUE}base_url")
        }
        replaces = InstallationId(form["installation"]) if form["installation"] else None
        another = form["another"] == "yes"
        return self._begun(
            manifest,
            ConnectRequest(manifest.kind, manifest.stem, typed, replaces, another=another),
        )

    def again(self, pending: str) -> BaseResponse:
        """Begin anew with what was typed before."""
        read_form(AdminForm)
        before = self._found(pending)
        return self._begun(
            self._screen.manifest(before.kind, before.platform),
            ConnectRequest(
                before.kind, before.platform, before.typed, before.replaces, another=before.another
            ),
        )

    def _begun(self, manifest: PlatformManifest, asked: ConnectRequest) -> BaseResponse:
        now = self._context.clock.now()
        outcome = self._by_way.begin(current_admin().tenant, asked, ACTOR, now)
        match outcome:
            case Begun(pending):
                return see_other(f"/install/pending/{pending.id}#connect")
            case NotPossible(name, advice):
                form = FormShown(asked.typed, {name: advice}, by_way=True)
                return self._screen.overview(manifest, form=form, status=422)
            case AlreadyConnected():
                form = FormShown(asked.typed, by_way=True)
                return self._screen.overview(manifest, form=form, notice=outcome, status=409)
            case _:
                assert_never(outcome)

    def show(self, pending: str) -> BaseResponse:
        """What to do, or how it went; once the keys are here, the connection's own page."""
        found = self._found(pending)
        place = f"/install/at/{found.installation}#connect"
        if request.headers.get("HX-Request") and found.state in _OVER:
            # The part of the page that looks again by itself is not all that changed.
            turn = ("HX-Redirect", place) if found.installation else ("HX-Refresh", "true")
            return Response(status=200, headers=[turn])
        if found.installation is not None:
            return see_other(place)
        manifest = self._screen.manifest(found.kind, found.platform)
        card = pending_card(found, manifest, self._by_way.step(found))
        form = FormShown(found.typed, by_way=True, pending=card)
        return self._screen.overview(manifest, form=form)

    def back(self, manifest: PlatformManifest) -> BaseResponse:
        """The platform sent the admin's browser here. What counts is kept by the use case."""
        query = single_fields(query_pairs())
        one_time = query.pop("state", "")
        arrived = Arrived(BACK, "GET", {}, query, b"")
        tenant, now = current_admin().tenant, self._context.clock.now
        outcome = self._by_way.arrive(manifest.stem, one_time, arrived, now, tenant)
        if outcome == NO_SUCH:
            raise NotHere("no_such_install")
        return see_other(f"/install/pending/{one_time.partition('.')[0]}#connect")

    def _found(self, pending: str) -> PendingInstall:
        found = self._by_way.find(current_admin().tenant, pending, self._context.clock.now())
        if found is None:
            raise NotHere("no_such_install")
        return found


def _by_way(context: WebContext) -> InstallByWay:
    settings = context.settings
    declarations = ManifestDeclarations(context.registry, settings.allow_private_hosts)
    connect = ConnectPlatform(context.storage, declarations, context.mint, settings)
    return InstallByWay(
        context.storage,
        context.platforms,
        declarations,
        connect,
        settings.public_url,
        context.signing_keys,
    )


def _arrived(part: str) -> Arrived:
    return Arrived(
        part=part,
        method="POST" if request.method == "POST" else "GET",
        headers={name.lower(): value for name, value in request.headers.items()},
        query=single_fields(query_pairs()),
        body=read_body() if request.method == "POST" else b"",
    )


def _json(status: int, document: object) -> Response:
    return Response(json.dumps(document), status, mimetype="application/json")
