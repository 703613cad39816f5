"""One pending install, over a real database and a toy that has every way: once, in time, proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from plugin.domain.errors import InvalidInput, OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import InstallationId
from plugin.ports import Kind
from plugin.ports.connecting import (
    BACK,
    Arrived,
    Document,
    FilledForm,
    GoTo,
    PendingInstall,
    PendingState,
)
from plugin.ports.records import InstallationStatus, Tenant
from plugin.services.connect_platform import (
    AlreadyConnected,
    ConnectPlatform,
    ConnectRequest,
    NotPossible,
)
from plugin.services.pending_install import (
    LIFE,
    NO_SUCH,
    Begun,
    InstallByWay,
    NotTaken,
    Outcome,
    Taken,
)
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import a_tenant
from tests.services.connecting_fakes import (
    CountingMint,
    ToyDeclarations,
    ToyPlatform,
    ToyPlatforms,
    ToyWay,
    TradingToy,
)
from tests.services.test_connect_platform import settings
from tests.storage_fixtures import FakeClock

KEYS = ("k" * 64, "older" * 13)


@dataclass
class Bench:
    """The use case over a real database and a toy platform."""

    storage: SqlStorage
    tenant: Tenant
    clock: FakeClock
    folder: Path
    toy: ToyPlatform = field(default_factory=ToyPlatform)
    keys: tuple[str, ...] = KEYS

    def __post_init__(self) -> None:
        self.declarations = ToyDeclarations(way=ToyWay())
        self.mint = CountingMint()

    @property
    def use_case(self) -> InstallByWay:
        connect = ConnectPlatform(self.storage, self.declarations, self.mint, settings(self.folder))
        return InstallByWay(
            self.storage,
            ToyPlatforms(self.toy),
            self.declarations,
            connect,
            "https://refunds.example",
            self.keys,
        )

    def ask(
        self, shop: str = "acme", *, replaces: str | None = None
    ) -> Begun | NotPossible | AlreadyConnected:
        asked = ConnectRequest(
            Kind.STORE,
            "toy",
            {"shop": shop},
            None if replaces is None else InstallationId(replaces),
        )
        return self.use_case.begin(self.tenant.id, asked, "admin", self.clock.now())

    def begin(self) -> tuple[PendingInstall, str]:
        """A pending install and its one-time value, as the toy's page is given it."""
        begun = self.ask()
        assert isinstance(begun, Begun)
        step = self.use_case.step(begun.pending)
        assert isinstance(step, GoTo)
        return begun.pending, step.url.partition("state=")[2]

    def arrive(
        self, one_time: str, part: str = "keys", body: bytes = b"k1", **query: str
    ) -> Outcome:
        arrived = Arrived(part, "POST", {}, query, body)
        tenant = self.tenant.id if part == BACK else None
        return self.use_case.arrive("toy", one_time, arrived, self.clock.now, tenant)

    def kept(self, pending: PendingInstall) -> PendingInstall:
        found = self.use_case.find(self.tenant.id, pending.id, self.clock.now())
        assert found is not None
        return found

    def connections(self) -> list[dict[str, str]]:
        with self.storage.read(self.tenant.id) as uow:
            return [dict(one.connection.secrets) for one in uow.installations.all()]


@pytest.fixture
def bench(storage: SqlStorage, tenant: Tenant, clock: FakeClock, tmp_path: Path) -> Bench:
    return Bench(storage, tenant, clock, tmp_path)


def test_the_row_stands_before_anybody_is_sent_away_and_nobody_is_called(bench: Bench) -> None:
    pending, one_time = bench.begin()
    assert bench.kept(pending) == pending
    assert one_time.startswith(f"{pending.id}.")
    assert one_time not in repr(pending)
    assert bench.toy.calls == []
    assert bench.connections() == []


def test_keys_are_tried_and_then_kept(bench: Bench) -> None:
    pending, one_time = bench.begin()
    states: list[PendingState] = []
    bench.toy.before = lambda _: states.append(bench.kept(pending).state)
    taken = bench.arrive(one_time)
    assert isinstance(taken, Taken)
    assert states == [PendingState.TRYING]  # committed before the call
    assert bench.toy.calls == [("probe",)]
    assert bench.connections() == [{"key": "k1"}]
    done = bench.kept(pending)
    assert (done.state, done.installation) == (PendingState.DONE, taken.installation)
    assert bench.use_case.step(done) is None


def test_a_code_that_the_browser_brings_back_is_traded_for_a_key(bench: Bench) -> None:
    bench.toy = TradingToy()
    _, one_time = bench.begin()
    assert isinstance(bench.arrive(one_time, BACK, code="c0de"), Taken)
    assert bench.toy.calls == [("trade_grant",), ("probe",)]
    assert bench.connections() == [{"key": "traded"}]


