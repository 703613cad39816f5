"""Text from outside that will stand in a subject, a sentence or a list: lines without controls.

A line break in a mail subject starts a new header; a control character can hide what follows it.
Spaces of all scripts and joiners are fine: they are writing, not control.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})


def is_one_line(text: str) -> bool:
    """Whether `text` holds no line break, no control character and no half of a surrogate pair."""
    return not any(unicodedata.category(character) in _CONTROLS for character in text)


def is_plain(text: str) -> bool:
    """As `is_one_line`, but line feeds and tabs are allowed."""
    return is_one_line(text.replace("\n", " ").replace("\t", " "))


def one_line(text: str) -> str:
    """`text` on one line: a run of blanks and controls becomes one space. For names from stores."""
    if text.isascii() and text.isprintable() and " " not in text:
        return text  # what most names and topics are
    spaced = "".join(c if is_one_line(c) else " " for c in text)
    return " ".join(spaced.split())


def bullets(items: Iterable[str]) -> str:
    """One line per item, as plain text can show a list. Items are put on one line each."""
    return "\n".join(f"- {one_line(item)}" for item in items)
