"""Who opens the frame: checks the token that Zendesk signs and posts with the first request.

The key's address is built from our own settings; nothing in the token (`kid`, `jku`, `cnf`) ever
says where a key is. The token names the account, the installation, the agent and the location, but
not the ticket. Keeps public keys in memory, and nothing else. Who has not signed with a key that we
know makes us call Zendesk at most once in `REFETCH_PAUSE`, and only with a token made for this app.

Source: developer.zendesk.com, "Building a server-side app - Part 5: Securing the app". The life of
a token, the form of `sub` and the meaning of `qsh` are not documented there: the life is capped,
`sub` is read in both forms seen, `qsh` is not judged.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from plugin.domain.errors import MakegoodError, Refused, RetryLater
from plugin.domain.ids import AgentId

ID: Final = re.compile(r"[1-9][0-9]{0,18}")
"""A Zendesk id. Use `fullmatch`, before it stands in a path."""

LEEWAY_SECONDS: Final = 30
LONGEST_LIFE_SECONDS: Final = 15 * 60
LONGEST_TOKEN: Final = 8192
KEY_LIFE: Final = timedelta(hours=1)
"""A key is read anew after this time, so that one that Zendesk withdrew ends."""
REFETCH_PAUSE: Final = timedelta(minutes=5)
"""Tokens that no key of ours signed cost nothing to send: they make us fetch at most this often."""

_SMALLEST_KEY_BITS: Final = 2048
_CLAIMS: Final = ("exp", "iat", "aud", "iss", "sub")

FetchKey = Callable[[], RSAPublicKey]


@dataclass(frozen=True, slots=True)
class App:
    """The installed app that a token must be made for."""

    subdomain: str
    app_id: str
    app_installation_id: str

    @property
    def issuer(self) -> str:
        """The `iss` of its tokens."""
        return f"{self.subdomain}.zendesk.com"

    @property
    def audience(self) -> str:
        """The `aud` of its tokens."""
        path = f"api/v2/apps/installations/{self.app_installation_id}.json"
        return f"https://{self.issuer}/{path}"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """An app's public key, and when Zendesk gave it."""

    key: RSAPublicKey
    read_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Whether it need not be read anew."""
        return now - self.read_at < KEY_LIFE


class PublicKeys:
    """The apps' public keys, by subdomain and app. One for all requests of a process."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], KnownKey] = {}
        self._asked: dict[tuple[str, str], datetime] = {}
        self._lock = Lock()

    def known(self, app: App, kept: KnownKey | None) -> KnownKey | None:
        """The newest key that is known without asking; `kept` is what finishing stored."""
        ours = self._known.get((app.subdomain, app.app_id))
        if ours is None or (kept is not None and kept.read_at > ours.read_at):
            return kept
        return ours

    def fetched(self, app: App, now: datetime, fetch: FetchKey) -> RSAPublicKey:
        """The key as it is now, for somebody who proved who he is. Raises what `fetch` raises."""
        key = fetch()
        self._known[app.subdomain, app.app_id] = KnownKey(key, now)
        return key

    def fetched_for_stranger(
        self, app: App, now: datetime, fetch: FetchKey
    ) -> RSAPublicKey | timedelta:
        """The key as it is now, or how long strangers must wait until they make us ask again."""
        name = (app.subdomain, app.app_id)
        with self._lock:
            last = self._asked.get(name)
            if last is not None and now - last < REFETCH_PAUSE:
                return last + REFETCH_PAUSE - now
            # Noted before the call: a key address that does not answer is not asked more often.
            self._asked[name] = now
        return self.fetched(app, now, fetch)


def read_public_key(pem: bytes) -> RSAPublicKey:
    """The RSA key in `pem`. Raises Refused for anything else, and for one that is too short."""
    try:
        key = load_pem_public_key(pem)
    except ValueError:
        raise Refused("app_key_unreadable") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < _SMALLEST_KEY_BITS:
        raise Refused("app_key_unreadable", "not an RSA key of 2048 bits or more")
    return key


