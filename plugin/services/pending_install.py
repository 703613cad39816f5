"""Install by a platform's own way: the admin says where, the platform brings the keys.

Row before call: what the admin asked for is committed before they are sent anywhere, and that the
keys are being tried before they are tried. What arrives is signed by nobody. It counts only below
an address that cannot be guessed, in time, and once; then the keys are tried at the very host that
the admin named. One arrival makes one such call at most, and what did not work keeps no key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from plugin.domain.errors import InvalidInput, MakegoodError
from plugin.domain.ids import InstallationId, TenantId
from plugin.ports import Connection, Connects
from plugin.ports.connecting import (
    Arrived,
    Credentials,
    Declarations,
    Document,
    FilledForm,
    GoTo,
    InstallUrls,
    NotUsable,
    PendingInstall,
    PendingState,
    SaidNo,
    ShowAddress,
    TradesGrant,
)
from plugin.ports.platforms import Platforms
from plugin.ports.storage import Storage
from plugin.services.connect_platform import (
    AlreadyConnected,
    ConnectPlatform,
    ConnectRequest,
    NotPossible,
    Started,
)
from plugin.services.self_test_lines import advice_for

LIFE = timedelta(minutes=30)
"""Time to sign in at the platform and to read what is asked there."""
TRIED_BY = timedelta(minutes=5)
"""A try that is older was left behind by a process that ended: its calls are over by then."""

_AGAIN = "Begin again: the form is filled in as it was"


@dataclass(frozen=True, slots=True)
class Begun:
    """The row stands. Show the admin what `step` says."""

    pending: PendingInstall


@dataclass(frozen=True, slots=True)
class Taken:
    """The keys opened the account: the connection stands, and waits for its self-test."""

    installation: InstallationId


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Nothing of it was kept. `status` is HTTP's word for it; `advice` may be shown to anybody."""

    status: int
    advice: str


NO_SUCH = NotTaken(404, "Nothing is being installed here. Begin in Makegood")
Outcome = Taken | NotTaken | Document


