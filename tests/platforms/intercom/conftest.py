"""A fresh fake workspace for each test, and the panel in its inbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Databases
from tests.platforms.intercom.fake import FakeIntercom
from tests.platforms.intercom.inbox import Inbox
from tests.platforms.intercom.world import World, running_world
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.practice_house import PracticeHouse


@pytest.fixture
def world() -> Iterator[World]:
    with running_world() as one:
        yield one


@pytest.fixture
def inbox(tmp_path: Path, databases: Databases) -> Iterator[Inbox]:
    clock = TurnedClock()
    with databases.fresh(tmp_path) as database, FakeIntercom() as fake:
        house = PracticeHouse(tmp_path, clock, database=database)
        yield Inbox(house, clock, fake)
        house.close()
