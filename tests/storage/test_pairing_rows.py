"""Pairings as rows: which are found, moved once, due and forgotten, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.chance import SystemMint
from plugin.domain.ids import AgentId, InstallationId
from plugin.ports.records import RESTORED, Hold, PairingState
from plugin.services.pair_agent import (
    LINKS_FOR_AGENT,
    Asked,
    AskForPairing,
    Frame,
    Known,
    TooOften,
)
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import DESK, NOW, TENANT, a_pairing, a_tenant, ago, an_installation, soon

OTHER_DESK = InstallationId("desk-2")
ANA = a_pairing().agent


@pytest.fixture
def desk(storage: SqlStorage) -> SqlStorage:
    storage.add_tenant(a_tenant(), NOW)
    with storage.begin(TENANT) as uow:
        for installation in (DESK, OTHER_DESK):
            uow.installations.add(an_installation(installation))
        uow.commit()
    return storage


def test_a_pairing_comes_back_as_it_was_kept(desk: SqlStorage) -> None:
    whole = replace(
        a_pairing(link="link-hash"),
        ended_at=soon(hours=1),
        reason="revoked",
        wake_at=NOW,
        wakes=2,
    )
    with desk.begin(TENANT) as uow:
        uow.pairings.add(whole)
        uow.commit()
    with desk.read(TENANT) as uow:
        assert uow.pairings.get(whole.id) == whole
    assert desk.find_pairing("link-hash") == whole
    assert desk.find_pairing("another") is None


def test_of_two_moves_one_is_made(desk: SqlStorage) -> None:
    before = a_pairing(state=PairingState.LINKED)
    with desk.begin(TENANT) as uow:
        uow.pairings.add(before)
        assert uow.pairings.move(before, replace(before, state=PairingState.PAIRED))
        assert not uow.pairings.move(before, replace(before, state=PairingState.OVER))
        assert not uow.pairings.move(replace(a_pairing(), wakes=1), before)


def test_only_the_same_desk_and_browser_or_frame_find_one_that_holds(desk: SqlStorage) -> None:
    one = a_pairing()
    with desk.begin(TENANT) as uow:
        pairings = uow.pairings
        pairings.add(one)
        assert pairings.of_browser(DESK, "browser-hash", NOW) == one
        assert pairings.of_browser(OTHER_DESK, "browser-hash", NOW) is None
        assert pairings.of_browser(DESK, "another", NOW) is None
        assert pairings.of_browser(DESK, "browser-hash", one.expires_at) is None
        assert pairings.of_frame(DESK, ANA, "frame-hash") == one
        assert pairings.of_frame(DESK, AgentId("8"), "frame-hash") is None
        assert pairings.of_frame(OTHER_DESK, ANA, "frame-hash") is None
        assert pairings.of_frame(DESK, ANA, "another") is None
        assert pairings.all(one.expires_at) == []
        pairings.move(one, replace(one, state=PairingState.OVER))
        assert pairings.of_browser(DESK, "browser-hash", NOW) is None
        assert pairings.all(NOW) == []


def test_wishes_are_counted_by_agent_and_by_desk(desk: SqlStorage) -> None:
    with desk.begin(TENANT) as uow:
        for place, agent in enumerate(("7", "7", "8")):
            wish = replace(a_pairing(f"pairing-{place}"), agent=AgentId(agent))
            uow.pairings.add(replace(wish, asked_at=ago(minutes=place)))
        assert uow.pairings.asked_since(DESK, ago(minutes=2)) == 2
        assert uow.pairings.asked_since(DESK, ago(hours=1)) == 3
        assert uow.pairings.asked_since(DESK, ago(hours=1), ANA) == 2
        assert uow.pairings.asked_since(OTHER_DESK, ago(hours=1)) == 0


def test_of_links_that_are_asked_for_at_once_no_more_are_made_than_one_after_the_other(
    desk: SqlStorage,
) -> None:
    connection = an_installation(DESK).connection
    ask = AskForPairing(desk, SystemMint())

    def press(place: int) -> Asked | Known | TooOften:
        return ask(Frame(connection, ANA, f"frame-{place}"), "", NOW)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(press, range(8)))
    assert sum(isinstance(one, Asked) for one in answers) == LINKS_FOR_AGENT
    assert sum(isinstance(one, TooOften) for one in answers) == 8 - LINKS_FOR_AGENT


def test_those_that_ended_long_ago_go_when_one_is_added(desk: SqlStorage) -> None:
    long_ago = replace(a_pairing("old"), expires_at=ago(days=31))
    lately = replace(a_pairing("new"), expires_at=ago(days=29))
    with desk.begin(TENANT) as uow:
        uow.pairings.add(long_ago)
        uow.pairings.add(lately)
        uow.pairings.add(a_pairing())
        assert uow.pairings.get(long_ago.id) is None
        assert uow.pairings.get(lately.id) == lately


def test_a_wish_is_due_until_it_is_taken_up_and_waits_while_sending_is_held(
    desk: SqlStorage,
) -> None:
    wish = replace(a_pairing(state=PairingState.ASKED), wake_at=NOW)
    with desk.begin(TENANT) as uow:
        uow.pairings.add(wish)
        uow.commit()
    [work] = desk.due(NOW, 10)
    assert (work.kind, work.ref, work.wakes) == ("pairing", wish.id, 0)
    assert desk.due(NOW - timedelta(seconds=1), 10) == []
    with desk.begin(TENANT) as uow:
        uow.holds.put(Hold(RESTORED, NOW, NOW))
        uow.commit()
    assert desk.due(NOW, 10) == []
