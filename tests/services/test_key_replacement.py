"""Replacing a key: another account's never takes the old one's place, and then nothing changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.errors import MakegoodError, NeedsHuman, OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import InstallationId
from plugin.ports import Kind
from plugin.ports.records import Installation, InstallationStatus, SelfTestLine, Tenant
from plugin.services.connect_platform import ConnectPlatform, ConnectRequest, Started
from plugin.services.key_replacement import offers, without_offer
from plugin.services.self_test_lines import is_under_way
from plugin.services.webhook_secrets import webhook_secrets
from plugin.settings import read_settings
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, STORE, an_installation
from tests.services.connecting_fakes import ALL_LINES
from tests.services.self_test_bench import Bench
from tests.storage_fixtures import FakeClock


@pytest.fixture
def bench(storage: SqlStorage, tenant: Tenant, clock: FakeClock) -> Bench:
    """A connection to shop A whose self-test went well, webhook and all."""
    made = Bench(storage, tenant, clock)
    made.declarations.addressless = True  # a platform that is known by its key alone
    made.toy.account, made.toy.account_id = "Shop A", "acct_1"
    made.run()
    made.toy.calls.clear()
    made.toy.has_our_webhook = True
    return made


def offer(bench: Bench, key: str = "k2", installation: str = STORE) -> Installation:
    """Give the connection another key, as form and terminal do."""
    connect = ConnectPlatform(
        bench.storage,
        bench.declarations,
        bench.mint,
        read_settings({"MAKEGOOD_PUBLIC_URL": "https://refunds.example"}),
    )
    old = bench.now().connection
    asked = ConnectRequest(old.kind, old.platform, {"key": key}, InstallationId(installation))
    outcome = connect(bench.tenant.id, asked, "admin", NOW)
    assert isinstance(outcome, Started)
    return outcome.installation


def actions(bench: Bench) -> list[str]:
    with bench.storage.read(bench.tenant.id) as uow:
        return [entry.action for entry in uow.audit.entries(0, 99)]


def test_a_new_key_of_the_same_account_takes_the_old_ones_place(bench: Bench) -> None:
    secret = webhook_secrets(bench.now().connection.secrets)[0]
    offer(bench)
    assert bench.now().status is InstallationStatus.CONNECTED
    bench.run()
    now = bench.now()
    assert now.connection.secrets["key"] == "k2"
    assert not offers(now.connection)
    assert now.connection.settings["account_id"] == "acct_1"
    assert webhook_secrets(now.connection.secrets)[1] == secret
    assert now.status is InstallationStatus.CONNECTED
    called = [call[0] for call in bench.toy.calls]
    assert called == ["probe", "check_rights", "register_webhook", "provoke_delivery", "round_trip"]
    assert actions(bench)[-3:] == [
        "installation.reconnecting",
        "installation.key_replaced",
        "installation.connected",
    ]


def test_another_accounts_key_changes_nothing_and_says_so(bench: Bench) -> None:
    before = bench.now()
    offer(bench)
    bench.toy.account, bench.toy.account_id = "Shop B", "acct_2"
    bench.run()
    now = bench.now()
    assert now.connection == before.connection
    assert now.status is before.status is InstallationStatus.CONNECTED
    assert now.self_test[1:] == before.self_test[1:]
    assert [call[0] for call in bench.toy.calls] == ["probe"]
    line = bench.line("key_works")
    assert line.state == "failed"
    assert line.details == (
        "This key opens Shop B (acct_2); this connection is Shop A (acct_1). Connect another "
        "account beside this one. The key before stays in use: to replace it, give the new one "
        "again"
    )
    assert actions(bench)[-1] == "installation.key_not_taken"


def test_an_account_of_the_same_name_is_another_account_all_the_same(bench: Bench) -> None:
    offer(bench)
    bench.toy.account_id = "acct_2"
    bench.run()
    assert bench.states()["key_works"] == "failed"
    assert bench.now().connection.secrets["key"] == "s3cr3t"


def test_where_no_id_is_told_the_new_key_must_show_our_webhook(bench: Bench) -> None:
    bench.toy.account_id, bench.toy.has_our_webhook = "", False
    offer(bench)
    bench.run()
    assert bench.line("key_works").details.startswith(
        "The account that this key opens does not have our webhook, so it is another account, or "
        "somebody removed the webhook there: then test the old key again first."
    )
    assert bench.now().connection.secrets["key"] == "s3cr3t"
    bench.toy.has_our_webhook = True
    offer(bench)
    bench.run()
    assert bench.now().connection.secrets["key"] == "k2"
    assert bench.now().connection.settings["account_id"] == "acct_1", "unknown does not unsay it"


def test_what_cannot_be_compared_stays_unknown_and_is_taken(bench: Bench) -> None:
    bench.toy.account_id, bench.toy.has_our_webhook = "", None
    offer(bench)
    bench.run()
    assert bench.now().connection.secrets["key"] == "k2"


def test_the_account_of_an_id_counts_although_its_webhook_was_removed(bench: Bench) -> None:
    bench.toy.has_our_webhook = False
    offer(bench)
    bench.run()
    assert bench.now().connection.secrets["key"] == "k2"


def test_testing_the_kept_key_again_brings_a_removed_webhook_back(bench: Bench) -> None:
    bench.toy.account_id, bench.toy.has_our_webhook = "", False
    bench.use_case.restart(bench.tenant.id, STORE, "admin", NOW)
    bench.run()
    assert bench.states()["webhook_registered"] == "ok"


@pytest.mark.parametrize(
    "error",
    [Refused("key_refused"), NeedsHuman("two"), OutcomeUnknown("silent"), RetryLater("no_answer")],
    ids=lambda error: type(error).__name__,
)
def test_a_new_key_that_could_not_be_tried_changes_nothing(
    bench: Bench, error: MakegoodError
) -> None:
    before = bench.now()
    offer(bench)
    bench.toy.faults["probe"] = error
    bench.run()
    now = bench.now()
    assert (now.connection, now.status) == (before.connection, before.status)
    assert bench.line("key_works").details.endswith("to replace it, give the new one again")
    bench.toy.faults.clear()
    bench.use_case.restart(bench.tenant.id, STORE, "admin", NOW)
    bench.run()
    assert bench.states()["key_works"] == "ok"


def test_a_new_key_waits_for_its_turn(bench: Bench) -> None:
    offer(bench)
    bench.toy.faults["probe"] = RetryLater("busy", after_seconds=7)
    waiting = bench.step()
    assert offers(waiting.connection)
    assert waiting.status is InstallationStatus.CONNECTED
    assert is_under_way(waiting)
    bench.toy.faults.clear()
    bench.run()
    assert bench.pauses == [7.0]
    assert bench.now().connection.secrets["key"] == "k2"


def test_a_new_key_is_tried_although_a_line_of_the_old_one_failed(bench: Bench) -> None:
    bench.toy.faults["check_rights"] = Refused("right_missing", "Charges: write")
    bench.use_case.restart(bench.tenant.id, STORE, "admin", NOW)
    bench.run()
    bench.toy.faults.clear()
    assert is_under_way(offer(bench))
    bench.run()
    assert bench.now().status is InstallationStatus.CONNECTED


def test_testing_again_before_the_new_key_was_tried_tries_it(bench: Bench) -> None:
    before = bench.now()
    offer(bench)
    again = bench.use_case.restart(bench.tenant.id, STORE, "admin", NOW)
    assert again is not None
    assert again.self_test[1:] == before.self_test[1:]
    bench.run()
    assert bench.now().connection.secrets["key"] == "k2"


def test_the_newest_of_two_keys_is_the_one_that_is_tried(bench: Bench) -> None:
    offer(bench, "k2")

    def second_key(call: str) -> None:
        bench.toy.before = lambda _: None
        offer(bench, "k3")

    bench.toy.before = second_key
    bench.step()
    assert bench.states()["key_works"] == "waiting"
    bench.run()
    assert bench.now().connection.secrets["key"] == "k3"


def test_a_key_that_comes_while_the_webhook_is_made_is_not_lost(bench: Bench) -> None:
    bench.use_case.restart(bench.tenant.id, STORE, "admin", NOW)
    for _ in range(2):
        bench.step()

    def new_key(call: str) -> None:
        bench.toy.before = lambda _: None
        offer(bench)

    bench.toy.before = new_key
    bench.toy.faults["register_webhook"] = Refused("no")
    bench.step()
    assert bench.states()["webhook_registered"] == "failed"
    assert offers(bench.now().connection)
    bench.toy.faults.clear()
    bench.run()
    assert bench.now().connection.secrets["key"] == "k2"
    assert bench.now().status is InstallationStatus.CONNECTED


def another_connection(
    bench: Bench, name: str, *, kind: Kind = Kind.STORE, platform: str = "practice"
) -> None:
    """A second connection of the tenant that never worked."""
    fresh = an_installation(name, status=InstallationStatus.CONNECTING)
    lines = tuple(SelfTestLine(line, "waiting") for line in ALL_LINES)
    connection = replace(fresh.connection, settings={}, kind=kind, platform=platform)
    with bench.storage.begin(bench.tenant.id) as uow:
        uow.installations.add(replace(fresh, connection=connection, self_test=lines))
        uow.commit()


def run_other(bench: Bench, name: str) -> Installation:
    *_, last = bench.use_case.run(
        bench.tenant.id, InstallationId(name), bench.clock.now, bench.pause
    )
    return last


def test_one_account_is_never_connected_twice(bench: Bench) -> None:
    another_connection(bench, "second")
    last = run_other(bench, "second")
    assert last.self_test[0].state == "failed"
    assert last.self_test[0].details == (
        "This account is connected already as Shop A: give it the key there"
    )
    assert last.connection.settings == {}
    assert last.status is InstallationStatus.NEEDS_ATTENTION


@pytest.mark.parametrize(("kind", "platform"), [(Kind.STORE, "other"), (Kind.HELPDESK, "practice")])
def test_the_same_id_elsewhere_is_another_account(bench: Bench, kind: Kind, platform: str) -> None:
    another_connection(bench, "second", kind=kind, platform=platform)
    assert run_other(bench, "second").self_test[0].state == "ok"


def test_a_second_account_stands_beside_the_first(bench: Bench) -> None:
    another_connection(bench, "second")
    bench.toy.account_id = "acct_2"
    assert run_other(bench, "second").connection.settings["account_id"] == "acct_2"


def test_without_a_form_kept_aside_there_is_nothing_to_take_away() -> None:
    plain = an_installation().connection
    assert without_offer(plain) == plain
