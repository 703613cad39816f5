"""What every helpdesk keeps that declares the capability `fields`. Its tests inherit it.

    class TestFieldsOfOurDesk(FieldsContract):
        @pytest.fixture
        def world(self) -> Iterator[FieldWorld]: ...

`FieldsContract` holds for each such desk; `FieldsOverHttpContract` adds what only a network can do.
"""

from __future__ import annotations

from typing import Protocol

import pytest

from plugin.domain.errors import (
    FIELD_REFUSED,
    InvalidInput,
    OutcomeUnknown,
    Refused,
    RetryLater,
)
from plugin.domain.ids import TicketId
from plugin.ports import Changed
from tests.contracts.helpdesk import MARKER, OTHER_MARKER, DeskWorld, Failure

DONE = "Refunded 49.00 EUR"


def note(world: DeskWorld, ticket: TicketId) -> Changed:
    """Note a refund that is done, with a tag and the field."""
    return world.desk.add_note(ticket, "Done.", ["refunded"], MARKER, DONE)


def refused(world: DeskWorld, ticket: TicketId) -> str:
    """Why that note was not written whole."""
    with pytest.raises(Refused) as raised:
        note(world, ticket)
    return raised.value.code


class FieldWorld(DeskWorld, Protocol):
    """A desk account with ticket fields. Begins with one that the admin named in our settings."""

    def remove_field(self) -> None:
        """The desk does not know the field any more."""
        ...

    def restore_field(self) -> None:
        """It knows it again."""
        ...

    def field(self, ticket: TicketId) -> str:
        """What stands in it; empty where nothing does."""
        ...


class FieldsContract:
    """What holds for every desk that sets a field."""

    @pytest.fixture
    def ticket(self, world: FieldWorld) -> TicketId:
        return world.add_ticket(["mia@example.com"], ["vip"])

    def test_a_note_sets_the_field_beside_its_tags(
        self, world: FieldWorld, ticket: TicketId
    ) -> None:
        assert world.desk.add_note(ticket, "Done.", ["refunded"], MARKER, DONE) is Changed.DONE
        assert world.field(ticket) == DONE
        assert world.tags(ticket) == {"vip", "refunded"}
        (comment,) = world.comments(ticket)
        assert DONE not in comment.text

    def test_asked_twice_it_is_set_once(self, world: FieldWorld, ticket: TicketId) -> None:
        world.desk.add_note(ticket, "Done.", ["refunded"], MARKER, DONE)
        again = world.desk.add_note(ticket, "Done.", ["refunded"], MARKER, DONE)
        assert again is Changed.ALREADY
        assert (world.field(ticket), len(world.comments(ticket))) == (DONE, 1)

    def test_the_last_note_s_word_counts(self, world: FieldWorld, ticket: TicketId) -> None:
        world.desk.add_note(ticket, "Done.", [], MARKER, DONE)
        world.desk.add_note(ticket, "Failed.", [], OTHER_MARKER, "Not refunded 49.00 EUR")
        assert world.field(ticket) == "Not refunded 49.00 EUR"

    def test_a_note_without_a_word_and_a_reply_leave_it(
        self, world: FieldWorld, ticket: TicketId
    ) -> None:
        world.desk.add_note(ticket, "Done.", [], MARKER, DONE)
        world.desk.add_note(ticket, "By the way.", ["more"], OTHER_MARKER)
        world.desk.reply(ticket, "On its way.", f"{MARKER}-reply")
        assert world.field(ticket) == DONE

    def test_what_broke_off_after_the_note_is_made_whole(
        self, world: FieldWorld, ticket: TicketId
    ) -> None:
        world.desk.add_note(ticket, "Done.", ["refunded"], MARKER)
        again = world.desk.add_note(ticket, "Done.", ["refunded"], MARKER, DONE)
        assert again is Changed.ALREADY
        assert (world.field(ticket), len(world.comments(ticket))) == (DONE, 1)

    def test_a_field_that_the_desk_does_not_know_costs_neither_note_nor_tags(
        self, world: FieldWorld, ticket: TicketId
    ) -> None:
        world.remove_field()
        for _ in range(2):
            with pytest.raises(Refused) as raised:
                world.desk.add_note(ticket, "Done.", ["refunded"], MARKER, DONE)
            assert raised.value.code == FIELD_REFUSED
            assert world.tags(ticket) == {"vip", "refunded"}
            assert len(world.comments(ticket)) == 1
        assert world.desk.has_marker(ticket, MARKER)

    def test_once_the_field_is_mended_asking_again_sets_it(
        self, world: FieldWorld, ticket: TicketId
    ) -> None:
        world.remove_field()
        with pytest.raises(Refused):
            world.desk.add_note(ticket, "Done.", ["refunded"], MARKER, DONE)
        world.restore_field()
        again = world.desk.add_note(ticket, "Done.", ["refunded"], MARKER, DONE)
        assert again is Changed.ALREADY
        assert (world.field(ticket), len(world.comments(ticket))) == (DONE, 1)

    def test_a_deleted_ticket_is_gone_and_not_a_question_of_the_field(
        self, world: FieldWorld, ticket: TicketId
    ) -> None:
        world.delete(ticket)
        with pytest.raises(Refused) as raised:
            world.desk.add_note(ticket, "Done.", ["refunded"], MARKER, DONE)
        assert raised.value.code != FIELD_REFUSED

    def test_the_self_test_names_the_field(self, world: FieldWorld) -> None:
        assert "sets the" in world.desk.check_rights()

    def test_the_self_test_says_what_to_do_about_a_field_that_is_not_there(
        self, world: FieldWorld
    ) -> None:
        world.remove_field()
        with pytest.raises(InvalidInput) as raised:
            world.desk.check_rights()
        assert raised.value.field[0].isupper()  # the form's own label
        assert "give " in raised.value.advice


class FieldsOverHttpContract(FieldsContract):
    """What holds besides for a desk on the other side of a network."""

    def test_too_many_calls_wait_and_lose_nothing(
        self, world: FieldWorld, ticket: TicketId
    ) -> None:
        world.fail_next(Failure.RATE_LIMITED)
        with pytest.raises(RetryLater) as raised:
            world.desk.add_note(ticket, "Done.", ["refunded"], MARKER, DONE)
        assert raised.value.after_seconds == 17
        world.desk.add_note(ticket, "Done.", ["refunded"], MARKER, DONE)
        assert (world.field(ticket), world.tags(ticket)) == (DONE, {"vip", "refunded"})

    @pytest.mark.parametrize("failure", [Failure.BROKEN_AFTER_WRITE, Failure.SILENT_AFTER_WRITE])
    def test_after_a_lost_answer_asking_again_sets_it_beside_the_one_note(
        self, world: FieldWorld, ticket: TicketId, failure: Failure
    ) -> None:
        world.fail_next(failure)
        with pytest.raises(OutcomeUnknown):
            world.desk.add_note(ticket, "Done.", ["refunded"], MARKER, DONE)
        again = world.desk.add_note(ticket, "Done.", ["refunded"], MARKER, DONE)
        assert again is Changed.ALREADY
        assert (world.field(ticket), world.tags(ticket)) == (DONE, {"vip", "refunded"})
        assert len(world.comments(ticket)) == 1

    def test_a_closed_ticket_is_left_as_it_is(self, world: FieldWorld, ticket: TicketId) -> None:
        world.desk.add_note(ticket, "Done.", [], MARKER)
        world.close(ticket)
        assert world.desk.add_note(ticket, "Done.", [], MARKER, DONE) is Changed.ALREADY
