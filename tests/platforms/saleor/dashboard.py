"""The install by manifest as the vendor's source has it: read, check, register with a token.

https://github.com/saleor/saleor saleor/app/installation_utils.py and manifest_schema.py
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from plugin.ports.connecting import InstallUrls
from tests.platforms.saleor.fake import TOKEN

Ask = Callable[[str, str, bytes, Mapping[str, str]], tuple[int, bytes]]
"""Method, address of ours, body and headers; gives status and body of the answer."""

URLS = InstallUrls(
    pending="p-1",
    arrivals="https://refunds.example/installing/saleor/p-1.0a",
    one_time="p-1.0a",
    back="https://refunds.example/install/store/saleor/back",
    page="https://refunds.example/install/pending/p-1",
    embedded="https://refunds.example/embedded/saleor",
)
"""Of one install that an admin began."""

REQUIRED = ("id", "name", "version")
KNOWN = {
    *REQUIRED,
    "about",
    "audience",
    "author",
    "brand",
    "appUrl",
    "configurationUrl",
    "dataPrivacy",
    "dataPrivacyUrl",
    "extensions",
    "homepageUrl",
    "permissions",
    "requiredSaleorVersion",
    "supportUrl",
    "tokenTargetUrl",
    "webhooks",
}


class NotInstalled(Exception):
    """What the dashboard shows the staff."""


@dataclass
class Dashboard:
    """One shop's dashboard at `api`, with the rights that apps were given."""

    api: str
    token: str = TOKEN
    given: list[str] = field(default_factory=list)

    def install(self, address: str, ask: Ask) -> None:
        """Install an app from its manifest. Raises NotInstalled with the words that are shown."""
        status, body = ask("GET", address, b"", {"Saleor-Schema-Version": "3.22"})
        if status != 200:
            raise NotInstalled(f"manifest answered {status}")
        manifest = json.loads(body)
        check_manifest(manifest)
        self.given = manifest["permissions"]
        status, body = self.register(manifest["tokenTargetUrl"], ask)
        if not 200 <= status < 300:
            raise NotInstalled(json.loads(body)["error"]["message"])

    def register(self, target: str, ask: Ask) -> tuple[int, bytes]:
        """Post the token, unsigned."""
        told = json.dumps({"auth_token": self.token}).encode()
        return ask("POST", target, told, registration_headers(self.api))


def registration_headers(api: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "Saleor-Domain": api.split("/")[2],
        "X-Saleor-Domain": api.split("/")[2],
        "Saleor-Api-Url": f"{api}/graphql/",
        "Saleor-Schema-Version": "3.22",
    }


def check_manifest(manifest: dict[str, Any]) -> None:
    """The vendor's rules, as far as our manifest meets them."""
    for name in REQUIRED:
        if not manifest.get(name):
            raise NotInstalled(f"{name} is missing")
    if set(manifest) - KNOWN:
        raise NotInstalled(f"unknown: {sorted(set(manifest) - KNOWN)}")
    if "MANAGE_APPS" in manifest.get("permissions", ()):
        raise NotInstalled("MANAGE_APPS may not be asked for")
    if not manifest.get("author", "x").strip():
        raise NotInstalled("author is blank")
