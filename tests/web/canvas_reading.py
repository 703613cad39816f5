"""Reads a panel back from what was rendered, HTML or canvas: what it shows, what it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl

from plugin.web.views.canvas_blocks import ROW

Component = Mapping[str, Any]
Ask = tuple[str, tuple[tuple[str, str], ...]]
"""A verb, and what it is about: the hidden fields of a form, or the query of a component's id."""

CHOICE = frozenset({"line", "amount", "free", "reason", "sub", "step", "q", "proof"})
"""Fields that a person fills in."""


@dataclass
class HtmlPanel(HTMLParser):
    """The texts of a page's body in order, its forms with their hidden fields, and its inputs."""

    html: str
    texts: list[str] = field(default_factory=list)
    asks: set[Ask] = field(default_factory=set)
    inputs: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    chosen: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._verb = ""
        self._hidden: dict[str, str] = {}
        self._rows: list[str] = []
        inside = self.html.partition("<body")[2]
        self.feed("<body" + inside)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._verb, self._hidden, self._rows = found["action"].rpartition("/")[2], {}, []
        elif tag == "input" and found.get("type") == "hidden":
            self._hidden[found["name"]] = found["value"]
        elif tag == "input":
            self.inputs.add(found["name"])
            if "checked" in found:
                self.chosen.add((found["name"], found["value"]))
        elif tag == "button" and found.get("name") == "order":
            self._rows.append(found["value"])
        elif tag == "button" and "formaction" in found:
            self._add(found["formaction"].rpartition("/")[2], {"order": self._hidden["order"]})
        elif tag == "a" and found.get("href", "").startswith("https://"):
            self.links.add(found["href"])

    def handle_endtag(self, tag: str) -> None:
        if tag != "form":
            return
        if self._verb == "order" and self._rows:
            for key in self._rows:
                self._add("order", {"order": key})
        elif self._verb != "order" or self._hidden.get("order"):
            self._add(self._verb, self._hidden)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(" ".join(data.split()))

    def _add(self, verb: str, fields: Mapping[str, str]) -> None:
        about = ((name, value) for name, value in fields.items() if name != "session")
        self.asks.add((verb, tuple(sorted(about))))


def components_of(answer: Mapping[str, Any]) -> Sequence[Component]:
    """The components of an answer."""
    found: Sequence[Component] = answer["canvas"]["content"]["components"]
    return found


def texts_of(components: Sequence[Component]) -> list[str]:
    """Every word that a canvas shows, in order."""
    return [text for one in components for text in _texts(one)]


def asks_of(components: Sequence[Component]) -> dict[Ask, str]:
    """All that can be pressed, with its id."""
    found = {}
    for id_ in _pressable(components):
        verb, _, rest = id_.partition(":")
        about = [pair for pair in parse_qsl(rest.partition("?")[2]) if pair[0] != ROW]
        found[verb, tuple(sorted(about))] = id_
    return found


def press(components: Sequence[Component], verb: str, **about: str) -> str:
    """The id of the one button or row of this verb, that is about this."""
    (found,) = {
        id_
        for (said, fields), id_ in asks_of(components).items()
        if said == verb and about.items() <= dict(fields).items()
    }
    return found


def inputs_of(components: Sequence[Component]) -> dict[str, Component]:
    """The inputs by their ids."""
    kinds = {"input", "checkbox", "single-select", "dropdown", "textarea"}
    return {one["id"]: one for one in components if one["type"] in kinds}


def chosen_in(components: Sequence[Component]) -> dict[str, Any]:
    """What comes back for the inputs when nobody touches them."""
    return {name: one["value"] for name, one in inputs_of(components).items() if one.get("value")}


def links_of(components: Sequence[Component]) -> set[str]:
    """The addresses that open in a new tab."""
    return {
        one["action"]["url"] for one in components if one.get("action", {}).get("type") == "url"
    }


def _pressable(components: Sequence[Component]) -> Iterator[str]:
    for one in components:
        if one["type"] == "button" and one["action"]["type"] == "submit":
            if not one.get("disabled"):
                yield one["id"]
        elif one["type"] == "list":
            yield from (item["id"] for item in one["items"] if "action" in item)


def _texts(one: Component) -> Iterator[str]:
    for name in ("text", "label", "placeholder", "title", "subtitle", "tertiary_text", "field"):
        if name in one:
            yield one[name]
    if isinstance(one.get("value"), str) and one["type"] in {"field-value", "input"}:
        yield one["value"]
    for name in ("items", "options", "option"):
        for inner in one.get(name, ()):
            yield from _texts(inner)


def without_marks(text: str) -> str:
    """Letters and digits only, one blank between: how two renderers set the same words."""
    return " ".join(re.sub(r"[^\w]+", " ", text).split()).casefold()
