"""What is Freshdesk's own: its tickets, its lists, its keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from plugin.domain.errors import Refused, RetryLater
from plugin.domain.ids import TicketId
from tests.contracts.helpdesk import MARKER
from tests.platforms.freshdesk.account import (
    AGENT_ROLE,
    CLOSED,
    CUSTOMER,
    FALSE_ADMIN,
    OWNER,
    PENDING,
    RESOLVED,
    WAITING,
)
from tests.platforms.freshdesk.fake import Mishap
from tests.platforms.freshdesk.world import World


@pytest.fixture
def ticket(world: World) -> TicketId:
    return TicketId(str(world.fake.account.add_ticket()))


def refused(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as raised:
        call()
    return raised.value


# --- reading --------------------------------------------------------------------------------------


def test_a_foreign_ticket_costs_no_look_at_its_requester(world: World, ticket: TicketId) -> None:
    assert world.desk.read_ticket(ticket, world.outsider) is None
    assert not any("contacts" in call for call in world.fake.calls())


def test_the_agent_is_asked_for_anew_after_a_moment(world: World, ticket: TicketId) -> None:
    desk = world.desk
    desk.read_ticket(ticket, world.agent)
    for _ in range(6):
        world.fake.account.tick()
    world.fake.account.agents[int(world.agent)]["contact"]["active"] = False
    assert desk.read_ticket(ticket, world.agent) is None


def test_words_of_the_ticket_come_along(world: World, ticket: TicketId) -> None:
    found = world.desk.read_ticket(ticket, world.agent)
    assert found is not None
    assert (found.subject, found.text) == ("Refund please", "I bought it twice.")
    assert (found.name, found.locale) == ("Mia Learner", "de")


def test_a_requester_who_is_no_contact_has_no_addresses(world: World) -> None:
    number = world.fake.account.add_ticket(OWNER, subject=None, description_text=None)
    found = world.desk.read_ticket(TicketId(str(number)), world.agent)
    assert found is not None
    assert (found.subject, found.name, found.text, found.emails) == ("", "", "", ())
    assert found.locale == "en"


def test_an_address_counts_once_and_the_first_one_leads(world: World) -> None:
    person = world.fake.account.contacts[CUSTOMER]
    person["other_emails"] = ["work@example.com", "MIA@example.com"]
    number = world.fake.account.add_ticket()
    found = world.desk.read_ticket(TicketId(str(number)), world.agent)
    assert found is not None
    assert found.emails == ("mia@example.com", "work@example.com")


def test_a_caller_without_mail_has_no_addresses(world: World) -> None:
    person = world.fake.account.add_contact([])
    number = world.fake.account.add_ticket(person)
    found = world.desk.read_ticket(TicketId(str(number)), world.agent)
    assert found is not None
    assert found.emails == ()


@pytest.mark.parametrize(
    ("change", "is_open"),
    [
        ({"status": PENDING}, True),
        ({"status": WAITING}, True),
        ({"status": RESOLVED}, False),
        ({"status": CLOSED}, False),
        ({"spam": True}, False),
    ],
)
def test_a_ticket_is_open_until_resolved(
    world: World, change: dict[str, Any], is_open: bool
) -> None:
    number = world.fake.account.add_ticket(**change)
    found = world.desk.read_ticket(TicketId(str(number)), world.agent)
    assert found is not None
    assert found.open is is_open


def test_a_ticket_that_was_removed_for_good_is_gone(world: World, ticket: TicketId) -> None:
    del world.fake.account.tickets[int(ticket)]
    assert world.desk.read_ticket(ticket, world.agent) is None
    assert not world.desk.has_marker(ticket, MARKER)
    assert refused(lambda: world.desk.reply(ticket, "Hi.", MARKER)).code == "ticket_gone"


@pytest.mark.parametrize("field", ["status", "requester_id", "tags", "deleted"])
def test_an_answer_of_another_shape_is_no_answer(
    world: World, ticket: TicketId, field: str
) -> None:
    world.ticket(ticket)[field] = {"odd": True}
    with pytest.raises(RetryLater, match=f"answer_unexpected.*{field}"):
        world.desk.read_ticket(ticket, world.agent)


# --- open tickets ---------------------------------------------------------------------------------


def test_the_newest_open_ticket_comes_first_however_old(world: World) -> None:
    account = world.fake.account
    first = account.add_ticket(updated_at="2019-01-01T00:00:00Z")
    second = account.add_ticket()
    found = world.desk.find_open_tickets("mia@example.com")
    assert list(found) == [str(second), str(first)]


def test_a_ticket_of_somebody_else_in_the_list_does_not_count(world: World) -> None:
    mine, other = world.fake.account.add_ticket(), world.fake.account.add_contact(["b@example.com"])
    theirs = world.fake.account.add_ticket(other)
    rows = [world.fake.account.tickets[number] for number in (theirs, mine)]
    world.fake.mishaps.append(Mishap(path=r"tickets\Z", status=200, body=rows))
    assert list(world.desk.find_open_tickets("mia@example.com")) == [str(mine)]


def test_an_address_with_a_plus_is_sent_as_it_is(world: World) -> None:
    person = world.fake.account.add_contact(["a+b@example.com"])
    number = world.fake.account.add_ticket(person)
    assert list(world.desk.find_open_tickets("a+b@example.com")) == [str(number)]


def test_a_list_that_is_refused_for_another_reason_is_a_no(world: World) -> None:
    body = {"description": "Validation failed", "errors": [{"field": "per_page"}]}
    world.fake.mishaps.append(Mishap(path=r"tickets\Z", status=400, body=body))
    found = refused(lambda: world.desk.find_open_tickets("mia@example.com"))
    assert found.code == "call_refused"


def test_a_desk_without_tickets_has_none(world: World) -> None:
    world.fake.mishaps.append(Mishap(path=r"tickets\Z", status=404))
    assert list(world.desk.find_open_tickets("mia@example.com")) == []


# --- connecting -----------------------------------------------------------------------------------


def test_the_probe_tells_account_and_scope(world: World) -> None:
    found = world.desk.probe()
    assert (found.account, found.details) == ("acme.freshdesk.com", "sees all tickets")
    world.fake.account.agents[OWNER]["ticket_scope"] = 2
    assert world.desk.probe().details == "sees some tickets only"


def test_a_wrong_key_is_told(world: World) -> None:
    assert refused(world.connected("wrong").probe).code == "key_refused"


def test_a_domain_of_nobody_is_told(world: World) -> None:
    world.fake.mishaps.append(Mishap(path="agents/me", status=404))
    assert refused(world.desk.probe).code == "account_unknown"


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"ticket_scope": 2}, "all tickets"),
        ({"ticket_scope": None}, "all tickets"),
        ({"role_ids": [AGENT_ROLE]}, "administrator"),
        ({"role_ids": [FALSE_ADMIN]}, "administrator"),
        ({"contact": {"active": False}}, "active agent"),
        ({"deactivated": True}, "active agent"),
    ],
)
def test_a_missing_right_is_named(world: World, changed: dict[str, Any], word: str) -> None:
    world.fake.account.agents[OWNER].update(changed)
    found = refused(world.desk.check_rights)
    assert found.code == "rights_missing"
    assert word in found.detail


def test_without_roles_the_key_is_no_administrators(world: World) -> None:
    world.fake.mishaps.append(Mishap(path="roles", status=404))
    assert refused(world.desk.check_rights).code == "rights_missing"


def test_an_app_secret_that_can_be_guessed_is_told(world: World) -> None:
    found = refused(world.connected(app_secret="short").check_rights)
    assert found.code == "app_secret_short"


def test_no_secret_shows_in_an_error_or_in_the_adapter(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    desk = world.connected("very-secret")
    error = refused(desk.probe)
    assert "very-secret" not in f"{error!r} {error} {vars(desk)!r} {caplog.text}"
