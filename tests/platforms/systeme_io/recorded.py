"""The recorded deliveries, the vendor's samples beside the repository, and the manifest."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plugin.domain.events import SaleMade, StoreEvent
from plugin.domain.money import Money
from plugin.domain.orders import Order, Resource, ResourceKind
from plugin.platforms.data_files import DataFiles
from plugin.platforms.manifest import StoreManifest
from plugin.platforms.manifest_schema import read_manifest
from plugin.platforms.webhook_declaration import Webhooks
from tests.contracts.webhook import INSTALLATION, Recording
from tests.platforms.systeme_io.fake import php_json
from tests.platforms.systeme_io.vendor import SPECS
from webhooks.stores.systeme_io import parse

RECORDINGS = Path(__file__).parent / "recordings"
SECRET = "recorded-secret"

Edit = Callable[[dict[str, Any]], object]


def recording(name: str) -> Recording:
    return Recording.read(RECORDINGS / f"{name}.json")


def recordings() -> tuple[Recording, ...]:
    return tuple(Recording.read(path) for path in sorted(RECORDINGS.glob("*.json")))


def sample(name: str) -> Recording:
    """A vendor sample in the bytes the platform sends, signed by us: the capture was re-printed."""
    told = json.loads((SPECS / "samples" / f"{name}.json").read_text("utf-8"))
    raw = php_json(told["body"])
    signed = {"x-webhook-signature": hmac.new(SECRET.encode(), raw, "sha256").hexdigest()}
    return Recording(name, {**told["headers"], **signed}, raw)


def manifest() -> StoreManifest:
    path = DataFiles().manifests() / "stores" / "systeme_io" / "platform.json"
    found = read_manifest(path.read_bytes())
    assert isinstance(found, StoreManifest)
    return found


def webhooks() -> Webhooks:
    found = manifest().webhooks
    assert found is not None
    return found


def events(name: str, edit: Edit | None = None, **headers: str) -> list[StoreEvent]:
    """A recording's events, its body edited first, and headers changed (`_` for `-`)."""
    told = recording(name)
    body = json.loads(told.body)
    if edit is not None:
        edit(body)
    changed = {key.replace("_", "-"): value for key, value in headers.items()}
    return parse(told.delivery(headers=changed), INSTALLATION, body)


def sold(name: str = "sale_new_course_and_tag", edit: Edit | None = None) -> Order:
    found = events(name, edit)
    assert isinstance(found[0], SaleMade)
    return found[0].order


def held(kind: ResourceKind, ref: str) -> Resource:
    return Resource(INSTALLATION, kind, ref)


def euros(minor: int) -> Money:
    return Money(minor, "EUR")
