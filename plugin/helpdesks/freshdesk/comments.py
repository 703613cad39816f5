"""The text of a note or reply as Freshdesk takes it, with our reference in it to find it again.

The reference and the tags are plain text: what is hidden in a comment does not outlive its
cleaning. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape, unescape
from typing import Final

_MARKER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,199}")
_PART: Final = "[A-Za-z0-9._:-]"
_TAG: Final = re.compile(r"Makegood tag: ([^<\n]+)")


def html_of(body: str, marker: str, tags: Sequence[str] = ()) -> str:
    """`body` as HTML: blank lines part paragraphs, and nothing in it is markup or a placeholder.

    Freshdesk fills `{{...}}` and `{%...%}`; a customer's own words must not read out the ticket's
    fields. Raises ValueError for a marker that could not be found again.
    """
    if not _MARKER.fullmatch(marker):
        raise ValueError("a marker has 8 to 200 letters, digits, dots, colons, dashes, underscores")
    quiet = re.sub(r"\{(?=[{%])", "{ ", body.strip())
    paragraphs = (
        "<br>".join(escape(line) for line in paragraph.splitlines())
        for paragraph in re.split(r"\n\s*\n", quiet.replace("\r\n", "\n"))
    )
    ours = [f"Makegood reference: {marker}", *(f"Makegood tag: {escape(tag)}" for tag in tags)]
    return "".join(f"<p>{text}</p>" for text in [*paragraphs, *ours])


def carries(html: str, marker: str) -> bool:
    """Whether `marker` stands in `html` as a whole, not as a part of a longer one."""
    return re.search(rf"(?<!{_PART}){re.escape(marker)}(?!{_PART}*[A-Za-z0-9])", html) is not None


def promised_tags(html: str, marker: str) -> tuple[str, ...]:
    """The tags that our note says it adds, below its marker; empty where it names none."""
    _, _, ours = html.rpartition(marker)
    return tuple(unescape(tag).strip() for tag in _TAG.findall(ours))
