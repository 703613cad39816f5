"""Domain values to JSON documents and back, driven by their types.

A document names its class. Reading is strict: a document that does not fit its type is a bug or
damage, and raises ValueError; it never becomes a half-empty value. But a field that this code does
not know is passed over: a newer version wrote it, which runs beside this one or was taken back. One
that must not be passed over, a new class in a union and a new word of an enumeration need a
migration whose `oldest_code` shuts older code out, and that takes them away on the way back.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import TypeVar, get_args, get_origin

from plugin.domain.errors import InvalidInput

T = TypeVar("T")
Reader = Callable[[object], object]
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
    kind: type = type(value)
    names = _field_names(kind)
    if names is not None:
        return {
            "is": type(value).__name__,
            **{name: to_doc(getattr(value, name)) for name in names},
        }
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
        case _:
            raise ValueError(f"no document form for {type(value).__name__}")


def from_doc(kind: object, doc: object) -> object:
    """The value of type `kind` in `doc`. Raises ValueError when it does not fit."""
    return _reader(kind)(doc)


# Types are taken apart once and kept as readers: a document is read a thousand times a second.


@functools.cache
def _reader(kind: object) -> Reader:
    origin = get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _choice(get_args(kind))
    if origin is tuple:
        return _tuple(kind, get_args(kind))
    if origin is frozenset:
        item = _reader(get_args(kind)[0])
        return _of_list(kind, lambda doc: frozenset(map(item, doc)))
    if origin in (dict, Mapping):
        return _mapping(kind, _reader(get_args(kind)[1]))
    if isinstance(kind, typing.NewType):
        return _reader(kind.__supertype__)
    if isinstance(kind, type):
        return _built(kind) if dataclasses.is_dataclass(kind) else _plain(kind)
    raise _misfit(kind)


def _of_list(kind: object, made: Callable[[list[object]], object]) -> Reader:
    def read(doc: object) -> object:
        if not isinstance(doc, list):
            raise _misfit(kind)
        return made(doc)

    return read


def _tuple(kind: object, items: tuple[object, ...]) -> Reader:
    if items[1:] == (...,):
        item = _reader(items[0])
        return _of_list(kind, lambda doc: tuple(map(item, doc)))
    each = [_reader(item) for item in items]
    return _of_list(
        kind, lambda doc: tuple(read(part) for read, part in zip(each, doc, strict=True))
    )


def _mapping(kind: object, item: Reader) -> Reader:
    def read(doc: object) -> object:
        if not isinstance(doc, dict):
            raise _misfit(kind)
        return {key: item(part) for key, part in doc.items()}

    return read


def _plain(kind: type) -> Reader:
    if issubclass(kind, Enum):
        return kind
    if kind is datetime:
        text = _exactly(str)
        return lambda doc: datetime.fromisoformat(typing.cast("str", text(doc)))
    if kind in (bool, str, int, types.NoneType):
        return _exactly(kind)
    raise _misfit(kind)


def _exactly(kind: type) -> Reader:
    def read(doc: object) -> object:
        if type(doc) is not kind:
            raise _misfit(kind)
        return doc

    return read


def _built(kind: type) -> Reader:
    """A dataclass from its document. Missing may only be what has a default: it came later.

    What is there and not known came later still.
    """

    @functools.cache
    def readers() -> Mapping[str, Reader]:  # not before the first use: a type may hold itself
        return {name: _reader(hint) for name, hint in _hints(kind).items()}

    def read(doc: object) -> object:
        if not isinstance(doc, dict) or doc.get("is") != kind.__name__:
            raise _misfit(kind)
        of_field = readers()
        values = {}
        try:
            for name, part in doc.items():
                if (reads := of_field.get(name)) is not None:
                    values[name] = reads(part)
            return kind(**values)
        except (TypeError, InvalidInput) as error:
            raise _misfit(kind) from error

    return read


def _choice(kinds: tuple[object, ...]) -> Reader:
    """Of a union: the dataclass that the document names, else the first plain type that fits."""
    named = {kind.__name__: kind for kind in reversed(kinds) if isinstance(kind, type)}
    plain = [_reader(kind) for kind in kinds if not dataclasses.is_dataclass(kind)]
    may_be_none = types.NoneType in kinds

    def read(doc: object) -> object:
        if doc is None and may_be_none:
            return None
        if isinstance(doc, dict) and (kind := named.get(str(doc.get("is")))) is not None:
            return _reader(kind)(doc)
        for of_kind in plain:
            try:
                return of_kind(doc)
            except ValueError:
                continue
        raise _misfit(kinds)

    return read


@functools.cache
def _field_names(kind: type) -> tuple[str, ...] | None:
    if not dataclasses.is_dataclass(kind):
        return None
    return tuple(field.name for field in dataclasses.fields(kind))


@functools.cache
def _hints(kind: type) -> Mapping[str, object]:
    return typing.get_type_hints(kind)


def _misfit(kind: object) -> ValueError:
    return ValueError(f"a stored document does not fit {kind}")
