"""Reads `platform.json`: bytes in, a frozen manifest out, or every fault at once.

A fault names its place and what to do. Rules over several parts of a manifest live here, the parts
in `manifest_parts.py`. Reads no file and loads no code of a platform.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from marshmallow import (
    RAISE,
    Schema,
    ValidationError,
    fields,
    post_load,
    validate,
    validates_schema,
)

from plugin.platforms.manifest import (
    CAPABILITIES,
    LINK_PLACEHOLDERS,
    AuthKind,
    Embedded,
    FieldForm,
    HelpdeskManifest,
    Idempotency,
    Level,
    ManualRefund,
    Outgoing,
    OwnWay,
    PlatformManifest,
    SelfTest,
    StoreManifest,
)
from plugin.platforms.manifest_parts import (
    CapabilityWordsSchema,
    EmbeddedSchema,
    Flag,
    InstallFieldSchema,
    MoneySchema,
    OutgoingSchema,
    OwnWaySchema,
    PanelSchema,
    Part,
    QualityRuleSchema,
    RefundsSchema,
    SelfTestLineSchema,
    WebhooksSchema,
    frozen,
    https,
    text,
    word,
)
from plugin.platforms.strict_json import Unreadable, read_json
from plugin.platforms.url_templates import DNS_LABEL, placeholders, unplaced
from plugin.platforms.webhook_declaration import Webhooks
from plugin.ports import Kind

ENDED_BY = 180
"""Seconds after which a refund's call is over, whoever made it: begun in 60, ended in 120."""


