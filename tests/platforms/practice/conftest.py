"""Practice worlds for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.platforms.practice.fixtures import NOW, Practice


@pytest.fixture
def practice(tmp_path: Path) -> Practice:
    """A world without anything in it."""
    return Practice(tmp_path)


@pytest.fixture
def seeded(practice: Practice) -> Practice:
    """A world with the twelve cases."""
    assert practice.world.seed(NOW)
    return practice
