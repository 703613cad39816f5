"""The app's way in over HTTP: a pass for Freshworks' servers, then the frame for a browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from plugin.domain.ids import AgentId, InstallationId, PairingId
from plugin.ports.records import Installation, InstallationStatus, Pairing, PairingState
from plugin.web.auth import PanelSession, issue_panel_token
from tests.databases import Databases
from tests.factories import NOW
from tests.platforms.freshdesk.account import AGENT, APP_SECRET, OUTSIDER
from tests.platforms.freshdesk.fake import FakeFreshdesk
from tests.platforms.freshdesk.world import connection
from tests.web.site import OTHER, SIGNING_KEYS, TENANT, Site, open_site

DESK = InstallationId("f" * 32)
BASE = f"/panel/freshdesk/{DESK}"
SHOWN = f"Bearer {APP_SECRET}"


@pytest.fixture
def fake() -> Iterator[FakeFreshdesk]:
    with FakeFreshdesk() as one:
        yield one


@pytest.fixture
def site(tmp_path: Path, databases: Databases, fake: FakeFreshdesk) -> Iterator[Site]:
    allowed = {"MAKEGOOD_ALLOW_PRIVATE_HOSTS": fake.place}
    with open_site(tmp_path, databases, allowed) as one:
        ours = replace(
            connection(base_url=fake.base_url), tenant=TENANT.id, installation=DESK, label="Acme"
        )
        with one.storage.begin(TENANT.id) as uow:
            uow.installations.add(Installation(ours, InstallationStatus.CONNECTED, NOW))
            uow.commit()
        yield one


def fetch(site: Site, shown: str = SHOWN, base: str = BASE, agent: int = AGENT) -> TestResponse:
    """As Freshworks' servers ask for the page."""
    fields = {"agent": str(agent)}
    return site.browser().client.post(
        f"{base}/pass", data=fields, headers={"Authorization": shown} if shown else {}
    )


def test_a_pass_opens_the_frame_inside_this_desk_only(site: Site, fake: FakeFreshdesk) -> None:
    answer = fetch(site)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    opened = site.browser().post(BASE, {"pass": answer.get_json()["pass"]})
    assert opened.status_code == 200
    policy = opened.headers["Content-Security-Policy"]
    assert "frame-ancestors https://acme.freshdesk.com https://d3h0owdjgzys62.cloudfront.net" in (
        policy
    )
    assert 'id="desk-open"' in opened.text
    assert APP_SECRET not in opened.text
    assert fake.seen == []  # nothing is asked for before anybody is known


@pytest.mark.parametrize("shown", ["", "Bearer x", f"Basic {APP_SECRET}", f"{SHOWN} "[:-2]])
def test_who_does_not_show_the_secret_gets_nothing(site: Site, shown: str) -> None:
    answer = fetch(site, shown)
    assert answer.status_code == 401
    assert APP_SECRET not in answer.text


@pytest.mark.parametrize(
    "base", [f"/panel/zendesk/{DESK}", f"/panel/freshdesk/{'0' * 32}", f"/panel/practice/{DESK}"]
)
def test_an_address_of_nobody_is_not_here(site: Site, base: str) -> None:
    assert fetch(site, base=base).status_code == 404


def test_a_removed_desk_gives_no_pass(site: Site) -> None:
    with site.storage.begin(TENANT.id) as uow:
        found = uow.installations.get(DESK)
        assert found is not None
        uow.installations.save(replace(found, status=InstallationStatus.REMOVED))
        uow.commit()
    assert fetch(site).status_code == 404


def test_a_desk_that_signs_its_agents_gives_no_pass(site: Site) -> None:
    zendesk = replace(
        connection(),
        tenant=TENANT.id,
        installation=InstallationId("d" * 32),
        platform="zendesk",
        settings={"subdomain": "acme", "email": "owner@acme.example"},
        secrets={"api_token": "z" * 40, "app_secret": APP_SECRET},
    )
    with site.storage.begin(TENANT.id) as uow:
        uow.installations.add(Installation(zendesk, InstallationStatus.CONNECTED, NOW))
        uow.commit()
    answer = fetch(site, base=f"/panel/zendesk/{zendesk.installation}")
    assert answer.status_code == 401
    assert "eyJ" not in answer.text


def test_a_pass_of_another_installation_opens_nothing(site: Site) -> None:
    other = InstallationId("e" * 32)
    with site.storage.begin(OTHER.id) as uow:
        theirs = replace(connection(), tenant=OTHER.id, installation=other)
        uow.installations.add(Installation(theirs, InstallationStatus.CONNECTED, NOW))
        uow.commit()
    given = fetch(site, base=f"/panel/freshdesk/{other}").get_json()["pass"]
    assert site.browser().post(BASE, {"pass": given}).status_code == 401


@pytest.mark.parametrize("body", ["", "pass=", "pass=x", "agent=102", "pass=%00", "token=x"])
def test_no_frame_opens_without_a_pass(site: Site, body: str) -> None:
    opened = site.browser().client.post(
        BASE, data=body, content_type="application/x-www-form-urlencoded"
    )
    assert opened.status_code in {400, 401}
    assert site.browser().get(f"{BASE}?{body}").status_code == 401


# --- the panel behind it --------------------------------------------------------------------------


def enter(site: Site) -> str:
    """The session of a frame that brought its pass; nobody is paired yet."""
    opened = site.browser().post(BASE, {"pass": fetch(site).get_json()["pass"]})
    return opened.headers["X-Makegood-Session"]


def open_ticket(site: Site, session: str, ticket: int) -> TestResponse:
    fields = {"session": session, "ticket": str(ticket)}
    return site.browser().post(f"{BASE}/open", fields)


def paired(site: Site, agent: int) -> str:
    """A session of this agent as pairing leaves it."""
    pairing = Pairing(
        tenant=TENANT.id,
        id=PairingId("pairing-1"),
        desk=DESK,
        agent=AgentId(str(agent)),
        state=PairingState.PAIRED,
        browser="b" * 64,
        frame="f" * 64,
        framed_at=NOW,
        asked_at=NOW,
        expires_at=NOW + timedelta(days=30),
        wake_at=None,
    )
    with site.storage.begin(TENANT.id) as uow:
        uow.pairings.add(pairing)
        uow.commit()
    session = PanelSession(TENANT.id, DESK, pairing.agent, NOW, pairing=pairing.id)
    return issue_panel_token(session, SIGNING_KEYS, site.clock.now())


def test_a_paired_agent_opens_a_ticket_with_four_calls(site: Site, fake: FakeFreshdesk) -> None:
    ticket = fake.account.add_ticket()
    opened = open_ticket(site, paired(site, AGENT), ticket)
    assert "Mia Learner" in opened.text
    assert len(fake.seen) <= 4


def test_a_paired_agent_does_not_see_what_the_desk_hides(site: Site, fake: FakeFreshdesk) -> None:
    ticket = fake.account.add_ticket()
    opened = open_ticket(site, paired(site, OUTSIDER), ticket)
    assert "Mia" not in opened.text
    assert "mia@example.com" not in opened.text


def test_who_is_not_paired_sees_a_ticket_only_where_everybody_does(
    site: Site, fake: FakeFreshdesk
) -> None:
    ticket = fake.account.add_ticket()
    hidden = open_ticket(site, enter(site), ticket)
    assert "Mia" not in hidden.text
    for one in fake.account.agents.values():
        one.update(ticket_scope=1, type="support_agent")
    fake.seen.clear()
    shown = open_ticket(site, enter(site), ticket)
    assert "Mia Learner" in shown.text
    assert len(fake.seen) <= 4
