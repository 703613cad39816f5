"""Links used twice, late or in another browser, and frames and windows of others."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import jwt
import pytest

from plugin.domain.errors import RetryLater
from plugin.domain.ids import TenantId, TicketId
from plugin.platforms.manifest import Vouching
from plugin.ports.records import InstallationStatus, Tenant
from plugin.services.pair_agent import FRAME_WAITS, LINK_LIFE, PER, revoke_pairing
from plugin.services.sign_in_admin import hashed
from plugin.storage.pairing_rows import PairingRows
from plugin.web.auth import (
    PanelSession,
    issue_panel_token,
    read_panel_token,
)
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.pairing_house import (
    ANA,
    LEAD,
    PairingHouse,
    Person,
    ToyRegistry,
)
from tests.web.practice_house import NewHouse, PracticeHouse

TICKET = TicketId("1001")
ASKING = "makegood-asking"


# --- hostile: links -------------------------------------------------------------------------------


def test_a_link_works_once(house: PairingHouse, ana: Person) -> None:
    ana.frame().ask()
    token = house.link_token()
    assert ana.spend(token).status_code == 200
    assert ana.see(token).status_code == ana.spend(token).status_code == 410
    assert len(house.pairings()) == 1


def test_a_link_opens_nothing_in_another_browser(
    house: PairingHouse, ana: Person, mallory: Person
) -> None:
    ana.frame().ask()
    token = house.link_token()
    for cookie in (None, "guessed", "x" * 201, "\u00e9"):
        if cookie:
            mallory.client.set_cookie(ASKING, cookie)
        assert mallory.see(token).status_code == mallory.spend(token).status_code == 410
    assert house.pairings() == []
    assert ana.spend(token).status_code == 200  # and it is still good in its own


def test_a_link_opens_nothing_beside_what_another_asking_left(
    house: PairingHouse, ana: Person, mallory: Person
) -> None:
    """A stranger who noted this browser's cookie, or set it, asks: their asking has one anew."""
    ana.frame().ask()
    house.work()
    noted = ana.client.get_cookie(ASKING)
    assert noted is not None
    mallory.client.set_cookie(ASKING, noted.value)
    mallory.frame(ANA).ask()
    assert ana.spend(house.link_token()).status_code == 410
    assert house.pairings() == []


def test_cookies_that_were_noted_before_the_pairing_open_nothing_after_it(
    house: PairingHouse, ana: Person, mallory: Person
) -> None:
    agents = f"makegood-agent-{house.desk}"
    ana.client.set_cookie(agents, "planted-by-mallory")
    panel = ana.frame()
    panel.ask()
    asking = ana.client.get_cookie(ASKING)
    assert asking is not None
    assert ana.spend(house.link_token()).status_code == 200
    assert ana.client.get_cookie(ASKING) is None
    for noted in (asking.value, "planted-by-mallory"):
        mallory.client.set_cookie(agents, noted)
        assert "Say who you are" in mallory.frame(ANA).window("").text
    assert "You can close this window" in ana.frame().window("").text


def test_a_browser_proves_one_agent_of_a_desk_and_the_one_before_is_over(
    house: PairingHouse, ana: Person
) -> None:
    before = ana.paired(ANA)
    ana.paired(LEAD)
    [pairing] = house.pairings()
    assert pairing.agent == LEAD
    assert before.refund().status_code == 401
    assert "Say who you are" in ana.frame(ANA).window("").text
    assert house.trail()[-2:] == ["pairing.paired", "pairing.ended"]


@pytest.mark.parametrize("given", ["\u00e9", "\x80", "x" * 201, "%ff", '"', "=;"])
def test_an_odd_cookie_is_a_browser_that_nobody_knows(ana: Person, given: str) -> None:
    panel = ana.frame()
    for path, fields in (
        (f"{ana.house.base}/pairing", {"session": panel.token}),
        ("/pair", {"link": "x"}),
    ):
        answer = ana.house.app.test_client().post(
            path,
            data=fields,
            headers={
                "Accept": "text/html",
                "Sec-Fetch-Site": "same-origin",
                "Cookie": f"makegood-agent-{ana.house.desk}={given}; {ASKING}={given}",
            },
        )
        assert answer.status_code == (410 if path == "/pair" else 200)


