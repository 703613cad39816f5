"""The registration that anybody could post: odd tokens, odd addresses, what the manifest asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin.ports.connecting import PendingState
from plugin.stores.saleor.account import manifest
from plugin.stores.saleor.installing import app_manifest
from tests.databases import Databases
from tests.platforms.saleor.dashboard import (
    URLS,
    Dashboard,
    NotInstalled,
    check_manifest,
    registration_headers,
)
from tests.web.ways import SALEOR, Ways, open_ways


@pytest.fixture
def ways(tmp_path: Path, databases: Databases) -> Iterator[Ways]:
    with open_ways(tmp_path, databases) as one:
        yield one


def test_the_manifest_asks_for_the_declared_rights_and_no_more() -> None:
    told = dict(app_manifest(URLS))
    check_manifest(told)
    assert told["permissions"] == list(manifest().scopes)
    assert set(manifest().scopes) == {"MANAGE_ORDERS", "HANDLE_PAYMENTS", "MANAGE_USERS"}
    assert told["appUrl"] == "https://refunds.example/embedded/saleor/makegood"
    assert "webhooks" not in told, "they are made by API, at the connection's own address"


def test_the_manifest_has_the_shape_of_the_vendors_sample() -> None:
    """And the sample passes the rules by which ours is judged here."""
    file = Path(__file__).parents[4] / "shared" / "specs" / "saleor" / "app_manifest_sample.json"
    if not file.exists():
        pytest.skip("needs ../shared/specs/saleor/app_manifest_sample.json, which is not here")
    sample = json.loads(file.read_bytes())
    told = json.loads(json.dumps(dict(app_manifest(URLS))))

    check_manifest(sample)
    assert {"id", "name", "version", "appUrl", "tokenTargetUrl", "permissions"} <= (
        sample.keys() & told.keys()
    )
    for name in sample.keys() & told.keys():
        assert type(told[name]) is type(sample[name]), name
    assert [type(one) for one in told["permissions"]] == [str] * len(told["permissions"])
    for extension in told.get("extensions", []):
        assert extension.keys() <= sample["extensions"][0].keys()


@pytest.mark.parametrize(
    "token",
    [
        "t\r\nX-Evil: 1",
        "tökén",
        "€",
        "\ud800",
        "\x00",
        "x" * 60_000,
        " ",
        "",
        "Bearer app-token-made-up",
    ],
)
def test_a_token_of_any_shape_is_a_no_and_never_a_fault(ways: Ways, token: str) -> None:
    page = ways.page(SALEOR)
    target = json.loads(ways.ask("GET", ways.address(page), b"", {})[1])["tokenTargetUrl"]
    told = json.dumps({"auth_token": token}).encode()
    status, _ = ways.ask("POST", target, told, registration_headers(ways.saleor.url))
    assert 400 <= status < 500
    assert ways.site.installations() == []
    assert ways.pending(page).state in (PendingState.WAITING, PendingState.FAILED)
    assert len(ways.saleor.paths) <= 1


@pytest.mark.parametrize("other", ["another", None])
def test_a_token_of_another_app_of_the_shop_is_not_taken(ways: Ways, other: str | None) -> None:
    ways.saleor.books.app = other
    page = ways.page(SALEOR)
    with pytest.raises(NotInstalled, match="another app"):
        Dashboard(ways.saleor.url).install(ways.address(page), ways.ask)
    assert ways.site.installations() == []


@pytest.mark.parametrize("jwks", ["https://evil.example/jwks.json", "http://127.0.0.1:9/"])
def test_no_address_of_the_post_is_ever_called(ways: Ways, jwks: str) -> None:
    page = ways.page(SALEOR)
    target = json.loads(ways.ask("GET", ways.address(page), b"", {})[1])["tokenTargetUrl"]
    told = json.dumps({"auth_token": "made-up", "jku": jwks, "saleor_api_url": jwks}).encode()
    headers = {**registration_headers(ways.saleor.url), "Saleor-Domain": jwks, "Host": "evil"}
    ways.ask("POST", target, told, headers)
    assert set(ways.saleor.paths) <= {"/graphql/"}
    assert ways.site.installations() == []
