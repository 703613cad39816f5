"""Keep an account's webhook: see that it still sends, and that what proves its deliveries is known.

Some platforms switch a webhook off after failures, or change the keys that they sign with. Nobody
tells of it, so every sweep looks, before it reads the news: at most three calls. Never because of
a delivery: who sends one that cannot be proven may be anybody, and must cost nothing. What was
turned away meanwhile is among the news that the sweep reads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from plugin.domain.errors import MakegoodError
from plugin.domain.ids import InstallationId, TenantId
from plugin.ports import Clock, Connection, PublishesKeys, RegistersWebhooks
from plugin.ports.platforms import Platforms
from plugin.ports.records import Installation, InstallationStatus
from plugin.ports.storage import Storage
from plugin.services.key_replacement import with_secrets
from plugin.services.run_self_test import RunSelfTest
from plugin.services.self_test_lines import OK, WEBHOOK
from plugin.services.webhook_secrets import only_webhook_secret, webhook_secrets

REF: Final = "webhook_ref"
"""Where a connection's settings keep the platform's id of our webhook."""
MADE_ANEW: Final = "webhook_made_anew"
"""Where they keep when it was last made anew by itself, in ISO 8601."""
_WORKER: Final = "worker"
_log = logging.getLogger("makegood.sweep")


@dataclass(frozen=True, slots=True)
class KeepWebhook:
    """The use case, with its ports."""

    storage: Storage
    platforms: Platforms
    clock: Clock
    self_test: RunSelfTest

    def __call__(self, tenant: TenantId, installation: InstallationId) -> None:
        """Look, and mend what is not as it must be. What cannot be asked now is asked next time."""
        for look in (self._renew_keys, self._register_again):
            with self.storage.read(tenant) as uow:
                found = uow.installations.get(installation)
            if found is None or found.status is InstallationStatus.REMOVED:
                return
            if not webhook_secrets(found.connection.secrets):
                return  # none was registered, and that is a person's to do
            try:
                look(found.connection)
            except Exception as error:  # noqa: BLE001 - whatever it was, the news must still be read
                code = error.code if isinstance(error, MakegoodError) else type(error).__name__
                _log.warning("webhook.not_seen installation=%s code=%s", installation, code)

    def _renew_keys(self, connection: Connection) -> None:
        """Keep the keys that are published now, and these only: one that was withdrawn is out."""
        port = self.platforms.able(connection, PublishesKeys)
        if port is None:
            return
        keys = port.read_keys()
        if list(webhook_secrets(connection.secrets)) == [keys]:
            return

        def renewed(kept: Connection) -> Connection:
            return with_secrets(kept, only_webhook_secret(keys))

        self._change(connection, renewed, "installation.webhook_keys_renewed")

    def _register_again(self, connection: Connection) -> None:
        port = self.platforms.able(connection, RegistersWebhooks)
        ref = connection.settings.get(REF, "")
        if port is None or not ref or port.webhook_alive(ref):
            return
        tenant, here = connection.tenant, connection.installation
        _log.warning("webhook.off installation=%s", here)
        after = self.self_test.register_again(tenant, here, self.clock.now)
        if after is None or not _is_registered(after):
            return

        def noted(kept: Connection) -> Connection:
            at = self.clock.now().isoformat()
            return replace(kept, settings={**kept.settings, MADE_ANEW: at})

        self._change(connection, noted, "installation.webhook_made_anew")

    def _change(
        self, connection: Connection, change: Callable[[Connection], Connection], action: str
    ) -> None:
        """Keep it as it is now and changed: somebody else may have written since it was read."""
        with self.storage.begin(connection.tenant) as uow:
            fresh = uow.installations.get(connection.installation)
            if fresh is None or fresh.status is InstallationStatus.REMOVED:
                return
            uow.installations.save(replace(fresh, connection=change(fresh.connection)))
            uow.audit.write(self.clock.now(), _WORKER, action, connection.installation, {})
            uow.commit()


def made_anew_at(connection: Connection) -> datetime | None:
    """When the webhook was last made anew by itself; None where it never was."""
    told = connection.settings.get(MADE_ANEW)
    return None if told is None else datetime.fromisoformat(told)


def _is_registered(installation: Installation) -> bool:
    return any(one.name == WEBHOOK and one.state == OK for one in installation.self_test)
