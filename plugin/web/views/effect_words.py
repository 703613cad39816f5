"""What an effect that no program could finish is, why it stopped, and what a person is to do.

Codes stay in the database and in the logs; people read these sentences. A code that has none is
quoted, so that nothing is hidden. Never shows a customer's address or a message's text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, assert_never

from plugin.domain.effects import (
    AddTicketNote,
    CancelSubscription,
    Effect,
    EffectState,
    RemoveTag,
    RestoreAccess,
    RestoreTag,
    RevokeAccess,
    TellCustomer,
    TellOwner,
    VerifyAccess,
)
from plugin.domain.errors import FIELD_REFUSED
from plugin.domain.texts import one_line
from plugin.ports.records import DONE_BY_HAND, StoredEffect
from plugin.services.wording import resource_words

_UNREADABLE: Final = "The platform's answer could not be read."
_NO_ANSWER: Final = "The platform did not answer in time."
_NOT_CALLED: Final = "The platform's address is one that Makegood does not call."
_RIGHT_MISSING: Final = "Makegood's key has no right to do it: the connection's self-test says why."
_NO_DESK: Final = "The helpdesk is not connected any more."
_TICKET_GONE: Final = "The ticket is gone."
_TICKET_BUSY: Final = "Somebody else kept changing the ticket."

CAUSES: Final[Mapping[str, str]] = {
    # mail
    "no_owner_address": "No owner's address is set: set MAKEGOOD_OWNER and start Makegood again.",
    "no_mail_server": "No mail server is set: set MAKEGOOD_SMTP_URL and start Makegood again.",
    "mail_unsendable": "An address or the subject cannot stand in a mail.",
    "mail_refused": "The mail server refused it.",
    "mail_refused_in_part": "The mail server refused some of the addresses; the others have it.",
    "mail_deferred": "The mail server put it off each time.",
    "mail_server_unreachable": "The mail server could not be reached.",
    "mail_server_odd": "The mail server broke off, or answered what no mail server should.",
    "mail_server_quiet": "The mail server took it and went quiet.",
    "interrupted": "Makegood was stopped in the middle of it.",
    "fault": "Makegood itself made a mistake; its log says where.",
    # the connection
    "not_connected": "The store is not connected any more.",
    "desk_not_connected": _NO_DESK,
    "by_hand_only": "The platform lets people do this, but no programs.",
    "key_refused": "The platform refused Makegood's key: connect it again with a new one.",
    "key_unusable": "The key that is saved cannot be used: connect it again with a new one.",
    "orders_unseen": "The store has orders of this customer that it did not show, and one may pay "
    "for this too: look there, and take it there if none does.",
    "orders_unread": "A store did not answer when it was asked what else this customer bought, "
    "and one of her orders there may pay for this too: look there, then try again if none does.",
    "right_missing": _RIGHT_MISSING,
    "rights_missing": _RIGHT_MISSING,
    # the call
    "not_sent": "The platform could not be reached.",
    "no_answer": _NO_ANSWER,
    "time_over": _NO_ANSWER,
    "server_error": "The platform has trouble of its own.",
    "rate_limited": "The platform asked Makegood to slow down, each time.",
    "account_resting": "The platform has not answered for a while; it is asked now and then.",
    "budget_spent": "Too many other calls waited for this platform, each time.",
    "answer_malformed": _UNREADABLE,
    "answer_too_large": _UNREADABLE,
    "answer_unexpected": _UNREADABLE,
    "answer_unreadable": _UNREADABLE,
    "redirect_refused": "The platform pointed to another address, and Makegood follows none.",
    "address_refused": _NOT_CALLED,
    "host_not_allowed": _NOT_CALLED,
    "https_only": _NOT_CALLED,
    "url_refused": _NOT_CALLED,
    "call_refused": "The platform refused it.",
    # a person
    DONE_BY_HAND: "A person did it by hand, and closed it.",
    # the customer at the store
    "no_address": "The order tells no address and no account to find the customer by.",
    "no_such_contact": "No contact there has the customer's address.",
    "several_contacts": "More than one contact there has the customer's address.",
    "contact_has_another_address": "The contact there has another address now.",
    "no_such_subscription": "The contact has no such subscription.",
    "several_subscriptions": "The contact has more than one subscription to that plan.",
    "subscription_of_another_customer": "The subscription belongs to somebody else.",
    "no_call_for_this_kind": "The platform has no call for this kind of thing.",
    # the ticket
    "ticket_gone": _TICKET_GONE,
    "no_such_ticket": _TICKET_GONE,
    "ticket_closed": "The ticket is closed, so nothing can be written into it.",
    "ticket_busy": _TICKET_BUSY,
    "ticket_just_changed": _TICKET_BUSY,
    "too_many_comments": "The ticket is too long to be read to its end.",
    FIELD_REFUSED: "The helpdesk did not take the ticket field; the note and its tags stand.",
}
"""Why an effect stopped, by its outcome's code. Codes of one platform may be missing."""

_NOT_YET: Final = re.compile(r"not_yet: (\d+) still held, (\d+) missing")
_HTTP: Final = re.compile(r"http_(\d{3})")


def effect_words(effect: Effect) -> str:
    """What the effect was to do."""
    match effect:
        case CancelSubscription(_, subscription):
            return f"Stop the charges of subscription {one_line(subscription)}"
        case RevokeAccess(resource) | RemoveTag(resource):
            return f"Take away {resource_words(resource)}"
        case RestoreAccess(resource) | RestoreTag(resource):
            return f"Give back {resource_words(resource)}, or keep it"
        case VerifyAccess():
            return "Check what a customer can open"
        case AddTicketNote():
            return "Write a note into the ticket"
        case TellCustomer():
            return "Tell a customer"
        case TellOwner():
            return "Tell the owner by mail"
        case _:
            assert_never(effect)


def cause_words(code: str) -> str:
    """Why it stopped, as a sentence; blank where nobody told."""
    if code in CAUSES or not code.strip():
        return CAUSES.get(code, "")
    if seen := _NOT_YET.fullmatch(code):
        return f"The platform still shows {seen[1]} too many and {seen[2]} too few."
    if answered := _HTTP.fullmatch(code):
        return f"The platform refused it with HTTP {answered[1]}."
    return f"It ended with: {one_line(code).replace('_', ' ')}."


def advice(stored: StoredEffect) -> str:
    """Why it stopped, and what a person is to do about it."""
    return f"{cause_words(stored.outcome)} {_to_do(stored)}".strip()


def _to_do(stored: StoredEffect) -> str:
    is_unknown = stored.state is EffectState.UNKNOWN
    match stored.planned.effect:
        case TellOwner() | TellCustomer() if is_unknown:
            return (
                "It may have gone out, and is not sent again by itself: see the mail server's log."
            )
        case TellOwner():
            return "Tell the owner yourself, or have it sent again on the health page."
        case TellCustomer():
            return "Write to the customer yourself, or have it sent again on the health page."
        case AddTicketNote(field=field) if stored.outcome == FIELD_REFUSED:
            return (
                f'Set the field to "{field}" yourself, or mend its name on the install screen and '
                "replay this on the health page."
            )
        case AddTicketNote():
            return "Write into the ticket yourself what happened."
        case VerifyAccess():
            return "Look at the customer's access at the platform, then mend it there."
        case CancelSubscription() | RevokeAccess() | RemoveTag() | RestoreAccess() | RestoreTag():
            return "Do it at the platform: Makegood does not try again by itself."
