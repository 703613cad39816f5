"""Practice at a desk that proves only its account, and two people with a browser each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.platforms.practice.fixtures import TurnedClock
from tests.web.pairing_house import PairingHouse, Person


@pytest.fixture
def house(new_house: Path, clock: TurnedClock) -> Iterator[PairingHouse]:
    folder = new_house.with_name("house")
    shutil.copytree(new_house, folder)
    one = PairingHouse(folder, clock)
    yield one
    one.close()
    shutil.rmtree(folder)


@pytest.fixture
def ana(house: PairingHouse) -> Person:
    return Person(house)


@pytest.fixture
def mallory(house: PairingHouse) -> Person:
    return Person(house)
