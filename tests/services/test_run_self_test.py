"""The self-test: each line kept as it ticks, claimed once, failures with a way on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.errors import (
    InvalidInput,
    MakegoodError,
    NeedsHuman,
    OutcomeUnknown,
    Refused,
    RetryLater,
)
from plugin.domain.ids import InstallationId
from plugin.ports.records import DeliveryState, Installation, InstallationStatus, Tenant
from plugin.services.self_test_lines import advice_for, is_under_way
from plugin.services.webhook_secrets import webhook_secrets
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, STORE, a_delivery
from tests.services.connecting_fakes import ToyDeclarations, ToyPlatforms
from tests.services.self_test_bench import Bench
from tests.storage_fixtures import FakeClock


@pytest.fixture
def bench(storage: SqlStorage, tenant: Tenant, clock: FakeClock) -> Bench:
    return Bench(storage, tenant, clock)


def test_each_line_is_kept_as_it_ticks(bench: Bench) -> None:
    seen = bench.run()
    assert [sum(line.state == "ok" for line in one.self_test) for one in seen] == [1, 2, 3, 3, 4]
    assert bench.states() == {
        "key_works": "ok",
        "rights_are_enough": "ok",
        "webhook_registered": "ok",
        "delivery_received": "waiting",
        "canary": "ok",
    }
    assert bench.now().status is InstallationStatus.CONNECTED
    assert bench.now().connection.label == "toy account"
    assert bench.now().connection.settings["webhook_ref"] == "hook-1"
    assert bench.line("key_works").details == "toy account, tried"
    assert bench.line("delivery_received").details == "We asked the toy to write"
    assert not is_under_way(bench.now())


def test_the_webhook_is_registered_at_our_address_with_a_secret_of_ours(bench: Bench) -> None:
    bench.run()
    (call,) = [call for call in bench.toy.calls if call[0] == "register_webhook"]
    assert call[1] == f"https://refunds.example/webhooks/practice/{STORE}"
    assert webhook_secrets(bench.now().connection.secrets) == [call[2]]


def test_the_secret_is_kept_before_the_webhook_is_made(bench: Bench) -> None:
    kept: list[list[str]] = []

    def look(call: str) -> None:
        if call == "register_webhook":
            kept.append(list(webhook_secrets(bench.now().connection.secrets)))

    bench.toy.before = look
    bench.run()
    assert kept == [["secret-1"]]


def test_a_secret_of_the_platforms_own_takes_the_place_of_ours(bench: Bench) -> None:
    bench.toy.own_secret = "theirs"
    bench.run()
    assert webhook_secrets(bench.now().connection.secrets) == ["theirs"]


def test_a_secret_of_the_key_itself_takes_the_place_of_ours_too(bench: Bench) -> None:
    bench.toy.own_secret = next(iter(bench.now().connection.secrets.values()))
    bench.run()
    assert webhook_secrets(bench.now().connection.secrets) == [bench.toy.own_secret]


def test_the_secret_before_stays_readable(bench: Bench) -> None:
    bench.run()
    bench.use_case.restart(bench.tenant.id, STORE, "admin", NOW)
    bench.run()
    assert webhook_secrets(bench.now().connection.secrets) == ["secret-2", "secret-1"]


@pytest.mark.parametrize(
    ("error", "kept"),
    [(Refused("no"), []), (RetryLater("busy"), []), (OutcomeUnknown("silent"), ["secret-1"])],
)
def test_after_silence_the_new_secret_stays_after_a_no_it_goes(
    bench: Bench, error: MakegoodError, kept: list[str]
) -> None:
    bench.toy.faults["register_webhook"] = error
    bench.run()
    assert bench.states()["webhook_registered"] == "failed"
    assert list(webhook_secrets(bench.now().connection.secrets)) == kept


def test_a_failed_line_says_what_to_do_and_stops_the_rest(bench: Bench) -> None:
    bench.toy.faults["probe"] = Refused("key_refused", "make a new key")
    bench.run()
    line = bench.line("key_works")
    assert (line.state, line.details) == (
        "failed",
        "Toy refused: make a new key. Mend it there, then test again",
    )
    assert [call[0] for call in bench.toy.calls] == ["probe"]
    assert bench.now().status is InstallationStatus.NEEDS_ATTENTION
    assert not is_under_way(bench.now())


def test_a_line_tells_how_long_its_calls_took(bench: Bench) -> None:
    def take_a_while(_: str) -> None:
        bench.clock.advance(seconds=0.4)

    bench.toy.before = take_a_while
    bench.run()
    took = {line.name: line.milliseconds for line in bench.now().self_test}
    assert took == {
        "key_works": 400,
        "rights_are_enough": 400,
        "webhook_registered": 400,
        "delivery_received": None,
        "canary": 400,
    }


@pytest.mark.parametrize("state", [DeliveryState.WAITING, DeliveryState.FAILED])
def test_a_key_that_works_has_what_the_one_before_could_not_read_read_again(
    bench: Bench, state: DeliveryState
) -> None:
    wake_at = NOW + timedelta(hours=6) if state is DeliveryState.WAITING else None
    stopped = replace(a_delivery(state=state, wake_at=wake_at), reason="key_refused")
    with bench.storage.begin(bench.tenant.id) as uow:
        uow.deliveries.add(stopped)
        uow.commit()
    bench.toy.faults["probe"] = Refused("key_refused")
    bench.run()
    assert [work.kind for work in bench.storage.due(bench.clock.now(), 9)] == []

    bench.toy.faults.clear()
    bench.use_case.restart(bench.tenant.id, STORE, "Kim", bench.clock.now())
    bench.run()
    assert [work.ref for work in bench.storage.due(bench.clock.now(), 9)] == [stopped.id]


def test_testing_again_begins_anew_and_mends(bench: Bench) -> None:
    bench.toy.faults["check_rights"] = Refused("right_missing", "Charges: write")
    bench.run()
    bench.toy.faults.clear()
    restarted = bench.use_case.restart(bench.tenant.id, STORE, "admin", NOW)
    assert restarted is not None
    assert {line.state for line in restarted.self_test} == {"waiting"}
    bench.run()
    assert bench.now().status is InstallationStatus.CONNECTED
    with bench.storage.read(bench.tenant.id) as uow:
        actions = [entry.action for entry in uow.audit.entries(0, 9)]
    assert actions == [
        "installation.needs_attention",
        "installation.tested_again",
        "installation.connecting",
        "installation.connected",
    ]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InvalidInput("X-API-Key", "copy it again"), "X-API-Key: copy it again"),
        (NeedsHuman("two", "two accounts"), "two accounts. Look at it at Toy, then test again"),
        (
            RetryLater("no_answer"),
            "Toy did not answer (no_answer). Nothing was changed; test again in a minute",
        ),
        (
            OutcomeUnknown("no_answer"),
            (
                "Toy went quiet (no_answer); it may or may not be done. Test again: what is "
                "ours is replaced, never doubled"
            ),
        ),
        (Refused("key_refused"), "Toy refused: key_refused. Mend it there, then test again"),
    ],
)
def test_every_fault_has_its_advice(error: MakegoodError, words: str) -> None:
    assert advice_for(error, "Toy") == words


def test_a_platform_that_asks_us_to_wait_is_asked_again_at_its_time(bench: Bench) -> None:
    bench.toy.faults["round_trip"] = RetryLater("budget_spent", after_seconds=7)
    seen = bench.use_case.run(bench.tenant.id, STORE, bench.clock.now, bench.pause)
    for _ in range(5):
        next(seen)
    assert bench.line("canary").details.startswith("Waits for its turn: Toy takes only")
    assert bench.line("canary").at == NOW + timedelta(seconds=7)
    assert is_under_way(bench.now())
    assert bench.step() == bench.now()
    bench.toy.faults.clear()
    assert next(seen).status is InstallationStatus.CONNECTED
    assert bench.pauses == [7.0]


def test_a_platform_that_never_has_time_is_left_waiting(bench: Bench) -> None:
    bench.toy.faults["probe"] = RetryLater("busy", after_seconds=60)
    bench.run()
    assert bench.states()["key_works"] == "waiting"
    assert len(bench.pauses) <= 10


def test_a_wish_to_wait_for_hours_is_a_failure(bench: Bench) -> None:
    bench.toy.faults["probe"] = RetryLater("busy", after_seconds=7200)
    bench.run()
    assert bench.states()["key_works"] == "failed"


def test_a_delivery_that_overtakes_our_own_answer_stays_ticked(bench: Bench) -> None:
    def arrive(call: str) -> None:
        if call == "provoke_delivery":
            found = bench.now()
            lines = tuple(
                replace(line, state="ok") if line.name == "delivery_received" else line
                for line in found.self_test
            )
            bench.save(replace(found, self_test=lines))

    bench.toy.before = arrive
    bench.run()
    assert bench.states()["delivery_received"] == "ok"
    assert bench.states()["canary"] == "ok"


def test_where_nothing_can_be_provoked_the_first_real_delivery_does_it(bench: Bench) -> None:
    bench.toy.provokes = None
    bench.run()
    assert bench.line("delivery_received").details == "Done by the first real delivery"
    assert bench.now().status is InstallationStatus.CONNECTED


def test_two_who_look_at_once_make_a_line_once(bench: Bench) -> None:
    inside: list[Installation] = []

    def look_again(call: str) -> None:
        inside.append(bench.step())

    bench.toy.before = look_again
    bench.step()
    assert [call[0] for call in bench.toy.calls] == ["probe"]
    assert inside[0].self_test[0].state == "waiting"


def test_a_claim_that_a_dead_process_left_is_taken_over(bench: Bench) -> None:
    found = bench.now()
    claimed = replace(found.self_test[0], at=NOW)
    bench.save(replace(found, self_test=(claimed, *found.self_test[1:])))
    assert bench.step().self_test[0] == claimed
    bench.clock.advance(seconds=91)
    assert bench.step().self_test[0].state == "ok"


def test_what_a_run_finds_after_a_restart_is_left_to_the_restart(bench: Bench) -> None:
    def begin_anew(call: str) -> None:
        bench.toy.before = lambda _: None
        bench.use_case.restart(bench.tenant.id, STORE, "admin", NOW)

    bench.toy.before = begin_anew
    assert bench.step().self_test[0].state == "waiting"


def test_a_connection_that_was_removed_meanwhile_stays_removed(bench: Bench) -> None:
    def remove(call: str) -> None:
        bench.save(replace(bench.now(), status=InstallationStatus.REMOVED))

    bench.toy.before = remove
    assert bench.run() == []
    assert bench.now().status is InstallationStatus.REMOVED
    assert bench.use_case.restart(bench.tenant.id, STORE, "admin", NOW) is None


def test_there_is_nothing_to_test_where_there_is_no_connection(bench: Bench) -> None:
    assert (
        list(
            bench.use_case.run(
                bench.tenant.id, InstallationId("none"), bench.clock.now, bench.pause
            )
        )
        == []
    )


def test_what_a_platform_cannot_do_is_skipped(
    storage: SqlStorage, tenant: Tenant, clock: FakeClock
) -> None:
    declarations = ToyDeclarations(
        lines=(
            "key_works",
            "rights_are_enough",
            "webhook_registered",
            "delivery_received",
            "canary",
            "of_a_newer_version",
        )
    )
    bench = Bench(storage, tenant, clock, declarations=declarations)
    use_case = replace(bench.use_case, platforms=ToyPlatforms(object()))
    list(use_case.run(tenant.id, STORE, clock.now, bench.pause))
    states = bench.states()
    assert states.pop("delivery_received") == "waiting", "its webhook may be added there by hand"
    assert set(states.values()) == {"skipped"}
    assert bench.line("canary").details == "Not needed here"
    assert bench.now().status is InstallationStatus.CONNECTED
    assert webhook_secrets(bench.now().connection.secrets) == []
