"""The door for webhooks: raw bytes in, 2xx only after they are committed. Never logs content.

Unsigned or wrongly signed: 401, nothing stored. Too large: 413. Unknown address: 404. No byte that
is not rightly signed causes a write, an outgoing call or a 5xx; a database that does not answer is
a 503 that asks for a repeat.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError

from plugin.domain.errors import InvalidInput, NeedsHuman
from plugin.domain.ids import InstallationId
from plugin.platforms.manifest import (
    PlatformManifest,
    Webhooks,
)
from plugin.platforms.manifest_schema import InvalidManifest
from plugin.platforms.registry import Registry
from plugin.platforms.strict_json import Unreadable, read_json
from plugin.ports import Clock
from plugin.ports.storage import Installation, InstallationStatus, Storage
from plugin.services.webhook_secrets import webhook_secrets
from plugin.web.auth import Access, open_to
from webhooks.delivery import Delivery, DuplicateHeader
from webhooks.inbox import Inbox
from webhooks.signatures import Rejected, verify

MAX_BODY = 1024 * 1024
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The shape of an installation's id: no other text reaches the database, which may choke on it."""
_log = logging.getLogger("makegood.intake")


@dataclass(frozen=True, slots=True)
class Intake:
    """What the door needs."""

    storage: Storage
    registry: Registry
    inbox: Inbox
    clock: Clock


def webhooks_blueprint(intake: Intake) -> Blueprint:
    """Routes `/webhooks/<platform>/<installation>`."""
    blueprint = Blueprint("webhooks", __name__)
    receive: Callable[[str, str], Response] = _receiver(intake)
    blueprint.add_url_rule(
        "/webhooks/<platform>/<installation>",
        "receive",
        open_to(Access.SIGNED_WEBHOOK)(receive),
        methods=["POST"],
        provide_automatic_options=False,
        strict_slashes=False,
    )
    return blueprint


def _receiver(intake: Intake) -> Callable[[str, str], Response]:
    def receive(platform: str, installation: str) -> Response:
        length = request.content_length
        if length is not None and length > MAX_BODY:
            return _answer(413)
        body = _read_body(request.stream)
        if len(body) > MAX_BODY:
            return _answer(413)
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return _answer(415)
        if not _ID.fullmatch(installation):
            return _answer(404)
        try:
            found = intake.storage.find_installation(InstallationId(installation))
            if found is None or not _listens(found, platform):
                return _answer(404)
            return _take_in(intake, found, body)
        except SQLAlchemyError as error:
            # Its kind alone: the statement's parameters are the delivery.
            kind = type(error).__name__
            _log.error("intake.database_failed installation=%s kind=%s", installation, kind)
            return _answer(503, retry_after=30)
        except NeedsHuman as error:
            _log.error("intake.unusable installation=%s code=%s", installation, error.code)
            return _answer(503, retry_after=300)

    return receive


def _read_body(stream: IO[bytes]) -> bytes:
    """The body, or a little more than the most that is taken: a read may give less than asked."""
    body = bytearray()
    while len(body) <= MAX_BODY and (chunk := stream.read(MAX_BODY + 1 - len(body))):
        body += chunk
    return bytes(body)


def _listens(found: Installation, platform: str) -> bool:
    return found.connection.platform == platform and found.status is not InstallationStatus.REMOVED


def _take_in(intake: Intake, found: Installation, body: bytes) -> Response:
    connection = found.connection
    declared = _declared(intake.registry, found)
    if declared is None or declared.signature is None:
        return _answer(404)
    now = intake.clock.now()
    try:
        delivery = Delivery.from_headers(request.headers.items(), body, now)
    except DuplicateHeader:
        return _answer(401)
    secrets = _secrets(connection.secrets)
    verdict = verify(declared.signature, delivery, secrets, now)
    if isinstance(verdict, Rejected):
        _log.warning(
            "intake.refused installation=%s reason=%s", connection.installation, verdict.reason
        )
        return _answer(401)
    name = delivery.delivery_id(declared.delivery_id_header)
    is_new = intake.inbox.take_in(
        connection.tenant, connection.installation, delivery, name, _topic(declared, delivery)
    )
    _log.info("intake.taken installation=%s new=%s", connection.installation, is_new)
    return _answer(200)


def _declared(registry: Registry, found: Installation) -> Webhooks | None:
    try:
        manifest: PlatformManifest = registry.manifest(
            found.connection.kind, found.connection.platform
        )
    except InvalidInput:
        return None
    except InvalidManifest:
        # Ours to mend, and the sender can wait: anything but a 5xx could make them give up.
        raise NeedsHuman("broken_manifest", "run `makegood platforms check`") from None
    return manifest.webhooks


def _secrets(secrets: Mapping[str, str]) -> Sequence[bytes]:
    return [secret.encode() for secret in webhook_secrets(secrets)]


def _topic(declared: Webhooks, delivery: Delivery) -> str:
    """The vendor's word for what this is, for lists that people read; empty where none is told."""
    if declared.topic_header is not None:
        return delivery.header(declared.topic_header) or ""
    try:
        document = read_json(delivery.body)
    except Unreadable:
        return ""
    for part in (declared.topic_field or "").split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document if isinstance(document, str) else ""


def _answer(status: int, retry_after: int | None = None) -> Response:
    response = Response(status=status)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response
