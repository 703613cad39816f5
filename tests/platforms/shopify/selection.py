"""Cuts a whole object down to what a GraphQL document selects, lists to the `first` it asks for.

Reads the documents of the adapter and no others: fields, aliases, arguments, fragments in place.
Knows where a connection stands by its `nodes`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TOKEN = re.compile(
    r"[{}]|\.\.\. on \w+"
    r"|(\w+)\s*(?::\s*(\w+))?\s*(\([^{}]*?(?:\{[^{}]*\}[^{}]*?)*\))?(?:\s*@\w+\([^)]*\))?"
)
_FRAGMENT = "..."
_FIRST = re.compile(r"first: (\d+)")

Selection = dict[str, tuple[int | None, "Selection"]]


def selected(document: str, value: Any, variables: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - any JSON
    """`value`, an object with all its fields, as `document` wants it with these variables."""
    given = variables or {}
    document = re.sub(r"first: \$(\w+)", lambda m: f"first: {given[m[1]]}", document)
    return _cut(selection_of(document), value)


def selection_of(document: str) -> Selection:
    """The fields of the outermost braces: name -> (`first`, the fields inside)."""
    start = _body_start(document)
    return _read(_TOKEN.finditer(document, start + 1))


def _body_start(document: str) -> int:
    depth = 0
    for at, letter in enumerate(document):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "{" and depth == 0:
            return at
    raise ValueError(document)


def _read(tokens: Iterator[re.Match[str]]) -> Selection:
    fields: Selection = {}
    name = ""
    for token in tokens:
        if token[0] == "}":
            return fields
        if token[0] == "{" and name == _FRAGMENT:
            fields |= _read(tokens)
        elif token[0] == "{":
            fields[name] = (fields[name][0], _read(tokens))
        elif token[0].startswith("..."):
            name = _FRAGMENT
        else:
            name = token[1]
            first = _FIRST.search(token[3] or "")
            fields[name] = (None if first is None else int(first[1]), {})
    return fields


def _cut(fields: Selection, value: Any, first: int | None = None) -> Any:  # noqa: ANN401 - any JSON
    if not fields or value is None:
        return value
    if isinstance(value, list):
        if "nodes" in fields:  # the books keep a connection as a plain list
            page = {"hasNextPage": first is not None and len(value) > first}
            value = {"nodes": value[:first], "pageInfo": page}
        else:
            return [_cut(fields, one) for one in value[:first]]
    cut = {}
    for name, (most, inner) in fields.items():
        found = value[name]
        if name == "nodes":
            found = found[:first]
        cut[name] = _cut(inner, found, most)
    return cut
