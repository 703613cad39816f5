"""Changes a body: one to three places of it, and now and then its bytes.

A change gives a value of another type, of the same type from another place, nothing at all, a key
twice, or a hostile fragment that is hardly JSON. Whatever it is, the same chance gives it again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.fuzz.hostile import FRAGMENTS, TEXTS, broken

_MARK: Final = "\x01mark\x01"
_MARKED: Final = json.dumps(_MARK).encode()
_BROKEN: Final = 0.05
_STOPS: Final = 0.05
"""How often a change takes a whole object or list, in place of something in it."""
_ODD: Final[Sequence[Any]] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    12.5,
    1e300,
    0.1234567890123456,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    [],
    {},
    [None],
    [[]],
    [{}],
    {"": None},
    {"id": {}},
)


def change(document: Any, values: Mapping[str, Sequence[Any]], chance: random.Random) -> bytes:  # noqa: ANN401 - any JSON
    """The bytes of `document` after some changes; `values` is what may stand under each key."""
    for _ in range(chance.randint(1, 3)):
        document = _inside(document, "", values, chance)
    body = json.dumps(document).encode()
    if _MARKED in body:
        body = body.replace(_MARKED, chance.choice(FRAGMENTS))
    return broken(body, chance) if chance.random() < _BROKEN else body


def _inside(
    value: Any,  # noqa: ANN401 - any JSON
    key: str,
    values: Mapping[str, Sequence[Any]],
    chance: random.Random,
) -> Any:  # noqa: ANN401 - any JSON
    """`value` with one thing in it changed, or something else in its place."""
    if isinstance(value, dict) and value and chance.random() >= _STOPS:
        name = chance.choice(list(value))
        match chance.randrange(8):
            case 0:
                return {one: inner for one, inner in value.items() if one != name}
            case 1:
                return {**value, chance.choice(list(values)): _other(name, values, chance)}
            case _:
                return {**value, name: _inside(value[name], name, values, chance)}
    if isinstance(value, list) and value and chance.random() >= _STOPS:
        at = chance.randrange(len(value))
        match chance.randrange(8):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return [*value, value[at]]
            case 2:
                return chance.sample(value, len(value))
            case _:
                return [*value[:at], _inside(value[at], key, values, chance), *value[at + 1 :]]
    return _other(key, values, chance)


def _other(key: str, values: Mapping[str, Sequence[Any]], chance: random.Random) -> Any:  # noqa: ANN401 - any JSON
    match chance.randrange(5):
        case 0:
            return chance.choice(_ODD)
        case 1:
            return chance.choice(TEXTS)
        case 2:
            return _MARK
        case 3:
            return chance.choice(values[chance.choice(list(values))])
        case _:
            return chance.choice(values.get(key) or _ODD)
