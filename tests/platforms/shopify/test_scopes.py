"""Scopes that a merchant took away, or gave again: told by Shopify, and shown with what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from plugin.domain.errors import Refused
from plugin.domain.events import RightsChanged
from plugin.platforms.strict_json import Malformed
from plugin.ports.records import DeliveryState, InstallationStatus
from plugin.stores.shopify import ShopifyStore
from tests.databases import Databases
from tests.platforms.shopify.admin import ShopifyAdmin, open_admin, words
from tests.platforms.shopify.fake import SCOPES, FakeShopify
from tests.platforms.shopify.grants import APP
from tests.platforms.shopify.test_events import events_of, recorded, told_by


@pytest.fixture
def admin(tmp_path: Path, databases: Databases) -> Iterator[ShopifyAdmin]:
    with open_admin(tmp_path, databases) as one:
        yield one


def told(admin: ShopifyAdmin, now: Sequence[str], before: Sequence[str], event: str) -> None:
    """Shopify changes the scopes, and tells it at the app's one address."""
    admin.fake.scopes = [*now]
    body = json.dumps({"id": 1, "previous": [*before], "current": [*now]}).encode()
    assert admin.deliver("app/scopes_update", body, to=APP, webhook_id=event, event_id=event) == 200
    admin.work()


def health(admin: ShopifyAdmin) -> str:
    return words(admin.site.admin().get("/admin/health"))


def test_scopes_that_were_taken_away_are_told_with_the_next_step(admin: ShopifyAdmin) -> None:
    found = admin.connected()
    assert "write_orders" not in health(admin)
    told(admin, [one for one in SCOPES if one != "write_orders"], SCOPES, "e-1")
    after = admin.site.installation(found.connection.installation)
    assert after.status is InstallationStatus.NEEDS_ATTENTION
    said = "Shopify refused: read_orders, write_orders. Mend it there, then test again"
    assert said in health(admin)
    assert "Test again" in health(admin)
    told(admin, SCOPES, [], "e-2")
    after = admin.site.installation(found.connection.installation)
    assert after.status is InstallationStatus.CONNECTED
    assert "write_orders" not in health(admin)
    assert {one.state for one in admin.stored()} == {DeliveryState.APPLIED}


def test_what_is_told_late_or_of_other_scopes_changes_nothing(admin: ShopifyAdmin) -> None:
    found = admin.connected()
    for event, before in (("e-1", [*SCOPES, "read_themes"]), ("e-2", [*SCOPES, "read_orders"])):
        told(admin, SCOPES, before, event)
    assert admin.site.installation(found.connection.installation) == found
    assert {one.reason for one in admin.stored()} == {"no right that is needed is missing"}


def test_scopes_that_were_taken_away_are_named() -> None:
    assert told_by("app_scopes_update") == [RightsChanged("write_orders")]
    body = recorded("app_scopes_update")
    body["previous"] = [*body["current"], "b", "a"]
    assert events_of("app/scopes_update", body) == [RightsChanged("a, b")]
    body["current"] = [*body["previous"], "read_fulfillments"]
    assert events_of("app/scopes_update", body) == [RightsChanged("")]
    with pytest.raises(Malformed):
        events_of("app/scopes_update", {**body, "current": None})


def test_rights_are_read_back_whatever_was_told_of_them(
    fake: FakeShopify, store: ShopifyStore
) -> None:
    [event] = told_by("app_scopes_update")
    assert store.confirm(event) == RightsChanged("")  # given again since, or of another shop
    fake.scopes.remove("write_orders")
    assert store.confirm(RightsChanged("")) == RightsChanged("read_orders, write_orders")
    fake.key_state = "expired"
    with pytest.raises(Refused):
        store.confirm(event)
