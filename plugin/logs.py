"""Logs: one line of JSON per event on standard error. Ids and codes only, never bodies or secrets.

Whoever writes a line is careful; this module is the net below. It takes addresses and credentials
out of texts, and of an exception it tells the kind and the places only: drivers put a customer's
row into what it says.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Final

_ADDRESS: Final = re.compile(r"[^\s@\"'<>=]+@[^\s@\"'<>]+")
_SECRET: Final = re.compile(
    r"\b(?:[sr]k_(?:live|test)_|whsec_|eyJ|Bearer\s+|Basic\s+)[\w.~+/=-]+", re.IGNORECASE
)
_QUERY: Final = re.compile(r"\?[^\s\"'<>]*=[^\s\"'<>]*")
_EVENT: Final = re.compile(r"([a-z_]+\.[a-z_]+)((?: [a-z_]+=\S*)*)")
# These bring handlers of their own, which know nothing of the net.
_OWN_HANDLERS: Final = ("dbos", "_granian", "granian.access")

SERVER_LOGS: Final = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"lines": {"()": "plugin.logs.JsonLines"}},
    "handlers": {
        "lines": {
            "class": "logging.StreamHandler",
            "formatter": "lines",
            "stream": "ext://sys.stderr",
        }
    },
    "loggers": {"_granian": {"handlers": ["lines"], "propagate": False}},
}
"""The web server's own log configuration, in the form `logging.config.dictConfig` takes."""


_about: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039 - never written to


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """Name what the lines within are about, such as `request`, `delivery`, `refund` or `run`.

    Ids of ours only: they are not redacted.
    """
    before = _about.set({**_about.get(), **ids})
    try:
        yield
    finally:
        _about.reset(before)


def begin_about(**ids: str) -> None:
    """As `about`, until the next one of this thread, where nobody is sure to be told of the end."""
    _about.set(ids)


def redacted(text: str) -> str:
    """`text` without addresses, query strings, and what looks like a credential."""
    without_queries = _QUERY.sub("?[query]", text)
    return _SECRET.sub("[secret]", _ADDRESS.sub("[address]", without_queries))


class JsonLines(logging.Formatter):
    """A record as one line. Of an exception only the kind and the places, never what it says.

    Further lines of a message are left out: the web server puts a whole traceback there.
    """

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "process": record.process,
            "event": redacted(record.getMessage().partition("\n")[0]),
            **_about.get(),
        }
        if found := _EVENT.fullmatch(str(document["event"])):
            document["name"] = found[1]
            document["facts"] = dict(pair.split("=", 1) for pair in found[2].split())
        if record.exc_info and record.exc_info[0] is not None:
            document["error"] = record.exc_info[0].__name__
            document["code_places"] = _places(record.exc_info[2])
        return json.dumps(document)


def _places(trace: TracebackType | None) -> list[str]:
    places = []
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "?")
        places.append(f"{module}.{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places


def log_to_stderr() -> None:
    """Send our lines from INFO on to standard error, others' from WARNING on, and what broke."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("makegood").setLevel(logging.INFO)
    for name in _OWN_HANDLERS:
        logger = logging.getLogger(name)
        # A handler of ours keeps the library from adding its own later.
        logger.handlers[:] = [handler]
        logger.propagate = False
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("makegood").critical("process.broke", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
