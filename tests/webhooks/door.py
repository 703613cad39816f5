"""The webhook door of the real web application, knocked at with raw WSGI calls."""

from __future__ import annotations

import hmac
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Flask
from sqlalchemy import func, select

from plugin.app import create_app
from plugin.domain.ids import InstallationId
from plugin.platforms.registry import Registry
from plugin.ports.storage import Installation, InstallationStatus, StoredDelivery
from plugin.storage import tables as t
from plugin.storage.database import choose_sqlite
from tests.factories import NOW, a_connection
from tests.web.site import TENANT, Site

SHOP = InstallationId("s" * 32)
SECRET = "shop-secret"
BODY = b'{"type": "ping"}'
PLACE = f"/webhooks/practice/{SHOP}"


def a_shop(
    installation: str = SHOP,
    *,
    platform: str = "practice",
    kind: str = "store",
    status: InstallationStatus = InstallationStatus.CONNECTED,
) -> Installation:
    """A connected account whose deliveries are signed with `SECRET`, or with the secret before."""
    connection = replace(
        a_connection(installation, tenant=TENANT.id, platform=platform, kind=kind),
        secrets={"webhook_secret_1": "secret-before", "webhook_secret_2": SECRET},
    )
    return Installation(connection, status, NOW)


def signed(body: bytes, name: str | None = "d-1", secret: str = SECRET) -> dict[str, str]:
    """The headers of a rightly signed delivery of the practice shop."""
    digest = hmac.digest(secret.encode(), body, "sha256").hex()
    named = {} if name is None else {"X-Practice-Delivery": name}
    return {"X-Practice-Signature": digest, **named}


@dataclass(frozen=True)
class Answer:
    """What came back over WSGI."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Door:
    """A site with a shop that sends deliveries, and what they left behind."""

    site: Site
    app: Flask = field(init=False)

    def __post_init__(self) -> None:
        self.app = self.site.app
        self._watcher = choose_sqlite().connect(self.site.parts.house.engine.url.database)

    def close(self) -> None:
        self._watcher.close()

    def know(self, registry: Registry) -> None:
        """From now on the platforms are those of `registry`."""
        self.app = create_app(parts=replace(self.site.parts, registry=registry))

    def connect(self, *installations: Installation) -> None:
        with self.site.storage.begin(TENANT.id) as uow:
            for installation in installations:
                uow.installations.add(installation)
            uow.commit()

    def knock(
        self,
        body: bytes = BODY,
        headers: Mapping[str, str] | None = None,
        place: str = PLACE,
        environ: Mapping[str, object] | None = None,
    ) -> Answer:
        """Post a delivery as a server hands it over; rightly signed where no headers are given."""
        sent = signed(body) if headers is None else headers
        folded = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in sent.items()}
        return call_wsgi(self.app, {"PATH_INFO": place, **folded, **(environ or {})}, body)

    def kept(self) -> Sequence[StoredDelivery]:
        with self.site.storage.read(TENANT.id) as uow:
            return uow.deliveries.newest((), 100)

    def count(self) -> int:
        with self.site.parts.house.engine.connect() as db:
            return db.execute(select(func.count()).select_from(t.deliveries)).scalar_one()

    def writes(self) -> int:
        """A number that changes whenever anybody else commits a change to the database."""
        (version,) = self._watcher.execute("PRAGMA data_version").fetchone()
        return int(version)


def call_wsgi(app: Flask, environ: Mapping[str, object], body: bytes) -> Answer:
    """One call as PEP 3333 describes it. `environ` may change or, with None, leave out anything."""
    told: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **environ,
    }
    begun: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], error: object = None) -> Any:  # noqa: ANN401 - nobody uses what is written
        begun.append((status, headers))
        return begun.append

    chunks: Iterable[bytes] = app.wsgi_app(
        {name: value for name, value in told.items() if value is not None},
        start,
    )
    try:
        content = b"".join(chunks)
    finally:
        getattr(chunks, "close", lambda: None)()
    (status, headers) = begun[-1]
    return Answer(int(status[:3]), dict(headers), content)
