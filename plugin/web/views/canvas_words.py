"""The few words that only a panel of components needs; all others are the panel's own.

A language is one more dict in `WORDS`; see `plugin.web.views.panel_words`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from plugin.web.views.find_word import find_word

ENGLISH: Final[Mapping[str, str]] = {
    "spent": "That button was used already, or is too old. Nothing was done. "
    "This is how it stands.",
    "slow.title": "Still working on it",
    "slow.text": "It takes longer than this panel may wait. It goes on by itself, and once: "
    "look again in a moment.",
    "busy.title": "Too busy just now",
    "busy.text": "Nothing was done. Look again in a moment.",
    "orders.newest": "These are the newest {n}. Look for an older one by its number.",
    "for_reply": "For the reply:",
    "undo.stands_still": "The seconds stand still here. Look again to see how far it is.",
    "folded": "Not all of it fits here.",
    "too_much.title": "This is more than fits here",
    "too_much.text": "Nothing was done, and no money has moved. Refund it in the store.",
    "too_much.decided": "The refund goes on by itself, once. Do not pay it anywhere else: "
    "a note in the ticket says how it ended.",
    "to_and_fro": "{before} before, {now} now",
    "choice.hint": "{label}: {hint}",
}

WORDS: Final[Mapping[str, Mapping[str, str]]] = {"en": ENGLISH}


def canvas_word(locale: str, key: str, **values: str | int) -> str:
    """The text of `key`, as `find_word`."""
    return find_word(WORDS, locale, key, values)
