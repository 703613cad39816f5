"""An agent of a desk that proves only its account: what is seen, how they are paired, what ends."""

from __future__ import annotations

import re
from dataclasses import replace

import jwt
import pytest

from plugin.domain.ids import TicketId
from plugin.services.pair_agent import PAIRING_LIFE
from plugin.services.sign_in_admin import SignInAdmin
from plugin.web.auth import (
    Access,
    access_of,
)
from plugin.web.panel import LOOKING
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.pairing_house import (
    ANA,
    LEAD,
    PairingHouse,
    Person,
)
from tests.web.site import Browser

TICKET = TicketId("1001")
WRITING = ("refund", "undo", "look", "attest", "steps", "search", "prove")


# --- before ---------------------------------------------------------------------------------------


def test_an_unpaired_agent_sees_no_ticket_where_the_desk_cannot_say_it_is_theirs(
    house: PairingHouse, ana: Person
) -> None:
    panel = ana.frame()
    assert panel.page.status_code == 200
    assert "This ticket is not shown yet" in panel.text
    assert panel.offers_pairing()
    assert "Horvat" not in panel.text
    assert house.says.asked == ["read_shared_ticket"]


def test_an_unpaired_agent_only_looks_at_a_ticket_that_all_may_see(
    house: PairingHouse, ana: Person
) -> None:
    house.says.shared.add(TICKET)
    panel = ana.frame()
    assert "Ana Horvat" in panel.text
    assert panel.offers_pairing()
    assert "not before we know who you are" in panel.text
    assert '<button class="pay" id="pay" type="button" disabled' in panel.page.text
    assert set(house.says.asked) == {"read_shared_ticket"}


@pytest.mark.parametrize("ticket", ["1001", "1002", "1011", "1012"])
def test_what_an_unpaired_agent_may_not_do_is_not_offered_either(
    house: PairingHouse, ana: Person, ticket: str
) -> None:
    house.says.shared.add(TicketId(ticket))
    page = ana.frame(ticket=ticket).page.text
    asked = set(re.findall(rf'action="{house.base}/(\w+)"', page)) - {"pairing"}
    closed = asked - LOOKING
    assert closed <= {"steps", "refund"}
    assert "refund" not in closed or 'id="pay" type="button" disabled' in page
    steps = re.findall(r'<input type="checkbox" name="step"[^>]*>', page)
    assert ("steps" in closed) is bool(steps)
    assert all(" disabled" in one for one in steps)


@pytest.mark.parametrize("move", WRITING)
def test_no_move_of_an_unpaired_agent_writes_or_searches(
    house: PairingHouse, ana: Person, move: str
) -> None:
    house.says.shared.add(TICKET)
    panel = ana.frame()
    fields = {"order": house.order("20418"), "plan": "x", "hash": "y", "q": "a@b.example"}
    answer = panel.send(move, **fields)
    assert answer.status_code == 403
    assert "You may not do this" in answer.text


def test_every_move_but_looking_is_closed_to_the_unpaired(house: PairingHouse, ana: Person) -> None:
    opened = set()
    for rule in house.app.url_map.iter_rules():
        place, _, move = rule.endpoint.partition(".")
        view = house.app.view_functions[rule.endpoint]
        if place == "panel" and access_of(view) is Access.PANEL_SESSION:
            assert (ana.frame().send(move).status_code == 403) is (move not in LOOKING), move
            opened |= {move} & LOOKING
    assert opened == {"open", "orders", "order", "plan", "timeline", "pair", "renew"}


def test_what_the_page_claims_is_not_who_sits_there(house: PairingHouse, ana: Person) -> None:
    house.says.shared.add(TICKET)
    ana.paired(LEAD)
    panel = Person(house).frame(LEAD)  # another browser, whose page code says it is the lead
    assert panel.offers_pairing()
    assert panel.send("undo", order=house.order("20418")).status_code == 403


@pytest.mark.parametrize("claims", ["", "?", "a b", "x" * 65, "<b>", "é", "7\n"])
def test_a_frame_that_names_no_agent_may_look_and_is_told_what_to_do(
    house: PairingHouse, ana: Person, claims: str
) -> None:
    house.says.shared.add(TICKET)
    panel = ana.frame(claims)
    assert "You can only look" in panel.text
    assert "did not tell us which agent this is. Reload the ticket." in panel.text
    assert "Ana Horvat" in panel.text
    assert "Say who I am" not in panel.text
    assert panel.send("refund", order=house.order("20418")).status_code == 403
    answer = panel.window()
    assert answer.status_code == 409
    assert "We were not told which agent this is" in answer.text
    assert (house.trail(), house.mails()) == ([], [])


