"""Fills our texts with facts. Pure: a message's text is part of a plan and of its hash.

Never formats money or dates (they arrive formatted for the reader), never sends, never makes up
what is not known. The words are in `plugin.domain.message_texts`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from plugin.domain.errors import InvalidInput
from plugin.domain.message_texts import (
    REASONS,
    SENTENCES,
    TEMPLATES,
    MessageId,
    Paragraph,
    SentenceId,
    Template,
)
from plugin.domain.texts import is_one_line, is_plain, one_line

__all__ = [
    "DEFAULT_LOCALE",
    "MessageId",
    "MissingFact",
    "Text",
    "compose",
    "is_own_reason",
    "locale_for",
    "reason_words",
    "sentence",
]

DEFAULT_LOCALE = "en"
_FIELD = re.compile(r"\{([a-z_]+)\}")


class MissingFact(InvalidInput):
    """A text needs a fact that was not given. `field` names it."""


@dataclass(frozen=True, slots=True)
class Text:
    """A finished message. `locale` is the one it is written in, not always the one asked for."""

    subject: str
    body: str
    locale: str


def locale_for(wanted: str, spoken: Collection[str] = TEMPLATES) -> str:
    """The locale of `spoken` that is nearest to `wanted`: `en-GB` and `en_GB` give `en`."""
    tag = wanted.replace("_", "-").lower()
    while tag not in spoken and "-" in tag:
        tag = tag.rpartition("-")[0]
    return tag if tag in spoken else DEFAULT_LOCALE


def compose(message: MessageId, locale: str, facts: Mapping[str, str]) -> Text:
    """The text of `message` with `facts` filled in, in the nearest language we have.

    A blank fact counts as not given; facts that the text does not name are ignored. Raises
    MissingFact where the text cannot do without one, and InvalidInput for control characters (in
    the subject line breaks too: they would start a new mail header).
    """
    known = {name: fact.strip() for name, fact in facts.items() if fact.strip()}
    spoken = locale_for(locale)
    template: Template = TEMPLATES[spoken][message]
    for name in _FIELD.findall(template.subject):
        if not is_one_line(known.get(name, "")):
            raise InvalidInput(name, "put it on one line, without control characters")
    paragraphs = [_worded(paragraph, known) for paragraph in template.body]
    subject = _worded((template.subject,), known)
    return Text(subject, "\n\n".join(filter(None, paragraphs)), spoken)


def sentence(name: SentenceId, locale: str, **facts: str) -> str:
    """One sentence to fill a fact of a message with, in the nearest language we have."""
    wording = SENTENCES[locale_for(locale, SENTENCES)][name]
    return _worded((wording,), facts)


def reason_words(code: str, locale: str = DEFAULT_LOCALE) -> str:
    """Why a refund stands where it does, in one sentence; blank where nobody told.

    A gateway's own code is quoted as the gateway's: we do not know what it means there.
    """
    own, quoted = REASONS[locale_for(locale, REASONS)]
    if code in own or not code.strip():
        return own.get(code, "")
    return _FIELD.sub(lambda _: one_line(code).replace("_", " "), quoted)


def is_own_reason(code: str) -> bool:
    """Whether `code` is a word of ours, with a sentence in REASONS; a gateway's is not."""
    return code in REASONS[DEFAULT_LOCALE][0]


def _worded(paragraph: Paragraph, known: Mapping[str, str]) -> str:
    """The first wording whose facts are all known, filled in once: braces in a fact stay braces."""
    for wording in paragraph:
        names = _FIELD.findall(wording)
        if all(name in known for name in names):
            for name in names:
                if not is_plain(known[name]):
                    raise InvalidInput(name, "leave out control characters")
            return _FIELD.sub(lambda field: known[field[1]], wording)
    missing = next(name for name in _FIELD.findall(paragraph[0]) if name not in known)
    raise MissingFact(missing, "this message cannot be written without it")
