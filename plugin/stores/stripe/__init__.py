"""Stripe: finds payments, refunds them once, ends subscriptions, has its events sent to us.

`store` fills the ports, `objects` reads what Stripe answers, `account` makes the calls.

One order is one charge; a subscription's charge takes its lines from its invoice. Refunds carry our
reference in their metadata, by which they are found again. Nothing here repeats a write, gives
`fraudulent` as a reason (that would block the customer's card and e-mail), or reads silence as a
no. Stripe knows payments only: what a payment opened, and whether it was used, stays unknown.

The manifest pins Stripe-Version to the last one in which a charge names its invoice: since
2025-03-31.basil that takes a call more for each charge.
https://docs.stripe.com/changelog/basil/2025-03-31/add-support-for-multiple-partial-payments-on-invoices
"""

from __future__ import annotations

from plugin.stores.stripe.store import StripeStore

__all__ = ["StripeStore"]
