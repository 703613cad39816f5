"""Renew keys that end by themselves: one process at a time, and kept before they are used.

The claim stands in the connection's own row and is committed before the call; writers of one tenant
queue up, so one gets it. A claim that is old was left behind by a process that ended: the next one
renews. A definitive no makes the connection one that needs attention, with its first line failed:
the health page shows it, and nothing is tried again until new keys come. Logs no key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from plugin.domain.errors import MakegoodError, Refused
from plugin.ports import Clock, Connection
from plugin.ports.keys import Secrets
from plugin.ports.records import Installation, InstallationStatus, SelfTestLine
from plugin.ports.storage import Storage
from plugin.services.key_replacement import KEY_WORKS
from plugin.services.self_test_lines import FAILED, advice_for, with_line

LEASE: Final = timedelta(seconds=60)
"""No call takes so long: after it nobody is at it any more."""
_CLAIMED: Final = "keys_claimed_at"
_log = logging.getLogger("makegood.keys")


@dataclass(frozen=True, slots=True)
class RenewKeys:
    """Implements `plugin.ports.keys.KeyShelf`."""

    storage: Storage
    clock: Clock
    title: Callable[[Connection], str]

    def renewed(
        self,
        connection: Connection,
        is_due: Callable[[Secrets], bool],
        renew: Callable[[Secrets], Secrets],
    ) -> Secrets | None:
        """As the port says. Secrets of a connection that is not kept (yet) are as they came."""
        now = self.clock.now()
        with self.storage.begin(connection.tenant) as uow:
            found = uow.installations.get(connection.installation)
            if found is None:
                return connection.secrets
            if found.status is InstallationStatus.REMOVED:
                raise Refused("key_refused", "not connected any more")
            if not is_due(found.connection.secrets):
                return found.connection.secrets
            if _is_claimed(found, now):
                return None
            claim = now.isoformat()
            uow.installations.save(_with_settings(found, {_CLAIMED: claim}))
            uow.commit()
        try:
            new = renew(found.connection.secrets)
        except MakegoodError as error:
            self._give_up(connection, claim, error)
            raise
        return self._keep(connection, claim, new)

    def _keep(self, connection: Connection, claim: str, new: Secrets) -> Secrets:
        with self.storage.begin(connection.tenant) as uow:
            fresh = uow.installations.get(connection.installation)
            if fresh is None or fresh.connection.settings.get(_CLAIMED) != claim:
                return new  # somebody else renewed them since: theirs stay
            secrets = {**fresh.connection.secrets, **new}
            done = _with_settings(fresh, {_CLAIMED: ""})
            uow.installations.save(
                replace(done, connection=replace(done.connection, secrets=secrets))
            )
            uow.commit()
        _log.info("keys.renewed installation=%s", connection.installation)
        return secrets

    def _give_up(self, connection: Connection, claim: str, error: MakegoodError) -> None:
        now = self.clock.now()
        _log.warning(
            "keys.not_renewed installation=%s code=%s", connection.installation, error.code
        )
        with self.storage.begin(connection.tenant) as uow:
            fresh = uow.installations.get(connection.installation)
            if fresh is None or fresh.connection.settings.get(_CLAIMED) != claim:
                return
            done = _with_settings(fresh, {_CLAIMED: ""})
            if isinstance(error, Refused) and fresh.status is not InstallationStatus.REMOVED:
                told = advice_for(error, self.title(connection), "connect it again")
                line = SelfTestLine(KEY_WORKS, FAILED, told, now)
                done = replace(
                    done,
                    status=InstallationStatus.NEEDS_ATTENTION,
                    self_test=with_line(done, line),
                )
                details = {"line": KEY_WORKS}
                action = f"installation.{done.status}"
                uow.audit.write(now, "keys", action, connection.installation, details)
            uow.installations.save(done)
            uow.commit()


def _is_claimed(found: Installation, now: datetime) -> bool:
    claim = found.connection.settings.get(_CLAIMED, "")
    return claim != "" and now < datetime.fromisoformat(claim) + LEASE


def _with_settings(found: Installation, new: dict[str, str]) -> Installation:
    connection = found.connection
    settings = {**connection.settings, **new}
    return replace(found, connection=replace(connection, settings=settings))
