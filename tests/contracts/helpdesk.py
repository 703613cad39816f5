"""What every helpdesk keeps, whatever its API looks like. Its tests inherit it and give a world.

    class TestOurDesk(HelpdeskContract):
        @pytest.fixture
        def world(self) -> Iterator[DeskWorld]: ...

`HelpdeskContract` holds for each desk, the practice one too; `HelpdeskOverHttpContract` adds what
only a network can do. Where desks differ, what the manifest declares says what is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import pytest

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import AgentId, TicketId
from plugin.platforms.data_files import DataFiles
from plugin.platforms.manifest import HelpdeskManifest, Vouching
from plugin.platforms.registry import Registry
from plugin.ports import Changed, Connects, ServesPanel, WritesTickets
from plugin.ports.pairing import PairsAgents, ReadsSharedTickets

MARKER = "effect-0123456789abcdef"
OTHER_MARKER = "effect-fedcba9876543210"


class Desk(ServesPanel, WritesTickets, Connects, Protocol):
    """A desk that can do all the panel asks for."""


class Failure(StrEnum):
    """What the desk's API does next, once."""

    KEY_REFUSED = "key refused"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate limited"
    BROKEN = "broken"
    SLOW = "slow"
    BROKEN_AFTER_WRITE = "wrote, then broke"
    SILENT_AFTER_WRITE = "wrote, then hung up"


@dataclass(frozen=True, slots=True)
class CommentSeen:
    """A comment as people at the desk see it."""

    text: str
    public: bool


class DeskWorld(Protocol):
    """One desk account that a test may change behind the adapter's back."""

    @property
    def desk(self) -> Desk:
        """The adapter under test."""
        ...

    @property
    def now(self) -> datetime:
        """The time at the desk."""
        ...

    @property
    def agent(self) -> AgentId:
        """An agent who may see every ticket."""
        ...

    @property
    def outsider(self) -> AgentId:
        """An agent who may not see the tickets made here."""
        ...

    def first_request(self, agent: AgentId) -> Mapping[str, str]:
        """The form that the desk posts when this agent opens the frame, or its page claims so."""
        ...

    def add_ticket(self, emails: Sequence[str], tags: Sequence[str] = ()) -> TicketId:
        """An open ticket of a customer with these verified addresses, the primary one first."""
        ...

    def close(self, ticket: TicketId) -> None:
        """End it for good: nobody can write to it any more."""
        ...

    def delete(self, ticket: TicketId) -> None:
        """Remove it."""
        ...

    def tag_before_next_write(self, ticket: TicketId, tag: str) -> None:
        """Somebody adds a tag after our read and before our write, once."""
        ...

    def comments(self, ticket: TicketId) -> Sequence[CommentSeen]:
        """All comments, oldest first."""
        ...

    def tags(self, ticket: TicketId) -> set[str]:
        """The ticket's tags."""
        ...

    def fail_next(self, failure: Failure) -> None:
        """Make the next call fail; the two `after write` ones the next write."""
        ...


