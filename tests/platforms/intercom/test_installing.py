"""Intercom's OAuth from the install screen: a yes, a no, a code that comes twice or is nobody's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import unescape
from pathlib import Path
from re import findall, search
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.helpdesks.intercom import IntercomInstall
from plugin.ports.connecting import (
    BACK,
    Arrived,
    Credentials,
    InstallUrls,
    NotUsable,
    PendingState,
    SaidNo,
)
from tests.databases import Databases
from tests.platforms.intercom.data import CLIENT_ID, CLIENT_SECRET, TOKEN, WORKSPACE
from tests.platforms.intercom.fake import FakeIntercom, Mishap
from tests.web.site import OTHER, PUBLIC_URL, TENANT, Browser, Site, open_site
from tests.web.ways import words

FORM = "/install/helpdesk/intercom"
TRADE = "POST /auth/eagle/token"
URLS = InstallUrls("p1", "https://us/installing/intercom/v", "p1.value", "https://us/back", "-")


@dataclass
class Office:
    """An admin at the site, and the workspace that they want to connect."""

    site: Site
    fake: FakeIntercom
    admin: Browser = field(init=False)

    def __post_init__(self) -> None:
        self.admin = self.site.admin()

    def begin(self, **more: str) -> str:
        """The page of the install that was begun."""
        fields = {
            "value-workspace_id": WORKSPACE,
            "value-api_host": "api.eu.intercom.io",
            "value-client_id": CLIENT_ID,
            "value-client_secret": CLIENT_SECRET,
            "value-base_url": self.fake.base_url,
            **more,
        }
        answer = self.admin.press(FORM, f"{FORM}/way", fields)
        assert answer.status_code == 303, words(answer)
        return answer.headers["Location"].partition("#")[0]

    def asked(self, page: str) -> Mapping[str, str]:
        """What the vendor's page is asked for."""
        found = search(r'href="([^"]*/oauth\?[^"]*)"', self.admin.get(page).text)
        assert found is not None
        url = urlsplit(unescape(found[1]))
        assert f"{url.scheme}://{url.netloc}" == self.fake.base_url
        return {name: one for name, [one] in parse_qs(url.query, strict_parsing=True).items()}

    def say_yes(self, page: str, code: str = "code-1", who: Browser | None = None) -> int:
        """The vendor makes a code, and sends the browser back with it."""
        asked = self.asked(page)
        self.fake.workspace.codes.add(code)
        back = f"{urlsplit(asked['redirect_uri']).path}?"
        query = urlencode({"code": code, "state": asked["state"]})
        return (who or self.admin).get(f"{back}{query}").status_code

    def state(self, page: str) -> PendingState:
        with self.site.storage.read(TENANT.id) as uow:
            found = uow.pending_installs.get(page.rpartition("/")[2])
        assert found is not None
        return found.state


@pytest.fixture
def office(tmp_path: Path, databases: Databases) -> Iterator[Office]:
    with FakeIntercom() as fake:
        allowed = {"MAKEGOOD_ALLOW_PRIVATE_HOSTS": fake.place}
        with open_site(tmp_path, databases, allowed) as site:
            yield Office(site, fake)


# ---------------------------------------------------------------------------------- from the screen


def test_a_yes_connects_the_workspace_and_the_page_says_what_to_register(office: Office) -> None:
    page = office.begin()
    asked = office.asked(page)
    assert set(asked) == {"client_id", "state", "redirect_uri"}
    assert (asked["client_id"], asked["redirect_uri"]) == (CLIENT_ID, f"{PUBLIC_URL}{FORM}/back")
    shown = office.admin.get(page).text
    assert f'id="install-register" type="text" value="{PUBLIC_URL}{FORM}/back"' in shown
    assert CLIENT_SECRET not in shown
    assert office.say_yes(page) == 303
    (made,) = office.site.installations()
    assert made.connection.secrets == {"access_token": TOKEN, "client_secret": CLIENT_SECRET}
    assert office.state(page) is PendingState.DONE
    place = f"/install/at/{made.connection.installation}"
    for _ in range(3):
        office.admin.press(place, f"{place}/step", {})
    states = [line.state for line in office.site.installations()[0].self_test]
    assert states == ["ok", "ok", "waiting"], "its webhook is added by hand, or never"
    ours = f"{PUBLIC_URL}/canvas/intercom/{made.connection.installation}"
    there = findall(r'id="canvas-\d" type="text" value="([^"]*)"', office.admin.get(place).text)
    assert there == [f"{ours}/initialize", f"{ours}/submit", f"{ours}/configure"]


