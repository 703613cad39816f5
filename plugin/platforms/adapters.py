"""Adapters by connection, each with its own HTTP client, allow-list, budget and breaker.

Implements `plugin.ports.platforms.Platforms`. Gives out an ability only when the manifest declares
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from plugin.domain.ids import TicketId
from plugin.domain.refunds import GatewayRules
from plugin.platforms.breaker import Breaker
from plugin.platforms.http_client import AllowedHosts, HttpClient
from plugin.platforms.kept_connections import KeptConnections
from plugin.platforms.manifest import (
    HelpdeskManifest,
    Idempotency,
    Outgoing,
    PlatformManifest,
    StoreManifest,
)
from plugin.platforms.registry import Registry
from plugin.platforms.token_bucket import Budget, Rate
from plugin.ports import (
    CancelsSubscriptions,
    Clock,
    Connection,
    FindsOrders,
    HoldsAccess,
    HoldsTags,
    RefundsMoney,
    ServesPanel,
    WritesTickets,
)
from plugin.ports.keys import KeyShelf, RenewsKeys
from plugin.ports.news import TellsNews
from plugin.ports.platforms import P, Pace, WorksheetStep
from plugin.ports.watching import Watch, unwatched
from plugin.services.webhook_secrets import signing_secrets

_NEEDS: Mapping[type, tuple[str, ...]] = {
    FindsOrders: ("find_orders",),
    RefundsMoney: ("refund_full", "refund_partial"),
    HoldsAccess: ("revoke", "restore"),
    HoldsTags: ("tags",),
    CancelsSubscriptions: ("cancel_subscription",),
    TellsNews: ("news",),
    ServesPanel: ("context",),
    WritesTickets: ("note",),
}
"""Ports that a capability must be declared for: any of the words will do. Other ports need none."""

BudgetFor = Callable[[str, Rate], Budget]
BreakerFor = Callable[[str], Breaker]
DEFAULT_LOOKS = (2, 5, 15, 60, 300, 900)


@dataclass(frozen=True, slots=True)
class Adapters:
    """All platforms' adapters, made on demand. Safe to share between threads."""

    registry: Registry
    clock: Clock
    budget_for: BudgetFor
    allow_private: frozenset[str] = field(default_factory=frozenset)
    breaker_for: BreakerFor | None = None
    watch: Watch = unwatched
    kept: KeptConnections | None = None
    shelf: KeyShelf | None = None

    def able(self, connection: Connection, port: type[P]) -> P | None:
        """The connection's adapter as `port`, or None where the manifest does not declare it."""
        manifest = self._manifest(connection)
        needs = _NEEDS.get(port, ())
        if needs and not any(self.can(connection, capability) for capability in needs):
            return None
        made_by = self.registry.adapter_class(manifest.kind, manifest.stem)
        # Asked of the class, whose answer Python keeps: of an instance it compares the names of all
        # methods anew each time, a fortieth of a plan's CPU.
        is_able, renews_keys = issubclass(made_by, port), issubclass(made_by, RenewsKeys)
        if not is_able:
            return None
        adapter = made_by(connection, self.http_for(connection), self.clock)
        if self.shelf is not None and renews_keys:
            adapter.use_shelf(self.shelf)
        able: P = adapter
        return able

    def can(self, connection: Connection, capability: str) -> bool:
        return self._manifest(connection).level(capability).is_coded

    def title(self, connection: Connection) -> str:
        return self._manifest(connection).name

    def gateway_rules(self, connection: Connection) -> GatewayRules:
        refunds = self._store(connection).refunds
        return GatewayRules(
            honours_key=refunds.idempotency is Idempotency.KEY,
            key_lives=refunds.key_lives_seconds or 0,
            looks=refunds.look_up_after_seconds or DEFAULT_LOOKS,
            tells_news=self.can(connection, "news"),
            sends_again=refunds.sends_again,
        )

    def pace(self, connection: Connection) -> Pace | None:
        outgoing = self._manifest(connection).outgoing
        if outgoing is None:
            return None
        limit = outgoing.rate_limit
        return Pace(limit.requests, limit.per_seconds, limit.burst)

    def signing_secrets(self, connection: Connection) -> Sequence[str]:
        webhooks = self._manifest(connection).webhooks
        own = None if webhooks is None else webhooks.secret_field
        return signing_secrets(connection.secrets, own)

    def worksheet(self, connection: Connection) -> Sequence[WorksheetStep]:
        manual = self._store(connection).refunds.manual
        if manual is None:
            return ()
        link = manual.link_for(connection.settings)
        return tuple(
            WorksheetStep(step, "", link if place == 0 else None)
            for place, step in enumerate(manual.steps)
        )

    def ticket_link(self, connection: Connection, ticket: TicketId) -> str | None:
        manifest = self._manifest(connection)
        if not isinstance(manifest, HelpdeskManifest):
            return None
        return manifest.panel.ticket_link_for(ticket, connection.settings)

    def http_for(self, connection: Connection) -> HttpClient | None:
        """A client that reaches this account's hosts only; None for a platform without any."""
        manifest = self._manifest(connection)
        if manifest.outgoing is None:
            return None
        development = connection.settings.get("base_url")
        address = (
            Outgoing.development_address(development, self.allow_private)
            if development
            else manifest.outgoing.address(connection.settings)
        )
        limit = manifest.outgoing.rate_limit
        rate = Rate(limit.requests, limit.per_seconds, limit.burst)
        return HttpClient(
            allowed=AllowedHosts(address.hosts),
            clock=self.clock,
            budget=self.budget_for(connection.installation, rate),
            breaker=self.breaker_for and self.breaker_for(connection.installation),
            timeouts=manifest.outgoing.timeouts,
            allow_private=self.allow_private,
            kept=self.kept,
            platform=connection.platform,
            watch=self.watch,
        )

    def _manifest(self, connection: Connection) -> PlatformManifest:
        return self.registry.manifest(connection.kind, connection.platform)

    def _store(self, connection: Connection) -> StoreManifest:
        return self.registry.store(connection.platform)
