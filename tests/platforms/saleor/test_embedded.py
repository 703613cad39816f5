"""Our page in Saleor's dashboard: who may frame it, whose token opens it, and whose does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hmac import digest
from pathlib import Path

import jwt
import pytest

from plugin.domain.access_map import AccessMap
from plugin.services.save_access_map import of_installation
from plugin.stores.saleor import SaleorEmbedded
from tests.databases import Databases
from tests.platforms.saleor.in_dashboard import InDashboard, open_dashboard
from tests.platforms.saleor.signing import a_key, encoded, key_set, public
from tests.web.site import TENANT
from tests.web.ways import words


@pytest.fixture
def at(tmp_path: Path, databases: Databases) -> Iterator[InDashboard]:
    with open_dashboard(tmp_path, databases) as one:
        yield one


# --- the page -------------------------------------------------------------------------------------


def test_the_page_may_be_framed_by_the_dashboard_of_that_very_shop_alone(at: InDashboard) -> None:
    answer = at.page()
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert "frame-ancestors https://ada.example.com" in policy
    assert "script-src 'self'" in policy
    assert "X-Frame-Options" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert '<meta name="saleor-dashboard" content="https://ada.example.com">' in answer.text
    other = at.page("https://bob.example.com/graphql/")
    assert other.text == answer.text.replace("ada.", "bob.")


@pytest.mark.parametrize(
    "api",
    [
        "",
        "http://ada.example.com/graphql/",
        "https://ada.example.com/graphql",
        "https://ada.example.com/graphql/\n",
        "https://ada.example.com:8443/graphql/",
        "https://ada@evil.example.com/graphql/",
        "https://ada.example.com/x/graphql/",
        "https://*.example.com/graphql/",
        "https://127.0.0.1/graphql/",
        "https://ada.example.com; script-src */graphql/",
        "https://ada.example.com https://evil.example/graphql/",
        "https://ädä.example.com/graphql/",
    ],
)
def test_an_address_that_is_no_saleors_gets_no_page(at: InDashboard, api: str) -> None:
    answer = at.page(api)
    assert answer.status_code == 404
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_no_other_app_has_a_page(at: InDashboard) -> None:
    assert at.page(path="/embedded/saleor/another").status_code == 404


# --- who asks -------------------------------------------------------------------------------------


def test_staff_of_the_shop_sees_how_the_connection_is_and_nothing_is_fetched(
    at: InDashboard,
) -> None:
    before = list(at.ways.saleor.paths)
    answer = at.call()
    assert answer.status_code == 200
    assert "Connected Ada's Bakery Self-test 3 of 3 done" in words(answer)
    assert "Set-Cookie" not in answer.headers
    assert at.ways.saleor.paths == before


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "access"},  # a customer's or a staff member's own: no app's
        {"type": "refresh"},
        {"app": "App:4"},
        {"app": ["App:3"]},
        {"iss": "https://bob.example.com/graphql/"},
        {"iss": "https://ada.example.com/graphql"},
        {"iss": None},
        {"is_staff": False},
        {"is_staff": 1},
        {"user_id": ""},
        {"user_id": 7},
        {"permissions": ["MANAGE_ORDERS"]},
        {"permissions": "MANAGE_ORDERS HANDLE_PAYMENTS MANAGE_USERS"},
        {"permissions": None},
        {"exp": 1},
        {"exp": "9999999999"},
        {"exp": True},
        {"iat": 9999999999},
        {"iat": 1.5},
    ],
)
def test_a_claim_that_is_not_as_it_must_be_opens_nothing(
    at: InDashboard, changed: dict[str, object]
) -> None:
    assert at.call(token=at.token(changed=changed)).status_code == 401


@pytest.mark.parametrize(
    "without", ["exp", "iat", "iss", "type", "app", "user_id", "is_staff", "permissions"]
)
def test_a_claim_that_is_missing_opens_nothing(at: InDashboard, without: str) -> None:
    assert at.call(token=at.token(without=without)).status_code == 401


def test_a_token_of_another_key_or_scheme_opens_nothing(at: InDashboard) -> None:
    right = at.token()
    head, body, mark = right.split(".")
    claims = jwt.decode(right, options={"verify_signature": False})
    # The public key as the secret of a scheme that knows one secret only.
    none, mac = (encoded(json.dumps({"alg": alg}).encode()) for alg in ("none", "HS256"))
    shared = key_set(public(a_key("one"), "one"))
    by_shared = encoded(digest(shared, f"{mac}.{body}".encode(), "sha256"))
    forged = [
        at.token("another"),
        f"{head}.{body}.",
        f"{head}.{body}.{mark[:-4]}AAAA",
        f"{head}..{mark}",
        f"{none}.{body}.",
        f"{mac}.{body}.{by_shared}",
        jwt.encode(
            claims, a_key("another"), algorithm="RS256", headers={"jku": "http://127.0.0.1:9/"}
        ),
        jwt.encode(claims, a_key("one"), algorithm="RS512"),
        "é" * 20,
        "x" * 9000,
        "",
    ]
    before = list(at.ways.saleor.paths)
    assert [at.call(token=one).status_code for one in forged] == [401] * len(forged)
    assert at.ways.saleor.paths == before


def test_a_little_wrong_clock_is_no_wrong_token(at: InDashboard) -> None:
    now = int(at.ways.site.clock.now().timestamp())
    assert at.call(token=at.token(changed={"iat": now + 9})).status_code == 200
    assert at.call(token=at.token(changed={"exp": now - 9})).status_code == 200
    assert at.call(token=at.token(changed={"iat": now + 11})).status_code == 401
    assert at.call(token=at.token(changed={"exp": now - 10})).status_code == 401


def test_a_key_that_was_withdrawn_opens_nothing_any_more(at: InDashboard) -> None:
    secrets = {"webhook_secret_1": key_set(public(a_key("new"), "one")).decode(), "app_id": "App:3"}
    settings = {"host": "ada.example.com"}
    now = at.ways.site.clock.now()
    embedded = SaleorEmbedded()
    assert embedded.prove(settings, secrets, at.token(), now) is None
    proven = embedded.prove(settings, secrets, at.token("new"), now)
    assert proven is not None
    assert (proven.person, dict(proven.grant)) == ("User:7", {})
    without = {name: value for name, value in secrets.items() if name != "app_id"}
    assert embedded.prove(settings, without, at.token("new", {"app": ""}), now) is None


# --- what each plan gives -------------------------------------------------------------------------


def test_staff_says_what_a_product_gives_by_ids_as_saleor_lists_none(at: InDashboard) -> None:
    before = list(at.ways.saleor.paths)
    shown = at.call("map")
    assert shown.status_code == 200
    assert "Saleor does not list what a sale may open" in words(shown)
    entry = {"part": "products", "ref": "UHJvZHVjdDox", "kind": "membership", "more": "gold"}
    kept = at.call("entry", fields=entry)
    assert kept.status_code == 200
    assert "Set-Cookie" not in kept.headers
    assert "Saved" in words(kept)
    assert "Price plan UHJvZHVjdDox membership gold" in words(kept)
    [found] = at.ways.site.installations()
    with at.ways.site.storage.read(TENANT.id) as uow:
        access = of_installation(uow, found.connection.installation)
        [saved] = [one for one in uow.audit.entries(0, 99) if one.action == "access_map.saved"]
    assert len(access.products) == 1
    assert (saved.actor, saved.subject) == ("saleor User:7", found.connection.installation)
    assert at.ways.saleor.paths == before
    forgot = at.call("entry", fields={**entry, "forget": "yes"})
    assert "Nothing yet" in words(forgot)


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "access"},
        {"app": "App:4"},
        {"iss": "https://bob.example.com/graphql/"},
        {"is_staff": False},
        {"permissions": ["MANAGE_ORDERS"]},
        {"exp": 1},
    ],
)
@pytest.mark.parametrize("move", ["map", "entry"])
def test_whoever_may_not_open_the_page_neither_reads_nor_changes_it(
    at: InDashboard, move: str, changed: dict[str, object]
) -> None:
    entry = {"part": "products", "ref": "1", "more": "gold"}
    assert at.call(move, at.token(changed=changed), entry).status_code == 401
    assert at.call(move, "", entry).status_code == 401
    assert at.call(move, at.token("another"), entry).status_code == 401
    [found] = at.ways.site.installations()
    with at.ways.site.storage.read(TENANT.id) as uow:
        assert of_installation(uow, found.connection.installation) == AccessMap()
