"""The ways up and back, step by step as docs/operating.md tells them to an admin.

`by_stopping` is for SQLite, and for a schema on which the version before may not run. `beside` is
for PostgreSQL, where the schema lets both run for a while. After each step there is traffic, and
every version that may run reads all that is stored.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness import say
from tests.upgrade.older import Version
from tests.upgrade.site import NotWorked, Server, Site
from tests.upgrade.traffic import Traffic

READ_ALL = Path(__file__).with_name("read_all.py")
PRESSES = 2
"""Refunds that are decided after each step, at least."""


@dataclass(slots=True)
class Journey:
    """One house on its way between two versions."""

    site: Site
    traffic: Traffic
    older: Version
    newer: Version
    unreadable: set[str] = field(default_factory=set)
    documents: int = 0
    steps: int = 0
    both: int = 0
    """Refunds that were decided while servers of both versions ran."""
    begun: float = field(default_factory=time.monotonic)

    @property
    def goes_beside(self) -> bool:
        """Whether both may run at once, on this database."""
        return bool(self.site.scene.database) and self.may_older_run

    @property
    def may_older_run(self) -> bool:
        """Whether the older code may run on the newer schema."""
        return self.newer.oldest_code <= self.older.schema

    def begin(self) -> Server:
        """The older version's server, on its own schema, and traffic."""
        self._migrate(self.older.schema)
        server = self.site.start(self.older)
        self.traffic.start()
        self._look("the older version", self.older)
        return server

    def there_and_back(self, now: Server) -> Server:
        """From the older version to the newer one and back; the older one's server again."""
        return self.back(self.up(now))

    def up(self, now: Server) -> Server:
        """From the older version to the newer one."""
        if not self.goes_beside:
            self.site.stop(now)
            return self._arrive(self.newer, "stopped, and started the newer version")
        self._migrate()
        self._look("the older version on the newer schema", self.older)
        then = self._arrive_beside(self.newer)
        self.site.stop(now)
        self._look("the newer version alone", self.newer)
        return then

    def back(self, now: Server) -> Server:
        """To the older version: beside, where the schema lets it; then to its own schema."""
        if self.goes_beside:
            then = self._arrive_beside(self.older)
            self.site.stop(now)
            self._look("the older version alone, on the newer schema", self.older)
            now = then
        self.site.stop(now)
        self._migrate(self.older.schema)
        return self._arrive(self.older, f"stopped, and went back to schema {self.older.schema}")

    def _arrive(self, version: Version, how: str) -> Server:
        server = self.site.start(version)
        self._look(how, version)
        return server

    def _arrive_beside(self, version: Version) -> Server:
        before = self.traffic.presses
        server = self.site.start(version)
        self._look("both versions", self.older, self.newer)
        self.both += self.traffic.presses - before
        return server

    def _migrate(self, to: str = "") -> None:
        words = ["migrate", *(["--to", to] if to else [])]
        told = self.site.command(self.newer, *words)
        if not told["ok"]:
            raise NotWorked(f"{' '.join(words)}: {told}")

    def _look(self, what: str, *versions: Version) -> None:
        self.traffic.go_on(PRESSES)
        for version in versions:
            told = self.site.run(version, READ_ALL)
            self.documents += told["documents"]
            self.unreadable |= {f"schema {version.schema}: {one}" for one in told["unreadable"]}
        self.steps += 1
        went = time.monotonic() - self.begun
        decided = f"{self.traffic.presses} decided, {len(self.unreadable)} unreadable"
        say(f"{what}: {decided}, {went:.1f} s")
        if self.unreadable:
            raise NotWorked("there is no sense in going on: a version cannot read what is stored")
