"""What anybody may have: the built styles and scripts, and whether the process lives and is ready.

And the metrics, for whoever shows the token of the settings.
"""

from __future__ import annotations

from flask import Blueprint, Response, redirect, send_from_directory
from werkzeug.wrappers import Response as BaseResponse

from plugin.platforms.data_files import DataFiles
from plugin.watch.scraper import CONTENT_TYPE
from plugin.web.auth import Access, open_to
from plugin.web.context import WebContext
from plugin.web.problems import NotHere

ONE_DAY = 86400
ONE_YEAR = 31536000


def public_blueprint(context: WebContext, files: DataFiles) -> Blueprint:
    """Routes `/`, `/healthz`, `/readyz`, `/metrics`, `/favicon.ico` (none) and `/assets/...`."""
    blueprint = Blueprint("public", __name__)
    folder = files.front_end()
    named = frozenset(context.assets.values())

    @blueprint.get("/")
    @open_to(Access.PUBLIC)
    def home() -> BaseResponse:
        return redirect("/admin", 303)

    @blueprint.get("/healthz")
    @open_to(Access.PUBLIC)
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    @blueprint.get("/readyz")
    @open_to(Access.PUBLIC)
    def readyz() -> Response:
        missing = context.missing()
        word, status = ("ok", 200) if missing is None else (missing, 503)
        return Response(f"{word}\n", status, mimetype="text/plain")

    @blueprint.get("/metrics")
    @open_to(Access.SCRAPER)
    def metrics() -> Response:
        if context.scrape is None:
            raise NotHere("not_here")
        return Response(context.scrape(), content_type=CONTENT_TYPE)

    @blueprint.get("/favicon.ico")
    @open_to(Access.PUBLIC)
    def favicon() -> Response:
        # Browsers ask for it unasked; a 404 would stand in every console and every access log.
        response = Response(status=204)
        response.headers["Cache-Control"] = f"public, max-age={ONE_DAY}"
        return response

    @blueprint.get("/assets/<path:name>")
    @open_to(Access.PUBLIC)
    def asset(name: str) -> Response:
        if name not in named:
            raise NotHere("not_here")
        response = send_from_directory(folder, name, max_age=ONE_YEAR)
        response.headers["Cache-Control"] = f"public, max-age={ONE_YEAR}, immutable"
        return response

    return blueprint
