"""Shopify's own library judges what we make, and we judge what it makes: webhooks and tokens.

`@shopify/shopify-api` from `tests/peers`, asked by `api_library.mjs`: the newest that runs on
Node 20, which is what the tests promise to run on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plugin.ports.embedding import Proven
from plugin.stores.shopify import ShopifyEmbedded
from plugin.stores.shopify.account import manifest
from plugin.stores.shopify.session_token import shop_of
from tests.contracts.webhook import RECEIVED, Recording
from tests.databases import Databases
from tests.node_peer import ask
from tests.platforms.shopify.admin import ShopifyAdmin, open_admin
from tests.platforms.shopify.books import Thing
from tests.platforms.shopify.grants import APP, SECRET, session_token
from tests.platforms.shopify.test_session_token import HOSTILE
from webhooks.signatures import Verified, verify

_LIBRARY = Path(__file__).with_name("api_library.mjs")

RECORDINGS = [
    Recording.read(path) for path in sorted((Path(__file__).parent / "recordings").glob("*.json"))
]
RECORDED = "shpss_recorded"
SHOP = "acme.myshopify.com"


def library(*questions: Thing) -> list[Any]:
    answers: list[Any] = ask(_LIBRARY, "@shopify/shopify-api", questions)
    assert len(answers) == len(questions)
    return answers


@pytest.fixture
def admin(tmp_path: Path, databases: Databases) -> Iterator[ShopifyAdmin]:
    with open_admin(tmp_path, databases) as one:
        yield one


# --- webhooks -------------------------------------------------------------------------------------


def test_it_takes_every_recording_and_reads_the_names_that_we_read() -> None:
    questions = [
        {"ask": "webhook", "secret": RECORDED, "headers": one.headers, "body": one.body.decode()}
        for one in RECORDINGS
    ]
    declared = manifest().webhooks
    assert declared is not None
    for one, answer in zip(RECORDINGS, library(*questions), strict=True):
        assert answer["valid"], one.name
        assert answer["webhookId"] == one.headers[str(declared.delivery_id_header)]
        assert answer["eventId"] == one.headers[str(declared.event_id_header)]
        topic = one.headers[str(declared.topic_header)]
        assert answer["topic"] == topic.upper().replace("/", "_").replace(".", "_")


def without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


def test_we_refuse_what_it_refuses() -> None:
    good, other = RECORDINGS[:2]
    mark = "X-Shopify-Hmac-Sha256"
    body, signed = good.body.decode(), good.headers[mark]
    cases = [
        (good.headers, body, RECORDED),
        (good.headers, body + " ", RECORDED),
        (good.headers, body[:-1], RECORDED),
        (good.headers, body, "another"),
        (without(good.headers, mark), body, RECORDED),
        ({**good.headers, mark: other.headers[mark]}, body, RECORDED),
        ({**good.headers, mark: signed.lower()}, body, RECORDED),
        ({**good.headers, mark: signed[:-2]}, body, RECORDED),
    ]
    answers = library(
        *(
            {"ask": "webhook", "headers": headers, "body": text, "secret": secret}
            for headers, text, secret in cases
        )
    )
    declared = manifest().webhooks
    assert declared is not None
    assert declared.signature is not None
    for (headers, text, secret), answer in zip(cases, answers, strict=True):
        delivery = Recording("", headers, text.encode()).delivery()
        ours = verify(declared.signature, delivery, [secret.encode()], RECEIVED)
        assert isinstance(ours, Verified) is answer["valid"], (headers, answer)
    assert [answer["valid"] for answer in answers] == [True, *[False] * 7]


def test_our_app_takes_what_it_signs_and_nothing_else(admin: ShopifyAdmin) -> None:
    admin.connected()
    body = '{"shop_id": 954889, "shop_domain": "acme.myshopify.com", "name": "Kovač"}'
    marks = library(
        *({"ask": "sign", "secret": secret, "body": body} for secret in (SECRET, SECRET[:-1]))
    )
    named = {"X-Shopify-Topic": "shop/redact", "X-Shopify-Shop-Domain": SHOP}
    client = admin.site.app.test_client()
    statuses = [
        client.post(
            f"/webhooks/shopify/{APP}",
            data=body.encode(),
            headers={**named, "X-Shopify-Webhook-Id": "d-1", "X-Shopify-Hmac-Sha256": mark},
        ).status_code
        for mark in reversed(marks)
    ]
    assert statuses == [401, 200]
    assert [one.body for one in admin.stored()] == [body.encode()]


# --- session tokens -------------------------------------------------------------------------------


def ours(token: str, now: datetime, secret: str = SECRET) -> Proven | None:
    settings = {"shop": "acme", "client_id": APP}
    return ShopifyEmbedded().prove(settings, {"client_secret": secret}, token, now)


@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_it_takes_the_tokens_of_our_tests_and_refuses_those_that_we_refuse() -> None:
    now = datetime.now(UTC)
    later, before = now + timedelta(hours=1), now - timedelta(hours=1)
    good = session_token(now, exp=int(later.timestamp()))
    cases = {
        "good": good,
        "one byte": f"{good[:-5]}{'A' if good[-5] != 'A' else 'B'}{good[-4:]}",
        "another secret": session_token(now, secret="z" * 40, exp=int(later.timestamp())),
        "another app": session_token(now, aud="another-app", exp=int(later.timestamp())),
        "old": session_token(before),
        "not yet": session_token(later),
        "none": session_token(now, algorithm="none"),
        "HS512": session_token(now, algorithm="HS512"),
        "no token": "x.y.z",
    }
    answers = library(
        *({"ask": "token", "app": APP, "secret": SECRET, "token": one} for one in cases.values())
    )
    taken = {name: "refused" not in one for name, one in zip(cases, answers, strict=True)}
    assert taken == {name: ours(token, now) is not None for name, token in cases.items()}
    assert [name for name, is_taken in taken.items() if is_taken] == ["good"]
    assert (answers[0]["dest"], answers[0]["sub"]) == (f"https://{SHOP}", "548380009")


def test_our_page_opens_for_a_token_that_it_makes(admin: ShopifyAdmin) -> None:
    admin.claim()
    moment = int(admin.site.clock.now().timestamp())
    said = {"iss": f"https://{SHOP}/admin", "iat": moment, "nbf": moment, "exp": moment + 60}
    bent: list[Thing] = [
        {},
        {"aud": "another-app"},
        {"exp": moment - 60},
        {"iss": f"https://x{SHOP}/admin"},
    ]
    asked = {"ask": "make", "shop": "acme", "app": APP, "secret": SECRET}
    made = library(*({**asked, "claims": {**said, **claims}} for claims in bent))
    statuses = [admin.call("open", token).status_code for token in reversed(made)]
    assert statuses == [401, 401, 401, 200]


def test_of_hostile_names_of_shops_it_takes_none_that_we_take_not() -> None:
    """It takes capitals and names that are too long for a host; we do not."""
    names = [*HOSTILE, SHOP, "a.myshopify.com", "a-1.myshopify.com"]
    answers = library(*({"ask": "shop", "secret": SECRET, "shop": one} for one in names))
    by_it = {name for name, answer in zip(names, answers, strict=True) if answer == name}
    by_us = {name for name in names if shop_of(name) is not None}
    assert by_us == set(names[-3:])
    assert by_us <= by_it
    assert by_it - by_us == {"ACME.myshopify.com", f"{'a' * 64}.myshopify.com"}
