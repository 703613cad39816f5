"""Which tests run without coverage's tracing: those that only pass again what others pass.

Traced, Python is two to five times as slow, in libraries too. What runs on both databases is
counted on SQLite; only where code is of PostgreSQL alone, its tests are counted on both. Harnesses
and browsers judge what happens, and not which lines: theirs are never counted.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from typing import Final

import pytest

NEVER_COUNTED: Final = ("tests/browser/", "tests/histories/", "tests/kill/")
COUNTED_ON_BOTH: Final = ("tests/storage/", "tests/workflows/")
"""Where code that only PostgreSQL runs has its tests."""


def is_untraced(item: pytest.Item) -> bool:
    """Whether the lines that the test passes are not counted."""
    if item.nodeid.startswith(NEVER_COUNTED):
        return True
    call = getattr(item, "callspec", None)
    again = call is not None and "postgresql" in call.params.values()
    return again and not item.nodeid.startswith(COUNTED_ON_BOTH)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    tracer, for_threads = sys.gettrace(), threading.gettrace()
    if tracer is None or not is_untraced(item):
        return (yield)
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)
        threading.settrace(for_threads)
