"""The install screen over the real application, with a made-up Systeme.io behind it."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from plugin.domain.access_map import AccessMap
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Resource, ResourceKind
from plugin.ports.records import Installation, InstallationStatus
from plugin.services.save_access_map import of_installation
from plugin.services.webhook_secrets import webhook_secrets
from tests.databases import Databases
from tests.platforms.systeme_io.fake import KEY, Fault
from tests.web.site import OTHER, TENANT, Browser, Site, open_site

SYSTEME = "/install/store/systeme_io"


@pytest.fixture
def admin(site: Site) -> Browser:
    return site.admin()


def _connect(site: Site, admin: Browser, key: str = KEY, **more: str) -> TestResponse:
    fields = {
        "value-api_key": key,
        "value-card_payments": "Stripe",
        "value-base_url": site.fake.url,
        **more,
    }
    return admin.press("/install", SYSTEME, fields)


def _connected(site: Site, admin: Browser, lines: int = 5) -> Installation:
    """A connection whose self-test was carried on for so many lines."""
    assert _connect(site, admin).status_code == 303
    (made,) = site.installations()
    place = f"/install/at/{made.connection.installation}"
    for _ in range(lines):
        assert admin.press(place, f"{place}/step", {}).status_code == 200
    return site.installation(made.connection.installation)


def _states(installation: Installation) -> list[str]:
    return [line.state for line in installation.self_test]


def _words(answer: TestResponse) -> str:
    """What a person reads of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


# --- tiles and forms ------------------------------------------------------------------------------


def test_the_tiles_say_in_words_what_each_platform_can_do(admin: Browser) -> None:
    words = _words(admin.get("/install"))
    for part in (
        "Where do you sell?",
        "Systeme.io Connect Systeme.io Refunds by hand, or through Stripe Access courses",
        "Usage not told: stays unknown",
        "Stripe Connect Stripe Refunds in part and in full",
        "Where do you answer?",
        "Zendesk Connect Zendesk",
        "Nothing yet: connect a store first.",
    ):
        assert part in words
    assert "Practice" not in words


def test_the_form_is_made_from_the_manifest(admin: Browser) -> None:
    page = admin.get(SYSTEME)
    assert 'name="value-api_key" type="password" value=""' in page.text
    assert 'type="radio" name="value-card_payments" value="PayPal"' in page.text
    assert "Systeme.io makes no smaller keys" in page.text
    assert 'name="value-base_url"' in page.text


@pytest.mark.parametrize("path", ["store/practice", "store/none", "helpdesk/systeme_io", "x/y"])
def test_there_is_no_form_for_what_cannot_be_connected(admin: Browser, path: str) -> None:
    assert admin.get(f"/install/{path}").status_code == 404
    assert admin.press("/install", f"/install/{path}", {}).status_code in (404, 405)


def test_pages_hold_no_inline_script_and_no_inline_style(site: Site, admin: Browser) -> None:
    made = _connected(site, admin)
    place = f"/install/at/{made.connection.installation}"
    for path in ("/install", SYSTEME, place, f"{place}/map", "/admin", "/admin/audit"):
        page = admin.get(path).text
        assert not re.search(r"\sstyle=|<style|<script(?! defer src=)|\son[a-z]+=", page), path


# --- connecting -----------------------------------------------------------------------------------


def test_connecting_walks_the_whole_self_test(site: Site, admin: Browser) -> None:
    site.fake.books.add_course("Portrait Lighting")
    made = _connected(site, admin)
    assert _states(made) == ["ok", "ok", "ok", "waiting", "ok"]
    assert made.status is InstallationStatus.CONNECTED
    (hook,) = site.fake.books.webhooks.values()
    ref = made.connection.installation
    assert hook["url"] == f"http://localhost/webhooks/systeme_io/{ref}"
    words = _words(admin.get(f"/install/at/{ref}"))
    assert "4 of 5 done" in words
    assert "The key works 0.0 s Key ending in -key, tried without touching any customer" in words
    assert "Waiting for a first delivery 0 s We added a tag to a test contact" in words
    assert f"Deliveries arrive at http://localhost/webhooks/systeme_io/{ref}" in words


def test_the_delivery_that_was_provoked_is_rightly_signed(site: Site, admin: Browser) -> None:
    made = _connected(site, admin, lines=4)
    sent = site.fake.take_outbox()
    assert sent
    for one in sent:
        path = one.url.removeprefix("http://localhost")
        answer = site.app.test_client().post(path, data=one.body, headers=one.headers)
        assert answer.status_code == 200
    with site.storage.read(TENANT.id) as uow:
        kept = uow.deliveries.newest((), 9)
    assert {one.installation for one in kept} == {made.connection.installation}


