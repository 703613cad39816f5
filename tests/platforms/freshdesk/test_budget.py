"""How many calls Freshdesk gets: counted one by one, never more than the smallest account takes."""

from __future__ import annotations

import pytest

from plugin.domain.ids import TicketId
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.platforms.token_bucket import Bucket, Rate, take
from plugin.services.plan_refund import REFUNDED_TAG
from tests.contracts.fields import DONE
from tests.contracts.helpdesk import MARKER, OTHER_MARKER
from tests.platforms.freshdesk.account import CUSTOMER
from tests.platforms.freshdesk.world import World

SMALLEST_LIMIT = 50
"""Calls a minute of a trial account."""


@pytest.fixture
def ticket(world: World) -> TicketId:
    return TicketId(str(world.fake.account.add_ticket()))


@pytest.fixture
def rate() -> Rate:
    """The pace that the manifest declares."""
    outgoing = Registry([DataFiles().manifests()]).helpdesk("freshdesk").outgoing
    assert outgoing is not None
    limit = outgoing.rate_limit
    return Rate(limit.requests, limit.per_seconds, limit.burst)


def open_panel(world: World, ticket: TicketId) -> None:
    """As the panel does for a paired agent, in one request."""
    desk = world.desk
    assert desk.read_ticket(ticket, world.agent) is not None
    assert desk.read_agent(world.agent) is not None


def write_refund(world: World, ticket: TicketId) -> None:
    """As the effects of a refund do; a reply is looked for first."""
    world.desk.add_note(ticket, "Refunded.", [REFUNDED_TAG], MARKER, DONE)
    assert not world.desk.has_marker(ticket, OTHER_MARKER)
    world.desk.reply(ticket, "Your money is on its way.", OTHER_MARKER)


def test_a_panel_opens_with_four_calls(world: World, ticket: TicketId) -> None:
    open_panel(world, ticket)
    assert world.fake.calls() == [
        f"GET /api/v2/tickets/{ticket}",
        f"GET /api/v2/agents/{world.agent}",
        f"GET /api/v2/contacts/{CUSTOMER}",
        "GET /api/v2/roles",
    ]
    assert not any("include" in one.query for one in world.fake.seen)  # each costs a call more


def test_a_panel_of_nobody_proven_opens_with_three_calls(world: World, ticket: TicketId) -> None:
    for one in world.fake.account.agents.values():
        one.update(ticket_scope=1, type="support_agent")
    assert world.desk.read_shared_ticket(ticket) is not None
    assert len(world.fake.seen) == 3


@pytest.mark.parametrize("has_field", [False, True])
def test_a_refund_writes_its_note_with_the_tag_in_two_and_its_reply_in_one(
    world: World, ticket: TicketId, *, has_field: bool
) -> None:
    if has_field:
        world.name_field()
    write_refund(world, ticket)
    assert [call for call in world.fake.calls() if not call.startswith("GET")] == [
        f"POST /api/v2/tickets/{ticket}/notes",
        f"PUT /api/v2/tickets/{ticket}",
        f"POST /api/v2/tickets/{ticket}/reply",
    ]


def test_the_next_refund_of_a_ticket_writes_twice(world: World, ticket: TicketId) -> None:
    world.ticket(ticket)["tags"] = [REFUNDED_TAG]
    write_refund(world, ticket)
    assert [one.method for one in world.fake.seen if one.method != "GET"] == ["POST", "POST"]


def test_a_panel_and_its_refund_go_out_at_once(world: World, ticket: TicketId, rate: Rate) -> None:
    world.name_field()
    open_panel(world, ticket)
    write_refund(world, ticket)
    assert len(world.fake.seen) <= rate.burst


def test_no_minute_sees_more_calls_than_the_smallest_account_takes(rate: Rate) -> None:
    # What was saved up goes out first, and then each call as soon as it may: the fullest minute.
    bucket, sent = Bucket(), 0
    for now in range(0, 60_000_000, 50_000):
        wait = 0.0
        while wait == 0.0:
            bucket, wait = take(bucket, now, rate)
            sent += wait == 0.0
    assert rate.burst < sent <= SMALLEST_LIMIT
