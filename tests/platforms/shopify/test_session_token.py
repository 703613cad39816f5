"""The session token of Shopify's admin: what is taken, and every way in which it is not."""

from __future__ import annotations

import socket
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.ports.embedding import Framed, Proven
from plugin.stores.shopify import ShopifyEmbedded
from plugin.stores.shopify.session_token import LONGEST_TOKEN
from tests.platforms.shopify.conftest import NOW
from tests.platforms.shopify.grants import APP, HOST, SECRET, session_token

ADMIN = ShopifyEmbedded()
SETTINGS = {"shop": "acme", "client_id": APP}


def prove(token: str, *, shop: str = "acme", secret: str = SECRET) -> Proven | None:
    settings = {**SETTINGS, "shop": shop}
    return ADMIN.prove(settings, {"client_secret": secret}, token, NOW)


def test_a_token_of_the_shop_for_our_app_proves_who_asks() -> None:
    token = session_token(NOW)
    assert ADMIN.account_claimed(token) == SETTINGS
    assert prove(token) == Proven("548380009", {"session_token": token})


@pytest.mark.parametrize("place", range(0, len(session_token(NOW)), 3))
def test_one_changed_character_proves_nothing(place: int) -> None:
    token = session_token(NOW)
    other = "B" if token[place] == "A" else "A"
    bent = token[:place] + other + token[place + 1 :]
    assert prove(bent) is None
    ADMIN.account_claimed(bent)  # and whatever it claims, it is read without a fault


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-app"},
        {"aud": [APP]},
        {"aud": ""},
        {"iss": "https://other.myshopify.com/admin"},
        {"iss": "https://acme.myshopify.com"},
        {"iss": "https://acme.myshopify.com/admin\n"},
        {"iss": "https://acme.myshopify.com.evil.example/admin"},
        {"dest": "https://other.myshopify.com"},
        {"dest": "https://acme.myshopify.com/"},
        {"dest": "http://acme.myshopify.com"},
        {"dest": "acme.myshopify.com"},
        {"sub": ""},
        {"sub": 7},
        {"exp": None},
        {"exp": True},
        {"exp": 1.5},
        {"nbf": "soon"},
    ],
    ids=str,
)
def test_a_token_for_another_app_or_shop_or_of_odd_claims_proves_nothing(
    claims: dict[str, Any],
) -> None:
    assert prove(session_token(NOW, **claims)) is None


@pytest.mark.parametrize("name", ["exp", "nbf", "iss", "dest", "aud", "sub"])
def test_no_needed_claim_may_be_missing(name: str) -> None:
    assert prove(session_token(NOW, without=name)) is None


@pytest.mark.parametrize(
    ("made", "holds"),
    [(-70, False), (-69, True), (0, True), (10, True), (11, False), (-86400, False)],
)
def test_it_holds_for_its_minute_and_ten_seconds_around_it(made: int, *, holds: bool) -> None:
    token = session_token(NOW + timedelta(seconds=made))
    assert (prove(token) is not None) is holds


@pytest.mark.parametrize("algorithm", ["none", "HS384", "HS512"])
@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_no_other_algorithm_is_taken(algorithm: str) -> None:
    assert prove(session_token(NOW, algorithm=algorithm)) is None


@pytest.mark.filterwarnings("ignore:The HMAC key is")
@pytest.mark.parametrize("secret", ["", "x", "0" * 31])
def test_a_secret_that_can_be_guessed_proves_nothing(secret: str) -> None:
    assert prove(session_token(NOW, secret=secret or " "), secret=secret) is None


def test_a_token_signed_with_another_secret_proves_nothing() -> None:
    assert prove(session_token(NOW, secret="z" * 40)) is None


def test_a_token_of_one_shop_proves_nothing_at_another_of_the_same_app() -> None:
    assert prove(session_token(NOW), shop="other") is None


@given(st.text(max_size=300) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_read_without_a_fault(token: str) -> None:
    assert ADMIN.account_claimed(token) is None
    assert prove(token) is None


def test_a_token_that_is_nested_deep_or_long_is_read_without_a_fault() -> None:
    deep = urlsafe_b64encode(b"[" * 2000).rstrip(b"=").decode()
    for token in (f"eyJhbGciOiJIUzI1NiJ9.{deep}.AA", "a" * 100_000):
        assert ADMIN.account_claimed(token) is None
        assert prove(token) is None


def filled(length: int) -> str:
    """A token that is good in all but its length."""
    made = (session_token(NOW, padding="x" * more) for more in range(length))
    return next(token for token in made if len(token) == length)


def test_a_good_token_may_be_as_long_as_they_get_and_no_longer() -> None:
    longest = filled(LONGEST_TOKEN)
    assert ADMIN.account_claimed(longest) == SETTINGS
    assert prove(longest) is not None
    for token in (filled(LONGEST_TOKEN + 1), filled(2 * LONGEST_TOKEN)):
        assert ADMIN.account_claimed(token) is None
        assert prove(token) is None


# --- the frame's address --------------------------------------------------------------------------

HOSTILE = [
    "",
    "acme",
    "evil.example",
    "acme.myshopify.com.evil.example",
    "evil.example/acme.myshopify.com",
    "evil.example?x=acme.myshopify.com",
    "acme.myshopify.com\n",
    "acme.myshopify.com ",
    "acme.myshopify.com:443",
    "user@acme.myshopify.com",
    "a.b.myshopify.com",
    "-acme.myshopify.com",
    "ACME.myshopify.com",
    "acmе.myshopify.com",
    "*.myshopify.com",
    "acme.myshopify.com; script-src *",
    "127.0.0.1",
    f"{'a' * 64}.myshopify.com",
]


@pytest.mark.parametrize("shop", HOSTILE)
def test_a_hostile_shop_frames_nothing_and_no_name_is_looked_up(
    shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **_: opened.append(asked))
    assert ADMIN.frame(APP, {"shop": shop, "host": HOST}) is None
    assert ADMIN.account_claimed(session_token(NOW, dest=f"https://{shop}")) is None
    assert opened == []


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"evil.example",
        b"evil.example/admin.shopify.com/store/acme",
        b"admin.shopify.com/store/acme/../../x",
        b"admin.shopify.com.evil.example/store/acme",
        b"admin.shopify.com/store/acme\n",
        b"admin.shopify.com@evil.example/store/acme",
        b"\xff\xfe",
    ],
)
def test_a_host_that_is_not_shopifys_frames_nothing(host: bytes) -> None:
    coded = urlsafe_b64encode(host).decode()
    assert ADMIN.frame(APP, {"shop": "acme.myshopify.com", "host": coded}) is None
    assert ADMIN.frame(APP, {"shop": "acme.myshopify.com", "host": "%%%"}) is None
    assert ADMIN.frame(APP, {"shop": "acme.myshopify.com", "host": "a"}) is None


def test_the_address_says_for_which_shop_the_page_is_framed() -> None:
    for host in (b"admin.shopify.com/store/acme", b"acme.myshopify.com/admin"):
        query = {"shop": "acme.myshopify.com", "host": urlsafe_b64encode(host).decode(), "x": "y"}
        framed = ADMIN.frame(APP, query)
        assert framed == Framed({"shop": "acme"}, {"shopify-api-key": APP})
    assert ADMIN.frame('"><script>', {"shop": "acme.myshopify.com", "host": HOST}) is None


def test_the_grant_and_the_token_stand_in_no_repr() -> None:
    token = session_token(NOW)
    assert token not in repr(prove(token))