def test_a_wrong_key_says_so_and_can_be_mended(site: Site, admin: Browser) -> None:
    answer = _connect(site, admin, "wrong-key")
    place = answer.headers["Location"].partition("#")[0]
    words = _words(admin.press(place, f"{place}/step", {}))
    assert "Systeme.io refused: the key is wrong, revoked or expired: make a new one" in words
    assert "wrong-key" not in admin.get(place).text
    assert _connect(site, admin).headers["Location"].partition("#")[0] == place
    words = _words(admin.press(place, f"{place}/step", {}))
    assert "The key works 0.0 s Key ending in -key" in words


def test_a_platform_that_is_down_leaves_nothing_half_done(site: Site, admin: Browser) -> None:
    made = _connected(site, admin, lines=2)
    place = f"/install/at/{made.connection.installation}"
    site.fake.plan_fault(Fault.SERVER_ERROR, "GET", "/api/webhooks")
    words = _words(admin.press(place, f"{place}/step", {}))
    assert "Systeme.io did not answer (server_error). Nothing was changed" in words
    assert site.fake.books.webhooks == {}
    stopped = site.installation(made.connection.installation)
    assert stopped.status is InstallationStatus.NEEDS_ATTENTION
    assert webhook_secrets(stopped.connection.secrets) == []
    assert admin.press(place, f"{place}/again", {}).status_code == 303
    for _ in range(3):
        admin.press(place, f"{place}/step", {})
    assert len(site.fake.books.webhooks) == 1


def test_testing_again_replaces_our_webhook(site: Site, admin: Browser) -> None:
    made = _connected(site, admin)
    place = f"/install/at/{made.connection.installation}"
    admin.press(place, f"{place}/again", {})
    for _ in range(3):
        admin.press(place, f"{place}/step", {})
    (hook,) = site.fake.books.webhooks
    again = site.installation(made.connection.installation)
    assert len(webhook_secrets(again.connection.secrets)) == 2
    assert webhook_secrets(again.connection.secrets)[0] == site.fake.books.secrets[hook]


def test_what_is_missing_stands_beside_its_field(site: Site, admin: Browser) -> None:
    answer = _connect(site, admin, "")
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert "fill in Public API key" in answer.text
    assert site.installations() == []


def test_an_address_that_was_not_opened_is_refused(site: Site, admin: Browser) -> None:
    for address in ("http://127.0.0.1:1", "http://169.254.169.254", "nonsense", "http://x?y"):
        answer = _connect(site, admin, **{"value-base_url": address})
        assert answer.status_code == 422
    assert site.installations() == []


def test_without_https_the_real_address_is_refused(site: Site, admin: Browser) -> None:
    answer = _connect(site, admin, **{"value-base_url": ""})
    assert answer.status_code == 422
    assert "set MAKEGOOD_PUBLIC_URL" in _words(answer)


def test_fields_that_were_not_declared_are_refused(site: Site, admin: Browser) -> None:
    assert _connect(site, admin, secret_note="x").status_code == 422
    assert site.installations() == []


def test_another_account_is_asked_about(site: Site, admin: Browser) -> None:
    _connected(site, admin, lines=1)
    answer = _connect(site, admin, "another-key")
    assert answer.status_code == 409
    assert "Systeme.io is connected already" in answer.text
    assert "another-key" not in answer.text
    assert len(site.installations()) == 1
    assert _connect(site, admin, "another-key", another="yes").status_code == 303
    assert len(site.installations()) == 2
    assert "more-of" in admin.get("/install").text


def test_a_key_is_replaced_where_it_stands(site: Site, admin: Browser) -> None:
    made = _connected(site, admin)
    site.fake.key = "newer-key"
    ref = made.connection.installation
    assert _connect(site, admin, "newer-key", installation=ref).status_code == 303
    assert len(site.installations()) == 1
    place = f"/install/at/{ref}"
    admin.press(place, f"{place}/step", {})
    assert site.installation(ref).connection.secrets["api_key"] == "newer-key"


def test_the_key_of_another_account_changes_nothing(site: Site, admin: Browser) -> None:
    made = _connected(site, admin)
    ref = made.connection.installation
    site.fake.key = "key-of-shop-b"
    site.fake.books.webhooks.clear()
    assert _connect(site, admin, "key-of-shop-b", installation=ref).status_code == 303
    place = f"/install/at/{ref}"
    page = admin.press(place, f"{place}/step", {})
    assert "does not have our webhook, so it is another account" in _words(page)
    assert "key-of-shop-b" not in page.text
    after = site.installation(ref)
    assert after.connection == made.connection
    assert after.status is made.status is InstallationStatus.CONNECTED
    assert after.self_test[1:] == made.self_test[1:]
    assert site.fake.books.webhooks == {}


