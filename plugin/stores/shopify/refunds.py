"""Sends a refund once, and finds it again by the mark in its note.

A refund goes to one transaction, in the amount that was decided. Lines are named beside it where
they fit that amount (`refund_lines`), and nothing is restocked. What it reads before sending it
judges by itself; what Shopify then says, stands. Whether money moved is read from the refund's
transaction and from nothing else.
https://shopify.dev/docs/api/admin-graphql/latest/mutations/refundCreate
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.money import total
from plugin.domain.orders import RefundStage
from plugin.domain.refunds import (
    Ambiguous,
    Declined,
    Found,
    LookUp,
    NotFound,
    Pending,
    Refund,
    RefundAnswer,
    Succeeded,
)
from plugin.platforms.shopify_words import gid, id_of, note_of, order_and_transaction, read_note
from plugin.platforms.strict_json import JsonObject, JsonValue, Reader
from plugin.stores.shopify.account import Account, understood, user_error_code
from plugin.stores.shopify.documents import MOST_REFUNDS
from plugin.stores.shopify.orders import (
    CAPTURES,
    amount_of,
    blocking_dispute,
    has_open_return,
    is_undecided,
    may_be_disputed,
    state_of,
    takes_back,
)
from plugin.stores.shopify.refund_lines import lines_of

_RETURN_OPEN = "return_open"


def send(account: Account, refund: Refund) -> RefundAnswer:
    """Read how the order stands, then refund, once. A refund of ours that is there is the answer.

    Raises Refused where the key or a right is wrong, RetryLater where nothing was sent,
    OutcomeUnknown where money may have moved.
    """
    named = order_and_transaction(refund.payment)
    if named is None:
        return Declined("payment_not_of_this_store")
    order = _read(account, named[0])
    if order is None:
        return Declined("order_not_found")
    with understood(RetryLater):
        before = _found(order, refund)
        if isinstance(before, Ambiguous):
            raise OutcomeUnknown("several_refunds_match", refund.id)
        if isinstance(before, Found):
            return before.answer
        payment = _transaction(order, named[1])
        if payment is None:
            return Declined("payment_not_found")
        no = _why_not(order, payment, refund)
        if no == _RETURN_OPEN and refund.looks:
            # A call of ours that was not answered may still arrive: nobody may pay beside it.
            raise OutcomeUnknown(no, refund.id)
        if no is not None:
            return Declined(no, by_hand=no == _RETURN_OPEN)
        variables = _variables(order, payment, refund)
    return _answer(account.change("refund.create", variables), refund)


def look_up(account: Account, refund: Refund) -> LookUp:
    """What the order has under our mark. RetryLater where Shopify will not tell."""
    named = order_and_transaction(refund.payment)
    if named is None:
        return NotFound()
    try:
        order = _read(account, named[0])
    except Refused as error:
        raise RetryLater("look_up_refused", error.code) from None
    if order is None:
        # Gone, or too old for our rights: either way no proof that nothing was paid.
        return Ambiguous(0)
    with understood(RetryLater):
        return _found(order, refund)


def _read(account: Account, order: str) -> Reader | None:
    data = account.ask("refund.state", {"id": gid("Order", order)})
    with understood(RetryLater):
        return data.optional_section("order")


def _transaction(order: Reader, ref: str) -> Reader | None:
    wanted = gid("OrderTransaction", ref)
    for one in order.items("transactions"):
        if one.text("id") == wanted and one.text("kind") in CAPTURES:
            return one if state_of(one) is RefundStage.SUCCEEDED else None
    return None


def _why_not(order: Reader, payment: Reader, refund: Refund) -> str | None:
    """What Shopify would refuse, or would let pass though it must not be."""
    disputes = order.items("disputes")
    if is_undecided(disputes) or (blocking_dispute(disputes) and may_be_disputed(payment)):
        return "payment_disputed"
    if has_open_return(order):
        return _RETURN_OPEN
    if payment.boolean("manualPaymentGateway"):
        return "taken_by_hand"
    captured = amount_of(payment)
    if captured.currency != refund.amount.currency:
        return "currency_of_another_payment"
    parent = payment.text("id")
    back = [
        amount_of(one)
        for one in order.items("transactions")
        if takes_back(one) and one.optional_text("parentTransaction", "id") == parent
    ]
    left = captured - total(back, captured.currency)
    for one in order.optional_items("suggestedRefund", "suggestedTransactions") or ():
        is_ours = one.optional_text("parentTransaction", "id") == parent
        if is_ours and one.optional_section("maximumRefundableSet") is not None:
            left = min(left, amount_of(one, "maximumRefundableSet"))
    if left.minor <= 0:
        return "nothing_left_to_refund"
    return "amount_too_large" if left < refund.amount else None


def _variables(order: Reader, payment: Reader, refund: Refund) -> dict[str, JsonValue]:
    sent: JsonObject = {
        "orderId": order.text("id"),
        "currency": refund.amount.currency,
        "note": note_of(refund.id, refund.key),
        "notify": False,
        "transactions": [
            {
                "orderId": order.text("id"),
                "parentId": payment.text("id"),
                "gateway": payment.text("gateway"),
                "kind": "REFUND",
                "amount": refund.amount.decimal(),
            }
        ],
    }
    lines = lines_of(order, refund)
    if lines:
        sent["refundLineItems"] = lines
    return {"input": sent, "key": refund.key}


def _answer(data: Reader, refund: Refund) -> RefundAnswer:
    """What the mutation did. A refund without a transaction moved nothing that we know of."""
    with understood(OutcomeUnknown):
        payload = data.section("refundCreate")
        made = payload.optional_section("refund")
        errors = payload.items("userErrors")
        if made is not None:
            if read_note(made.optional_text("note")) != (refund.id, refund.key):
                raise OutcomeUnknown("answer_of_another_refund", refund.id)
            return _told(made, refund)
        if not errors or any(_is_about_the_key(error) for error in errors):
            raise OutcomeUnknown("refund_running", refund.id)
        return Declined(user_error_code(errors[0]))


def _is_about_the_key(error: Reader) -> bool:
    """Our own call with this key runs, or ran with other words: it may have paid.

    https://shopify.dev/docs/api/usage/idempotent-requests. These errors carry no code here.
    """
    return "idempoten" in error.text("message").lower()


def _found(order: Reader, refund: Refund) -> LookUp:
    listed = order.items("refunds")
    ours = [one for one in listed if _answers(one, refund)]
    if not ours:
        return Ambiguous(0) if len(listed) >= MOST_REFUNDS else NotFound()
    if len(ours) > 1:
        return Ambiguous(len(ours))
    try:
        return Found(_told(ours[0], refund))
    except OutcomeUnknown:
        return Ambiguous(1)


def _answers(one: Reader, refund: Refund) -> bool:
    """Whether a listed refund is this one: by its key, or by its intent unless it failed.

    A refund of an earlier attempt that did not fail paid for the same intent: it must not be paid
    again, so it counts.
    """
    note = read_note(one.optional_text("note"))
    if note is None or note[0] != refund.id:
        return False
    return note[1] == refund.key or any(takes_back(two) for two in _transactions(one))


def _told(made: Reader, refund: Refund) -> RefundAnswer:
    """Raises OutcomeUnknown where it has not the one transaction that was asked for."""
    told = _transactions(made)
    named = order_and_transaction(refund.payment)
    parent = None if named is None else gid("OrderTransaction", named[1])
    if len(told) != 1:
        raise OutcomeUnknown("refund_without_its_transaction", refund.id)
    one = told[0]
    if amount_of(one) != refund.amount or one.text("parentTransaction", "id") != parent:
        raise OutcomeUnknown("answer_of_another_refund", refund.id)
    ref = id_of(one.text("id"))
    match state_of(one):
        case RefundStage.SUCCEEDED:
            return Succeeded(ref)
        case RefundStage.PENDING:
            return Pending(ref)
        case RefundStage.FAILED:
            return Declined((one.optional_text("errorCode") or one.text("status")).lower())
        case state:
            assert_never(state)


def _transactions(made: Reader) -> Sequence[Reader]:
    nodes = made.items("transactions", "nodes")
    return [one for one in nodes if one.text("kind") == "REFUND"]