@dataclass(frozen=True, slots=True)
class InstallByWay:
    """The use cases around one pending install, with their ports.

    `public_url` is ours, without a last slash. `keys` make one-time values, newest first.
    """

    storage: Storage
    platforms: Platforms
    declarations: Declarations
    connect: ConnectPlatform
    public_url: str
    keys: Sequence[str] = field(repr=False)

    # --- for the admin ----------------------------------------------------------------------------

    def begin(
        self, tenant: TenantId, asked: ConnectRequest, actor: str, now: datetime
    ) -> Begun | NotPossible | AlreadyConnected:
        """Keep what the admin wants, or say why it would come to nothing. Calls nobody."""
        if self.declarations.install_way(asked.kind, asked.platform) is None:
            return NotPossible("platform", "it has no way of its own: fill in its form")
        try:
            form = self.declarations.read_way(asked.kind, asked.platform, asked.typed)
        except InvalidInput as error:
            return NotPossible(error.field, error.advice)
        pending = PendingInstall(
            id=self.connect.mint.id(),
            tenant=tenant,
            kind=asked.kind,
            platform=asked.platform,
            typed={**form.settings, **form.secrets},
            created_by=actor,
            created_at=now,
            expires_at=now + LIFE,
            state=PendingState.WAITING,
            changed_at=now,
            replaces=asked.installation,
            another=asked.another,
        )
        with self.storage.begin(tenant) as uow:
            fault = self.connect.why_not(uow, asked, form)
            if fault is not None:
                return fault
            uow.pending_installs.add(pending)
            details = {"kind": pending.kind, "platform": pending.platform}
            uow.audit.write(now, actor, "install.begun", pending.id, details)
            uow.commit()
        return Begun(pending)

    def find(self, tenant: TenantId, pending: str, now: datetime) -> PendingInstall | None:
        """How it goes, for this tenant's admin.

        A try that somebody left behind shows as failed: nothing was kept of it.
        """
        with self.storage.read(tenant) as uow:
            found = uow.pending_installs.get(pending)
        if found is None:
            return None
        if found.state is PendingState.WAITING and now >= found.expires_at:
            return replace(found, state=PendingState.FAILED, reason="The time for it is over")
        if found.state is PendingState.TRYING and now >= found.changed_at + TRIED_BY:
            reason = "Makegood was interrupted, and kept nothing"
            return replace(found, state=PendingState.FAILED, reason=reason)
        return found

    def step(self, pending: PendingInstall) -> GoTo | ShowAddress | None:
        """What the admin does next, for as long as it waits."""
        way = self.declarations.install_way(pending.kind, pending.platform)
        if way is None or pending.state is not PendingState.WAITING:
            return None
        return way.begin(self._form(pending).settings, self._urls(pending))

    # --- for whoever comes ------------------------------------------------------------------------

    def arrive(
        self,
        platform: str,
        one_time: str,
        arrived: Arrived,
        now: Callable[[], datetime],
        tenant: TenantId | None = None,
    ) -> Outcome:
        """Take in what came with `one_time`. `tenant` where its admin's own browser brought it.

        `now` is asked again after the calls. Raises only what storage raises,
        and InvalidInput where a newer manifest does not take any more what the admin typed.
        """
        pending = self._find(one_time)
        if pending is None or pending.platform != platform or tenant not in (None, pending.tenant):
            return NO_SUCH
        way = self.declarations.install_way(pending.kind, platform)
        if way is None:
            return NO_SUCH
        if not pending.is_open(now()):
            return _why_closed(pending)
        read = way.read(self._form(pending).settings, self._urls(pending), arrived)
        match read:
            case Document():
                return read
            case NotUsable(advice):
                return NotTaken(400, advice)
            case SaidNo(advice):
                over = self._over(pending, advice, now())
                if not self._move(PendingState.WAITING, over):
                    return _why_closed(pending)
                return NotTaken(409, advice)
            case Credentials(secrets):
                return self._try(pending, secrets, now)
            case _:
                assert_never(read)

    def bring(
        self, pending: PendingInstall, grant: Mapping[str, str], now: Callable[[], datetime]
    ) -> Taken | NotTaken:
        """Take in what the platform's own admin proved for this install, with no address of ours.

        The caller checked the proof with the keys that `form` has of it. Raises as `arrive`.
        """
        if not pending.is_open(now()):
            return _why_closed(pending)
        return self._try(pending, grant, now)

    def form(self, pending: PendingInstall) -> FilledForm | None:
        """What the admin typed for it. None where a newer manifest does not take it any more."""
        try:
            return self._form(pending)
        except InvalidInput:
            return None

    def _find(self, one_time: str) -> PendingInstall | None:
        """The one that this value was made for. A value that we did not make asks no database."""
        ref, _, _ = one_time.partition(".")
        if not any(_same(one_time, _one_time(ref, key)) for key in self.keys):
            return None
        return self.storage.find_pending_install(ref)

    def _try(
        self, pending: PendingInstall, secrets: Mapping[str, str], now: Callable[[], datetime]
    ) -> Taken | NotTaken:
        trying = replace(pending, state=PendingState.TRYING, changed_at=now())
        # Committed before the call: of two arrivals only one gets here.
        if not self._move(PendingState.WAITING, trying):
            return _why_closed(pending)
        try:
            typed = {**pending.typed, **self._proven(pending, secrets)}
        except MakegoodError as error:
            return self._fail(trying, advice_for(error, self._title(pending), "begin again"), now())
        return self._keep(trying, typed, now())

    def _proven(self, pending: PendingInstall, secrets: Mapping[str, str]) -> Mapping[str, str]:
        """The keys to keep, after they opened the account. Raises what the platform's no is."""
        form = self._form(pending)
        arrived = _connection(pending, form, {**form.secrets, **secrets})
        trades = self.platforms.able(arrived, TradesGrant)
        if trades is not None:
            secrets = trades.trade_grant()
        typed = {**pending.typed, **secrets}
        whole = self.declarations.read_form(pending.kind, pending.platform, typed)
        port = self.platforms.able(_connection(pending, whole, whole.secrets), Connects)
        if port is not None:
            port.probe()
        return secrets

    def _keep(
        self, trying: PendingInstall, typed: Mapping[str, str], now: datetime
    ) -> Taken | NotTaken:
        asked = ConnectRequest(
            trying.kind, trying.platform, typed, trying.replaces, another=trying.another
        )
        with self.storage.begin(trying.tenant) as uow:
            outcome = self.connect.within(uow, asked, trying.created_by, now)
            if isinstance(outcome, Started):
                made = outcome.installation.connection.installation
                done = replace(trying, state=PendingState.DONE, changed_at=now, installation=made)
                if uow.pending_installs.move(PendingState.TRYING, done):
                    uow.commit()
                    return Taken(made)
                return _why_closed(trying)
        if isinstance(outcome, NotPossible):
            return self._fail(trying, outcome.advice, now)
        return self._fail(trying, f"{outcome.title} is connected already: say which one", now)

    def _fail(self, trying: PendingInstall, advice: str, now: datetime) -> NotTaken:
        self._move(PendingState.TRYING, self._over(trying, advice, now))
        return NotTaken(422, advice)

    @staticmethod
    def _over(pending: PendingInstall, reason: str, now: datetime) -> PendingInstall:
        return replace(pending, state=PendingState.FAILED, changed_at=now, reason=reason)

    def _move(self, before: PendingState, after: PendingInstall) -> bool:
        with self.storage.begin(after.tenant) as uow:
            moved = uow.pending_installs.move(before, after)
            uow.commit()
        return moved

    # --- what is known of it ----------------------------------------------------------------------

    def _form(self, pending: PendingInstall) -> FilledForm:
        return self.declarations.read_way(pending.kind, pending.platform, pending.typed)

    def _title(self, pending: PendingInstall) -> str:
        return self._form(pending).title

    def _urls(self, pending: PendingInstall) -> InstallUrls:
        one_time = _one_time(pending.id, self.keys[0])
        return InstallUrls(
            pending=pending.id,
            arrivals=f"{self.public_url}/installing/{pending.platform}/{one_time}",
            one_time=one_time,
            back=f"{self.public_url}/install/{pending.kind}/{pending.platform}/back",
            page=f"{self.public_url}/install/pending/{pending.id}",
            embedded=f"{self.public_url}/embedded/{pending.platform}",
        )


def _connection(
    pending: PendingInstall, form: FilledForm, secrets: Mapping[str, str]
) -> Connection:
    """What the keys are tried with: its calls are counted under the pending install's own id."""
    return Connection(
        tenant=pending.tenant,
        installation=InstallationId(pending.id),
        kind=pending.kind,
        platform=pending.platform,
        label=form.title,
        settings=form.settings,
        secrets=secrets,
    )


def _why_closed(pending: PendingInstall) -> NotTaken:
    if pending.state is PendingState.WAITING:
        return NotTaken(410, f"The time for it is over. {_AGAIN}")
    return NotTaken(409, "This was used already: look at it in Makegood")


def _one_time(pending: str, key: str) -> str:
    """A value that only we can make, for one pending install. Nothing of it needs to be kept."""
    purpose = f"makegood pending install {pending}".encode("utf-8", "surrogatepass")
    return f"{pending}.{hmac.new(key.encode(), purpose, hashlib.sha256).hexdigest()}"


def _same(given: str, ours: str) -> bool:
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), ours.encode("utf-8", "surrogatepass")
    )
