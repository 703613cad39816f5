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
    NOTE_SIGNED = "note_signed"
    NOTE_FAILED = "note_failed"
    NOTE_UNKNOWN = "note_unknown"
    NOTE_SALE_CANCELLED = "note_sale_cancelled"
    NOTE_REFUNDED_ELSEWHERE = "note_refunded_elsewhere"
    NOTE_ACCESS_BACK = "note_access_back"
    AGENT_PAIRING = "agent_pairing"


FACTS: Mapping[str, str] = {
    "agent": "who carried it out",
    "amount": "money with its currency, formatted for the reader: 111.75 EUR",
    "answer_by": "the day by which the customer hears from the shop",
    "arrival": "when the money is expected: between 26 and 30 November",
    "clause": "number of the policy's clause: 2.1",
    "clause_text": "the sentence of that clause",
    "customer": "the customer's name",
    "desk": "the helpdesk, as its admin named it",
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
            _BY_POLICY,
            *_DID,
            _TOLD,
        ),
    ),
    MessageId.NOTE_SIGNED: Template("Refunded by {agent}", (("By {agent}.",),)),
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
    MessageId.AGENT_PAIRING: Template(
        "Is this you at {desk}?",
        (
            ("Hello {agent},", "Hello,"),
            ("Somebody asked in the refund panel of {desk} to go on as you.",),
            ("If that was you, open this in the same browser within fifteen minutes:\n{link}",),
            ("It works once. No money moves by it.",),
            ("If it was not you, do nothing: in any other browser the link opens nothing.",),
            _SHOP,
        ),
    ),
}

TEMPLATES: Mapping[str, Mapping[MessageId, Template]] = {"en": _ENGLISH}
"""Locale (BCP 47 in lower case, as short as it goes: `en`, `pt-br`) -> its texts."""


class SentenceId(StrEnum):
    """Stable names of the words that stand in for the facts `money`, `next`, `reason` and so on."""

    MONEY_ALL_BACK = "money_all_back"
    MONEY_CAME_BACK = "money_came_back"
    MONEY_NOT_MOVED = "money_not_moved"
    MONEY_NOT_TOLD = "money_not_told"
    MONEY_UNKNOWN = "money_unknown"
    NEXT_COMPARE = "next_compare"
    NEXT_DECIDE_END = "next_decide_end"
    NEXT_LOOK = "next_look"
    NEXT_PAID_PERIOD = "next_paid_period"
    NEXT_PLAN_AGAIN = "next_plan_again"
    NEXT_REFUND_AGAIN = "next_refund_again"
    NOT_THROUGH = "not_through"
    UNNAMED_CUSTOMER = "unnamed_customer"
    UNNAMED_PRODUCT = "unnamed_product"


_ENGLISH_SENTENCES: Mapping[SentenceId, str] = {
    SentenceId.MONEY_ALL_BACK: "The store reports the sale as refunded in full.",
    SentenceId.MONEY_CAME_BACK: "The refund came back; the customer does not have it.",
    SentenceId.MONEY_NOT_MOVED: "No money has moved for this part.",
    SentenceId.MONEY_NOT_TOLD: "A cancellation; the store does not report money back.",
    SentenceId.MONEY_UNKNOWN: "The money may or may not have moved.",
    SentenceId.NEXT_COMPARE: (
        "A person said that {amount} was refunded by hand. Both count as one refund: look in the "
        "store what went back, and settle the rest there."
    ),
    SentenceId.NEXT_DECIDE_END: (
        "The store does not tell until when it is paid. Decide what ends, and when."
    ),
    SentenceId.NEXT_LOOK: "Look at the gateway, then say in the panel what you found.",
    SentenceId.NEXT_PAID_PERIOD: "Access ends with the paid period, on {day}.",
    SentenceId.NEXT_PLAN_AGAIN: "Make a new plan, or refund by hand.",
    SentenceId.NEXT_REFUND_AGAIN: (
        "Refund again from the ticket, or agree another way with the customer."
    ),
    SentenceId.NOT_THROUGH: "The refund did not go through.",
    SentenceId.UNNAMED_CUSTOMER: "Unnamed customer",
    SentenceId.UNNAMED_PRODUCT: "an item without a name",
}
SENTENCES: Mapping[str, Mapping[SentenceId, str]] = {"en": _ENGLISH_SENTENCES}
"""Locale -> its sentences; whole like TEMPLATES."""

