"""A delivery with something strange around its body: headers, lengths, methods, paths.

Each way says whether the delivery must still be taken in, given that its signature is right.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from tests.fuzz import hostile
from tests.fuzz.wsgi import Asked
from webhooks.http import MAX_BODY

Dressed = tuple[Asked, bool]
_Way = Callable[[Asked, frozenset[str], random.Random], Dressed]
_NOT_FOR_STRANGERS: Final = ("Host", "Content-Encoding", "Transfer-Encoding")
"""Headers that rightly change the answer to a delivery whose signature is right."""
_LENGTHS: Final = ("", "0", "-1", "x", "1e3", "+5", " 5", "é", "9" * 30, str(MAX_BODY + 1), None)


def dressed(asked: Asked, covered: frozenset[str], chance: random.Random) -> Dressed:
    """`asked` in one of the ways below. `covered`: the headers that carry or make the signature."""
    return chance.choice(_WAYS)(asked, covered, chance)


def _one_more(asked: Asked, _covered: frozenset[str], chance: random.Random) -> Dressed:
    more = (chance.choice(hostile.HEADERS), chance.choice(hostile.HEADER_VALUES))
    told = (*asked.headers, more)
    return replace(asked, headers=told), more[0] not in _NOT_FOR_STRANGERS


def _one_less(asked: Asked, covered: frozenset[str], chance: random.Random) -> Dressed:
    gone = chance.choice([name for name, _ in asked.headers] or [""])
    told = tuple(pair for pair in asked.headers if pair[0] != gone)
    return replace(asked, headers=told), gone not in covered


def _another_value(asked: Asked, covered: frozenset[str], chance: random.Random) -> Dressed:
    changed = chance.choice([name for name, _ in asked.headers] or [""])
    value = chance.choice(hostile.HEADER_VALUES)
    told = tuple((name, value if name == changed else own) for name, own in asked.headers)
    return replace(asked, headers=told), changed not in covered


def _twice(asked: Asked, _covered: frozenset[str], chance: random.Random) -> Dressed:
    name, value = chance.choice(asked.headers or (("X-Once", "1"),))
    key = chance.choice((name, f"=HTTP_{name.upper()}", name.replace("-", "_")))
    again = (key, chance.choice((value, *hostile.HEADER_VALUES)))
    return replace(asked, headers=(*asked.headers, again)), False


def _many(asked: Asked, _covered: frozenset[str], chance: random.Random) -> Dressed:
    many = tuple((f"X-Many-{n}", "v") for n in range(chance.choice((61, 500))))
    return replace(asked, headers=(*many, *asked.headers)), True


def _odd_length(asked: Asked, _covered: frozenset[str], chance: random.Random) -> Dressed:
    size = len(asked.body)
    return replace(asked, length=chance.choice((*_LENGTHS, str(size + 7), str(size // 2)))), False


def _chunked(asked: Asked, _covered: frozenset[str], _chance: random.Random) -> Dressed:
    told = (*asked.headers, ("Transfer-Encoding", "chunked"))
    return replace(asked, headers=told, length=None, ended=True), True


def _drop_by_drop(asked: Asked, _covered: frozenset[str], chance: random.Random) -> Dressed:
    return replace(asked, drip=chance.choice((1 + len(asked.body) // 50, 999))), True


def _another_type(asked: Asked, _covered: frozenset[str], chance: random.Random) -> Dressed:
    kept = [(name, value) for name, value in asked.headers if name.lower() != "content-type"]
    told = (*kept, ("Content-Type", chance.choice(hostile.TYPES)))
    return replace(asked, headers=told), True


def _another_method(asked: Asked, _covered: frozenset[str], chance: random.Random) -> Dressed:
    return replace(asked, method=chance.choice(hostile.ODD_METHODS)), False


def _another_path(asked: Asked, _covered: frozenset[str], chance: random.Random) -> Dressed:
    near = (f"{asked.path}/x", f"{asked.path}\xff", "/webhooks/none/x", asked.path[:-1])
    return replace(asked, path=chance.choice((*near, *hostile.PATHS))), False


def _a_query(asked: Asked, _covered: frozenset[str], chance: random.Random) -> Dressed:
    text = chance.choice(hostile.TEXTS).encode("utf-8", "replace").decode("latin-1")
    return replace(asked, query=text), True


_WAYS: Final[Sequence[_Way]] = (
    _one_more,
    _one_less,
    _another_value,
    _twice,
    _many,
    _odd_length,
    _chunked,
    _drop_by_drop,
    _another_type,
    _another_method,
    _another_path,
    _a_query,
)
