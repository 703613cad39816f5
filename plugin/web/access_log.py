"""One log line for each answer: which route, how it was called, what it answered, how long it took.

Each request gets an id of ours. It stands in every line that the request causes and in the answer's
header `X-Request-Id`. One that somebody sends along is not taken: it could say anything.

Says the route's pattern and never the address: paths hold ids that a person typed, and queries
hold links that sign in. What answers machines all day is left out: health, assets, and deliveries,
for which the intake has a line of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter
from typing import Final

from flask import Flask, Response, g, request

from plugin.logs import begin_about
from plugin.ports.watching import RequestAnswered, RequestBegun, Watch, unwatched

_log = logging.getLogger("makegood.access")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
HEADER: Final = "X-Request-Id"
_QUIET: Final = frozenset(
    {"public.healthz", "public.readyz", "public.metrics", "public.asset", "webhooks.receive"}
)


def install_access_log(app: Flask, new_id: Callable[[], str], watch: Watch = unwatched) -> None:
    """Log every answer of `app`, and tell `watch`.

    Call it first: the time of all other hooks is counted.
    """

    def begin() -> None:
        g.makegood_begun = perf_counter()
        g.makegood_request = new_id()
        begin_about(request=g.makegood_request)
        if request.endpoint not in _QUIET:
            watch(RequestBegun(g.makegood_request))

    def log(response: Response) -> Response:
        response.headers[HEADER] = g.makegood_request
        is_quiet = request.endpoint in _QUIET
        if is_quiet and response.status_code < 400:
            return response
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in _METHODS else "other"
        seconds = perf_counter() - g.makegood_begun
        _log.info(
            "web.answered route=%s method=%s status=%d ms=%d",
            route,
            method,
            response.status_code,
            seconds * 1000,
        )
        if not is_quiet:
            told = RequestAnswered(g.makegood_request, route, method, response.status_code, seconds)
            watch(told)
        return response

    def end(error: BaseException | None) -> None:
        # The thread goes on with webhooks, which are no part of this request.
        del error
        begin_about()

    app.before_request(begin)
    app.after_request(log)
    app.teardown_request(end)
