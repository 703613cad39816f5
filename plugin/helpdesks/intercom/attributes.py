"""The conversation attribute that says how a refund ended, where the admin named one. Pure.

Source: Intercom's OpenAPI 2.15: Data Attributes (those of conversations are listed, and made in
Intercom's own screens only) and Conversations (`custom_attributes`: only those that are sent
change).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from plugin.domain.errors import InvalidInput
from plugin.platforms.strict_json import Reader

SETTING: Final = "conversation_attribute"
_LABEL: Final = "Conversation attribute"
_MOST_NAMED: Final = 5


def is_set(conversation: Reader, name: str, value: str) -> bool:
    """Whether the conversation's attribute holds exactly `value`. Raises Malformed."""
    found = conversation.optional_section("custom_attributes") or Reader({})
    return isinstance(found.value, dict) and found.value.get(name) == value


def words_on(listed: Sequence[Reader], name: str) -> str:
    """The attribute in words, for the self-test.

    Raises InvalidInput with what to do, and Malformed.
    """
    texts = [one.text("name") for one in listed if _takes_text(one)]
    if name in texts:
        return f'sets the conversation attribute "{name}"'
    choice = f"one of {', '.join(texts[:_MOST_NAMED])}" if texts else "one of the type Text"
    is_there = any(one.optional_text("name") == name for one in listed)
    fault = "takes no free text: " if is_there else "is not there: make it in Intercom, "
    raise InvalidInput(_LABEL, f'"{name}" {fault}give {choice}, or leave it empty')


def _takes_text(attribute: Reader) -> bool:
    """Any text: not a list to choose from, and not one of Intercom's own."""
    return (
        attribute.optional_text("data_type") == "string"
        and not attribute.optional_items("options")
        and attribute.optional_boolean("api_writable") is not False
        and attribute.optional_boolean("archived") is not True
    )
