"""Open our page inside a store's own admin: find whose it is, and connect it where that is wanted.

A token of that admin is all that counts. What it claims finds the connections and waiting installs
whose keys could prove it; the keys decide. The tenant is the one whose keys did: an account that no
signed-in admin named opens nothing, and neither does one that two tenants named. Whoever sits in
the store's admin may connect it, see its self-test and set its access map, and nothing else of the
tenant's. Who that may be is the store's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from plugin.domain.errors import InvalidInput, MakegoodError
from plugin.domain.ids import InstallationId
from plugin.ports import Kind
from plugin.ports.connecting import Declarations, PendingInstall, TradesGrant
from plugin.ports.embedding import EmbeddedAdmin, Proven
from plugin.ports.records import Installation, InstallationStatus
from plugin.services.connect_platform import ConnectRequest, Started
from plugin.services.pending_install import InstallByWay, Taken
from plugin.services.self_test_lines import advice_for


@dataclass(frozen=True, slots=True)
class Opened:
    """Whose page it is. `actor` is the person in the store's admin, for the audit trail."""

    installation: Installation
    proven: Proven = field(repr=False)

    @property
    def actor(self) -> str:
        connection = self.installation.connection
        return f"{connection.platform} {self.proven.person}"[:255]


@dataclass(frozen=True, slots=True)
class Shut:
    """Nothing was done. `status` is HTTP's word for it; `what` and `advice` are for anybody."""

    status: int
    advice: str
    what: str = "Nothing is connected here"


UNKNOWN = Shut(
    401,
    "This account is not connected to Makegood, or its app has another secret there. Sign in to "
    "Makegood, connect it there, and open this page again",
)
SEVERAL = Shut(
    409,
    "This account is connected to more than one business. Open the settings in Makegood",
    "Nothing is opened here",
)
_Keys = tuple[Installation | PendingInstall, Proven]


@dataclass(frozen=True, slots=True)
class OpenEmbedded:
    """The use case, with its ports."""

    declarations: Declarations
    by_way: InstallByWay

    def __call__(
        self, platform: str, token: str, now: Callable[[], datetime]
    ) -> Opened | Shut | None:
        """What the token opens. None where the platform's admin has no page of ours.

        A waiting install gets its keys: one call of it at most, and its probe.
        """
        try:
            admin = self.declarations.embedded_admin(Kind.STORE, platform)
        except InvalidInput:
            return None
        if admin is None:
            return None
        found = list(self._proven(admin, platform, token, now()))
        if len({_tenant(one) for one, _ in found}) > 1:
            return SEVERAL
        for one, proven in found:  # waiting installs first: an admin just asked for it
            if isinstance(one, PendingInstall):
                return self._bring(one, proven, now)
            return Opened(one, proven)
        return UNKNOWN

    def renew(self, opened: Opened, now: datetime) -> Shut | None:
        """Have new keys for a connection that stands; they are tried as a form's would be.

        None when they are kept. One call.
        """
        connection = opened.installation.connection
        grant = {**connection.secrets, **opened.proven.grant}
        able = self.by_way.platforms.able(replace(connection, secrets=grant), TradesGrant)
        if able is None or not opened.proven.grant:
            return None
        try:
            keys = able.trade_grant()
        except MakegoodError as error:
            title = self.by_way.platforms.title(connection)
            return Shut(422, advice_for(error, title, "open this page again"), "No new key came")
        names = self.declarations.form_names(connection.kind, connection.platform)
        known = {**connection.settings, **connection.secrets}
        typed = {name: known[name] for name in names if name in known}
        asked = ConnectRequest(
            Kind(connection.kind),
            connection.platform,
            {**typed, **keys},
            connection.installation,
        )
        outcome = self.by_way.connect(connection.tenant, asked, opened.actor, now)
        if isinstance(outcome, Started):
            return None
        return Shut(409, "Replace the key in Makegood's settings", "The new key was not kept")

    def _proven(
        self, admin: EmbeddedAdmin, platform: str, token: str, now: datetime
    ) -> Iterator[_Keys]:
        account = admin.account_claimed(token)
        if not account:
            return
        storage = self.by_way.storage
        for pending in storage.find_waiting_installs(Kind.STORE, platform, now):
            form = self.by_way.form(pending)
            if form is not None and account.items() <= form.settings.items():
                proven = admin.prove(form.settings, form.secrets, token, now)
                if proven is not None:
                    yield pending, proven
        for one in storage.find_accounts(Kind.STORE, platform, account):
            if one.status is not InstallationStatus.REMOVED:
                proven = admin.prove(one.connection.settings, one.connection.secrets, token, now)
                if proven is not None:
                    yield one, proven

    def _bring(
        self, pending: PendingInstall, proven: Proven, now: Callable[[], datetime]
    ) -> Opened | Shut:
        outcome = self.by_way.bring(pending, proven.grant, now)
        if isinstance(outcome, Taken):
            return Opened(self._read(pending, outcome.installation), proven)
        return Shut(outcome.status, outcome.advice)

    def _read(self, pending: PendingInstall, installation: InstallationId) -> Installation:
        with self.by_way.storage.read(pending.tenant) as uow:
            found = uow.installations.get(installation)
        assert found is not None  # noqa: S101 - it was committed just now
        return found


def _tenant(one: Installation | PendingInstall) -> str:
    return one.tenant if isinstance(one, PendingInstall) else one.connection.tenant