def test_a_frame_that_names_no_agent_sees_no_ticket_that_some_may_not_see(ana: Person) -> None:
    panel = ana.frame("")
    assert "This ticket is not shown yet" in panel.text
    assert "Horvat" not in panel.text


def test_another_ticket_in_the_frame_is_as_unproven_as_the_first(
    house: PairingHouse, ana: Person
) -> None:
    panel = ana.frame()
    assert panel.send("open", ticket="1002").status_code == 200
    assert "This ticket is not shown yet" in panel.text
    assert "read_ticket" not in house.says.asked


# --- the way --------------------------------------------------------------------------------------


def test_the_whole_way_ends_in_a_panel_that_refunds_as_its_agent(
    house: PairingHouse, ana: Person
) -> None:
    panel = ana.frame()
    window = panel.window("")
    assert "Say who you are" in window.text
    assert "<dt>Agent number there</dt><dd><bdi>practice-agent</bdi>" in window.text
    assert "Horvat" not in window.text
    assert "desk.example" not in window.text
    assert window.headers["X-Frame-Options"] == "DENY"
    assert "Look into your mail" in panel.window().text
    assert panel.send("pair").status_code == 204

    [mail] = house.mails()
    assert mail.to == "practice-agent@desk.example"
    assert "Is this you at" in mail.subject
    token = house.link_token()
    page = ana.see(token)
    assert "Are you Practice agent?" in page.text
    assert page.status_code == ana.see(token).status_code == 200  # looking spends nothing
    assert panel.send("pair").status_code == 204
    assert "You can close this window" in ana.spend(token).text

    assert panel.send("pair").status_code == 200
    assert not panel.offers_pairing()
    assert "Ana Horvat" in panel.text
    assert panel.refund().status_code == 200
    assert "Undo" in panel.text
    assert house.trail() == ["pairing.asked", "pairing.link_made", "pairing.paired"]


def test_the_frames_token_names_tenant_desk_agent_ticket_and_pairing(
    house: PairingHouse, ana: Person
) -> None:
    panel = ana.paired()
    claims = jwt.decode(panel.token, options={"verify_signature": False})
    [pairing] = house.pairings()
    assert (claims["tid"], claims["ins"]) == (house.tenant, house.desk)
    assert (claims["sub"], claims["tkt"], claims["par"]) == (ANA, TICKET, pairing.id)
    assert "frm" not in claims
    assert claims["exp"] - claims["iat"] <= 900


def test_a_paired_browser_goes_on_without_another_mail(house: PairingHouse, ana: Person) -> None:
    ana.paired()
    panel = ana.frame(ticket="1002")
    assert panel.offers_pairing()
    assert "You can close this window" in panel.window("").text
    assert panel.send("pair").status_code == 200
    assert not panel.offers_pairing()
    assert len(house.mails()) == 1


def test_the_record_says_what_the_desk_said_at_that_moment(
    house: PairingHouse, clock: TurnedClock, ana: Person
) -> None:
    panel = ana.frame()
    panel.ask()
    token = house.link_token()
    house.says.agents[ANA] = replace(house.says.agents[ANA], role="lead", name="Ana I.")
    ana.spend(token)
    [pairing] = house.pairings()
    assert (pairing.role, pairing.name) == ("lead", "Ana I.")
    assert (pairing.desk, pairing.agent) == (house.desk, ANA)
    assert pairing.expires_at == clock.now() + PAIRING_LIFE


def test_who_asks_twice_is_paired_by_the_newest_link(house: PairingHouse, ana: Person) -> None:
    first, second = ana.frame(), ana.frame()
    tokens = []
    for panel in (first, second):
        panel.ask()
        tokens.append(house.link_token())
    answer = ana.see(tokens[0])
    assert answer.status_code == 410
    assert "the newest one works" in answer.text
    assert ana.spend(tokens[1]).status_code == 200
    assert len(house.pairings()) == 1
    assert second.send("pair").status_code == 200
    assert "You can close this window" in first.window("").text


