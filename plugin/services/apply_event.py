"""Apply a store event: facts first, then the rules, all in the transaction of its delivery.

Recognises our own echo before it creates anything: a refund that we sent, a tag that we removed.
Applies any event at any time and any number of times with the same end. Never calls outside: what
must be re-read was re-read before.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from plugin.domain.errors import Refused
from plugin.domain.events import (
    AccountClosed,
    DisputeNews,
    Irrelevant,
    PaymentRefunded,
    RightsChanged,
    SaleMade,
    SaleRefunded,
    StoreEvent,
    SubscriptionCancelled,
    SubscriptionNews,
    TagNews,
    TestDelivery,
    Unrecognised,
)
from plugin.domain.facts import (
    TagAdded,
    TagRemoved,
)
from plugin.domain.ids import CustomerKey, customer_key
from plugin.domain.orders import Resource
from plugin.ports.records import InstallationStatus, SelfTestLine
from plugin.ports.storage import UnitOfWork
from plugin.services.apply_payment_news import dispute_changed, payment_refunded
from plugin.services.apply_sale_news import (
    sale_refunded,
    subscription_cancelled,
    subscription_changed,
)
from plugin.services.applying import (
    SKEW,
    STORE,
    Application,
    Applied,
    Ignored,
    NotRecognised,
    Source,
    keep_sale,
    let_rules_run,
    tick_delivery_received,
)
from plugin.services.self_test_lines import FAILED, OK, RIGHTS, advice_for, status_of, with_line

ECHO = timedelta(hours=1)
"""A store tells of a tag that we changed within this time."""


def apply_event(  # noqa: C901, PLR0911, PLR0912 - one case per event
    uow: UnitOfWork, event: StoreEvent, source: Source, now: datetime
) -> Application:
    """Apply one event inside `uow`; the caller commits it together with the delivery's state."""
    match event:
        case SaleMade(order):
            keep_sale(uow, order, source, now)
            return let_rules_run(uow, order.customer, source, now)
        case SaleRefunded():
            return sale_refunded(uow, event, source, now)
        case SubscriptionCancelled():
            return subscription_cancelled(uow, event, source, now)
        case PaymentRefunded():
            return payment_refunded(uow, event, source, now)
        case DisputeNews():
            return dispute_changed(uow, event, source, now)
        case TagNews():
            return _tagged(uow, event, source, now)
        case SubscriptionNews():
            return subscription_changed(uow, event, source, now)
        case AccountClosed():
            return _closed(uow, source, now)
        case RightsChanged(missing):
            return _rights_changed(uow, missing, source, now)
        case TestDelivery():
            tick_delivery_received(uow, source, now)
            return Applied()
        case Irrelevant(what, why):
            return Ignored(f"{what}: {why}")
        case Unrecognised(what):
            return NotRecognised(what)
        case _:
            assert_never(event)


def _tagged(uow: UnitOfWork, event: TagNews, source: Source, now: datetime) -> Application:
    tick_delivery_received(uow, source, now)
    customer = customer_key(event.email)
    tag = event.tag
    if _is_own_change(uow, customer, tag, event):
        return Ignored("our own change of this tag")
    fact = TagAdded(customer, tag, event.at) if event.added else TagRemoved(customer, tag, event.at)
    uow.facts.append(fact, f"delivery {source.delivery}", now)
    return let_rules_run(uow, customer, source, now)


def _is_own_change(uow: UnitOfWork, customer: CustomerKey, tag: Resource, event: TagNews) -> bool:
    """Our last change of this tag before the news was this very one, and not long before.

    A change the other way since then was somebody else's doing, and so is what follows it.
    """
    ours = uow.effects.last_tag_change(customer, tag, event.at + SKEW)
    if ours is None or ours.added is not event.added or ours.at < event.at - ECHO:
        return False
    other_way = TagRemoved if event.added else TagAdded
    facts = uow.facts.of_customer(customer)
    return not any(
        isinstance(fact, other_way) and fact.tag == tag and ours.at < fact.at <= event.at
        for fact in facts
    )


def _closed(uow: UnitOfWork, source: Source, now: datetime) -> Application:
    installation = uow.installations.get(source.installation)
    if installation is not None:
        uow.installations.save(replace(installation, status=InstallationStatus.REMOVED))
        uow.audit.write(now, STORE, "installation.removed", source.installation, {})
    return Applied()


def _rights_changed(uow: UnitOfWork, missing: str, source: Source, now: datetime) -> Application:
    """The line of the self-test that tells of rights tells of them as they are now."""
    installation = uow.installations.get(source.installation)
    lines = () if installation is None else installation.self_test
    known = next((one for one in lines if one.name == RIGHTS), None)
    if not missing and (known is None or known.state != FAILED):
        return Ignored("no right that is needed is missing")
    if installation is None or known is None:
        return NotRecognised(f"rights are missing: {missing}")
    said = advice_for(Refused("right_missing", missing), source.store) if missing else ""
    lines = with_line(installation, SelfTestLine(RIGHTS, FAILED if missing else OK, said, now))
    status = status_of(lines)
    uow.installations.save(replace(installation, self_test=lines, status=status))
    if status is not installation.status:
        uow.audit.write(now, STORE, f"installation.{status}", source.installation, {})
    return Applied()
