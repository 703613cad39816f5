"""Marshmallow schemas of the parts of a `platform.json`, strict to the last field.

Nothing is converted in silence, and what is not declared here is refused. It knows the parts only:
`manifest_schema.py` joins them to whole manifests.
"""

from __future__ import annotations

from itertools import pairwise
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
    AmountForm,
    CapabilityWords,
    Embedded,
    FieldForm,
    Idempotency,
    InstallField,
    LetterCase,
    ManualRefund,
    MoneyForm,
    Outgoing,
    OwnWay,
    Panel,
    QualityRule,
    QualityStatus,
    RateLimit,
    Refunds,
    SelfTest,
    SelfTestLine,
    Timeouts,
    Vouching,
)
from plugin.platforms.signature_declaration import (
    SCHEME_NAMES,
    SignatureDeclaration,
    declaration_faults,
)
from plugin.platforms.webhook_declaration import (
    AppAddress,
    BareTopics,
    NamedAccount,
    Trust,
    Webhooks,
)

MOST_BETWEEN_LOOKS = 900
_WORD = "[a-z][a-z0-9_]{0,63}"
_HEADER = "[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"
_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST = rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*"
_STAND_IN = r"\{[a-z][a-z0-9_]*\}"
_HOST_TEMPLATE = rf"(?:\*\.)?(?:{_LABEL}|{_STAND_IN})(?:\.(?:{_LABEL}|{_STAND_IN}))*"
_PATH = r"(?:/[A-Za-z0-9._~%/-]*)?"


def _whole(pattern: str, advice: str) -> validate.Validator:
    # `\Z`, since `$` lets a trailing newline through. The JSON Schema generator undoes it.
    return validate.Regexp(rf"{pattern}\Z", error=advice)


class Flag(fields.Boolean):
    """True or false and nothing that looks like them: "yes", 1 and "false" are mistakes."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:  # noqa: ANN401, ARG002 - marshmallow's signature
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


def text(**options: Any) -> fields.String:  # noqa: ANN401 - passed on to marshmallow
    """Return a field for words that people read: not blank."""
    return fields.String(validate=_whole(r"\s*\S[\s\S]*", "write something"), **options)


def _count(largest: int = 10**7, **options: Any) -> fields.Integer:  # noqa: ANN401 - passed on to marshmallow
    return fields.Integer(strict=True, validate=validate.Range(1, largest), **options)


def word(**options: Any) -> fields.String:  # noqa: ANN401 - passed on to marshmallow
    """Return a field for a name in code: small letters, digits, underscores."""
    return fields.String(
        validate=_whole(_WORD, "use small letters, digits and underscores"), **options
    )


def _header(**options: Any) -> fields.String:  # noqa: ANN401 - passed on to marshmallow
    return fields.String(validate=_whole(_HEADER, "give a header name"), **options)


def https(**options: Any) -> fields.String:  # noqa: ANN401 - passed on to marshmallow
    """Return a field for an https address."""
    return fields.String(validate=_whole(r"https://\S+", "use an https address"), **options)


class Part(Schema):
    """A part of a manifest: strict, and turned into the dataclass named by `makes`."""

    makes: ClassVar[type]

    class Meta:
        """What is not declared is refused."""

        unknown = RAISE

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> Any:  # noqa: ANN401 - the dataclass of `makes`
        return self.makes(**{name: frozen(value) for name, value in data.items()})


def frozen(value: Any) -> Any:  # noqa: ANN401 - any declared value
    """Return `value` as what nobody can change: tuples and read-only mappings."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return MappingProxyType({key: frozen(inner) for key, inner in value.items()})
    return value


class InstallFieldSchema(Part):
    """One line of the install form."""

    makes = InstallField
    name = word(required=True)
    label = text(required=True)
    hint = fields.String()
    secret = Flag()
    required = Flag()
    form = fields.Enum(FieldForm, by_value=True)
    choices = fields.List(text())
    choice_hints = fields.Dict(text(), text())

    @validates_schema
    def _check(self, data: dict[str, Any], **_: object) -> None:
        if data.get("secret") and (
            data.get("choices") or data.get("form", "text") != FieldForm.TEXT
        ):
            raise ValidationError("a secret is free text: no choices, no host form", "secret")
        if not set(data.get("choice_hints", ())) <= set(data.get("choices", ())):
            raise ValidationError("hints are for the choices that there are", "choice_hints")


