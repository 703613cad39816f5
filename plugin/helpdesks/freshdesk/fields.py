"""The ticket field that says how a refund ended, where the admin named one. Pure.

Source: developers.freshdesk.com/api, "List All Ticket Fields" (`name`, `label`, `type`) and "Update
a Ticket" (`custom_fields`: only those that are sent change).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from plugin.domain.errors import InvalidInput
from plugin.platforms.strict_json import Reader

SETTING: Final = "ticket_field"
_LABEL: Final = "Ticket field"
_FOR_TEXT: Final = frozenset({"custom_text", "custom_paragraph"})
_MOST_NAMED: Final = 5


def is_set(ticket: Reader, name: str, value: str) -> bool:
    """Whether the ticket's field holds exactly `value`. Raises Malformed."""
    fields = ticket.optional_section("custom_fields") or Reader({})
    return isinstance(fields.value, dict) and fields.value.get(name) == value


def words_on(listed: Sequence[Reader], name: str) -> str:
    """The field in words, for the self-test. Raises InvalidInput with what to do, and Malformed."""
    found = next((one for one in listed if one.optional_text("name") == name), None)
    texts = [one.text("name") for one in listed if one.optional_text("type") in _FOR_TEXT]
    known = f"one of {', '.join(texts[:_MOST_NAMED])}" if texts else "the name of a text field"
    if found is None:
        raise InvalidInput(
            _LABEL, f"Freshdesk has no ticket field {name}: give {known}, or leave it empty"
        )
    if found.optional_text("type") not in _FOR_TEXT:
        raise InvalidInput(_LABEL, f"{name} takes no free text: give {known}, or leave it empty")
    return f'sets the ticket field "{found.optional_text("label") or name}"'
