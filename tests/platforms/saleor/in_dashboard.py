"""A shop that installed Makegood from its manifest, and its staff before our page there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from werkzeug.test import TestResponse

from plugin.ports.records import InstallationStatus
from plugin.stores.saleor.account import manifest
from tests.databases import Databases
from tests.platforms.saleor.dashboard import Dashboard
from tests.platforms.saleor.signing import a_key, encoded, key_set, public
from tests.web.ways import SALEOR, Ways, open_ways

API = "https://ada.example.com/graphql/"
PAGE = "/embedded/saleor/makegood"


@dataclass
class InDashboard:
    """A shop that installed Makegood from its manifest, and its staff before our page."""

    ways: Ways

    def page(self, api: str = API, path: str = PAGE) -> TestResponse:
        client = self.ways.site.app.test_client()
        return client.get(path, query_string={"saleorApiUrl": api, "id": "App:3", "theme": "dark"})

    def token(
        self,
        key: str = "one",
        changed: Mapping[str, object] = MappingProxyType({}),
        without: str = "",
    ) -> str:
        """As the vendor's source makes it for an app and a person of the staff."""
        now = int(self.ways.site.clock.now().timestamp())
        claims = {
            "iat": now,
            "exp": now + 300,
            "iss": API,
            "owner": "saleor",
            "type": "thirdparty",  # codespell:ignore thirdparty
            "app": "App:3",
            "user_id": "User:7",
            "email": "staff@example.com",
            "is_staff": True,
            "permissions": list(manifest().scopes),
            "user_permissions": [*manifest().scopes, "MANAGE_STAFF"],
            **changed,
        }
        claims.pop(without, None)
        # Made by hand: PyJWT would not sign odd claims.
        body = json.dumps(claims).encode()
        head = json.dumps({"alg": "RS256", "kid": "one", "typ": "JWT"}).encode()
        signed = f"{encoded(head)}.{encoded(body)}"
        mark = a_key(key).sign(signed.encode(), PKCS1v15(), SHA256())
        return f"{signed}.{encoded(mark)}"

    def call(
        self,
        move: str = "open",
        token: str | None = None,
        fields: Mapping[str, str] = MappingProxyType({}),
    ) -> TestResponse:
        told = self.token() if token is None else token
        client = self.ways.site.app.test_client(use_cookies=False)
        return client.post(
            f"{PAGE}/{move}",
            headers={"Authorization": f"Bearer {told}"},
            data=urlencode(fields),
            content_type="application/x-www-form-urlencoded",
        )


@contextmanager
def open_dashboard(folder: Path, databases: Databases) -> Iterator[InDashboard]:
    """Connected: the self-test went to its end."""
    with open_ways(folder, databases) as ways:
        ways.saleor.keys = json.loads(key_set(public(a_key("one"), "one")))
        Dashboard(ways.saleor.url).install(ways.address(ways.page(SALEOR)), ways.ask)
        [found] = ways.site.installations()
        place = f"/install/at/{found.connection.installation}"
        for _ in manifest().self_test:
            ways.admin.press(place, f"{place}/step", {})
        [tested] = ways.site.installations()
        assert tested.status is InstallationStatus.CONNECTED
        yield InDashboard(ways)
