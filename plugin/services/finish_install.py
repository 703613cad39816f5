"""Finish an installation: read what a platform gave our app, its ids above all, and keep it.

For platforms where the admin installs our app by hand. Until then the panel cannot prove who opens
it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from plugin.domain.errors import MakegoodError
from plugin.domain.ids import InstallationId, TenantId
from plugin.ports import FinishesInstall
from plugin.ports.platforms import Platforms
from plugin.ports.records import Installation, InstallationStatus
from plugin.ports.storage import Storage
from plugin.services.self_test_lines import advice_for

_LONGEST_ID = 64
"""What is longer than an id, such as a public key, is kept and does not fill the audit trail."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What the platform gave is kept. Doing it again reads it again."""

    installation: Installation


@dataclass(frozen=True, slots=True)
class NotFinished:
    """Nothing was changed. `code` is stable, `advice` says what to do first."""

    code: str
    advice: str


Finishing = Finished | NotFinished


@dataclass(frozen=True, slots=True)
class FinishInstall:
    """The use case, with its ports."""

    storage: Storage
    platforms: Platforms

    def __call__(
        self, tenant: TenantId, installation: InstallationId, actor: str, now: datetime
    ) -> Finishing:
        """Read and keep the ids, or say what is missing."""
        with self.storage.read(tenant) as uow:
            found = uow.installations.get(installation)
        if found is None or found.status is InstallationStatus.REMOVED:
            return _gone()
        title = self.platforms.title(found.connection)
        port = self.platforms.able(found.connection, FinishesInstall)
        if port is None:
            return NotFinished("nothing_to_finish", f"{title} needs no second step")
        try:
            given = port.finish()
        except MakegoodError as error:
            return NotFinished(error.code, advice_for(error, title))
        with self.storage.begin(tenant) as uow:
            fresh = uow.installations.get(installation)
            if fresh is None or fresh.status is InstallationStatus.REMOVED:
                return _gone()
            settings = {**fresh.connection.settings, **given}
            finished = replace(fresh, connection=replace(fresh.connection, settings=settings))
            uow.installations.save(finished)
            told = {name: value for name, value in given.items() if len(value) <= _LONGEST_ID}
            uow.audit.write(now, actor, "installation.finished", installation, told)
            uow.commit()
        return Finished(finished)


def _gone() -> NotFinished:
    return NotFinished("no_such_installation", "there is no such connection; list them first")
