"""What the Intercom desk does beyond the contract: addresses, tags, limits, connecting."""

from __future__ import annotations

import json

import pytest

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import AgentId, TicketId
from plugin.helpdesks.intercom.texts import carries, html_of
from plugin.ports import Changed
from tests.contracts.helpdesk import MARKER
from tests.platforms.intercom.data import WORKSPACE
from tests.platforms.intercom.fake import Mishap
from tests.platforms.intercom.world import World


def conversation(world: World, email: str, role: str, wrote: str = "") -> TicketId:
    workspace = world.fake.workspace
    contact = workspace.add_contact(email, role)
    return TicketId(str(workspace.add_conversation(contact, wrote)))


def emails(world: World, ticket: TicketId) -> tuple[tuple[str, ...], str]:
    found = world.desk.read_ticket(ticket, world.agent)
    assert found is not None
    return found.emails, found.text


# ---------------------------------------------------------------------------------- reading


def test_a_users_address_is_proven(world: World) -> None:
    assert emails(world, conversation(world, "mia@example.com", "user"))[0] == ("mia@example.com",)


def test_where_anybody_can_claim_to_be_a_user_their_address_proves_nothing(world: World) -> None:
    world.fake.workspace.verifies_users = False
    proven, text = emails(world, conversation(world, "mia@example.com", "user"))
    assert proven == ()
    assert text.endswith("\nmia@example.com")
    assert "Messenger security is off" in world.desk.check_rights()
    mail = conversation(world, "mia@example.com", "user", wrote="mia@example.com")
    assert emails(world, mail)[0] == ("mia@example.com",)


def test_a_workspace_that_does_not_say_proves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = {**world.fake.workspace.me(), "app": None}
    monkeypatch.setattr(world.fake.workspace, "me", lambda: silent)
    assert emails(world, conversation(world, "mia@example.com", "user"))[0] == ()


def test_an_address_that_a_lead_typed_is_words_and_no_proof(world: World) -> None:
    proven, text = emails(world, conversation(world, "mia@example.com", "lead"))
    assert proven == ()
    assert text.endswith("\nmia@example.com")
    assert "I bought it twice." in text


def test_the_address_that_a_mail_came_from_is_proven_for_a_lead_too(world: World) -> None:
    ticket = conversation(world, "typed@example.com", "lead", wrote="mia@example.com")
    proven, text = emails(world, ticket)
    assert proven == ("mia@example.com",)
    assert "typed@example.com" in text


def test_a_mail_that_somebody_else_wrote_proves_nothing(world: World) -> None:
    ticket = conversation(world, "typed@example.com", "lead", wrote="mia@example.com")
    source = world.fake.workspace.conversations[int(ticket)]["source"]
    source["author"]["id"] = "of-somebody-else"
    assert emails(world, ticket)[0] == ()


def test_a_conversation_without_a_contact_still_opens(world: World) -> None:
    ticket = conversation(world, "mia@example.com", "user")
    one = world.fake.workspace.conversations[int(ticket)]
    one["contacts"]["contacts"] = []
    assert emails(world, ticket)[0] == ()
    one["contacts"] = None
    one["source"] = None
    found = world.desk.read_ticket(ticket, world.agent)
    assert found is not None
    assert (found.name, found.emails, found.subject) == ("", (), "")


def test_a_contact_that_is_gone_proves_nothing(world: World) -> None:
    ticket = conversation(world, "mia@example.com", "user")
    world.fake.workspace.contacts.clear()
    assert emails(world, ticket)[0] == ()


def test_a_teammate_without_a_seat_is_inactive_and_may_not_pay(world: World) -> None:
    found = world.desk.read_agent(world.outsider)
    assert found is not None
    assert (found.active, found.role) == (False, "no_inbox_seat")


@pytest.mark.parametrize("agent", ["", "0", "../me", "９", "1" * 40])
def test_an_id_that_is_none_is_not_asked_for(world: World, agent: str) -> None:
    assert world.desk.read_agent(AgentId(agent)) is None
    assert world.fake.calls() == []


def test_a_ticket_and_its_teammate_take_four_calls_at_most(world: World) -> None:
    ticket = world.add_ticket(["mia@example.com"])
    world.desk.read_ticket(ticket, world.agent)
    found = world.desk.read_agent(world.agent)
    assert found is not None
    assert found.active
    assert len(world.fake.calls()) == 4


@pytest.mark.parametrize(
    "broken",
    [{"tags": []}, {"tags": {"tags": [{"id": "1"}]}}, {"contacts": {"contacts": [{}]}}],
)
def test_an_answer_of_another_shape_is_asked_for_later(
    world: World, broken: dict[str, object]
) -> None:
    ticket = world.add_ticket(["mia@example.com"])
    world.fake.workspace.conversations[int(ticket)].update(broken)
    with pytest.raises(RetryLater) as raised:
        world.desk.read_ticket(ticket, world.agent)
    assert raised.value.code == "answer_unexpected"


# ---------------------------------------------------------------------------------- writing


def test_a_note_with_a_known_tag_is_two_writes(world: World) -> None:
    world.fake.workspace.tag_id("refunded")
    ticket = world.add_ticket(["mia@example.com"])
    world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER)
    beside = f"POST /conversations/{ticket}"
    assert world.fake.writes() == [f"{beside}/tags", f"{beside}/reply"]


def test_a_tag_that_nobody_made_is_made_once(world: World) -> None:
    first, second = world.add_ticket(["mia@example.com"]), world.add_ticket(["mia@example.com"])
    for ticket in (first, second):
        world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER)
    assert world.fake.writes().count("POST /tags") == 1
    assert world.tags(second) == {"refunded"}