def test_the_browsers_cookie_is_out_of_reach_and_no_admins(
    house: PairingHouse, ana: Person
) -> None:
    panel = ana.frame()
    asked = panel.window().headers.getlist("Set-Cookie")
    paired = ana.spend(house.link_token()).headers.getlist("Set-Cookie")
    assert (len(asked), len(paired)) == (1, 2)
    for cookie in (*asked, *paired):
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
    assert ana.client.get("/admin", headers={"Accept": "text/html"}).status_code == 401
    assert "Set-Cookie" not in panel.page.headers


def test_the_window_opens_out_of_a_sandbox_also_when_it_only_says_no(
    house: PairingHouse, ana: Person
) -> None:
    """In such a window browsers show nothing of a page that has an opener policy."""
    panel = ana.frame()
    path = f"{house.base}/pairing"
    for answer in (panel.window(""), panel.window(), ana.post(path, {"session": "old"})):
        assert answer.headers["Cross-Origin-Opener-Policy"] == "unsafe-none"
        assert answer.headers["X-Frame-Options"] == "DENY"
    for other in (ana.see(house.link_token()), panel.page):
        assert other.headers["Cross-Origin-Opener-Policy"] == "same-origin"


# --- what ends ------------------------------------------------------------------------------------


def admin_of(house: PairingHouse) -> Browser:
    one = Browser(house.app.test_client())
    sign_in = SignInAdmin(house.parts.house.storage, house.parts.mint)
    link = sign_in.make_link(house.tenant, "", house.clock.now())
    assert one.post("/admin/sign-in", {"link": link.partition("link=")[2]}).status_code == 303
    return one


def test_an_admin_sees_who_is_paired_and_ends_it_at_once(house: PairingHouse, ana: Person) -> None:
    admin = admin_of(house)
    assert "Nobody is paired" in admin.get("/admin/pairings").text
    panel = ana.paired()
    page = admin.get("/admin/pairings").text
    assert "Practice agent" in page
    action = re.search(r'action="(/admin/pairings/[^/]+/revoke)"', page)
    assert action is not None
    answer = admin.press("/admin/pairings", action[1], {})
    assert answer.headers["Location"] == "/admin/pairings?said=revoked"
    assert "Revoked" in admin.get(answer.headers["Location"]).text
    assert "Nobody is paired" in admin.get("/admin/pairings").text

    assert panel.refund().status_code == 401  # in between two presses
    again = ana.frame()
    assert "Say who you are" in again.window("").text  # the browser is a stranger again
    assert house.trail()[-1] == "pairing.revoked"
    answer = admin.press("/admin/pairings", action[1], {})
    assert "ended already" in admin.get(answer.headers["Location"]).text


def test_a_revoking_needs_the_forms_token(house: PairingHouse, ana: Person) -> None:
    ana.paired()
    [pairing] = house.pairings()
    admin = admin_of(house)
    path = f"/admin/pairings/{pairing.id}/revoke"
    assert admin.post(path, {"form_token": "0" * 64}).status_code == 403
    assert house.pairings() == [pairing]


def test_a_pairing_ends_after_thirty_days(
    house: PairingHouse, clock: TurnedClock, ana: Person
) -> None:
    ana.paired()
    clock.turn(PAIRING_LIFE)
    assert house.pairings() == []
    assert "Say who you are" in ana.frame().window("").text


def test_a_role_that_fell_meanwhile_refunds_nothing(house: PairingHouse, ana: Person) -> None:
    panel = ana.paired()
    house.says.agents[ANA] = replace(house.says.agents[ANA], role="light_agent")
    assert panel.refund().status_code == 403


def test_an_agent_who_was_sent_away_meanwhile_sees_nothing(
    house: PairingHouse, ana: Person
) -> None:
    panel = ana.paired()
    house.says.agents[ANA] = replace(house.says.agents[ANA], active=False)
    assert panel.refund().status_code == 200
    assert "This ticket is not yours to see" in panel.text


def test_a_paired_agent_sees_no_ticket_that_the_desk_hides_from_them(
    house: PairingHouse, ana: Person
) -> None:
    panel = ana.paired()
    house.says.hidden.add((TicketId("1002"), ANA))
    panel.send("open", ticket="1002")
    assert "This ticket is not yours to see" in panel.text
