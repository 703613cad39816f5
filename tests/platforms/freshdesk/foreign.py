"""The pass of a frame's first request, rightly signed whatever it holds: the account, or nothing.

Only we sign passes; a key that got out, or a version of ours to come, must not break the reader.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Final

import jwt

from plugin.domain.errors import Refused
from plugin.helpdesks.freshdesk.frame_pass import _key, give_pass, signed_in
from tests.bodies.foreign import Foreign
from tests.platforms.freshdesk.account import APP_SECRET
from tests.platforms.freshdesk.world import INSTALLATION

_NOW: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
_MADE: Final = give_pass(APP_SECRET, INSTALLATION, f"Bearer {APP_SECRET}", "102", _NOW)
_HEAD: Final = jwt.get_unverified_header(_MADE)
_CLAIMS: Final = jwt.decode(_MADE, options={"verify_signature": False})


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _opens(head: bytes, claims: bytes) -> bool:
    signed = f"{_encoded(head)}.{_encoded(claims)}"
    mark = hmac.digest(_key(APP_SECRET), signed.encode(), "sha256")
    try:
        signed_in(APP_SECRET, INSTALLATION, f"{signed}.{_encoded(mark)}", _NOW)
    except Refused:
        return False
    return True


READERS: Final = (
    Foreign(
        "freshdesk's pass, its claims",
        (_CLAIMS,),
        lambda body: _opens(json.dumps(_HEAD).encode(), body),
    ),
    Foreign(
        "freshdesk's pass, its header",
        (_HEAD,),
        lambda body: _opens(body, json.dumps(_CLAIMS).encode()),
    ),
)