def test_a_trade_without_an_answer_keeps_nothing(bench: Bench) -> None:
    bench.toy = TradingToy(faults={"trade_grant": OutcomeUnknown("no_answer", "grant.trade")})
    pending, one_time = bench.begin()
    assert isinstance(bench.arrive(one_time, BACK, code="c0de"), NotTaken)
    assert bench.toy.calls == [("trade_grant",)]
    assert "went quiet" in bench.kept(pending).reason
    assert bench.connections() == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Refused("key_refused"), "Toy refused: key_refused"),
        (RetryLater("no_answer"), "Toy did not answer (no_answer). Nothing was changed"),
    ],
)
def test_a_key_that_opens_nothing_is_not_kept_and_never_tried_again(
    bench: Bench, fault: Exception, said: str
) -> None:
    bench.toy.faults["probe"] = fault
    pending, one_time = bench.begin()
    told = bench.arrive(one_time)
    assert isinstance(told, NotTaken)
    assert (told.status, said in told.advice, "begin again" in told.advice) == (422, True, True)
    assert said in bench.kept(pending).reason
    bench.toy.faults.clear()
    for _ in range(3):
        assert isinstance(bench.arrive(one_time), NotTaken)
    assert bench.toy.calls == [("probe",)]
    assert bench.connections() == []


def test_a_no_ends_it(bench: Bench) -> None:
    pending, one_time = bench.begin()
    told = bench.arrive(one_time, BACK, error="access_denied")
    assert told == NotTaken(409, "You said no at the toy")
    assert bench.kept(pending).state is PendingState.FAILED
    assert isinstance(bench.arrive(one_time), NotTaken)
    assert bench.toy.calls == []


def test_what_is_only_read_changes_nothing(bench: Bench) -> None:
    pending, one_time = bench.begin()
    told = bench.arrive(one_time, "about")
    assert isinstance(told, Document)
    assert told.content["page"] == f"https://refunds.example/install/pending/{pending.id}"
    keys = f"https://refunds.example/installing/toy/{one_time}/keys"
    assert told.content["keys"] == keys
    assert bench.kept(pending) == pending


def test_it_ends_when_its_time_is_over(bench: Bench) -> None:
    pending, one_time = bench.begin()
    bench.clock.advance(seconds=LIFE.total_seconds())
    for part in ("keys", "about"):
        told = bench.arrive(one_time, part)
        assert isinstance(told, NotTaken)
        assert told.status == 410
    assert bench.kept(pending).reason == "The time for it is over"
    assert bench.use_case.step(bench.kept(pending)) is None
    assert bench.toy.calls == []


def test_two_that_both_read_it_open_are_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pending, one_time = bench.begin()
    monkeypatch.setattr(bench.storage, "find_pending_install", lambda _: pending)
    assert isinstance(bench.arrive(one_time), Taken)
    for part, body in (("keys", b"k2"), (BACK, b"")):
        told = bench.arrive(one_time, part, body, error="no")
        assert isinstance(told, NotTaken)
    assert bench.toy.calls == [("probe",)]
    assert bench.connections() == [{"key": "k1"}]


def test_a_value_made_with_the_key_before_counts_until_it_ends(bench: Bench) -> None:
    _, one_time = bench.begin()
    bench.keys = ("new" * 20, KEYS[0])
    assert isinstance(bench.arrive(one_time), Taken)
    bench.keys = ("quite another" * 5,)
    assert bench.arrive(one_time) == NO_SUCH


def test_another_tenants_browser_brings_nothing(bench: Bench) -> None:
    _, one_time = bench.begin()
    bench.tenant = a_tenant("another")
    assert bench.arrive(one_time, BACK, code="c") == NO_SUCH
    assert bench.toy.calls == []


def test_what_would_come_to_nothing_is_said_before(bench: Bench) -> None:
    assert bench.ask("") == NotPossible("shop", "fill in the shop")
    missing = bench.ask(replaces="nobody")
    assert missing == NotPossible("installation", "there is no such connection to Toy")
    bench.declarations.way = None
    told = bench.ask()
    assert isinstance(told, NotPossible)
    assert told.field == "platform"


def test_a_way_that_is_gone_takes_nothing_in(bench: Bench) -> None:
    pending, one_time = bench.begin()
    bench.declarations.way = None
    assert bench.arrive(one_time) == NO_SUCH
    assert bench.use_case.step(pending) is None


def test_what_became_impossible_meanwhile_is_said_and_keeps_no_key(bench: Bench) -> None:
    pending, one_time = bench.begin()
    bench.declarations.simulated = True
    told = bench.arrive(one_time)
    assert isinstance(told, NotTaken)
    assert "connects itself" in bench.kept(pending).reason
    assert bench.connections() == []