class InvalidManifest(Exception):
    """A manifest that cannot be used. `faults` are all of them, each as `place: what to do`."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


def read_manifest(raw: bytes) -> PlatformManifest:
    """The manifest in the bytes of a `platform.json`. Raises InvalidManifest with every fault."""
    try:
        document = read_json(raw)
    except Unreadable as error:
        raise InvalidManifest([error.reason]) from None
    if not isinstance(document, dict) or document.get("kind") not in list(Kind):
        raise InvalidManifest([f"kind: choose one of {', '.join(Kind)}"])
    try:
        manifest: PlatformManifest = MANIFEST_SCHEMAS[Kind(str(document["kind"]))]().load(document)
    except ValidationError as error:
        raise InvalidManifest(_flat(error.messages_dict)) from None
    return manifest


def _flat(messages: Any, place: str = "") -> Iterator[str]:  # noqa: ANN401 - marshmallow nests freely
    if isinstance(messages, dict):
        for key, inner in messages.items():
            # `_schema` is where marshmallow puts what concerns several fields of one object.
            step = place if key == "_schema" else f"{place}.{key}" if place else str(key)
            yield from _flat(inner, step)
    else:
        for message in messages:
            yield f"{place}: {message}" if place else str(message)


class _PlatformSchema(Part):
    """What stores and desks declare alike."""

    kind_of: ClassVar[Kind]

    schema_address = fields.String(data_key="$schema", load_only=True)
    name = text(required=True)
    stem = word(required=True)
    kind = fields.Enum(Kind, by_value=True, required=True)
    docs = https(required=True)
    api_version = text(allow_none=True)
    auth = fields.Enum(AuthKind, by_value=True, required=True)
    scopes = fields.List(text())
    whole_account = Flag()
    install_fields = fields.List(fields.Nested(InstallFieldSchema))
    install_way = fields.Nested(OwnWaySchema, allow_none=True)
    embedded = fields.Nested(EmbeddedSchema, allow_none=True)
    self_test = fields.List(fields.Nested(SelfTestLineSchema))
    outgoing = fields.Nested(OutgoingSchema, allow_none=True)
    webhooks = fields.Nested(WebhooksSchema, allow_none=True)
    capability_words = fields.List(
        fields.Nested(CapabilityWordsSchema), required=True, validate=validate.Length(min=1)
    )
    quality = fields.List(fields.Nested(QualityRuleSchema))
    simulated = Flag()

    @validates_schema
    def _check_words_are_unique(self, data: dict[str, Any], **_: object) -> None:
        for name, key in (("install_fields", "name"), ("self_test", "check"), ("quality", "rule")):
            words = [getattr(item, key) for item in data.get(name, ())]
            if len(words) != len(set(words)):
                raise ValidationError(f"each {key} stands once", name)

    @validates_schema
    def _check_way(self, data: dict[str, Any], **_: object) -> None:
        way: OwnWay | None = data.get("install_way")
        if way is None:
            return
        lines = {line.name: line for line in data.get("install_fields", ())}
        if not set(way.asks) <= set(lines):
            raise ValidationError("name install fields", "install_way.asks")
        if set(way.brings) & set(lines):
            raise ValidationError("a form asks for it: name what only comes", "install_way.brings")
        left = [name for name in lines if name not in way.asks]
        if not way.brings and not any(lines[name].secret for name in left):
            raise ValidationError("leave a secret field for the platform", "install_way.asks")
        for name in left:
            if lines[name].required and not lines[name].secret:
                raise ValidationError(f"ask for {name} too: it is needed", "install_way.asks")

    @validates_schema
    def _check_embedded(self, data: dict[str, Any], **_: object) -> None:
        embedded: Embedded | None = data.get("embedded")
        if embedded is not None:
            self._check_host_fields(data, "embedded.frame_ancestors", embedded.frame_ancestors)

    @validates_schema
    def _check_webhooks(self, data: dict[str, Any], **_: object) -> None:
        webhooks: Webhooks | None = data.get("webhooks")
        if webhooks is None:
            return
        secret = {line.name: line.secret for line in data.get("install_fields", ())}
        if webhooks.secret_field is not None and not secret.get(webhooks.secret_field):
            raise ValidationError("name a secret install field", "webhooks.secret_field")
        account = webhooks.named_account
        if account is not None and secret.get(account.setting, True):
            advice = "name an install field that is not secret"
            raise ValidationError(advice, "webhooks.named_account.setting")

    @validates_schema
    def _check_reach(self, data: dict[str, Any], **_: object) -> None:
        if not data.get("simulated"):
            if data.get("outgoing") is None:
                raise ValidationError("say where calls go, unless simulated", "outgoing")
            lines = {line.check for line in data.get("self_test", ())}
            if SelfTest.KEY_WORKS not in lines:
                raise ValidationError("give the key_works line, unless simulated", "self_test")
        outgoing: Outgoing | None = data.get("outgoing")
        if outgoing is not None:
            self._check_host_fields(data, "outgoing", (outgoing.base_url, *outgoing.hosts))

    def _check_host_fields(
        self, data: Mapping[str, Any], place: str, templates: Iterable[str]
    ) -> None:
        safe = {
            line.name
            for line in data.get("install_fields", ())
            if line.required and (line.form is not FieldForm.TEXT or _all_labels(line.choices))
        }
        unsafe = sorted(_names_in(templates) - safe)
        if unsafe:
            advice = "must be a required install field of a host form, or with host choices"
            raise ValidationError([f"{{{name}}} {advice}" for name in unsafe], place)

    def _check_deep_link(
        self, data: Mapping[str, Any], place: str, link: str, carried: frozenset[str]
    ) -> None:
        host, path = link.removeprefix("https://").partition("/")[::2]
        self._check_host_fields(data, place, [host])
        open_fields = {line.name for line in data.get("install_fields", ()) if not line.secret}
        odd = sorted(placeholders(path) - carried - open_fields)
        if odd or "{" in unplaced(link) or "}" in unplaced(link):
            known = ", ".join(sorted(carried))
            advice = f"links may carry {known} and form fields that are not secret"
            raise ValidationError(advice, place)

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> Any:  # noqa: ANN401 - the dataclass of `makes`
        data.pop("schema_address", None)
        return self.makes(**{name: frozen(value) for name, value in data.items()})


def _all_labels(choices: Iterable[str]) -> bool:
    listed = list(choices)
    return bool(listed) and all(
        all(DNS_LABEL.fullmatch(label) for label in choice.split(".")) for choice in listed
    )


def _names_in(templates: Iterable[str]) -> frozenset[str]:
    return frozenset[str]().union(*(placeholders(template) for template in templates))


def _capabilities_of(kind: Kind) -> fields.Nested:
    levels = {word: fields.Enum(Level, by_value=True, required=True) for word in CAPABILITIES[kind]}
    return fields.Nested(
        type(f"_{kind.value.title()}CapabilitiesSchema", (_CapabilitiesSchema,), dict(levels)),
        required=True,
    )


class _CapabilitiesSchema(Schema):
    """Every capability stands with its level: what is not said would be guessed."""

    class Meta:
        unknown = RAISE


class StoreManifestSchema(_PlatformSchema):
    """The `platform.json` of a store."""

    makes = StoreManifest
    kind_of = Kind.STORE
    capabilities = _capabilities_of(Kind.STORE)
    refunds = fields.Nested(RefundsSchema, required=True)
    money = fields.Nested(MoneySchema, required=True)

    @validates_schema
    def _check_refunds(self, data: dict[str, Any], **_: object) -> None:
        levels, refunds = data["capabilities"], data["refunds"]
        ways = {levels["refund_full"], levels["refund_partial"]}
        if Level.MANUAL in ways and refunds.manual is None:
            raise ValidationError("a refund by hand needs its worksheet", "refunds.manual")
        if any(way.is_coded for way in ways):
            if levels["lookup"] is Level.NONE:
                # Silence after a refund could never be settled.
                raise ValidationError("a refund by API needs a look-up", "capabilities.lookup")
            if levels["lookup"].is_coded and not refunds.look_up_after_seconds:
                raise ValidationError("say when to look up", "refunds.look_up_after_seconds")
            last = max(refunds.look_up_after_seconds, default=ENDED_BY)
            if refunds.idempotency is not Idempotency.KEY and last < ENDED_BY:
                raise ValidationError(
                    f"without keys the last look comes {ENDED_BY} s after the call at the soonest: "
                    "it may be sent again then, and the first call must be over",
                    "refunds.look_up_after_seconds",
                )

    @validates_schema
    def _check_link(self, data: dict[str, Any], **_: object) -> None:
        manual: ManualRefund | None = data["refunds"].manual
        if manual is not None and manual.link is not None:
            self._check_deep_link(data, "refunds.manual.link", manual.link, LINK_PLACEHOLDERS)


class HelpdeskManifestSchema(_PlatformSchema):
    """The `platform.json` of a helpdesk."""

    makes = HelpdeskManifest
    kind_of = Kind.HELPDESK
    capabilities = _capabilities_of(Kind.HELPDESK)
    panel = fields.Nested(PanelSchema, required=True)

    @validates_schema
    def _check_ancestors(self, data: dict[str, Any], **_: object) -> None:
        self._check_host_fields(data, "panel.frame_ancestors", data["panel"].frame_ancestors)

    @validates_schema
    def _check_ticket_link(self, data: dict[str, Any], **_: object) -> None:
        link: str | None = data["panel"].ticket_link
        if link is not None:
            self._check_deep_link(data, "panel.ticket_link", link, frozenset({"ticket"}))


MANIFEST_SCHEMAS: Mapping[Kind, type[_PlatformSchema]] = MappingProxyType(
    {Kind.STORE: StoreManifestSchema, Kind.HELPDESK: HelpdeskManifestSchema}
)
