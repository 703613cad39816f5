"""Ways to install beside a key form: two real ones, over the real application."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from plugin.ports.connecting import PendingState
from plugin.services.pending_install import LIFE, TRIED_BY
from tests.databases import Databases
from tests.platforms.saleor.dashboard import Dashboard, NotInstalled, registration_headers
from tests.platforms.woocommerce.fake import KEY, SECRET
from tests.web.site import OTHER, TENANT
from tests.web.ways import SALEOR, WOO, Ways, open_ways, words


@pytest.fixture
def ways(tmp_path: Path, databases: Databases) -> Iterator[Ways]:
    with open_ways(tmp_path, databases) as one:
        yield one


# --- as it should go ------------------------------------------------------------------------------


def test_a_shop_that_sends_its_keys_is_connected(ways: Ways) -> None:
    page = ways.page(WOO)
    assert ways.site.installations() == []
    seen = words(ways.admin.get(page))
    until = (ways.site.clock.now() + LIFE).strftime("%H:%M")
    assert f"Makegood waits for WooCommerce until {until} UTC" in seen
    assert "press Approve" in seen
    consent = ways.consent(page)
    assert consent.shop == ways.shop.url.removesuffix("/wp-json/wc/v3")
    assert consent.approve(ways.post)
    (made,) = ways.site.installations()
    assert made.connection.secrets == {"consumer_key": KEY, "consumer_secret": SECRET}
    assert made.connection.settings == {"shop": "shop.example/de", "base_url": ways.shop.url}
    back = ways.admin.get(_path(consent.way_back(success=True)))
    assert back.headers["Location"] == f"{page}#connect"
    place = f"/install/at/{made.connection.installation}"
    assert ways.admin.get(page).headers["Location"] == f"{place}#connect"
    for _ in range(3):
        ways.admin.press(place, f"{place}/step", {})
    assert [line.state for line in ways.site.installations()[0].self_test] == ["ok"] * 3


def test_a_saleor_that_registers_is_connected(ways: Ways) -> None:
    page = ways.page(SALEOR)
    address = ways.address(page)
    dashboard = Dashboard(ways.saleor.url)
    dashboard.install(address, ways.ask)
    assert dashboard.given == ["MANAGE_ORDERS", "HANDLE_PAYMENTS", "MANAGE_USERS"]
    (made,) = ways.site.installations()
    assert made.connection.secrets == {"app_token": dashboard.token, "app_id": "App:3"}
    assert made.connection.settings["host"] == "ada.example.com"
    with pytest.raises(NotInstalled, match="manifest answered 409"):
        dashboard.install(address, ways.ask)


def test_looking_at_the_manifest_uses_nothing_up(ways: Ways) -> None:
    page = ways.page(SALEOR)
    for _ in range(3):
        status, body = ways.ask("GET", ways.address(page), b"", {})
        assert status == 200
        assert json.loads(body)["id"] == "makegood"
    assert ways.pending(page).state is PendingState.WAITING
    assert ways.saleor.calls == []


def test_the_page_that_looks_again_by_itself_is_led_on(ways: Ways) -> None:
    page, headers = ways.page(WOO), {"HX-Request": "true"}
    looked = ways.admin.client.get(page, headers=headers)
    assert 'hx-trigger="every 3s"' in looked.text
    ways.consent(page).approve(ways.post)
    (made,) = ways.site.installations()
    looked = ways.admin.client.get(page, headers=headers)
    place = f"/install/at/{made.connection.installation}#connect"
    assert looked.headers["HX-Redirect"] == place
    over = ways.page(WOO, another="yes")
    ways.site.clock.advance(seconds=LIFE.total_seconds())
    assert ways.admin.client.get(over, headers=headers).headers["HX-Refresh"] == "true"


def test_the_form_for_a_key_is_there_as_before(ways: Ways) -> None:
    page = words(ways.admin.get(WOO))
    assert "Let WooCommerce send its key" in page
    assert "Or give a key yourself" in page
    fields = {
        "value-shop": "shop.example/de",
        "value-base_url": ways.shop.url,
        "value-consumer_key": KEY,
        "value-consumer_secret": SECRET,
    }
    assert ways.admin.press(WOO, WOO, fields).status_code == 303
    assert len(ways.site.installations()) == 1


def test_a_connection_gets_its_new_key_by_the_same_way(ways: Ways) -> None:
    page = ways.page(WOO)
    ways.consent(page).approve(ways.post)
    (made,) = ways.site.installations()
    ref = str(made.connection.installation)
    assert "Let WooCommerce send its key" in words(ways.admin.get(f"/install/at/{ref}"))
    again = ways.page(WOO, installation=ref)
    assert ways.consent(again).approve(ways.post)
    (same,) = ways.site.installations()
    assert same.connection.installation == made.connection.installation


def test_a_platform_without_a_way_has_its_form_only(ways: Ways) -> None:
    stripe = "/install/store/stripe"
    assert "send its key" not in words(ways.admin.get(stripe))
    assert ways.admin.press("/install", f"{stripe}/way", {}).status_code == 404


# --- what does not go -----------------------------------------------------------------------------


def test_what_was_typed_wrongly_stands_beside_its_field(ways: Ways) -> None:
    answer = ways.begin(WOO, **{"value-shop": "http://shop.example"})
    assert answer.status_code == 422
    assert 'aria-describedby="w-shop-h w-shop-f"' in answer.text
    assert 'id="f-shop-f"' not in answer.text
    answer = ways.begin(WOO, **{"value-base_url": "http://10.0.0.1"})
    assert "add 10.0.0.1:80 to MAKEGOOD_ALLOW_PRIVATE_HOSTS first" in words(answer)
    assert ways.begin(WOO, **{"value-consumer_key": "ck_1"}).status_code == 422


def test_without_https_nothing_is_begun(ways: Ways) -> None:
    answer = ways.begin(WOO, **{"value-base_url": ""})
    assert answer.status_code == 422
    assert "WooCommerce must reach us by https" in words(answer)
    assert ways.shop.calls == []


def test_another_account_is_asked_about_before_anybody_is_sent_away(ways: Ways) -> None:
    ways.consent(ways.page(WOO)).approve(ways.post)
    place = f"/install/at/{ways.site.installations()[0].connection.installation}"
    ways.admin.press(place, f"{place}/step", {})
    other = {"value-shop": "other.example"}
    answer = ways.begin(WOO, **other)
    assert answer.status_code == 409
    assert "WooCommerce is connected already" in words(answer)
    assert ways.page(WOO, **other, another="yes")
    named = ways.begin(WOO, **other, installation="0" * 32)
    assert "there is no such connection to WooCommerce" in words(named)


def test_keys_that_do_not_open_the_shop_are_not_kept(ways: Ways) -> None:
    page = ways.page(WOO)
    consent = ways.consent(page)
    assert not consent.approve(ways.post, consent.keys(secret="cs_wrong"))
    assert ways.site.installations() == []
    assert ways.pending(page).state is PendingState.FAILED
    seen = words(ways.admin.get(page))
    assert "Nothing was connected WooCommerce refused: woocommerce_rest_cannot_view" in seen
    assert "cs_wrong" not in ways.see(page)
    # Used is used: the right keys come too late, and are not tried.
    calls = len(ways.shop.calls)
    assert not consent.approve(ways.post)
    assert len(ways.shop.calls) == calls
    assert ways.site.installations() == []


def test_beginning_again_needs_nothing_typed(ways: Ways) -> None:
    page = ways.page(WOO)
    consent = ways.consent(page)
    consent.approve(ways.post, consent.keys(secret="cs_wrong"))
    answer = ways.admin.press(page, f"{page}/again", {})
    fresh = answer.headers["Location"].partition("#")[0]
    assert fresh != page
    assert ways.consent(fresh).approve(ways.post)
    assert len(ways.site.installations()) == 1


def test_a_silent_shop_leaves_nothing_half_done(ways: Ways) -> None:
    page = ways.page(WOO)
    consent = ways.consent(page)
    ways.shop.__exit__()
    assert not consent.approve(ways.post)
    assert "WooCommerce did not answer" in words(ways.admin.get(page))
    assert ways.site.installations() == []


def test_a_no_on_the_shops_page_ends_it(ways: Ways) -> None:
    page = ways.page(WOO)
    consent = ways.consent(page)
    answer = ways.admin.get(_path(consent.way_back(success=False)))
    assert answer.headers["Location"] == f"{page}#connect"
    assert "You said no on the shop's page" in words(ways.admin.get(page))
    assert not consent.approve(ways.post)


def test_coming_back_with_a_yes_connects_nothing_by_itself(ways: Ways) -> None:
    page = ways.page(WOO)
    ways.admin.get(_path(ways.consent(page).way_back(success=True)))
    assert ways.pending(page).state is PendingState.WAITING
    assert ways.site.installations() == []


def test_what_is_left_behind_shows_as_over(ways: Ways) -> None:
    page = ways.page(WOO)
    with ways.site.parts.house.engine.begin() as db:
        db.execute(text("UPDATE mg_pending_installs SET state = 'trying'"))
    assert "The key came. Makegood is trying it" in words(ways.admin.get(page))
    ways.site.clock.advance(seconds=TRIED_BY.total_seconds())
    assert "Makegood was interrupted, and kept nothing" in words(ways.admin.get(page))


# --- hostile --------------------------------------------------------------------------------------


def test_of_two_posts_at_once_one_is_tried(ways: Ways) -> None:
    consent, barrier = ways.consent(ways.page(WOO)), Barrier(2)
    told: list[bool] = []

    def approve() -> None:
        barrier.wait()
        told.append(consent.approve(ways.post))

    both = [Thread(target=approve) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(told) == [False, True]
    assert [path.partition("?")[0] for _, path in ways.shop.calls] == ["/payment_gateways"]
    assert len(ways.site.installations()) == 1


def test_what_comes_again_is_refused(ways: Ways) -> None:
    consent = ways.consent(ways.page(WOO))
    assert consent.approve(ways.post)
    calls = len(ways.shop.calls)
    status, body = ways.ask("POST", consent.callback, consent.keys(), {})
    assert (status, "used already" in body.decode()) == (409, True)
    assert len(ways.shop.calls) == calls


def test_what_comes_too_late_is_refused(ways: Ways) -> None:
    page = ways.page(WOO)
    consent = ways.consent(page)
    ways.site.clock.advance(seconds=LIFE.total_seconds() - 1)
    assert ways.pending(page).is_open(ways.site.clock.now())
    ways.site.clock.advance(seconds=1)
    status, body = ways.ask("POST", consent.callback, consent.keys(), {})
    assert (status, "time for it is over" in body.decode()) == (410, True)
    assert ways.shop.calls == []
    assert "The time for it is over" in words(ways.admin.get(page))


def test_a_value_that_we_did_not_make_asks_no_database(
    ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    consent = ways.consent(ways.page(WOO))
    path = _path(consent.callback)
    monkeypatch.setattr(ways.site.storage, "find_pending_install", None)
    parts = path.split("/")
    one_time = parts[3]
    ref, _, proof = one_time.partition(".")
    for forged in (
        ref,
        f"{ref}.",
        f"{ref}.{'0' * 64}",
        f"{ref}.{proof[:-1]}",
        f"{ref}.{proof}0",
        f"{'0' * 32}.{proof}",
        "é.é",
        ".",
    ):
        changed = "/".join([*parts[:3], forged, *parts[4:]])
        assert ways.ask("POST", changed, consent.keys(), {})[0] == 404, forged


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"user_id": 1}',
        b"[" * 4000,
        b'{"consumer_key": "ck_1", "consumer_secret": "cs_1"}',
        b'{"a":"\\ud800"}',
    ],
)
def test_bytes_that_are_no_keys_use_nothing_up(ways: Ways, body: bytes) -> None:
    page = ways.page(WOO)
    consent = ways.consent(page)
    assert ways.ask("POST", consent.callback, body, {})[0] == 400
    assert ways.pending(page).state is PendingState.WAITING
    assert ways.shop.calls == []


def test_keys_for_another_install_or_with_fewer_rights_use_nothing_up(ways: Ways) -> None:
    page, other = ways.page(WOO), ways.page(WOO)
    consent, theirs = ways.consent(page), ways.consent(other)
    assert ways.ask("POST", consent.callback, theirs.keys(), {})[0] == 400
    fewer = consent.keys(key_permissions="read")
    status, body = ways.ask("POST", consent.callback, fewer, {})
    assert (status, "read and to write" in body.decode()) == (400, True)
    assert ways.pending(page).state is PendingState.WAITING
    assert ways.shop.calls == []


def test_a_value_opens_its_own_platform_only(ways: Ways) -> None:
    consent = ways.consent(ways.page(WOO))
    path = _path(consent.callback)
    assert ways.ask("POST", path.replace("woocommerce", "saleor"), b"{}", {})[0] == 404
    assert ways.ask("POST", path.replace("woocommerce", "nobody"), b"{}", {})[0] == 404
    assert ways.ask("POST", path.replace("/keys", "/other"), consent.keys(), {})[0] == 400
    assert ways.ask("GET", path, b"", {})[0] == 400
    assert ways.ask("POST", path.replace("/keys", "/back"), consent.keys(), {})[0] == 404


def test_too_much_at_once_is_not_read(ways: Ways) -> None:
    consent = ways.consent(ways.page(WOO))
    assert ways.ask("POST", consent.callback, b" " * 70_000, {})[0] == 413
    packed = {"Content-Encoding": "gzip"}
    assert ways.ask("POST", consent.callback, consent.keys(), packed)[0] == 415


@pytest.mark.parametrize(
    "api",
    [
        "https://evil.example/graphql/",
        "{url}/graphql",
        "{url}.evil.example/graphql/",
        "{url}@evil.example/graphql/",
        "",
        "é",
    ],
)
def test_another_saleor_than_the_one_named_is_refused(ways: Ways, api: str) -> None:
    page = ways.page(SALEOR)
    manifest = json.loads(ways.ask("GET", ways.address(page), b"", {})[1])
    headers = registration_headers(ways.saleor.url)
    headers["Saleor-Api-Url"] = api.format(url=ways.saleor.url)
    told = json.dumps({"auth_token": "stolen"}).encode()
    status, body = ways.ask("POST", manifest["tokenTargetUrl"], told, headers)
    assert (status, "not the one that was named" in body.decode()) == (400, True)
    assert ways.pending(page).state is PendingState.WAITING
    assert ways.saleor.calls == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"auth_token": 1}', b'{"token": "t"}'])
def test_bytes_that_are_no_registration_use_nothing_up(ways: Ways, body: bytes) -> None:
    page = ways.page(SALEOR)
    manifest = json.loads(ways.ask("GET", ways.address(page), b"", {})[1])
    target, headers = manifest["tokenTargetUrl"], registration_headers(ways.saleor.url)
    assert ways.ask("POST", target, body, headers)[0] == 400
    for method, odd in (("GET", target), ("POST", ways.address(page)), ("GET", f"{target}x")):
        assert ways.ask(method, odd, body, headers)[0] == 400
    assert ways.pending(page).state is PendingState.WAITING
    assert ways.saleor.calls == []


def test_a_token_of_nobody_is_tried_once_and_not_kept(ways: Ways) -> None:
    page = ways.page(SALEOR)
    with pytest.raises(NotInstalled, match=r"Saleor refused: .*begin again"):
        Dashboard(ways.saleor.url, token="made-up").install(ways.address(page), ways.ask)
    assert ways.site.installations() == []
    with pytest.raises(AssertionError):
        ways.address(page)
    assert "made-up" not in ways.see(page)


def test_one_tenant_sees_nothing_of_anothers(ways: Ways) -> None:
    page = ways.page(WOO)
    back = _path(ways.consent(page).way_back(success=False))
    stranger = ways.site.admin(OTHER)
    assert stranger.get(page).status_code == 404
    assert stranger.press("/install", f"{page}/again", {}).status_code == 404
    assert stranger.get(back).status_code == 404
    assert ways.pending(page).state is PendingState.WAITING
    assert ways.site.browser().get(back).status_code == 401
    assert ways.admin.get(f"{WOO}/back").status_code == 404
    assert ways.admin.get(f"{WOO}/back?state=x&state=y").status_code == 422


def test_a_rest_of_typed_secrets_and_one_time_values_is_nowhere(ways: Ways) -> None:
    page = ways.page(WOO)
    consent = ways.consent(page)
    one_time = _path(consent.callback).split("/")[3]
    consent.approve(ways.post)
    with ways.site.parts.house.engine.connect() as db:
        for table in ("mg_pending_installs", "mg_installations", "mg_audit"):
            rows = str(db.execute(text(f"SELECT * FROM {table}")).all())  # noqa: S608 - our names
            assert one_time not in rows
            assert KEY not in rows
    with ways.site.storage.read(TENANT.id) as uow:
        actions = [entry.action for entry in uow.audit.entries(0, 20)]
    assert actions[-2:] == ["install.begun", "installation.connecting"]


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
