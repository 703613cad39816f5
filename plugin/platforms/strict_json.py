"""The one strict reader of JSON bytes that somebody else wrote.

`read_json` turns bytes into plain values and refuses everything that two readers could understand
differently: duplicate keys, NaN, several encodings, numbers that do not fit. `Reader` then takes
typed fields out of those values. Neither ever guesses, converts a type in silence, or puts a part
of the content into an error: an error may be logged, the content may not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from math import isinf
from typing import NoReturn, TypeAlias, TypeVar

from plugin.domain.errors import MakegoodError

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
JsonObject: TypeAlias = dict[str, JsonValue]

_WHITESPACE = " \t\n\r"
_LARGEST_DEPTH = 256
_WIDE_ENCODING_MARKS = (b"\xff\xfe", b"\xfe\xff")

# Everything but brackets; a string is one match, so that brackets inside it do not count. The
# closing quote is optional and the repeats are possessive: an unclosed string is swallowed once,
# not tried again from every quote in it (which would take quadratic time on a hostile body).
_NO_BRACKETS = re.compile(r'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"?)++', re.DOTALL)

_SMALLEST_INTEGER = -(2**63)
_LARGEST_INTEGER = 2**63 - 1
_EXACT_FLOAT_DIGITS = 15

_Field = TypeVar("_Field")


class Unreadable(MakegoodError):
    """These bytes are not JSON we accept. `code` is stable, `reason` says it in words too.

    Codes: `empty`, `byte_order_mark`, `wide_encoding`, `not_utf8`, `too_deep`, `syntax`,
    `trailing_data`, `duplicate_key`, `not_finite`, `long_integer`, `float_overflow`, `surrogate`,
    `nul`.
    """

    @property
    def reason(self) -> str:
        """Return `code: words`, without a part of the content."""
        return str(self)


class Malformed(MakegoodError):
    """A field is missing or of another type than needed. Names the place, never the value."""

    def __init__(self, path: str) -> None:
        """Take the field's path, such as `customer.email` or `resources[0].id`."""
        super().__init__("malformed", f"missing or of the wrong type: {path}")
        self.path = path


def read_json(raw: bytes, *, max_depth: int = 64, max_digits: int = 19) -> JsonValue:
    """Read one JSON document (RFC 8259) in UTF-8.

    Numbers with a fraction or an exponent come back as `float`; take them out with
    `Reader.number`. `max_depth` counts nested arrays and objects (at most 256), `max_digits` the
    digits of an integer. Raises `Unreadable`, and nothing else whatever the bytes are.
    """
    if not 1 <= max_depth <= _LARGEST_DEPTH:
        message = f"max_depth must be between 1 and {_LARGEST_DEPTH}"
        raise ValueError(message)
    document = _decoded(raw).strip(_WHITESPACE)
    if not document:
        raise Unreadable("empty", "the body holds no JSON document")
    _refuse_deep(document, max_depth)
    try:
        value, end = _decoder(max_digits).raw_decode(document)
    except ValueError:
        # `from None`: the decoder's own error carries the whole document.
        raise Unreadable("syntax", "the body is not JSON") from None
    if end != len(document):
        raise Unreadable("trailing_data", "something follows the JSON document")
    if "\\u" in document:
        # Decoded UTF-8 holds no surrogate and the decoder refuses a bare NUL: only an escape can
        # bring one in.
        _refuse_unstorable_text(value)
    read: JsonValue = value
    return read


def _decoded(raw: bytes) -> str:
    if raw.startswith(b"\xef\xbb\xbf"):
        raise Unreadable("byte_order_mark", "send UTF-8 without a byte order mark")
    if raw.startswith(_WIDE_ENCODING_MARKS) or b"\0" in raw[:2]:
        raise Unreadable("wide_encoding", "send UTF-8, not UTF-16 or UTF-32")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable("not_utf8", "the body is not valid UTF-8") from None


def _refuse_deep(document: str, max_depth: int) -> None:
    """Count brackets before the decoder sees them: its recursion is a 500 in the making."""
    if document.count("[") + document.count("{") <= max_depth:
        return  # most documents: too few to be deep, however they stand
    depth = 0
    for bracket in _NO_BRACKETS.sub("", document):
        if bracket in "[{":
            depth += 1
            if depth > max_depth:
                detail = f"more than {max_depth} levels of arrays and objects"
                raise Unreadable("too_deep", detail)
        else:
            depth -= 1


@cache
def _decoder(max_digits: int) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_object_of,
        parse_constant=_refuse_constant,
        parse_float=_float_of,
        parse_int=_integer_reader(max_digits),
    )


