"""Expiring offline tokens: had for a session token, renewed by a refresh token before their end.

An access token lives an hour. Each renewal gives a new refresh token too, and the one before stays
good until the new one is used: so an answer that was lost loses nothing. One process renews at a
time (`plugin.ports.keys`), and both are kept before they are used. Writes no token anywhere else.
https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from plugin.domain.errors import MakegoodError, Refused, RetryLater
from plugin.platforms.http_client import Answer, Call, HttpClient
from plugin.platforms.strict_json import JsonValue, Malformed, Reader, Unreadable, read_json
from plugin.ports import Clock, Connection
from plugin.ports.keys import KeyShelf, Secrets
from plugin.stores.shopify.account import KEY_REFUSED, base_url, understood

ACCESS: Final = "access_token"
ENDS: Final = "token_ends"
REFRESH: Final = "refresh_token"
APP: Final = "token_app"
"""Whose tokens they are: those of another app are not used after its id was replaced."""
GRANT: Final = "session_token"

EARLY: Final = timedelta(minutes=10)
"""Renewed this long before the end: whoever is not the one to do it goes on with the old one."""
MARGIN: Final = timedelta(minutes=2)
"""A token this close to its end is not used: the call could arrive after it."""
_LONGEST: Final = 100_000_000
_WORD: Final = re.compile(r"[a-z_]{1,64}")
_EXCHANGE: Final[Mapping[str, JsonValue]] = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    "requested_token_type": "urn:shopify:params:oauth:token-type:offline-access-token",
    "expiring": "1",
}


def has_tokens(connection: Connection) -> bool:
    """Whether the connection has tokens of its own app."""
    secrets = connection.secrets
    app = connection.settings.get("client_id", "")
    return ACCESS in secrets and REFRESH in secrets and secrets.get(APP) == app


class OfflineTokens:
    """Implements `TokenSource` for what a connection's secrets hold."""

    def __init__(self, connection: Connection, http: HttpClient, clock: Clock) -> None:
        self._connection = connection
        self._secrets: Secrets = connection.secrets
        self._http = http
        self._clock = clock
        self._shelf: KeyShelf | None = None
        self._refused = ""

    def use_shelf(self, shelf: KeyShelf) -> None:
        """Where the tokens are kept, and who may renew them."""
        self._shelf = shelf

    def token(self) -> str:
        """One that lives. Raises Refused where Shopify renews it no more, else RetryLater."""
        if self._is_due(self._secrets):
            self._renew()
        if self._ends() - MARGIN <= self._clock.now():
            raise RetryLater("key_being_renewed", after_seconds=2)
        return self._secrets[ACCESS]

    def refused(self, code: str) -> bool:
        """Shopify did not take it: renewed at once, so that the admin is told where that fails."""
        if code == KEY_REFUSED:
            self._refused = self._secrets.get(ACCESS, "")
            # The call that met the refusal tells it; the shelf told the admin.
            with suppress(MakegoodError):
                self._renew()
        return False

    def begin_anew(self) -> None:
        """Not needed: each hour it is renewed by the keys, and where that fails it is told."""

    def _renew(self) -> None:
        """Renew, or take what another process had. What lives goes on where nobody answers."""
        if self._shelf is None:
            return
        try:
            had = self._shelf.renewed(self._connection, self._is_due, self._fetched)
        except RetryLater:
            if self._ends() - MARGIN <= self._clock.now():
                raise
            return
        self._secrets = self._secrets if had is None else had

    def _is_due(self, secrets: Secrets) -> bool:
        access = secrets.get(ACCESS, "")
        return access == self._refused or _ends(secrets) - EARLY <= self._clock.now()

    def _ends(self) -> datetime:
        return _ends(self._secrets)

    def _fetched(self, secrets: Secrets) -> Secrets:
        asked: dict[str, JsonValue] = {
            "grant_type": "refresh_token",
            "refresh_token": secrets.get(REFRESH, ""),
        }
        return _tokens(self._connection, self._http, self._clock, "token.renew", asked)


def exchanged(connection: Connection, http: HttpClient, clock: Clock) -> Secrets:
    """Tokens for the session token in the connection's secrets. One call.

    Raises Refused for a session token that Shopify does not take, RetryLater.
    """
    asked = {**_EXCHANGE, "subject_token": connection.secrets.get(GRANT, "")}
    return _tokens(connection, http, clock, "token.exchange", asked)


def _tokens(
    connection: Connection,
    http: HttpClient,
    clock: Clock,
    label: str,
    asked: Mapping[str, JsonValue],
) -> Secrets:
    app = connection.settings.get("client_id", "")
    body: JsonValue = {
        "client_id": app,
        "client_secret": connection.secrets["client_secret"],
        **asked,
    }
    now = clock.now()
    url = f"{base_url(connection)}/admin/oauth/access_token"
    # Asking twice does no harm: the tokens before stay good until the new ones are used.
    answer = http.send(Call("POST", url, label, json=body, reads=True))
    if not answer.is_ok:
        raise Refused("key_refused", _reason(answer))
    with understood(RetryLater):
        read = Reader(answer.json())
        lives = read.integer("expires_in")
        if not 0 < lives <= _LONGEST:
            raise Malformed("expires_in")
        return {
            ACCESS: read.text("access_token"),
            ENDS: (now + timedelta(seconds=lives)).isoformat(timespec="seconds"),
            REFRESH: read.text("refresh_token"),
            APP: app,
        }


def _ends(secrets: Secrets) -> datetime:
    try:
        ends = datetime.fromisoformat(secrets.get(ENDS, ""))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC) + EARLY
    return ends if ends.tzinfo is not None else ends.replace(tzinfo=UTC)


def _reason(answer: Answer) -> str:
    """`invalid_grant`, `invalid_subject_token`; the status where it says it oddly."""
    try:
        word = Reader(read_json(answer.body)).optional_text("error") or ""
    except (Unreadable, Malformed):
        word = ""
    return word if _WORD.fullmatch(word) else f"HTTP {answer.status}"
