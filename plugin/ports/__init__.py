"""What the use cases need from the outside, split by capability. Protocols only: no code runs here.

Adapters raise `Refused`, `RetryLater`, `OutcomeUnknown` or `NeedsHuman` (`plugin.domain.errors`)
and nothing else for what the outside does. All times are aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from plugin.domain.events import StoreEvent
from plugin.domain.ids import AgentId, InstallationId, TenantId, TicketId
from plugin.domain.orders import Order, Resource, Subscription
from plugin.domain.refunds import LookUp, Refund, RefundAnswer

# --- connections ----------------------------------------------------------------------------------


class Kind(StrEnum):
    """What a platform is to us. A business that does both has two manifests."""

    STORE = "store"
    HELPDESK = "helpdesk"

    @property
    def folder(self) -> str:
        """Its folder under `manifests`, `plugin` and `webhooks`."""
        return f"{self.value}s"


@dataclass(frozen=True, slots=True)
class Connection:
    """One installation, ready to be used by its adapter. `secrets` never shows in a repr."""

    tenant: TenantId
    installation: InstallationId
    kind: Kind
    platform: str
    label: str
    settings: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)


class Clock(Protocol):
    """The only source of now."""

    def now(self) -> datetime: ...


class Mint(Protocol):
    """The only source of chance: ids and secrets."""

    def id(self) -> str:
        """A fresh random id of at least 128 bits, safe in URLs."""

    def secret(self) -> str:
        """A fresh secret of at least 256 bits, safe in URLs."""


# --- stores ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Contact:
    """A customer at one store: the address, and the store's own id where we know it."""

    email: str
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class OrderQuery:
    """What to look for: exact addresses, or an order number. Never fuzzy."""

    emails: tuple[str, ...] = ()
    number: str | None = None


class Changed(StrEnum):
    """The outcome of an idempotent change. `already` is success too."""

    DONE = "done"
    ALREADY = "already"


@runtime_checkable
class FindsOrders(Protocol):
    """Capability `find_orders`. At most two calls per search."""

    def find_orders(self, query: OrderQuery) -> Sequence[Order]:
        """What fits, newest first.

        A store that cannot show all orders of a customer says so in `Order.others_unseen`. With the
        order of a number it may bring others of the same customer: those are kept, not proven.
        """

    def read_order(self, ref: str) -> Order | None:
        """The order as it is now, or None where the store has none."""


@runtime_checkable
class RefundsMoney(Protocol):
    """Capabilities `refund_full`, `refund_partial`, `lookup`. Sends `refund.key` along."""

    def refund(self, refund: Refund) -> RefundAnswer:
        """Send it, once: no retry inside.

        Silence raises OutcomeUnknown, "certainly not sent" RetryLater.
        """

    def look_up(self, refund: Refund) -> LookUp:
        """What the gateway has under our reference or key.

        Raises RetryLater when it does not answer.
        """


@runtime_checkable
class HoldsAccess(Protocol):
    """Capabilities `revoke` and `restore`: courses, communities, downloads, licences."""

    def read_access(self, contact: Contact) -> Sequence[Resource]:
        """All that the contact holds at this store, tags included."""

    def revoke(self, contact: Contact, resource: Resource) -> Changed: ...

    def restore(self, contact: Contact, resource: Resource) -> Changed: ...


@runtime_checkable
class HoldsTags(Protocol):
    """Capability `tags`. Works per tag and contact; never deletes a tag for everyone."""

    def add_tag(self, contact: Contact, tag: Resource) -> Changed: ...

    def remove_tag(self, contact: Contact, tag: Resource) -> Changed: ...


@runtime_checkable
class CancelsSubscriptions(Protocol):
    """Capability `cancel_subscription`."""

    def read_subscription(self, contact: Contact, ref: str) -> Subscription | None: ...

    def cancel_subscription(self, contact: Contact, ref: str, *, at_once: bool) -> Changed: ...


@runtime_checkable
class ConfirmsEvents(Protocol):
    """For `trust: refetch` and for news that mean nothing until read back."""

    def confirm(self, event: StoreEvent) -> StoreEvent:
        """The event as the store's API tells it now. Raises RetryLater when it does not answer."""


# --- connecting -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Probe:
    """What a key opened.

    `account` is shown to the admin; `details` are words for the self-test's lines. `account_id` is
    the platform's own id of the account, which outlives every key; empty where it tells none.
    `has_our_webhook`: whether the account has the webhook that this connection registered before;
    None where it registered none, or the key may not look.
    """

    account: str
    details: str = ""
    account_id: str = ""
    has_our_webhook: bool | None = None


@dataclass(frozen=True, slots=True)
class WebhookRegistered:
    """`ref` is the platform's id of the webhook; `secret` is the platform's where it makes one."""

    ref: str
    secret: str = field(repr=False)
    details: str = ""


@dataclass(frozen=True, slots=True)
class CatalogItem:
    """A thing sold (kind None) or a thing that can be held, for the access map's form."""

    ref: str
    name: str
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the store's API lists. `unlisted` names the kinds that it cannot list."""

    products: tuple[CatalogItem, ...] = ()
    resources: tuple[Resource, ...] = ()
    unlisted: tuple[str, ...] = ()


