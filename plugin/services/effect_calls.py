"""The outside call behind one effect, with all that it needs read before, and what came of it.

Nothing here writes a row, and no transaction is open while a call runs. What a platform raises
comes back as a value, so that one effect's trouble stays its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import assert_never

from plugin.domain.effects import (
    AddTicketNote,
    CancelSubscription,
    Effect,
    EffectState,
    PlannedEffect,
    RemoveTag,
    RestoreAccess,
    RestoreTag,
    RevokeAccess,
    TellCustomer,
    TellOwner,
    VerifyAccess,
)
from plugin.domain.errors import (
    ACCOUNT_RESTING,
    FIELD_REFUSED,
    NeedsHuman,
    OutcomeUnknown,
    Refused,
    RetryLater,
)
from plugin.domain.ids import CustomerKey, EffectKey, InstallationId, TicketId, address_of
from plugin.domain.orders import Order, OrderRef, Resource
from plugin.domain.texts import bullets
from plugin.ports import (
    CancelsSubscriptions,
    Changed,
    Clock,
    Connection,
    Contact,
    HoldsAccess,
    HoldsTags,
    Kind,
    Mailer,
    WritesTickets,
)
from plugin.ports.platforms import P, Platforms
from plugin.ports.records import InstallationStatus, StoredEffect
from plugin.ports.storage import UnitOfWork
from plugin.services.contact_at import contact_at, contacts_at
from plugin.services.ledger_of import ledger_of
from plugin.services.record_sale import may_have_unseen
from plugin.services.wording import resource_words

_log = logging.getLogger("makegood.effects")


@dataclass(frozen=True, slots=True)
class Done:
    """It is so now. `outcome` is a word for people."""

    changed: Changed
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class TryLater:
    """Not done, and safe to do again."""

    code: str
    after_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Resting:
    """Not tried: the account has not answered for a while, and one call at a time asks it."""

    code: str
    after_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class ForPerson:
    """No program can do it."""

    code: str


@dataclass(frozen=True, slots=True)
class MaybeSent:
    """A message that may have gone out, and cannot be looked up."""

    code: str


Attempt = Done | TryLater | Resting | ForPerson | MaybeSent


Call = Callable[[], Attempt]


@dataclass(frozen=True, slots=True)
class EffectCalls:
    """Makes the calls of one run, with the ports that they go through.

    Whom they are for and through which connection is read once: what changes meanwhile, changes
    after the run.
    """

    platforms: Platforms
    mailer: Mailer
    clock: Clock
    sold: dict[CustomerKey, Sequence[Order]] = field(default_factory=dict)
    connections: dict[InstallationId, Connection | None] = field(default_factory=dict)

    def prepare(
        self,
        uow: UnitOfWork,
        stored: StoredEffect,
        siblings: Sequence[StoredEffect],
        *,
        interrupted: bool,
    ) -> Call:
        """The call to make. `interrupted` says that an earlier one may have got through.

        What an order may pay for that nobody here has seen is not taken: a person looks. So does
        one where the store cannot be told who the customer is.
        """
        contacts = self._contacts(uow, stored)
        if not contacts:
            return lambda: ForPerson("no_address")
        taken = _taken(stored.planned.effect)
        if taken is not None and may_have_unseen(self._sold(uow, stored.customer)):
            holder = self._port(uow, taken.installation, HoldsAccess)
            return lambda: _left_to_person(holder(), contacts, taken)
        return self._call(uow, stored, contacts, siblings, interrupted=interrupted)

    def _call(  # noqa: C901, PLR0911 - one case per effect
        self,
        uow: UnitOfWork,
        stored: StoredEffect,
        contacts: Sequence[Contact],
        siblings: Sequence[StoredEffect],
        *,
        interrupted: bool,
    ) -> Call:
        key = stored.planned.key
        effect = stored.planned.effect
        contact = contacts[0]
        match effect:
            case CancelSubscription(installation, ref, at_once):
                cancels = self._port(uow, installation, CancelsSubscriptions)
                return lambda: Done(cancels().cancel_subscription(contact, ref, at_once=at_once))
            case RevokeAccess(resource):
                holder = self._port(uow, resource.installation, HoldsAccess)
                return lambda: _taken_from(contacts, partial(holder().revoke, resource=resource))
            case RestoreAccess(resource):
                holder = self._port(uow, resource.installation, HoldsAccess)
                return lambda: Done(holder().restore(contact, resource))
            case RemoveTag(tag):
                tags = self._port(uow, tag.installation, HoldsTags)
                return lambda: _taken_from(contacts, partial(tags().remove_tag, tag=tag))
            case RestoreTag(tag):
                tags = self._port(uow, tag.installation, HoldsTags)
                return lambda: Done(tags().add_tag(contact, tag))
            case VerifyAccess(installation):
                holder = self._port(uow, installation, HoldsAccess)
                check = _still_wanted(uow, stored.customer, effect, self.clock.now())
                asked = self._asked(uow, siblings)
                return lambda: _verified(check, holder(), asked, contact)
            case AddTicketNote():
                desks = self._desks(uow, effect.desk)
                open_ends = _open_ends(siblings)
                return lambda: _noted(effect, desks(), stored, open_ends)
            case TellCustomer(desk, ticket, email, subject, body):
                if desk is not None and ticket is not None:
                    desks = self._desks(uow, desk)
                    return lambda: _replied(desks(), ticket, body, key)
                return self._mail(email, subject, body, key, interrupted=interrupted)
            case TellOwner(subject, body):
                owners = uow.settings.tenant().owners
                if not owners:
                    return lambda: ForPerson("no_owner_address")
                return self._mail(", ".join(owners), subject, body, key, interrupted=interrupted)
            case _:
                assert_never(effect)

    def _mail(self, to: str, subject: str, body: str, key: EffectKey, *, interrupted: bool) -> Call:
        if interrupted:
            return lambda: MaybeSent("interrupted")

        def call() -> Attempt:
            self.mailer.send(to, subject, body, key)
            return Done(Changed.DONE)

        return call

    def _contacts(self, uow: UnitOfWork, stored: StoredEffect) -> Sequence[Contact]:
        """The customer at the effect's store; none where that store cannot be told who she is.

        She may have more than one account there. What has ended goes from each that bought it.
        """
        store, customer = _store_of(stored), stored.customer
        if store is None:
            return (Contact(address_of(customer)),)
        orders = self._sold(uow, customer)
        about = _about(stored.planned, orders)
        if _taken(stored.planned.effect) is not None:
            return contacts_at(store, customer, orders, about)
        one = contact_at(store, customer, orders, about)
        return () if one is None else (one,)

    def _sold(self, uow: UnitOfWork, customer: CustomerKey) -> Sequence[Order]:
        if customer not in self.sold:
            self.sold[customer] = uow.orders.of_customer(customer)
        return self.sold[customer]

    def _asked(
        self, uow: UnitOfWork, siblings: Sequence[StoredEffect]
    ) -> Mapping[Resource, Sequence[Contact]]:
        """At which accounts each thing was changed."""
        changes = ((resource_of(sibling), sibling) for sibling in siblings)
        return {
            resource: self._contacts(uow, sibling)
            for resource, sibling in changes
            if resource is not None
        }

    def _port(
        self, uow: UnitOfWork, installation: InstallationId, port: type[P]
    ) -> Callable[[], P]:
        if installation not in self.connections:
            self.connections[installation] = _usable(uow, installation)
        connection = self.connections[installation]

        def find() -> P:
            if connection is None:
                raise NeedsHuman("not_connected", installation)
            able = self.platforms.able(connection, port)
            if able is None:
                raise NeedsHuman("by_hand_only", installation)
            return able

        return find

    def _desks(
        self, uow: UnitOfWork, only: InstallationId | None
    ) -> Callable[[], Sequence[WritesTickets]]:
        connections = [
            i.connection
            for i in uow.installations.all()
            if i.connection.kind is Kind.HELPDESK and only in (None, i.connection.installation)
        ]

        def find() -> Sequence[WritesTickets]:
            able = (self.platforms.able(connection, WritesTickets) for connection in connections)
            return [desk for desk in able if desk is not None]

        return find


def attempt(call: Call, key: EffectKey) -> Attempt:
    """Make the call; what it raises becomes an outcome by its kind.

    A fault of ours counts as silence: it must neither be forgotten nor hold up the other effects.
    """
    try:
        return call()
    except (Refused, NeedsHuman) as error:
        return ForPerson(error.code)
    except RetryLater as error:
        if error.code == ACCOUNT_RESTING:
            return Resting(error.code, error.after_seconds)
        return TryLater(error.code, error.after_seconds)
    except OutcomeUnknown as error:
        return MaybeSent(error.code)
    except Exception as error:  # noqa: BLE001 - as said above
        # Its kind alone: the text may hold a customer's data.
        _log.error("effect.fault key=%s kind=%s", key, type(error).__name__)
        return MaybeSent("fault")


def _store_of(effect: StoredEffect) -> InstallationId | None:
    match effect.planned.effect:
        case CancelSubscription(installation) | VerifyAccess(installation):
            return installation
        case _:
            resource = resource_of(effect)
            return None if resource is None else resource.installation


def _usable(uow: UnitOfWork, installation: InstallationId) -> Connection | None:
    found = uow.installations.get(installation)
    if found is None or found.status is InstallationStatus.REMOVED:
        return None
    return found.connection


def _taken(effect: Effect) -> Resource | None:
    match effect:
        case RevokeAccess(resource) | RemoveTag(resource):
            return resource
        case _:
            return None


def _about(planned: PlannedEffect, orders: Sequence[Order]) -> frozenset[OrderRef]:
    """The orders for which this is done, where that is known."""
    match planned.effect:
        case CancelSubscription(installation, ref):
            return frozenset(
                order.ref
                for order in orders
                if order.ref.installation == installation and ref in _renewed_by(order)
            )
        case _:
            return frozenset(r.line.order for r in planned.because if r.line is not None)


def _renewed_by(order: Order) -> Sequence[str | None]:
    whole = () if order.subscription is None else (order.subscription.ref,)
    return (*whole, *(line.subscription for line in order.lines))


def _left_to_person(holder: HoldsAccess, contacts: Sequence[Contact], taken: Resource) -> Attempt:
    """What a person takes by hand, if at all; once it is gone this is over."""
    if any(taken in holder.read_access(contact) for contact in contacts):
        return ForPerson("orders_unseen")
    return Done(Changed.ALREADY)


def _taken_from(contacts: Sequence[Contact], take: Callable[[Contact], Changed]) -> Attempt:
    changes = [take(contact) for contact in contacts]
    return Done(Changed.DONE if Changed.DONE in changes else Changed.ALREADY)


def resource_of(effect: StoredEffect) -> Resource | None:
    """What an effect gives or takes."""
    return changed_resource(effect.planned.effect)


def changed_resource(effect: Effect) -> Resource | None:
    """What an effect gives or takes."""
    match effect:
        case RevokeAccess(resource) | RestoreAccess(resource):
            return resource
        case RemoveTag(tag) | RestoreTag(tag):
            return tag
        case _:
            return None


def _still_wanted(
    uow: UnitOfWork, customer: CustomerKey, effect: VerifyAccess, now: datetime
) -> VerifyAccess:
    """The check without what has changed again since: a later run checks that."""
    owed = frozenset(ledger_of(uow, customer, now).owed())
    gone = tuple(resource for resource in effect.gone if resource not in owed)
    kept = tuple(resource for resource in effect.kept if resource in owed)
    return replace(effect, gone=gone, kept=kept)


def _verified(
    effect: VerifyAccess,
    holder: HoldsAccess,
    asked: Mapping[Resource, Sequence[Contact]],
    contact: Contact,
) -> Attempt:
    """Each thing where it was changed; without such a place at `contact`."""
    at = {resource: asked.get(resource, (contact,)) for resource in (*effect.gone, *effect.kept)}
    everywhere = dict.fromkeys(one for contacts in at.values() for one in contacts)
    has = {one: frozenset(holder.read_access(one)) for one in everywhere or (contact,)}
    still = [r for r in effect.gone if any(r in has[one] for one in at[r])]
    missing = [r for r in effect.kept if not all(r in has[one] for one in at[r])]
    if still or missing:
        raise RetryLater(f"not_yet: {len(still)} still held, {len(missing)} missing")
    return Done(Changed.DONE)


def _open_ends(siblings: Sequence[StoredEffect]) -> tuple[str, ...]:
    """What the note must not claim: changes of this run that are not through."""
    through = (EffectState.DONE, EffectState.ALREADY)
    ends = []
    for stored in siblings:
        resource = resource_of(stored)
        if stored.state in through:
            continue
        if resource is not None:
            ends.append(resource_words(resource))
        elif isinstance(stored.planned.effect, CancelSubscription):
            ends.append("Cancellation of the subscription")
    return tuple(ends)


def _tickets_at(
    desk: WritesTickets, effect: AddTicketNote, customer: CustomerKey
) -> Sequence[TicketId]:
    """The ticket that is named, else every open one of the customer's address."""
    if effect.ticket is not None:
        return [effect.ticket]
    address = address_of(customer)
    return desk.find_open_tickets(address) if address else []


