"""A shop's events for the tests of applying them."""

from __future__ import annotations

from dataclasses import replace

from plugin.domain.events import (
    NamedBy,
    PaymentRefunded,
    SaleRefunded,
)
from plugin.domain.orders import Order, RefundRoute, RefundStage, Resource
from plugin.domain.plan import Plan
from tests.factories import (
    CUSTOMER,
    EMAIL,
    STORE,
    a_choice,
    a_course,
    a_line,
    a_payment,
    a_payment_ref,
    ago,
    an_order_ref,
    eur,
)
from tests.services.scene import Scene, sale


def hand_sale(
    *gives: Resource, ref: str = "10412", days: float = 9, product: str | None = None
) -> Order:
    """A sale at a store that cannot refund by itself, of a plan of its own unless told."""
    payment = a_payment(f"pay-{ref}", route=RefundRoute.BY_HAND, account=STORE)
    line = a_line(gives=gives, order=an_order_ref(ref), product=product or f"plan-{ref}")
    return sale(ref=ref, days=days, payments=(payment,), lines=(line,))


def cancelled(
    order: Order, refund: str = "cancel-1", named_by: NamedBy = NamedBy.ORDER
) -> SaleRefunded:
    lines = tuple(replace(line, refunded=line.paid) for line in order.lines)
    payments = tuple(replace(paid, refunded=paid.captured) for paid in order.payments)
    told = replace(order, lines=lines, payments=payments)
    return SaleRefunded(told, ago(days=1), refund, named_by)


def refunded(
    state: RefundStage = RefundStage.SUCCEEDED,
    *,
    refund: str = "re-out",
    payment: str = "pay-10412",
    amount: int = 4900,
    reference: str | None = None,
    order: Order | None = None,
    whole: bool = True,
) -> PaymentRefunded:
    return PaymentRefunded(
        a_payment_ref(payment), refund, eur(amount), state, ago(hours=1), reference, whole, order
    )


def facts(scene: Scene, kind: type) -> list[object]:
    with scene.storage.read(scene.tenant.id) as uow:
        return [fact for fact in uow.facts.of_customer(CUSTOMER) if isinstance(fact, kind)]


def told(scene: Scene) -> list[str]:
    return [mail.subject for mail in scene.mailer.sent]


def hold(scene: Scene, *resources: Resource) -> None:
    scene.shop.held[EMAIL] |= set(resources)


def by_hand(scene: Scene, *, cents: int = 4900) -> Plan:
    order = scene.sell(order=hand_sale(a_course("c1")))
    return scene.decided(order, a_choice(order, free=eur(cents)))
