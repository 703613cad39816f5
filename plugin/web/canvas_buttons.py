"""One-time numbers for what can be pressed on a canvas: each works once, for whom it was drawn.

A signed post carries no time, so who caught one could send it again. Every canvas gets a number of
its own; whatever is pressed on it spends that number. Only the number's hash is kept, together with
the desk, the ticket and the agent: pressed by another, it is none. Decides nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qsl

from plugin.ports.records import SignInPurpose, StoredSignIn
from plugin.web.context import WebContext
from plugin.web.panel_scene import Sitting

BUTTON_LIFE: Final = timedelta(hours=1)

_PRESSED: Final = re.compile(r"([a-z]{2,12}):([0-9a-f]{32})(?:\?([!-~]{1,2000}))?")
_MOST_FIELDS: Final = 20


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a component's id asks for, as `canvas_components.ask_id` wrote it: all of it a claim."""

    verb: str
    nonce: str
    fields: tuple[tuple[str, str], ...] = ()

    def field(self, name: str) -> str:
        """One field's value, or empty."""
        return dict(self.fields).get(name, "")


def read_pressed(component: str) -> Pressed | None:
    """What was pressed; None for what no canvas of ours had."""
    found = _PRESSED.fullmatch(component)
    if found is None:
        return None
    try:
        fields = parse_qsl(
            found[3] or "",
            strict_parsing=bool(found[3]),
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        return None
    return Pressed(found[1], found[2], tuple(fields))


@dataclass(frozen=True, slots=True)
class Buttons:
    """Gives out the numbers, and takes each back once."""

    context: WebContext

    def issue(self, sitting: Sitting) -> str:
        """A number for the canvas that is drawn now."""
        nonce = self.context.mint.id()
        until = self.context.clock.now() + BUTTON_LIFE
        kept = StoredSignIn(sitting.tenant, _kept(sitting, nonce), SignInPurpose.BUTTON, until)
        with self.context.storage.begin(sitting.tenant) as uow:
            uow.sign_ins.add(kept)
            uow.commit()
        return nonce

    def spend(self, sitting: Sitting, nonce: str) -> bool:
        """False where it was spent before, is too old, or was never this agent's at this ticket."""
        with self.context.storage.begin(sitting.tenant) as uow:
            spent = uow.sign_ins.use(_kept(sitting, nonce), self.context.clock.now())
            uow.commit()
        return spent


def _kept(sitting: Sitting, nonce: str) -> str:
    about: Sequence[str] = (
        "makegood canvas button",
        sitting.installation,
        sitting.ticket or "",
        sitting.agent,
        nonce,
    )
    # No part holds a line break: ids are matched before, and the number is hexadecimal.
    return hashlib.sha256("\n".join(about).encode()).hexdigest()
