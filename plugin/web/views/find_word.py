"""Finds a text by its message id and language: for every screen whose words stand in one place.

Reads no file and no clock; whose words they are is the screen's affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from babel import Locale
from babel.core import UnknownLocaleError

FALLBACK: Final = "en"


def find_word(
    words: Mapping[str, Mapping[str, str]],
    locale: str,
    key: str,
    values: Mapping[str, str | int],
) -> str:
    """The text of message `key` in the nearest language of `words`, with `values` filled in.

    `locale` is a BCP 47 tag ("hr", "pt-BR"). A message with plural forms is chosen by the value
    `n`. A language that lacks a message falls back to English, message by message.

    Raises:
        KeyError: no such message, or a value it needs is missing. Both are bugs.
    """
    language = locale.replace("_", "-").split("-")[0].lower()
    for tongue in (language, FALLBACK):
        known = words.get(tongue, {})
        for name in _forms(tongue, key, values.get("n")):
            if name in known:
                return known[name].format(**values)
    message = f"there is no message {key!r}"
    raise KeyError(message)


def _forms(language: str, key: str, count: str | int | None) -> tuple[str, ...]:
    """The ids to try for `key`: with a number its plural form first, then the plain one."""
    if not isinstance(count, int):
        return (key,)
    try:
        form = Locale.parse(language).plural_form(count)
    except (UnknownLocaleError, ValueError):
        form = "other"
    return (f"{key}.{form}", f"{key}.other", key)
