"""What opens a site or a house runs on both databases, and none falls back to a file in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.databases import Databases, pytest_configure
from tests.journey.house import open_house
from tests.web.practice_house import NewHouse, PracticeHouse
from tests.web.site import open_site


@pytest.fixture
def chosen(request: pytest.FixtureRequest) -> str:
    return str(request.node.callspec.params["databases"])


def test_a_site_is_on_the_database_that_is_chosen(
    databases: Databases, chosen: str, tmp_path: Path
) -> None:
    with open_site(tmp_path, databases) as site:
        assert site.storage.tenants()
        assert site.parts.house.engine.dialect.name == chosen


def test_a_house_is_on_the_database_that_is_chosen(
    databases: Databases, chosen: str, tmp_path: Path
) -> None:
    with open_house(tmp_path, databases) as house:
        assert house.parts.house.engine.dialect.name == chosen


def test_a_copy_of_a_practice_house_is_one_of_its_own(
    databases: Databases, chosen: str, tmp_path: Path
) -> None:
    folder = tmp_path / "house"
    folder.mkdir()
    with databases.fresh(folder) as database:
        PracticeHouse(folder, database=database).close()
        new = NewHouse(folder.rename(tmp_path / "new"), databases, database)
        with new.copied() as (place, address):
            house = PracticeHouse(place, database=address)
            assert house.parts.house.engine.dialect.name == chosen
            house.parts.house.storage.name_owners(house.tenant, ("changed@example.com",))
            house.close()
        with new.copied() as (place, address):
            house = PracticeHouse(place, database=address)
            [tenant] = [one for one in house.parts.house.storage.tenants() if one.simulated]
            assert tenant.owners != ("changed@example.com",)
            house.close()


def test_a_database_that_there_is_not_is_refused(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.databases.CHOSEN", "mysql")
    with pytest.raises(pytest.UsageError, match="is sqlite or postgresql, not mysql"):
        pytest_configure(request.config)
