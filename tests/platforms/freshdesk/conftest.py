"""A fresh fake account for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.platforms.freshdesk.world import World, running_world


@pytest.fixture
def world() -> Iterator[World]:
    with running_world() as one:
        yield one
