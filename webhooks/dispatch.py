"""Make sense of a stored delivery: read it, parse it, re-read what must be re-read, and apply it.

Everything that a delivery changes is committed together with its new state. A delivery that cannot
be applied now comes back later; one that never can is kept, shown and replayable. Calls no platform
but to re-read.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from plugin.domain.errors import (
    ACCOUNT_RESTING,
    KEY_CODES,
    InvalidInput,
    MakegoodError,
    OutcomeUnknown,
    RetryLater,
)
from plugin.domain.events import Irrelevant, StoreEvent, Unrecognised
from plugin.domain.ids import CustomerKey, DeliveryId, TenantId
from plugin.domain.money import InvalidAmount
from plugin.domain.texts import one_line
from plugin.platforms.registry import Registry
from plugin.platforms.strict_json import JsonValue, Malformed, Unreadable, read_json
from plugin.ports import Clock, ConfirmsEvents, Connection
from plugin.ports.platforms import Gather, Platforms
from plugin.ports.records import (
    DeliveryState,
    Installation,
    InstallationStatus,
    StoredDelivery,
)
from plugin.ports.storage import Storage
from plugin.services import ask_for_others
from plugin.services.apply_event import apply_event
from plugin.services.applying import (
    CALL_IN_FLIGHT,
    Application,
    Applied,
    Ignored,
    MustAsk,
    MustWait,
    NotRecognised,
    Source,
)
from plugin.services.retry_plan import spread, stretched, wished
from webhooks.delivery import Delivery

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=6)
PATIENCE = timedelta(days=2)
"""A delivery that still cannot be applied by then has failed: it is shown, and may be replayed."""
NOT_CONNECTED = "not connected any more"
_log = logging.getLogger("makegood.dispatch")


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The use case, with its ports."""

    storage: Storage
    platforms: Platforms
    registry: Registry
    clock: Clock
    gather: Gather

    def __call__(self, tenant: TenantId, delivery_id: DeliveryId) -> None:
        """Bring one delivery to its end, or say when to try again."""
        with self.storage.read(tenant) as uow:
            stored = uow.deliveries.get(delivery_id)
            if stored is None or stored.wake_at is None or stored.wake_at > self.clock.now():
                return
            installation = uow.installations.get(stored.installation)
        if installation is None or installation.status is InstallationStatus.REMOVED:
            self._settle_left(stored, installation)
            return
        connection = installation.connection
        try:
            document = read_json(stored.body)
            stored = self._with_topic(stored, connection, document)
            self._bring_to_end(stored, connection, document)
        except (Unreadable, InvalidAmount) as error:
            # Amounts also where they contradict the sale that we know: of another currency, say.
            self._settle(stored, DeliveryState.UNREADABLE, str(error))
        except RetryLater as error:
            self._retry(stored, error.code, error.after_seconds)
        except OutcomeUnknown as error:
            self._retry(stored, error.code)
        except MakegoodError as error:
            if error.code in KEY_CODES:
                self._retry(stored, error.code)  # a key that works puts it back in line at once
            else:
                self._settle(stored, DeliveryState.FAILED, error.code)
        except Exception as error:  # noqa: BLE001 - a fault of ours must end where a person sees it
            # Its kind alone: the text may hold a customer's data.
            kind = type(error).__name__
            _log.error("dispatch.fault delivery=%s kind=%s", stored.id, kind)
            self._retry(stored, f"fault: {kind}")

    def _settle_left(self, stored: StoredDelivery, left: Installation | None) -> None:
        """Of an account that left nothing is applied, and nobody is called.

        What only a person can do is told all the same: its wishes to erase come after it left.
        """
        events = [] if left is None else self._told(stored, left.connection)
        wishes = [event.what for event in events if isinstance(event, Unrecognised)]
        state = DeliveryState.UNRECOGNISED if wishes else DeliveryState.FAILED
        self._settle(stored, state, ", ".join(wishes) or NOT_CONNECTED)

    def _told(self, stored: StoredDelivery, connection: Connection) -> Sequence[StoreEvent]:
        """What a delivery says by itself; nothing where it cannot be read."""
        try:
            return self._parsed(stored, connection, read_json(stored.body))
        except (Unreadable, Malformed, InvalidInput):
            return ()

    def _parsed(
        self, stored: StoredDelivery, connection: Connection, document: JsonValue
    ) -> Sequence[StoreEvent]:
        """Its events. What names another account than this one is not read on.

        Raises Malformed, and InvalidInput where the platform is gone.
        """
        manifest = self.registry.manifest(connection.kind, connection.platform)
        named = None if manifest.webhooks is None else manifest.webhooks.named_account
        if named is not None and not named.is_of(document, connection.settings):
            return [Irrelevant(named.field, "names another account")]
        parse = self.registry.parser(connection.kind, connection.platform)
        delivery = Delivery(stored.body, stored.headers, stored.received_at)
        events: list[StoreEvent] = parse(delivery, connection.installation, document)
        return events

    def _with_topic(
        self, stored: StoredDelivery, connection: Connection, document: JsonValue
    ) -> StoredDelivery:
        """With the vendor's word for what it is, where that stands in the body."""
        try:
            manifest = self.registry.manifest(connection.kind, connection.platform)
        except InvalidInput:  # the platform is gone; its parser, which is too, says so
            return stored
        field = None if manifest.webhooks is None else manifest.webhooks.topic_field
        if field is None:
            return stored
        for part in field.split("."):
            document = document.get(part) if isinstance(document, dict) else None
        return replace(stored, topic=one_line(document)[:255] if isinstance(document, str) else "")

    def _bring_to_end(
        self, stored: StoredDelivery, connection: Connection, document: JsonValue
    ) -> None:
        try:
            events = self._read(stored, connection, document)
        except (Malformed, InvalidInput) as error:
            self._settle(stored, DeliveryState.UNREADABLE, str(error))
            return
        self._apply(stored, connection, events)

    def _read(
        self, stored: StoredDelivery, connection: Connection, document: JsonValue
    ) -> Sequence[StoreEvent]:
        """The delivery's events, each as the store's API tells it where that must be asked."""
        events = self._parsed(stored, connection, document)
        confirms = self.platforms.able(connection, ConfirmsEvents)
        return events if confirms is None else [confirms.confirm(event) for event in events]

    def _apply(
        self, stored: StoredDelivery, connection: Connection, events: Sequence[StoreEvent]
    ) -> None:
        source = Source(
            stored.id,
            connection.installation,
            self.platforms.title(connection),
            stored.received_at,
        )
        while True:
            with self.storage.begin(stored.tenant) as uow:
                now = self.clock.now()
                outcomes = [apply_event(uow, event, source, now) for event in events]
                waits = [o.until for o in outcomes if isinstance(o, MustWait)]
                unasked = [o.customer for o in outcomes if isinstance(o, MustAsk)]
                if not waits and not unasked:
                    state, reason = _summary(outcomes)
                    uow.deliveries.settle(
                        stored.id, state, reason=one_line(reason), topic=stored.topic
                    )
                    uow.commit()
                    return
            # Nothing of this delivery is applied until all of it can be: its parts belong together.
            if waits:
                self._settle(stored, DeliveryState.WAITING, CALL_IN_FLIGHT, min(waits))
                return
            source = self._with_others(stored, source, unasked)

    def _with_others(
        self, stored: StoredDelivery, source: Source, customers: Sequence[CustomerKey]
    ) -> Source:
        """`source` once the stores were asked what else these bought.

        Raises RetryLater where one did not answer. After a while what would be taken is left to a
        person: no store may hold up another's news.
        """
        ask = ask_for_others.AskForOthers(self.storage, self.platforms, self.gather)
        unread = {one for one in customers if not ask(stored.tenant, one)}
        if unread and self.clock.now() - stored.received_at < ask_for_others.PATIENCE:
            raise RetryLater(ask_for_others.UNREAD)
        return replace(source, asked=source.asked.union(customers), unread=source.unread | unread)

    def _retry(self, stored: StoredDelivery, code: str, wish_seconds: int | None = None) -> None:
        """Later, and later each time: as long again as it has waited already.

        Never sooner than the store wishes. While its account rests nobody was asked: that ends
        nothing, and puts nothing off for longer than the rest.
        """
        now = self.clock.now()
        age = now - stored.received_at
        wish = min(wished(wish_seconds), LONGEST_WAIT)
        chance = spread(stored.id, str(stored.attempts))
        if code == ACCOUNT_RESTING:
            self._settle(stored, stored.state, code, now + stretched(wish, chance))
            return
        # After an outage of ours, or a replay, one bad moment must not be the end.
        if age > PATIENCE and stored.state is not DeliveryState.RECEIVED:
            self._settle(stored, DeliveryState.FAILED, code)
            return
        wait = max(min(max(age, FIRST_WAIT), LONGEST_WAIT), wish)
        self._settle(stored, DeliveryState.WAITING, code, now + stretched(wait, chance))

    def _settle(
        self,
        stored: StoredDelivery,
        state: DeliveryState,
        reason: str,
        wake_at: datetime | None = None,
    ) -> None:
        with self.storage.begin(stored.tenant) as uow:
            uow.deliveries.settle(
                stored.id, state, reason=one_line(reason), topic=stored.topic, wake_at=wake_at
            )
            uow.commit()


def _summary(outcomes: Sequence[Application]) -> tuple[DeliveryState, str]:
    """One state for the whole delivery: what was not recognised must be seen, beside what was."""
    unknown = [o.what for o in outcomes if isinstance(o, NotRecognised)]
    if unknown:
        return DeliveryState.UNRECOGNISED, ", ".join(unknown)
    if any(isinstance(o, Applied) for o in outcomes):
        return DeliveryState.APPLIED, ""
    reasons = [o.reason for o in outcomes if isinstance(o, Ignored)]
    return DeliveryState.IGNORED, ", ".join(reasons) or "says nothing that concerns us"
