"""A fresh house for each journey, with or without a shop in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Databases
from tests.journey.house import House, open_house
from tests.journey.shop import Shop, open_shop
from tests.platforms.systeme_io.vendor import check_exchanges


@pytest.fixture
def house(tmp_path: Path, databases: Databases) -> Iterator[House]:
    with open_house(tmp_path, databases) as one:
        yield one


@pytest.fixture
def shop(house: House) -> Iterator[Shop]:
    """Ends with every call that was made held to the vendor's specification."""
    yield open_shop(house)
    check_exchanges(house.world.systeme_io.exchanges)
