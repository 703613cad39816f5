"""`/embedded/<platform>/<app>`: our page inside a store's own admin. No cookie is read or set.

The page itself is the same for everybody: it asks no database, and who may frame it is filled from
the manifest with what its address claims. Its calls carry the admin's token; what that opens is the
use case's to say. Never shows or logs a token.
"""

from __future__ import annotations

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
from plugin.services.self_test_lines import FAILED, is_under_way
from plugin.web.auth import Access, open_to
from plugin.web.context import WebContext
from plugin.web.headers import allow_framing
from plugin.web.problems import NotHere
from plugin.web.strict_forms import query_pairs, single_fields
from plugin.web.views import install_view as view

_BRIDGE: Final = "embedded/bridge.js"
_LONGEST_TOKEN: Final = 8192


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

    return blueprint


class _Screen:
    """The page and its three moves."""

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
        self._declared(platform)
        opened = self._open(platform, _token(), self._context.clock.now)
        if opened is None:
            raise NotHere("not_here")
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

    def _shown(self, platform: str, app: str, opened: Opened) -> Response:
        connection = opened.installation.connection
        with self._context.storage.read(connection.tenant) as uow:
            found = uow.installations.get(connection.installation) or opened.installation
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