_ENGLISH_REASONS: Mapping[str, str] = {
    "address_refused": "The gateway's address is none that we may call.",
    "amount_greater_than_available": "More than is left of this payment was asked for.",
    "amount_not_possible": "More than is left of this payment was asked for.",
    "amount_not_writable": "The gateway cannot take this amount in this currency.",
    "amount_too_high": "More than is left of this order was asked for.",
    "answer_malformed": "The gateway's answer could not be read.",
    "answer_of_another_refund": "The gateway answered for another refund.",
    "answer_unreadable": "The gateway's answer could not be read.",
    "by_hand": "A person refunded it by hand.",
    "charged_back": "The bank took this payment back, so nothing was sent.",
    "dispute_open": "The bank opened a dispute on this payment, so nothing was sent.",
    "disputed_since": (
        "It may have gone out, and the bank opened a dispute on this payment, "
        "so it is not sent again."
    ),
    "failed_later": "A refund that had succeeded failed later.",
    "host_not_allowed": "The gateway's address is none that we may call.",
    "https_only": "The gateway's address is none that we may call.",
    "interrupted": "The call to the gateway was cut short.",
    "key_refused": "The gateway refused our key.",
    "key_unusable": "The key that is saved for the gateway cannot be used.",
    "key_used_differently": "The gateway knows this refund with another amount.",
    "key_used_otherwise": "The gateway knows this refund with another amount.",
    "never_answered": "The gateway never said what became of it.",
    "never_reached": "The gateway could not be reached for days, so nothing was sent.",
    "no_such_payment": "The connected account has no such payment.",
    "not_a_transaction": (
        "This payment was not taken by a payment app, so the store cannot refund it by program."
    ),
    "not_by_api": "This payment can be refunded by a person only.",
    "not_connected": "The account that took this payment is not connected any more.",
    "not_found_there": "The gateway does not know it, so it is sent again.",
    "not_in_this_account": "The connected account has no such payment.",
    "order_not_found": "The store does not know this order any more.",
    "order_not_paid": "The store does not count this order as paid.",
    "other_amount_told": (
        "The store told of another amount that went back since this was decided. If that is this "
        "refund, free the amount: it is booked already. Say that the money went back only where "
        "both did."
    ),
    "other_currency": "The payment is in another currency.",
    "payment_not_found": "The store does not know this payment any more.",
    "payment_not_of_this_store": "This payment belongs to another store.",
    "pending_too_long": "The gateway has been working on it for a month.",
    "redirect_refused": "The gateway sent us to another address, where we do not follow.",
    "refund_disappeared": "The gateway no longer lists this refund.",
    "refund_failed": "The gateway could not make the refund.",
    "refund_not_offered": "The payment app does not offer refunds of this payment.",
    "refund_running": "The gateway is still working on this refund.",
    "refunded_elsewhere": (
        "More of this payment went back since this was decided, so nothing was sent."
    ),
    "refunded_since": (
        "It may have gone out, and more of this payment went back since, so it is not sent again."
    ),
    "reported_by_gateway": "The gateway reported the refund.",
    "reported_by_store": "The store reported the refund.",
    "restored": "A copy was restored: what became of it since then is being looked up.",
    "restored_not_found": (
        "A copy was restored, and the gateway has no trace of this refund. It may have been undone "
        "or replaced since the copy, so it is not sent."
    ),
    "return_open": "A return is open for this order: refund it in the store, with the return.",
    "right_missing": "Our key may not refund at the gateway.",
    "several_refunds_match": "More than one refund at the gateway could be ours.",
    "store_said_no": (
        "The store refused the refund. Look at the gateway first: it may have paid all the same."
    ),
    "transaction_without_order": "The store names no order for this payment.",
    "url_refused": "The gateway's address is none that we may call.",
    "word_taken_back": "A person looked again: it had not been refunded.",
    "whole_only": "This payment can be refunded only as a whole.",
}
REASONS: Mapping[str, tuple[Mapping[str, str], str]] = {
    "en": (_ENGLISH_REASONS, "The gateway says: {code}.")
}
"""Locale -> sentences for the reasons that are our own, and one for what a gateway names."""
