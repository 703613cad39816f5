"""Connect a platform: check the form and keep the installation, credentials sealed. Calls nobody.

Row before call: the self-test (`run_self_test`) does the calling, line by line, on a row that is
committed. Connecting the same account again replaces what we have of it; it never makes a second
one beside it, which would book every sale twice. A new key for a connection that works is kept
aside until the self-test knows that it opens the same account (`key_replacement`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from plugin.domain.errors import InvalidInput
from plugin.domain.ids import InstallationId, TenantId
from plugin.ports import Connection, Kind, Mint
from plugin.ports.connecting import Declarations, FilledForm
from plugin.ports.records import Installation, InstallationStatus, SelfTestLine
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.key_replacement import ACCOUNT, KEY_WORKS, renewed, with_offer
from plugin.services.self_test_lines import WAITING, with_line
from plugin.services.sweep_account import begin_sweeping
from plugin.settings import Settings


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """What was typed. `installation` replaces that one's key; `another` adds a further account.

    `typed` holds the manifest's form fields, and `base_url` in development. Never shown: it has
    secrets.
    """

    kind: Kind
    platform: str
    typed: Mapping[str, str] = field(repr=False)
    installation: InstallationId | None = None
    another: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """The row stands and waits for its self-test. `replaced`: it is one we had before.

    Where that one works, the form is kept aside in it, and all else is as it was.
    """

    installation: Installation
    replaced: bool


@dataclass(frozen=True, slots=True)
class NotPossible:
    """Nothing was kept. `field` names what to mend, `advice` says how."""

    field: str
    advice: str


@dataclass(frozen=True, slots=True)
class AlreadyConnected:
    """Another account of this platform is connected. Nothing was kept: say which one it is."""

    title: str
    installations: tuple[Installation, ...]


Connecting = Started | NotPossible | AlreadyConnected


@dataclass(frozen=True, slots=True)
class ConnectPlatform:
    """The use case, with its ports."""

    storage: Storage
    declarations: Declarations
    mint: Mint
    settings: Settings

    def __call__(
        self, tenant: TenantId, asked: ConnectRequest, actor: str, now: datetime
    ) -> Connecting:
        """Keep the installation, or say why not. `actor` is for the audit trail."""
        with self.storage.begin(tenant) as uow:
            outcome = self.within(uow, asked, actor, now)
            if isinstance(outcome, Started):
                uow.commit()
        return outcome

    def within(
        self, uow: UnitOfWork, asked: ConnectRequest, actor: str, now: datetime
    ) -> Connecting:
        """The same inside a transaction, which is the caller's to commit once it is Started."""
        try:
            form = self.declarations.read_form(asked.kind, asked.platform, asked.typed)
        except InvalidInput as error:
            return NotPossible(error.field, error.advice)
        existing = self._place(uow, asked, form)
        if isinstance(existing, NotPossible | AlreadyConnected):
            return existing
        if existing is None:
            installation = self._fresh(uow.tenant_id, asked, form, now)
            uow.installations.add(installation)
        else:
            installation = self._renewed(existing, form)
            uow.installations.save(installation)
        if asked.kind is Kind.STORE:
            begin_sweeping(uow, installation.connection.installation, now)
        uow.audit.write(
            now,
            actor,
            "installation.connecting" if existing is None else "installation.reconnecting",
            installation.connection.installation,
            {"kind": asked.kind, "platform": asked.platform},
        )
        return Started(installation, replaced=existing is not None)

    def why_not(
        self, uow: UnitOfWork, asked: ConnectRequest, form: FilledForm
    ) -> NotPossible | AlreadyConnected | None:
        """Why it would come to nothing, as far as can be said before the keys are there."""
        place = self._place(uow, asked, form)
        return place if isinstance(place, NotPossible | AlreadyConnected) else None

    def _place(
        self, uow: UnitOfWork, asked: ConnectRequest, form: FilledForm
    ) -> Installation | NotPossible | AlreadyConnected | None:
        fault = self._fault(form, simulated_tenant=uow.settings.tenant().simulated)
        return fault or _chosen(uow, asked, form)

    def _fault(self, form: FilledForm, *, simulated_tenant: bool) -> NotPossible | None:
        if form.simulated:
            # Its form names a file: whoever types one could have us open any file of this host.
            return NotPossible("platform", f"{form.title} connects itself: run makegood practice")
        if simulated_tenant:
            return NotPossible("platform", "practice takes no real platform: connect it outside")
        if self.settings.is_https:
            return None
        if form.places <= self.settings.allow_private_hosts:
            return None
        return NotPossible(
            "public_url",
            f"{form.title} must reach us by https: set MAKEGOOD_PUBLIC_URL to that address and "
            "start Makegood again",
        )

    def _fresh(
        self, tenant: TenantId, asked: ConnectRequest, form: FilledForm, now: datetime
    ) -> Installation:
        connection = Connection(
            tenant=tenant,
            installation=InstallationId(self.mint.id()),
            kind=asked.kind,
            platform=asked.platform,
            label=form.title,
            settings=form.settings,
            secrets=form.secrets,
        )
        return Installation(
            connection, InstallationStatus.CONNECTING, now, self._waiting_lines(connection)
        )

    def _renewed(self, existing: Installation, form: FilledForm) -> Installation:
        old = existing.connection
        if _ever_worked(existing) and any(line.name == KEY_WORKS for line in existing.self_test):
            waiting = SelfTestLine(KEY_WORKS, WAITING)
            connection = with_offer(old, form.settings, form.secrets)
            return replace(existing, connection=connection, self_test=with_line(existing, waiting))
        connection = renewed(old, form.settings, form.secrets)
        return replace(
            existing,
            connection=connection,
            status=InstallationStatus.CONNECTING,
            self_test=self._waiting_lines(connection),
        )

    def _waiting_lines(self, connection: Connection) -> tuple[SelfTestLine, ...]:
        return tuple(
            SelfTestLine(line.check, WAITING) for line in self.declarations.self_test(connection)
        )


