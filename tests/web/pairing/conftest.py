"""Practice at a desk that proves only its account, and two people with a browser each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.platforms.practice.fixtures import TurnedClock
from tests.web.pairing_house import PairingHouse, Person
from tests.web.practice_house import NewHouse


@pytest.fixture
def house(new_house: NewHouse, clock: TurnedClock) -> Iterator[PairingHouse]:
    with new_house.copied() as (folder, database):
        one = PairingHouse(folder, clock, database=database)
        yield one
        one.close()


@pytest.fixture
def ana(house: PairingHouse) -> Person:
    return Person(house)


@pytest.fixture
def mallory(house: PairingHouse) -> Person:
    return Person(house)
