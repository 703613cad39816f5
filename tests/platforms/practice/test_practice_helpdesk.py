"""The practice desk keeps the helpdesk contract; its links open one ticket for twelve hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from plugin.domain.errors import Refused
from plugin.domain.ids import AgentId, InstallationId, TicketId
from plugin.helpdesks.practice import PracticeHelpdesk, practice_link
from plugin.platforms.practice_cases import FIRST_TICKET, PRACTICE_AGENT, practice_cases
from plugin.platforms.practice_desk import TICKET_FIELD, MessageKind
from plugin.platforms.practice_file import PracticeFile
from plugin.ports import Connects, ServesPanel, SignIn, Ticket, WritesTickets
from tests.contracts.fields import FieldsContract
from tests.contracts.helpdesk import MARKER, CommentSeen, Failure, HelpdeskContract
from tests.platforms.practice.fixtures import NOW, SHOP, Practice

HOUR = timedelta(hours=1)


class _World:
    """The practice desk as the contract's tests change it behind the adapter's back."""

    def __init__(self, practice: Practice) -> None:
        self._practice = practice
        self._number = 5000
        self._field = ""

    @property
    def desk(self) -> PracticeHelpdesk:
        ours = self._practice.desk_connection
        settings = {**ours.settings, "ticket_field": self._field}
        return PracticeHelpdesk(replace(ours, settings=settings), None, self._practice.clock)

    @property
    def now(self) -> datetime:
        return self._practice.clock.now()

    @property
    def agent(self) -> AgentId:
        return PRACTICE_AGENT

    @property
    def outsider(self) -> AgentId:
        return AgentId("practice-former")

    def first_request(self, agent: AgentId) -> Mapping[str, str]:
        return query_of(self._practice, FIRST_TICKET, agent)

    def add_ticket(self, emails: Sequence[str], tags: Sequence[str] = ()) -> TicketId:
        self._number += 1
        ticket = Ticket(
            TicketId(str(self._number)), "Refund", "Mia", tuple(emails), tuple(tags), open=True
        )
        self._practice.tickets.add_ticket(ticket, NOW)
        return ticket.id

    def close(self, ticket: TicketId) -> None:
        self._run("UPDATE tickets SET is_open = 0 WHERE id = ?", ticket)

    def delete(self, ticket: TicketId) -> None:
        self._run("DELETE FROM messages WHERE ticket = ?", ticket)
        self._run("DELETE FROM ticket_tags WHERE ticket = ?", ticket)
        self._run("DELETE FROM ticket_fields WHERE ticket = ?", ticket)
        self._run("DELETE FROM tickets WHERE id = ?", ticket)

    def remove_field(self) -> None:
        # The desk knows one field only: to name another is the same.
        self._field = "gone"

    def restore_field(self) -> None:
        self._field = TICKET_FIELD

    def field(self, ticket: TicketId) -> str:
        return self._practice.tickets.field(ticket)

    def tag_before_next_write(self, ticket: TicketId, tag: str) -> None:
        # A write here is one transaction: there is no moment between its read and its write.
        self._run("INSERT INTO ticket_tags VALUES (?, ?)", ticket, tag)

    def comments(self, ticket: TicketId) -> Sequence[CommentSeen]:
        said = self._practice.tickets.conversation(ticket)[1:]
        return [CommentSeen(m.body, m.kind is MessageKind.REPLY) for m in said]

    def tags(self, ticket: TicketId) -> set[str]:
        found = self._practice.tickets.read_ticket(ticket)
        assert found is not None
        return set(found.tags)

    def fail_next(self, failure: Failure) -> None:
        raise NotImplementedError("nothing lies between us and a pretended desk")

    def _run(self, statement: str, *values: str) -> None:
        with PracticeFile(self._practice.file).writing() as db:
            db.execute(statement, values)


class TestPracticeHelpdesk(HelpdeskContract):
    @pytest.fixture
    def world(self, seeded: Practice) -> _World:
        return _World(seeded)


class TestPracticeFields(FieldsContract):
    @pytest.fixture
    def world(self, seeded: Practice) -> _World:
        world = _World(seeded)
        world.restore_field()
        return world


def query_of(practice: Practice, ticket: TicketId, agent: AgentId) -> dict[str, str]:
    link = practice_link(
        practice.desk_connection, "https://desk.example/", ticket, agent, practice.clock.now()
    )
    return dict(parse_qsl(urlsplit(link).query))


def test_the_desk_has_every_ability_that_its_manifest_declares(seeded: Practice) -> None:
    for ability in (ServesPanel, WritesTickets, Connects):
        assert isinstance(seeded.desk, ability)


def test_the_link_leads_to_this_installation_s_panel(seeded: Practice) -> None:
    link = practice_link(
        seeded.desk_connection, "https://desk.example/", FIRST_TICKET, PRACTICE_AGENT, NOW
    )
    assert link.startswith("https://desk.example/panel/practice/practice-desk?ticket=1001&")


def test_a_link_proves_its_agent_and_its_ticket(seeded: Practice) -> None:
    query = query_of(seeded, FIRST_TICKET, PRACTICE_AGENT)
    expected = SignIn(PRACTICE_AGENT, FIRST_TICKET, ticket_proven=True)
    assert seeded.desk.sign_in({}, query, NOW) == expected
    assert seeded.desk.sign_in({}, query, NOW + 12 * HOUR) == expected


@pytest.mark.parametrize(
    ("later", "code"), [(12 * HOUR + timedelta(seconds=1), "link_expired"), (-HOUR, "link_expired")]
)
def test_a_link_holds_for_twelve_hours_from_its_making(
    seeded: Practice, later: timedelta, code: str
) -> None:
    query = query_of(seeded, FIRST_TICKET, PRACTICE_AGENT)
    with pytest.raises(Refused, match=code):
        seeded.desk.sign_in({}, query, NOW + later)


@pytest.mark.parametrize(
    "change",
    [
        {"ticket": "1002"},
        {"agent": "practice-lead"},
        {"ticket": ""},
        {"s": "x" * 40},
        {"s": "x" * 4000},
        {"s": "é.é.é"},
    ],
)
def test_a_changed_link_opens_nothing(seeded: Practice, change: dict[str, str]) -> None:
    query = query_of(seeded, FIRST_TICKET, PRACTICE_AGENT) | change
    with pytest.raises(Refused, match="link_refused"):
        seeded.desk.sign_in({}, query, NOW)


def test_a_link_without_its_ticket_or_signature_opens_nothing(seeded: Practice) -> None:
    query = query_of(seeded, FIRST_TICKET, PRACTICE_AGENT)
    without_ticket = {name: value for name, value in query.items() if name != "ticket"}
    with pytest.raises(Refused, match="link_refused"):
        seeded.desk.sign_in({}, without_ticket, NOW)
    with pytest.raises(Refused, match="link_missing"):
        seeded.desk.sign_in({}, query | {"s": ""}, NOW)


@pytest.mark.parametrize("other", ["key", "installation"])
def test_a_link_of_another_desk_opens_nothing(seeded: Practice, other: str) -> None:
    query = query_of(seeded, FIRST_TICKET, PRACTICE_AGENT)
    connection = (
        replace(seeded.desk_connection, secrets={"link_key": "another"})
        if other == "key"
        else replace(seeded.desk_connection, installation=InstallationId("another"))
    )
    with pytest.raises(Refused, match="link_refused"):
        PracticeHelpdesk(connection, None, seeded.clock).sign_in({}, query, NOW)


def test_the_page_lists_every_case_and_each_link_opens_its_ticket(seeded: Practice) -> None:
    page = seeded.desk.frame_page(FIRST_TICKET, PRACTICE_AGENT)
    assert page is not None
    cases = practice_cases(SHOP, NOW)
    assert [line.shows for line in page.tickets] == [case.shows for case in cases]
    assert [line.current for line in page.tickets] == [True] + [False] * 11
    for line, case in zip(page.tickets, cases, strict=True):
        query = dict(parse_qsl(urlsplit(line.href).query))
        signed = seeded.desk.sign_in({}, query, NOW)
        assert signed == SignIn(PRACTICE_AGENT, case.ticket.id, ticket_proven=True)


def test_the_page_tells_the_conversation_in_order(seeded: Practice) -> None:
    seeded.clock.turn(HOUR)
    seeded.desk.add_note(
        FIRST_TICKET, "Refunded 297.00 EUR.", ["refunded"], MARKER, "Refunded 297.00 EUR"
    )
    seeded.desk.reply(FIRST_TICKET, "Your money is on its way.", MARKER + "-2")
    page = seeded.desk.frame_page(FIRST_TICKET, PRACTICE_AGENT)
    assert page is not None
    assert [m.kind for m in page.messages] == [
        MessageKind.CUSTOMER,
        MessageKind.NOTE,
        MessageKind.REPLY,
    ]
    assert page.messages[0].body == page.ticket.text
    assert page.field == "Refunded 297.00 EUR"
    assert page.messages[1].at == NOW + HOUR
    assert page.ticket.tags == ("refund", "refunded")


@pytest.mark.parametrize(
    ("ticket", "agent"),
    [("9", PRACTICE_AGENT), (FIRST_TICKET, "practice-former"), (FIRST_TICKET, "x")],
)
def test_there_is_no_page_without_ticket_or_agent(
    seeded: Practice, ticket: str, agent: str
) -> None:
    assert seeded.desk.frame_page(TicketId(ticket), AgentId(agent)) is None


def test_an_empty_desk_says_that_it_was_never_filled(practice: Practice) -> None:
    with pytest.raises(Refused, match="practice_empty"):
        practice.desk.probe()
