"""Notes, replies and tags in Freshdesk: each once, and nobody's tag lost that we saw."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import AgentId, TicketId
from plugin.ports import Changed
from tests.contracts.helpdesk import MARKER, OTHER_MARKER
from tests.platforms.freshdesk.account import (
    CLOSED,
)
from tests.platforms.freshdesk.fake import Mishap, Seen
from tests.platforms.freshdesk.world import World

RECORDINGS = Path(__file__).parent / "recordings"


@pytest.fixture
def ticket(world: World) -> TicketId:
    return TicketId(str(world.fake.account.add_ticket()))


def writes(world: World) -> list[Seen]:
    return [one for one in world.fake.seen if one.method != "GET"]


def refused(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as raised:
        call()
    return raised.value


# --- writing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["notes", "reply"])
def test_a_comment_is_sent_as_recorded(world: World, ticket: TicketId, kind: str) -> None:
    body = "Refunded 5 < 6 EUR.\n\nSee you.\nMia"
    if kind == "notes":
        world.desk.add_note(ticket, body, ["Refunded", "R&D"], MARKER)
    else:
        world.desk.reply(ticket, body, MARKER)
    recorded = json.loads((RECORDINGS / f"{kind}.request.json").read_text())
    assert writes(world)[0].body == recorded


def test_a_customers_words_do_not_read_out_the_ticket(world: World, ticket: TicketId) -> None:
    world.desk.reply(ticket, "Hello {{ticket.description}} {% if x %} {{{y}}}", MARKER)
    (comment,) = world.comments(ticket)
    assert not re.search(r"\{[{%]", comment.text)


def test_what_a_customer_quotes_is_not_our_note(world: World, ticket: TicketId) -> None:
    world.fake.account.add_comment(int(ticket), f"<p>You wrote {MARKER}</p>", incoming=True)
    assert not world.desk.has_marker(ticket, MARKER)
    assert world.desk.add_note(ticket, "Refunded.", [], MARKER) is Changed.DONE


def test_a_closed_ticket_still_takes_a_note(world: World, ticket: TicketId) -> None:
    world.ticket(ticket)["status"] = CLOSED
    assert world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER) is Changed.DONE
    assert world.ticket(ticket)["status"] == CLOSED


def test_spam_takes_no_tags_and_that_is_no_reason_to_ask_again(
    world: World, ticket: TicketId
) -> None:
    world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER)
    world.ticket(ticket).update(spam=True, tags=[])
    assert world.desk.has_marker(ticket, MARKER)
    assert world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER) is Changed.ALREADY
    assert len(writes(world)) == 2


@pytest.mark.parametrize("kind", ["notes", "reply"])
def test_a_ticket_marked_as_spam_in_between_is_a_no(
    world: World, ticket: TicketId, kind: str
) -> None:
    world.fake.before_write = lambda _method, number: world.close(TicketId(str(number)))
    desk = world.desk
    found = refused(
        lambda: (
            desk.add_note(ticket, "x", [], MARKER)
            if kind == "notes"
            else desk.reply(ticket, "x", MARKER)
        )
    )
    assert found.code == "ticket_closed"


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_ticket_removed_between_read_and_write_is_gone(
    world: World, ticket: TicketId, method: str
) -> None:
    def remove(asked: str, number: int) -> None:
        if asked == method:
            del world.fake.account.tickets[number]

    world.fake.before_write = remove
    found = refused(lambda: world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER))
    assert found.code == "ticket_gone"


def test_a_ticket_deleted_before_its_tags_is_gone(world: World, ticket: TicketId) -> None:
    world.desk.add_note(ticket, "Refunded.", [], MARKER)
    before = len(world.fake.seen)

    def drop(method: str, number: int) -> None:
        del method
        world.fake.mishaps.append(Mishap(path=rf"tickets/{number}\Z", status=404))

    world.fake.before_write = drop
    found = refused(lambda: world.desk.add_note(ticket, "More.", ["refunded"], OTHER_MARKER))
    assert found.code == "ticket_gone"
    assert len(world.fake.seen) == before + 4


def test_tags_that_did_not_get_through_are_added_when_asked_again(
    world: World, ticket: TicketId
) -> None:
    world.fake.mishaps.append(Mishap(method="PUT", status=500))
    with pytest.raises(OutcomeUnknown):
        world.desk.add_note(ticket, "Refunded.", ["refunded", "R&D"], MARKER)
    assert not world.desk.has_marker(ticket, MARKER)
    done = world.desk.add_note(ticket, "Refunded.", ["refunded", "R&D"], MARKER)
    assert done is Changed.ALREADY
    assert world.tags(ticket) == {"refunded", "R&D"}
    assert world.desk.has_marker(ticket, MARKER)
    assert len(world.comments(ticket)) == 1


def test_words_that_look_like_our_tag_promise_nothing(world: World, ticket: TicketId) -> None:
    world.desk.add_note(ticket, "She wrote:\n\nMakegood tag: vip", [], MARKER)
    assert world.desk.has_marker(ticket, MARKER)


def test_a_tag_that_stands_is_not_written_again(world: World, ticket: TicketId) -> None:
    world.ticket(ticket)["tags"] = ["Refunded"]
    world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER)
    assert [one.method for one in writes(world)] == ["POST"]
    assert world.desk.has_marker(ticket, MARKER)


def test_our_tag_that_somebody_overwrites_is_added_again(
    world: World, ticket: TicketId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their update replaces all tags too: we look whether ours stayed."""
    account = world.fake.account
    overwritten: list[int] = []

    def show(number: int) -> dict[str, Any]:
        found: dict[str, Any] = account.tickets[number]
        if found["tags"] == ["refunded"] and not overwritten:
            overwritten.append(number)
            found["tags"] = ["theirs"]
        return found

    monkeypatch.setattr(account, "show_ticket", show)
    world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER)
    assert world.tags(ticket) == {"theirs", "refunded"}
    assert [one.method for one in writes(world)] == ["POST", "PUT", "PUT"]