def _menu(page: TestResponse) -> list[str]:
    found = re.search(r"<ol>(.*?)</ol>", page.text, re.DOTALL)
    assert found is not None
    words = re.sub(r"<svg.*?</svg>", "✓", found[1])
    return re.sub(r"<[^>]+>", " ", words).replace(", done", "").split("\n")


def test_the_steps_are_counted_without_a_gap(admin: Browser) -> None:
    def numbers(path: str) -> list[str]:
        return [line.split()[0] for line in _menu(admin.get(path)) if line.strip()][:-1]

    assert numbers("/install") == ["1", "2", "3", "✓", "5"]
    assert numbers(SYSTEME) == ["1", "2", "3", "4", "✓", "6"]


def test_in_production_no_address_for_development_is_shown(
    tmp_path: Path, databases: Databases
) -> None:
    with open_site(tmp_path, databases, {"MAKEGOOD_ALLOW_PRIVATE_HOSTS": ""}) as one:
        admin = one.admin()
        for path in (SYSTEME, "/install/store/stripe", "/install/helpdesk/zendesk"):
            page = admin.get(path).text
            assert "Address for development" not in page
            assert "base_url" not in page


@pytest.mark.parametrize("key", ["schl\u00fcssel", "key\u200b", "\u043a\u043b\u044e\u0447"])
def test_a_key_that_no_header_can_carry_is_refused_beside_its_field(
    site: Site, admin: Browser, key: str
) -> None:
    answer = _connect(site, admin, key)
    assert answer.status_code == 422
    assert "copy it again" in _words(answer)
    assert 'aria-invalid="true"' in answer.text
    assert key not in answer.text
    assert site.installations() == []


def test_finishing_says_what_comes_first(site: Site, admin: Browser) -> None:
    fields = {
        "value-subdomain": "acme",
        "value-email": "owner@acme.example",
        "value-api_token": "t",
        "value-base_url": site.fake.url,
    }
    answer = admin.press("/install", "/install/helpdesk/zendesk", fields)
    place = answer.headers["Location"].partition("#")[0]
    ref = place.rpartition("/")[2]
    page = _words(admin.get(place))
    assert f"makegood package zendesk --installation {ref}" in page
    refused = admin.press(place, f"{place}/finish", {})
    assert refused.status_code == 409
    assert "Not finished yet" in refused.text


# --- what we found, and the access map ------------------------------------------------------------


def test_day_one_says_only_what_is_true(site: Site, admin: Browser) -> None:
    _connected(site, admin)
    words = _words(admin.get("/install"))
    assert "Systeme.io lists no sales. Orders are known from the first sale" in words
    assert "You have not said yet what each plan gives" in words


def test_the_map_is_filled_from_the_stores_own_list(site: Site, admin: Browser) -> None:
    course = site.fake.books.add_course("Portrait Lighting")
    tag = site.fake.books.add_tag("buyer")
    made = _connected(site, admin)
    ref = made.connection.installation
    place = f"/install/at/{ref}/map"
    page = admin.get(place)
    assert "Systeme.io does not list price plans and course bundles" in page.text
    assert f'name="gives" value="course:{course}:Portrait Lighting"' in page.text
    gives = [f"course:{course}:Portrait Lighting", f"tag:{tag}:buyer"]
    fields: dict[str, str | list[str]] = {"part": "products", "ref": "3456401", "gives": gives}
    assert admin.press(place, place, fields).status_code == 303
    admin.press(place, place, {"part": "tags", "ref": str(tag), "gives": gives[:1]})
    with site.storage.read(TENANT.id) as uow:
        kept = of_installation(uow, InstallationId(ref))
    lighting = Resource(ref, ResourceKind.COURSE, str(course))
    assert kept.given_by(ref, "3456401") == (
        lighting,
        Resource(ref, ResourceKind.TAG, str(tag)),
    )
    assert kept.opened_by(Resource(ref, ResourceKind.TAG, str(tag))) == (lighting,)
    words = _words(admin.get(place))
    assert "Price plan 3456401 course Portrait Lighting, tag buyer" in words
    assert "Tag buyer" in words
    change = admin.get(f"{place}?part=products&ref=3456401").text
    assert f'value="course:{course}:Portrait Lighting" checked' in change
    assert "1 price plan, 1 tag" in _words(admin.get("/install"))
    admin.press(place, place, {"part": "products", "ref": "3456401", "forget": "yes"})
    assert "Price plan 3456401" not in _words(admin.get(place))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"part": "bundles", "ref": "1", "gives": "shoe:1:x"}, "choose from the list"),
        ({"part": "tags", "ref": "1", "gives": "tag:2:x"}, "may not open another tag"),
        ({"part": "tags", "ref": "1", "kind": "tag", "more": "2"}, "may not open another tag"),
        ({"part": "products", "ref": " ", "gives": "course:1:x"}, "give its id, on one line"),
        ({"part": "products", "ref": "1" * 256}, "give its id, on one line"),
        ({"part": "products", "ref": "1", "more": "2\r3"}, "give its id, on one line"),
        ({"part": "products", "ref": "1", "more": " "}, "give its id, on one line"),
        ({"part": "products", "ref": "1", "gives": "course:a%0Ab:x"}, "choose from the list"),
        ({"part": "products", "ref": "1", "kind": "shoe"}, "choose what it is"),
        ({"part": "other", "ref": "1"}, "choose one of these"),
        ({"part": "products", "ref": "1", "shoe": "x"}, "load the page again"),
    ],
)
def test_an_entry_that_cannot_be_used_says_why(
    site: Site, admin: Browser, fields: dict[str, str | list[str]], words: str
) -> None:
    made = _connected(site, admin, lines=1)
    place = f"/install/at/{made.connection.installation}/map"
    answer = admin.press(place, place, fields)
    assert answer.status_code == 422
    assert words in _words(answer)
    with site.storage.read(TENANT.id) as uow:
        assert of_installation(uow, made.connection.installation) == AccessMap()