def test_a_pairing_that_ends_while_its_browser_asks_gives_the_frame_nothing(
    house: PairingHouse, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana.paired()
    panel = ana.frame()
    monkeypatch.setattr(PairingRows, "move", lambda *_: False)
    assert "Say who you are" in panel.window("").text
    [pairing] = house.pairings()
    now = house.clock.now()
    assert not revoke_pairing(house.parts.house.storage, house.tenant, pairing.id, "admin", now)
    assert panel.send("pair").status_code == 204
    assert "pairing.revoked" not in house.trail()


def test_a_colleagues_id_gets_a_mail_to_the_colleague_and_nothing_more(
    house: PairingHouse, ana: Person, mallory: Person
) -> None:
    panel = mallory.frame(LEAD)
    panel.ask()
    assert [mail.to for mail in house.mails()] == ["practice-lead@desk.example"]
    assert ana.spend(house.link_token()).status_code == 410  # the lead's own browser did not ask
    assert panel.send("pair").status_code == 204
    assert panel.offers_pairing()


def test_a_link_that_is_too_old_opens_nothing(
    house: PairingHouse, clock: TurnedClock, ana: Person
) -> None:
    ana.frame().ask()
    token = house.link_token()
    clock.turn(LINK_LIFE - timedelta(seconds=1))
    assert ana.see(token).status_code == 200
    clock.turn(timedelta(seconds=1))
    assert ana.see(token).status_code == ana.spend(token).status_code == 410


@pytest.mark.parametrize("token", ["", "x", "x" * 201, "é"])
def test_odd_links_open_nothing(ana: Person, token: str) -> None:
    ana.frame().ask()
    assert ana.see(token).status_code in (400, 410, 422)
    assert ana.spend(token).status_code in (410, 422)


def test_of_two_presses_one_pairs(
    house: PairingHouse, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana.frame().ask()
    token = house.link_token()
    storage = house.parts.house.storage
    read_before = storage.find_pairing(hashed(token))
    assert ana.spend(token).status_code == 200
    monkeypatch.setattr(storage, "find_pairing", lambda _: read_before)
    assert ana.spend(token).status_code == 410
    assert house.trail().count("pairing.paired") == 1


def test_a_press_that_another_site_makes_pairs_nobody(house: PairingHouse, ana: Person) -> None:
    ana.frame().ask()
    token = house.link_token()
    assert ana.post("/pair", {"link": token}, "cross-site").status_code == 403
    assert house.pairings() == []


def test_a_desk_that_is_silent_leaves_the_link_good(house: PairingHouse, ana: Person) -> None:
    ana.frame().ask()
    token = house.link_token()
    house.says.fails = RetryLater("silent")
    assert ana.spend(token).status_code == 503
    house.says.fails = None
    assert ana.spend(token).status_code == 200


def test_an_agent_who_left_meanwhile_is_not_paired(house: PairingHouse, ana: Person) -> None:
    ana.frame().ask()
    token = house.link_token()
    house.says.agents[ANA] = replace(house.says.agents[ANA], active=False)
    assert ana.spend(token).status_code == 403
    house.says.agents[ANA] = replace(house.says.agents[ANA], active=True)
    assert ana.spend(token).status_code == 410
    assert house.pairings() == []
    assert "pairing.refused" in house.trail()


def test_a_link_of_a_desk_that_was_taken_out_opens_nothing(
    house: PairingHouse, ana: Person
) -> None:
    panel = ana.frame()
    panel.ask()
    token = house.link_token()
    removed = replace(house.installation("helpdesk"), status=InstallationStatus.REMOVED)
    with house.parts.house.storage.begin(house.tenant) as uow:
        uow.installations.save(removed)
        uow.commit()
    assert ana.spend(token).status_code == 410


# --- hostile: windows and frames ------------------------------------------------------------------


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", None])
def test_nobody_is_led_into_the_window_from_elsewhere(
    house: PairingHouse, ana: Person, site: str | None
) -> None:
    """Else a stranger's frame could be proven by whoever follows the stranger's page."""
    panel = ana.frame()
    assert panel.window(site=site).status_code == 403
    assert house.mails() == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_gets_no_panel_with_its_makers_frame(
    mallory: Person, site: str
) -> None:
    assert mallory.frame(LEAD).send("open", site, ticket="1001").status_code == 403


def test_a_paired_browser_proves_only_the_frame_that_it_opened_the_window_from(
    house: PairingHouse, ana: Person, mallory: Person
) -> None:
    ana.paired()
    theirs = mallory.frame(ANA)
    ours = ana.frame()
    assert ours.window("").status_code == 200
    assert theirs.send("pair").status_code == 204
    assert ours.send("pair").status_code == 200


def test_what_the_desk_told_for_an_agent_is_not_remembered_for_who_claims_to_be_them(
    ana: Person, mallory: Person
) -> None:
    panel = mallory.frame(ANA)
    assert "Ana Horvat" in ana.paired().text
    for move in ("timeline", "order", "plan"):
        assert panel.send(move, order="").status_code == 200
        assert "This ticket is not shown yet" in panel.text


def test_a_frame_takes_up_what_it_was_given_for_ten_minutes_only(
    clock: TurnedClock, ana: Person, house: PairingHouse
) -> None:
    panel = ana.frame()
    panel.ask()
    ana.spend(house.link_token())
    clock.turn(FRAME_WAITS)
    assert panel.send("pair").status_code == 204
    assert "You can close this window" in panel.window("").text
    assert panel.send("pair").status_code == 200


def test_a_paired_browser_proves_no_other_agent(house: PairingHouse, ana: Person) -> None:
    ana.paired(ANA)
    panel = ana.frame(LEAD)
    assert "Say who you are" in panel.window("").text
    assert panel.send("pair").status_code == 204


def test_a_window_of_a_panel_that_is_proven_changes_nothing(
    house: PairingHouse, ana: Person, mallory: Person
) -> None:
    panel = ana.paired()
    before = house.pairings()
    answer = mallory.post(f"{house.base}/pairing", {"session": panel.token, "press": "yes"})
    assert "You can close this window" in answer.text
    assert house.pairings() == before
    assert len(house.mails()) == 1


def test_a_token_of_another_tenant_opens_no_window(house: PairingHouse, ana: Person) -> None:
    now = house.clock.now()
    other = Tenant(TenantId("another"), "Another store")
    house.parts.house.storage.add_tenant(other, now)
    theirs = PanelSession(other.id, house.desk, ANA, now, TICKET, frame="x" * 43)
    token = issue_panel_token(theirs, house.parts.house.signing_keys, now)
    assert ana.post(f"{house.base}/pairing", {"session": token}).status_code == 404


def test_a_pairing_of_another_tenant_proves_nothing_here(house: PairingHouse, ana: Person) -> None:
    panel = ana.paired()
    now = house.clock.now()
    storage = house.parts.house.storage
    storage.add_tenant(Tenant(TenantId("another"), "Another store"), now)
    [pairing] = house.pairings()
    with storage.read(TenantId("another")) as uow:
        assert uow.pairings.get(pairing.id) is None
        assert uow.pairings.all(now) == []
        assert uow.pairings.of_frame(pairing.desk, ANA, pairing.frame) is None
        assert uow.pairings.of_browser(pairing.desk, pairing.browser, now) is None
        assert uow.pairings.asked_since(pairing.desk, now - PER) == 0
    assert panel.send("orders", order="").status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"pairing": None, "frame": None},
        {"pairing": "no-such-pairing"},
        {"agent": LEAD},
    ],
)
def test_a_session_that_no_pairing_proves_opens_nothing(
    house: PairingHouse, ana: Person, change: dict[str, str | None]
) -> None:
    """Such as one from before the desk was declared to prove its account only."""
    panel = ana.paired()
    keys, now = house.parts.house.signing_keys, house.clock.now()
    session = replace(read_panel_token(panel.token, keys, now), **change)  # type: ignore[arg-type]  # by name
    token = issue_panel_token(session, keys, now)
    assert panel.send("orders", session=token, order="").status_code == 401


# --- desks that sign are as they were -------------------------------------------------------------


def test_a_session_of_a_signed_desk_takes_no_claim(
    house: PairingHouse, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = ana.frame()
    paired = ana.paired()
    monkeypatch.setattr(ToyRegistry, "vouching", Vouching.SIGNED)
    assert ana.frame().page.status_code == 401
    assert panel.send("orders", order="").status_code == 401
    assert paired.send("orders", order="").status_code == 401


def test_a_desk_that_proves_nothing_lets_nobody_in(
    ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ToyRegistry, "vouching", Vouching.NOBODY)
    assert ana.frame().page.status_code == 401


def test_practice_itself_asks_nobody_to_pair(new_house: NewHouse, clock: TurnedClock) -> None:
    with new_house.copied() as (folder, database):
        plain = PracticeHouse(folder, clock, database=database)
        path = plain.link("1001").removeprefix(plain.settings.public_url)
        page = plain.app.test_client().get(path, headers={"Accept": "text/html"})
        plain.close()
    claims = jwt.decode(page.headers["X-Makegood-Session"], options={"verify_signature": False})
    assert page.status_code == 200
    assert 'id="pairing"' not in page.text
    assert not {"frm", "par"} & set(claims)
