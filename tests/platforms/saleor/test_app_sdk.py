"""Saleor's own library for apps judges what our fake Saleor signs, and we judge the same.

`@saleor/app-sdk` from `tests/peers`, asked by `app_sdk.mjs`: deliveries by its
`verifySignatureWithJwks`, tokens of the dashboard by its `verifyJWT`. Our manifest is judged by its
types, which `manifest_types.mjs` gives to TypeScript.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hmac import digest
from pathlib import Path
from types import MappingProxyType
from typing import Final

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from plugin.platforms.detached_jws import Judgement, judge, public_keys
from plugin.stores.saleor import SaleorEmbedded
from plugin.stores.saleor.account import manifest
from plugin.stores.saleor.embedded import APP_ID
from plugin.stores.saleor.installing import app_manifest
from tests.contracts.webhook import RECEIVED, Recording
from tests.node_peer import ask
from tests.platforms.saleor.dashboard import URLS
from tests.platforms.saleor.deliveries import KEYS, RECORDINGS
from tests.platforms.saleor.fake import FakeSaleor
from tests.platforms.saleor.signing import a_key, encoded, header_of, key_set, public, signed
from webhooks.signatures import Verified, verify

PROGRAM: Final = Path(__file__).with_name("app_sdk.mjs")
MANIFEST_TYPES: Final = Path(__file__).with_name("manifest_types.mjs")
BODY: Final = '{"__typename": "OrderUpdated", "order": {"name": "Zoë – 1 €"}}'
APP: Final = "App:3"


def library(*questions: Mapping[str, object]) -> list[bool]:
    answers: list[bool] = ask(PROGRAM, "@saleor/app-sdk", questions)
    assert len(answers) == len(questions)
    return answers


# --- deliveries -----------------------------------------------------------------------------------


def test_it_takes_every_recording_and_so_do_we() -> None:
    declared = manifest().webhooks
    assert declared is not None
    assert declared.signature is not None
    told = [Recording.read(path) for path in sorted(RECORDINGS.glob("*.json"))]
    assert told
    questions = [
        {
            "ask": "delivery",
            "keys": KEYS.read_text("utf-8"),
            "signature": one.headers["Saleor-Signature"],
            "body": one.body.decode(),
        }
        for one in told
    ]
    assert library(*questions) == [True] * len(told)
    for one in told:
        verdict = verify(declared.signature, one.delivery(), [KEYS.read_bytes()], RECEIVED)
        assert isinstance(verdict, Verified), one.name


def _swapped(signature: str, at: int) -> str:
    other = "A" if signature[at] != "A" else "B"
    return signature[:at] + other + signature[at + 1 :]


def _forged() -> Iterator[tuple[str, str, str]]:
    """A name, a signature and a body: each is a good one of which one thing was changed."""
    good = signed(a_key("one"), header_of("one"), BODY.encode())
    header, _, mark = good.split(".")
    yield "another body", good, BODY.replace("1 €", "2 €")
    yield "a space more", good, BODY + " "
    yield "no body", good, ""
    yield "a changed mark", _swapped(good, -9), BODY
    yield "a changed header", _swapped(good, 3), BODY
    yield "no mark", f"{header}..", BODY
    yield "no header", f"..{mark}", BODY
    yield "nothing", "", BODY
    yield "another key", signed(a_key("two"), header_of("one"), BODY.encode()), BODY
    yield "an unknown key", signed(a_key("two"), header_of("two"), BODY.encode()), BODY
    for change in (
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "RS512"},
        {"crit": ["b64", "exp"]},
    ):
        header_told = header_of("one", **change)
        yield f"{change}", signed(a_key("one"), header_told, BODY.encode()), BODY
    none = encoded(json.dumps(header_of("one", alg="none")).encode())
    yield "alg none without a mark", f"{none}..", BODY
    protected = encoded(json.dumps(header_of("one", alg="HS256")).encode())
    pem = a_key("one").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mac = digest(pem, f"{protected}.{BODY}".encode(), "sha256")
    yield "HS256 by the public key's PEM", f"{protected}..{encoded(mac)}", BODY


def test_both_take_the_good_one_and_refuse_each_that_was_changed() -> None:
    keys = key_set(public(a_key("one"), "one"))
    good = ("good", signed(a_key("one"), header_of("one"), BODY.encode()), BODY)
    vectors = [good, *_forged()]
    theirs = library(
        *(
            {"ask": "delivery", "keys": keys.decode(), "signature": signature, "body": body}
            for _, signature, body in vectors
        )
    )
    ours = [
        judge(signature, body.encode(), public_keys(keys)) is Judgement.RIGHT
        for _, signature, body in vectors
    ]
    names = [name for name, _, _ in vectors]
    assert dict(zip(names, theirs, strict=True)) == {name: name == "good" for name in names}
    assert dict(zip(names, ours, strict=True)) == {name: name == "good" for name in names}


def test_a_header_that_says_the_body_is_encoded_is_refused_by_us_alone() -> None:
    """The library takes the body as it is whatever the header says; a shop never writes this."""
    keys = key_set(public(a_key("one"), "one"))
    odd = signed(a_key("one"), header_of("one", b64=True), BODY.encode())
    assert library({"ask": "delivery", "keys": keys.decode(), "signature": odd, "body": BODY}) == [
        True
    ]
    assert judge(odd, BODY.encode(), public_keys(keys)) is Judgement.MALFORMED


# --- tokens of the dashboard ----------------------------------------------------------------------


def _token(
    api: str,
    key: str = "one",
    changed: Mapping[str, object] = MappingProxyType({}),
    **header: str,
) -> str:
    now = int(time.time())
    claims = {
        "iat": now - 5,
        "exp": now + 300,
        "iss": api,
        "type": "thirdparty",  # codespell:ignore thirdparty
        "app": APP,
        "user_id": "User:7",
        "is_staff": True,
        "permissions": list(manifest().scopes),
        "user_permissions": list(manifest().scopes),
        **changed,
    }
    told = {"alg": "RS256", "kid": "one", "typ": "JWT", **header}
    return jwt.encode(claims, a_key(key), algorithm="RS256", headers=told)


def _cut(token: str) -> str:
    head, body, mark = token.split(".")
    return f"{head}.{_swapped(body, 12)}.{mark}"


def test_both_take_the_dashboard_s_token_and_refuse_what_was_changed(fake: FakeSaleor) -> None:
    api = f"{fake.url}/graphql/"
    fake.keys = json.loads(key_set(public(a_key("one"), "one")))
    long_ago = int(time.time()) - 3600
    good = _token(api)
    tokens = {
        "good": good,
        "ended": _token(api, changed={"iat": long_ago, "exp": long_ago + 300}),
        "of another app": _token(api, changed={"app": "App:4"}),
        "of another key": _token(api, "two"),
        "of an unknown key": _token(api, "two", kid="two"),
        "changed": _cut(good),
        "without a mark": good.rpartition(".")[0] + ".",
        "unsigned": jwt.encode({"app": APP}, "", algorithm="none"),
        "no token": "a.b.c",
        "nothing": "",
    }
    asked = ({"ask": "token", "api": api, "app": APP, "token": one} for one in tokens.values())
    theirs = dict(zip(tokens, library(*asked), strict=True))
    assert theirs == {name: name == "good" for name in tokens}


def test_we_take_the_same_token_of_our_shop_and_refuse_the_same() -> None:
    """Ours are under https only: the shop's own address stands in for the fake's."""
    api = "https://ada.example.com/graphql/"
    keys = key_set(public(a_key("one"), "one")).decode()
    secrets = {APP_ID: APP, "webhook_secret_1": keys}
    now = datetime.now(UTC)
    long_ago = int(time.time()) - 3600
    good = _token(api)
    tokens = {
        "good": good,
        "ended": _token(api, changed={"iat": long_ago, "exp": long_ago + 300}),
        "of another app": _token(api, changed={"app": "App:4"}),
        "of another key": _token(api, "two"),
        "changed": _cut(good),
        "without a mark": good.rpartition(".")[0] + ".",
        "unsigned": jwt.encode({"app": APP}, "", algorithm="none"),
        "no token": "a.b.c",
        "nothing": "",
    }
    settings = {"host": "ada.example.com"}
    ours = {
        name: SaleorEmbedded().prove(settings, secrets, one, now) is not None
        for name, one in tokens.items()
    }
    assert ours == {name: name == "good" for name in tokens}


# --- the manifest ---------------------------------------------------------------------------------


def test_our_manifest_is_one_by_the_librarys_own_types() -> None:
    ours = dict(app_manifest(URLS))
    wrong: list[dict[str, object]] = [
        {**ours, "appUri": "https://refunds.example"},
        {**ours, "permissions": ["MANAGE_EVERYTHING"]},
        {name: said for name, said in ours.items() if name != "version"},
    ]
    ours_said, *wrong_said = ask(MANIFEST_TYPES, "typescript", [ours, *wrong])
    assert ours_said == []
    assert ["appUri" in wrong_said[0][0], "MANAGE_EVERYTHING" in wrong_said[1][0]] == [True, True]
    assert "version" in wrong_said[2][0]
