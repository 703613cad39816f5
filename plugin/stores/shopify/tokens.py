"""Access tokens of the merchant's own app, by the client credentials grant.

For apps that a merchant made in the dev dashboard and installed in shops of the same organisation;
a token lives 24 hours. Keeps a token only as long as it itself lives, and writes none anywhere.
https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/client-credentials-grant
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from plugin.domain.errors import Refused, RetryLater
from plugin.platforms.http_client import Answer, Call, HttpClient
from plugin.platforms.strict_json import Malformed, Reader, Unreadable, read_json
from plugin.ports import Clock, Connection
from plugin.stores.shopify.account import base_url, understood

MARGIN = timedelta(minutes=2)
"""A token this close to its end is not used: the call could arrive after it."""
_WORD = re.compile(r"[a-z_]{1,64}")


class ClientCredentials:
    """Tokens for `settings["client_id"]` and `secrets["client_secret"]`."""

    def __init__(self, connection: Connection, http: HttpClient, clock: Clock) -> None:
        self._url = f"{base_url(connection)}/admin/oauth/access_token"
        self._id = connection.settings.get("client_id", "")
        self._secret = connection.secrets["client_secret"]
        self._http = http
        self._clock = clock
        self._kept: tuple[str, datetime] | None = None

    def token(self) -> str:
        """One that lives. Raises Refused for a wrong id or secret, or an app not installed here.

        Raises RetryLater where there is no answer: asking twice does no harm.
        """
        now = self._clock.now()
        if self._kept is None or self._kept[1] <= now:
            self._kept = self._fetched(now)
        return self._kept[0]

    def forget(self) -> None:
        self._kept = None

    def _fetched(self, now: datetime) -> tuple[str, datetime]:
        form = [
            ("grant_type", "client_credentials"),
            ("client_id", self._id),
            ("client_secret", self._secret),
        ]
        answer = self._http.send(Call("POST", self._url, "token.fetch", form=form, reads=True))
        if not answer.is_ok:
            raise Refused("key_refused", _reason(answer))
        with understood(RetryLater):
            read = Reader(answer.json())
            lives = read.integer("expires_in")
            if not 0 < lives <= 10_000_000:
                raise Malformed("expires_in")
            return read.text("access_token"), now + timedelta(seconds=lives) - MARGIN


def _reason(answer: Answer) -> str:
    """`shop_not_permitted`, `application_cannot_be_found`; the status where it says it oddly."""
    try:
        word = Reader(read_json(answer.body)).optional_text("error") or ""
    except (Unreadable, Malformed):
        word = ""
    return word if _WORD.fullmatch(word) else f"HTTP {answer.status}"
