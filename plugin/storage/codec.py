"""Domain values to JSON documents and back, driven by their types.

A document names the class only where a union leaves a choice. Reading is strict: a document that
does not fit its type is a bug or damage, and raises ValueError; it never becomes a half-empty
value.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import TypeVar, get_args, get_origin

from plugin.domain.errors import InvalidInput

T = TypeVar("T")
Doc = str | int | bool | None | list["Doc"] | dict[str, "Doc"]


def dump(value: object) -> str:
    """`value` (a frozen dataclass of domain values) as compact JSON."""
    return json.dumps(to_doc(value), ensure_ascii=False, separators=(",", ":"))


def load(kind: type[T], text: str) -> T:
    """The value of type `kind` (a dataclass or a union of them) that `dump` wrote."""
    value = from_doc(kind, json.loads(text))
    return typing.cast("T", value)


def to_doc(value: object) -> Doc:
    """Plain data for `value`.

    Raises ValueError for what has no document form, floats among them.
    """
    match value:
        case None | bool() | int():
            return value
        case Enum():
            return typing.cast("str", value.value)
        case str():
            return value
        case datetime():
            return value.isoformat()
        case tuple() | list():
            return [to_doc(item) for item in value]
        case frozenset():
            return sorted((to_doc(item) for item in value), key=str)
        case Mapping():
            if not all(isinstance(key, str) for key in value):
                raise ValueError("only a mapping of text has a document form")
            return {key: to_doc(item) for key, item in value.items()}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {f.name: to_doc(getattr(value, f.name)) for f in dataclasses.fields(value)}
            return {"is": type(value).__name__, **fields}
        case _:
            raise ValueError(f"no document form for {type(value).__name__}")


def from_doc(kind: object, doc: object) -> object:
    """The value of type `kind` in `doc`. Raises ValueError when it does not fit."""
    origin = get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _choice(get_args(kind), doc)
    if origin is tuple:
        item, *rest = get_args(kind)
        if not isinstance(doc, list):
            raise _misfit(kind)
        if rest == [...]:
            return tuple(from_doc(item, part) for part in doc)
        return tuple(from_doc(k, part) for k, part in zip((item, *rest), doc, strict=True))
    if origin is frozenset and isinstance(doc, list):
        return frozenset(from_doc(get_args(kind)[0], part) for part in doc)
    if origin in (dict, Mapping) and isinstance(doc, dict):
        return {key: from_doc(get_args(kind)[1], part) for key, part in doc.items()}
    if isinstance(kind, typing.NewType):
        return from_doc(kind.__supertype__, doc)
    if isinstance(kind, type):
        return _plain(kind, doc)
    raise _misfit(kind)


def _plain(kind: type, doc: object) -> object:
    if dataclasses.is_dataclass(kind):
        return _built(kind, doc)
    if kind is types.NoneType and doc is None:
        return None
    if issubclass(kind, Enum):
        return kind(doc)
    if kind is datetime and isinstance(doc, str):
        return datetime.fromisoformat(doc)
    if kind in (bool, str, int) and type(doc) is kind:
        return doc
    raise _misfit(kind)


def _built(kind: type, doc: object) -> object:
    """A dataclass from its document. Missing may only be what has a default: it came later."""
    if not isinstance(doc, dict) or doc.get("is") != kind.__name__:
        raise _misfit(kind)
    hints = _hints(kind)
    parts = {name: part for name, part in doc.items() if name != "is"}
    if not parts.keys() <= hints.keys():
        raise _misfit(kind)
    try:
        return kind(**{name: from_doc(hints[name], part) for name, part in parts.items()})
    except (TypeError, InvalidInput) as error:
        raise _misfit(kind) from error


def _choice(kinds: tuple[object, ...], doc: object) -> object:
    """Of a union: the dataclass that the document names, else the first plain type that fits."""
    if isinstance(doc, dict) and "is" in doc:
        for kind in kinds:
            if isinstance(kind, type) and kind.__name__ == doc["is"]:
                return from_doc(kind, doc)
    for kind in kinds:
        if not dataclasses.is_dataclass(kind):
            try:
                return from_doc(kind, doc)
            except ValueError:
                continue
    raise _misfit(kinds)


@functools.cache
def _hints(kind: type) -> Mapping[str, object]:
    return typing.get_type_hints(kind)


def _misfit(kind: object) -> ValueError:
    return ValueError(f"a stored document does not fit {kind}")
