"""Our page inside Shopify's admin, over the whole application: who may frame it, and what opens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from plugin.domain.errors import Refused
from plugin.ports import Connects
from plugin.ports.connecting import PendingState
from plugin.ports.records import InstallationStatus, SelfTestLine
from plugin.services.key_replacement import KEY_WORKS
from plugin.services.renew_keys import RenewKeys
from plugin.services.self_test_lines import FAILED
from tests.databases import Databases
from tests.platforms.shopify.admin import INSTALL, PAGE, ShopifyAdmin, open_admin, words
from tests.platforms.shopify.grants import APP, SECRET, session_token
from tests.platforms.shopify.test_session_token import HOSTILE
from tests.web.site import OTHER, TENANT


@pytest.fixture
def admin(tmp_path: Path, databases: Databases) -> Iterator[ShopifyAdmin]:
    with open_admin(tmp_path, databases) as one:
        yield one


# --- the page -------------------------------------------------------------------------------------


def test_the_page_may_be_framed_by_that_shop_and_shopifys_admin_alone(admin: ShopifyAdmin) -> None:
    answer = admin.page()
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert "frame-ancestors https://acme.myshopify.com https://admin.shopify.com" in policy
    assert "script-src 'self' https://cdn.shopify.com/shopifycloud/app-bridge.js" in policy
    assert "default-src 'none'" in policy
    assert "X-Frame-Options" not in answer.headers
    other = admin.page(shop="other.myshopify.com").headers["Content-Security-Policy"]
    assert "acme" not in other


def test_the_page_is_the_same_for_every_shop_and_sets_no_cookie(admin: ShopifyAdmin) -> None:
    before = admin.page()
    admin.connected()
    after, stranger = admin.page(), admin.page(shop="nobody.myshopify.com")
    assert before.data == after.data == stranger.data
    assert "Set-Cookie" not in after.headers
    assert f'<meta name="shopify-api-key" content="{APP}">' in after.text
    bridge = '<script src="https://cdn.shopify.com/shopifycloud/app-bridge.js"></script>'
    assert after.text.index(bridge) < after.text.index("<script defer")
    for secret in (SECRET, "shpat", "shprt", "northlight"):
        assert secret not in after.text


@pytest.mark.parametrize("shop", HOSTILE)
def test_a_hostile_shop_gets_no_page_and_nothing_is_called(admin: ShopifyAdmin, shop: str) -> None:
    answer = admin.page(shop=shop)
    assert answer.status_code == 404
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert admin.fake.calls == []


@pytest.mark.parametrize(
    "path", [PAGE + "%22%3E", "/embedded/stripe/x", "/embedded/nobody/x", "/embedded/zendesk/x"]
)
def test_no_other_address_is_a_page(admin: ShopifyAdmin, path: str) -> None:
    assert admin.page(path).status_code == 404


# --- who asks -------------------------------------------------------------------------------------


def test_a_shop_that_no_admin_named_opens_nothing_and_nothing_is_called(
    admin: ShopifyAdmin,
) -> None:
    answer = admin.call("open")
    assert answer.status_code == 401
    assert "Sign in to Makegood, connect it there" in words(answer)
    assert f'href="http://localhost{INSTALL}#connect"' in answer.text
    assert admin.fake.calls == []
    assert admin.site.installations() == []


def test_a_shop_that_our_admin_named_is_connected_by_opening_the_page(admin: ShopifyAdmin) -> None:
    page = admin.claim()
    shown = admin.site.admin().get(page).text
    assert f'href="{admin.fake.url}/admin/oauth/install?client_id={APP}"' in shown
    assert SECRET not in shown
    answer = admin.call("open")
    assert answer.status_code == 200
    [found] = admin.site.installations()
    assert found.connection.secrets["access_token"] == "shpat_offline_1"
    assert found.connection.secrets["refresh_token"] == "shprt_1"
    assert "session_token" not in found.connection.secrets
    assert found.connection.settings["shop"] == "acme"
    assert admin.pending(page).state is PendingState.DONE
    assert [name for name, _, _ in admin.fake.calls] == ["grant", "ReadAccount"]
    for secret in (SECRET, "shpat", "shprt"):
        assert secret not in answer.text


def test_the_self_test_goes_on_inside_the_admin_and_the_settings_are_linked(
    admin: ShopifyAdmin,
) -> None:
    found = admin.connected()
    assert found.status is InstallationStatus.CONNECTED
    answer = admin.call("open")
    assert "3 of 3 done" in words(answer)
    assert f"/install/at/{found.connection.installation}#connect" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert len(admin.fake.books.webhooks) == 10
    assert admin.fake.grants.made == 1


HOSTILE_TOKENS = {
    "no token": "",
    "no JWT": "x.y.z",
    "another secret": {"secret": "z" * 40},
    "no signature": {"algorithm": "none"},
    "another app": {"aud": "another-app"},
    "another issuer": {"iss": "https://other.myshopify.com/admin"},
    "another shop": {
        "iss": "https://other.myshopify.com/admin",
        "dest": "https://other.myshopify.com",
    },
    "a foreign host": {"dest": "https://acme.myshopify.com.evil.example"},
}


@pytest.mark.filterwarnings("ignore:The HMAC key is")
@pytest.mark.parametrize("kind", HOSTILE_TOKENS)
@pytest.mark.parametrize("move", ["open", "step", "again"])
def test_a_hostile_token_opens_nothing_calls_nobody_and_changes_nothing(
    admin: ShopifyAdmin, kind: str, move: str
) -> None:
    page = admin.claim()
    bent = HOSTILE_TOKENS[kind]
    now = admin.site.clock.now()
    token = bent if isinstance(bent, str) else session_token(now, **bent)  # type: ignore[arg-type]  # claims of any kind
    answer = admin.call(move, token)
    assert answer.status_code == 401
    assert admin.fake.calls == []
    assert admin.pending(page).state is PendingState.WAITING
    assert admin.site.installations() == []


@pytest.mark.parametrize("seconds", [-71, 11, -86400, 3600])
def test_a_stale_or_future_token_opens_nothing(admin: ShopifyAdmin, seconds: int) -> None:
    admin.claim()
    made = admin.site.clock.now() + timedelta(seconds=seconds)
    assert admin.call("open", session_token(made)).status_code == 401
    assert admin.fake.calls == []


def test_a_token_with_one_byte_changed_opens_nothing(admin: ShopifyAdmin) -> None:
    admin.connected()
    before = len(admin.fake.calls)
    token = session_token(admin.site.clock.now())
    for place in range(0, len(token), 7):
        bent = token[:place] + ("B" if token[place] == "A" else "A") + token[place + 1 :]
        assert admin.call("again", bent).status_code == 401, place
    assert len(admin.fake.calls) == before


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Basic YTpi"}, {"Cookie": "__Host-makegood=x"}]
)
def test_nothing_but_a_token_in_its_header_counts(
    admin: ShopifyAdmin, headers: dict[str, str]
) -> None:
    admin.connected()
    token = session_token(admin.site.clock.now())
    client = admin.site.app.test_client()
    answer = client.post(f"{PAGE}/open?session={token}", headers=headers, data={"token": token})
    assert answer.status_code == 401


def test_a_token_is_of_its_tenant_alone(admin: ShopifyAdmin) -> None:
    """Another business that names the shop with an app of its own proves nothing by that."""
    forged = f"shpss_{'6' * 32}"
    admin.claim(OTHER, **{"value-client_secret": forged})
    now = admin.site.clock.now()
    # Its own secret signs whatever it likes: the shop itself says no, and nothing is kept.
    answer = admin.call("open", session_token(now, secret=forged))
    assert answer.status_code == 422
    assert "Shopify refused" in words(answer)
    assert admin.site.installations(OTHER) == []
    admin.connected()
    assert admin.site.installations(OTHER) == []
    assert len(admin.site.installations(TENANT)) == 1


def test_a_shop_that_two_businesses_named_with_the_same_app_opens_for_neither(
    admin: ShopifyAdmin,
) -> None:
    admin.connected()
    admin.claim(OTHER)
    before = len(admin.fake.calls)
    answer = admin.call("open")
    assert answer.status_code == 409
    assert "more than one business" in words(answer)
    assert len(admin.fake.calls) == before


def test_a_shop_that_left_opens_nothing_until_it_is_connected_again(admin: ShopifyAdmin) -> None:
    found = admin.connected()
    with admin.site.storage.begin(TENANT.id) as uow:
        uow.installations.save(replace(found, status=InstallationStatus.REMOVED))
        uow.commit()
    before = len(admin.fake.calls)
    assert admin.call("open").status_code == 401
    assert len(admin.fake.calls) == before
    assert admin.call("open").status_code == 401
    admin.claim()
    assert admin.call("open").status_code == 200


def test_a_claim_that_is_too_old_is_not_taken(admin: ShopifyAdmin) -> None:
    admin.claim()
    admin.site.clock.advance(minutes=31)
    assert admin.call("open").status_code == 401
    assert admin.fake.calls == []


# --- new keys -------------------------------------------------------------------------------------


def test_a_connection_whose_key_failed_gets_a_new_one_by_opening_the_page(
    admin: ShopifyAdmin,
) -> None:
    found = admin.connected()
    line = SelfTestLine(KEY_WORKS, FAILED, "Shopify refused: invalid_grant")
    lines = tuple(line if one.name == KEY_WORKS else one for one in found.self_test)
    with admin.site.storage.begin(TENANT.id) as uow:
        broken = replace(found, status=InstallationStatus.NEEDS_ATTENTION, self_test=lines)
        uow.installations.save(broken)
        uow.commit()
    assert admin.call("open").status_code == 200
    for _ in range(4):
        admin.call("step")
    [again] = admin.site.installations()
    assert again.status is InstallationStatus.CONNECTED
    assert again.connection.installation == found.connection.installation
    assert again.connection.secrets["refresh_token"] == "shprt_2"


def test_tokens_that_shopify_renews_no_more_stand_on_the_health_page(admin: ShopifyAdmin) -> None:
    found = admin.connected()
    parts = admin.site.parts
    shelf = RenewKeys(parts.house.storage, parts.clock, parts.registry.title)
    admin.fake.grants.revoked = True
    admin.site.clock.advance(minutes=55)
    port = replace(parts.platforms, shelf=shelf).able(found.connection, Connects)
    assert port is not None
    with pytest.raises(Refused):
        port.probe()
    health = words(admin.site.admin().get("/admin/health"))
    assert "invalid_grant" in health
    assert "Mend it there, then connect it again" in health


def test_new_keys_are_had_on_wish_and_tried_before_they_count(admin: ShopifyAdmin) -> None:
    admin.connected()
    assert admin.call("again").status_code == 200
    [waits] = admin.site.installations()
    assert waits.connection.secrets["access_token"] == "shpat_offline_1"
    for _ in range(4):
        admin.call("step")
    [again] = admin.site.installations()
    assert again.connection.secrets["access_token"] == "shpat_offline_2"
    assert again.status is InstallationStatus.CONNECTED
    with admin.site.storage.read(TENANT.id) as uow:
        done = [(one.action, one.actor) for one in uow.audit.entries(0, 50)]
    assert ("installation.reconnecting", "shopify 548380009") in done


def test_when_shopify_gives_no_new_key_the_old_one_stays(admin: ShopifyAdmin) -> None:
    admin.connected()
    admin.fake.fail("unavailable", on="grant")
    answer = admin.call("again")
    assert answer.status_code == 422
    assert "No new key came" in words(answer)
    assert "Nothing was changed" in words(answer)
    [still] = admin.site.installations()
    assert still.status is InstallationStatus.CONNECTED


def test_what_is_shown_names_nothing_of_the_business(admin: ShopifyAdmin) -> None:
    admin.connected()
    answer = admin.call("open")
    assert not re.search(r"northlight|owner@", answer.text, re.IGNORECASE)
