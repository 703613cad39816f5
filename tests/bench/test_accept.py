"""What an accept costs in calls of functions and in SQL: a gate that no busy machine can move.

CPU time itself is measured by `make bench PARTS=intake`. What is counted here grows with it, and is
the same on every machine: the calls, of Python and of C, that the answering thread makes. The SQL
is left to the thread that commits for a whole group, in one transaction. Fewer is fine: then lower
the number.
"""

from __future__ import annotations

import hmac
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import count
from pathlib import Path
from types import FrameType

import pytest
from flask import Flask
from sqlalchemy import event
from werkzeug.test import EnvironBuilder

from bench.bare import ID_HEADER, SECRET, SIGNATURE_HEADER
from bench.intake import OURS, PATHS, a_body, installed
from plugin.app import create_app, put_together
from plugin.settings import read_settings

TIMES = 9
"""Now and then one of them looks again whether the store is still connected: the least counts."""
CALLS = 206


@pytest.fixture
def door(tmp_path: Path) -> Iterator[tuple[Flask, list[str]]]:
    parts = put_together(read_settings(installed(tmp_path / "house")))
    statements: list[str] = []
    event.listen(
        parts.house.engine, "before_cursor_execute", lambda *told: statements.append(told[2])
    )
    try:
        yield create_app(parts=parts), statements
    finally:
        parts.house.engine.dispose()


@contextmanager
def counted_calls() -> Iterator[list[str]]:
    """The names of what this thread calls within the block."""
    calls: list[str] = []

    def note(frame: FrameType, what: str, called: object) -> None:
        if what == "call":
            calls.append(frame.f_code.co_qualname)
        elif what == "c_call":
            calls.append(getattr(called, "__qualname__", ""))

    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def test_an_accept(door: tuple[Flask, list[str]]) -> None:
    app, statements = door
    body = a_body()
    signature = hmac.digest(SECRET, body, "sha256").hex()
    numbers = count()
    told: list[str] = []

    def answered(status: str, *_: object) -> Callable[[bytes], object]:
        told.append(status)
        return bytes.strip

    def accept() -> tuple[int, int]:
        headers = {
            ID_HEADER: f"message-{next(numbers):012}",
            SIGNATURE_HEADER: signature,
            "X-Webhook-Event": "SALE_NEW",
            "Content-Type": "application/json",
        }
        built = EnvironBuilder(PATHS[OURS], method="POST", headers=headers.items(), data=body)
        environ = {**built.get_environ(), "wsgi.input": BytesIO(body)}
        statements.clear()
        with counted_calls() as calls:
            list(app.wsgi_app(environ, answered))
        return len(calls), len(statements)

    counts = [accept() for _ in range(TIMES)]

    assert set(told) == {"200 OK"}
    calls, statements_of_it = min(counts)
    assert calls <= CALLS
    assert statements_of_it == 0