def to_pem(key: RSAPublicKey) -> str:
    """`key` as text that `read_public_key` reads: the key alone, whatever stood around it."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def signed_in_agent(
    token: str,
    app: App,
    now: datetime,
    keys: PublicKeys,
    fetch: FetchKey,
    kept: KnownKey | None = None,
) -> AgentId:
    """The agent whom Zendesk names in `token`. `kept` is the key that finishing stored.

    Raises Refused: `token_missing`, `token_expired` (opening the ticket again helps) or
    `token_refused`; RetryLater while the key is unknown and was asked for a moment ago; and what
    `fetch` raises.
    """
    if not token:
        raise Refused("token_missing")
    if len(token) > LONGEST_TOKEN or not _is_signed_as_agreed(token):
        raise Refused("token_refused")
    known = keys.known(app, kept)
    claims = None if known is None else _claims(token, app, known.key)
    if known is None or claims is None:
        # A new key at Zendesk, or nobody: without asking we cannot tell.
        _check_times(_unproven_claims(token, app), now)
        try:
            found = keys.fetched_for_stranger(app, now, fetch)
        except MakegoodError:
            if known is None:
                raise
            # The key we know says no: a forged token must not become a failure of ours.
            raise Refused("token_refused") from None
        if isinstance(found, timedelta):
            if known is None:
                after = math.ceil(found.total_seconds())
                raise RetryLater("app_key_unknown", "asked a moment ago", after_seconds=after)
            raise Refused("token_refused")
        claims = _claims(token, app, found)
    elif not known.is_fresh(now):
        _check_times(claims, now)
        claims = _claims(token, app, keys.fetched(app, now, fetch))
    if claims is None:
        raise Refused("token_refused")
    _check_times(claims, now)
    return _agent(claims, app)


def _is_signed_as_agreed(token: str) -> bool:
    """Whether the header asks for RS256 and for nothing that changes what is signed."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        return False
    return header.get("alg") == "RS256" and not {"crit", "b64"} & header.keys()


def _claims(token: str, app: App, key: RSAPublicKey) -> Mapping[str, object] | None:
    """What `token` says; None when this key did not sign it. Raises Refused when not for us."""
    try:
        return _decoded(token, app, key)
    except jwt.InvalidSignatureError:
        return None


def _unproven_claims(token: str, app: App) -> Mapping[str, object]:
    """What `token` says, whoever wrote it. Raises Refused when not for us."""
    return _decoded(token, app, None)


def _decoded(token: str, app: App, key: RSAPublicKey | None) -> Mapping[str, object]:
    try:
        claims: dict[str, object] = jwt.decode(
            token,
            key or "",
            algorithms=["RS256"],
            audience=app.audience,
            issuer=app.issuer,
            options={
                "verify_signature": key is not None,
                "verify_aud": True,
                "verify_iss": True,
                "require": list(_CLAIMS),
                "strict_aud": True,
                # PyJWT asks the system's clock; ours is an argument.
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except jwt.InvalidSignatureError:
        raise
    except jwt.InvalidTokenError:
        raise Refused("token_refused") from None
    return claims


def _check_times(claims: Mapping[str, object], now: datetime) -> None:
    begins, ends = _seconds(claims, "iat"), _seconds(claims, "exp")
    present = now.timestamp()
    starts = max(begins, _seconds(claims, "nbf") if "nbf" in claims else begins)
    if not 0 < ends - begins <= LONGEST_LIFE_SECONDS or starts > present + LEEWAY_SECONDS:
        raise Refused("token_refused")
    if present >= ends + LEEWAY_SECONDS:
        raise Refused("token_expired")


def _seconds(claims: Mapping[str, object], name: str) -> int:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused("token_refused")
    return value


def _agent(claims: Mapping[str, object], app: App) -> AgentId:
    context = claims.get("context")
    if not isinstance(context, dict) or (context.get("product"), context.get("location")) != (
        "support",
        "ticket_sidebar",
    ):
        raise Refused("token_refused")
    subject = str(claims["sub"])
    address = re.escape(f"https://{app.issuer}/api/v2/users/")
    found = re.fullmatch(rf"(?:{address})?({ID.pattern})(?:\.json)?", subject)
    if found is None:
        raise Refused("token_refused")
    return AgentId(found[1])
