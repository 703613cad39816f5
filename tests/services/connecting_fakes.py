"""A platform in memory for the tests of connecting: it says what it is told to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from plugin.domain.errors import InvalidInput
from plugin.domain.ids import TicketId
from plugin.domain.refunds import GatewayRules
from plugin.ports import Changed, Connection, Probe, WebhookRegistered
from plugin.ports.connecting import (
    BACK,
    Arrived,
    Credentials,
    DeclaredLine,
    Document,
    FilledForm,
    GoTo,
    InstallUrls,
    InstallWay,
    NotUsable,
    Reading,
    SaidNo,
)
from plugin.ports.embedding import EmbeddedAdmin
from plugin.ports.platforms import P, Pace, WorksheetStep
from plugin.services.webhook_secrets import webhook_secrets

ALL_LINES = (
    "key_works",
    "rights_are_enough",
    "webhook_registered",
    "delivery_received",
    "canary",
)


class CountingMint:
    """Ids and secrets that can be told apart: `id-1`, `secret-2`."""

    def __init__(self) -> None:
        self.made = 0

    def id(self) -> str:
        self.made += 1
        return f"id-{self.made}"

    def secret(self) -> str:
        self.made += 1
        return f"secret-{self.made}"


@dataclass
class ToyPlatform:
    """Connects, registers webhooks, tries a round trip, is finished; each with faults."""

    faults: dict[str, Exception] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _: None
    own_secret: str | None = None
    provokes: str | None = "We asked the toy to write"
    account: str = "toy account"
    account_id: str = ""
    has_our_webhook: bool | None = None
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def _called(self, *call: str) -> None:
        self.calls.append(call)
        self.before(call[0])
        if call[0] in self.faults:
            raise self.faults[call[0]]

    def probe(self) -> Probe:
        self._called("probe")
        return Probe(self.account, "tried", self.account_id, self.has_our_webhook)

    def check_rights(self) -> str:
        self._called("check_rights")
        return "all rights"

    def register_webhook(self, url: str, secret: str) -> WebhookRegistered:
        self._called("register_webhook", url, secret)
        return WebhookRegistered("hook-1", self.own_secret or secret, "1 place used")

    def webhook_alive(self, ref: str) -> bool:
        return ref == "hook-1"

    def provoke_delivery(self) -> str | None:
        self._called("provoke_delivery")
        return self.provokes

    def remove_webhook(self, ref: str) -> Changed:
        self._called("remove_webhook", ref)
        return Changed.DONE

    def round_trip(self) -> str:
        self._called("round_trip")
        return "opened and closed"

    def finish(self) -> Mapping[str, str]:
        self._called("finish")
        return {"app_id": "7", "app_installation_id": "8"}


@dataclass
class ToyPlatforms:
    """Gives out the toy, or nothing. Implements `plugin.ports.platforms.Platforms`."""

    toy: object

    def able(self, connection: Connection, port: type[P]) -> P | None:
        return self.toy if isinstance(self.toy, port) else None

    def can(self, connection: Connection, capability: str) -> bool:
        return True

    def title(self, connection: Connection) -> str:
        return "Toy"

    def gateway_rules(self, connection: Connection) -> GatewayRules:
        raise NotImplementedError

    def pace(self, connection: Connection) -> Pace | None:
        return None

    def signing_secrets(self, connection: Connection) -> Sequence[str]:
        return webhook_secrets(connection.secrets)

    def worksheet(self, connection: Connection) -> Sequence[WorksheetStep]:
        return ()

    def ticket_link(self, connection: Connection, ticket: TicketId) -> str | None:
        return None


class ToyWay:
    """Sends the admin to a page, who comes back with a code; the toy itself may bring keys."""

    def begin(self, settings: Mapping[str, str], urls: InstallUrls) -> GoTo:
        return GoTo(f"https://{settings['shop']}.example/allow?state={urls.one_time}")

    def read(self, settings: Mapping[str, str], urls: InstallUrls, arrived: Arrived) -> Reading:
        if arrived.part == BACK:
            if "error" in arrived.query:
                return SaidNo("You said no at the toy")
            return Credentials({"key": arrived.query.get("code", "")})
        if arrived.part == "about":
            return Document({"page": urls.page, "keys": urls.arrival("keys")})
        if arrived.part == "keys" and arrived.body:
            return Credentials({"key": arrived.body.decode("ascii", "replace")})
        return NotUsable("Only a toy's keys are taken here")


@dataclass
class TradingToy(ToyPlatform):
    """A toy that trades a code for a key."""

    def trade_grant(self) -> Mapping[str, str]:
        self._called("trade_grant")
        return {"key": "traded"}


@dataclass
class ToyDeclarations:
    """A form of `shop` (which account), `note` and the secret `key`. Implements `Declarations`."""

    lines: tuple[str, ...] = ALL_LINES
    simulated: bool = False
    keyless: bool = False
    addressless: bool = False
    place: str = "toy.example:443"
    way: InstallWay | None = None

    def read_form(self, kind: str, platform: str, typed: Mapping[str, str]) -> FilledForm:
        if "key" not in typed and not self.keyless:
            raise InvalidInput("key", "fill in the key")
        settings = {name: value for name, value in typed.items() if name != "key"}
        secrets = {} if self.keyless else {"key": typed["key"]}
        account = {} if self.addressless else {"shop": typed.get("shop", "")}
        return FilledForm(
            "Toy", self.simulated, settings, secrets, account, frozenset({self.place})
        )

    def install_way(self, kind: str, platform: str) -> InstallWay | None:
        return self.way

    def embedded_admin(self, kind: str, platform: str) -> EmbeddedAdmin | None:
        return None

    def form_names(self, kind: str, platform: str) -> Sequence[str]:
        return ("shop", "note", "key")

    def read_way(self, kind: str, platform: str, typed: Mapping[str, str]) -> FilledForm:
        if not typed.get("shop"):
            raise InvalidInput("shop", "fill in the shop")
        found = self.read_form(kind, platform, {"key": "", **typed})
        return replace(found, secrets={})

    def self_test(self, connection: Connection) -> Sequence[DeclaredLine]:
        return tuple(DeclaredLine(line, f"sentence of {line}") for line in self.lines)
