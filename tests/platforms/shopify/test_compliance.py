"""The compliance topics at the address of the app, and what is left after the app was removed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from plugin.domain.ids import InstallationId
from plugin.platforms.signature_declaration import SignatureDeclaration
from plugin.ports.records import (
    DeliveryState,
    Installation,
    InstallationStatus,
    Tenant,
)
from plugin.services.webhook_secrets import only_webhook_secret
from plugin.stores.shopify.installing import COMPLIANCE
from tests.databases import Databases
from tests.platforms.shopify.admin import INSTALL, ShopifyAdmin, open_admin
from tests.platforms.shopify.grants import APP, SECRET
from tests.web.site import OTHER, TENANT
from webhooks.delivery import Delivery
from webhooks.signatures import Verdict, verify

SHOP = "acme.myshopify.com"
BODIES: dict[str, dict[str, Any]] = {
    "customers/data_request": {"customer": {"id": 191167, "email": "a@b.example"}},
    "customers/redact": {"customer": {"id": 191167, "email": "a@b.example"}},
    "shop/redact": {},
}


@pytest.fixture
def admin(tmp_path: Path, databases: Databases) -> Iterator[ShopifyAdmin]:
    with open_admin(tmp_path, databases) as one:
        yield one


def post(
    admin: ShopifyAdmin,
    topic: str,
    *,
    to: str = APP,
    shop: str | None = SHOP,
    secret: str = SECRET,
    body: bytes | None = None,
) -> int:
    """What Shopify sends to `/webhooks/shopify/<to>`; gives the status."""
    told = {"shop_id": 954889, "shop_domain": shop, **BODIES.get(topic, {})}
    raw = json.dumps(told).encode() if body is None else body
    named = {"shop_domain": shop, "webhook_id": f"{topic}-{shop}"}
    return admin.deliver(topic, raw, to=to, secret=secret, **named)


@pytest.mark.parametrize("topic", COMPLIANCE)
def test_a_wish_is_taken_at_the_apps_address_and_shown_with_what_to_do(
    admin: ShopifyAdmin, topic: str
) -> None:
    found = admin.connected()
    assert post(admin, topic) == 200
    assert post(admin, topic) == 200  # repeated, and kept once
    admin.work()
    [one] = admin.stored()
    assert one.installation == found.connection.installation
    assert (one.topic, one.state) == (topic, DeliveryState.UNRECOGNISED)
    assert "by hand, within 30 days" in one.reason
    assert "a@b.example" not in one.reason
    health = admin.site.admin().get("/admin/health").text
    assert one.reason.split(":")[1].strip() in health.replace("&#39;", "'")


@pytest.mark.parametrize("topic", COMPLIANCE)
def test_after_the_app_was_removed_a_wish_is_told_and_nobody_is_called(
    admin: ShopifyAdmin, topic: str
) -> None:
    found = admin.connected()
    hook = str(found.connection.installation)
    admin.fake.key_state, admin.fake.grants.revoked = "gone", True
    assert post(admin, "app/uninstalled", to=hook, body=b'{"id": 954889}') == 200
    admin.work()
    left = admin.site.installation(hook)
    assert left.status is InstallationStatus.REMOVED
    before = len(admin.fake.calls)
    assert post(admin, topic) == 200
    assert admin.call("open").status_code == 401
    admin.work()
    states = {one.topic: (one.state, one.reason) for one in admin.stored()}
    assert states[topic][0] is DeliveryState.UNRECOGNISED
    assert "by hand, within 30 days" in states[topic][1]
    assert len(admin.fake.calls) == before


@pytest.mark.parametrize(
    ("body", "topic"), [(b"{}", "orders/updated"), (b"{", "shop/redact"), (b"{}", "shop/redact")]
)
def test_what_else_comes_from_a_shop_that_left_is_kept_and_not_applied(
    admin: ShopifyAdmin, body: bytes, topic: str
) -> None:
    found = admin.connected()
    admin.fake.key_state, admin.fake.grants.revoked = "gone", True
    post(admin, "app/uninstalled", to=str(found.connection.installation), body=b'{"id": 954889}')
    admin.work()
    assert post(admin, topic, body=body) == 200
    admin.work()
    [one] = [one for one in admin.stored() if one.topic == topic]
    assert (one.state, one.reason) == (DeliveryState.FAILED, "not connected any more")


@pytest.mark.parametrize("secret", ["", "x", "z" * 38])
def test_a_wrong_signature_is_401_and_leaves_nothing(admin: ShopifyAdmin, secret: str) -> None:
    admin.connected()
    assert post(admin, "customers/redact", secret=secret) == 401
    assert not admin.stored()


@pytest.mark.parametrize(
    ("to", "shop"),
    [
        (APP, "other.myshopify.com"),
        (APP, "acme.myshopify.com.evil.example"),
        (APP, "acme.myshopify.com\N{NO-BREAK SPACE}"),
        (APP, "acme"),
        (APP, ""),
        (APP, None),
        ("another-app", SHOP),
    ],
)
def test_an_app_or_shop_that_is_not_here_is_answered_as_a_wrong_signature_is(
    admin: ShopifyAdmin, to: str, shop: str | None
) -> None:
    admin.connected()
    assert post(admin, "shop/redact", to=to, shop=shop) == 401
    assert not admin.stored()


def test_a_platform_without_such_an_address_has_none(admin: ShopifyAdmin) -> None:
    answer = admin.site.app.test_client().post(f"/webhooks/stripe/{APP}", data=b"{}")
    assert answer.status_code == 404


# --- another business that types the same shop and app --------------------------------------------

FORGED = "shpss_" + "6" * 32


def typed_by_another(admin: ShopifyAdmin, secret: str = FORGED) -> Installation:
    """Another tenant connects the same shop of the same app, and its secret may sign."""
    fields = {
        "value-shop": "acme",
        "value-client_id": APP,
        "value-client_secret": secret,
        "value-base_url": admin.fake.url,
    }
    assert admin.site.admin(OTHER).press(INSTALL, INSTALL, fields).status_code == 303
    [found] = admin.site.installations(OTHER)
    secrets = {**found.connection.secrets, **only_webhook_secret(secret)}
    able = replace(found, connection=replace(found.connection, secrets=secrets))
    put_as(admin, able)
    return able


def put_as(admin: ShopifyAdmin, one: Installation, tenant: Tenant = OTHER) -> None:
    with admin.site.storage.begin(tenant.id) as uow:
        uow.installations.save(one)
        uow.commit()


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "last"])
def test_whoever_typed_the_same_shop_the_secret_says_whose_a_wish_is(
    admin: ShopifyAdmin, is_first: bool
) -> None:
    if is_first:
        typed_by_another(admin)
    ours = admin.connected()
    if not is_first:
        typed_by_another(admin)
    assert post(admin, "shop/redact") == 200
    assert [one.installation for one in admin.stored()] == [ours.connection.installation]
    assert not admin.stored(OTHER)


def test_who_only_typed_the_shop_is_given_what_their_own_secret_signed_and_no_more(
    admin: ShopifyAdmin,
) -> None:
    admin.connected()
    theirs = typed_by_another(admin)
    assert post(admin, "customers/redact", secret=FORGED) == 200
    assert post(admin, "shop/redact", secret="neither's") == 401
    assert not admin.stored()
    assert [one.installation for one in admin.stored(OTHER)] == [theirs.connection.installation]


def test_after_it_left_a_shops_wish_comes_to_who_had_it(admin: ShopifyAdmin) -> None:
    ours = admin.connected()
    put_as(admin, replace(ours, status=InstallationStatus.REMOVED), TENANT)
    typed_by_another(admin)
    assert post(admin, "shop/redact") == 200
    assert [one.installation for one in admin.stored()] == [ours.connection.installation]
    assert not admin.stored(OTHER)


def test_who_lives_takes_a_wish_before_who_left_with_the_same_secret(admin: ShopifyAdmin) -> None:
    left = admin.connected()
    put_as(admin, replace(left, status=InstallationStatus.REMOVED), TENANT)
    theirs = typed_by_another(admin, SECRET)
    assert post(admin, "shop/redact") == 200
    assert not admin.stored()
    assert [one.installation for one in admin.stored(OTHER)] == [theirs.connection.installation]


def test_many_who_came_later_crowd_nobody_out_and_few_are_tried(
    admin: ShopifyAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = admin.connected()
    theirs = typed_by_another(admin)
    tried: list[tuple[bytes, ...]] = []

    def note(
        declared: SignatureDeclaration,
        delivery: Delivery,
        secrets: Sequence[bytes],
        now: datetime,
    ) -> Verdict:
        tried.append(tuple(secrets))
        return verify(declared, delivery, secrets, now)

    monkeypatch.setattr("webhooks.http.verify", note)
    with admin.site.storage.begin(OTHER.id) as uow:
        for number in range(40):
            connection = replace(theirs.connection, installation=InstallationId(f"more-{number}"))
            uow.installations.add(replace(theirs, connection=connection))
        uow.commit()
    assert post(admin, "shop/redact") == 200
    assert [one.installation for one in admin.stored()] == [ours.connection.installation]
    tried.clear()
    assert post(admin, "shop/redact", secret="neither's") == 401
    assert len(tried) == 16
    assert not admin.stored(OTHER)


def test_a_refusal_is_the_same_for_a_shop_that_is_known_and_one_that_is_not(
    admin: ShopifyAdmin,
) -> None:
    admin.connected()
    typed_by_another(admin)
    client = admin.site.app.test_client()
    answers = [
        client.post(f"/webhooks/shopify/{APP}", data=b"{}", headers={"X-Shopify-Shop-Domain": shop})
        for shop in (SHOP, "other.myshopify.com")
    ]
    known, unknown = [(a.status, a.data, sorted(a.headers)) for a in answers]
    assert known == unknown