def test_what_was_typed_stands_in_the_form_again(site: Site, admin: Browser) -> None:
    course = site.fake.books.add_course("Portrait Lighting")
    made = _connected(site, admin, lines=1)
    place = f"/install/at/{made.connection.installation}/map"
    gives = f"course:{course}:Portrait Lighting"
    typed: dict[str, str | list[str]] = {
        "part": "tags",
        "ref": 'a "tag"',
        "gives": [gives, "community:5:Of old"],
        "kind": "tag",
        "more": "vip",
    }
    answer = admin.press(place, place, typed)
    assert answer.status_code == 422
    assert 'value="tags" checked' in answer.text
    assert 'name="ref" value="a &#34;tag&#34;"' in answer.text
    assert f'value="{gives}" checked' in answer.text
    assert 'value="community:5:Of old" checked' in answer.text
    assert '<option value="tag" selected>' in answer.text
    assert 'name="more" value="vip"' in answer.text
    assert 'name="form_token"' in answer.text
    assert admin.press(place, place, {**typed, "kind": "course"}).status_code == 303
    words = _words(admin.get(place))
    assert "course Portrait Lighting, community Of old, course vip" in words


def test_ids_can_be_typed_while_the_store_is_silent(site: Site, admin: Browser) -> None:
    made = _connected(site, admin, lines=1)
    place = f"/install/at/{made.connection.installation}/map"
    site.fake.plan_fault(Fault.SERVER_ERROR, times=9)
    page = admin.get(place)
    assert page.status_code == 200
    assert "does not list its courses and tags just now" in page.text
    assert admin.press(place, place, {"part": "bundles", "ref": "b1"}).status_code == 303
    assert "Bundle b1 nothing" in _words(admin.get(place))


# --- the policy -----------------------------------------------------------------------------------


def test_a_preview_changes_nothing_and_starting_makes_the_next_version(
    site: Site, admin: Browser
) -> None:
    preview = admin.press("/install", "/install/policy/preview", {"start": "eu_withdrawal"})
    assert "withdraw within 14 days" in preview.text
    assert "Would be version 2; version 1 is in force" in preview.text
    answer = admin.press("/install", "/install/policy", {"start": "eu_withdrawal"})
    assert answer.headers["Location"] == "/install#policy"
    with site.storage.read(TENANT.id) as uow:
        policy = uow.settings.policy()
    assert policy is not None
    assert [version.number for version in policy.versions] == [1, 2]
    assert policy.newest.in_force_from == site.clock.now()
    assert "Version 2, in force" in admin.get("/install").text


def test_there_is_no_fifth_policy(admin: Browser) -> None:
    answer = admin.press("/install", "/install/policy", {"start": "my_own"})
    assert answer.status_code == 422
    assert (
        "Start with this policy"
        in admin.press("/install", "/install/policy/preview", {"start": "my_own"}).text
    )


def test_each_tenant_starts_its_own(site: Site, admin: Browser) -> None:
    admin.press("/install", "/install/policy", {"start": "eu_withdrawal"})
    with site.storage.read(OTHER.id) as uow:
        policy = uow.settings.policy()
    assert policy is not None
    assert len(policy.versions) == 1
