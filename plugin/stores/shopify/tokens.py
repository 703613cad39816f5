"""Access tokens of the merchant's own app, by the client credentials grant.

For apps that a merchant made in the dev dashboard and installed in shops of the same organisation;
a token lives 24 hours, and is used until shortly before its end by all that this process does for
the connection (`kept_tokens`). Writes none anywhere.
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
from plugin.stores.shopify.kept_tokens import KEPT, KeptTokens, place_of

MARGIN = timedelta(minutes=2)
"""A token this close to its end is not used: the call could arrive after it."""
_WORD = re.compile(r"[a-z_]{1,64}")


class ClientCredentials:
    """Tokens for `settings["client_id"]` and `secrets["client_secret"]`."""

    def __init__(
        self, connection: Connection, http: HttpClient, clock: Clock, kept: KeptTokens = KEPT
    ) -> None:
        self._url = f"{base_url(connection)}/admin/oauth/access_token"
        self._id = connection.settings.get("client_id", "")
        self._secret = connection.secrets["client_secret"]
        self._http = http
        self._clock = clock
        self._kept = kept
        self._place = place_of((connection.installation, self._url, self._id, self._secret))
        self._own = self._in_use = ""
        self._begins_anew = False

    def token(self) -> str:
        """One that lives. Raises Refused for a wrong id or secret, or an app not installed here.

        Raises RetryLater where there is no answer: asking twice does no harm.
        """
        now = self._clock.now()
        kept = None if self._begins_anew else self._kept.living(self._place, now)
        if kept is None:
            self._own, until = self._fetched(now)
            self._kept.keep(self._place, self._own, until)
            self._begins_anew = False
        self._in_use = kept or self._own
        return self._in_use

    def begin_anew(self) -> None:
        self._begins_anew = True

    def refused(self, code: str) -> bool:  # noqa: ARG002 - a new one may have other rights, too
        """As the protocol says. Where this very source fetched it, another would be no better."""
        self._kept.drop(self._place, self._in_use)
        self._begins_anew = True
        return self._in_use != self._own

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
