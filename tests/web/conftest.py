"""The site for the tests of the web: the real application, with two tenants and a made-up store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platforms.practice.fixtures import TurnedClock
from tests.web.practice_house import PracticeHouse
from tests.web.site import Site, open_site


@pytest.fixture
def site(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Site]:
    with open_site(tmp_path, migrated_sqlite) as one:
        yield one


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture(scope="module")
def new_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house as it is on its first day, to be copied: making one takes longer than most tests."""
    folder = tmp_path_factory.mktemp("practice")
    PracticeHouse(folder / "house").close()
    return (folder / "house").rename(folder / "new")


@pytest.fixture
def house(new_house: Path, clock: TurnedClock) -> Iterator[PracticeHouse]:
    folder = new_house.with_name("house")  # where its practice file is, by its own settings
    shutil.copytree(new_house, folder)
    one = PracticeHouse(folder, clock)
    yield one
    one.close()
    shutil.rmtree(folder)
