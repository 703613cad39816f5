"""The ticket field in Freshdesk: written with the tags, and every way in which it is not taken."""

from __future__ import annotations

import pytest

from plugin.domain.errors import FIELD_REFUSED, InvalidInput
from plugin.domain.ids import TicketId
from plugin.ports import Changed
from tests.contracts.fields import DONE, note, refused
from tests.contracts.helpdesk import MARKER
from tests.platforms.freshdesk.account import REFUND_FIELD
from tests.platforms.freshdesk.fake import Mishap, Seen
from tests.platforms.freshdesk.world import World


@pytest.fixture
def ticket(world: World) -> TicketId:
    world.name_field()
    return TicketId(str(world.fake.account.add_ticket()))


def writes(world: World) -> list[Seen]:
    return [one for one in world.fake.seen if one.method != "GET"]


def test_tags_and_field_are_one_write_beside_the_note(world: World, ticket: TicketId) -> None:
    note(world, ticket)
    (_, update) = writes(world)
    assert update.method == "PUT"
    assert update.body == {"tags": ["refunded"], "custom_fields": {REFUND_FIELD: DONE}}


def test_without_a_missing_tag_the_field_is_written_alone(world: World, ticket: TicketId) -> None:
    world.ticket(ticket)["tags"] = ["refunded"]
    note(world, ticket)
    assert writes(world)[1].body == {"custom_fields": {REFUND_FIELD: DONE}}


def test_a_field_that_stands_is_not_written_again(world: World, ticket: TicketId) -> None:
    world.ticket(ticket).update(tags=["refunded"], custom_fields={REFUND_FIELD: DONE})
    note(world, ticket)
    assert [one.method for one in writes(world)] == ["POST"]


def test_what_an_automation_makes_of_the_field_is_left_alone(
    world: World, ticket: TicketId
) -> None:
    update = world.fake.account.update_ticket

    def and_then(number: int, body: dict[str, object]) -> dict[str, object]:
        found = update(number, body)
        found["custom_fields"] = {REFUND_FIELD: "seen"}
        return found

    world.fake.account.update_ticket = and_then  # type: ignore[method-assign]  # their automation
    assert note(world, ticket) is Changed.DONE
    assert (world.field(ticket), len(writes(world))) == ("seen", 2)


def test_spam_that_has_the_note_gets_no_field(world: World, ticket: TicketId) -> None:
    world.desk.add_note(ticket, "Done.", [], MARKER)
    world.close(ticket)
    assert note(world, ticket) is Changed.ALREADY
    assert len(writes(world)) == 1


@pytest.mark.parametrize(
    ("status", "code"), [(401, "key_refused"), (403, "rights_missing"), (404, "ticket_gone")]
)
def test_another_refusal_is_not_the_field_s_fault(
    world: World, ticket: TicketId, status: int, code: str
) -> None:
    world.fake.mishaps.append(Mishap(method="PUT", status=status))
    assert refused(world, ticket) == code


def test_a_field_that_is_refused_by_itself_is_told(world: World, ticket: TicketId) -> None:
    world.ticket(ticket)["tags"] = ["refunded"]
    world.remove_field()
    assert refused(world, ticket) == FIELD_REFUSED
    assert [one.method for one in writes(world)] == ["POST", "PUT"]


def test_the_self_test_names_fields_that_would_do(world: World, ticket: TicketId) -> None:
    assert ticket
    world.settings = {"ticket_field": "cf_nothing"}
    with pytest.raises(InvalidInput) as raised:
        world.desk.check_rights()
    advice = "Freshdesk has no ticket field cf_nothing: give one of cf_notes, cf_refund"
    assert raised.value.advice == f"{advice}, or leave it empty"


def test_a_field_to_choose_from_takes_no_text(world: World, ticket: TicketId) -> None:
    assert ticket
    world.settings = {"ticket_field": "cf_reason"}
    with pytest.raises(InvalidInput, match="cf_reason takes no free text"):
        world.desk.check_rights()


def test_an_account_that_lists_no_fields_has_none(world: World, ticket: TicketId) -> None:
    assert ticket
    world.fake.mishaps.append(Mishap(path="/ticket_fields$", status=404))
    with pytest.raises(InvalidInput, match="give the name of a text field"):
        world.desk.check_rights()
    assert world.desk.check_rights().endswith('; sets the ticket field "Refund"')
