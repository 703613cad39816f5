"""The ticket field in Zendesk: one write with the note, and every way in which it is not taken."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.domain.errors import FIELD_REFUSED, InvalidInput
from plugin.domain.ids import TicketId
from tests.contracts.fields import DONE, note, refused
from tests.contracts.helpdesk import MARKER
from tests.platforms.zendesk.data import REFUND_FIELD
from tests.platforms.zendesk.fake import Mishap, Seen
from tests.platforms.zendesk.world import World


@pytest.fixture
def ticket(world: World) -> TicketId:
    world.name_field()
    return TicketId(str(world.fake.account.add_ticket()))


def writes(world: World) -> list[Seen]:
    return [one for one in world.fake.seen if one.method == "PUT"]


def test_note_tags_and_field_are_one_write(world: World, ticket: TicketId) -> None:
    note(world, ticket)
    (written,) = writes(world)
    assert written.body is not None
    change = written.body["ticket"]
    assert change["custom_fields"] == [{"id": REFUND_FIELD, "value": DONE}]
    assert (change["tags"], change["safe_update"]) == (["refunded"], True)
    assert "comment" in change


def test_where_the_note_stands_the_field_is_written_alone(world: World, ticket: TicketId) -> None:
    world.desk.add_note(ticket, "Done.", ["refunded"], MARKER)
    note(world, ticket)
    (_, alone) = writes(world)
    assert alone.body is not None
    assert alone.body["ticket"].keys() == {"custom_fields", "safe_update", "updated_stamp"}


@pytest.mark.parametrize("status", [400, 422])
def test_what_is_refused_because_of_the_field_is_written_without_it(
    world: World, ticket: TicketId, status: int
) -> None:
    world.fake.mishaps.append(Mishap(method="PUT", status=status))
    assert refused(world, ticket) == FIELD_REFUSED
    (_, without) = writes(world)
    assert without.body is not None
    assert "custom_fields" not in without.body["ticket"]
    assert (world.tags(ticket), len(world.comments(ticket))) == ({"refunded"}, 1)


def test_a_desk_that_swallows_an_unknown_field_is_found_out(world: World, ticket: TicketId) -> None:
    world.fake.account.ignores_unknown_fields = True
    world.remove_field()
    assert refused(world, ticket) == FIELD_REFUSED
    assert (len(writes(world)), len(world.comments(ticket))) == (1, 1)


def test_what_is_refused_without_the_field_too_is_not_the_field_s_fault(
    world: World, ticket: TicketId
) -> None:
    world.fake.mishaps.append(Mishap(method="PUT", status=422, times=2))
    assert refused(world, ticket) == "ticket_refused"


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_not_the_field_s_fault(
    world: World, ticket: TicketId, status: int
) -> None:
    world.fake.mishaps.append(Mishap(method="PUT", status=status))
    assert refused(world, ticket) in ("key_refused", "rights_missing")
    assert world.comments(ticket) == []


@pytest.mark.parametrize("number", ["cf_refund", "0", "\u0661", "1/../2", "1" * 30])
def test_what_is_no_number_is_never_sent(world: World, ticket: TicketId, number: str) -> None:
    world.desk = world.connected(ticket_field=number)
    assert refused(world, ticket) == FIELD_REFUSED
    assert (world.tags(ticket), len(world.comments(ticket))) == ({"refunded"}, 1)
    before = len(world.fake.seen)
    with pytest.raises(InvalidInput, match="no ticket field"):
        world.desk.check_rights()
    assert not any("ticket_fields" in one.path for one in world.fake.seen[before:])


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"type": "tagger"}, "takes no free text"),
        ({"type": "integer"}, "takes no free text"),
        ({"active": False}, "is switched off"),
    ],
)
def test_a_field_that_takes_no_text_is_told_with_what_to_do(
    world: World, ticket: TicketId, changed: dict[str, Any], word: str
) -> None:
    assert ticket
    world.fake.account.add_field(**changed)
    with pytest.raises(InvalidInput) as raised:
        world.desk.check_rights()
    assert raised.value.field == "Ticket field"
    assert raised.value.advice.startswith('"Refund" ' + word)


def test_a_field_for_several_lines_is_as_good(world: World, ticket: TicketId) -> None:
    assert ticket
    world.fake.account.add_field(type="textarea")
    assert world.desk.check_rights().endswith('; sets the ticket field "Refund"')
