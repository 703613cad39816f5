"""Gives money back through Saleor's transactions: look, grant, request. At most three calls.

A granted refund carries our key as its reason, and Saleor requests each at most once: asked again
it says REFUND_IS_PENDING or REFUND_ALREADY_PROCESSED. So silence after a request is settled by
reading the granted refund, and a second try takes the same one. Granting alone moves no money.
https://docs.saleor.io/developer/payments/refunds
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from plugin.domain.errors import InvalidInput, OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import InstallationId
from plugin.domain.money import WireFormat
from plugin.domain.orders import RefundSeen, RefundStage
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
from plugin.platforms.saleor_orders import (
    charged_back,
    fraction_digits,
    money,
    offers_refund,
    refunds_of,
)
from plugin.platforms.strict_json import JsonValue, Reader
from plugin.stores.saleor.account import Account, refusal_in, understood
from plugin.stores.saleor.documents import GRANT_REFUND, READ_TRANSACTION, REQUEST_REFUND

NO_APP = "missing_transaction_action_request_webhook"
"""No app of the shop makes refunds: a person does, where the payment was taken."""
_REQUESTED_ALREADY = frozenset({"refund_is_pending", "refund_already_processed"})


@dataclass(frozen=True, slots=True)
class Refunds:
    """The refunds of one shop."""

    account: Account
    installation: InstallationId

    def refund(self, refund: Refund) -> RefundAnswer:
        """Make it, once. Raises RetryLater where nothing was requested yet, or OutcomeUnknown."""
        transaction = self._read("refund.check", refund)
        if transaction is None:
            return Declined("not_a_transaction", by_hand=True)
        with understood(RetryLater):
            match self._found(transaction, refund):
                case Found(answer):
                    return answer
                case Ambiguous():
                    raise OutcomeUnknown("several_refunds_match", refund.id)
                case NotFound():
                    no = _why_not(transaction, refund)
                case other:
                    assert_never(other)
            if no is not None:
                return no
            grant = self._granted(transaction, refund)
        granted = grant or self._grant(transaction, refund)
        return granted if isinstance(granted, Declined) else self._request(granted, refund)

    def look_up(self, refund: Refund) -> LookUp:
        """What the transaction's granted refunds tell. RetryLater where nobody tells."""
        try:
            transaction = self._read("refund.look_up", refund)
        except Refused as error:
            raise RetryLater("look_up_refused", error.code) from None
        if transaction is None:
            raise RetryLater("look_up_refused", "not_a_transaction")
        with understood(RetryLater):
            return self._found(transaction, refund)

    def _read(self, label: str, refund: Refund) -> Reader | None:
        data = self.account.read(label, READ_TRANSACTION, {"id": refund.payment.ref})
        with understood(RetryLater):
            return data.optional_section("transaction")

    def _seen(self, transaction: Reader) -> Sequence[RefundSeen]:
        grants = transaction.optional_items("order", "grantedRefunds") or ()
        return refunds_of(transaction, grants, self.installation)

    def _found(self, transaction: Reader, refund: Refund) -> LookUp:
        """Ours by its key, or by its intent unless it failed: an earlier attempt paid as well."""
        attempts = refund.key.removesuffix(str(refund.attempt))
        ours = [
            seen
            for seen in self._seen(transaction)
            if seen.reference is not None
            and seen.reference.startswith(attempts)
            and (seen.reference == refund.key or seen.state is not RefundStage.FAILED)
        ]
        if not ours:
            return NotFound()
        if len(ours) > 1 or ours[0].amount != refund.amount:
            return Ambiguous(len(ours))
        return Found(_answer(ours[0]))

    def _granted(self, transaction: Reader, refund: Refund) -> str | None:
        """Ours from a try before, granted and not requested."""
        for grant in transaction.optional_items("order", "grantedRefunds") or ():
            if grant.text("status") == "NONE" and _is_ours(grant, refund):
                return grant.text("id")
        return None

    def _grant(self, transaction: Reader, refund: Refund) -> str | Declined:
        """Grant it. Whatever becomes of this call, no money was asked for yet."""
        order = transaction.optional_text("order", "id")
        if order is None:
            return Declined("transaction_without_order", by_hand=True)
        wanted: JsonValue = {
            "transactionId": refund.payment.ref,
            "amount": refund.amount.decimal(),
            "reason": refund.key,
        }
        try:
            payload = self.account.change(
                "refund.grant", GRANT_REFUND, {"order": order, "input": wanted}
            )
        except OutcomeUnknown as error:
            raise RetryLater("grant_unanswered", error.code) from None
        with understood(RetryLater):
            code = refusal_in(payload)
            if code is not None:
                return Declined(code)
            grant = payload.section("grantedRefund")
            if not _is_ours(grant, refund):
                raise RetryLater("answer_of_another_refund", refund.id)
            return grant.text("id")

    def _request(self, grant: str, refund: Refund) -> RefundAnswer:
        payload = self.account.change("refund.request", REQUEST_REFUND, {"grant": grant})
        with understood(OutcomeUnknown):
            code = refusal_in(payload)
            if code in _REQUESTED_ALREADY:
                raise OutcomeUnknown(code, refund.id)
            if code is not None:
                return Declined(code, by_hand=code == NO_APP)
            ours = [
                seen
                for seen in self._seen(payload.section("transaction"))
                if seen.ref == grant
                and seen.payment == refund.payment
                and seen.amount == refund.amount
            ]
            if len(ours) != 1:
                raise OutcomeUnknown("answer_of_another_refund", refund.id)
            return _answer(ours[0])


def _is_ours(grant: Reader, refund: Refund) -> bool:
    return (
        grant.optional_text("reason") == refund.key
        and grant.optional_text("transaction", "id") == refund.payment.ref
        and money(grant, "amount") == refund.amount
    )


def _why_not(transaction: Reader, refund: Refund) -> Declined | None:
    """What must be known before: Saleor quietly cuts a request down to what is charged."""
    charged = money(transaction, "chargedAmount")
    digits = fraction_digits(transaction.section("chargedAmount"))
    if charged.currency != refund.amount.currency:
        return Declined("other_currency")
    try:
        WireFormat({charged.currency: digits}).write(refund.amount)
    except InvalidInput:
        return Declined("amount_not_writable")
    if charged_back(transaction) is not None:
        return Declined("charged_back")
    if charged < refund.amount:
        return Declined("amount_greater_than_available")
    if not offers_refund(transaction):
        return Declined("refund_not_offered", by_hand=True)
    return None


def _answer(seen: RefundSeen) -> RefundAnswer:
    match seen.state:
        case RefundStage.SUCCEEDED:
            return Succeeded(seen.ref)
        case RefundStage.PENDING:
            return Pending(seen.ref)
        case RefundStage.FAILED:
            return Declined("refund_failed")
        case other:
            assert_never(other)
