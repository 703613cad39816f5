"""Reads `Retry-After` (RFC 9110 10.2.3): how long the other side wants us to wait.

A wish from outside is never trusted whole: it is capped, and what makes no sense counts as no wish.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_WAIT_SECONDS = 3600

_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")


def seconds_to_wait(header: str | None, now: datetime) -> int | None:
    """Return whole seconds from 0 to an hour, rounded up, or None without a readable wish.

    Takes seconds (also `0.5`, which some vendors send) or a date. A date in the past means 0.
    """
    if header is None:
        return None
    text = header.strip()
    if _SECONDS.fullmatch(text):
        wish = timedelta(seconds=float(text))
    else:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        if moment.tzinfo is None:
            # `-0000` says UTC without a place; Python reads it as a naive time.
            moment = moment.replace(tzinfo=UTC)
        wish = moment - now
    whole = -(-wish // timedelta(seconds=1))
    return min(max(whole, 0), LONGEST_WAIT_SECONDS)
