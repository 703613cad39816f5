"""What all pages of the signed-in admin share: the frame around them and their answers."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, redirect, render_template
from werkzeug.wrappers import Response as BaseResponse

from plugin.ports.records import Tenant
from plugin.web.auth import AdminSession, current_admin
from plugin.web.context import WebContext

ACTOR = "admin"


@dataclass(frozen=True, slots=True)
class PageFrame:
    """What the page around the content needs. `form_token` goes into every form."""

    tenant: Tenant
    stylesheet: str
    script: str
    form_token: str
    here: str


@dataclass(frozen=True, slots=True)
class Pages:
    """Renders pages inside the admin's frame."""

    context: WebContext

    def render(self, template: str, here: str, status: int = 200, **shown: object) -> Response:
        """The page `template`. `here` names the place in the side menu."""
        admin: AdminSession = current_admin()
        with self.context.storage.read(admin.tenant) as uow:
            tenant = uow.settings.tenant()
        frame = PageFrame(
            tenant,
            self.asset("panel/panel.css"),
            self.asset("panel/pages.js"),
            admin.form_token,
            here,
        )
        return Response(
            render_template(template, frame=frame, **shown), status, mimetype="text/html"
        )

    def asset(self, name: str) -> str:
        """The address of a built file."""
        return f"/assets/{self.context.assets[name]}"


def see_other(path: str) -> BaseResponse:
    """After a post: look at the page that shows what is true now."""
    return redirect(path, 303)
