"""Whom to tell of a store's news, and in which words: the owner, and the customer's open tickets.

Writes and sends nothing: it makes the texts that the rules' run then carries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from plugin.domain.access_map import AccessMap
from plugin.domain.effects import (
    AddTicketNote,
    PlannedEffect,
    RemoveTag,
    RestoreAccess,
    RevokeAccess,
    TellOwner,
)
from plugin.domain.ledger import Ledger
from plugin.domain.message_texts import SentenceId
from plugin.domain.messages import MessageId, compose, sentence
from plugin.domain.money import Money
from plugin.domain.orders import Order, Resource
from plugin.domain.rules import Tell
from plugin.domain.texts import bullets, one_line
from plugin.ports.storage import UnitOfWork
from plugin.services.run_rules import Tellers
from plugin.services.wording import (
    because_words,
    day_words,
    field_words,
    money_words,
    resource_words,
)

ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Announcement:
    """News of an order. `money` is a sentence where no amount is known to have gone back.

    `said` is another amount that a person said was refunded, where both count as one refund.
    """

    owner: MessageId
    note: MessageId
    order: Order
    store: str
    amount: Money | None
    money: SentenceId | None
    until: datetime | None = None
    needs_person: bool = False
    said: Money | None = None


def order_words(order: Order, locale: str) -> Mapping[str, str]:
    """What the order is called, what was bought and by whom, none of it blank.

    A store may tell nothing of it, and what happened must be told all the same.
    """
    return {
        "order": one_line(order.number) or one_line(order.ref.ref),
        "product": one_line(order.title) or sentence(SentenceId.UNNAMED_PRODUCT, locale),
        "customer": one_line(order.name)
        or one_line(order.email)
        or sentence(SentenceId.UNNAMED_CUSTOMER, locale),
    }


def announce(uow: UnitOfWork, news: Announcement) -> Tellers:
    """Tellers for `run_rules`: they see what the rules decided, and put it into words."""
    tenant = uow.settings.tenant()
    access = uow.settings.access_map()

    def tellers(ledger: Ledger, effects: Sequence[PlannedEffect]) -> Sequence[tuple[str, Tell]]:
        order = news.order
        facts = {
            "store": news.store,
            **order_words(order, ENGLISH),
            "amount": money_words(news.amount, ENGLISH) if news.amount is not None else "",
            "money": sentence(news.money, ENGLISH) if news.money else "",
            "goes": _goes(effects),
            "stays": _stays(ledger, effects, tenant.time_zone),
            "unknown": _unknown(ledger, order, access),
            "next": _next(news, tenant.time_zone),
        }
        owner = compose(news.owner, ENGLISH, facts)
        note = compose(news.note, ENGLISH, facts)
        return [
            ("note", AddTicketNote(None, None, note.body, field=_field(news))),
            ("owner", TellOwner(owner.subject, owner.body)),
        ]

    return tellers


def _field(news: Announcement) -> str:
    """Nothing where no money is known to have gone back: the field tells of refunds."""
    return "" if news.amount is None else field_words("Refunded elsewhere", news.amount)


def _goes(effects: Sequence[PlannedEffect]) -> str:
    gone: list[Resource] = []
    for planned in effects:
        match planned.effect:
            case RevokeAccess(resource) | RemoveTag(resource):
                gone.append(resource)
            case _:
                pass
    return bullets(resource_words(resource) for resource in gone)


def _stays(ledger: Ledger, effects: Sequence[PlannedEffect], time_zone: str) -> str:
    kept = [e.effect.resource for e in effects if isinstance(e.effect, RestoreAccess)]
    return bullets(
        f"{resource_words(resource)}, "
        f"{because_words(ledger.holdings[resource].living, time_zone, ENGLISH)}"
        for resource in kept
    )


def _unknown(ledger: Ledger, order: Order, access: AccessMap) -> str:
    untold = [
        f"what {line.title} opened: nobody told"
        for line in order.lines
        if line.gives is None and access.given_by(order.ref.installation, line.product) is None
    ]
    bundles = [f"what the bundle {b.name or b.ref} holds" for b in ledger.unknown_bundles]
    return bullets((*untold, *bundles))


def _next(news: Announcement, time_zone: str) -> str:
    if news.needs_person:
        return sentence(SentenceId.NEXT_DECIDE_END, ENGLISH)
    if news.said is not None:
        said = money_words(news.said, ENGLISH)
        return sentence(SentenceId.NEXT_COMPARE, ENGLISH, amount=said)
    if news.until is not None:
        day = day_words(news.until, time_zone, ENGLISH)
        return sentence(SentenceId.NEXT_PAID_PERIOD, ENGLISH, day=day)
    return ""
