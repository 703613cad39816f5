"""How all is: each connection judged by what is known of it, and each list with its count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from plugin.domain.drift import Difference, DriftKind, DriftState
from plugin.domain.effects import (
    AddTicketNote,
    CancelSubscription,
    Effect,
    EffectState,
    PlannedEffect,
    RemoveTag,
    RestoreAccess,
    RestoreTag,
    RevokeAccess,
    TellCustomer,
    TellOwner,
    VerifyAccess,
)
from plugin.domain.ids import EffectKey, InstallationId, RunId
from plugin.domain.refunds import RefundState
from plugin.platforms.breaker import FAILURES_TO_OPEN, Admission, Outcome
from plugin.ports.records import (
    RESTORED,
    DeliveryState,
    Drift,
    Hold,
    InstallationStatus,
    Run,
    RunState,
    SelfTestLine,
    Sweep,
)
from plugin.services import look_at_health
from plugin.services.health import (
    ConnectionHealth,
    Count,
    Credential,
    Health,
    Standing,
)
from plugin.services.key_replacement import with_offer
from plugin.services.look_at_health import LookAtHealth, longest_gap
from plugin.storage.breakers import SqlBreakers
from tests.factories import (
    BANK,
    CUSTOMER,
    NOW,
    STORE,
    a_course,
    a_delivery,
    a_payment_ref,
    a_plan,
    a_refund,
    a_request,
    a_tag,
    ago,
    soon,
)
from tests.services.scene import Scene

KEY_TRIED = ago(days=2)


@pytest.fixture
def breakers(engine: Engine) -> SqlBreakers:
    return SqlBreakers(engine)


def look(scene: Scene) -> Health:
    return LookAtHealth(scene.storage, scene.platforms, scene.clock)(scene.tenant.id)


def at(scene: Scene, installation: InstallationId = STORE) -> ConnectionHealth:
    return next(one for one in look(scene).connections if one.id == installation)


def hear(scene: Scene, *lengths: timedelta, state: DeliveryState = DeliveryState.APPLIED) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        for length in lengths:
            one = a_delivery(f"{state}-{length}", received_at=NOW - length, state=state)
            uow.deliveries.add(one)
        uow.commit()


def line_of_test(name: str, state: str, milliseconds: int | None = None) -> SelfTestLine:
    return SelfTestLine(name, state, f"about {name}", KEY_TRIED, milliseconds)


def tell_lines(
    scene: Scene,
    *lines: SelfTestLine,
    status: InstallationStatus = InstallationStatus.CONNECTED,
    secrets: dict[str, str] | None = None,
) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        one = uow.installations.get(STORE)
        assert one is not None
        connection = one.connection
        if secrets is not None:
            connection = replace(connection, secrets=secrets)
        saved = replace(one, connection=connection, self_test=lines, status=status)
        uow.installations.save(saved)
        uow.commit()


def sweep(scene: Scene, *, failures: int = 0, reason: str = "") -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        told = Sweep(STORE, ago(hours=1), ago(minutes=9), soon(minutes=4), 0, failures, reason)
        uow.sweeps.begin(told)
        uow.commit()


def end_effects(scene: Scene, *ends: tuple[Effect, EffectState, str]) -> None:
    run = Run(RunId("run-1"), CUSTOMER, "plan", RunState.WAITING, NOW)
    planned = [
        PlannedEffect(EffectKey(f"e{place}"), place, effect)
        for place, (effect, _, _) in enumerate(ends)
    ]
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.effects.add_run(run, planned, NOW)
        for one, (_, state, outcome) in zip(uow.effects.of_run(run.id), ends, strict=True):
            ended = replace(one, state=state, outcome=outcome, changed_at=ago(hours=1))
            assert uow.effects.set_state(one.planned.key, one.state, ended)
        uow.commit()


def refunds(scene: Scene, *told: tuple[RefundState, InstallationId]) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.requests.save(a_request())
        for number, (state, account) in enumerate(told):
            plan = f"plan-{number}"
            uow.plans.add(a_plan(plan_id=plan), a_request().id)
            payment = a_payment_ref(account=account)
            wake_at = soon(minutes=number + 1) if number else None
            refund = a_refund(plan=plan, payment=payment, state=state, wake_at=wake_at)
            uow.refunds.add(refund, "ines", NOW)
        uow.commit()


# --- the whole ------------------------------------------------------------------------------------


def test_a_house_where_nothing_happened_is_well(scene: Scene) -> None:
    health = look(scene)
    assert [one.standing for one in health.connections] == [Standing.WELL] * 3
    assert [one.heard_at for one in health.connections] == [None] * 3
    assert [one.label for one in health.connections] == ["Test shop"] * 3
    counts = (health.on_the_way, health.unknown, health.not_applied, health.open_effects)
    assert counts == (Count(0),) * 4
    assert (health.for_a_person, health.open_drifts) == (Count(0), Count(0))
    assert health.unknown_asked_at is None
    assert health.at == NOW
    assert health.tenant == scene.tenant
    assert health.workers == 0
    assert health.holds == ()


def test_workers_that_live_are_counted(scene: Scene) -> None:
    scene.storage.beat("one")
    scene.storage.beat("two")
    assert look(scene).workers == 2


def test_a_hold_is_told(scene: Scene) -> None:
    hold = Hold(RESTORED, NOW, ago(days=1))
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.holds.put(hold)
        uow.commit()
    assert look(scene).holds == (hold,)


def test_refunds_are_counted_by_what_they_wait_for(scene: Scene) -> None:
    refunds(
        scene,
        (RefundState.UNKNOWN, BANK),
        (RefundState.UNKNOWN, STORE),
        (RefundState.UNKNOWN, BANK),
        (RefundState.RESERVED, BANK),
        (RefundState.PENDING, BANK),
        (RefundState.MANUAL, BANK),
        (RefundState.SUCCEEDED, BANK),
    )
    health = look(scene)
    assert health.on_the_way == Count(2)
    assert health.unknown == Count(3)
    assert health.unknown_asked_at == soon(minutes=2)
    assert health.for_a_person == Count(1)
    assert [one.state for one in health.refunds] == [RefundState.MANUAL]
    assert at(scene, BANK).refunds_waiting == Count(4)
    assert at(scene, STORE).refunds_waiting == Count(1)


def test_counts_end_where_nobody_reads_on(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_at_health, "MOST", 2)
    monkeypatch.setattr(look_at_health, "_MORE", 3)
    hear(scene, *(timedelta(minutes=n) for n in range(5)), state=DeliveryState.FAILED)
    assert look(scene).not_applied == Count(2, more=True)


def test_what_is_not_applied_is_listed_and_counted(scene: Scene) -> None:
    hour = timedelta(hours=1)
    for state in (DeliveryState.FAILED, DeliveryState.UNREADABLE, DeliveryState.APPLIED):
        hear(scene, hour, 2 * hour, state=state)
    health = look(scene)
    assert health.not_applied == Count(4)
    assert health.not_applied_by_state == {DeliveryState.FAILED: 2, DeliveryState.UNREADABLE: 2}
    assert {one.state for one in health.deliveries} == set(health.not_applied_by_state)


def test_differences_are_listed_once_they_are_open(scene: Scene) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        for state in DriftState:
            difference = Difference(DriftKind.ACCESS_LEFT, f"course:{state}")
            uow.drifts.put(Drift(state, STORE, CUSTOMER, difference, state, NOW, NOW))
        uow.commit()
    health = look(scene)
    assert health.open_drifts == Count(1)
    assert [one.state for one in health.drifts] == [DriftState.OPEN]


def test_closings_that_wait_stand_with_the_connection_they_wait_for(scene: Scene) -> None:
    end_effects(
        scene,
        (RevokeAccess(a_course("c1")), EffectState.SENDING, ""),
        (RemoveTag(a_tag("t1")), EffectState.SENDING, ""),
        (RestoreAccess(a_course("c2")), EffectState.SENDING, ""),
        (RevokeAccess(a_course("c3")), EffectState.DONE, ""),
    )
    assert at(scene).closings_waiting == Count(2)
    assert at(scene, BANK).closings_waiting == Count(0)


# --- how a connection is --------------------------------------------------------------------------


def often(first: timedelta, gap: timedelta, times: int = 12) -> Sequence[timedelta]:
    return [first + gap * number for number in range(times)]


@pytest.mark.parametrize(
    ("lengths", "standing"),
    [
        (often(timedelta(hours=47), timedelta(minutes=6)), Standing.SILENT),
        (often(timedelta(hours=23), timedelta(minutes=6)), Standing.WELL),
        (often(timedelta(hours=47), timedelta(hours=20)), Standing.WELL),
        (often(timedelta(hours=61), timedelta(hours=20)), Standing.SILENT),
        (often(timedelta(hours=47), timedelta(minutes=6), 9), Standing.WELL),
    ],
)
def test_silent_is_who_is_quiet_for_a_day_and_much_longer_than_before(
    scene: Scene, lengths: Sequence[timedelta], standing: Standing
) -> None:
    hear(scene, *lengths)
    one = at(scene)
    assert one.standing is standing
    assert one.heard_at == NOW - lengths[0]


def test_the_longest_gap_needs_enough_to_tell() -> None:
    times = [NOW - length for length in often(timedelta(0), timedelta(minutes=6), 10)]
    assert longest_gap(times) == timedelta(minutes=6)
    assert longest_gap([*times, ago(days=3)]) == timedelta(days=3) - timedelta(minutes=54)
    assert longest_gap(times[1:]) is None


@pytest.mark.parametrize(
    ("failures", "reason", "standing"),
    [
        (0, "", Standing.WELL),
        (1, "no_answer", Standing.WELL),
        (2, "no_answer", Standing.NOT_ANSWERING),
        (1, "key_refused", Standing.KEY_REFUSED),
    ],
)
def test_a_sweep_that_ends_badly_tells_why(
    scene: Scene, failures: int, reason: str, standing: Standing
) -> None:
    sweep(scene, failures=failures, reason=reason)
    one = at(scene)
    assert one.standing is standing
    assert one.key_seen_at == ago(minutes=9)


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        (InstallationStatus.CONNECTED, Standing.WELL),
        (InstallationStatus.CONNECTING, Standing.CONNECTING),
        (InstallationStatus.NEEDS_ATTENTION, Standing.NEEDS_ATTENTION),
    ],
)
def test_a_self_test_tells_how_a_connection_is(
    scene: Scene, status: InstallationStatus, standing: Standing
) -> None:
    tell_lines(scene, status=status)
    assert at(scene).standing is standing
    assert at(scene).failed_line is None
    assert at(scene).slowest_line is None
    assert at(scene).key_seen_at is None


def test_the_lines_of_a_self_test_tell_what_failed_and_what_was_slow(scene: Scene) -> None:
    failed = line_of_test("rights_are_enough", "failed", 9000)
    slow = line_of_test("canary", "ok", 800)
    lines = (
        line_of_test("key_works", "ok", 300),
        failed,
        slow,
        line_of_test("delivery_received", "ok", 60_000),
        line_of_test("webhook_registered", "ok"),
    )
    tell_lines(scene, *lines)
    one = at(scene)
    assert one.failed_line == failed
    assert one.slowest_line == slow
    assert one.key_seen_at == KEY_TRIED


def test_an_account_that_rests_is_told_with_its_rest(scene: Scene, breakers: SqlBreakers) -> None:
    breaker = breakers.breaker_for(STORE)
    for _ in range(FAILURES_TO_OPEN):
        breaker.tell(Admission(), Outcome.FAILED)
    one = at(scene)
    assert one.standing is Standing.RESTING
    assert one.rest is not None
    assert one.rest.installation == STORE


@pytest.mark.parametrize("code", ["key_refused", "key_unusable"])
@pytest.mark.parametrize(
    "effect",
    [
        RevokeAccess(a_course()),
        RestoreAccess(a_course()),
        RemoveTag(a_tag()),
        RestoreTag(a_tag()),
        CancelSubscription(STORE, "sub-1", at_once=True),
        VerifyAccess(STORE, (), ()),
        AddTicketNote(STORE, None, "body"),
        TellCustomer(STORE, None, "a@b.example", "subject", "body", "en"),
    ],
    ids=lambda effect: type(effect).__name__,
)
def test_a_key_at_which_an_effect_stopped_is_refused_until_it_worked_again(
    scene: Scene, effect: Effect, code: str
) -> None:
    end_effects(scene, (effect, EffectState.NEEDS_PERSON, code))
    assert at(scene).standing is Standing.KEY_REFUSED
    assert at(scene).credentials == (Credential.KEY_REFUSED,)
    assert at(scene, BANK).standing is Standing.WELL
    tell_lines(scene, line_of_test("key_works", "ok"))
    assert at(scene).standing is Standing.KEY_REFUSED
    tell_lines(scene, replace(line_of_test("key_works", "ok"), at=NOW))
    assert at(scene).standing is Standing.WELL


def test_a_mail_that_stopped_says_nothing_of_any_key(scene: Scene) -> None:
    end_effects(scene, (TellOwner("s", "b"), EffectState.NEEDS_PERSON, "key_refused"))
    assert {one.standing for one in look(scene).connections} == {Standing.WELL}


def test_credentials_tell_of_webhooks_secrets_and_new_keys(scene: Scene) -> None:
    on, off = line_of_test("webhook_registered", "ok"), line_of_test("webhook_registered", "failed")
    tell_lines(scene, off)
    assert at(scene).credentials == (Credential.WEBHOOK_OFF,)
    tell_lines(scene, on)
    assert at(scene).credentials == (Credential.UNSIGNED,)
    assert at(scene).secrets == 0
    secrets = {"webhook_secret_1": "a", "webhook_secret_2": "b"}
    tell_lines(scene, on, secrets=secrets)
    assert at(scene).credentials == ()
    assert at(scene).secrets == 2
    offered = with_offer(at(scene).installation.connection, {}, {"key": "new"})
    tell_lines(scene, on, secrets=dict(offered.secrets))
    assert at(scene).credentials == (Credential.NEW_KEY_WAITS,)
