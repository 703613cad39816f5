"""The components that a desk draws, one function each, within the limits of their types. Pure.

Every text passes `plain`: what a customer or a store wrote must neither turn into a link nor turn
the text beside it around.

Source: the types of Canvas Kit, as its vendor's library published them up to version 6.4.0. There
the options of a checkbox are called `option`, a dropdown and a single select hold two to ten of
them, and an address to open must be https.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from plugin.platforms.strict_json import JsonObject
from plugin.web.views.render_panel import SHOWN

FEWEST_OPTIONS: Final = 2
MOST_OPTIONS: Final = 10
LARGEST_CONTENT: Final = 64 * 1024
"""Bytes of the components as JSON."""

_SUBMIT: Final[JsonObject] = {"type": "submit"}


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to choose. `id` is what comes back."""

    id: str
    text: str
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a list. With an `ask` it can be pressed."""

    id: str
    title: str
    lines: tuple[str, ...] = ()
    ask: str = ""


def ask_id(verb: str, nonce: str, fields: Sequence[tuple[str, str]] = ()) -> str:
    """The id of what can be pressed: what it asks for, the one-time number, and what it is about.

    Nothing in it is believed: whoever reads it back checks it like a form.
    """
    about = urlencode([(name, value) for name, value in fields if value])
    return f"{verb}:{nonce}?{about}" if about else f"{verb}:{nonce}"


def plain(text: str) -> str:
    """`text` as it is read: no link can begin in it, and what turns or hides text is visible."""
    return text.translate(SHOWN).replace("](", "] (")


def words(text: str, style: str = "paragraph", *, close: bool = False) -> JsonObject:
    """A text: `header`, `paragraph`, `muted` or `error`. `close`: what follows belongs to it."""
    part: JsonObject = {"type": "text", "text": plain(text), "style": style}
    return {**part, "bottom_margin": "none"} if close else part


def button(label: str, ask: str, style: str = "secondary") -> JsonObject:
    """A button that posts: `primary`, `secondary` or `link`."""
    return {"type": "button", "id": ask, "label": plain(label), "style": style, "action": _SUBMIT}


def blocked_button(label: str) -> JsonObject:
    """The one button while it waits for something."""
    return {**button(label, "blocked", "primary"), "disabled": True}


def way_out(label: str, href: str) -> JsonObject:
    """A button that opens an address in a new tab; only its words where it is not https."""
    if not href.startswith("https://"):
        return words(label, "muted")
    action: JsonObject = {"type": "url", "url": href}
    shown = plain(label)
    return {"type": "button", "id": href, "label": shown, "style": "link", "action": action}


def line_input(id_: str, label: str, value: str = "", example: str = "") -> JsonObject:
    """One line to type into."""
    field: JsonObject = {"type": "input", "id": id_, "label": plain(label)}
    return {
        **field,
        **({"value": plain(value)} if value else {}),
        **({"placeholder": plain(example)} if example else {}),
    }


def ticks(id_: str, label: str, options: Sequence[Option], picked: Sequence[str]) -> JsonObject:
    """Boxes to tick, any number of them."""
    return {
        "type": "checkbox",
        "id": id_,
        "label": plain(label),
        "option": [_option(one) for one in options],
        "value": [*picked],
    }


def choose_one(id_: str, label: str, options: Sequence[Option], picked: str) -> list[JsonObject]:
    """One of several; a select needs two to ten options, with any other number it is a text.

    `picked` empty: nothing is chosen yet. Always a dropdown: a single select sets its options
    beside each other, and ours are sentences with amounts.
    """
    if not FEWEST_OPTIONS <= len(options) <= MOST_OPTIONS:
        return [words(label, "muted"), *(words(one.text) for one in options)]
    return [
        {
            "type": "dropdown",
            "id": id_,
            "label": plain(label),
            "options": [_option(one) for one in options],
            **({"value": picked} if picked else {}),
        }
    ]


def is_choice(options: Sequence[object]) -> bool:
    """Whether `choose_one` gives something whose value comes back."""
    return FEWEST_OPTIONS <= len(options) <= MOST_OPTIONS


def table(rows: Iterable[tuple[str, str]]) -> list[JsonObject]:
    """Names and values side by side; nothing for no rows."""
    items: list[JsonObject] = [
        {"type": "field-value", "field": plain(name), "value": plain(value)} for name, value in rows
    ]
    return [{"type": "data-table", "items": [*items]}] if items else []


def listed(rows: Sequence[Row]) -> list[JsonObject]:
    """Rows below each other, each with up to two lines of its own; nothing for no rows."""
    return [{"type": "list", "items": [_item(row) for row in rows]}] if rows else []


def divider() -> JsonObject:
    """A line between two parts."""
    return {"type": "divider"}


def size_of(components: Sequence[Mapping[str, object]]) -> int:
    """Bytes of these components as they are sent."""
    return len(json.dumps({"components": components}, ensure_ascii=False).encode())


def _option(one: Option) -> JsonObject:
    option: JsonObject = {"type": "option", "id": one.id, "text": plain(one.text)}
    return {**option, "disabled": True} if one.blocked else option


def _item(row: Row) -> JsonObject:
    names = ("subtitle", "tertiary_text")
    shown = [plain(line) for line in row.lines if line]
    # A row has two lines: what is more stands in the second.
    lines = [*shown[:1], " · ".join(shown[1:])] if len(shown) > 1 else shown
    item: JsonObject = {"type": "item", "id": row.ask or row.id, "title": plain(row.title)}
    return {
        **item,
        **dict(zip(names, lines, strict=False)),
        **({"action": _SUBMIT} if row.ask else {}),
    }