def _object_of(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Unreadable("duplicate_key", "an object names a key twice")
    return members


def _refuse_constant(_name: str) -> NoReturn:
    raise Unreadable("not_finite", "NaN and Infinity are not JSON")


def _float_of(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise Unreadable("float_overflow", "a number is too large")
    return number


def _integer_reader(max_digits: int) -> Callable[[str], int]:
    def integer_of(digits: str) -> int:
        if len(digits) > max_digits and len(digits.removeprefix("-")) > max_digits:
            detail = f"an integer has more than {max_digits} digits"
            raise Unreadable("long_integer", detail)
        return int(digits)

    return integer_of


def _refuse_unstorable_text(value: JsonValue) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise Unreadable("nul", "a string holds a NUL character")
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise Unreadable("surrogate", "a string holds half of a surrogate pair")
    elif isinstance(value, dict):
        _refuse_unstorable_texts(value)
        _refuse_unstorable_texts(value.values())
    elif isinstance(value, list):
        _refuse_unstorable_texts(value)


def _refuse_unstorable_texts(values: Iterable[JsonValue]) -> None:
    for value in values:
        _refuse_unstorable_text(value)


@dataclass(frozen=True, slots=True)
class Reader:
    """Takes typed fields out of a value that `read_json` returned.

    A field is named by its keys: `Reader(body).text("customer", "email")`. A needed field that is
    missing, null or of another type raises `Malformed` with its path (`customer.email`,
    `resources[0].id`). The `optional_*` twin gives None where the field, or an object on the way
    to it, is missing or null; another type is still `Malformed`. A bool is never a number.
    """

    value: JsonValue
    path: str = ""

    def text(self, *keys: str) -> str:
        """Return a text that is not blank, exactly as it was sent."""
        return self._needed(self.optional_text(*keys), keys)

    def optional_text(self, *keys: str) -> str | None:
        """Return a text, or None; a blank text says nothing, so it is None too."""
        value = self._find(keys)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self._malformed(keys)
        return value if value.strip() else None

    def integer(self, *keys: str) -> int:
        """Return a JSON integer that fits 64 bits with a sign (what the databases hold)."""
        return self._needed(self.optional_integer(*keys), keys)

    def optional_integer(self, *keys: str) -> int | None:
        """Return an integer, or None."""
        value = self._find(keys)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._malformed(keys)
        if not _SMALLEST_INTEGER <= value <= _LARGEST_INTEGER:
            raise self._malformed(keys)
        return value

    def number(self, *keys: str) -> Decimal:
        """Return a JSON number as the decimal that was written, such as 12.5.

        A fraction of more than 15 significant digits may have been rounded on reading, so it is
        `Malformed`: an amount must not change by being read.
        """
        return self._needed(self.optional_number(*keys), keys)

    def optional_number(self, *keys: str) -> Decimal | None:
        """Return a number as a decimal, or None."""
        value = self._find(keys)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._malformed(keys)
        decimal = Decimal(repr(value))
        if isinstance(value, float) and len(decimal.as_tuple().digits) > _EXACT_FLOAT_DIGITS:
            raise self._malformed(keys)
        return decimal

    def boolean(self, *keys: str) -> bool:
        """Return true or false; 0, 1 and "true" are neither."""
        return self._needed(self.optional_boolean(*keys), keys)

    def optional_boolean(self, *keys: str) -> bool | None:
        """Return true or false, or None."""
        value = self._find(keys)
        if value is None or isinstance(value, bool):
            return value
        raise self._malformed(keys)

    def identifier(self, *keys: str) -> str:
        """Return an id as text, whether it was sent as a text or as an integer."""
        return self._needed(self.optional_identifier(*keys), keys)

    def optional_identifier(self, *keys: str) -> str | None:
        """Return an id as text, or None."""
        value = self._find(keys)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return self.optional_text(*keys)

    def section(self, *keys: str) -> Reader:
        """Return a reader of a nested object."""
        return self._needed(self.optional_section(*keys), keys)

    def optional_section(self, *keys: str) -> Reader | None:
        """Return a reader of a nested object, or None."""
        value = self._find(keys)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._malformed(keys)
        return Reader(value, self._path_of(keys))

    def items(self, *keys: str) -> tuple[Reader, ...]:
        """Return a reader per element of an array, in order; the elements may be of any type."""
        return self._needed(self.optional_items(*keys), keys)

    def optional_items(self, *keys: str) -> tuple[Reader, ...] | None:
        """Return a reader per element of an array, or None where there is no array."""
        value = self._find(keys)
        if value is None:
            return None
        if not isinstance(value, list):
            raise self._malformed(keys)
        path = self._path_of(keys)
        return tuple(Reader(item, f"{path}[{index}]") for index, item in enumerate(value))

    def _find(self, keys: tuple[str, ...]) -> JsonValue:
        value = self.value
        for depth, key in enumerate(keys):
            if value is None:
                return None
            if not isinstance(value, dict):
                raise self._malformed(keys[:depth])
            value = value.get(key)
        return value

    def _needed(self, value: _Field | None, keys: tuple[str, ...]) -> _Field:
        if value is None:
            raise self._malformed(keys)
        return value

    def _path_of(self, keys: tuple[str, ...]) -> str:
        return ".".join((self.path, *keys) if self.path else keys)

    def _malformed(self, keys: tuple[str, ...]) -> Malformed:
        return Malformed(self._path_of(keys) or "the document")
