"""The door for webhooks as a WSGI application, with three installations behind it."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import wsgiref.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from flask import Flask
from sqlalchemy import Engine, event, func, select

from plugin.domain.ids import InstallationId
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.ports import Connection, Kind
from plugin.ports.records import Installation, InstallationStatus, StoredDelivery, Tenant
from plugin.ports.storage import Storage
from plugin.storage.database import choose_sqlite
from plugin.storage.tables import deliveries
from tests.factories import NOW
from tests.storage_fixtures import FakeClock
from webhooks.http import Intake, straight_in, webhooks_blueprint
from webhooks.inbox import Inbox

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

SECRET = "a-secret-made-for-this-test"
SHOP = InstallationId("practice-1")
HEADED = InstallationId("systeme-1")
TIMED = InstallationId("stripe-1")
DESK = InstallationId("desk-1")
GONE = InstallationId("gone-1")
PING = b'{"type": "ping"}'


@dataclass
class Numbers:
    """Ids in a row. Implements `plugin.ports.Mint`."""

    next: Iterator[int] = field(default_factory=lambda: count(1))

    def id(self) -> str:
        return f"delivery-{next(self.next)}"

    def secret(self) -> str:
        return "secret"


@dataclass(frozen=True)
class Answer:
    """What the door said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Door:
    """The application and what stands behind it."""

    storage: Storage
    engine: Engine
    tenant: Tenant
    clock: FakeClock
    registry: Registry = field(default_factory=lambda: Registry([DataFiles().manifests()]))
    wsgi: WSGIApplication = field(init=False)
    """The way past Flask, as the product has it."""
    through_flask: WSGIApplication = field(init=False)

    def __post_init__(self) -> None:
        intake = Intake(self.storage, self.registry, Inbox(self.storage, Numbers()), self.clock)
        app = Flask("door", static_folder=None)
        app.register_blueprint(webhooks_blueprint(intake))
        self.through_flask = app.wsgi_app
        self.wsgi = straight_in(self.through_flask, intake, [("X-Common", "yes")])
        with self.storage.begin(self.tenant.id) as uow:
            for installation in (
                self._installation(SHOP, "practice"),
                self._installation(HEADED, "systeme_io"),
                self._installation(TIMED, "stripe"),
                self._installation(DESK, "practice", kind=Kind.HELPDESK),
                self._installation(GONE, "practice", status=InstallationStatus.REMOVED),
            ):
                uow.installations.add(installation)
            uow.commit()

    def _installation(
        self,
        ref: InstallationId,
        platform: str,
        *,
        kind: Kind = Kind.STORE,
        status: InstallationStatus = InstallationStatus.CONNECTED,
    ) -> Installation:
        secrets = {"webhook_secret_1": SECRET, "api_key": "not-for-signing"}
        connection = Connection(self.tenant.id, ref, kind, platform, "Test", {}, secrets)
        return Installation(connection, status, NOW)

    def call(
        self,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] = MappingProxyType({}),
        environ: Mapping[str, object] = MappingProxyType({}),
    ) -> Answer:
        """One raw WSGI call: nothing between the bytes and us makes them nicer."""
        made: dict[str, object] = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
        wsgiref.util.setup_testing_defaults(made)
        for name, value in headers.items():
            made[f"HTTP_{name.upper().replace('-', '_')}"] = value
        made |= environ
        made = {name: value for name, value in made.items() if value is not None}
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def start(
            status: str, sent: list[tuple[str, str]], _: object = None
        ) -> Callable[[bytes], object]:
            told.append((status, sent))
            return lambda _: None

        chunks = self.wsgi(made, start)
        answer = b"".join(chunks)
        status, sent = told[0]
        return Answer(int(status[:3]), dict(sent), answer)

    def deliver(
        self,
        body: bytes = PING,
        *,
        delivery: str = "d-1",
        secret: str = SECRET,
        environ: Mapping[str, object] = MappingProxyType({}),
    ) -> Answer:
        """A delivery of the practice shop, signed."""
        headers = {"X-Practice-Signature": sign(body, secret), "X-Practice-Delivery": delivery}
        return self.call(f"/webhooks/practice/{SHOP}", body, headers, environ)

    def stored(self) -> Sequence[StoredDelivery]:
        with self.storage.read(self.tenant.id) as uow:
            return uow.deliveries.newest((), 10_000)

    @contextmanager
    def writes(self) -> Iterator[list[str]]:
        """What was written meanwhile: statements that are no reads, or that there was a commit.

        The intake speaks to the driver itself, where its statements are not seen.
        """
        seen: list[str] = []
        version = self._version()

        def note(_: object, __: object, statement: str, *___: object) -> None:
            word = statement.split(None, 1)[0].upper()
            if word not in ("SELECT", "PRAGMA", "BEGIN"):
                seen.append(statement)

        event.listen(self.engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(self.engine, "before_cursor_execute", note)
        if self._version() != version:
            seen.append("COMMIT")

    def _version(self) -> object:
        """Changes when anybody else commits; on PostgreSQL, when a delivery comes."""
        if self.engine.dialect.name != "sqlite":
            with self.engine.connect() as db:
                return db.execute(select(func.count()).select_from(deliveries)).scalar_one()
        return self._observer.execute("PRAGMA data_version").fetchone()[0]

    @cached_property
    def _observer(self) -> Any:  # noqa: ANN401 - whichever driver is safe
        return choose_sqlite().connect(str(self.engine.url.database), check_same_thread=False)


def sign(body: bytes, secret: str = SECRET) -> str:
    return hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def document(**more: object) -> bytes:
    return json.dumps(more).encode()
