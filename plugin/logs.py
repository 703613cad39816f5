"""Logs: one line of JSON per event on standard error. Ids and codes only, never bodies, names or secrets."""

from __future__ import annotations

import json
import logging
import re
import sys

_ADDRESS = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+")
_SECRET = re.compile(r"\b(?:[sr]k_(?:live|test)_|whsec_|Bearer\s+|Basic\s+)[\w.~+/=-]+")


def redacted(text: str) -> str:
    """`text` without addresses and without what looks like a credential: the net under careful logging."""
    return _SECRET.sub("[secret]", _ADDRESS.sub("[address]", text))


class JsonLines(logging.Formatter):
    """A record as one line. Of an exception only the kinds and places, never what it says."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            "level": record.levelname,
            "from": record.name,
            "event": redacted(record.getMessage()),
        }
        if record.exc_info and record.exc_info[0] is not None:
            document["error"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace is not None:
                code = trace.tb_frame.f_code
                document["at_code"] = f"{code.co_name}:{trace.tb_lineno}"
                trace = trace.tb_next
        return json.dumps(document, ensure_ascii=False)


def log_to_stderr() -> None:
    """Send everything from INFO on to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("dbos").setLevel(logging.WARNING)
