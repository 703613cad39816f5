"""The ticket field that says how a refund ended, where the admin named one by its number. Pure.

Source: developer.zendesk.com, Ticket Fields ("type", "active"); Tickets, "Setting custom field
values": an update changes the fields that it names, and a ticket tells all of its custom fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from plugin.domain.errors import InvalidInput
from plugin.platforms.strict_json import JsonValue, Reader

SETTING: Final = "ticket_field"
_LABEL: Final = "Ticket field"
_MEND: Final = "give the number of a field of type Text, or leave it empty"
_FOR_TEXT: Final = frozenset({"text", "textarea"})


@dataclass(frozen=True, slots=True)
class FieldWish:
    """What is to stand in which field. `number` is the field's id, matched before."""

    number: str
    value: str

    def change(self) -> dict[str, JsonValue]:
        """The part of an update that sets it."""
        return {"custom_fields": [{"id": int(self.number), "value": self.value}]}

    def is_set(self, ticket: Reader) -> bool:
        """Whether it stands there so. Raises Malformed."""
        found = self._find(ticket)
        return isinstance(found, dict) and found.get("value") == self.value

    def is_known(self, ticket: Reader) -> bool:
        """Whether the ticket has such a field at all. Raises Malformed."""
        return self._find(ticket) is not None

    def _find(self, ticket: Reader) -> JsonValue:
        listed = ticket.optional_items("custom_fields") or ()
        return next((one.value for one in listed if one.identifier("id") == self.number), None)


def no_such_field(number: str) -> InvalidInput:
    """For a number that no field has, or that is none."""
    return InvalidInput(_LABEL, f"Zendesk has no ticket field {number}: {_MEND}")


def words_on(field: Reader, number: str) -> str:
    """The field in words, for the self-test. Raises InvalidInput with what to do, and Malformed."""
    title = field.optional_text("title") or number
    if field.text("type") not in _FOR_TEXT:
        raise InvalidInput(_LABEL, f'"{title}" takes no free text: {_MEND}')
    if field.optional_boolean("active") is False:
        raise InvalidInput(_LABEL, f'"{title}" is switched off in Zendesk: activate it, or {_MEND}')
    return f'sets the ticket field "{title}"'
