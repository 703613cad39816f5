"""What a `platform.json` says, as frozen facts: the manifest is the registration of a platform.

Read and checked by `manifest_schema.py`. Holds declarations only: never a credential, never an
answer from outside, never what holds for one order today (that is the adapter's).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from plugin.domain.errors import InvalidInput
from plugin.domain.money import WireFormat
from plugin.platforms.http_headers import fits_header
from plugin.platforms.url_templates import (
    DNS_LABEL,
    HOST_NAME,
    SITE,
    as_site,
    fill_host,
    fill_link,
    fill_site,
    host_and_port,
)
from plugin.platforms.webhook_declaration import Webhooks
from plugin.ports import Kind


class Level(StrEnum):
    """How a platform does a thing: one call, several calls of ours, a person, or not at all."""

    NATIVE = "native"
    EMULATED = "emulated"
    MANUAL = "manual"
    NONE = "none"

    @property
    def is_coded(self) -> bool:
        """True when an adapter must have code for it."""
        return self in (Level.NATIVE, Level.EMULATED)


class AuthKind(StrEnum):
    """How we prove ourselves to the platform."""

    API_KEY = "api_key"
    BASIC = "basic"
    OAUTH = "oauth"
    NONE = "none"


class Idempotency(StrEnum):
    """What stops a repeated refund: a key they honour, a reference they refuse twice, nothing."""

    KEY = "key"
    REFERENCE = "reference"
    NONE = "none"


class Vouching(StrEnum):
    """Who vouches for the agent: the desk's signature, the installation's secret only, nobody."""

    SIGNED = "signed"
    INSTALLATION = "installation"
    NOBODY = "nobody"


class FieldForm(StrEnum):
    """What a form field takes. Only the host forms may stand in an address.

    A `site` is the address of somebody's own server, perhaps with a path: it is a whole host there.
    """

    TEXT = "text"
    DNS_LABEL = "dns_label"
    HOST_NAME = "host_name"
    SITE = "site"


class SelfTest(StrEnum):
    """The lines of the self-test list, each with the platform's own sentence."""

    KEY_WORKS = "key_works"
    RIGHTS_ARE_ENOUGH = "rights_are_enough"
    WEBHOOK_REGISTERED = "webhook_registered"
    DELIVERY_RECEIVED = "delivery_received"
    CANARY = "canary"


class AmountForm(StrEnum):
    """How amounts travel: an integer of the smallest unit, or decimal text."""

    MINOR_UNITS = "minor_units"
    DECIMAL_TEXT = "decimal_text"


class LetterCase(StrEnum):
    """How currency codes travel."""

    LOWER = "lower"
    UPPER = "upper"


class QualityStatus(StrEnum):
    """Where a quality rule stands."""

    DONE = "done"
    TODO = "todo"
    EXEMPT = "exempt"


STORE_CAPABILITIES = (
    "find_orders",
    "history",
    "news",
    "refund_full",
    "refund_partial",
    "lookup",
    "revoke",
    "suspend",
    "restore",
    "tags",
    "cancel_subscription",
    "usage",
    "disputes",
)
DESK_CAPABILITIES = ("context", "requester", "note", "reply", "tags", "fields")

CAPABILITIES: Mapping[Kind, tuple[str, ...]] = {
    Kind.STORE: STORE_CAPABILITIES,
    Kind.HELPDESK: DESK_CAPABILITIES,
}
"""Every capability there is, in the order of the matrix. A manifest states each one."""