def test_a_code_that_comes_twice_is_traded_once(office: Office) -> None:
    page = office.begin()
    state = office.asked(page)["state"]
    assert office.say_yes(page, "code-1") == 303
    (made,) = office.site.installations()
    address = f"{FORM}/back?{urlencode({'code': 'code-1', 'state': state})}"
    assert office.admin.get(address).status_code == 303
    assert office.fake.calls().count(TRADE) == 1
    assert office.site.installations() == [made]


def test_a_code_counts_only_with_the_state_that_was_given_out_and_for_whom(office: Office) -> None:
    page = office.begin()
    for state in ("", "x", f"{page.rpartition('/')[2]}.{'0' * 64}"):
        address = f"{FORM}/back?{urlencode({'code': 'code-1', 'state': state})}"
        assert office.admin.get(address).status_code == 404
    assert office.say_yes(page, who=office.site.admin(OTHER)) == 404
    assert office.say_yes(page, who=office.site.browser()) != 303
    assert office.fake.calls() == []
    assert office.state(page) is PendingState.WAITING


def test_a_no_ends_it(office: Office) -> None:
    page = office.begin()
    query = urlencode({"error": "access_denied", "state": office.asked(page)["state"]})
    assert office.admin.get(f"{FORM}/back?{query}").status_code == 303
    assert "You said no on Intercom's page" in words(office.admin.get(page))
    assert office.fake.calls() == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"value-client_secret": "another"}, "check the client ID, the client secret"),
        ({"value-workspace_id": "other"}, "the token belongs to another workspace"),
    ],
)
def test_what_does_not_open_this_workspace_is_not_kept(
    office: Office, typed: dict[str, str], said: str
) -> None:
    page = office.begin(**typed)
    office.say_yes(page)
    assert said in words(office.admin.get(page))
    assert office.site.installations() == []
    assert TOKEN not in office.admin.get(page).text


@pytest.mark.parametrize(
    ("mishap", "said"),
    [
        (Mishap(path="/auth/"), "Intercom went quiet"),
        (Mishap(path="/auth/", status=404), "check the client ID"),
        (Mishap(path="/me$", status=503), "Intercom did not answer"),
    ],
)
def test_a_silent_vendor_leaves_nothing_half_done(
    office: Office, mishap: Mishap, said: str
) -> None:
    office.fake.mishaps.append(replace(mishap))  # it is used up, and each database has its test
    page = office.begin()
    office.say_yes(page)
    assert said in words(office.admin.get(page))
    assert office.site.installations() == []
    assert office.fake.calls().count(TRADE) == 1


def test_the_way_stands_beside_the_form_for_a_token(office: Office) -> None:
    page = words(office.admin.get(FORM))
    assert "Let Intercom send its key" in page
    assert "Or give a key yourself" in page


# ---------------------------------------------------------------------------------- the way itself


@pytest.mark.parametrize(
    ("api_host", "page"),
    [
        ("api.intercom.io", "https://app.intercom.com"),
        ("api.eu.intercom.io", "https://app.eu.intercom.com"),
        ("api.au.intercom.io", "https://app.au.intercom.com"),
    ],
)
def test_each_region_has_its_own_page(api_host: str, page: str) -> None:
    settings = {"client_id": "a b&c", "api_host": api_host}
    step = IntercomInstall().begin(settings, URLS)
    asked = urlencode({"client_id": "a b&c", "state": URLS.one_time, "redirect_uri": URLS.back})
    assert step.url == f"{page}/oauth?{asked}"
    assert step.register == URLS.back


def read(part: str, query: Mapping[str, str]) -> object:
    arrived = Arrived(part, "GET", {}, query, b"")
    return IntercomInstall().read({}, URLS, arrived)


def test_a_code_is_read_from_the_admins_own_browser_only() -> None:
    assert read(BACK, {"code": "c-1"}) == Credentials({"oauth_code": "c-1"})
    assert isinstance(read("token", {"code": "c-1"}), NotUsable)
    assert isinstance(read(BACK, {"code": "c-1", "error": "access_denied"}), SaidNo)


@given(st.dictionaries(st.sampled_from(["code", "error", "state", "x"]), st.text(max_size=40)))
def test_any_query_gives_a_reading(query: dict[str, str]) -> None:
    assert isinstance(read(BACK, query), Credentials | SaidNo | NotUsable)