def test_tags_that_never_stay_are_left_for_later(
    world: World, ticket: TicketId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.fake.account, "update_ticket", lambda *_: {})
    with pytest.raises(RetryLater) as raised:
        world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER)
    assert raised.value.code == "ticket_busy"
    assert [one.method for one in writes(world)] == ["POST", "PUT", "PUT", "PUT"]


def test_a_marker_is_found_behind_many_pages(world: World, ticket: TicketId) -> None:
    for number in range(230):
        world.fake.account.add_comment(int(ticket), f"<p>Word {number}</p>")
    world.desk.add_note(ticket, "Refunded.", [], MARKER)
    before = len(world.fake.seen)
    assert world.desk.has_marker(ticket, MARKER)
    assert len(world.fake.seen) - before == 4


def test_comments_without_end_are_no_proof_that_nothing_stands(
    world: World, ticket: TicketId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.fake.account, "list_comments", lambda *_: [{"body": "x"}] * 100)
    with pytest.raises(RetryLater, match="too_many_comments"):
        world.desk.has_marker(ticket, MARKER)


@pytest.mark.parametrize("marker", ["", "short", "with space in it", "<b>marker</b>", "é" * 9])
def test_a_marker_that_could_not_be_found_again_is_a_mistake(
    world: World, ticket: TicketId, marker: str
) -> None:
    with pytest.raises(ValueError, match="marker"):
        world.desk.add_note(ticket, "Refunded.", [], marker)
    assert world.fake.seen == []


@pytest.mark.parametrize("number", ["", "0", "../agents/me", "1?x="])
def test_an_id_that_is_none_is_never_called(world: World, number: str) -> None:
    assert refused(lambda: world.desk.reply(TicketId(number), "Hi.", MARKER)).code == "ticket_gone"
    assert world.desk.read_agent(AgentId(number)) is None
    assert world.desk.read_agent_email(AgentId(number)) is None
    assert world.fake.seen == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_broken_desk_leaves_it_open_only_after_a_write(
    world: World, ticket: TicketId, method: str
) -> None:
    world.fake.mishaps.append(Mishap(method=method, status=502))
    expected = OutcomeUnknown if method == "POST" else RetryLater
    with pytest.raises(expected):
        world.desk.add_note(ticket, "Refunded.", [], MARKER)


@pytest.mark.parametrize(("status", "code"), [(400, "call_refused"), (405, "ticket_closed")])
def test_a_refusal_is_named(world: World, ticket: TicketId, status: int, code: str) -> None:
    world.fake.mishaps.append(Mishap(method="POST", status=status))
    assert refused(lambda: world.desk.reply(ticket, "Hi.", MARKER)).code == code


def test_when_no_call_is_left_none_is_made(world: World, ticket: TicketId) -> None:
    world.fake.left = 0
    with pytest.raises(RetryLater) as raised:
        world.desk.add_note(ticket, "Refunded.", [], MARKER)
    assert (raised.value.code, raised.value.after_seconds) == ("desk_limit_reached", 60)
    assert len(world.fake.seen) == 1
