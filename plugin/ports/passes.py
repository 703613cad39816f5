"""What a desk needs whose own servers prove the account, before our frame opens. Protocols only.

Such a desk serves the page around our frame itself. That page holds no secret: it has the desk's
servers call us, who add one, and takes what we answer to the frame's first request.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, runtime_checkable


@runtime_checkable
class GivesPasses(Protocol):
    """Gives a pass for a minute or two. `ServesPanel.sign_in` is then shown it."""

    def give_pass(self, authorization: str, form: Mapping[str, str], now: datetime) -> str:
        """The pass, as one form value; makes no call and stores nothing.

        `authorization` is that header, empty where none came; `form` is what the page says. Raises
        Refused with a code, never with the reason in full.
        """
