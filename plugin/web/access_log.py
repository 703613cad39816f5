"""One log line for each answer: which route, how it was called, what it answered, how long it took.

Says the route's pattern and never the address: paths hold ids that a person typed, and queries
hold links that sign in. What answers machines all day is left out: health, assets, and deliveries,
for which the intake has a line of its own.
"""

from __future__ import annotations

import logging
from time import perf_counter
from typing import Final

from flask import Flask, Response, g, request

_log = logging.getLogger("makegood.access")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET: Final = frozenset({"public.healthz", "public.asset", "webhooks.receive"})


def install_access_log(app: Flask) -> None:
    """Log every answer of `app`. Call it first: the time of all other hooks is counted."""

    def begin() -> None:
        g.makegood_begun = perf_counter()

    def log(response: Response) -> Response:
        if request.endpoint not in _QUIET or response.status_code >= 400:
            _log.info(
                "web.answered route=%s method=%s status=%d ms=%d",
                request.url_rule.rule if request.url_rule else "none",
                request.method if request.method in _METHODS else "other",
                response.status_code,
                (perf_counter() - g.makegood_begun) * 1000,
            )
        return response

    app.before_request(begin)
    app.after_request(log)
