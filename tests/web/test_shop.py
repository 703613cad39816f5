"""The card "Your shop" on the install screen, over the real application."""

from __future__ import annotations

import re
from html import unescape

import pytest
from werkzeug.test import TestResponse

from tests.web.site import OTHER, TENANT, Browser, Site


@pytest.fixture
def admin(site: Site) -> Browser:
    return site.admin()


def save(admin: Browser, **fields: str) -> TestResponse:
    told = {"name": "Northlight Studio", "time_zone": "UTC", "language": "en", **fields}
    return admin.press("/install", "/install/shop", told)


def named(site: Site) -> tuple[str, str]:
    with site.storage.read(TENANT.id) as uow:
        tenant = uow.settings.tenant()
    return tenant.name, tenant.time_zone


def test_the_card_shows_the_shop_and_offers_every_time_zone(admin: Browser) -> None:
    page = admin.get("/install").text
    assert 'name="name" type="text" value="Northlight Studio"' in page
    assert 'name="time_zone" type="text" value="UTC" list="zones"' in page
    assert '<option value="Europe/Zagreb"></option>' in page
    assert '<option value="en" selected>English</option>' in page


def test_what_is_saved_stands_on_the_page_and_on_the_policy(site: Site, admin: Browser) -> None:
    answer = save(admin, name='Nord & "Licht"', time_zone="asia/tokyo")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/install#shop"
    assert named(site) == ('Nord & "Licht"', "Asia/Tokyo")
    page = admin.get("/install").text
    assert 'Refunds at Nord & "Licht"' in unescape(page)
    there = re.search(r"It is (\d\d):40 there", page)
    assert there is not None
    assert there[1] == "21"
    with site.storage.read(OTHER.id) as uow:
        assert uow.settings.tenant().name == OTHER.name


@pytest.mark.parametrize(
    ("field", "typed", "advice"),
    [
        ("name", "", "give a name of at most 100 characters"),
        ("time_zone", "Mars/Base", "give an IANA name like Europe/Zagreb"),
        ("language", "tlh", "we have: en"),
    ],
)
def test_what_cannot_be_saved_stands_beside_its_field(
    site: Site, admin: Browser, field: str, typed: str, advice: str
) -> None:
    answer = save(admin, **{"name": "Other", field: typed})
    assert answer.status_code == 422
    assert f'id="shop-{field}-f">{advice}' in answer.text
    assert f'shop-{field}-f" aria-invalid="true"' in answer.text
    assert named(site) == ("Northlight Studio", "UTC")
    if field == "time_zone":
        assert 'value="Mars/Base"' in answer.text


def test_fields_of_our_own_only(site: Site, admin: Browser) -> None:
    assert save(admin, simulated="yes").status_code == 422
    assert save(admin, name="a\nb").status_code == 422
    assert named(site) == ("Northlight Studio", "UTC")


def test_nobody_else_describes_it(site: Site) -> None:
    answer = site.browser().post("/install/shop", {"name": "Evil"})
    assert answer.status_code in (401, 403)
    assert named(site) == ("Northlight Studio", "UTC")
