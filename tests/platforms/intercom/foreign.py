"""The panel's posts, rightly signed whatever they hold: a canvas post or a refusal by name."""

from __future__ import annotations

from typing import Any, Final

from plugin.domain.errors import Refused
from plugin.helpdesks.intercom.posts import SIGNATURE_HEADER, read_signed_post
from tests.bodies.foreign import Foreign
from tests.platforms.intercom.data import CLIENT_SECRET, WORKSPACE
from tests.platforms.intercom.posts import post_of, signature

_ORDER: Final = "order=shop~order-7"
_PRESSED: Final[dict[str, Any]] = {
    "component_id": f"refund:{'0' * 32}?{_ORDER}",
    "input_values": {"line": ["a", "b"], "free": "1.00", "q": "", "sub": None},
    "current_canvas": {
        "content": {"components": [{"type": "text", "text": "An order"}]},
        "stored_data": {"ticket": "5001", "number": "7"},
    },
}


def _read(body: bytes) -> bool:
    headers = {SIGNATURE_HEADER: signature(body)}
    try:
        read_signed_post(body, headers, CLIENT_SECRET, WORKSPACE)
    except Refused:
        return False
    return True


READERS: Final = (
    Foreign(
        "intercom's canvas post",
        (post_of(), post_of(conversation="5001"), {**post_of(conversation="5001"), **_PRESSED}),
        _read,
    ),
)
