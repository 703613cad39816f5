"""Which installation listens at an address, with what its platform declared and its secrets.

What was read is remembered for one second, because the read costs more than all the rest of an
accept. So an installation that was removed, or a secret that was taken back, may be answered as
before for that second; nobody is refused on memory alone, so a new secret counts at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

from plugin.domain.errors import InvalidInput, NeedsHuman
from plugin.domain.ids import InstallationId, TenantId
from plugin.platforms.manifest_schema import InvalidManifest
from plugin.platforms.registry import Registry
from plugin.platforms.signature_declaration import SignatureDeclaration
from plugin.platforms.webhook_declaration import Webhooks
from plugin.ports import Kind
from plugin.ports.records import Installation, InstallationStatus
from plugin.ports.storage import Storage
from plugin.services.self_test_lines import WEBHOOK
from plugin.services.webhook_secrets import signing_secrets

REMEMBERED_SECONDS: Final = 1.0
PINGED_WITHIN: Final = timedelta(minutes=5)
"""How long after we asked for a webhook a slow vendor may still try it out."""
_MOST: Final = 4096
_MOST_OF_AN_ACCOUNT: Final = 16


@dataclass(frozen=True, slots=True)
class Listener:
    """An installation that takes deliveries, and what proves one. Secrets stay out of the repr.

    `asked_at`: when the platform was last asked to send here; None before that.
    """

    tenant: TenantId
    installation: InstallationId
    declared: Webhooks
    signature: SignatureDeclaration
    secrets: tuple[bytes, ...] = field(repr=False)
    asked_at: datetime | None = None

    def awaits_ping(self, now: datetime) -> bool:
        """Whether a vendor may try the address out now: it was asked to send here, a moment ago.

        Nobody signs a try, so at all other times it is like any other stranger's post.
        """
        is_new = self.asked_at is not None and now - self.asked_at < PINGED_WITHIN
        return is_new and bool(self.secrets)


class Listeners:
    """All installations that listen, by their address."""

    def __init__(
        self, storage: Storage, registry: Registry, seconds: Callable[[], float] | None = None
    ) -> None:
        self._storage = storage
        self._registry = registry
        self._seconds = seconds or monotonic
        self._remembered: dict[tuple[str, InstallationId], tuple[float, Listener]] = {}

    def remembered(self, platform: str, installation: InstallationId) -> Listener | None:
        """As it was read within the last second; None says nothing."""
        read_at, listener = self._remembered.get((platform, installation), (0.0, None))
        if listener is None or self._seconds() - read_at < REMEMBERED_SECONDS:
            return listener
        self._remembered.pop((platform, installation), None)
        return None

    def read(self, platform: str, installation: InstallationId) -> Listener | None:
        """As it is now. None when nobody listens there.

        Raises what the storage raises, and NeedsHuman when the manifest is broken.
        """
        now = self._seconds()
        found = self._storage.find_installation(installation)
        listener = None if found is None else self._listening(found, platform)
        if listener is None:
            self._remembered.pop((platform, installation), None)
            return None
        if len(self._remembered) >= _MOST:
            self._remembered.clear()
        self._remembered[platform, installation] = (now, listener)
        return listener

    def of_app(
        self, platform: str, app: str, header: Callable[[str], str | None]
    ) -> Sequence[Listener]:
        """Who may listen at an app's one address for the account that `header` names: try each.

        Any tenant can type an account's name, so only the secret that proves a delivery says whose
        it is. Those that were removed come last: what a shop wants erased it says after it left. At
        most 16, the oldest first, so that nobody is crowded out by who came later. Raises as
        `read`.
        """
        declared = self._declared(Kind.STORE, platform)
        address = None if declared is None else declared.app_address
        named = None if address is None else header(address.header)
        account = None if address is None or named is None else address.settings_of(app, named)
        if account is None:
            return ()
        found = self._storage.find_accounts(Kind.STORE, platform, account)
        living_first = sorted(found, key=lambda one: one.status is InstallationStatus.REMOVED)
        tried = [self._listener(one) for one in living_first[:_MOST_OF_AN_ACCOUNT]]
        return [one for one in tried if one is not None]

    def has_app_address(self, platform: str) -> bool:
        """Whether the platform sends to one address of the whole app."""
        declared = self._declared(Kind.STORE, platform)
        return declared is not None and declared.app_address is not None

    def _listening(self, found: Installation, platform: str) -> Listener | None:
        connection = found.connection
        if connection.platform != platform or found.status is InstallationStatus.REMOVED:
            return None
        return self._listener(found)

    def _listener(self, found: Installation) -> Listener | None:
        connection = found.connection
        declared = self._declared(connection.kind, connection.platform)
        if declared is None or declared.signature is None:
            return None
        known = signing_secrets(connection.secrets, declared.secret_field)
        secrets = tuple(secret.encode() for secret in known)
        asked = (line.at for line in found.self_test if line.name == WEBHOOK)
        return Listener(
            connection.tenant,
            connection.installation,
            declared,
            declared.signature,
            secrets,
            next(asked, None),
        )

    def _declared(self, kind: Kind, platform: str) -> Webhooks | None:
        try:
            return self._registry.manifest(kind, platform).webhooks
        except InvalidInput:
            return None
        except InvalidManifest:
            # Ours to mend, and the sender can wait: all but a 5xx could make them give up.
            raise NeedsHuman("broken_manifest", "run `makegood platforms check`") from None
