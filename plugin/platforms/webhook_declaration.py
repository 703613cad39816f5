"""How a platform's deliveries arrive, as its manifest declares it: the part `webhooks`.

Declarations only: it checks no signature, keeps nothing, and holds no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from plugin.platforms.signature_declaration import SignatureDeclaration
from plugin.platforms.strict_json import JsonValue, Reader
from plugin.platforms.url_templates import read_host

_LONGEST_PING = 20


class Trust(StrEnum):
    """What an incoming delivery proves: its content, only that something changed, or nothing."""

    SIGNED = "signed"
    REFETCH = "refetch"
    UNSIGNED = "unsigned"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppAddress:
    """One address for all accounts of an app, beside each connection's: `/webhooks/<stem>/<app>`.

    `field` is the form field that names our app; `header` says whose delivery it is, as `account`,
    a host template of form fields. It is a claim: that account's own secrets must prove the body.
    """

    field: str
    header: str
    account: str

    def settings_of(self, app: str, header: str) -> Mapping[str, str] | None:
        """What the settings of the account's connection hold; None for no such account's name."""
        account = read_host(self.account, header)
        return None if account is None else {self.field: app, **account}


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedAccount:
    """Whose delivery a body says that it is: what `field` holds there, the connection's `setting`.

    For an app that signs what several accounts send with one secret, to one address.
    """

    field: str
    setting: str

    def is_of(self, body: JsonValue, settings: Mapping[str, str]) -> bool:
        """Whether the body names the account of these settings. Raises Malformed if it names none.

        Without the setting no body does.
        """
        return Reader(body).text(self.field) == settings.get(self.setting)


@dataclass(frozen=True, slots=True, kw_only=True)
class BareTopics:
    """Topics whose body says which thing it is and no more: what comes later may be told alike.

    `header` tells such deliveries apart, together with the body: it need not do so alone.
    """

    header: str
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """How deliveries arrive. `topics`: the vendor's word, and the kinds of event it may mean.

    Exactly one of `topic_header` and `topic_field` (dotted path in the body) is set, and at most
    one of `delivery_id_header` and `delivery_id_field` (a field of the body, best its first: then
    nobody opens it to take it in); without both the body names it, and `bare_topics` are those of
    which it says too little. `event_id_header` names what happened, where the vendor may tell
    one thing in several deliveries: told again in the very same words it is no news. Without a
    `signature` every delivery is refused: the entry only says that the vendor does not sign.
    `secret_field`: the form field whose secret signs, an app's own. `ping_field`: the vendor tries
    an address out with an unsigned form of this one field, a number. `app_address`: some topics
    come to one address of the whole app. `named_account`: the body says whose it is.
    `ticked_by_hand`: the topics that an admin chooses in the vendor's screens, where no call of
    ours does.
    """

    signature: SignatureDeclaration | None
    trust: Trust
    topics: Mapping[str, tuple[str, ...]]
    delivery_id_header: str | None = None
    delivery_id_field: str | None = None
    bare_topics: BareTopics | None = None
    event_id_header: str | None = None
    topic_header: str | None = None
    topic_field: str | None = None
    secret_field: str | None = None
    ping_field: str | None = None
    app_address: AppAddress | None = None
    named_account: NamedAccount | None = None
    ticked_by_hand: tuple[str, ...] = ()

    def is_ping(self, body: bytes) -> bool:
        """Whether it is the vendor's unsigned try: it says nothing, and nothing is kept of it."""
        name, _, number = body.partition(b"=")
        is_named = self.ping_field is not None and name == self.ping_field.encode()
        return is_named and number.isdigit() and len(number) <= _LONGEST_PING
