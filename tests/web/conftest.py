"""The site for the tests of the web: the real application, with two tenants and a made-up store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Databases
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.practice_house import NewHouse, PracticeHouse
from tests.web.site import Site, open_site


@pytest.fixture
def site(tmp_path: Path, databases: Databases) -> Iterator[Site]:
    with open_site(tmp_path, databases) as one:
        yield one


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture(scope="module")
def new_house(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[NewHouse]:
    """A house as it is on its first day, to be copied: making one takes longer than most tests."""
    folder = tmp_path_factory.mktemp("practice") / "house"
    folder.mkdir()
    with databases.fresh(folder) as database:
        PracticeHouse(folder, database=database).close()
        yield NewHouse(folder.rename(folder.with_name("new")), databases, database)


@pytest.fixture
def house(new_house: NewHouse, clock: TurnedClock) -> Iterator[PracticeHouse]:
    with new_house.copied() as (folder, database):
        one = PracticeHouse(folder, clock, database=database)
        yield one
        one.close()
