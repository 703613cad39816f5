"""What connecting needs to know of a platform: its manifest's words, and its own way to install.

Protocols and values only. A way to install stands beside the form: the admin says where, the
platform brings the keys. A `PendingInstall` is committed before the admin is sent there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from plugin.domain.ids import InstallationId, TenantId
from plugin.ports import Connection, Kind
from plugin.ports.embedding import EmbeddedAdmin


@dataclass(frozen=True, slots=True)
class DeclaredLine:
    """One line of a platform's self-test: which check, and the platform's own sentence on it."""

    check: str
    sentence: str


@dataclass(frozen=True, slots=True)
class FilledForm:
    """An install form, checked. `account` are the values that say which account it is.

    `places` are the `host:port` that calls would go to; empty for a platform that is never called.
    """

    title: str
    simulated: bool
    settings: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    account: Mapping[str, str]
    places: frozenset[str]


class Declarations(Protocol):
    """What manifests declare about connecting."""

    def read_form(self, kind: str, platform: str, typed: Mapping[str, str]) -> FilledForm:
        """The form's values, checked. Raises InvalidInput naming the field and what to give.

        `base_url` may be typed as well: an address for development, in place of the declared one.
        """

    def self_test(self, connection: Connection) -> Sequence[DeclaredLine]:
        """The lines of this platform's self-test, in order."""

    def install_way(self, kind: str, platform: str) -> InstallWay | None:
        """The platform's own way to install; None where the form is the only one."""

    def embedded_admin(self, kind: str, platform: str) -> EmbeddedAdmin | None:
        """How the platform's own admin frames us; None where it does not."""

    def form_names(self, kind: str, platform: str) -> Sequence[str]:
        """All that `read_form` takes: its fields, what the platform brings, and `base_url`."""

    def read_way(self, kind: str, platform: str, typed: Mapping[str, str]) -> FilledForm:
        """As `read_form`, of the fields alone that the way asks the admin for."""


# --- ways to install ------------------------------------------------------------------------------


class PendingState(StrEnum):
    """How far a pending install is. Each move is made once: of two arrivals, one is tried."""

    WAITING = "waiting"
    TRYING = "trying"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PendingInstall:
    """What an admin asked for, until the platform brings the keys or the time is over.

    `typed` are the form's values of the way's fields. `replaces` names the connection that gets the
    new keys; `another` adds an account beside others. `changed_at` is the last move of `state`;
    `reason` says what to do where it failed; `installation` is what it became.
    """

    id: str
    tenant: TenantId
    kind: Kind
    platform: str
    typed: Mapping[str, str] = field(repr=False)
    created_by: str
    created_at: datetime
    expires_at: datetime
    state: PendingState
    changed_at: datetime
    replaces: InstallationId | None = None
    another: bool = False
    reason: str = ""
    installation: InstallationId | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether something may still arrive for it."""
        return self.state is PendingState.WAITING and now < self.expires_at


@dataclass(frozen=True, slots=True)
class InstallUrls:
    """Our addresses for one pending install, and its one-time value.

    Below `arrivals` the platform itself reaches us, with nothing to show but the address. `back` is
    where it sends the admin's browser with `state=<one_time>`: the same for all, to be registered
    there. Below `embedded` its own admin frames us, where it does. `page` shows the admin how it
    goes. `pending` may be shown to anybody and opens nothing.
    """

    pending: str
    arrivals: str = field(repr=False)
    one_time: str = field(repr=False)
    back: str
    page: str
    embedded: str = ""

    def arrival(self, part: str) -> str:
        """Where the platform brings `part`, a word of the way's own."""
        return f"{self.arrivals}/{part}"


@dataclass(frozen=True, slots=True)
class GoTo:
    """The admin opens `url` and says yes there.

    `register` is our address that the platform must know before; empty where it need not.
    """

    url: str = field(repr=False)
    register: str = ""


@dataclass(frozen=True, slots=True)
class ShowAddress:
    """The admin copies `url` into the platform."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Arrived:
    """What came for a pending install. Nobody signed it: its address alone is ours.

    Header names are in small letters. `part` is `BACK` only for the signed-in admin's own browser,
    whose tenant is the install's.
    """

    part: str
    method: str
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


BACK = "back"
"""The part that the admin's own browser brings. No way may name one of its own so."""


@dataclass(frozen=True, slots=True)
class Document:
    """Something for the platform to read, as JSON. Reading it changes nothing."""

    content: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The form's secret fields, as they came; or what the adapter trades for them."""

    secrets: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotUsable:
    """It is not what this way brings: nothing is kept of it. `advice` is for who sent it."""

    advice: str


@dataclass(frozen=True, slots=True)
class SaidNo:
    """The admin, or the platform, said no: the install is over. `advice` is for the admin."""

    advice: str


Reading = Document | Credentials | NotUsable | SaidNo


class InstallWay(Protocol):
    """A platform's own way to install: what the admin is shown, and what arrivals mean.

    Pure: makes no call and keeps nothing. `settings` are what the admin gave, checked as the form
    is.
    """

    def begin(self, settings: Mapping[str, str], urls: InstallUrls) -> GoTo | ShowAddress: ...

    def read(self, settings: Mapping[str, str], urls: InstallUrls, arrived: Arrived) -> Reading:
        """What arrived. Any bytes give one of these and no exception."""


@runtime_checkable
class ConfiguresApp(Protocol):
    """A way to install that begins with a file: the configuration of our app, for the platform."""

    def app_file(self, typed: Mapping[str, str], public_url: str) -> tuple[str, bytes]:
        """The file's name and content. Pure: the same values give the same bytes, and no secret.

        Raises InvalidInput naming what to give.
        """


@runtime_checkable
class TradesGrant(Protocol):
    """An adapter that trades what arrived (a code, a session token) for keys that last."""

    def trade_grant(self) -> Mapping[str, str]:
        """The secret fields to keep, for the grant in the connection's secrets.

        One call. Raises what every call raises.
        """
