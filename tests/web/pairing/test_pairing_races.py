"""What becomes of a wish, a link or a frame when something else happens at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from plugin.domain.ids import AgentId, PairingId
from plugin.helpdesks.practice import PracticeHelpdesk
from plugin.ports import Kind
from plugin.ports.records import PairingState
from plugin.services.pair_agent import (
    AskForPairing,
    Frame,
    Known,
    LinkGone,
    NotAtDesk,
    PairAgent,
    Paired,
    pairing_of_frame,
)
from plugin.services.sign_in_admin import hashed
from tests.web.pairing_house import ANA, PairingHouse, Person, ToyDesk, ToyRegistry

ASKING = "makegood-asking"


def while_the_desk_is_asked(
    monkeypatch: pytest.MonkeyPatch, question: str, happens: Callable[[], object]
) -> None:
    """Let `happens` come in between, once: at the next call of this method of the desk."""
    answer = getattr(ToyDesk, question)
    left = [happens]

    def asked(desk: ToyDesk, agent: AgentId) -> object:
        if left:
            left.pop()()
        return answer(desk, agent)

    monkeypatch.setattr(ToyDesk, question, asked)


def cookie_of(person: Person, name: str) -> str:
    found = person.client.get_cookie(name)
    assert found is not None
    return found.value


def pairs(house: PairingHouse) -> PairAgent:
    return PairAgent(house.parts.house.storage, house.parts.platforms, house.parts.mint)


# --- the mail -------------------------------------------------------------------------------------


def test_a_wish_that_two_workers_take_up_at_once_is_mailed_once(
    house: PairingHouse, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana.frame().ask()
    [due] = house.parts.house.storage.due(house.clock.now(), 10)

    def work() -> None:
        house.mail_pairing(due.tenant, PairingId(due.ref))

    while_the_desk_is_asked(monkeypatch, "read_agent_email", work)
    work()
    assert house.says.asked.count("read_agent_email") == 2  # both workers had got as far as this
    assert len(house.mailer.sent) == 1
    assert house.trail() == ["pairing.asked", "pairing.link_made"]
    assert ana.spend(house.link_token()).status_code == 200  # and the one that was sent is good


def test_a_desk_that_tells_nobodys_address_ends_the_wish_without_a_mail(
    house: PairingHouse, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana.frame().ask()
    [due] = house.parts.house.storage.due(house.clock.now(), 10)
    house.says.asked.clear()
    adapter_class = ToyRegistry.adapter_class

    def without_addresses(registry: ToyRegistry, kind: Kind, stem: str) -> type[Any]:
        return PracticeHelpdesk if kind is Kind.HELPDESK else adapter_class(registry, kind, stem)

    monkeypatch.setattr(ToyRegistry, "adapter_class", without_addresses)
    house.mail_pairing(due.tenant, PairingId(due.ref))
    assert house.mailer.sent == []
    assert house.says.asked == []
    with house.parts.house.storage.read(house.tenant) as uow:
        wish = uow.pairings.get(PairingId(due.ref))
    assert wish is not None
    assert (wish.state, wish.reason, wish.link) == (PairingState.OVER, "unknown_agent", None)


# --- the link -------------------------------------------------------------------------------------


def test_of_two_presses_that_both_found_the_link_good_one_pairs(
    house: PairingHouse, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana.frame().ask()
    token, asking, now = house.link_token(), cookie_of(ana, ASKING), house.clock.now()
    first: list[object] = []
    while_the_desk_is_asked(
        monkeypatch, "read_agent", lambda: first.append(pairs(house)(token, asking, "", now))
    )
    second = ana.spend(token)
    [paired] = first
    assert isinstance(paired, Paired)
    assert second.status_code == 410
    assert second.headers.getlist("Set-Cookie") == []
    assert [one.browser for one in house.pairings()] == [hashed(paired.browser)]
    assert house.trail().count("pairing.paired") == 1


def test_of_two_presses_for_an_agent_who_left_both_are_refused_and_one_is_written_down(
    house: PairingHouse, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana.frame().ask()
    token, asking, now = house.link_token(), cookie_of(ana, ASKING), house.clock.now()
    house.says.agents[ANA] = replace(house.says.agents[ANA], active=False)
    first: list[object] = []
    while_the_desk_is_asked(
        monkeypatch, "read_agent", lambda: first.append(pairs(house)(token, asking, "", now))
    )
    assert ana.spend(token).status_code == 403
    assert first == [NotAtDesk()]
    assert house.pairings() == []
    assert house.trail() == ["pairing.asked", "pairing.link_made", "pairing.refused"]


@pytest.mark.parametrize("asking", ["", "guessed"])
def test_a_press_without_the_secret_of_the_asking_pairs_nobody_and_asks_no_desk(
    house: PairingHouse, ana: Person, asking: str
) -> None:
    """The page looks first, and the press looks again by itself."""
    ana.frame().ask()
    token = house.link_token()
    house.says.asked.clear()
    assert pairs(house)(token, asking, "", house.clock.now()) == LinkGone()
    assert house.says.asked == []
    assert house.pairings() == []
    assert ana.spend(token).status_code == 200  # it is still good beside its own


# --- the frame ------------------------------------------------------------------------------------


def test_a_browser_that_was_paired_since_its_window_opened_goes_on_without_another_link(
    house: PairingHouse, ana: Person
) -> None:
    ana.paired()
    storage, now = house.parts.house.storage, house.clock.now()
    browser = cookie_of(ana, f"makegood-agent-{house.desk}")
    frame = Frame(house.installation("helpdesk").connection, ANA, "another frame")
    written = house.trail()
    answer = AskForPairing(storage, house.parts.mint)(frame, browser, now)
    [pairing] = house.pairings()
    assert answer == Known(pairing)
    assert pairing_of_frame(storage, house.tenant, house.desk, ANA, "another frame", now) == pairing
    assert house.trail() == written  # nothing was asked for
    assert len(house.mails()) == 1
