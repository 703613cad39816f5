"""The app that an admin uploads to Freshdesk: a page around our frame, and how to ask for a pass.

The same installation gives the same bytes. It holds no secret: the admin types the app's secret
when installing, and Freshworks adds it to the one call that needs it. Nothing is uploaded from
here. It is the app's source; Freshworks' own tool makes the upload of it (`fdk pack`), which we
cannot run.

Source: github.com/freshworks-developers/freshworks-platform3 (layout, request templates, iparams).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from plugin.domain.errors import InvalidInput
from plugin.helpdesks.freshdesk.app_rules import faults_of
from plugin.platforms.data_files import DataFiles
from plugin.platforms.strict_json import JsonValue
from plugin.ports import Connection

REQUEST: Final = "makegoodPass"
"""The request template that the app's page calls."""

_SHIPPED: Final = (
    "app/index.html",
    "app/scripts/app.js",
    "app/styles/style.css",
    "app/styles/images/icon.svg",
    "README.md",
)
_PANEL: Final = b"MAKEGOOD_PANEL_ADDRESS"
_EARLIEST_DATE: Final = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE: Final = 0o644 << 16


def package(
    connection: Connection, public_url: str, out: Path, data: DataFiles | None = None
) -> Path:
    """Write the app for `connection` to the file `out`, replacing it; return `out`.

    `public_url` is where Makegood is reached. Raises InvalidInput with every fault when Freshdesk
    would not take the app (an address that is not https, say), and DataMissing before the front end
    is built.
    """
    files = app_files(connection, public_url, data or DataFiles())
    faults = list(faults_of(files))
    if not public_url.startswith("https://"):
        faults.append("the platform calls and frames https addresses only")
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
    panel = f"{public_url.rstrip('/')}/panel/{connection.platform}/{connection.installation}"
    shipped = {
        name: data.asset(f"{connection.platform}/package/{name}").read_bytes() for name in _SHIPPED
    }
    return {
        **shipped,
        "app/index.html": shipped["app/index.html"].replace(_PANEL, escape(panel).encode()),
        "manifest.json": _json(_manifest()),
        "config/iparams.json": _json(_parameters()),
        "config/requests.json": _json(_requests(panel)),
    }


def _manifest() -> dict[str, JsonValue]:
    page: JsonValue = {"url": "index.html", "icon": "styles/images/icon.svg"}
    return {
        "platform-version": "3.0",
        "modules": {
            "common": {"requests": {REQUEST: {}}},
            "support_ticket": {"location": {"ticket_sidebar": page}},
        },
        "engines": {"node": "18.20.8", "fdk": "9.7.4"},
    }


def _parameters() -> dict[str, JsonValue]:
    return {
        "app_secret": {
            "display_name": "App secret",
            "description": "The same that you gave when connecting Freshdesk in Makegood.",
            "type": "text",
            "required": True,
            # Kept from the page: it stands in the template's header only.
            "secure": True,
        }
    }


def _requests(panel: str) -> dict[str, JsonValue]:
    parts = urlsplit(panel)
    return {
        REQUEST: {
            "schema": {
                "method": "POST",
                "host": parts.netloc,
                "path": f"{parts.path}/pass",
                "headers": {
                    "Authorization": "Bearer <%= iparam.app_secret %>",
                    "Content-Type": "application/x-www-form-urlencoded",
                },
            },
            # A pass costs nothing, so a second try does no harm.
            "options": {"maxAttempts": 2, "retryDelay": 300},
        }
    }


def _json(value: JsonValue) -> bytes:
    return f"{json.dumps(value, indent=2, ensure_ascii=False)}\n".encode()
