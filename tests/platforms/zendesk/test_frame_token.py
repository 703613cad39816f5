"""The frame's token judged by itself: its edges, the clock, and when the desk is asked for its key.

`test_sign_in.py` does the same over HTTP. Here the keys are given, and nothing is called.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from plugin.domain.errors import MakegoodError, Refused, RetryLater
from plugin.helpdesks.zendesk.sign_in import (
    KEY_LIFE,
    LEEWAY_SECONDS,
    LONGEST_LIFE_SECONDS,
    LONGEST_TOKEN,
    REFETCH_PAUSE,
    App,
    KnownKey,
    PublicKeys,
    read_public_key,
    signed_in_agent,
    to_pem,
)
from tests.platforms.zendesk import tokens
from tests.platforms.zendesk.data import AGENT, APP, APP_INSTALLATION, SUBDOMAIN

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OURS = App(SUBDOMAIN, str(APP), str(APP_INSTALLATION))


DESKS = "the desk's"


@cache
def key(name: str) -> RSAPrivateKey:
    """One for each name."""
    return tokens.new_key(2040 if name == "short" else 2048)


@dataclass
class Desk:
    """What an address of keys answers: a key, or the error in its place. Counts who asks."""

    answer: RSAPublicKey | MakegoodError = field(default_factory=lambda: key(DESKS).public_key())
    asked: int = 0

    def __call__(self) -> RSAPublicKey:
        self.asked += 1
        if isinstance(self.answer, MakegoodError):
            raise self.answer
        return self.answer


def encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def known(read_at: datetime = NOW, name: str = DESKS) -> KnownKey:
    return KnownKey(key(name).public_key(), read_at)


def enter(
    token: str,
    *,
    now: datetime = NOW,
    desk: Desk | None = None,
    keys: PublicKeys | None = None,
    kept: KnownKey | None = None,
    app: App = OURS,
) -> str:
    return signed_in_agent(token, app, now, keys or PublicKeys(), desk or Desk(), kept)


def refusal(token: str, **more: Any) -> str:  # noqa: ANN401 - as `enter`
    with pytest.raises(Refused) as raised:
        enter(token, **more)
    return raised.value.code


def token(
    now: datetime = NOW,
    *,
    name: str = DESKS,
    headers: dict[str, Any] | None = None,
    **changed: Any,  # noqa: ANN401 - hostile values too
) -> str:
    return tokens.sign(key(name), tokens.claims(now, **changed), headers)


# --- who it is for --------------------------------------------------------------------------------

AUDIENCE = OURS.audience
NOT_OURS: dict[str, dict[str, Any]] = {
    "another installation": {"aud": AUDIENCE.replace(str(APP_INSTALLATION), "8202")},
    "a list of audiences": {"aud": [AUDIENCE]},
    "no audience": {"aud": None},
    "another issuer": {"iss": "evil.zendesk.com"},
    "a list of issuers": {"iss": [OURS.issuer]},
    "no issuer": {"iss": None},
    "no subject": {"sub": None},
    "no end": {"exp": None},
    "no beginning": {"iat": None},
}


@pytest.mark.parametrize("changed", NOT_OURS.values(), ids=NOT_OURS.keys())
def test_a_token_that_is_not_for_us_is_refused_and_asks_nobody(changed: dict[str, Any]) -> None:
    desk = Desk()
    assert refusal(token(**changed), desk=desk, kept=known()) == "token_refused"
    assert refusal(token(**changed), desk=desk) == "token_refused"
    assert refusal(token(name="stranger's", **changed), desk=desk) == "token_refused"
    assert desk.asked == 0


def test_no_token_is_told_apart_from_a_wrong_one() -> None:
    assert refusal("") == "token_missing"
    assert refusal("a.b.c", kept=known()) == "token_refused"


# --- its edges ------------------------------------------------------------------------------------


def test_it_may_be_so_long_and_no_longer() -> None:
    sizes = {len(one): one for one in (token(padding="x" * n) for n in range(5400, 5440))}
    assert enter(sizes[LONGEST_TOKEN]) == str(AGENT)
    longer = min(size for size in sizes if size > LONGEST_TOKEN)
    assert refusal(sizes[longer]) == "token_refused"


@pytest.mark.parametrize(
    "more", [{"crit": []}, {"crit": ["b64"]}, {"b64": True}, {"b64": 0}, {"kid": 7}]
)
def test_a_header_that_may_change_what_is_signed_or_is_odd_is_refused(more: dict[str, Any]) -> None:
    # By hand: PyJWT leaves out what it finds superfluous.
    parts = ({"alg": "RS256", "typ": "JWT", **more}, tokens.claims(NOW))
    signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    mark = key(DESKS).sign(signed.encode(), PKCS1v15(), SHA256())
    desk = Desk()
    assert refusal(f"{signed}.{encoded(mark)}", desk=desk, kept=known()) == "token_refused"
    assert desk.asked == 0


def test_a_header_of_more_words_than_ours_is_taken() -> None:
    assert enter(token(headers={"kid": "9", "jku": "https://evil.example/k"})) == str(AGENT)


@pytest.mark.parametrize("year", [2020, 2090])
def test_no_clock_but_ours_judges_it(year: int) -> None:
    now = datetime(year, 1, 1, tzinfo=UTC)
    assert enter(token(now), now=now) == str(AGENT)
    assert enter(token(now), now=now, kept=known(now)) == str(AGENT)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"exp": 1}, ""),
        ({"exp": LONGEST_LIFE_SECONDS}, ""),
        ({"exp": LONGEST_LIFE_SECONDS + 1}, "token_refused"),
        ({"exp": 0}, "token_refused"),
        ({"exp": -1}, "token_refused"),
        ({"iat": LEEWAY_SECONDS}, ""),
        ({"iat": LEEWAY_SECONDS + 1}, "token_refused"),
        ({"nbf": LEEWAY_SECONDS}, ""),
        ({"nbf": LEEWAY_SECONDS + 1}, "token_refused"),
        ({"nbf": LEEWAY_SECONDS + 1, "iat": -1}, "token_refused"),
        ({"nbf": -9, "iat": LEEWAY_SECONDS + 1}, "token_refused"),
        ({"iat": -60, "exp": -LEEWAY_SECONDS + 1}, ""),
        ({"iat": -60, "exp": -LEEWAY_SECONDS}, "token_expired"),
    ],
    ids=str,
)
def test_its_times_hold_to_the_second(changed: dict[str, int], code: str) -> None:
    at = int(NOW.timestamp())
    times: dict[str, Any] = {name: at + seconds for name, seconds in changed.items()}
    made = token(**times)
    if not code:
        assert enter(made) == str(AGENT)
        return
    assert refusal(made) == code
    assert refusal(made, kept=known()) == code


def test_without_a_time_before_which_it_does_not_hold_it_holds_from_its_making() -> None:
    assert enter(token(nbf=None)) == str(AGENT)
    late = int(NOW.timestamp()) + LEEWAY_SECONDS + 1
    assert refusal(token(nbf=None, iat=late)) == "token_refused"


@pytest.mark.parametrize("name", ["iat", "exp", "nbf"])
@pytest.mark.parametrize("value", [True, "1", 1.5, []])
def test_a_time_is_a_whole_number(name: str, value: object) -> None:
    changed: dict[str, Any] = {name: value}
    assert refusal(token(**changed)) == "token_refused"
    assert refusal(token(**changed), kept=known()) == "token_refused"


@pytest.mark.parametrize(
    ("subject", "agent"),
    [
        ("102", "102"),
        ("102.json", "102"),
        (f"https://{SUBDOMAIN}.zendesk.com/api/v2/users/102", "102"),
        (f"https://{SUBDOMAIN}.zendesk.com/api/v2/users/102.json", "102"),
        ("9" * 19, "9" * 19),
        ("9" * 20, ""),
        ("102.json.json", ""),
        (f"https://{SUBDOMAIN}xzendesk.com/api/v2/users/102", ""),
    ],
)
def test_the_agent_is_read_whole_or_not_at_all(subject: str, agent: str) -> None:
    if agent:
        assert enter(token(sub=subject)) == agent
    else:
        assert refusal(token(sub=subject)) == "token_refused"


@pytest.mark.parametrize(
    "context",
    [
        {"product": "support"},
        {"location": "ticket_sidebar"},
        {"product": "support", "location": "top_bar"},
        {"product": "chat", "location": "ticket_sidebar"},
        [["product", "support"], ["location", "ticket_sidebar"]],
    ],
)
def test_it_is_for_the_sidebar_of_a_ticket(context: object) -> None:
    assert refusal(token(context=context)) == "token_refused"


# --- the desk's key -------------------------------------------------------------------------------


def test_a_key_that_we_know_asks_nobody_until_its_hour_is_over() -> None:
    desk, keys = Desk(), PublicKeys()
    assert enter(token(), desk=desk, keys=keys, kept=known(NOW - KEY_LIFE + timedelta(seconds=1)))
    assert desk.asked == 0
    assert enter(token(), desk=desk, keys=keys, kept=known(NOW - KEY_LIFE))
    assert desk.asked == 1
    assert enter(token(), desk=desk, keys=keys, kept=known(NOW - KEY_LIFE))
    assert desk.asked == 1, "what was read anew is newer than what was kept"


def test_a_key_that_was_kept_later_counts_before_one_that_was_read_earlier() -> None:
    keys, desk = PublicKeys(), Desk()
    enter(token(), keys=keys, desk=desk)
    newer = known(NOW + timedelta(seconds=1), "new")
    assert enter(token(name="new"), keys=keys, desk=desk, kept=newer) == str(AGENT)
    assert desk.asked == 1
    same = known(NOW, "new")
    assert enter(token(), keys=keys, desk=desk, kept=same) == str(AGENT)
    assert desk.asked == 1, "of two of one moment the one that was read counts"


def test_an_expired_token_of_an_old_key_asks_nobody() -> None:
    desk = Desk()
    old = NOW - 2 * KEY_LIFE
    assert refusal(token(old), desk=desk, kept=known(old)) == "token_expired"
    assert refusal(token(old), desk=desk) == "token_expired"
    assert desk.asked == 0


def test_a_withdrawn_key_opens_nothing_once_its_hour_is_over() -> None:
    desk = Desk(key("new").public_key())
    assert refusal(token(), desk=desk, kept=known(NOW - KEY_LIFE)) == "token_refused"
    assert desk.asked == 1


def test_a_stranger_is_looked_for_once_in_five_minutes() -> None:
    desk, keys = Desk(), PublicKeys()
    forged = token(name="stranger's")
    assert refusal(forged, desk=desk, keys=keys, kept=known()) == "token_refused"
    assert desk.asked == 1
    soon = NOW + REFETCH_PAUSE - timedelta(seconds=1)
    fresh = token(soon, name="stranger's")
    assert refusal(fresh, now=soon, desk=desk, keys=keys, kept=known()) == "token_refused"
    assert desk.asked == 1
    later = NOW + REFETCH_PAUSE
    fresh = token(later, name="stranger's")
    assert refusal(fresh, now=later, desk=desk, keys=keys, kept=known()) == "token_refused"
    assert desk.asked == 2


def test_the_pause_is_each_apps_own() -> None:
    desk, keys = Desk(), PublicKeys()
    enter(token(), desk=desk, keys=keys)
    other = App(SUBDOMAIN, "914", str(APP_INSTALLATION))
    assert enter(token(), desk=desk, keys=keys, app=other) == str(AGENT)
    elsewhere = App("other", str(APP), str(APP_INSTALLATION))
    theirs = token(
        sub="102",
        iss="other.zendesk.com",
        aud=f"https://other.zendesk.com/api/v2/apps/installations/{APP_INSTALLATION}.json",
    )
    assert enter(theirs, desk=desk, keys=keys, app=elsewhere) == str(AGENT)
    assert desk.asked == 3


def test_who_must_wait_for_a_key_is_told_how_long() -> None:
    keys, desk = PublicKeys(), Desk(RetryLater("app_key", "out of order"))
    with pytest.raises(RetryLater, match="out of order"):
        enter(token(), keys=keys, desk=desk)
    for passed, wait in ((timedelta(), 300), (timedelta(seconds=99.5), 201)):
        now = NOW + passed
        with pytest.raises(RetryLater) as raised:
            enter(token(), now=now, keys=keys, desk=desk)
        assert str(raised.value) == "app_key_unknown: asked a moment ago"
        assert raised.value.after_seconds == wait
    assert desk.asked == 1


def test_a_key_that_cannot_be_read_is_no_fault_of_ours_for_a_stranger() -> None:
    desk = Desk(RetryLater("app_key", "out of order"))
    forged = token(name="stranger's")
    assert refusal(forged, desk=desk, kept=known()) == "token_refused"
    assert desk.asked == 1


def _curve() -> bytes:
    made = ec.generate_private_key(ec.SECP256R1()).public_key()
    return made.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


SHORT = "app_key_unreadable: not an RSA key of 2048 bits or more"


@pytest.mark.parametrize(
    ("pem", "says"),
    [
        (lambda: b"", "app_key_unreadable"),
        (lambda: b"<html>", "app_key_unreadable"),
        (lambda: tokens.public_pem(key("short")), SHORT),
        (_curve, SHORT),
    ],
    ids=["nothing", "a page", "short", "a curve"],
)
def test_what_is_no_long_rsa_key_is_refused_by_name(pem: Callable[[], bytes], says: str) -> None:
    with pytest.raises(Refused) as raised:
        read_public_key(pem())
    assert str(raised.value) == says


def test_a_key_is_kept_as_it_was_given() -> None:
    pem = tokens.public_pem(key(DESKS))
    assert to_pem(read_public_key(b"Our key:\n" + pem)) == pem.decode()
