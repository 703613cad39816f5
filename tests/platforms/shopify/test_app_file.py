"""`shopify.app.toml`, as `makegood package shopify` writes it.

Judged by the fields of the schemas in github.com/Shopify/cli (`app_config_*`, read 2026-11),
written down here by hand: Shopify's own tool, which asks Shopify besides, was not run.
"""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from plugin.domain.errors import InvalidInput
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.ports.connecting import Arrived, ConfiguresApp, GoTo, InstallUrls, NotUsable
from plugin.stores.shopify import ShopifyInstall
from plugin.stores.shopify.account import manifest
from plugin.stores.shopify.documents import MUTATIONS, QUERIES
from plugin.stores.shopify.store import NOT_BY_US
from tests.platforms.shopify.grants import APP

HTTPS = "https://refunds.example"
_URL = {"type": "string", "pattern": r"^https://[^\s/]+(/\S*)?$", "maxLength": 255}
_TOPICS = ["customers/redact", "customers/data_request", "shop/redact"]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["client_id", "name", "application_url", "embedded", "webhooks"],
    "properties": {
        "client_id": {"type": "string", "minLength": 1},
        "name": {"type": "string", "minLength": 1, "maxLength": 30},
        "application_url": _URL,
        "embedded": {"type": "boolean"},
        "access_scopes": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "scopes": {"type": "string"},
                "use_legacy_install_flow": {"type": "boolean"},
            },
        },
        "auth": {
            "type": "object",
            "additionalProperties": False,
            "required": ["redirect_urls"],
            "properties": {"redirect_urls": {"type": "array", "items": _URL, "minItems": 1}},
        },
        "webhooks": {
            "type": "object",
            "additionalProperties": False,
            "required": ["api_version"],
            "properties": {
                "api_version": {"type": "string", "pattern": r"^20\d\d-(01|04|07|10)$"},
                "subscriptions": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["uri"],
                        "anyOf": [{"required": ["topics"]}, {"required": ["compliance_topics"]}],
                        "properties": {
                            "topics": {"type": "array", "items": {"type": "string"}},
                            "compliance_topics": {"type": "array", "items": {"enum": _TOPICS}},
                            "uri": _URL,
                        },
                    },
                },
            },
        },
    },
}


def written(public_url: str = HTTPS) -> dict[str, Any]:
    name, content = ShopifyInstall().app_file({"client_id": APP}, public_url)
    assert name == "shopify.app.toml"
    return tomllib.loads(content.decode())


def test_the_file_has_the_fields_that_shopify_reads_and_no_others() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for found in (written(), written("https://refunds.example:8443/")):
        assert [fault.message for fault in Draft202012Validator(SCHEMA).iter_errors(found)] == []
    broken = written() | {"embedded": "yes", "secret": "x"}
    assert len(list(Draft202012Validator(SCHEMA).iter_errors(broken))) == 2


def test_it_says_what_our_declaration_says() -> None:
    found = written()
    assert found["client_id"] == APP
    assert found["application_url"] == f"{HTTPS}/embedded/shopify/{APP}"
    assert found["embedded"] is True
    assert found["access_scopes"] == {"scopes": ",".join(manifest().scopes)}
    assert found["webhooks"]["api_version"] == manifest().api_version == "2026-10"
    [compliance] = found["webhooks"]["subscriptions"]
    assert set(compliance["compliance_topics"]) == set(NOT_BY_US) == set(_TOPICS)
    assert compliance["uri"] == f"{HTTPS}/webhooks/shopify/{APP}"


def test_no_right_is_asked_for_that_nothing_uses() -> None:
    """A right that no document needs is one too many. Documents name their objects."""
    sent = " ".join([*QUERIES.values(), *MUTATIONS.values()])
    needs = {
        "read_orders": "orders(",
        "write_orders": "refundCreate(",
        "read_customers": "customer(",
        "write_customers": "tagsAdd(",
        "read_products": "products(",
        "read_shopify_payments_disputes": "disputes {",
    }
    assert set(manifest().scopes) == set(needs)
    for right, word in needs.items():
        assert word in sent, right


@pytest.mark.parametrize(
    ("typed", "public_url", "field"),
    [
        ({}, HTTPS, "client_id"),
        ({"client_id": ""}, HTTPS, "client_id"),
        ({"client_id": 'x"\nembedded = false'}, HTTPS, "client_id"),
        ({"client_id": APP, "client_secret": "x"}, HTTPS, "client_secret"),
        ({"client_id": APP}, "http://refunds.example", "MAKEGOOD_PUBLIC_URL"),
        ({"client_id": APP}, "https://", "MAKEGOOD_PUBLIC_URL"),
    ],
)
def test_what_cannot_stand_in_it_is_refused_by_name(
    typed: dict[str, str], public_url: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        ShopifyInstall().app_file(typed, public_url)
    assert caught.value.field == field


def test_the_install_opens_shopifys_own_page_and_takes_nothing_at_an_address() -> None:
    way = ShopifyInstall()
    assert isinstance(way, ConfiguresApp)
    urls = InstallUrls("pending-1", f"{HTTPS}/installing/x", "one-time", f"{HTTPS}/b", f"{HTTPS}/p")
    step = way.begin({"shop": "acme", "client_id": APP}, urls)
    assert step == GoTo(f"https://acme.myshopify.com/admin/oauth/install?client_id={APP}")
    arrived = Arrived("keys", "POST", {}, {}, b'{"access_token": "shpat_forged"}')
    assert isinstance(way.read({"shop": "acme"}, urls, arrived), NotUsable)


def test_the_embedded_page_is_declared_and_coded() -> None:
    registry = Registry([DataFiles().manifests()])
    declared = registry.store("shopify").embedded
    assert declared is not None
    assert declared.frame_ancestors_for({"shop": "acme"}) == (
        "https://acme.myshopify.com",
        "https://admin.shopify.com",
    )
    with pytest.raises(InvalidInput):
        declared.frame_ancestors_for({"shop": "acme.evil example"})