class OwnWaySchema(Part):
    """The platform's own way to bring its keys."""

    makes = OwnWay
    asks = fields.List(word(), required=True)
    words = text(required=True)
    steps = fields.List(text(), required=True, validate=validate.Length(min=1))
    brings = fields.List(word())


class EmbeddedSchema(Part):
    """A page of ours in the store's own admin."""

    makes = Embedded
    frame_ancestors = fields.List(
        fields.String(validate=_whole(f"https://{_HOST_TEMPLATE}", "use https://host")),
        required=True,
        validate=validate.Length(min=1),
    )
    script = fields.String(
        validate=_whole(rf"https://{_HOST}/[A-Za-z0-9._/-]+", "give the script's https address"),
        allow_none=True,
    )


class SelfTestLineSchema(Part):
    """One line of the self-test list."""

    makes = SelfTestLine
    check = fields.Enum(SelfTest, by_value=True, required=True)
    sentence = text(required=True)


class CapabilityWordsSchema(Part):
    """One ability in words."""

    makes = CapabilityWords
    can = text(required=True)
    words = text(required=True)


class _RateLimitSchema(Part):
    makes = RateLimit
    requests = _count(required=True)
    per_seconds = _count(86400, required=True)
    burst = _count(required=True)


class _TimeoutsSchema(Part):
    makes = Timeouts
    connect = _count(30)
    read = _count(60)
    total = _count(120)


class OutgoingSchema(Part):
    """How the platform is called."""

    makes = Outgoing
    base_url = fields.String(
        required=True,
        validate=_whole(
            rf"https://{_HOST_TEMPLATE}(?:{_PATH}[A-Za-z0-9])?",
            "use https://host/path without a slash at the end, with placeholders in the host only",
        ),
    )
    hosts = fields.List(
        fields.String(validate=_whole(_HOST_TEMPLATE, "give a host name, without scheme or port")),
        required=True,
        validate=validate.Length(min=1),
    )
    rate_limit = fields.Nested(_RateLimitSchema, required=True)
    timeouts = fields.Nested(_TimeoutsSchema)

    @validates_schema
    def _check(self, data: dict[str, Any], **_: object) -> None:
        if data["base_url"].removeprefix("https://").partition("/")[0] not in data["hosts"]:
            raise ValidationError("name the host of base_url here too", "hosts")
        if any("*" in host for host in data["hosts"]):
            raise ValidationError(
                "name each host: a wildcard would open the door to others", "hosts"
            )


class _SignatureSchema(Part):
    makes = SignatureDeclaration
    scheme = fields.String(required=True, validate=validate.OneOf(SCHEME_NAMES))
    header = _header(required=True)
    tolerance_seconds = _count(3600, allow_none=True)
    timestamp_header = _header(allow_none=True)
    normalise_json = Flag()

    @validates_schema
    def _check(self, data: dict[str, Any], **_: object) -> None:
        faults = declaration_faults(**data)
        if faults:
            raise ValidationError(list(faults))


class _AppAddressSchema(Part):
    makes = AppAddress
    field = word(required=True)
    header = _header(required=True)
    account = fields.String(
        required=True, validate=_whole(_HOST_TEMPLATE, "give a host with form fields in braces")
    )


class _NamedAccountSchema(Part):
    makes = NamedAccount
    field = word(required=True)
    setting = word(required=True)


class _BareTopicsSchema(Part):
    makes = BareTopics
    header = _header(required=True)
    topics = fields.List(text(), required=True, validate=validate.Length(min=1))


