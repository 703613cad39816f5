"""The whole of practice in a folder of the test's own: app, storage, and a clock that is turned.

The worker's tasks run in this process, one after the other, until nothing is due: what the engine
adds (durability) is tested where it is at home.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask

from plugin.app import Parts, create_app, put_together, worker_tasks
from plugin.chance import SystemMint
from plugin.domain.ids import AgentId, InstallationId, TenantId, TicketId
from plugin.first_start import prepare_house
from plugin.helpdesks.practice import practice_link
from plugin.platforms.practice_cases import PRACTICE_AGENT
from plugin.platforms.practice_world import PracticeWorld
from plugin.ports import Clock
from plugin.ports.records import Installation
from plugin.practice import open_practice
from plugin.settings import Settings, read_settings
from tests.databases import Databases, settings_of
from tests.platforms.practice.fixtures import TurnedClock


@dataclass
class PracticeHouse:
    """The app over practice, and hands to turn the clock, do the worker's work and look into it.

    `database` is its address; empty for SQLite in the folder.
    """

    folder: Path
    clock: Clock = field(default_factory=TurnedClock)
    port: int = 8080
    database: str = ""

    def __post_init__(self) -> None:
        self.settings: Settings = read_settings(
            {
                "MAKEGOOD_DATA_DIR": str(self.folder),
                "MAKEGOOD_PORT": str(self.port),
                **settings_of(self.database),
            }
        )
        prepare_house(self.settings, self.clock, SystemMint()).engine.dispose()
        self.parts: Parts = put_together(self.settings, self.clock)
        self.first_link = open_practice(self.parts)
        self.app: Flask = create_app(self.settings, self.parts)
        self._tasks = worker_tasks(self.parts)

    # --- who and where ----------------------------------------------------------------------------

    @property
    def tenant(self) -> TenantId:
        return next(t.id for t in self.parts.house.storage.tenants() if t.simulated)

    def installation(self, kind: str) -> Installation:
        with self.parts.house.storage.read(self.tenant) as uow:
            return next(i for i in uow.installations.all() if i.connection.kind == kind)

    @property
    def shop(self) -> InstallationId:
        return self.installation("store").connection.installation

    @property
    def desk(self) -> InstallationId:
        return self.installation("helpdesk").connection.installation

    @property
    def base(self) -> str:
        return f"/panel/practice/{self.desk}"

    @property
    def world(self) -> PracticeWorld:
        return PracticeWorld(self.folder / "practice.sqlite")

    def order(self, number: str) -> str:
        """An order's name in forms."""
        return f"{self.shop}~order-{number}"

    def link(self, ticket: str, agent: AgentId = PRACTICE_AGENT) -> str:
        """The signed address of a ticket."""
        desk = self.installation("helpdesk").connection
        address = self.settings.public_url
        return practice_link(desk, address, TicketId(ticket), agent, self.clock.now())

    def close(self) -> None:
        """Let go of the database, so that the folder may go."""
        self.parts.house.engine.dispose()

    # --- the worker -------------------------------------------------------------------------------

    def work(self) -> int:
        """Do all that is due now, and what becomes due by it. Returns how much was done."""
        done = 0
        while due := self.parts.house.storage.due(self.clock.now(), 100):
            for work in due:
                self._tasks[work.kind](work.tenant, work.ref)
                done += 1
        return done


@dataclass(frozen=True, slots=True)
class NewHouse:
    """The folder and the database of a house that nobody has open, to be copied."""

    folder: Path
    databases: Databases
    database: str

    @contextmanager
    def copied(self) -> Iterator[tuple[Path, str]]:
        """Another folder and another database like these, until the end of the block."""
        folder = self.folder.with_name("house")  # where its practice file is, by its own settings
        shutil.copytree(self.folder, folder)
        with self.databases.copied(self.database) as database:
            yield folder, database
        shutil.rmtree(folder)
