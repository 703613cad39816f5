"""The guard before every view: default-deny by the kind of access each route declares.

A route that declares nothing is an error at start-up, and closed besides. The guard opens sessions,
never views: what a view may show of a tenant comes from the session put here.
"""

from __future__ import annotations

from typing import Final

from flask import Flask, g, request

from plugin.domain.ids import TenantId
from plugin.ports import Kind
from plugin.ports.records import Installation, InstallationStatus
from plugin.services.sign_in_admin import SignInAdmin
from plugin.watch.scraper import shows_token
from plugin.web.auth import (
    Access,
    AdminSession,
    PanelSession,
    access_of,
    check_form_token,
    check_same_origin,
    cookie_name,
    form_token,
    read_panel_token,
)
from plugin.web.context import WebContext
from plugin.web.headers import install_headers
from plugin.web.pairing_session import proven_now
from plugin.web.problems import NotHere, NotSignedIn, install_problems
from plugin.web.strict_forms import LARGEST_FORM, read_pairs

STYLES: Final = "panel/panel.css"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LONGEST_PART: Final = 200


class UndeclaredRoutes(Exception):
    """Routes that do not say how they are opened; the message lists them."""


def install_security(app: Flask, context: WebContext) -> None:
    """Guard `app`. Call it last: raises UndeclaredRoutes for a route that declares nothing."""
    closed = undeclared_routes(app)
    if closed:
        raise UndeclaredRoutes(f"say how these are opened (plugin.web.auth): {', '.join(closed)}")
    guard = _Guard(app, context)
    app.before_request(guard.check)
    install_headers(app, https=context.settings.is_https)
    install_problems(app, f"/assets/{context.assets[STYLES]}")


def undeclared_routes(app: Flask) -> tuple[str, ...]:
    """The rules whose views declare no kind of access."""
    return tuple(
        sorted(
            f"{rule.rule} ({rule.endpoint})"
            for rule in app.url_map.iter_rules()
            if access_of(app.view_functions.get(rule.endpoint)) is None
        )
    )


class _Guard:
    def __init__(self, app: Flask, context: WebContext) -> None:
        self._app = app
        self._context = context
        self._sign_in = SignInAdmin(context.storage, context.mint)

    def check(self) -> None:
        """Let the request through to its view, with its session, or raise why not."""
        endpoint = request.endpoint
        if endpoint is None:
            return  # Flask answers 404 or 405 itself
        if any(not _is_plain(value) for value in (request.view_args or {}).values()):
            raise NotHere("not_here")
        access = access_of(self._app.view_functions.get(endpoint))
        if access is not Access.SIGNED_WEBHOOK:
            request.max_content_length = LARGEST_FORM
        match access:
            case (
                Access.PUBLIC
                | Access.SIGNED_WEBHOOK
                | Access.PANEL_ENTRY
                | Access.PENDING_INSTALL
                | Access.EMBEDDED
            ):
                return
            case Access.SIGN_IN:
                if request.method not in _SAFE:
                    check_same_origin(self._context.settings.public_url)
            case Access.SCRAPER:
                self._check_scraper()
            case Access.ADMIN:
                g.makegood_admin = self._admin()
            case Access.PANEL_SESSION:
                session = self._panel()
                g.makegood_desk = desk = self._desk(session).connection
                g.makegood_panel = proven_now(self._context, session, desk)
            case _:
                raise NotHere("undeclared")

    def _check_scraper(self) -> None:
        token = self._context.settings.metrics_token
        if not token:
            raise NotHere("not_here")
        if not shows_token(request.headers.get("Authorization", ""), token):
            raise NotSignedIn("no_metrics_token")

    def _admin(self) -> AdminSession:
        token = request.cookies.get(cookie_name(https=self._context.settings.is_https), "")
        session = self._sign_in.read_session(token, self._context.clock.now())
        if session is None:
            raise NotSignedIn("not_signed_in")
        admin = AdminSession(session, form_token(session))
        if request.method not in _SAFE:
            check_same_origin(self._context.settings.public_url)
            given = [value for name, value in read_pairs() if name == "form_token"]
            check_form_token(admin, given[0] if len(given) == 1 else "")
        return admin

    def _panel(self) -> PanelSession:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            # Without script the same forms carry it in a field.
            posted = () if request.method in _SAFE else read_pairs()
            given = [value for name, value in posted if name == "session"]
            token = given[0] if len(given) == 1 else ""
        keys, now = self._context.signing_keys, self._context.clock.now()
        return read_panel_token(token.strip(), keys, now)

    def _desk(self, session: PanelSession) -> Installation:
        """The token's installation, if it still stands and the address names no other."""
        found = self._context.storage.find_installation(session.installation)
        if found is None or not _is_desk_of(found, session.tenant):
            raise NotHere("not_here")
        named = request.view_args or {}
        connection = found.connection
        if named.get("installation", connection.installation) != connection.installation:
            raise NotHere("not_here")
        if named.get("platform", connection.platform) != connection.platform:
            raise NotHere("not_here")
        return found


def _is_desk_of(found: Installation, tenant: TenantId) -> bool:
    return (
        found.connection.tenant == tenant
        and found.connection.kind is Kind.HELPDESK
        and found.status is not InstallationStatus.REMOVED
    )


def _is_plain(value: object) -> bool:
    """Whether a part of the path may reach a query. No database takes a NUL, no id is long."""
    return not isinstance(value, str) or (len(value) <= _LONGEST_PART and value.isprintable())
