"""The real web application over a fresh database and a made-up Systeme.io, and an admin at it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from plugin.app import Parts, create_app
from plugin.chance import SystemMint
from plugin.domain.ids import InstallationId, TenantId
from plugin.first_start import House, add_tenant
from plugin.platforms.adapters import Adapters
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.ports.records import Installation, Tenant
from plugin.services.sign_in_admin import SignInAdmin
from plugin.settings import Settings, read_settings
from plugin.storage.budgets import SqlBudgets
from plugin.storage.database import open_database
from plugin.storage.keyring import Keyring
from plugin.storage.unit_of_work import SqlStorage
from tests.databases import Databases, settings_of
from tests.factories import NOW
from tests.platforms.systeme_io.fake import FakeSystemeIo
from tests.storage_fixtures import FakeClock

TENANT = Tenant(TenantId("northlight"), "Northlight Studio", ("owner@northlight.example",))
OTHER = Tenant(TenantId("other"), "Another business")
SIGNING_KEYS = ("0" * 64, "1" * 64)
PUBLIC_URL = "http://localhost"


@dataclass(slots=True)
class Site:
    """Everything of one test: the app, what it keeps, its clock, and the store beyond it."""

    app: Flask
    parts: Parts
    storage: SqlStorage
    clock: FakeClock
    fake: FakeSystemeIo

    @property
    def sign_in(self) -> SignInAdmin:
        return SignInAdmin(self.storage, self.parts.mint)

    def browser(self) -> Browser:
        """Somebody nobody knows."""
        return Browser(self.app.test_client())

    def admin(self, tenant: Tenant = TENANT) -> Browser:
        """A signed-in admin."""
        one = self.browser()
        link = self.sign_in.make_link(tenant.id, "", self.clock.now())
        answer = one.post("/admin/sign-in", {"link": link.partition("link=")[2]})
        assert answer.status_code == 303
        return one

    def installations(self, tenant: Tenant = TENANT) -> Sequence[Installation]:
        with self.storage.read(tenant.id) as uow:
            return uow.installations.all()

    def installation(self, ref: str, tenant: Tenant = TENANT) -> Installation:
        with self.storage.read(tenant.id) as uow:
            found = uow.installations.get(InstallationId(ref))
        assert found is not None
        return found


@dataclass(slots=True)
class Browser:
    """A browser: keeps cookies, asks for pages, and sends what browsers send along."""

    client: FlaskClient

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, headers={"Accept": "text/html"})

    def post(
        self,
        path: str,
        fields: Mapping[str, str | list[str]],
        headers: Mapping[str, str] | None = None,
    ) -> TestResponse:
        """Post a form as a page of ours would, as far as `headers` do not say otherwise."""
        sent = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", **(headers or {})}
        return self.client.post(
            path,
            data=urlencode(fields, doseq=True),
            content_type="application/x-www-form-urlencoded",
            headers=sent,
        )

    def press(self, page: str, path: str, fields: Mapping[str, str | list[str]]) -> TestResponse:
        """Load `page`, and post to `path` with the token of its forms."""
        return self.post(path, {"form_token": self.token(page), **fields})

    def token(self, page: str = "/admin") -> str:
        found = re.search(r'name="form_token" value="([0-9a-f]{64})"', self.get(page).text)
        assert found is not None
        return found[1]


@contextmanager
def open_site(
    folder: Path, databases: Databases, environment: Mapping[str, str] | None = None
) -> Iterator[Site]:
    """A site with two tenants, on a fresh database."""
    clock = FakeClock(NOW)
    with (
        FakeSystemeIo(now=clock.now).running() as fake,
        databases.fresh(folder) as database,
    ):
        settings = read_settings(
            {
                "MAKEGOOD_DATA_DIR": str(folder),
                "MAKEGOOD_PUBLIC_URL": PUBLIC_URL,
                "MAKEGOOD_ALLOW_PRIVATE_HOSTS": fake.place,
                **settings_of(database),
                **(environment or {}),
            }
        )
        parts = _parts(settings, clock)
        for tenant in (TENANT, OTHER):
            add_tenant(parts.house.storage, tenant, clock)
        app = create_app(parts=parts)
        yield Site(app, parts, parts.house.storage, clock, fake)
        parts.house.engine.dispose()


def _parts(settings: Settings, clock: FakeClock) -> Parts:
    engine = open_database(settings.database_url)
    storage = SqlStorage(engine, Keyring([Fernet.generate_key().decode()]))
    registry = Registry([DataFiles().manifests()])
    platforms = Adapters(
        registry, clock, SqlBudgets(engine).budget_for, settings.allow_private_hosts
    )
    house = House(engine, storage, SIGNING_KEYS)
    return Parts(settings, house, registry, platforms, clock, SystemMint())
