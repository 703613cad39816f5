"""Every route of the application: it says how it is opened, and stays shut without that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.routing import Rule

from plugin.domain.ids import AgentId, TenantId, TicketId
from plugin.ports.records import Tenant
from plugin.web.auth import Access, PanelSession, access_of, issue_panel_token
from plugin.web.security import UndeclaredRoutes, install_security, undeclared_routes
from tests.web.practice_house import PracticeHouse

HTML = {"Accept": "text/html"}


def rules(house: PracticeHouse) -> Iterator[tuple[Rule, Access]]:
    for rule in house.app.url_map.iter_rules():
        access = access_of(house.app.view_functions[rule.endpoint])
        assert access is not None, rule
        yield rule, access


def path_of(house: PracticeHouse, rule: Rule, **other: str) -> str:
    """The rule's address with ids that exist, or those given instead."""
    known = {"platform": "practice", "installation": house.desk, "kind": "store", **other}
    values = {name: known.get(name, "x") for name in rule.arguments}
    with house.app.test_request_context():
        built = house.app.url_map.bind("localhost").build(rule.endpoint, values)
    return str(built)


def statuses(house: PracticeHouse, rule: Rule, path: str, body: str = "") -> dict[str, int]:
    """What each of the rule's methods answers to a stranger."""
    client = house.app.test_client()
    found = {}
    for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
        kind = "application/x-www-form-urlencoded" if method == "POST" else None
        answer = client.open(path, method=method, data=body, content_type=kind, headers=HTML)
        found[method] = answer.status_code
    return found


def test_every_route_says_how_it_is_opened(house: PracticeHouse) -> None:
    assert undeclared_routes(house.app) == ()
    assert {access for _, access in rules(house)} == set(Access)


def test_a_route_that_says_nothing_stops_the_start(house: PracticeHouse) -> None:
    app = Flask("plugin.web", static_folder=None)
    app.add_url_rule("/forgotten", "forgotten", lambda: "open to all")
    with pytest.raises(UndeclaredRoutes, match="/forgotten"):
        install_security(app, object())  # type: ignore[arg-type]  # refused before it is looked at


def test_only_these_are_open_to_anybody(house: PracticeHouse) -> None:
    public = {rule.rule for rule, access in rules(house) if access is Access.PUBLIC}
    assert public == {"/", "/healthz", "/readyz", "/favicon.ico", "/assets/<path:name>"}


@pytest.mark.parametrize("body", ["", "session=x", "session=x&session=y", "order=%00", "%ff=%ff"])
def test_no_panel_route_opens_without_a_session(house: PracticeHouse, body: str) -> None:
    for rule, access in rules(house):
        if access is Access.PANEL_SESSION:
            found = statuses(house, rule, path_of(house, rule), body)
            assert found == {"POST": 400 if "%" in body else 401}, rule


def test_no_panel_opens_without_the_desks_word(house: PracticeHouse) -> None:
    for rule, access in rules(house):
        if access is Access.PANEL_ENTRY:
            assert set(statuses(house, rule, path_of(house, rule)).values()) == {401}
            missing = path_of(house, rule, installation="0" * 32)
            assert set(statuses(house, rule, missing).values()) == {404}


def test_a_session_of_one_tenant_opens_no_desk_of_another(house: PracticeHouse) -> None:
    now = house.clock.now()
    other = Tenant(TenantId("another"), "Another store")
    house.parts.house.storage.add_tenant(other, now)
    agent = AgentId("practice-agent")
    theirs = PanelSession(other.id, house.desk, agent, now, TicketId("1001"))
    token = issue_panel_token(theirs, house.parts.house.signing_keys, now)
    for rule, access in rules(house):
        if access is Access.PANEL_SESSION:
            found = statuses(house, rule, path_of(house, rule), f"session={token}")
            assert found == {"POST": 404}, rule


def test_no_admin_route_opens_without_a_sign_in(house: PracticeHouse) -> None:
    closed = [rule for rule, access in rules(house) if access is Access.ADMIN]
    assert {"/install", "/admin"} <= {rule.rule for rule in closed}
    for rule in closed:
        assert set(statuses(house, rule, path_of(house, rule)).values()) == {401}, rule


@pytest.mark.parametrize("value", ["x", "%00", "a" * 300, "..%2f..", "%F0%9F%92%B8", "' OR 1=1 --"])
def test_no_id_in_a_path_breaks_anything(house: PracticeHouse, value: str) -> None:
    client = house.app.test_client()
    for rule, _ in rules(house):
        parts = rule.rule.split("/")
        path = "/".join(value if part.startswith("<") else part for part in parts)
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = client.open(path, method=method, headers=HTML)
            assert answer.status_code < 500, f"{method} {path}"


def test_the_icon_that_browsers_ask_for_is_none_and_no_fault(house: PracticeHouse) -> None:
    answer = house.app.test_client().get("/favicon.ico")
    assert answer.status_code == 204
    assert answer.headers["Cache-Control"] == "public, max-age=86400"
