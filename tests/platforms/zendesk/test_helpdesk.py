"""What is Zendesk's own: its addresses, its comments, its time stamps, its search and its apps."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import AgentId, TicketId
from plugin.helpdesks.zendesk import ZendeskHelpdesk
from plugin.ports import Changed
from tests.contracts.helpdesk import MARKER
from tests.platforms.zendesk.data import AGENT, CUSTOMER, NAMED_LIKE, OWNER
from tests.platforms.zendesk.fake import Mishap, Seen
from tests.platforms.zendesk.tokens import public_pem
from tests.platforms.zendesk.world import INSTALLATION, World

RECORDINGS = Path(__file__).parent / "recordings"


@pytest.fixture
def ticket(world: World) -> TicketId:
    return TicketId(str(world.fake.account.add_ticket()))


def writes(world: World) -> list[Seen]:
    return [one for one in world.fake.seen if one.method == "PUT"]


# --- reading --------------------------------------------------------------------------------------


def test_a_panel_opens_with_four_calls(world: World, ticket: TicketId) -> None:
    world.desk.read_agent(world.agent)
    world.desk.read_ticket(ticket, world.agent)
    assert len(world.fake.seen) == 4


def test_a_foreign_ticket_costs_no_look_at_its_requester(world: World, ticket: TicketId) -> None:
    world.desk.read_ticket(ticket, world.outsider)
    assert not any("identities" in call for call in world.fake.calls())


def test_words_of_the_ticket_come_along(world: World, ticket: TicketId) -> None:
    found = world.desk.read_ticket(ticket, world.agent)
    assert found is not None
    assert (found.subject, found.text) == ("Refund please", "I bought it twice.")
    assert (found.name, found.locale) == ("Mia Learner", "de")


def test_an_address_that_was_only_typed_in_opens_no_orders(world: World, ticket: TicketId) -> None:
    account = world.fake.account
    account.add_identity(CUSTOMER, "old@example.com", verified=True, primary=False)
    account.add_identity(CUSTOMER, "victim@example.com", verified=False, primary=False)
    account.add_identity(CUSTOMER, "Mia@example.com", verified=False, primary=True)
    found = world.desk.read_ticket(ticket, world.agent)
    assert found is not None
    assert found.emails == ("mia@example.com", "old@example.com")


def test_a_requester_who_is_not_sent_along_still_has_addresses(world: World) -> None:
    number = world.fake.account.add_ticket(CUSTOMER, subject=None, description=None)
    people = world.fake.account.users
    people[CUSTOMER] = {**people[CUSTOMER], "id": 999}
    found = world.desk.read_ticket(TicketId(str(number)), world.agent)
    assert found is not None
    assert (found.subject, found.name, found.text) == ("", "", "")
    assert found.emails == ("mia@example.com",)


@pytest.mark.parametrize(
    ("status", "is_open"),
    [("new", True), ("pending", True), ("hold", True), ("solved", False), ("closed", False)],
)
def test_a_ticket_is_open_until_solved(world: World, status: str, is_open: bool) -> None:
    number = world.fake.account.add_ticket(status=status)
    found = world.desk.read_ticket(TicketId(str(number)), world.agent)
    assert found is not None
    assert found.open is is_open


def test_a_ticket_in_the_bin_is_gone(world: World) -> None:
    number = world.fake.account.add_ticket(status="deleted")
    assert world.desk.read_ticket(TicketId(str(number)), world.agent) is None


@pytest.mark.parametrize("field", ["status", "requester_id", "tags"])
def test_an_answer_of_another_shape_is_no_answer(
    world: World, ticket: TicketId, field: str
) -> None:
    world.fake.account.tickets[int(ticket)][field] = {"odd": True}
    with pytest.raises(RetryLater, match=f"answer_unexpected.*{field}"):
        world.desk.read_ticket(ticket, world.agent)


# --- writing --------------------------------------------------------------------------------------


def test_note_and_tags_are_one_write_under_the_stamp_that_was_read(
    world: World, ticket: TicketId
) -> None:
    stamp = world.fake.account.tickets[int(ticket)]["updated_at"]
    world.desk.add_note(ticket, "Refunded 5 < 6 EUR.\n\nSee you.\nMia", ["Refunded"], MARKER)
    (write,) = writes(world)
    recorded = json.loads((RECORDINGS / "note.request.json").read_text())
    recorded["ticket"]["updated_stamp"] = stamp
    assert write.body == recorded


def test_a_tag_that_stands_keeps_its_place(world: World) -> None:
    ticket = world.add_ticket(["mia@example.com"], ["Refunded", "vip"])
    world.desk.add_note(ticket, "Refunded.", ["refunded", "urgent"], MARKER)
    (write,) = writes(world)
    assert write.body is not None
    assert write.body["ticket"]["tags"] == ["Refunded", "vip", "urgent"]


def test_a_reply_says_that_it_is_public_and_touches_no_tags(world: World, ticket: TicketId) -> None:
    world.desk.reply(ticket, "On its way.", MARKER)
    (write,) = writes(world)
    assert write.body is not None
    assert write.body["ticket"]["comment"]["public"] is True
    assert "tags" not in write.body["ticket"]


def test_a_customers_words_do_not_read_out_the_ticket(world: World, ticket: TicketId) -> None:
    world.desk.reply(ticket, "Hello {{ticket.latest_comment}} {% if x %} {{{y}}}", MARKER)
    (comment,) = world.comments(ticket)
    assert not re.search(r"\{[{%]", comment.text)


def test_our_note_from_another_process_is_seen_before_ours_is_written(
    world: World, ticket: TicketId
) -> None:
    def other_process(_: int) -> None:
        world.fake.before_write = None
        account = world.fake.account
        account.update_ticket(
            int(ticket), {"ticket": {"comment": {"body": f"Ref {MARKER}", "public": False}}}
        )

    world.fake.before_write = other_process
    assert world.desk.add_note(ticket, "Refunded.", [], MARKER) is Changed.ALREADY
    assert len(world.comments(ticket)) == 1


def test_a_ticket_that_never_rests_is_left_for_later(world: World, ticket: TicketId) -> None:
    world.fake.before_write = lambda number: world.fake.account.add_tag(number, "busy")
    with pytest.raises(RetryLater) as raised:
        world.desk.add_note(ticket, "Refunded.", [], MARKER)
    assert raised.value.code == "ticket_busy"
    assert len(writes(world)) == 3
    assert world.comments(ticket) == []


def test_within_the_second_of_a_change_nothing_is_written(world: World, ticket: TicketId) -> None:
    world.fake.account.frozen = True
    world.fake.account.add_tag(int(ticket), "just now")
    with pytest.raises(RetryLater) as raised:
        world.desk.add_note(ticket, "Refunded.", [], MARKER)
    assert (raised.value.code, raised.value.after_seconds) == ("ticket_just_changed", 1)
    assert writes(world) == []
    world.fake.account.frozen = False
    assert world.desk.add_note(ticket, "Refunded.", [], MARKER) is Changed.DONE


def test_a_marker_is_found_behind_many_pages(world: World, ticket: TicketId) -> None:
    world.fake.account.page_size = 2
    world.desk.add_note(ticket, "First.", [], MARKER)
    for number in range(5):
        world.desk.add_note(ticket, "More.", [], f"effect-number-{number}")
    before = len(world.fake.seen)
    assert world.desk.has_marker(ticket, MARKER)
    assert len(world.fake.seen) - before == 3


def test_comments_without_end_are_no_proof_that_nothing_stands(
    world: World, ticket: TicketId
) -> None:
    world.fake.account.page_size = 0
    world.fake.account.comments[int(ticket)] = [{"body": "x"}]
    with pytest.raises(RetryLater, match="too_many_comments"):
        world.desk.has_marker(ticket, MARKER)


def test_a_ticket_deleted_between_read_and_write_is_gone(world: World, ticket: TicketId) -> None:
    world.fake.before_write = lambda _: world.delete(ticket)
    with pytest.raises(Refused, match="ticket_gone"):
        world.desk.add_note(ticket, "Refunded.", [], MARKER)


def test_a_write_that_the_desk_refuses_is_a_no(world: World, ticket: TicketId) -> None:
    world.fake.before_write = lambda number: world.close(TicketId(str(number)))
    with pytest.raises(Refused, match=r"ticket_refused: ticket\.note: HTTP 422"):
        world.desk.add_note(ticket, "Refunded.", [], MARKER)


@pytest.mark.parametrize("marker", ["", "short", "with space in it", "<b>marker</b>", "é" * 9])
def test_a_marker_that_could_not_be_found_again_is_a_mistake(
    world: World, ticket: TicketId, marker: str
) -> None:
    with pytest.raises(ValueError, match="marker"):
        world.desk.add_note(ticket, "Refunded.", [], marker)
    assert world.fake.seen == []


@pytest.mark.parametrize("number", ["", "0", "../users/me", "1.json?x="])
def test_an_id_that_is_none_is_never_called(world: World, number: str) -> None:
    assert refused(lambda: world.desk.reply(TicketId(number), "Hi.", MARKER)).code == "ticket_gone"
    assert world.desk.read_agent(AgentId(number)) is None
    assert world.fake.seen == []


def test_a_time_stamp_that_is_none_stops_the_write(world: World, ticket: TicketId) -> None:
    world.fake.account.tickets[int(ticket)]["updated_at"] = "just now"
    with pytest.raises(RetryLater, match=r"answer_unexpected.*updated_at"):
        world.desk.add_note(ticket, "Refunded.", [], MARKER)
    assert writes(world) == []


def test_an_answer_that_does_not_tell_its_time_is_still_an_answer(
    world: World, ticket: TicketId
) -> None:
    world.fake.tells_time = False
    world.fake.account.frozen = True
    assert world.desk.add_note(ticket, "Refunded.", [], MARKER) is Changed.DONE


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_broken_desk_leaves_it_open_only_after_a_write(
    world: World, ticket: TicketId, method: str
) -> None:
    world.fake.mishaps.append(Mishap(method=method, status=502))
    expected = OutcomeUnknown if method == "PUT" else RetryLater
    with pytest.raises(expected):
        world.desk.add_note(ticket, "Refunded.", [], MARKER)


# --- open tickets ---------------------------------------------------------------------------------


def test_a_customer_who_is_only_called_like_the_address_is_not_the_customer(world: World) -> None:
    mine = world.fake.account.add_ticket(CUSTOMER)
    world.fake.account.add_ticket(NAMED_LIKE)
    assert list(world.desk.find_open_tickets("mia@example.com")) == [str(mine)]


def test_the_newest_open_ticket_comes_first(world: World) -> None:
    first = world.fake.account.add_ticket(CUSTOMER)
    second = world.fake.account.add_ticket(CUSTOMER)
    assert list(world.desk.find_open_tickets("mia@example.com")) == [str(second), str(first)]


# --- connecting -----------------------------------------------------------------------------------


def test_the_probe_tells_account_and_role(world: World) -> None:
    found = world.desk.probe()
    assert (found.account, found.details) == ("acme.zendesk.com", "as admin")


def refused(call: Any) -> Refused:  # noqa: ANN401 - any bound method
    with pytest.raises(Refused) as raised:
        call()
    return raised.value


def test_a_wrong_token_is_told(world: World) -> None:
    assert refused(world.connected("wrong").probe).code == "key_refused"


def test_an_anonymous_answer_is_a_wrong_token_too(world: World) -> None:
    world.fake.account.users[OWNER]["id"] = None
    assert refused(world.desk.probe).code == "key_refused"


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"role": "end-user"}, "administrator"),
        ({"suspended": True}, "administrator"),
        ({"role": "agent", "ticket_restriction": "groups"}, "all tickets"),
        ({"role": "agent", "restricted_agent": True}, "all tickets"),
        ({"role": "agent", "role_type": 1}, "public comments"),
        ({"role": "agent", "only_private_comments": True}, "public comments"),
    ],
)
def test_a_missing_right_is_named(world: World, changed: dict[str, Any], word: str) -> None:
    world.fake.account.users[OWNER].update(changed)
    found = refused(world.desk.check_rights)
    assert found.code == "rights_missing"
    assert word in found.detail


def test_a_plain_agent_is_enough_but_for_finishing(world: World) -> None:
    world.fake.account.users[OWNER]["role"] = "agent"
    assert "needs an administrator" in world.desk.check_rights()


def test_finishing_reads_the_ids_of_the_app_made_for_us(world: World) -> None:
    world.fake.account.install_app("another-installation", number=8200)
    world.fake.account.install_app(INSTALLATION)
    fresh = world.connected(app_id="", app_installation_id="")
    found = fresh.finish()
    assert (found["app_id"], found["app_installation_id"]) == ("913", "8201")
    assert found["app_public_key"].encode() == public_pem(world.fake.key)
    assert datetime.fromisoformat(found["app_public_key_read_at"]) == world.now
    signed_in = world.connected(**found).sign_in({"token": world.fake.token()}, {}, world.now)
    assert signed_in.agent == str(AGENT)


def test_an_app_that_lost_our_setting_is_found_by_its_name(world: World) -> None:
    world.fake.account.install_app(None, name="Something else", number=8200)
    world.fake.account.install_app(None)
    assert world.desk.finish()["app_installation_id"] == "8201"


def test_an_app_of_another_installation_of_ours_is_not_taken(world: World) -> None:
    world.fake.account.install_app("another-installation")
    assert refused(world.desk.finish).code == "app_not_installed"


def test_an_app_that_is_not_there_yet_says_what_to_do(world: World) -> None:
    assert "upload" in refused(world.desk.finish).detail


def test_two_apps_alike_are_not_chosen_between(world: World) -> None:
    world.fake.account.install_app(INSTALLATION, number=8200)
    world.fake.account.install_app(INSTALLATION)
    found = refused(world.desk.finish)
    assert found.code == "app_ambiguous"
    assert "8200, 8201" in found.detail


def test_finishing_needs_an_app_whose_key_can_be_read(world: World) -> None:
    world.fake.account.install_app(INSTALLATION)
    world.fake.mishaps.append(Mishap(path="public_key", status=404))
    assert refused(world.desk.finish).code == "app_key_missing"


def test_finishing_without_the_right_says_so(world: World) -> None:
    world.fake.mishaps.append(Mishap(path="installations", status=403))
    assert refused(world.desk.finish).code == "rights_missing"
    world.fake.mishaps.append(Mishap(path="installations", status=404))
    assert refused(world.desk.finish).code == "app_not_installed"


def test_no_secret_shows_in_an_error_or_in_the_adapter(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    desk: ZendeskHelpdesk = world.connected("very-secret")
    error = refused(desk.probe)
    assert "very-secret" not in f"{error!r} {error} {vars(desk)!r} {caplog.text}"
