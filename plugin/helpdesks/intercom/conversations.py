"""What a conversation says: who writes, the ticket that it is to us, and what stands in it already.

Never calls a lead's typed address proven. Pure: what is read of Intercom is given. Every function
raises Malformed for what is not shaped as Intercom's OpenAPI 2.15 says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Final

from plugin.domain.errors import RetryLater
from plugin.domain.ids import TicketId
from plugin.helpdesks.intercom.texts import carries
from plugin.platforms.strict_json import Reader
from plugin.ports import Ticket

_LONGEST_TEXT: Final = 10_000


def writer_of(conversation: Reader) -> str | None:
    """The id of the contact who began it, else of the first one in it."""
    contacts = conversation.optional_items("contacts", "contacts") or ()
    ids = [one.identifier("id") for one in contacts]
    author = conversation.optional_identifier("source", "author", "id")
    return author if author in ids else next(iter(ids), None)


def ticket_of(
    ref: TicketId, conversation: Reader, contact: Reader, verifies_users: Callable[[], bool]
) -> Ticket:
    """The conversation as a ticket of `contact`, who is empty where nobody is known.

    `verifies_users` tells whether the workspace takes a user's name from nobody but the seller's
    own site; it is asked only where that matters.
    """
    source = conversation.optional_section("source") or Reader({})
    emails, claimed = _addresses(contact, source, verifies_users)
    body = (_plain(source.optional_text("body") or ""))[:_LONGEST_TEXT]
    return Ticket(
        id=ref,
        subject=_plain(
            source.optional_text("subject") or conversation.optional_text("title") or ""
        ),
        name=contact.optional_text("name") or source.optional_text("author", "name") or "",
        emails=emails,
        tags=tuple(tag.text("name") for tag in conversation.optional_items("tags", "tags") or ()),
        open=conversation.optional_text("state") != "closed",
        locale=contact.optional_text("language_override")
        or contact.optional_text("browser_language")
        or "en",
        # What somebody typed may be searched for like an address in their words: a weak match.
        text="\n".join([body, *claimed]),
    )


def _addresses(
    contact: Reader, source: Reader, verifies_users: Callable[[], bool]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The requester's proven addresses, and those that they only typed.

    A mail shows where it came from, and a `user` was named by the seller's own site, as far as the
    workspace makes sure of that: else anybody can say in a browser who they are. A lead types what
    they like. That must not open somebody else's orders.
    """
    own = contact.optional_text("email")
    wrote = source.optional_text("author", "email")
    is_mail = source.optional_text("type") == "email" and (
        source.optional_identifier("author", "id") == contact.optional_identifier("id")
    )
    proven = [wrote] if wrote and is_mail else []
    is_user = contact.optional_text("role") == "user"
    if own and own not in proven and is_user and verifies_users():
        proven.insert(0, own)
    claimed = tuple(one for one in (own,) if one and one not in proven)
    return tuple(proven), claimed


def stands(conversation: Reader, marker: str) -> bool:
    """Whether a part of the conversation carries `marker`. RetryLater where not all are told."""
    parts = conversation.optional_items("conversation_parts", "conversation_parts") or ()
    if any(carries(_plain(part.optional_text("body") or ""), marker) for part in parts):
        return True
    total = conversation.optional_integer("conversation_parts", "total_count")
    if total is not None and total > len(parts):
        # Only the newest parts are told: saying "not there" could write a second one.
        raise RetryLater("too_many_parts")
    return False


def _plain(text: str) -> str:
    """Text without markup: some bodies come as HTML though plain text was asked for."""
    return unescape(re.sub(r"<[^<>]{0,2000}>", " ", text)).strip()
