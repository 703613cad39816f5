"""Desks that draw the panel themselves, from components, and post every click to us, signed.

Protocols and records only: no code runs here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from plugin.domain.ids import AgentId, TicketId

CANVAS_POSTS: Final = ("initialize", "submit", "configure")
"""The posts that such a desk makes, each to an address that ends so."""


@dataclass(frozen=True, slots=True)
class CanvasPost:
    """What one signed post says: who, beside which ticket, and what was pressed.

    `pressed` is the id of the component, empty where nothing was pressed. `values` are the inputs
    by their ids, `kept` is what we had put beside the components. Agent and ticket are the desk's
    word; all else went through a browser and is a claim.
    """

    agent: AgentId
    ticket: TicketId | None
    pressed: str = ""
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    kept: Mapping[str, str] = field(default_factory=dict, repr=False)


@runtime_checkable
class ServesCanvas(Protocol):
    """A desk of capability `context` that shows components in place of a page in a frame."""

    def read_post(self, body: bytes, headers: Mapping[str, str]) -> CanvasPost:
        """Verify one post over its raw bytes. `headers` by their names in lower case.

        Raises Refused with a code, never with the reason in full.
        """
