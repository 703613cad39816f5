"""Who pressed what: checks the signature over the raw bytes of a post, and only then reads them.

The signature covers the whole body, with the workspace, the teammate and the conversation in it. It
carries no time and no number of its own, so a post that was seen once can be sent again: what a
button does is bound to a one-time id by whoever draws the buttons. Keeps nothing, calls nobody.

Source: the types of npm `intercom-client` 6.4.0 (requests and components), and the vendor's staff
at community.intercom.com (`X-Body-Signature` is HMAC-SHA256 of the body under the client secret, in
lower-case hex).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

from plugin.domain.errors import Refused
from plugin.domain.ids import AgentId, TicketId
from plugin.platforms.strict_json import JsonValue, Malformed, Reader, Unreadable, read_json
from plugin.ports.canvas import CanvasPost

SIGNATURE_HEADER: Final = "x-body-signature"
ID: Final = re.compile(r"[1-9][0-9]{0,30}")
"""The id of a conversation or a teammate. Use `fullmatch`, before it stands in a path."""

_HEX_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def read_signed_post(
    body: bytes, headers: Mapping[str, str], client_secret: str, workspace: str
) -> CanvasPost:
    """What a post says, once it is proven to be Intercom's and of this workspace.

    Refused: `signature_missing`, `signature_wrong`, `post_unreadable`, `workspace_wrong` or
    `conversation_unclear` (it names two).
    """
    _check_signature(body, headers.get(SIGNATURE_HEADER, ""), client_secret)
    try:
        post = Reader(read_json(body))
        named = post.optional_text("workspace_id") or post.optional_text("app_id") or ""
        if not hmac.compare_digest(named.encode(), workspace.encode()):
            # Every workspace of one app signs with the same secret.
            raise Refused("workspace_wrong")
        return CanvasPost(
            agent=AgentId(_id(post, "admin", "id")),
            ticket=_conversation(post),
            pressed=post.optional_text("component_id") or "",
            values=_values(post),
            kept=_kept(post),
        )
    except (Unreadable, Malformed):
        raise Refused("post_unreadable") from None


def _check_signature(body: bytes, signature: str, client_secret: str) -> None:
    if not signature:
        raise Refused("signature_missing")
    if not client_secret.strip():
        # With an empty secret anybody could sign.
        raise Refused("signature_wrong")
    expected = hmac.new(client_secret.encode(), body, hashlib.sha256).hexdigest()
    if not _HEX_SHA256.fullmatch(signature) or not hmac.compare_digest(expected, signature):
        raise Refused("signature_wrong")


def _id(post: Reader, *keys: str) -> str:
    found = post.identifier(*keys)
    if not ID.fullmatch(found):
        raise Malformed(".".join(keys))
    return found


def _conversation(post: Reader) -> TicketId | None:
    """The conversation beside which the panel stands; None where it stands beside none."""
    named = {
        _id(post, *keys)
        for keys in (("conversation", "id"), ("context", "conversation_id"))
        if post.optional_identifier(*keys) is not None
    }
    if len(named) > 1:
        raise Refused("conversation_unclear")
    return TicketId(named.pop()) if named else None


def _values(post: Reader) -> Mapping[str, tuple[str, ...]]:
    """What was typed and ticked, by input; what was left empty is left out."""
    section = post.optional_section("input_values")
    found = {} if section is None or not isinstance(section.value, dict) else section.value
    read = {name: _texts(value, name) for name, value in found.items()}
    return {name: texts for name, texts in read.items() if texts}


def _texts(value: JsonValue, name: str) -> tuple[str, ...]:
    if value is None:
        return ()
    given = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in given):
        raise Malformed(f"input_values.{name}")
    return tuple(str(one) for one in given if one)


def _kept(post: Reader) -> Mapping[str, str]:
    section = post.optional_section("current_canvas", "stored_data")
    found = {} if section is None or not isinstance(section.value, dict) else section.value
    return {name: value for name, value in found.items() if isinstance(value, str)}
