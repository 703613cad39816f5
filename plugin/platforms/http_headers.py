"""What an HTTP header can carry: asked where a key is typed, and again before it is sent."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z0-9-]+")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


def is_header_name(text: str) -> bool:
    """Letters, digits and hyphens."""
    return _NAME.fullmatch(text) is not None


def fits_header(text: str) -> bool:
    """Visible ASCII, with spaces inside only: all else is refused on the way, or changed."""
    return _VALUE.fullmatch(text) is not None
