"""Whom to tell how a refund of ours went, and in which words: the ticket, the customer, the owner.

Writes and sends nothing: it makes the texts that the rules' run then carries. `announce` does the
same for news from a store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from plugin.domain.effects import (
    AddTicketNote,
    PlannedEffect,
    RestoreAccess,
    RestoreTag,
    TellCustomer,
    TellOwner,
)
from plugin.domain.ids import InstallationId, RunId, TicketId
from plugin.domain.ledger import Ledger
from plugin.domain.message_texts import SentenceId
from plugin.domain.messages import DEFAULT_LOCALE, MessageId, compose, reason_words, sentence
from plugin.domain.plan import Plan
from plugin.domain.refunds import Refund, RefundState
from plugin.domain.rules import Tell
from plugin.domain.texts import bullets, one_line
from plugin.ports.storage import UnitOfWork
from plugin.services.announce import order_words
from plugin.services.run_rules import Tellers
from plugin.services.wording import field_words, money_words, resource_words

NamedTell = tuple[str, Tell]
TEAM_LOCALE = DEFAULT_LOCALE
"""What notes and mail to the owner are written in."""


def promised_tells(plan: Plan, agent: str) -> Sequence[NamedTell]:
    """The messages as they were shown; the note says who decided, which no plan can know."""
    tells: list[NamedTell] = []
    for planned in plan.effects:
        match planned.effect:
            case AddTicketNote(body=body):
                signed = compose(MessageId.NOTE_SIGNED, TEAM_LOCALE, {"agent": one_line(agent)})
                note = replace(planned.effect, body=f"{body}\n\n{signed.body}")
                tells.append(("note", note))
            case TellCustomer():
                tells.append(("customer", planned.effect))
            case _:
                pass
    return tells


def failed_later_tells(uow: UnitOfWork, plan: Plan, refund: Refund) -> Tellers:
    """Money that had counted as back is not: everybody who was told otherwise is told."""
    told_customer = list(_customer_failed(uow, plan, refund))
    words = _order_words(uow, plan, refund)

    def tellers(ledger: Ledger, effects: Sequence[PlannedEffect]) -> Sequence[NamedTell]:
        del ledger
        facts = {
            **words,
            "restored": _given_back(effects),
            "money": sentence(SentenceId.MONEY_CAME_BACK, TEAM_LOCALE),
            "next": sentence(SentenceId.NEXT_REFUND_AGAIN, TEAM_LOCALE),
        }
        note = compose(MessageId.NOTE_FAILED, TEAM_LOCALE, facts)
        trouble = {**facts, "reason": reason_words("failed_later", TEAM_LOCALE)}
        owner = compose(MessageId.OWNER_NEEDS_PERSON, TEAM_LOCALE, trouble)
        desk, ticket = _ticket_of(plan)
        return [
            ("note-failed", AddTicketNote(desk, ticket, note.body, field=_came_to_nothing(refund))),
            ("owner-failed", TellOwner(owner.subject, owner.body)),
            *told_customer,
        ]

    return tellers


def trouble_tells(uow: UnitOfWork, plan: Plan, refund: Refund) -> Sequence[NamedTell]:
    """A refund that stops short of success is seen: in the ticket, and by the owner."""
    is_open = refund.state is RefundState.NEEDS_PERSON
    money = SentenceId.MONEY_UNKNOWN if is_open else SentenceId.MONEY_NOT_MOVED
    what_next = SentenceId.NEXT_LOOK if is_open else SentenceId.NEXT_PLAN_AGAIN
    facts = {
        **_order_words(uow, plan, refund),
        "store": one_line(refund.label),
        "money": sentence(money, TEAM_LOCALE),
        "next": sentence(what_next, TEAM_LOCALE),
    }
    reason = facts["reason"] or sentence(SentenceId.NOT_THROUGH, TEAM_LOCALE)
    owner = compose(MessageId.OWNER_NEEDS_PERSON, TEAM_LOCALE, {**facts, "reason": reason})
    about = MessageId.NOTE_UNKNOWN if is_open else MessageId.NOTE_FAILED
    note = compose(about, TEAM_LOCALE, facts)
    desk, ticket = _ticket_of(plan)
    field = "" if is_open else _came_to_nothing(refund)  # what is open has not ended
    return [
        (f"owner-{refund.id}", TellOwner(owner.subject, owner.body)),
        (f"note-{refund.id}", AddTicketNote(desk, ticket, note.body, field=field)),
    ]


def _came_to_nothing(refund: Refund) -> str:
    """With the amount: of several parts of a refund, others may stand."""
    return field_words("Not refunded", refund.amount)


def _customer_failed(uow: UnitOfWork, plan: Plan, refund: Refund) -> Iterator[NamedTell]:
    """Whoever was told that money is on its way is told that it is not."""
    if uow.effects.run(RunId(plan.id)) is None:
        return  # not all of it was through yet: nobody was told
    order = uow.orders.get(plan.order)
    for planned in plan.effects:
        if isinstance(planned.effect, TellCustomer):
            told = planned.effect
            facts = {
                **_order_words(uow, plan, refund),
                "amount": money_words(refund.amount, told.locale),
                "customer": one_line(order.name) if order else "",
                "reason": "",  # a gateway's words are not for her
                "shop": uow.settings.tenant().name,
            }
            text = compose(MessageId.FAILED, told.locale, facts)
            said = replace(told, subject=text.subject, body=text.body, locale=text.locale)
            yield "customer-failed", said


def _given_back(effects: Sequence[PlannedEffect]) -> str:
    back = []
    for planned in effects:
        match planned.effect:
            case RestoreAccess(resource) | RestoreTag(resource):
                back.append(resource_words(resource))
            case _:
                pass
    return bullets(back)


def _order_words(uow: UnitOfWork, plan: Plan, refund: Refund) -> Mapping[str, str]:
    order = uow.orders.get(plan.order)
    unknown = {
        "order": one_line(plan.order.ref),
        "product": sentence(SentenceId.UNNAMED_PRODUCT, TEAM_LOCALE),
        "customer": sentence(SentenceId.UNNAMED_CUSTOMER, TEAM_LOCALE),
    }
    return {
        **(unknown if order is None else order_words(order, TEAM_LOCALE)),
        "amount": money_words(refund.amount, TEAM_LOCALE),
        "reason": reason_words(refund.reason, TEAM_LOCALE),
    }


def _ticket_of(plan: Plan) -> tuple[InstallationId | None, TicketId | None]:
    for planned in plan.effects:
        if isinstance(planned.effect, AddTicketNote):
            return planned.effect.desk, planned.effect.ticket
    return None, None
