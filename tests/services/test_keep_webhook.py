"""The webhook is looked after before each sweep, and whatever goes wrong, the sweep goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.ports.records import InstallationStatus, Tenant
from plugin.services.keep_webhook import MADE_ANEW, KeepWebhook, made_anew_at
from plugin.services.key_replacement import with_offer
from plugin.services.webhook_secrets import webhook_secrets
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import STORE
from tests.services.connecting_fakes import ToyPlatform, ToyPlatforms
from tests.services.self_test_bench import Bench
from tests.storage_fixtures import FakeClock


@dataclass
class Fading(ToyPlatform):
    """A platform whose webhook stands or not, and that signs with keys of its own, or not."""

    stands: bool = False

    def webhook_alive(self, ref: str) -> bool:
        self._called("webhook_alive", ref)
        return self.stands


@dataclass
class Publishing(Fading):
    keys: str = "keys-1"

    def read_keys(self) -> str:
        self._called("read_keys")
        return self.keys


@pytest.fixture
def bench(storage: SqlStorage, tenant: Tenant, clock: FakeClock) -> Bench:
    """Connected, with a webhook that stands no more."""
    made = Bench(storage, tenant, clock, Fading())
    made.run()
    assert made.now().status is InstallationStatus.CONNECTED
    made.toy.calls.clear()
    return made


def keep(bench: Bench, toy: ToyPlatform | None = None) -> list[str]:
    """What was called."""
    toy = toy or bench.toy
    use_case = replace(bench.use_case, platforms=ToyPlatforms(toy))
    KeepWebhook(bench.storage, ToyPlatforms(toy), bench.clock, use_case)(bench.tenant.id, STORE)
    return [call[0] for call in toy.calls]


def test_one_that_stands_no_more_is_made_anew_and_it_is_noted_when(bench: Bench) -> None:
    secrets = webhook_secrets(bench.now().connection.secrets)
    assert keep(bench) == ["webhook_alive", "register_webhook"]
    after = bench.now().connection
    assert made_anew_at(after) == bench.clock.now()
    assert webhook_secrets(after.secrets)[1:] == secrets[:1], "what is on its way still counts"


def test_one_that_stands_is_left(bench: Bench) -> None:
    before = bench.now()
    assert keep(bench, Fading(stands=True)) == ["webhook_alive"]
    assert bench.now() == before


@pytest.mark.parametrize("state", ["failed", "waiting"])
def test_where_another_line_comes_first_nothing_is_made(bench: Bench, state: str) -> None:
    lines = (replace(bench.now().self_test[0], state=state, at=None), *bench.now().self_test[1:])
    bench.save(replace(bench.now(), self_test=lines))
    before = bench.now()
    assert keep(bench) == ["webhook_alive"]
    assert bench.now() == before


def test_while_a_new_key_waits_the_old_ones_webhook_is_left(bench: Bench) -> None:
    found = bench.now()
    bench.save(replace(found, connection=with_offer(found.connection, {}, {"key": "new"})))
    assert keep(bench) == ["webhook_alive"]


def test_a_line_that_somebody_works_on_is_theirs_until_they_left_it(bench: Bench) -> None:
    lines = tuple(
        replace(one, state="waiting", details="", at=bench.clock.now())
        if one.name == "webhook_registered"
        else one
        for one in bench.now().self_test
    )
    bench.save(replace(bench.now(), self_test=lines))
    assert keep(bench) == ["webhook_alive"]
    bench.clock.advance(minutes=5)
    assert keep(bench)[1:] == ["webhook_alive", "register_webhook"]
    assert bench.line("webhook_registered").state == "ok"


def test_what_is_put_off_is_as_it_was_and_the_next_look_tries_it(bench: Bench) -> None:
    before = bench.now()
    bench.toy.faults["register_webhook"] = RetryLater("busy", after_seconds=3)
    keep(bench)
    after = bench.now()
    assert (after.status, after.connection) == (before.status, before.connection)
    assert bench.line("webhook_registered").state == "ok"
    bench.toy.faults.clear()
    keep(bench)
    assert made_anew_at(bench.now().connection) is not None


@pytest.mark.parametrize("fault", [Refused("no"), OutcomeUnknown("silence"), RetryLater("down")])
def test_what_did_not_work_is_shown_and_not_called_made(bench: Bench, fault: Exception) -> None:
    bench.toy.faults["register_webhook"] = fault
    keep(bench)
    assert bench.line("webhook_registered").state == "failed"
    assert bench.now().status is InstallationStatus.NEEDS_ATTENTION
    assert MADE_ANEW not in bench.now().connection.settings


@pytest.mark.parametrize("fault", [Refused("no"), RetryLater("busy"), KeyError("a bug of ours")])
def test_keys_that_cannot_be_read_stop_nothing_else(bench: Bench, fault: Exception) -> None:
    toy = Publishing(faults={"read_keys": fault})
    before = bench.now().connection.secrets
    assert keep(bench, toy) == ["read_keys", "webhook_alive", "register_webhook"]
    assert set(before.items()) <= set(bench.now().connection.secrets.items())


def test_published_keys_are_all_that_count(bench: Bench) -> None:
    toy = Publishing(stands=True)
    keep(bench, toy)
    assert webhook_secrets(bench.now().connection.secrets) == ["keys-1"]


def test_one_that_was_removed_meanwhile_is_not_touched(bench: Bench) -> None:
    def remove(_: str) -> None:
        bench.save(replace(bench.now(), status=InstallationStatus.REMOVED))

    toy = Publishing(before=remove)
    assert keep(bench, toy) == ["read_keys"]
    assert "keys-1" not in webhook_secrets(bench.now().connection.secrets)
    assert keep(bench, toy) == ["read_keys"]


def test_without_a_webhook_nothing_is_asked(bench: Bench) -> None:
    found = bench.now()
    bench.save(replace(found, connection=replace(found.connection, secrets={"key": "k"})))
    assert keep(bench, Publishing()) == []


def test_of_one_that_was_removed_while_it_was_looked_at_no_webhook_is_made(bench: Bench) -> None:
    def remove(_: str) -> None:
        bench.save(replace(bench.now(), status=InstallationStatus.REMOVED))

    assert keep(bench, Fading(before=remove)) == ["webhook_alive"]
    assert bench.now().status is InstallationStatus.REMOVED
