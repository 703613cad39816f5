"""`/embedded/<platform>/<app>`: our page inside a store's own admin. No cookie is read or set.

The page itself is the same for everybody: it asks no database, and who may frame it is filled from
the manifest with what its address claims. Its calls carry the admin's token; what that opens is the
use case's to say. Whoever it opens for may connect the store, see its self-test, and say what its
plans give: of that very connection, which no field and no address names. Never shows or logs a
token.

Its forms carry no token against forgery. A browser sends a cookie along with any site's post, and
no header of ours: the admin's token is put there by our own script, from the admin's own hand, and
a post without it opens nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from flask import Blueprint, Response, render_template, request

from plugin.platforms.declarations import ManifestDeclarations
from plugin.platforms.manifest import Embedded
from plugin.ports import Kind
from plugin.ports.embedding import Framed
from plugin.ports.records import Installation
from plugin.services.connect_platform import ConnectPlatform
from plugin.services.key_replacement import KEY_WORKS
from plugin.services.open_embedded import Opened, OpenEmbedded, Shut
from plugin.services.pending_install import InstallByWay
from plugin.services.run_self_test import RunSelfTest
from plugin.services.save_access_map import of_installation
from plugin.services.self_test_lines import FAILED, is_under_way
from plugin.web.access_map_screen import MapForm, Tried, asked_entry
from plugin.web.auth import Access, open_to
from plugin.web.context import WebContext
from plugin.web.headers import allow_framing
from plugin.web.problems import NotHere
from plugin.web.schemas import MapEntry, MapQuery
from plugin.web.strict_forms import query_pairs, read_form, single_fields
from plugin.web.views import install_view as view
from plugin.web.views.access_map_view import MapPlace, OpenEntry

_BRIDGE: Final = "embedded/bridge.js"
_LONGEST_TOKEN: Final = 8192
_SAVED: Final = "Saved"
_FORGOTTEN: Final = "Forgotten: what it opens is unknown again"


def embedded_blueprint(context: WebContext) -> Blueprint:
    """Routes below `/embedded`."""
    blueprint = Blueprint("embedded", __name__, url_prefix="/embedded")
    screen = _Screen(context)

    @blueprint.get("/<platform>/<app>")
    @open_to(Access.EMBEDDED)
    def page(platform: str, app: str) -> Response:
        return screen.page(platform, app)

    @blueprint.post("/<platform>/<app>/<any(open, step, again):move>")
    @open_to(Access.EMBEDDED)
    def act(platform: str, app: str, move: str) -> Response:
        return screen.act(platform, app, move)

    @blueprint.post("/<platform>/<app>/map")
    @open_to(Access.EMBEDDED)
    def access_map(platform: str, app: str) -> Response:
        return screen.access_map(platform, app)

    @blueprint.post("/<platform>/<app>/entry")
    @open_to(Access.EMBEDDED)
    def save_entry(platform: str, app: str) -> Response:
        return screen.save_entry(platform, app)

    return blueprint


class _Screen:
    """The page and its moves."""

    def __init__(self, context: WebContext) -> None:
        settings = context.settings
        self._context = context
        self._declarations = ManifestDeclarations(context.registry, settings.allow_private_hosts)
        connect = ConnectPlatform(context.storage, self._declarations, context.mint, settings)
        by_way = InstallByWay(
            context.storage,
            context.platforms,
            self._declarations,
            connect,
            settings.public_url,
            context.signing_keys,
        )
        self._open = OpenEmbedded(self._declarations, by_way)
        self._self_test = RunSelfTest(
            context.storage,
            context.platforms,
            self._declarations,
            context.mint,
            settings.public_url,
        )
        self._map = MapForm(context)

    def page(self, platform: str, app: str) -> Response:
        """The page around, for whom its address says. 404 for an address that is none."""
        declared = self._declared(platform)
        admin = self._declarations.embedded_admin(Kind.STORE, platform)
        framed = None if admin is None else admin.frame(app, single_fields(query_pairs()))
        if framed is None:
            raise NotHere("not_here")
        return self._page(platform, app, declared, framed)

    def _page(self, platform: str, app: str, declared: Embedded, framed: Framed) -> Response:
        scripts = () if declared.script is None else (declared.script,)
        allow_framing(declared.frame_ancestors_for(framed.account), scripts)
        return _html(
            "embedded/page.html",
            title=self._title(platform),
            base=f"/embedded/{platform}/{app}",
            names=framed.names,
            vendor_script=declared.script,
            stylesheet=self._asset("panel/panel.css"),
            scripts=[self._asset(f"{platform}/bridge.js"), self._asset(_BRIDGE)],
        )

    def act(self, platform: str, app: str, move: str) -> Response:
        """One move for who holds a token of the admin. The answer is the page's content."""
        opened = self._opened(platform)
        if isinstance(opened, Shut):
            return self._shut(platform, app, opened)
        connection = opened.installation.connection
        if move == "again" or (move == "open" and _key_failed(opened.installation)):
            shut = self._open.renew(opened, self._context.clock.now())
            if shut is not None:
                return self._shut(platform, app, shut)
        if move == "step":
            now = self._context.clock.now
            self._self_test.step(connection.tenant, connection.installation, now)
        return self._shown(platform, app, opened)

    def access_map(self, platform: str, app: str) -> Response:
        """What the plans of the token's own store give, with the entry open that was asked for."""
        opened = self._opened(platform)
        if isinstance(opened, Shut):
            return self._shut(platform, app, opened)
        return self._map_shown(platform, app, opened, Tried(asked_entry(read_form(MapQuery)), {}))

    def save_entry(self, platform: str, app: str) -> Response:
        """Keep one entry of that map, or forget it. The audit trail names the store's admin."""
        opened = self._opened(platform)
        if isinstance(opened, Shut):
            return self._shut(platform, app, opened)
        tried = self._map.keep(opened.installation, MapEntry, opened.actor)
        if tried.faults:
            return self._map_shown(platform, app, opened, tried, 422)
        fresh = replace(tried, entry=OpenEntry(tried.entry.part))
        said = _FORGOTTEN if tried.forgotten else _SAVED
        return self._map_shown(platform, app, opened, fresh, said=said)

    def _map_shown(
        self,
        platform: str,
        app: str,
        opened: Opened,
        tried: Tried,
        status: int = 200,
        said: str = "",
    ) -> Response:
        base = f"/embedded/{platform}/{app}"
        return _html(
            "embedded/map.html",
            status,
            name=self._title(platform),
            base=base,
            card=self._map.card(opened.installation, tried.entry, tried.faults),
            place=MapPlace(f"{base}/map", f"{base}/entry", framed=True),
            said=said,
        )

    def _opened(self, platform: str) -> Opened | Shut:
        """What this request's token opens. Raises NotHere where there is no page."""
        self._declared(platform)
        opened = self._open(platform, _token(), self._context.clock.now)
        if opened is None:
            raise NotHere("not_here")
        return opened

    def _shown(self, platform: str, app: str, opened: Opened) -> Response:
        connection = opened.installation.connection
        with self._context.storage.read(connection.tenant) as uow:
            found = uow.installations.get(connection.installation) or opened.installation
            access = of_installation(uow, connection.installation)
        manifest = self._context.registry.manifest(Kind.STORE, platform)
        lines = self._declarations.self_test(found.connection)
        card = view.self_test(
            found,
            {line.check: line.sentence for line in lines},
            under_way=is_under_way(found),
            now=self._context.clock.now(),
        )
        return _html(
            "embedded/state.html",
            title=self._title(platform),
            base=f"/embedded/{platform}/{app}",
            link=view.link(found),
            card=card,
            found=view.found(found, manifest, access),
            can_renew=bool(opened.proven.grant),
            settings_url=f"{self._context.settings.public_url}/install/at/"
            f"{connection.installation}#connect",
        )

    def _shut(self, platform: str, app: str, shut: Shut) -> Response:
        return _html(
            "embedded/shut.html",
            shut.status,
            title=self._title(platform),
            base=f"/embedded/{platform}/{app}",
            what=shut.what,
            advice=shut.advice,
            settings_url=f"{self._context.settings.public_url}/install/store/{platform}#connect",
        )

    def _declared(self, platform: str) -> Embedded:
        for manifest in self._context.registry.manifests(Kind.STORE):
            if manifest.stem == platform and manifest.embedded is not None:
                return manifest.embedded
        raise NotHere("not_here")

    def _title(self, platform: str) -> str:
        return self._context.registry.manifest(Kind.STORE, platform).name

    def _asset(self, name: str) -> str:
        return f"/assets/{self._context.assets[name]}"


def _token() -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    is_bearer = kind.lower() == "bearer" and len(token) <= _LONGEST_TOKEN
    return token.strip() if is_bearer else ""


def _key_failed(installation: Installation) -> bool:
    return any(line.name == KEY_WORKS and line.state == FAILED for line in installation.self_test)


def _html(template: str, status: int = 200, **shown: object) -> Response:
    return Response(render_template(template, **shown), status, mimetype="text/html")