def test_a_tag_that_is_there_is_not_written_again(world: World) -> None:
    ticket = world.add_ticket(["mia@example.com"], ["Refunded"])
    world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER)
    assert world.fake.writes() == [f"POST /conversations/{ticket}/reply"]


def test_what_broke_off_between_tag_and_note_is_repeated_whole(world: World) -> None:
    ticket = world.add_ticket(["mia@example.com"])
    world.fake.mishaps.append(Mishap(path="/reply$", status=500))
    with pytest.raises(OutcomeUnknown):
        world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER)
    assert world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER) is Changed.DONE
    assert world.tags(ticket) == {"refunded"}
    assert len(world.comments(ticket)) == 1


@pytest.mark.parametrize("path", ["/tags$", "/reply$"])
def test_a_conversation_that_goes_while_we_write_is_gone(world: World, path: str) -> None:
    world.fake.workspace.tag_id("refunded")
    ticket = world.add_ticket(["mia@example.com"])
    world.fake.mishaps.append(Mishap(method="POST", path=path, status=404))
    with pytest.raises(Refused) as raised:
        world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER)
    assert raised.value.code == "ticket_gone"


def test_writing_to_an_id_that_is_none_calls_nobody(world: World) -> None:
    with pytest.raises(Refused):
        world.desk.reply(TicketId("../me"), "Hello.", MARKER)
    assert world.fake.calls() == []


def test_a_conversation_of_more_parts_than_are_told_is_not_guessed_at(world: World) -> None:
    ticket = world.add_ticket(["mia@example.com"])
    world.desk.add_note(ticket, "Refunded.", [], MARKER)
    (ours,) = world.fake.workspace.parts[int(ticket)]
    world.fake.workspace.parts[int(ticket)] += [{**ours, "body": "<p>Later.</p>"}] * 500
    with pytest.raises(RetryLater) as raised:
        world.desk.add_note(ticket, "Refunded.", [], MARKER)
    assert raised.value.code == "too_many_parts"


def test_a_customers_placeholder_is_not_one_of_the_desks(world: World) -> None:
    ticket = world.add_ticket(["mia@example.com"])
    world.desk.reply(ticket, "Dear {{ name }}{% if %}\nline", MARKER)
    body = world.fake.workspace.parts[int(ticket)][0]["body"]
    assert "{{" not in body
    assert "{%" not in body
    assert "<br>line" in body


def test_a_marker_that_could_not_be_found_again_is_a_bug() -> None:
    with pytest.raises(ValueError, match="8 to 200"):
        html_of("x", "short")
    assert not carries(f"{MARKER}0", MARKER)


def test_open_conversations_are_told_newest_first_and_of_this_address_only(world: World) -> None:
    first = world.add_ticket(["mia@example.com"])
    second = world.add_ticket(["mia@example.com"])
    world.add_ticket(["else@example.com"])
    assert list(world.desk.find_open_tickets("mia@example.com")) == [second, first]


def test_a_contact_that_the_search_matched_otherwise_does_not_count(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_ticket(["mia@example.com"])
    contact = next(iter(world.fake.workspace.contacts.values()))
    found = {"type": "list", "data": [{**contact, "email": "mia@example.com.evil.example"}]}
    monkeypatch.setattr(world.fake.workspace, "search_contacts", lambda _: found)
    assert list(world.desk.find_open_tickets("mia@example.com")) == []


# ---------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"X-RateLimit-Reset": "soon", "Retry-After": "7"}, 7),
        ({"X-RateLimit-Reset": "1"}, 1),
        ({"X-RateLimit-Reset": "9999999999"}, 60),
    ],
)
def test_a_limit_is_waited_out_but_never_long(
    world: World, headers: dict[str, str], seconds: int | None
) -> None:
    world.fake.mishaps.append(Mishap(status=429, headers=headers))
    with pytest.raises(RetryLater) as raised:
        world.desk.probe()
    assert (raised.value.code, raised.value.after_seconds) == ("rate_limited", seconds)


# ---------------------------------------------------------------------------------- connecting


def test_the_account_is_told_with_the_vendors_own_id(world: World) -> None:
    probe = world.desk.probe()
    assert (probe.account, probe.account_id) == ("Acme", WORKSPACE)
    assert "Olga Owner" in probe.details


def test_a_token_of_another_workspace_is_refused(world: World) -> None:
    with pytest.raises(Refused) as raised:
        world.connect(workspace_id="other").probe()
    assert raised.value.code == "workspace_wrong"


def test_a_wrong_token_is_refused(world: World) -> None:
    with pytest.raises(Refused) as raised:
        world.connect("wrong").probe()
    assert raised.value.code == "key_refused"


@pytest.mark.parametrize("path", ["/me$", "/admins/", "/tags$"])
def test_an_answer_that_is_missing_names_the_right(world: World, path: str) -> None:
    world.fake.mishaps.append(Mishap(path=path, status=404))
    with pytest.raises(Refused):
        (world.desk.probe if path == "/me$" else world.desk.check_rights)()


def test_a_right_that_is_missing_is_refused(world: World) -> None:
    world.fake.mishaps.append(Mishap(path="/conversations/search", status=403))
    with pytest.raises(Refused) as raised:
        world.desk.check_rights()
    assert raised.value.code == "rights_missing"


def test_every_call_names_its_version_and_none_its_secrets(world: World) -> None:
    ticket = world.add_ticket(["mia@example.com"])
    world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER)
    assert {seen.version for seen in world.fake.seen} == {"2.15"}
    assert "secret" not in json.dumps([seen.body for seen in world.fake.seen])
