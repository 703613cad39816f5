"""`shopify.app.toml`, as `makegood package shopify` writes it.

Judged by the schema that Shopify's own tool reads it with: `@shopify/app`, installed by name from
`tests/peers`. What the tool asks Shopify besides was not asked.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from plugin.domain.errors import InvalidInput
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.ports.connecting import Arrived, ConfiguresApp, GoTo, InstallUrls, NotUsable
from plugin.stores.shopify import ShopifyInstall
from plugin.stores.shopify.account import manifest
from plugin.stores.shopify.documents import MUTATIONS, QUERIES
from plugin.stores.shopify.installing import COMPLIANCE
from tests.node_peer import ask
from tests.platforms.shopify.grants import APP

_SCHEMA = Path(__file__).with_name("app_schema.mjs")

HTTPS = "https://refunds.example"
TAKEN = (
    HTTPS,
    "https://refunds.example/",
    "https://refunds.example:8443",
    "HTTPS://Refunds.Example",
    "https://shops.example/makegood/",
    "https://xn--rckgabe-n2a.example",
    "https://192.0.2.7",
    "https://[2001:db8::1]:8443",
    f"https://{'a' * 60}.{'b' * 60}.{'c' * 60}.example",
)
Faults = list[list[str]]


def judge(texts: Sequence[str]) -> list[Faults]:
    """Shopify's faults of each file's text."""
    faults: list[Faults] = ask(_SCHEMA, "@shopify/app", texts)
    return faults


def text_of(public_url: str = HTTPS) -> str:
    name, content = ShopifyInstall().app_file({"client_id": APP}, public_url)
    assert name == "shopify.app.toml"
    return content.decode()


def written(public_url: str = HTTPS) -> dict[str, Any]:
    return tomllib.loads(text_of(public_url))


def test_shopifys_own_schema_takes_the_file() -> None:
    texts = [text_of(host) for host in TAKEN]
    assert judge(texts) == [[] for _ in texts]


def test_shopifys_own_schema_finds_faults() -> None:
    """It is a judge: what is wrong is found, at its place."""
    good = text_of()
    broken = [
        good.replace("embedded = true", 'embedded = "yes"'),
        good.replace('name = "Makegood"', f'name = "{"x" * 31}"'),
        good.replace('name = "Makegood"', 'name = "Makegood"\nsecret = "x"'),
        good.replace("customers/redact", "customers/forget"),
        good.replace("https://", "http://"),
        good.replace("https://refunds.example", "HTTPS://refunds.example"),
        good.replace("https://refunds.example", "https://refunds example"),
        good.partition("[auth]")[0],
    ]
    places = [sorted(path for path, _ in faults) for faults in judge(broken)]
    addresses = ["application_url", "auth.redirect_urls.0"]
    assert places == [
        ["embedded"],
        ["name"],
        [""],
        ["webhooks.subscriptions.1.compliance_topics.1"],
        ["webhooks.subscriptions.0.uri"],
        addresses,
        addresses,
        ["auth", "webhooks"],
    ]


def test_it_says_what_our_declaration_says_and_nothing_else() -> None:
    page = f"{HTTPS}/embedded/shopify/{APP}"
    assert manifest().api_version == "2026-10"
    assert set(COMPLIANCE) == {"customers/redact", "customers/data_request", "shop/redact"}
    for host in (HTTPS, f"{HTTPS}/", "HTTPS://Refunds.Example"):
        assert written(host) == {
            "client_id": APP,
            "name": "Makegood",
            "application_url": page,
            "embedded": True,
            "access_scopes": {"scopes": ",".join(manifest().scopes)},
            "auth": {"redirect_urls": [page]},
            "webhooks": {
                "api_version": "2026-10",
                "subscriptions": [
                    {
                        "topics": ["app/scopes_update"],
                        "uri": f"{HTTPS}/webhooks/shopify/{APP}",
                    },
                    {
                        "compliance_topics": sorted(COMPLIANCE),
                        "uri": f"{HTTPS}/webhooks/shopify/{APP}",
                    },
                ],
            },
        }


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


REFUSED = (
    "https://refunds example",
    "https://refunds.example\n",
    "https://refunds.example:99999",
    "https://refunds.example:x",
    "https://refunds.example:",
    "https://refunds.example/?x=1",
    "https://refunds.example/#x",
    "https://ada:secret@refunds.example",
    "https://r\u00fcckgabe.example",
    "https://%41.example",
    "https://[::1",
    "https://refunds.example\\x",
    'https://refunds.example"',
)
"""Shopify's schema would take some of these: what they say is not where we are."""


@pytest.mark.parametrize(
    ("typed", "public_url", "field"),
    [
        ({}, HTTPS, "client_id"),
        ({"client_id": ""}, HTTPS, "client_id"),
        ({"client_id": 'x"\nembedded = false'}, HTTPS, "client_id"),
        ({"client_id": APP, "client_secret": "x"}, HTTPS, "client_secret"),
        ({"client_id": APP}, "http://refunds.example", "MAKEGOOD_PUBLIC_URL"),
        ({"client_id": APP}, "https://", "MAKEGOOD_PUBLIC_URL"),
        *(({"client_id": APP}, host, "MAKEGOOD_PUBLIC_URL") for host in REFUSED),
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
