"""The conversation attribute: a write of its own after the note, and only where one is named."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.domain.errors import FIELD_REFUSED, InvalidInput, RetryLater
from plugin.domain.ids import TicketId
from plugin.ports import Changed
from tests.contracts.fields import DONE, note, refused
from tests.contracts.helpdesk import MARKER
from tests.platforms.intercom.data import ATTRIBUTE
from tests.platforms.intercom.fake import Mishap
from tests.platforms.intercom.world import World


@pytest.fixture
def ticket(world: World) -> TicketId:
    world.name_field()
    world.fake.workspace.tag_id("refunded")
    return world.add_ticket(["mia@example.com"])


def test_a_refund_with_an_attribute_is_four_writes(world: World, ticket: TicketId) -> None:
    note(world, ticket)
    world.desk.reply(ticket, "On its way.", f"{MARKER}-reply")
    beside = f"/conversations/{ticket}"
    assert world.fake.writes() == [
        f"POST {beside}/tags",
        f"POST {beside}/reply",
        f"PUT {beside}",
        f"POST {beside}/reply",
    ]
    (put,) = [one for one in world.fake.seen if one.method == "PUT"]
    assert put.body == {"custom_attributes": {ATTRIBUTE: DONE}}


def test_without_one_it_is_three(world: World, ticket: TicketId) -> None:
    world.desk = world.connect()
    note(world, ticket)
    world.desk.reply(ticket, "On its way.", f"{MARKER}-reply")
    assert len(world.fake.writes()) == 3
    assert world.field(ticket) == ""


def test_an_attribute_that_stands_is_not_written_again(world: World, ticket: TicketId) -> None:
    conversation = world.fake.workspace.conversations[int(ticket)]
    conversation["custom_attributes"][ATTRIBUTE] = DONE
    note(world, ticket)
    assert not any(call.startswith("PUT") for call in world.fake.writes())


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, FIELD_REFUSED),
        (422, FIELD_REFUSED),
        (401, "key_refused"),
        (403, "rights_missing"),
        (404, "ticket_gone"),
    ],
)
def test_what_the_attribute_s_write_is_answered_tells_whose_fault_it_is(
    world: World, ticket: TicketId, status: int, code: str
) -> None:
    world.fake.mishaps.append(Mishap(method="PUT", status=status))
    assert refused(world, ticket) == code
    assert (world.tags(ticket), len(world.comments(ticket))) == ({"refunded"}, 1)


@pytest.mark.parametrize("status", [429, 500])
def test_a_write_that_did_not_get_through_is_made_again(
    world: World, ticket: TicketId, status: int
) -> None:
    world.fake.mishaps.append(Mishap(method="PUT", status=status, headers={"Retry-After": "7"}))
    with pytest.raises(RetryLater):
        note(world, ticket)
    assert note(world, ticket) is Changed.ALREADY
    assert (world.field(ticket), len(world.comments(ticket))) == (DONE, 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"data_type": "integer"},
        {"options": ["Yes", "No"]},
        {"api_writable": False},
        {"archived": True},
    ],
)
def test_an_attribute_that_takes_no_free_text_is_told(
    world: World, ticket: TicketId, changed: dict[str, Any]
) -> None:
    assert ticket
    world.remove_field()
    world.fake.workspace.add_attribute(**changed)
    world.fake.workspace.add_attribute("Outcome")
    with pytest.raises(InvalidInput) as raised:
        world.desk.check_rights()
    advice = "takes no free text: give one of Outcome, or leave it empty"
    assert raised.value.advice == f'"{ATTRIBUTE}" {advice}'


def test_where_there_is_none_it_is_said_where_to_make_it(world: World, ticket: TicketId) -> None:
    assert ticket
    world.remove_field()
    with pytest.raises(InvalidInput, match="make it in Intercom, give one of the type Text"):
        world.desk.check_rights()


def test_a_workspace_that_lists_none_has_none(world: World, ticket: TicketId) -> None:
    assert ticket
    world.fake.mishaps.append(Mishap(path="/data_attributes$", status=404))
    with pytest.raises(InvalidInput, match="is not there"):
        world.desk.check_rights()


def test_both_words_are_told_where_users_are_not_verified(world: World, ticket: TicketId) -> None:
    assert ticket
    world.fake.workspace.verifies_users = False
    told = world.desk.check_rights()
    assert f'sets the conversation attribute "{ATTRIBUTE}"' in told
    assert "Messenger security is off" in told
