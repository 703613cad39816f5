"""The text of a note or reply as Intercom takes it, with our reference in it to find it again.

The reference is plain text: notes accept some HTML only, and what is hidden may be cleaned away.
Pure.
"""

from __future__ import annotations

import re
from html import escape
from typing import Final

_MARKER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,199}")
_PART: Final = "[A-Za-z0-9._:-]"


def html_of(body: str, marker: str) -> str:
    """`body` as HTML: blank lines part paragraphs, and nothing in it is markup or a placeholder.

    Raises ValueError for a marker that could not be found again.
    """
    if not _MARKER.fullmatch(marker):
        raise ValueError("a marker has 8 to 200 letters, digits, dots, colons, dashes, underscores")
    # Whether replies fill placeholders is not documented; a customer's words must never.
    quiet = re.sub(r"\{(?=[{%])", "{ ", body.strip())
    paragraphs = (
        "<br>".join(escape(line) for line in paragraph.splitlines())
        for paragraph in re.split(r"\n\s*\n", quiet.replace("\r\n", "\n"))
    )
    return "".join(f"<p>{text}</p>" for text in [*paragraphs, f"Makegood reference: {marker}"])


def carries(text: str, marker: str) -> bool:
    """Whether `marker` stands in `text` as a whole, not as a part of a longer one."""
    return re.search(rf"(?<!{_PART}){re.escape(marker)}(?!{_PART}*[A-Za-z0-9])", text) is not None
