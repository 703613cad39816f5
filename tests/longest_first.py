"""Has the files whose tests may take longest run first, so that none of them ends a run alone.

Which these are, they say themselves: by a `timeout` above the usual. Between files that say the
same, and within each, the order stays as it was shuffled.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest


def seconds(item: pytest.Item) -> float:
    """What the test may take; 0 is the usual."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark is not None else 0.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest: defaultdict[Path, float] = defaultdict(float)
    for item in items:
        longest[item.path] = max(longest[item.path], seconds(item))
    items.sort(key=lambda item: -longest[item.path])