LINK_PLACEHOLDERS = frozenset({"order_id", "payment_id", "customer_id"})
"""What a deep link may carry beside open form fields. No e-mail: links get logged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallField:
    """One line of the install form. `choices` empty means free text.

    `choice_hints`: choice -> what follows from it, where that needs saying.
    """

    name: str
    label: str
    hint: str = ""
    secret: bool = False
    required: bool = True
    form: FieldForm = FieldForm.TEXT
    choices: tuple[str, ...] = ()
    choice_hints: Mapping[str, str] = field(default_factory=dict)

    def read(self, typed: str) -> str:
        """Return what was typed, trimmed and checked; empty if optional. Raises InvalidInput."""
        value = typed.strip()
        if self.form is FieldForm.SITE:
            value = as_site(value)
        elif self.form is not FieldForm.TEXT:
            value = value.lower()
        if not value:
            if self.required:
                raise InvalidInput(self.name, f"fill in {self.label}")
            return value
        if not value.isprintable():
            raise InvalidInput(self.name, "contains characters that cannot be seen: copy it again")
        if self.secret and not fits_header(value):
            # Every key goes out in a header: kept, it would fail each call from here on.
            raise InvalidInput(
                self.name, "contains characters that no key has, like accents: copy it again"
            )
        if self.choices and value not in self.choices:
            raise InvalidInput(self.name, f"choose one of {', '.join(self.choices)}")
        self._check_form(value)
        return value

    def _check_form(self, value: str) -> None:
        if self.form is FieldForm.DNS_LABEL and not DNS_LABEL.fullmatch(value):
            raise InvalidInput(self.name, "give only the part before the first dot")
        if self.form is FieldForm.HOST_NAME and not HOST_NAME.fullmatch(value):
            raise InvalidInput(self.name, "give only the host name, like shop.example.com")
        if self.form is FieldForm.SITE and not SITE.fullmatch(value):
            raise InvalidInput(
                self.name, "give the https address, like https://example.com/shop, without ? and #"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWay:
    """The platform brings the keys itself, beside the form. Coded as `<Name>Install`.

    `asks` are the form's fields that the admin fills in first, an app's own secret among them; the
    secrets that are left come from the platform. `brings` are secrets that only the platform
    brings: no form asks for them. `words` say what will happen, `steps` what to do there.
    """

    asks: tuple[str, ...]
    words: str
    steps: tuple[str, ...]
    brings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The store's own admin frames a page of ours. Coded as `<Name>Embedded`.

    `frame_ancestors` are templates of host fields; `script` is the vendor's, by its whole address:
    the only one that the page loads beside ours.
    """

    frame_ancestors: tuple[str, ...]
    script: str | None = None

    def frame_ancestors_for(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Return the ancestors for one account. Raises InvalidInput for odd values."""
        return tuple(fill_host(ancestor, values) for ancestor in self.frame_ancestors)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestLine:
    """One line of the self-test list in this platform's words."""

    check: SelfTest
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityWords:
    """One ability for the install tile. `can` is "refund", `words` are "in part and in full"."""

    can: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """`requests` in `per_seconds` over time, at most `burst` at once, per account."""

    requests: int
    per_seconds: int
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds to connect, to wait for the next byte, and for the whole call."""

    connect: int = 3
    read: int = 10
    total: int = 20


@dataclass(frozen=True, slots=True)
class Address:
    """Where an installation's calls go: `base_url` without a last slash, `hosts` as `host:port`."""

    base_url: str
    hosts: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """How the platform is called. `hosts` are templates like `base_url`; their port is 443."""

    base_url: str
    hosts: tuple[str, ...]
    rate_limit: RateLimit
    timeouts: Timeouts = field(default_factory=Timeouts)

    def address(self, values: Mapping[str, str]) -> Address:
        """Return the address for an installation's form values. Raises InvalidInput."""
        return Address(
            fill_site(self.base_url, values),
            frozenset(host_and_port(f"https://{fill_site(host, values)}") for host in self.hosts),
        )

    @staticmethod
    def development_address(base_url: str, allowed: frozenset[str]) -> Address:
        """Return an address typed for development, in place of the declared one.

        `allowed` are the `host:port` of the settings. Raises InvalidInput for any other, so that a
        form can never point us inwards by itself.
        """
        place = host_and_port(base_url)
        if place not in allowed:
            raise InvalidInput("base_url", f"add {place} to MAKEGOOD_ALLOW_PRIVATE_HOSTS first")
        return Address(base_url.rstrip("/"), frozenset({place}))


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualRefund:
    """The worksheet where no API refunds: numbered steps, and a link to the platform's page."""

    steps: tuple[str, ...]
    link: str | None = None

    def link_for(self, values: Mapping[str, str]) -> str | None:
        """Return the deep link for LINK_PLACEHOLDERS and form values; None where one is unknown."""
        return None if self.link is None else fill_link(self.link, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunds:
    """What the saga must know. `look_up_after_seconds` ascend from the unanswered call.

    `sends_again` is false where a refund that no look finds may have been paid all the same.
    """

    idempotency: Idempotency
    key_lives_seconds: int | None = None
    look_up_after_seconds: tuple[int, ...] = ()
    sends_again: bool = True
    manual: ManualRefund | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyForm:
    """How amounts and currencies travel. `exponents` only where they differ from ISO 4217."""

    amounts: AmountForm
    currency_case: LetterCase = LetterCase.UPPER
    exponents: Mapping[str, int] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()

    @property
    def wire(self) -> WireFormat:
        """The same as the domain reads and writes it."""
        return WireFormat(self.exponents, self.refused)

    def currency(self, code: str) -> str:
        """An ISO code as the platform spells it."""
        return code.lower() if self.currency_case is LetterCase.LOWER else code.upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """How the desk frames our panel, for its security policy. `frame_ancestors` are templates.

    `ticket_link` is one too: the page that an agent opens for a ticket, from outside of it.
    """

    agent_vouched_by: Vouching
    frame_ancestors: tuple[str, ...]
    script_hosts: tuple[str, ...] = ()
    ticket_link: str | None = None

    def frame_ancestors_for(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Return the ancestors for one installation. Raises InvalidInput for odd form values."""
        return tuple(fill_host(ancestor, values) for ancestor in self.frame_ancestors)

    def ticket_link_for(self, ticket: str, values: Mapping[str, str]) -> str | None:
        """Return the page of a ticket for one installation's form values; None for none."""
        if self.ticket_link is None:
            return None
        return fill_link(self.ticket_link, {**values, "ticket": ticket})


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRule:
    """One rule of the quality list. `verified`: against what; `reason`: why not, or why never."""

    rule: str
    status: QualityStatus
    reason: str = ""
    verified: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformManifest:
    """What stores and desks declare alike. `simulated` marks the practice platform everywhere.

    `scopes` are the rights that a key needs. `whole_account`: the platform makes no smaller keys,
    each opens the whole account; then `scopes` say so in its words.
    """

    name: str
    stem: str
    kind: Kind
    docs: str
    auth: AuthKind
    capabilities: Mapping[str, Level]
    capability_words: tuple[CapabilityWords, ...]
    api_version: str | None = None
    scopes: tuple[str, ...] = ()
    whole_account: bool = False
    install_fields: tuple[InstallField, ...] = ()
    install_way: OwnWay | None = None
    embedded: Embedded | None = None
    self_test: tuple[SelfTestLine, ...] = ()
    outgoing: Outgoing | None = None
    webhooks: Webhooks | None = None
    quality: tuple[QualityRule, ...] = ()
    simulated: bool = False

    def level(self, capability: str) -> Level:
        """Return how the platform does `capability`. KeyError for a word that is none: a bug."""
        return self.capabilities[capability]

    @property
    def secret_fields(self) -> frozenset[str]:
        """What is stored encrypted and never shown again: of the form, and brought."""
        asked = (line.name for line in self.install_fields if line.secret)
        return frozenset((*asked, *self.brings))

    @property
    def brings(self) -> tuple[str, ...]:
        """Secrets that the platform brings, and no form asks for."""
        return () if self.install_way is None else self.install_way.brings

    def read_form(self, typed: Mapping[str, str]) -> dict[str, str]:
        """Return the install form's values, checked. Raises InvalidInput for the first odd one.

        What the platform brought may stand beside them, and is left out where it does not.
        """
        brought = [name for name in self.brings if name in typed]
        lines = [InstallField(name=name, label=name, secret=True) for name in brought]
        return self._read(typed, (*self.install_fields, *lines))

    def read_way(self, typed: Mapping[str, str]) -> dict[str, str]:
        """The same for the fields that the platform's own way asks for."""
        asks = () if self.install_way is None else self.install_way.asks
        return self._read(typed, tuple(line for line in self.install_fields if line.name in asks))

    def _read(self, typed: Mapping[str, str], lines: Sequence[InstallField]) -> dict[str, str]:
        known = {line.name for line in lines}
        for name in typed:
            if name not in known:
                raise InvalidInput(name, f"{self.name} has no such field")
        return {line.name: line.read(typed.get(line.name, "")) for line in lines}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreManifest(PlatformManifest):
    """A platform that sells, charges or grants access."""

    refunds: Refunds
    money: MoneyForm


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpdeskManifest(PlatformManifest):
    """A platform that holds tickets and frames our panel."""

    panel: Panel