def _noted(
    effect: AddTicketNote,
    desks: Sequence[WritesTickets],
    stored: StoredEffect,
    open_ends: Sequence[str],
) -> Attempt:
    """The note on its ticket, or on every open ticket of the customer; our marker is looked for.

    A desk that takes no such field has its notes all the same, on all of the tickets.
    """
    if effect.desk is not None and not desks:
        return ForPerson("desk_not_connected")
    key = stored.planned.key
    body = effect.body
    if open_ends:
        body += f"\n\nNot through yet:\n{bullets(open_ends)}"
    written, refused = 0, False
    for desk in desks:
        for ticket in _tickets_at(desk, effect, stored.customer):
            # `add_note` looks for the marker too; with a field it also sees whether that is set.
            if not effect.field and desk.has_marker(ticket, key):
                continue
            try:
                done = desk.add_note(ticket, body, effect.add_tags, key, effect.field)
            except Refused as error:
                if error.code != FIELD_REFUSED:
                    raise
                refused = True
            else:
                written += done is Changed.DONE
    if refused:
        return ForPerson(FIELD_REFUSED)
    return Done(Changed.DONE if written else Changed.ALREADY, f"{written} tickets")


def _replied(
    desks: Sequence[WritesTickets], ticket: TicketId, body: str, key: EffectKey
) -> Attempt:
    if not desks:
        return ForPerson("desk_not_connected")
    desk = desks[0]
    if desk.has_marker(ticket, key):
        return Done(Changed.ALREADY)
    return Done(desk.reply(ticket, body, key))
