"""What a sale says about access, as facts: one per line. Reads what stores told; asks nobody."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from plugin.domain.facts import Bought
from plugin.domain.ids import CustomerKey, InstallationId
from plugin.domain.ledger import gives_of
from plugin.domain.money import total
from plugin.domain.orders import Order, SubscriptionStatus
from plugin.ports.storage import UnitOfWork


def sale_facts(order: Order) -> tuple[Bought, ...]:
    """The facts that an order's lines are. A line that told nothing leaves it to the access map."""
    return tuple(
        Bought(
            customer=order.customer,
            line=line.ref,
            product=line.product,
            title=line.title,
            paid=line.paid,
            at=order.bought_at,
            gives=line.gives,
            subscription=line.subscription,
        )
        for line in order.lines
    )


def known_sales(uow: UnitOfWork, order: Order) -> tuple[Bought, ...]:
    """The facts of `order`, and of all else that this customer bought and still has paid.

    A store that sends no events tells of the other purchases only when it is asked; without them a
    course that was bought twice would go with the first refund. Lines of other orders count where
    somebody told what they give.
    """
    kept = kept_sales(uow, order.customer)
    return (*sale_facts(order), *(bought for bought in kept if bought.line.order != order.ref))


def kept_sales(uow: UnitOfWork, customer: CustomerKey) -> tuple[Bought, ...]:
    """The facts of all that this customer still has paid, where somebody told what it gives."""
    access = uow.settings.access_map()
    return tuple(
        bought
        for order in uow.orders.of_customer(customer)
        if _is_still_paid(order)
        for bought in sale_facts(order)
        if gives_of(bought, access) is not None
    )


def later_months(uow: UnitOfWork, order: Order) -> tuple[Bought, ...]:
    """What is still paid of the order's subscription since, also where nobody told what it gives.

    Whether a subscription is cancelled at once hangs on it.
    """
    if order.subscription is None:
        return ()
    renewed_by = order.subscription.ref
    return tuple(
        bought
        for kept in uow.orders.of_customer(order.customer)
        if kept.ref.installation == order.ref.installation
        and kept.bought_at > order.bought_at
        and _is_still_paid(kept)
        for bought in sale_facts(kept)
        if bought.subscription == renewed_by
    )


def may_have_unseen(orders: Iterable[Order]) -> bool:
    """Whether a store has more orders of the customer of these, by its latest word on it.

    One of those may pay for what another no longer does: then a person decides what is taken.
    """
    latest: dict[InstallationId, tuple[datetime, bool]] = {}
    for order in orders:
        if order.others_unseen is not None:
            store, word = order.ref.installation, (order.read_at, order.others_unseen)
            # Of two words of one moment the careful one counts.
            latest[store] = max(word, latest.get(store, word))
    return any(is_unseen for _, is_unseen in latest.values())


def _is_still_paid(order: Order) -> bool:
    subscription = order.subscription
    if subscription is not None and subscription.status is SubscriptionStatus.ENDED:
        return False
    # What the bank holds of an open dispute may come back: it changes no access.
    lost = (paid.disputed for paid in order.payments if not paid.dispute_open)
    # What cost nothing has nothing to give back: it is hers.
    return not order.paid or total((order.refunded, *lost), order.currency) < order.paid