def test_another_account_that_was_connected_meanwhile_is_asked_about(bench: Bench) -> None:
    first, one_time = bench.begin()
    second = bench.ask("other")
    assert isinstance(second, Begun)
    assert isinstance(bench.arrive(one_time), Taken)
    with bench.storage.begin(bench.tenant.id) as uow:
        [made] = uow.installations.all()
        connection = made.connection
        told = {**connection.settings, "account": "toy account"}
        uow.installations.save(replace(made, connection=replace(connection, settings=told)))
        uow.commit()
    step = bench.use_case.step(second.pending)
    assert isinstance(step, GoTo)
    told_no = bench.arrive(step.url.partition("state=")[2], body=b"k2")
    assert isinstance(told_no, NotTaken)
    assert bench.kept(second.pending).reason == "Toy is connected already: say which one"
    assert bench.kept(first).state is PendingState.DONE
    assert len(bench.connections()) == 1


def test_a_grant_that_the_platforms_admin_proved_is_tried_and_then_kept(bench: Bench) -> None:
    pending, one_time = bench.begin()
    taken = bench.use_case.bring(pending, {"key": "proven"}, bench.clock.now)
    assert isinstance(taken, Taken)
    assert bench.toy.calls == [("probe",)]
    assert bench.connections() == [{"key": "proven"}]
    done = bench.kept(pending)
    assert (done.state, done.installation) == (PendingState.DONE, taken.installation)
    told = bench.arrive(one_time)
    assert isinstance(told, NotTaken)
    assert told.status == 409  # it was one install, whichever way its keys came


def test_a_grant_that_comes_too_late_is_neither_tried_nor_kept(bench: Bench) -> None:
    pending, _ = bench.begin()
    bench.clock.advance(seconds=LIFE.total_seconds())
    told = bench.use_case.bring(pending, {"key": "proven"}, bench.clock.now)
    assert isinstance(told, NotTaken)
    assert (told.status, "time for it is over" in told.advice) == (410, True)
    assert bench.toy.calls == []
    assert bench.connections() == []


def test_a_grant_for_what_was_used_already_is_neither_tried_nor_kept(bench: Bench) -> None:
    pending, one_time = bench.begin()
    assert isinstance(bench.arrive(one_time), Taken)
    # As it was read before the keys came, and as it is read now.
    for known in (pending, bench.kept(pending)):
        told = bench.use_case.bring(known, {"key": "proven"}, bench.clock.now)
        assert isinstance(told, NotTaken)
    assert bench.toy.calls == [("probe",)]
    assert bench.connections() == [{"key": "k1"}]


class NewerDeclarations(ToyDeclarations):
    """The toy's manifest after an upgrade that asks for a note before anybody is sent away."""

    def read_way(self, kind: str, platform: str, typed: Mapping[str, str]) -> FilledForm:
        if not typed.get("note"):
            raise InvalidInput("note", "fill in the note")
        return super().read_way(kind, platform, typed)


def test_what_was_typed_is_read_until_a_newer_manifest_does_not_take_it(bench: Bench) -> None:
    pending, _ = bench.begin()
    form = bench.use_case.form(pending)
    assert form is not None
    assert (form.settings["shop"], form.secrets) == ("acme", {})
    bench.declarations = NewerDeclarations(way=ToyWay())
    assert bench.use_case.form(pending) is None


def test_keys_of_an_install_that_was_ended_while_they_were_tried_are_not_kept(bench: Bench) -> None:
    pending, one_time = bench.begin()

    def end(_: str) -> None:
        ended = replace(bench.kept(pending), state=PendingState.FAILED, reason="Ended meanwhile")
        with bench.storage.begin(bench.tenant.id) as uow:
            assert uow.pending_installs.move(PendingState.TRYING, ended)
            uow.commit()

    bench.toy.before = end
    told = bench.arrive(one_time)
    assert isinstance(told, NotTaken)
    assert told.status == 409
    assert bench.toy.calls == [("probe",)]
    assert bench.connections() == []
    assert bench.kept(pending).reason == "Ended meanwhile"


def test_a_platform_that_cannot_try_a_key_has_it_kept_for_the_self_test(bench: Bench) -> None:
    pending, one_time = bench.begin()
    use_case = replace(bench.use_case, platforms=ToyPlatforms(object()))
    arrived = Arrived("keys", "POST", {}, {}, b"k1")
    taken = use_case.arrive("toy", one_time, arrived, bench.clock.now)
    assert isinstance(taken, Taken)
    assert bench.kept(pending).installation == taken.installation
    assert bench.connections() == [{"key": "k1"}]
    with bench.storage.read(bench.tenant.id) as uow:
        [made] = uow.installations.all()
    assert made.status is InstallationStatus.CONNECTING
