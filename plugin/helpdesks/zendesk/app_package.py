"""The app that an admin uploads to Zendesk: a zip of manifest, translations and two pictures.

It holds no script and no secret: Zendesk loads the panel from our address and signs that request.
The same installation gives the same bytes. Nothing is uploaded from here.

Source: developer.zendesk.com, "Setting up new apps" (layout), "Authenticating Zendesk in your
server-side app" (`signedUrls`).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from plugin.domain.errors import InvalidInput
from plugin.helpdesks.zendesk.app_rules import faults_of
from plugin.platforms.data_files import DataFiles
from plugin.platforms.strict_json import JsonValue
from plugin.ports import Connection

APP_NAME: Final = "Makegood"
APP_VERSION: Final = "1.0.0"
INSTALLATION_PARAMETER: Final = "makegood_installation"
"""The hidden setting by which the installed app is told from others of our name."""

_PICTURES: Final = ("assets/logo.png", "assets/logo-small.png")
_EARLIEST_DATE: Final = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE: Final = 0o644 << 16


def package(
    connection: Connection, public_url: str, out: Path, data: DataFiles | None = None
) -> Path:
    """Write the app for `connection` to the file `out`, replacing it; return `out`.

    `public_url` is where Makegood is reached, without a slash at its end. Raises InvalidInput with
    every fault when Zendesk would not take the app (an address that is not https, say), and
    DataMissing before the front end is built.
    """
    files = app_files(connection, public_url, data or DataFiles())
    faults = faults_of(files)
    if faults:
        raise InvalidInput("public_url", "; ".join(faults))
    # Beside the target first: a full disk must not leave half an app under its name.
    part = out.with_name(f"{out.name}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EARLIEST_DATE)
            entry.external_attr = _PLAIN_FILE
            entry.create_system = 3
            archive.writestr(entry, files[name], zipfile.ZIP_DEFLATED)
    part.replace(out)
    return out


def app_files(connection: Connection, public_url: str, data: DataFiles) -> Mapping[str, bytes]:
    """The files of the app by their names in the zip. Raises DataMissing."""
    return {
        "manifest.json": _json(_manifest(connection, public_url.rstrip("/"))),
        "translations/en.json": _json(_english()),
        **{name: data.asset(f"{connection.platform}/{name}").read_bytes() for name in _PICTURES},
    }


def _manifest(connection: Connection, public_url: str) -> dict[str, JsonValue]:
    panel = f"{public_url}/panel/{connection.platform}/{connection.installation}"
    return {
        "name": APP_NAME,
        "author": {"name": APP_NAME, "email": connection.settings["email"], "url": public_url},
        "version": APP_VERSION,
        "frameworkVersion": "2.0",
        "defaultLocale": "en",
        "private": True,
        # One installation has one id, and the token is checked for it.
        "singleInstall": True,
        "signedUrls": True,
        "location": {"support": {"ticket_sidebar": {"url": panel, "flexible": True}}},
        "parameters": [
            {
                "name": INSTALLATION_PARAMETER,
                "type": "hidden",
                "default": str(connection.installation),
            }
        ],
    }


def _english() -> dict[str, JsonValue]:
    return {
        "app": {
            "name": APP_NAME,
            "short_description": "Refunds inside the ticket: order, policy, plan, paid back once.",
            "parameters": {
                INSTALLATION_PARAMETER: {
                    "label": "Makegood installation",
                    "helpText": "Set by Makegood. Leave it as it is.",
                }
            },
        }
    }


def _json(value: JsonValue) -> bytes:
    return f"{json.dumps(value, indent=2, ensure_ascii=False)}\n".encode()