class WebhooksSchema(Part):
    """How deliveries arrive."""

    makes = Webhooks
    signature = fields.Nested(_SignatureSchema, required=True, allow_none=True)
    trust = fields.Enum(Trust, by_value=True, required=True)
    delivery_id_header = _header(allow_none=True)
    delivery_id_field = fields.String(
        validate=_whole(_WORD, "give a key of the body, best its first"), allow_none=True
    )
    bare_topics = fields.Nested(_BareTopicsSchema, allow_none=True)
    event_id_header = _header(allow_none=True)
    topic_header = _header(allow_none=True)
    topic_field = fields.String(
        validate=_whole(rf"{_WORD}(?:\.{_WORD})*", "give the keys, joined by dots"), allow_none=True
    )
    secret_field = word(allow_none=True)
    ping_field = word(allow_none=True)
    app_address = fields.Nested(_AppAddressSchema, allow_none=True)
    named_account = fields.Nested(_NamedAccountSchema, allow_none=True)
    ticked_by_hand = fields.List(text())
    topics = fields.Dict(
        text(),
        fields.List(word(), validate=validate.Length(min=1)),
        required=True,
        validate=validate.Length(min=1),
    )

    @validates_schema
    def _check(self, data: dict[str, Any], **_: object) -> None:
        if (data["signature"] is None) is not (data["trust"] is Trust.UNSIGNED):
            raise ValidationError("unsigned goes without a signature, all else needs one", "trust")
        if (data.get("topic_header") is None) is (data.get("topic_field") is None):
            raise ValidationError(
                "give exactly one of topic_header and topic_field", "topic_header"
            )
        if data.get("delivery_id_header") and data.get("delivery_id_field"):
            raise ValidationError("give delivery_id_header or this, not both", "delivery_id_field")
        bare = data.get("bare_topics")
        if bare is not None and not set(bare.topics) <= set(data["topics"]):
            raise ValidationError("name topics", "bare_topics")
        if not set(data.get("ticked_by_hand", ())) <= set(data["topics"]):
            raise ValidationError("name topics", "ticked_by_hand")


class _ManualRefundSchema(Part):
    makes = ManualRefund
    steps = fields.List(text(), required=True, validate=validate.Length(min=1))
    link = https(allow_none=True)


class RefundsSchema(Part):
    """What the refund saga must know."""

    makes = Refunds
    idempotency = fields.Enum(Idempotency, by_value=True, required=True)
    key_lives_seconds = _count(allow_none=True)
    look_up_after_seconds = fields.List(_count(86400))
    sends_again = Flag()
    manual = fields.Nested(_ManualRefundSchema, allow_none=True)

    @validates_schema
    def _check(self, data: dict[str, Any], **_: object) -> None:
        lives = data.get("key_lives_seconds")
        if (data["idempotency"] is Idempotency.KEY) is not (lives is not None):
            raise ValidationError(
                "say how long a key lives, where there is one", "key_lives_seconds"
            )
        schedule = data.get("look_up_after_seconds", [])
        if schedule != sorted(set(schedule)):
            raise ValidationError("seconds after the call, ascending", "look_up_after_seconds")
        if any(late - early > MOST_BETWEEN_LOOKS for early, late in pairwise([0, *schedule])):
            raise ValidationError(
                f"at most {MOST_BETWEEN_LOOKS} seconds apart: what nobody knows is found by then",
                "look_up_after_seconds",
            )


class MoneySchema(Part):
    """How amounts and currencies travel."""

    makes = MoneyForm
    amounts = fields.Enum(AmountForm, by_value=True, required=True)
    currency_case = fields.Enum(LetterCase, by_value=True)
    exponents = fields.Dict(
        fields.String(validate=_whole("[A-Z]{3}", "use an ISO 4217 code")),
        fields.Integer(strict=True, validate=validate.Range(0, 4)),
    )
    refused = fields.List(fields.String(validate=_whole("[A-Z]{3}", "use an ISO 4217 code")))

    @post_load
    def _make(self, data: dict[str, Any], **_: object) -> MoneyForm:
        return MoneyForm(
            **{name: frozen(value) for name, value in data.items() if name != "refused"},
            refused=frozenset(data.get("refused", ())),
        )


class PanelSchema(Part):
    """How the desk frames our panel."""

    makes = Panel
    agent_vouched_by = fields.Enum(Vouching, by_value=True, required=True)
    frame_ancestors = fields.List(
        fields.String(validate=_whole(f"https://{_HOST_TEMPLATE}", "use https://host")),
        required=True,
    )
    script_hosts = fields.List(
        fields.String(validate=_whole(f"https://{_HOST}", "use https://host"))
    )
    ticket_link = https()


class QualityRuleSchema(Part):
    """One rule of the quality list."""

    makes = QualityRule
    rule = word(required=True)
    status = fields.Enum(QualityStatus, by_value=True, required=True)
    reason = fields.String()
    verified = fields.String()

    @validates_schema
    def _check(self, data: dict[str, Any], **_: object) -> None:
        needed = "verified" if data["status"] is QualityStatus.DONE else "reason"
        if not data.get(needed, "").strip():
            raise ValidationError(f"{data['status']} needs it", needed)
