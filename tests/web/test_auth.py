"""Who asks: default-deny routes, panel tokens, the admin's cookie, posts from elsewhere."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from plugin.chance import Threads
from plugin.domain.ids import AgentId, InstallationId, TicketId
from plugin.ports import Connection, Kind
from plugin.ports.records import Installation, InstallationStatus
from plugin.web.auth import (
    Access,
    PanelSession,
    Proofs,
    access_of,
    cookie_name,
    current_desk,
    current_panel,
    issue_panel_token,
    open_to,
    read_panel_token,
)
from plugin.web.context import WebContext
from plugin.web.problems import NotSignedIn
from plugin.web.security import UndeclaredRoutes, install_security, undeclared_routes
from plugin.web.strict_forms import LARGEST_FORM
from tests.databases import Databases
from tests.factories import NOW
from tests.web.site import OTHER, SIGNING_KEYS, TENANT, Site, open_site

DESK = InstallationId("desk-1")
SESSION = PanelSession(
    TENANT.id,
    DESK,
    AgentId("agent-7"),
    NOW,
    TicketId("5512"),
    Proofs(email="mirela@mail.example", card="4242"),
)


# --- routes ---------------------------------------------------------------------------------------


def test_every_route_says_how_it_is_opened(site: Site) -> None:
    assert undeclared_routes(site.app) == ()


def test_an_app_with_a_route_that_says_nothing_does_not_start(site: Site) -> None:
    app = Flask("odd", static_folder=None)
    app.add_url_rule("/forgotten", "forgotten", lambda: "hello")
    with pytest.raises(UndeclaredRoutes, match="/forgotten"):
        install_security(app, _context(site))


def test_a_route_that_lost_its_declaration_later_is_closed(site: Site) -> None:
    site.app.view_functions["public.healthz"] = lambda: "open"
    assert site.browser().get("/healthz").status_code == 404


def test_every_admin_route_is_closed_to_strangers_and_to_odd_cookies(site: Site) -> None:
    for rule in site.app.url_map.iter_rules():
        if access_of(site.app.view_functions[rule.endpoint]) is not Access.ADMIN:
            continue
        path = rule.rule.replace("<any(store, helpdesk):kind>", "store")
        path = path.replace("<platform>", "systeme_io").replace("<installation>", "x")
        for cookie in ("", "x" * 3000, "ünknown"):
            stranger = site.browser()
            stranger.client.set_cookie("makegood", cookie)
            for method in rule.methods or ():
                answer = stranger.client.open(path, method=method)
                assert answer.status_code == 401, (path, method)


def test_odd_parts_of_a_path_reach_no_query(site: Site) -> None:
    admin = site.admin()
    for part in ("%00", "x" * 201, "a%0Ab"):
        assert admin.get(f"/install/at/{part}").status_code == 404
        assert site.browser().client.post(f"/webhooks/systeme_io/{part}").status_code == 404


# --- the panel's tokens ---------------------------------------------------------------------------


def test_a_token_tells_who_sits_there() -> None:
    token = issue_panel_token(SESSION, SIGNING_KEYS, NOW)
    assert read_panel_token(token, SIGNING_KEYS, NOW + timedelta(minutes=14)) == SESSION


def test_a_session_without_ticket_and_proofs_is_one_too() -> None:
    bare = PanelSession(TENANT.id, DESK, AgentId("a"), NOW)
    assert read_panel_token(issue_panel_token(bare, SIGNING_KEYS, NOW), SIGNING_KEYS, NOW) == bare


def test_a_token_ends_after_fifteen_minutes() -> None:
    token = issue_panel_token(SESSION, SIGNING_KEYS, NOW)
    with pytest.raises(NotSignedIn) as error:
        read_panel_token(token, SIGNING_KEYS, NOW + timedelta(minutes=15))
    assert error.value.code == "session_ended"


def test_renewing_never_passes_twelve_hours_of_the_sign_in() -> None:
    late = NOW + timedelta(hours=11, minutes=55)
    token = issue_panel_token(SESSION, SIGNING_KEYS, late)
    assert read_panel_token(token, SIGNING_KEYS, late + timedelta(minutes=4)) == SESSION
    with pytest.raises(NotSignedIn):
        read_panel_token(token, SIGNING_KEYS, late + timedelta(minutes=5))
    with pytest.raises(NotSignedIn):
        issue_panel_token(SESSION, SIGNING_KEYS, NOW + timedelta(hours=12))


def test_keys_rotate_without_a_gap() -> None:
    old, new = SIGNING_KEYS
    token = issue_panel_token(SESSION, [old], NOW)
    assert read_panel_token(token, [new, old], NOW) == SESSION
    with pytest.raises(NotSignedIn):
        read_panel_token(token, [new], NOW)


def _claims(**changed: object) -> dict[str, Any]:
    token = issue_panel_token(SESSION, SIGNING_KEYS, NOW)
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return {name: value for name, value in {**claims, **changed}.items() if value is not ...}


def _signed(claims: dict[str, Any], key: str = SIGNING_KEYS[0], algorithm: str = "HS256") -> str:
    derived = hmac.digest(key.encode(), b"makegood panel session", hashlib.sha256)
    return jwt.encode(claims, derived, algorithm=algorithm)


def test_the_forgeries_below_are_refused_for_their_one_change_only() -> None:
    assert read_panel_token(_signed(_claims()), SIGNING_KEYS, NOW) == SESSION


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "another"},
        {"aud": ["makegood-panel", "another"]},
        {"iss": "another"},
        {"exp": ...},
        {"iat": ...},
        {"aud": ...},
        {"iss": ...},
        {"sub": ...},
        {"tid": ...},
        {"since": ...},
        {"sub": ""},
        {"tid": 7},
        {"tkt": 7},
        {"prf": "x"},
        {"exp": True},
        {"exp": "soon"},
        {"exp": int((NOW + timedelta(days=1)).timestamp())},
        {"iat": int((NOW + timedelta(minutes=1)).timestamp())},
        {"exp": int((NOW - timedelta(minutes=1)).timestamp())},
    ],
    ids=str,
)
def test_a_token_with_one_odd_claim_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(NotSignedIn):
        read_panel_token(_signed(_claims(**changed)), SIGNING_KEYS, NOW)


def test_other_algorithms_and_other_purposes_are_refused() -> None:
    unsigned = jwt.encode(_claims(), "", algorithm="none")
    raw_key = jwt.encode(_claims(), SIGNING_KEYS[0], algorithm="HS256")
    for token in (unsigned, raw_key, _signed(_claims(), "2" * 64), "", "a.b.c", "ä", "x" * 5000):
        with pytest.raises(NotSignedIn):
            read_panel_token(token, SIGNING_KEYS, NOW)


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(token: str) -> None:
    with pytest.raises(NotSignedIn):
        read_panel_token(token, SIGNING_KEYS, NOW)


# --- routes of the panel --------------------------------------------------------------------------


def _context(site: Site) -> WebContext:
    return WebContext(
        settings=site.parts.settings,
        storage=site.storage,
        platforms=site.parts.platforms,
        registry=site.parts.registry,
        gather=Threads(),
        clock=site.clock,
        mint=site.parts.mint,
        assets={"panel/panel.css": "panel.css"},
        signing_keys=SIGNING_KEYS,
    )


def _desk(site: Site, **changed: Any) -> Installation:  # noqa: ANN401 - any field of a connection
    connection = Connection(TENANT.id, DESK, Kind.HELPDESK, "zendesk", "acme", {}, {})
    desk = Installation(replace(connection, **changed), InstallationStatus.CONNECTED, NOW)
    with site.storage.begin(desk.connection.tenant) as uow:
        uow.installations.add(desk)
        uow.commit()
    return desk


@pytest.fixture
def panel(site: Site) -> Flask:
    """An app whose one route says who sits at the panel."""
    app = Flask("panel", static_folder=None)

    @app.post("/panel/<platform>/<installation>/who")
    @open_to(Access.PANEL_SESSION)
    def who(platform: str, installation: str) -> str:
        return f"{current_panel().agent} at {current_desk().installation}"

    install_security(app, _context(site))
    return app


def _ask(
    panel: Flask, session: PanelSession | None, path: str = f"/panel/zendesk/{DESK}/who"
) -> Any:  # noqa: ANN401 - the test client's answer
    headers = {}
    if session is not None:
        headers["Authorization"] = f"Bearer {issue_panel_token(session, SIGNING_KEYS, NOW)}"
    return panel.test_client().post(path, headers=headers, data={"session": "x"})


def test_a_bearer_token_opens_its_own_desk(site: Site, panel: Flask) -> None:
    _desk(site)
    assert _ask(panel, SESSION).text == "agent-7 at desk-1"


def test_without_script_the_token_comes_in_the_form(site: Site, panel: Flask) -> None:
    _desk(site)
    client, path = panel.test_client(), f"/panel/zendesk/{DESK}/who"
    token = issue_panel_token(SESSION, SIGNING_KEYS, NOW)
    assert client.post(path, data={"session": token}).text == "agent-7 at desk-1"
    assert client.post(path, data={"session": [token, token]}).status_code == 401
    assert client.post(path, data={}).status_code == 415
    assert client.get(path).status_code == 405


def test_a_token_never_opens_another_desk(site: Site, panel: Flask) -> None:
    _desk(site)
    _desk(site, installation=InstallationId("desk-2"))
    for path in ("/panel/zendesk/desk-2/who", f"/panel/practice/{DESK}/who"):
        assert _ask(panel, SESSION, path).status_code == 404
    stranger = replace(SESSION, tenant=OTHER.id)
    assert _ask(panel, stranger).status_code == 404
    assert _ask(panel, replace(SESSION, installation=InstallationId("none"))).status_code == 404


def test_a_removed_desk_closes_its_panels_at_once(site: Site, panel: Flask) -> None:
    desk = _desk(site)
    with site.storage.begin(TENANT.id) as uow:
        uow.installations.save(replace(desk, status=InstallationStatus.REMOVED))
        uow.commit()
    assert _ask(panel, SESSION).status_code == 404


def test_a_store_is_no_desk(site: Site, panel: Flask) -> None:
    _desk(site, kind="store")
    assert _ask(panel, SESSION).status_code == 404


# --- the admin's cookie ---------------------------------------------------------------------------


def test_opening_the_link_spends_nothing_and_pressing_signs_in(site: Site) -> None:
    link = site.sign_in.make_link(TENANT.id, "", NOW)
    scanner, person = site.browser(), site.browser()
    assert scanner.get(link).status_code == 200
    assert scanner.client.head(link).status_code == 200
    assert person.get("/admin").status_code == 401
    assert "Sign in to Makegood" in person.get(link).text
    token = link.partition("link=")[2]
    assert person.post("/admin/sign-in", {"link": token}).headers["Location"] == "/admin"
    assert person.get("/admin").status_code == 200
    spent = scanner.post("/admin/sign-in", {"link": token})
    assert spent.status_code == 410
    assert "spent or too old" in spent.text


def test_a_link_does_not_outlive_fifteen_minutes(site: Site) -> None:
    link = site.sign_in.make_link(TENANT.id, "", NOW)
    site.clock.advance(minutes=15)
    assert site.browser().get(link).status_code == 410


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(site: Site) -> None:
    link = site.sign_in.make_link(TENANT.id, "", NOW)
    answer = site.browser().post("/admin/sign-in", {"link": link.partition("link=")[2]})
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("makegood=")
    for part in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"):
        assert part in cookie
    assert "Domain" not in cookie


def test_with_https_the_cookie_is_bound_to_host_and_https(
    tmp_path: Path, databases: Databases
) -> None:
    given = {"MAKEGOOD_PUBLIC_URL": "https://refunds.example"}
    with open_site(tmp_path, databases, given) as site:
        link = site.sign_in.make_link(TENANT.id, "", NOW)
        browser = site.browser()
        answer = browser.post("/admin/sign-in", {"link": link.partition("link=")[2]})
        assert answer.headers["Set-Cookie"].startswith("__Host-makegood=")
        assert "Secure" in answer.headers["Set-Cookie"]
        assert "Strict-Transport-Security" in answer.headers
    assert cookie_name(https=True).startswith("__Host-")


def test_a_session_ends_after_twelve_hours(site: Site) -> None:
    admin = site.admin()
    site.clock.advance(hours=12)
    assert admin.get("/admin").status_code == 401


def test_signing_out_ends_a_stolen_copy_of_the_cookie_too(site: Site) -> None:
    admin = site.admin()
    cookie = admin.client.get_cookie("makegood")
    assert cookie is not None
    assert admin.press("/admin", "/admin/sign-out", {}).status_code == 303
    assert admin.get("/admin").status_code == 401
    thief = site.browser()
    thief.client.set_cookie("makegood", cookie.value)
    assert thief.get("/admin").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
    ],
)
def test_a_post_from_another_site_is_refused(
    site: Site, headers: dict[str, str], status: int
) -> None:
    admin = site.admin()
    fields = {"form_token": admin.token(), "start": "thirty_days"}
    assert admin.post("/install/policy", fields, headers).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 303),
        ("null", 303),
        ("http://localhost", 303),
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("http://[", 403),
    ],
)
def test_an_older_browser_is_told_by_its_origin(
    site: Site, origin: str | None, status: int
) -> None:
    admin = site.admin()
    answer = admin.client.post(
        "/install/policy",
        data={"form_token": admin.token(), "start": "thirty_days"},
        headers={} if origin is None else {"Origin": origin},
    )
    assert answer.status_code == status


def test_a_post_without_the_pages_token_changes_nothing(site: Site) -> None:
    admin, other = site.admin(), site.admin()
    with site.storage.read(TENANT.id) as uow:
        before = uow.settings.policy()
    for token in ([], [""], ["0" * 64], [other.token()], [admin.token(), admin.token()], ["ä"]):
        answer = admin.post("/install/policy", {"form_token": token, "start": "eu_withdrawal"})
        assert answer.status_code == 403
    with site.storage.read(TENANT.id) as uow:
        assert uow.settings.policy() == before


def test_sign_in_from_another_site_is_refused(site: Site) -> None:
    link = site.sign_in.make_link(TENANT.id, "", NOW)
    fields = {"link": link.partition("link=")[2]}
    answer = site.browser().post("/admin/sign-in", fields, {"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert site.browser().get(link).status_code == 200


def test_a_body_over_its_limit_is_refused_before_it_is_read(site: Site) -> None:
    admin = site.admin()
    answer = admin.post("/install/policy", {"start": "x" * LARGEST_FORM})
    assert answer.status_code == 413


def test_an_admin_sees_nothing_of_another_tenant(site: Site) -> None:
    desk = _desk(site, tenant=OTHER.id)
    ref = desk.connection.installation
    admin = site.admin()
    assert ref not in admin.get("/admin").text
    for path in (f"/install/at/{ref}", f"/install/at/{ref}/map"):
        assert admin.get(path).status_code == 404
    for path in ("step", "again", "finish", "map"):
        assert admin.press("/admin", f"/install/at/{ref}/{path}", {}).status_code == 404
