"""`makegood effects list | replay | close` and the same of deliveries: never anything twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.app import Parts
from plugin.domain.effects import (
    Effect,
    EffectState,
    PlannedEffect,
    RevokeAccess,
    TellOwner,
    access_key,
    run_key,
)
from plugin.domain.ids import DeliveryId, EffectKey, RunId, TenantId
from plugin.first_start import home_tenant
from plugin.ports.records import DeliveryState, Run, RunState
from tests.commands.conftest import Run as RunCommand
from tests.factories import CUSTOMER, NOW, STORE, a_course, a_delivery, a_tenant, an_installation

RUN = RunId("run-1")
STUCK = access_key(CUSTOMER, a_course("c1"), 1)
MAIL = run_key(RUN, "mail")
DONE = access_key(CUSTOMER, a_course("c2"), 1)
WAITING = access_key(CUSTOMER, a_course("c3"), 1)
KEPT: dict[EffectKey, tuple[Effect, EffectState, str]] = {
    STUCK: (RevokeAccess(a_course("c1")), EffectState.NEEDS_PERSON, "right_missing"),
    MAIL: (TellOwner("canary subject", "canary body"), EffectState.UNKNOWN, "mail_server_quiet"),
    DONE: (RevokeAccess(a_course("c2")), EffectState.DONE, ""),
    WAITING: (RevokeAccess(a_course("c3")), EffectState.WAITING, "busy"),
}


@pytest.fixture
def tenant(parts: Parts) -> TenantId:
    """The first tenant, beside a second one without anything."""
    parts.house.storage.add_tenant(a_tenant("tenant-2"), NOW)
    return home_tenant(parts.house.storage).id


@pytest.fixture
def kept(parts: Parts, tenant: TenantId) -> None:
    """One effect in each state of interest."""
    planned = [
        PlannedEffect(key, place, effect)
        for place, (key, (effect, _, _)) in enumerate(KEPT.items())
    ]
    with parts.house.storage.begin(tenant) as uow:
        uow.installations.add(an_installation(tenant=tenant))
        uow.effects.add_run(Run(RUN, CUSTOMER, "plan", RunState.DONE, None), planned, NOW)
        for key, (_, state, outcome) in KEPT.items():
            stored = uow.effects.get(key)
            assert stored is not None
            moved = replace(stored, state=state, outcome=outcome, attempts=3, changed_at=NOW)
            uow.effects.set_state(key, stored.state, moved)
        uow.commit()


def state_of(parts: Parts, tenant: TenantId, key: EffectKey) -> EffectState:
    with parts.house.storage.read(tenant) as uow:
        stored = uow.effects.get(key)
    assert stored is not None
    return stored.state


@pytest.mark.usefixtures("kept")
def test_what_waits_for_a_person_is_listed_without_its_words(run: RunCommand) -> None:
    listed = run("effects", "list", "--json")
    rows = listed.facts["effects"]
    assert {row["key"] for row in rows} == {STUCK, MAIL}
    [stuck] = [row for row in rows if row["key"] == STUCK]
    assert (stuck["kind"], stuck["state"], stuck["attempts"], stuck["outcome"]) == (
        "RevokeAccess",
        "needs_person",
        3,
        "right_missing",
    )
    assert stuck["changed_at"] == NOW.isoformat()
    people = run("effects", "list")
    assert f"{STUCK}  right_missing" in people.out
    for told in (listed, people):
        assert "canary" not in told.out + told.err
        assert CUSTOMER not in told.out + told.err


@pytest.mark.usefixtures("kept")
def test_effects_are_listed_by_state(run: RunCommand) -> None:
    words = ("effects", "list", "--state", "done", "--state", "waiting", "--json")
    assert {row["key"] for row in run(*words).facts["effects"]} == {DONE, WAITING}
    assert len(run(*words, "--limit", "1").facts["effects"]) == 1


@pytest.mark.usefixtures("kept")
def test_one_effect_goes_back_in_line_and_its_run_is_due(
    run: RunCommand, parts: Parts, tenant: TenantId
) -> None:
    assert run("effects", "replay", STUCK, "--json").facts == {"ok": True, "replayed": 1}
    assert state_of(parts, tenant, STUCK) is EffectState.WAITING
    assert [work.ref for work in parts.house.storage.due(parts.clock.now(), 9)] == [RUN]
    with parts.house.storage.read(tenant) as uow:
        assert uow.audit.entries(0, 99)[-1].actor == "operator"
    again = run("effects", "replay", STUCK, "--json")
    assert again.code == 2
    assert "in line already" in again.facts["detail"]


@pytest.mark.usefixtures("kept")
def test_a_mail_that_may_have_gone_out_takes_a_word_more(
    run: RunCommand, parts: Parts, tenant: TenantId
) -> None:
    refused = run("effects", "replay", MAIL, "--json")
    assert refused.code == 2
    assert "--although-it-may-repeat" in refused.facts["detail"]
    assert state_of(parts, tenant, MAIL) is EffectState.UNKNOWN
    assert run("effects", "replay", MAIL, "--although-it-may-repeat").code == 0
    assert state_of(parts, tenant, MAIL) is EffectState.WAITING


@pytest.mark.usefixtures("kept")
def test_what_is_done_is_not_done_again(run: RunCommand) -> None:
    refused = run("effects", "replay", DONE, "--json")
    assert refused.code == 2
    assert "not done again" in refused.facts["detail"]


@pytest.mark.usefixtures("kept")
def test_all_go_back_in_line_but_mails_that_may_have_gone_out(
    run: RunCommand, parts: Parts, tenant: TenantId
) -> None:
    done = run("effects", "replay", "--all")
    assert done.out == "1 back in line.\nMails that may have gone out, and were left alone: 1.\n"
    assert [state_of(parts, tenant, key) for key in KEPT] == [
        EffectState.WAITING,
        EffectState.UNKNOWN,
        EffectState.DONE,
        EffectState.WAITING,
    ]
    machine = run("effects", "replay", "--all", "--json")
    assert machine.facts == {"ok": True, "replayed": 0, "left": 1}


def test_with_nothing_to_replay_it_says_so(run: RunCommand) -> None:
    assert run("effects", "replay", "--all").out == "0 back in line.\n"
    assert run("deliveries", "replay", "--failed").out == "0 back in line.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("effects", "replay"), "--all"),
        (("effects", "replay", STUCK, "--all"), "--all"),
        (("effects", "replay", "--all", "--although-it-may-repeat"), "one mail at a time"),
        (("deliveries", "replay"), "--failed"),
        (("deliveries", "replay", "d-1", "--failed"), "--failed"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_which_one_must_be_said(words: tuple[str, ...], said: str, run: RunCommand) -> None:
    refused = run(*words, "--json")
    assert refused.code == 2
    assert said in refused.facts["detail"]


def test_deliveries_go_back_in_line_one_by_one_or_all_that_failed(
    run: RunCommand, parts: Parts, tenant: TenantId
) -> None:
    kept = (
        DeliveryState.FAILED,
        DeliveryState.UNREADABLE,
        DeliveryState.UNRECOGNISED,
        DeliveryState.APPLIED,
    )
    with parts.house.storage.begin(tenant) as uow:
        uow.installations.add(an_installation(STORE, tenant=tenant))
        for state in kept:
            uow.deliveries.add(
                replace(
                    a_delivery(tenant=tenant),
                    id=DeliveryId(state),
                    name=state,
                    state=state,
                    wake_at=None,
                )
            )
        uow.commit()
    assert run("deliveries", "replay", "failed", "--json").facts["replayed"] == 1
    assert run("deliveries", "replay", "failed", "--json").code == 2
    assert run("deliveries", "replay", "--failed", "--json").facts["replayed"] == 2
    due = {work.ref for work in parts.house.storage.due(parts.clock.now(), 9)}
    assert due == {"failed", "unreadable", "unrecognised"}
    assert run("deliveries", "replay", "applied").out == "Back in line.\n"


@pytest.mark.usefixtures("kept")
def test_an_effect_done_by_hand_is_closed_once(
    run: RunCommand, parts: Parts, tenant: TenantId
) -> None:
    for key in (STUCK, MAIL):
        assert run("effects", "close", key, "--json").facts == {"ok": True, "closed": 1}
        assert state_of(parts, tenant, key) is EffectState.ALREADY
    with parts.house.storage.read(tenant) as uow:
        last = uow.audit.entries(0, 99)[-1]
    assert (last.actor, last.action, last.subject) == ("operator", "effect.closed", MAIL)
    assert run("effects", "list").out == "None waits for a person.\n"
    assert f"{STUCK}  done_by_hand" in run("effects", "list", "--state", "already").out
    for words in (("close", STUCK), ("replay", STUCK)):
        again = run("effects", *words, "--json")
        assert again.code == 2
        assert "closed it as done by hand" in again.facts["detail"]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("key", "said"),
    [(WAITING, "in line already"), (DONE, "is done"), ("nobody", "makegood effects list")],
)
def test_what_does_not_wait_for_a_person_is_not_closed(
    run: RunCommand, key: str, said: str
) -> None:
    refused = run("effects", "close", key, "--json")
    assert refused.code == 2
    assert said in refused.facts["detail"]


def test_a_delivery_done_by_hand_is_closed_once(
    run: RunCommand, parts: Parts, tenant: TenantId
) -> None:
    kept = replace(a_delivery(tenant=tenant), state=DeliveryState.UNRECOGNISED, wake_at=None)
    with parts.house.storage.begin(tenant) as uow:
        uow.installations.add(an_installation(STORE, tenant=tenant))
        uow.deliveries.add(kept)
        uow.commit()
    assert run("deliveries", "close", kept.id).out == "Closed as done by hand.\n"
    assert run("deliveries", "list", "--state", "ignored").out.endswith("done_by_hand\n")
    assert run("deliveries", "replay", "--failed").out == "0 back in line.\n"
    assert run("deliveries", "close", kept.id).code == 2
    assert run("deliveries", "replay", kept.id).code == 2
    assert run("deliveries", "close", "nobody").code == 2
