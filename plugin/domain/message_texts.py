"""Every text we send, in one place: to customers, to the owner, and into tickets.

Voice: say what, to whom, how much, what next. "Sent" and "paid" are different texts. A template is
a subject and paragraphs. A paragraph is one or more wordings: the first one whose facts are all
known is taken, and an empty last wording leaves the paragraph out. So what is not known is left
unsaid or said to be unknown, never made up. To add a language, add its locale to TEMPLATES with
every MessageId; a test keeps it whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Paragraph = tuple[str, ...]


class MessageId(StrEnum):
    """Stable names of the texts: by whom they are read, and when."""

    ACKNOWLEDGED = "acknowledged"
    MORE_NEEDED = "more_needed"
    APPROVED = "approved"
    DECLINED = "declined"
    SENT = "sent"
    PAID = "paid"
    FAILED = "failed"
    OWNER_SALE_CANCELLED = "owner_sale_cancelled"
    OWNER_REFUNDED_ELSEWHERE = "owner_refunded_elsewhere"
    OWNER_NEEDS_PERSON = "owner_needs_person"
    OWNER_DONE = "owner_done"
    NOTE_BY_HAND = "note_by_hand"
    NOTE_SENT = "note_sent"
    NOTE_DONE = "note_done"
    NOTE_FAILED = "note_failed"
    NOTE_UNKNOWN = "note_unknown"
    NOTE_SALE_CANCELLED = "note_sale_cancelled"
    NOTE_REFUNDED_ELSEWHERE = "note_refunded_elsewhere"
    NOTE_ACCESS_BACK = "note_access_back"


FACTS: Mapping[str, str] = {
    "agent": "who carried it out",
    "amount": "money with its currency, formatted for the reader: 111.75 EUR",
    "answer_by": "the day by which the customer hears from the shop",
    "arrival": "when the money is expected: between 26 and 30 November",
    "clause": "number of the policy's clause: 2.1",
    "clause_text": "the sentence of that clause",
    "customer": "the customer's name",
    "goes": "what is taken away, one per line",
    "link": "where to follow or to act",
    "money": "what happened to the money, in one sentence",
    "needed": "what the customer is asked for",
    "next": "what happens next or is to be done, in one sentence",
    "next_charge": "the next charge, or none",
    "order": "the order's number",
    "payments": "the money per payment: 91.79 EUR to Visa …4242, 19.96 EUR to gift card",
    "product": "what was sold, by its title",
    "reason": "why, in one sentence",
    "reference": "the reference a bank can find",
    "restored": "what was given back, one per line",
    "shop": "the business as its customers know it",
    "stays": "what stays and because of what, one per line",
    "store": "the platform it happened in",
    "told": "how the customer was told: by e-mail, in English",
    "unknown": "what could not be read or changed, one per line",
}
"""Every fact a template may name, and what it holds."""


@dataclass(frozen=True, slots=True)
class Template:
    """One text. `{name}` stands for a fact of FACTS."""

    subject: str
    body: tuple[Paragraph, ...]


_HELLO = ("Hello {customer},", "Hello,")
_SHOP = ("{shop}",)
_FOLLOW = ("Follow it here: {link}", "")
_CLAUSE = ("This follows clause {clause} of our refund policy: “{clause_text}”", "")
_WILL = (
    ("Goes:\n{goes}", ""),
    ("Stays:\n{stays}", ""),
    ("Unknown:\n{unknown}", ""),
)
_DID = (
    ("Gone:\n{goes}", ""),
    ("Stayed:\n{stays}", ""),
    ("Still open:\n{unknown}", ""),
)
_SEE = ("See it: {link}", "")
_NEXT = ("Next: {next}", "")
_TOLD = ("The customer was told {told}.", "")
_MONEY = ("Money: {money}", "Money: {store} does not say whether any went back.")
_BY_POLICY = ("Policy, clause {clause}: “{clause_text}”", "")

_ENGLISH: Mapping[MessageId, Template] = {
    MessageId.ACKNOWLEDGED: Template(
        "We have your refund request for {product}",
        (
            _HELLO,
            ("You asked for a refund of {product}, order {order}. No money has moved yet.",),
            ("It is checked against the refund policy that was in force when you bought it.",),
            ("You hear from us by {answer_by}.", "We write to you when it is decided."),
            _FOLLOW,
            _SHOP,
        ),
    ),
    MessageId.MORE_NEEDED: Template(
        "One thing we need for your refund of {product}",
        (
            _HELLO,
            ("To go on with your refund of {product}, order {order}, we need: {needed}",),
            ("Please reply to this message with it. No money has moved yet.",),
            _SHOP,
        ),
    ),
    MessageId.APPROVED: Template(
        "Your refund of {amount} is approved",
        (
            _HELLO,
            ("We will refund {amount} for {product}, order {order}.",),
            _CLAUSE,
            ("It will go back like this: {payments}.", "It will go back the way you paid."),
            ("It is not sent yet. We write again when it is.",),
            _FOLLOW,
            _SHOP,
        ),
    ),
    MessageId.DECLINED: Template(
        "About your refund request for {product}",
        (
            _HELLO,
            ("We cannot refund {product}, order {order}. No money has moved.",),
            ("Clause {clause} of our refund policy says: “{clause_text}”", "{reason}"),
            ("What we can do: {next}", ""),
            ("If you think we have this wrong, reply, and a person looks at it again.",),
            _SHOP,
        ),
    ),
    MessageId.SENT: Template(
        "{amount} is on its way to you",
        (
            _HELLO,
            ("We have sent {amount} for {product}, order {order}: {payments}.",),
            (
                "Expect it {arrival}. We cannot see inside your bank.",
                "When it arrives is up to your bank. We cannot see inside it.",
            ),
            ("Your bank can find it by this reference: {reference}", ""),
            ("This closes:\n{goes}", ""),
            ("You keep:\n{stays}", ""),
            ("Next charge: {next_charge}", ""),
            _FOLLOW,
            _SHOP,
        ),
    ),
    MessageId.PAID: Template(
        "{amount} has been paid back to you",
        (
            _HELLO,
            ("{amount} for {product}, order {order}, has been paid back: {payments}.",),
            ("Your bank can find it by this reference: {reference}", ""),
            _SHOP,
        ),
    ),
    MessageId.FAILED: Template(
        "Your refund of {amount} did not go through",
        (
            _HELLO,
            ("Our refund of {amount} for {product}, order {order}, did not go through.",),
            ("The money has not reached you. {reason}", "The money has not reached you."),
            ("{next}", "You need do nothing. A person here looks into it and writes to you."),
            _SHOP,
        ),
    ),
    MessageId.OWNER_SALE_CANCELLED: Template(
        "Sale cancelled in {store}: {product}, order {order}",
        (
            ("{store} reports that order {order} of {customer}, {product}, was cancelled.",),
            _MONEY,
            *_WILL,
            _NEXT,
            _SEE,
        ),
    ),
    MessageId.OWNER_REFUNDED_ELSEWHERE: Template(
        "{amount} refunded in {store}: {product}, order {order}",
        (
            ("{customer} got {amount} back for {product}, order {order}.",),
            ("It was refunded in {store}, not from here. Nothing is paid again.",),
            *_WILL,
            _NEXT,
            _SEE,
        ),
    ),
    MessageId.OWNER_NEEDS_PERSON: Template(
        "A person must look: {product}, order {order}",
        (
            ("{product}, order {order} of {customer}: {reason}",),
            ("Money: {money}",),
            ("Next: {next}",),
            _SEE,
        ),
    ),
    MessageId.OWNER_DONE: Template(
        "{amount} refunded: {product}, order {order}",
        (
            ("{customer} got {amount} back for {product}, order {order}: {payments}.",),
            *_DID,
            _NEXT,
            _SEE,
        ),
    ),
    MessageId.NOTE_BY_HAND: Template(
        "{amount} to refund by hand in {store}",
        (
            ("Refund {amount} for {product}, order {order}, by hand in {store}.",),
            ("No money has moved from here. This closes when {store} reports the refund.",),
            ("Open it: {link}", ""),
            *_WILL,
        ),
    ),
    MessageId.NOTE_SENT: Template(
        "Refund of {amount} sent",
        (
            ("Sent {amount} for {product}, order {order}: {payments}. Not confirmed yet.",),
            ("Expected {arrival}.", ""),
            ("By {agent}.", ""),
            _BY_POLICY,
            *_WILL,
            _TOLD,
        ),
    ),
    MessageId.NOTE_DONE: Template(
        "{amount} refunded",
        (
            ("Refunded {amount} for {product}, order {order}: {payments}.",),
            ("Reference: {reference}", ""),
            ("By {agent}.", ""),
            _BY_POLICY,
            *_DID,
            _TOLD,
        ),
    ),
    MessageId.NOTE_FAILED: Template(
        "Refund of {amount} did not go through",
        (
            ("The refund of {amount} for {product}, order {order}, did not go through.",),
            ("The customer does not have this money. {reason}", "The customer does not have it."),
            ("Given back:\n{restored}", ""),
            _NEXT,
            _TOLD,
        ),
    ),
    MessageId.NOTE_UNKNOWN: Template(
        "Refund of {amount}: no answer yet",
        (
            ("{store} took the request to refund {amount}, order {order}, and went quiet.",),
            ("The money may or may not have moved. Access is unchanged until we know.",),
            ("It is sent again only if {store} says it never arrived.",),
            _NEXT,
        ),
    ),
    MessageId.NOTE_SALE_CANCELLED: Template(
        "Sale cancelled in {store}",
        (
            ("{store} reports that order {order}, {product}, was cancelled.",),
            _MONEY,
            *_WILL,
            _NEXT,
        ),
    ),
    MessageId.NOTE_REFUNDED_ELSEWHERE: Template(
        "{amount} refunded in {store}",
        (
            ("{amount} for {product}, order {order}, was refunded in {store}, not from here.",),
            ("Nothing is paid again.",),
            *_WILL,
            _NEXT,
        ),
    ),
    MessageId.NOTE_ACCESS_BACK: Template(
        "Access given back",
        (
            ("Given back for {product}, order {order}:\n{restored}",),
            ("{reason}",),
            ("Unknown:\n{unknown}", ""),
        ),
    ),
}

TEMPLATES: Mapping[str, Mapping[MessageId, Template]] = {"en": _ENGLISH}
"""Locale (BCP 47 in lower case, as short as it goes: `en`, `pt-br`) -> its texts."""
