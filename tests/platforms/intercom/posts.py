"""Posts as Intercom makes them, signed with the fake workspace's secret."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from tests.platforms.intercom.data import AGENT, CLIENT_SECRET, WORKSPACE

HEADER = "X-Body-Signature"


def signature(body: bytes, secret: str = CLIENT_SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def post_of(
    agent: str = str(AGENT),
    conversation: str | None = None,
    **more: Any,  # noqa: ANN401 - hostile values too
) -> dict[str, Any]:
    """What initialize says; submit says `component_id`, `input_values`, `current_canvas` too."""
    beside = {} if conversation is None else {"conversation_id": conversation}
    named = {} if conversation is None else {"type": "conversation", "id": conversation}
    return {
        "workspace_id": WORKSPACE,
        "workspace_region": "US",
        "admin": {"type": "admin", "id": agent, "name": "Ada Agent", "email": "ada@acme.test"},
        "context": {"location": "conversation", "locale": "en", **beside},
        **({"conversation": named} if named else {}),
        **more,
    }


def signed(post: Mapping[str, Any], secret: str = CLIENT_SECRET) -> tuple[bytes, dict[str, str]]:
    """The bytes as an odd writer would set them, and the header."""
    body = json.dumps(post, indent=1).encode()
    return body, {HEADER: signature(body, secret), "Content-Type": "application/json"}