class HelpdeskContract:
    """What holds for every desk."""

    @pytest.fixture
    def manifest(self, world: DeskWorld) -> HelpdeskManifest:
        """What the desk under test declares: its adapter's module carries its stem."""
        stem = type(world.desk).__module__.split(".")[2]
        return Registry([DataFiles().manifests()]).helpdesk(stem)

    def test_the_agent_is_proven_where_the_desk_signs_it_and_else_only_claimed(
        self, world: DeskWorld, manifest: HelpdeskManifest
    ) -> None:
        signed = world.desk.sign_in(world.first_request(world.agent), {}, world.now)
        match manifest.panel.agent_vouched_by:
            case Vouching.SIGNED:
                assert signed.agent == world.agent
            case Vouching.INSTALLATION:
                assert (signed.agent, signed.claimed_agent) == (None, world.agent)
                assert isinstance(world.desk, PairsAgents)  # else nobody could ever be proven
            case Vouching.NOBODY:
                pytest.fail("a desk that proves nothing is refused")

    def test_an_agent_s_address_comes_from_the_desk_s_api(
        self, world: DeskWorld, manifest: HelpdeskManifest
    ) -> None:
        desk = world.desk
        if isinstance(desk, PairsAgents):
            address = desk.read_agent_email(world.agent)
            assert address is not None
            assert address.count("@") == 1
            assert desk.read_agent_email(AgentId("999999")) is None
            assert desk.read_agent_email(AgentId("../agents/me")) is None
        else:
            assert manifest.panel.agent_vouched_by is Vouching.SIGNED

    def test_what_one_agent_may_not_see_is_shown_to_nobody_who_is_not_proven(
        self, world: DeskWorld
    ) -> None:
        ticket, desk = world.add_ticket(["mia@example.com"]), world.desk
        assert desk.read_ticket(ticket, world.outsider) is None
        if isinstance(desk, ReadsSharedTickets):
            assert desk.read_shared_ticket(ticket) is None

    def test_an_empty_first_request_signs_nobody_in(self, world: DeskWorld) -> None:
        with pytest.raises(Refused):
            world.desk.sign_in({}, {}, world.now)

    def test_a_ticket_comes_with_its_requester_and_tags(self, world: DeskWorld) -> None:
        ticket = world.add_ticket(["mia@example.com", "mia@work.example"], ["vip"])
        found = world.desk.read_ticket(ticket, world.agent)
        assert found is not None
        assert (found.id, found.open, found.tags) == (ticket, True, ("vip",))
        assert found.emails == ("mia@example.com", "mia@work.example")

    def test_a_deleted_ticket_is_gone(self, world: DeskWorld) -> None:
        ticket = world.add_ticket(["mia@example.com"])
        world.delete(ticket)
        assert world.desk.read_ticket(ticket, world.agent) is None
        assert not world.desk.has_marker(ticket, MARKER)
        with pytest.raises(Refused):
            world.desk.add_note(ticket, "Refunded.", [], MARKER)

    @pytest.mark.parametrize("ticket", ["", "0", "../users/me", "1?x=1", "1.json#", "abc", "９"])
    def test_an_id_that_is_none_finds_nothing(self, world: DeskWorld, ticket: str) -> None:
        assert world.desk.read_ticket(TicketId(ticket), world.agent) is None
        assert not world.desk.has_marker(TicketId(ticket), MARKER)

    def test_a_foreign_agent_does_not_see_the_ticket(self, world: DeskWorld) -> None:
        ticket = world.add_ticket(["mia@example.com"])
        assert world.desk.read_ticket(ticket, world.outsider) is None

    def test_an_unknown_agent_is_nobody(self, world: DeskWorld) -> None:
        ticket = world.add_ticket(["mia@example.com"])
        assert world.desk.read_agent(AgentId("999999")) is None
        assert world.desk.read_ticket(ticket, AgentId("999999")) is None

    def test_an_agent_is_told_with_role_and_activity(self, world: DeskWorld) -> None:
        found = world.desk.read_agent(world.agent)
        assert found is not None
        assert found.id == world.agent
        assert found.active
        assert found.role

    def test_a_note_is_internal_and_adds_its_tags(self, world: DeskWorld) -> None:
        ticket = world.add_ticket(["mia@example.com"], ["vip"])
        done = world.desk.add_note(ticket, "Refunded 111.75 EUR.", ["refunded"], MARKER)
        (comment,) = world.comments(ticket)
        assert done is Changed.DONE
        assert "Refunded 111.75 EUR." in comment.text
        assert not comment.public
        assert world.tags(ticket) == {"vip", "refunded"}

    def test_a_note_asked_twice_stands_once(self, world: DeskWorld) -> None:
        ticket = world.add_ticket(["mia@example.com"])
        world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER)
        assert world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER) is Changed.ALREADY
        assert len(world.comments(ticket)) == 1

    def test_notes_with_other_markers_both_stand(self, world: DeskWorld) -> None:
        ticket = world.add_ticket(["mia@example.com"])
        world.desk.add_note(ticket, "Refunded.", [], MARKER)
        assert world.desk.add_note(ticket, "Settled.", [], OTHER_MARKER) is Changed.DONE
        assert world.desk.add_note(ticket, "Short.", [], MARKER[:-1]) is Changed.DONE
        assert len(world.comments(ticket)) == 3

    def test_where_no_field_was_named_a_note_says_nothing_of_one(self, world: DeskWorld) -> None:
        ticket = world.add_ticket(["mia@example.com"], ["vip"])
        done = world.desk.add_note(ticket, "Done.", ["refunded"], MARKER, "Refunded 49.00 EUR")
        (comment,) = world.comments(ticket)
        assert done is Changed.DONE
        assert "49.00" not in comment.text
        assert world.tags(ticket) == {"vip", "refunded"}

    def test_a_marker_is_found_again_and_no_other_one(self, world: DeskWorld) -> None:
        ticket = world.add_ticket(["mia@example.com"])
        assert not world.desk.has_marker(ticket, MARKER)
        world.desk.add_note(ticket, "Refunded.", [], MARKER)
        assert world.desk.has_marker(ticket, MARKER)
        assert not world.desk.has_marker(ticket, OTHER_MARKER)
        assert not world.desk.has_marker(ticket, MARKER[:-1])

    def test_a_reply_is_public_and_goes_out_once(self, world: DeskWorld) -> None:
        ticket = world.add_ticket(["mia@example.com"], ["vip"])
        assert world.desk.reply(ticket, "Your money is on its way.", MARKER) is Changed.DONE
        assert world.desk.reply(ticket, "Your money is on its way.", MARKER) is Changed.ALREADY
        (comment,) = world.comments(ticket)
        assert comment.public
        assert world.tags(ticket) == {"vip"}

    def test_what_is_written_is_text_and_never_markup(self, world: DeskWorld) -> None:
        ticket = world.add_ticket(["mia@example.com"])
        body = "<b>5 < 6</b> & more\n\nsecond"
        world.desk.reply(ticket, body, MARKER)
        (comment,) = world.comments(ticket)
        assert "<b>5 < 6</b> & more" in comment.text

    def test_a_tag_added_meanwhile_survives(self, world: DeskWorld) -> None:
        ticket = world.add_ticket(["mia@example.com"], ["vip"])
        world.tag_before_next_write(ticket, "urgent")
        world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER)
        assert world.tags(ticket) == {"vip", "urgent", "refunded"}
        assert len(world.comments(ticket)) == 1

    def test_a_closed_ticket_takes_no_note_but_keeps_its_marker(self, world: DeskWorld) -> None:
        ticket = world.add_ticket(["mia@example.com"])
        world.desk.add_note(ticket, "Refunded.", [], MARKER)
        world.close(ticket)
        assert world.desk.add_note(ticket, "Refunded.", [], MARKER) is Changed.ALREADY
        with pytest.raises(Refused):
            world.desk.add_note(ticket, "Settled.", [], OTHER_MARKER)

    def test_open_tickets_are_found_by_the_requesters_address(self, world: DeskWorld) -> None:
        mine = world.add_ticket(["mia@example.com"])
        closed = world.add_ticket(["mia@example.com"])
        world.close(closed)
        assert list(world.desk.find_open_tickets("MIA@example.com")) == [mine]
        assert list(world.desk.find_open_tickets("nobody@example.com")) == []

    @pytest.mark.parametrize(
        "email", ["", 'a"b@example.com', "a b@example.com", "a\nb@example.com"]
    )
    def test_an_address_that_would_change_the_search_finds_nothing(
        self, world: DeskWorld, email: str
    ) -> None:
        world.add_ticket(["mia@example.com"])
        assert list(world.desk.find_open_tickets(email)) == []

    def test_the_key_works_and_its_rights_are_told(self, world: DeskWorld) -> None:
        assert world.desk.probe().account
        assert world.desk.check_rights()


