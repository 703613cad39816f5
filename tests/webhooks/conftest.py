"""The door, with one shop that is connected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from tests.web.site import open_site
from tests.webhooks.door import Door, a_shop


@pytest.fixture
def door(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Door]:
    with open_site(tmp_path, migrated_sqlite) as site:
        engine = site.parts.house.engine

        @event.listens_for(engine, "connect")
        def hurry(connection: object, _record: object) -> None:
            """Nothing here outlives a power cut, and a locked database need not be waited for."""
            for pragma in ("synchronous=OFF", "busy_timeout=1"):
                connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]  # SQLite's

        engine.dispose()
        one = Door(site)
        one.connect(a_shop())
        yield one
        one.close()
