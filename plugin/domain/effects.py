"""Effects: single actions on the outside world, each with a key, each run once.

Effects are imperative. Their key is made from what they do and which turn of the resource it is,
never from time or chance, so the same decision taken twice is the same effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from plugin.domain.endings import Causes
from plugin.domain.ids import CustomerKey, EffectKey, InstallationId, RunId, TicketId, digest
from plugin.domain.ledger import Reason
from plugin.domain.orders import Resource


@dataclass(frozen=True, slots=True)
class CancelSubscription:
    """Stop future charges: at once, or when the paid period ends."""

    installation: InstallationId
    subscription: str
    at_once: bool


@dataclass(frozen=True, slots=True)
class RevokeAccess:
    """Take a course, community, download or licence away. Already gone is success."""

    resource: Resource


@dataclass(frozen=True, slots=True)
class RemoveTag:
    """Take one tag off one contact. Already gone is success. Never deletes the tag itself."""

    tag: Resource


@dataclass(frozen=True, slots=True)
class RestoreAccess:
    """Give a resource back, or make sure that it is still there. Already there is success."""

    resource: Resource


@dataclass(frozen=True, slots=True)
class RestoreTag:
    """Give a tag back. Already there is success."""

    tag: Resource


@dataclass(frozen=True, slots=True)
class VerifyAccess:
    """Read back what the customer holds at one store: what should be gone, what should stay."""

    installation: InstallationId
    gone: tuple[Resource, ...]
    kept: tuple[Resource, ...]


@dataclass(frozen=True, slots=True)
class AddTicketNote:
    """Write an internal note and change tags in one go.

    Without a ticket: on the customer's open tickets. `field` says in a few words what came out, for
    the ticket field that an admin may have named; empty leaves that as it is.
    """

    desk: InstallationId | None
    ticket: TicketId | None
    body: str
    add_tags: tuple[str, ...] = ()
    field: str = ""


@dataclass(frozen=True, slots=True)
class TellCustomer:
    """A message to the customer: a public reply where there is a ticket that can, else mail."""

    desk: InstallationId | None
    ticket: TicketId | None
    email: str
    subject: str
    body: str
    locale: str


@dataclass(frozen=True, slots=True)
class TellOwner:
    """A mail to the people who own the store."""

    subject: str
    body: str


Effect = (
    CancelSubscription
    | RevokeAccess
    | RemoveTag
    | RestoreAccess
    | RestoreTag
    | VerifyAccess
    | AddTicketNote
    | TellCustomer
    | TellOwner
)

Json = str | int | bool | None | Sequence["Json"] | Mapping[str, "Json"]


def goes_by_mail(effect: Effect) -> bool:
    """Mail cannot be looked up. All else may be done twice, or is looked for first."""
    match effect:
        case TellOwner():
            return True
        case TellCustomer(desk, ticket):
            return desk is None or ticket is None
        case _:
            return False


class EffectState(StrEnum):
    """How far one effect is.

    `unknown` is a message that may have been sent and cannot be looked up.
    """

    WAITING = "waiting"
    SENDING = "sending"
    DONE = "done"
    ALREADY = "already"
    UNKNOWN = "unknown"
    NEEDS_PERSON = "needs_person"

    @property
    def over(self) -> bool:
        return self not in (EffectState.WAITING, EffectState.SENDING)


@dataclass(frozen=True, slots=True)
class PlannedEffect:
    """An effect with its key, its place in its run, and the reasons that ended or that live.

    `causes` are all facts that had ended reasons for the resource when this was planned.
    """

    key: EffectKey
    position: int
    effect: Effect
    because: tuple[Reason, ...] = ()
    causes: Causes = ()


def effect_document(effect: Effect) -> Json:
    """An effect as plain data, for the hash of a plan: what will be done, not when or why."""
    match effect:
        case CancelSubscription(installation, subscription, at_once):
            return ["cancel", installation, subscription, at_once]
        case RevokeAccess(resource):
            return ["revoke", *_resource(resource)]
        case RemoveTag(tag):
            return ["remove_tag", *_resource(tag)]
        case RestoreAccess(resource):
            return ["restore", *_resource(resource)]
        case RestoreTag(tag):
            return ["restore_tag", *_resource(tag)]
        case VerifyAccess(installation, gone, kept):
            return [
                "verify",
                installation,
                [_resource(r) for r in gone],
                [_resource(r) for r in kept],
            ]
        case AddTicketNote(desk, ticket, body, tags, field):
            # As before there were fields, where there is none: a plan keeps its hash.
            return ["note", desk, ticket, body, list(tags), *([field] if field else [])]
        case TellCustomer(desk, ticket, email, subject, body, locale):
            return ["customer", desk, ticket, email, subject, body, locale]
        case TellOwner(subject, body):
            return ["owner", subject, body]
        case _:
            assert_never(effect)


def _resource(resource: Resource) -> list[Json]:
    return [resource.installation, resource.kind, resource.ref]


def access_key(customer: CustomerKey, resource: Resource, turn: int) -> EffectKey:
    """The key of the `turn`-th change that we make to one resource of one customer."""
    return EffectKey(
        digest("access", customer, resource.installation, resource.kind, resource.ref, str(turn))
    )


def run_key(run: RunId, name: str) -> EffectKey:
    """The key of something done once per run: a note, a mail, a cancellation."""
    return EffectKey(digest("run", run, name))
