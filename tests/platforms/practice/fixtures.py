"""A practice world in a folder of the test's own, with a clock that the test turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plugin.domain.ids import InstallationId, TenantId
from plugin.helpdesks.practice import PracticeHelpdesk
from plugin.platforms.practice_desk import TICKET_FIELD, PracticeTickets
from plugin.platforms.practice_world import PracticeWorld
from plugin.ports import Connection, Kind
from plugin.stores.practice import PracticeStore

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
SHOP = InstallationId("practice-shop")
DESK = InstallationId("practice-desk")


@dataclass
class TurnedClock:
    """A clock that stands until it is turned."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def turn(self, by: timedelta) -> None:
        self.at += by


@dataclass
class Practice:
    """Shop, desk, and the world behind them."""

    folder: Path
    clock: TurnedClock = field(default_factory=TurnedClock)

    @property
    def file(self) -> Path:
        return self.folder / "practice.sqlite"

    @property
    def world(self) -> PracticeWorld:
        return PracticeWorld(self.file)

    @property
    def tickets(self) -> PracticeTickets:
        return PracticeTickets(self.file)

    @property
    def shop_connection(self) -> Connection:
        return _connection(Kind.STORE, SHOP, {"file": str(self.file)}, {})

    @property
    def desk_connection(self) -> Connection:
        secrets = {"link_key": "a-key-made-for-this-test"}
        settings = {"file": str(self.file), "ticket_field": TICKET_FIELD}
        return _connection(Kind.HELPDESK, DESK, settings, secrets)

    @property
    def store(self) -> PracticeStore:
        return PracticeStore(self.shop_connection, None, self.clock)

    @property
    def desk(self) -> PracticeHelpdesk:
        return PracticeHelpdesk(self.desk_connection, None, self.clock)


def _connection(
    kind: Kind, installation: InstallationId, settings: dict[str, str], secrets: dict[str, str]
) -> Connection:
    return Connection(
        TenantId("practice"), installation, kind, "practice", "Practice", settings, secrets
    )