def _chosen(
    uow: UnitOfWork, asked: ConnectRequest, form: FilledForm
) -> Installation | NotPossible | AlreadyConnected | None:
    """The installation to replace, None for a new one, or why neither."""
    living = [
        one
        for one in uow.installations.all()
        if (one.connection.kind, one.connection.platform) == (asked.kind, asked.platform)
    ]
    if asked.installation is not None:
        return _named(living, asked.installation, form)
    for one in living:
        if _is_same_account(one.connection, form) or not _ever_worked(one):
            return one
    if living and not asked.another:
        return AlreadyConnected(form.title, tuple(living))
    return None


def _named(
    living: Sequence[Installation], wanted: InstallationId, form: FilledForm
) -> Installation | NotPossible:
    for one in living:
        if one.connection.installation == wanted:
            if _ever_worked(one) and _is_other_account(one.connection, form):
                # Orders and access are kept under this installation: they are the old account's.
                return NotPossible(
                    "installation", "it belongs to another account: connect this one as another"
                )
            return one
    return NotPossible("installation", f"there is no such connection to {form.title}")


def _is_same_account(connection: Connection, form: FilledForm) -> bool:
    if form.secrets:
        same_key = all(connection.secrets.get(k) == v for k, v in form.secrets.items())
    else:
        same_key = connection.settings == form.settings
    return same_key or (bool(form.account) and not _is_other_account(connection, form))


def _is_other_account(connection: Connection, form: FilledForm) -> bool:
    return any(connection.settings.get(name) != value for name, value in form.account.items())


def _ever_worked(installation: Installation) -> bool:
    """Whether its key ever opened anything. What never answered holds nothing to lose."""
    return installation.connection.settings.get(ACCOUNT, "") != ""