class HelpdeskOverHttpContract(HelpdeskContract):
    """What holds besides for a desk on the other side of a network."""

    @pytest.mark.parametrize("failure", [Failure.KEY_REFUSED, Failure.FORBIDDEN])
    def test_a_refused_call_is_a_no(self, world: DeskWorld, failure: Failure) -> None:
        ticket = world.add_ticket(["mia@example.com"])
        world.fail_next(failure)
        with pytest.raises(Refused):
            world.desk.read_ticket(ticket, world.agent)
        world.fail_next(failure)
        with pytest.raises(Refused):
            world.desk.add_note(ticket, "Refunded.", [], MARKER)

    def test_too_many_calls_wait_as_long_as_the_desk_says(self, world: DeskWorld) -> None:
        ticket = world.add_ticket(["mia@example.com"])
        world.fail_next(Failure.RATE_LIMITED)
        with pytest.raises(RetryLater) as raised:
            world.desk.add_note(ticket, "Refunded.", [], MARKER)
        assert raised.value.after_seconds == 17
        assert world.desk.add_note(ticket, "Refunded.", [], MARKER) is Changed.DONE

    @pytest.mark.parametrize("failure", [Failure.BROKEN, Failure.SLOW])
    def test_a_desk_that_does_not_answer_is_asked_later(
        self, world: DeskWorld, failure: Failure
    ) -> None:
        ticket = world.add_ticket(["mia@example.com"])
        world.fail_next(failure)
        with pytest.raises(RetryLater):
            world.desk.read_ticket(ticket, world.agent)
        assert world.desk.read_ticket(ticket, world.agent) is not None

    @pytest.mark.parametrize("failure", [Failure.BROKEN_AFTER_WRITE, Failure.SILENT_AFTER_WRITE])
    def test_a_lost_answer_never_makes_a_second_comment(
        self, world: DeskWorld, failure: Failure
    ) -> None:
        ticket = world.add_ticket(["mia@example.com"])
        world.fail_next(failure)
        with pytest.raises(OutcomeUnknown):
            world.desk.reply(ticket, "Your money is on its way.", MARKER)
        assert world.desk.has_marker(ticket, MARKER)
        assert world.desk.reply(ticket, "Your money is on its way.", MARKER) is Changed.ALREADY
        assert len(world.comments(ticket)) == 1
