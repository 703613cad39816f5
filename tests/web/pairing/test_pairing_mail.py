"""The mail with the one-time link: to whom, how often, and what is kept of it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.errors import NeedsHuman, OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import AgentId, PairingId
from plugin.ports.records import InstallationStatus, PairingState
from plugin.services.pair_agent import LINK_LIFE, LINKS_FOR_AGENT, PER
from plugin.services.sign_in_admin import hashed
from tests.databases import of_sqlite_alone
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.pairing_house import (
    ANA,
    FORMER,
    STRANGER,
    PairingHouse,
    Person,
)


@pytest.mark.parametrize("agent", [STRANGER, FORMER])
def test_an_agent_the_desk_does_not_know_is_answered_the_same_and_mailed_nothing(
    house: PairingHouse, ana: Person, mallory: Person, agent: AgentId
) -> None:
    known, unknown = ana.frame(ANA), mallory.frame(agent)
    house.says.asked.clear()
    pages = []
    for panel, name in ((known, ANA), (unknown, agent)):
        for press in ("", "yes"):
            answer = panel.window(press)
            text = answer.text.replace(panel.token, "TOKEN").replace(name, "AGENT")
            pages.append((press, answer.status_code, text))
    assert pages[:2] == pages[2:]
    assert house.says.asked == []  # nobody looked, so not even the time tells
    assert [mail.to for mail in house.mails()] == ["practice-agent@desk.example"]
    assert sorted(house.trail()[2:]) == ["pairing.ended", "pairing.link_made"]


@pytest.mark.parametrize(
    "address", ["", "a@desk.example, b@evil.example", "a@x.example;b@y.example"]
)
def test_an_agent_without_one_address_of_their_own_is_mailed_nothing(
    house: PairingHouse, ana: Person, address: str
) -> None:
    house.says.emails[ANA] = address
    ana.frame().ask()
    assert house.mails() == []
    assert house.trail() == ["pairing.asked", "pairing.ended"]


def test_links_for_one_agent_are_few(
    house: PairingHouse, clock: TurnedClock, ana: Person, mallory: Person
) -> None:
    for _ in range(LINKS_FOR_AGENT):
        assert mallory.frame(ANA).ask().status_code == 200
    for person in (mallory, ana):
        answer = person.frame(ANA).ask()
        assert answer.status_code == 429
        assert "Enough links for now" in answer.text
    assert len(house.mails()) == LINKS_FOR_AGENT
    assert mallory.frame(STRANGER).ask().status_code == 200
    clock.turn(PER)
    assert ana.frame(ANA).ask().status_code == 200


def test_links_for_one_desk_are_not_endless(
    house: PairingHouse, mallory: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugin.services.pair_agent.LINKS_FOR_DESK", 2)
    statuses = [mallory.frame(f"agent-{n}").ask().status_code for n in range(3)]
    assert statuses == [200, 200, 429]


def test_without_a_mail_server_nothing_is_kept_and_it_is_said(
    house: PairingHouse, ana: Person
) -> None:
    settings = replace(house.settings, smtp_url="")
    house.parts = replace(house.parts, settings=settings)
    from plugin.app import create_app

    house.app = create_app(settings, house.parts)
    ana = Person(house)
    assert "We cannot send mail yet" in ana.frame().window().text
    assert house.trail() == []


def test_the_row_is_there_before_the_mail_and_holds_no_token(
    house: PairingHouse, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = house.parts.house.storage
    seen = []

    def send(to: str, subject: str, body: str, message_id: str) -> None:
        del to, subject, message_id
        token = body.partition("link=")[2].split()[0]
        found = storage.find_pairing(hashed(token))
        assert found is not None
        seen.append((found.state, token in repr(found)))

    monkeypatch.setattr(house.mailer, "send", send)
    ana.frame().ask()
    house.work()
    assert seen == [(PairingState.LINKED, False)]


def test_a_mail_that_was_certainly_not_sent_is_sent_with_a_new_link(
    house: PairingHouse, clock: TurnedClock, ana: Person
) -> None:
    house.mailer.raises["send"].append(RetryLater("deferred"))
    ana.frame().ask()
    assert house.mails() == []
    clock.turn(timedelta(seconds=30))
    assert len(house.mails()) == 1
    assert ana.spend(house.link_token()).status_code == 200


def test_a_mail_that_may_have_gone_out_is_not_sent_again(
    house: PairingHouse, clock: TurnedClock, ana: Person
) -> None:
    house.mailer.raises["send"].append(OutcomeUnknown("quiet"))
    ana.frame().ask()
    assert house.mails() == []
    clock.turn(timedelta(minutes=5))
    assert house.mails() == []


@pytest.mark.parametrize("error", [Refused("mail_refused"), NeedsHuman("no_mail_server")])
def test_a_mail_that_nobody_takes_ends_the_wish(
    house: PairingHouse, clock: TurnedClock, ana: Person, error: Refused | NeedsHuman
) -> None:
    house.mailer.raises["send"].append(error)
    ana.frame().ask()
    house.work()
    clock.turn(timedelta(minutes=5))
    assert house.mails() == []
    assert house.trail() == ["pairing.asked", "pairing.link_made", "pairing.ended"]


def test_a_silent_desk_is_asked_again_until_the_wish_is_too_old(
    house: PairingHouse, clock: TurnedClock, ana: Person
) -> None:
    ana.frame().ask()
    house.says.fails = RetryLater("silent")
    house.work()
    clock.turn(timedelta(seconds=30))
    house.work()
    clock.turn(LINK_LIFE)
    house.says.fails = None
    assert house.mails() == []
    assert house.trail() == ["pairing.asked", "pairing.ended"]


def test_a_desk_that_refuses_ends_the_wish(house: PairingHouse, ana: Person) -> None:
    ana.frame().ask()
    house.says.fails = Refused("key_refused")
    house.work()
    house.says.fails = None
    assert house.trail() == ["pairing.asked", "pairing.ended"]


@of_sqlite_alone("the bytes of the file are searched")
def test_nothing_secret_of_it_is_kept_or_logged(
    house: PairingHouse, ana: Person, caplog: pytest.LogCaptureFixture
) -> None:
    panel = ana.paired()
    [pairing] = house.pairings()
    cookie = ana.client.get_cookie(f"makegood-agent-{house.desk}")
    assert cookie is not None
    token = re.findall(r"link=(\S+)", house.mailer.sent[0].body)[0]
    raw = b"".join(path.read_bytes() for path in house.folder.glob("makegood.sqlite*"))
    assert pairing.id.encode() in raw
    for secret in (cookie.value, token, "@desk.example"):
        assert secret not in caplog.text
        assert secret not in repr(pairing)
        assert secret.encode() not in raw
    assert panel.token not in caplog.text


def test_a_wish_of_a_desk_that_was_taken_out_ends_without_a_mail(
    house: PairingHouse, ana: Person
) -> None:
    ana.frame().ask()
    removed = replace(house.installation("helpdesk"), status=InstallationStatus.REMOVED)
    with house.parts.house.storage.begin(house.tenant) as uow:
        uow.installations.save(removed)
        uow.commit()
    assert house.mails() == []
    assert house.trail() == ["pairing.asked", "pairing.ended"]


def test_a_wish_that_is_taken_up_twice_is_mailed_once(house: PairingHouse, ana: Person) -> None:
    ana.frame().ask()
    [due] = house.parts.house.storage.due(house.clock.now(), 10)
    for _ in range(2):
        house.mail_pairing(due.tenant, PairingId(due.ref))
    assert len(house.mailer.sent) == 1