@runtime_checkable
class Connects(Protocol):
    """Every platform: does the key work, are the rights enough."""

    def probe(self) -> Probe:
        """Try the key without touching a customer. Raises Refused when it is wrong."""

    def check_rights(self) -> str:
        """Words on what the key may do. Raises Refused naming the right that is missing."""


@runtime_checkable
class RegistersWebhooks(Protocol):
    """Platforms whose webhooks we make ourselves.

    Re-registering replaces ours and nobody else's.
    """

    def register_webhook(self, url: str, secret: str) -> WebhookRegistered: ...

    def webhook_alive(self, ref: str) -> bool:
        """Whether the platform still sends: some switch a webhook off."""

    def provoke_delivery(self) -> str | None:
        """Make the platform send one on a test contact.

        Gives words on what was done, None where it cannot.
        """

    def remove_webhook(self, ref: str) -> Changed: ...


@runtime_checkable
class PublishesKeys(Protocol):
    """Platforms that sign with a key pair of their own, and change it when they want to."""

    def read_keys(self) -> str:
        """The public keys that count now: the webhook's one secret, in place of any before.

        One call. Raises Refused where the account publishes none that we could use.
        """


@runtime_checkable
class ListsCatalog(Protocol):
    """Platforms that hold access: courses, communities, tags, plans, for the access map."""

    def read_catalog(self) -> Catalog: ...


@runtime_checkable
class RunsRoundTrip(Protocol):
    """Opens and closes something for a test contact. Never moves money."""

    def round_trip(self) -> str:
        """Words on what was tried. Raises Refused or NeedsHuman naming what did not work."""


@runtime_checkable
class FinishesInstall(Protocol):
    """Platforms that give ids of their own once the admin has installed our app there."""

    def finish(self) -> Mapping[str, str]:
        """Settings to keep with the installation.

        Raises Refused naming what the admin must do first.
        """


@runtime_checkable
class PacksApp(Protocol):
    """Desks that take our panel as an uploaded app package."""

    def package(self, public_url: str, out: Path) -> Path:
        """Write the package to `out`. Raises InvalidInput with every fault the desk would find."""


# --- helpdesks ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agent:
    """A person at a desk, as the desk's own API tells. `role` is the desk's word for it."""

    id: AgentId
    name: str
    role: str
    active: bool


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as read back through the API.

    `emails` are all addresses of the requester, first one first.
    """

    id: TicketId
    subject: str
    name: str
    emails: tuple[str, ...]
    tags: tuple[str, ...]
    open: bool
    locale: str = "en"
    text: str = ""


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a panel's first request proved.

    `agent` is None where the desk vouches for the account only; then `claimed_agent` is whom the
    page names, which proves nothing. `ticket` is a claim of the page unless `ticket_proven`.
    """

    agent: AgentId | None
    ticket: TicketId | None = None
    ticket_proven: bool = False
    claimed_agent: AgentId | None = None


@runtime_checkable
class ServesPanel(Protocol):
    """Capability `context`: signs agents in and reads tickets for them."""

    def sign_in(self, form: Mapping[str, str], query: Mapping[str, str], now: datetime) -> SignIn:
        """Verify the first request of a frame.

        Raises Refused with a code, never with the reason in full.
        """

    def read_ticket(self, ticket: TicketId, agent: AgentId) -> Ticket | None:
        """The ticket, or None where it is gone or this agent may not see it.

        At most three calls.
        """

    def read_agent(self, agent: AgentId) -> Agent | None: ...


@runtime_checkable
class ShowsBesidePanel(Protocol):
    """A desk whose page around the panel shows something of its own."""

    def frame_page(self, ticket: TicketId, agent: AgentId) -> object | None:
        """What the desk's page template reads as `desk`."""


@runtime_checkable
class WritesTickets(Protocol):
    """Capabilities `note`, `tags`, `reply`, `fields`."""

    def add_note(
        self, ticket: TicketId, body: str, tags: Sequence[str], marker: str, field: str = ""
    ) -> Changed:
        """An internal note with tags added, in one write.

        `marker` is our key: found again, it is not repeated. `field` is for the ticket field that
        the admin named, in the same write where the desk can; without such a field it is nothing.
        It is set, too, where the note stands already without it. Raises Refused FIELD_REFUSED when
        note and tags stand and the desk takes no such field.
        """

    def reply(self, ticket: TicketId, body: str, marker: str) -> Changed:
        """A public reply. `marker` as above."""

    def has_marker(self, ticket: TicketId, marker: str) -> bool:
        """Whether a note or reply of ours with this marker stands in the ticket."""

    def find_open_tickets(self, email: str) -> Sequence[TicketId]: ...


# --- mail -----------------------------------------------------------------------------------------


class Mailer(Protocol):
    """Takes mail for the owner. Never sends one twice by itself."""

    def send(self, to: str, subject: str, body: str, message_id: str) -> None:
        """Hand over one mail. Refused when the server says never; RetryLater; OutcomeUnknown."""
