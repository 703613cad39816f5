"""An older copy in the database's place: the next worker sends nothing, as after a restore."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import pytest

from plugin.domain.ids import TenantId
from plugin.domain.refunds import RESTORED, RefundState
from plugin.services.restored_house import HoldOlder, hold_of
from plugin.storage.last_seen import LastSeen
from plugin.workflows import looking_back
from plugin.workflows.looking_back import LookingBack
from plugin.workflows.worker import run_worker
from tests.factories import BANK, NOW, TENANT, a_plan, a_refund, a_request, an_installation
from tests.fakes.platforms import FakePlatforms
from tests.storage_fixtures import FakeClock
from tests.workflows.place import ON_SQLITE, Place


def database_of(place: Place) -> Path:
    return Path(place.database.removeprefix("sqlite:///"))


def put(copy: Path, place: Place) -> None:
    """As one who restores by `cp`. What the engine remembers of its own is gone as well."""
    place.storage._engine.dispose()
    for file in (database_of(place), place.engine_file):
        for ending in ("", "-wal", "-shm"):
            Path(f"{file}{ending}").unlink(missing_ok=True)
    shutil.copy(copy, database_of(place))


def decide(place: Place) -> str:
    refund = a_refund(wake_at=NOW)
    with place.storage.begin(TENANT) as uow:
        uow.installations.add(an_installation(BANK))
        uow.requests.save(a_request())
        uow.plans.add(a_plan(plan_id="plan-1"), a_request().id)
        uow.refunds.add(refund, "agent", NOW)
        uow.audit.write(NOW, "agent", "refund.decided", "plan-1", {})
        uow.commit()
    return refund.id


def work(place: Place, clock: FakeClock) -> list[tuple[str, str, bool]]:
    """One worker, until the first task ran: which one, what about, and whether a hold stood."""
    stop, seen = threading.Event(), []

    def doing(kind: str) -> Callable[[str, str], None]:
        def task(_tenant: str, ref: str) -> None:
            with place.storage.begin(TENANT) as uow:
                seen.append((kind, ref, hold_of(uow) is not None))
                uow.audit.write(NOW, "worker", f"{kind}.done", ref, {})
                uow.commit()
            stop.set()

        return task

    back = LookingBack(
        LastSeen(place.storage._engine, place.folder),
        HoldOlder(place.storage, FakePlatforms(), clock),
    )
    tasks = {"sweep": lambda *_: None, **{kind: doing(kind) for kind in ("refund", "hold")}}
    run_worker(place.settings, place.storage, clock, tasks, stop, looking_back=back)
    back.look()  # what it would have seen a moment later
    return seen[:1]


@ON_SQLITE
def test_after_an_older_copy_was_put_back_nothing_is_sent(place: Place, clock: FakeClock) -> None:
    refund = decide(place)
    place.storage._engine.dispose()
    copy = Path(shutil.copy(database_of(place), place.folder / "by-hand.sqlite"))
    assert work(place, clock) == [("refund", refund, False)]

    put(copy, place)
    [(_, _, is_held)] = work(place, clock)

    assert is_held
    with place.storage.read(TENANT) as uow:
        [found] = uow.refunds.newest(9)
    assert (found.state, found.reason) == (RefundState.UNKNOWN, RESTORED)


@ON_SQLITE
def test_a_copy_that_knows_all_that_was_seen_is_as_good(place: Place, clock: FakeClock) -> None:
    refund = decide(place)
    assert work(place, clock) == [("refund", refund, False)]
    place.storage._engine.dispose()
    copy = Path(shutil.copy(database_of(place), place.folder / "by-hand.sqlite"))
    put(copy, place)
    assert work(place, clock) == [("refund", refund, False)]


class Seen:
    """The part of `LastSeen` that is used here."""

    def __init__(self) -> None:
        self.told: Mapping[TenantId, datetime] = {}
        self.did: list[object] = []

    def older(self) -> Mapping[TenantId, datetime]:
        return self.told

    def keep(self) -> None:
        self.did.append("kept")


def test_it_looks_by_and_by_and_counts_as_seen_only_what_was_dealt_with(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [100.0]
    monkeypatch.setattr(looking_back, "monotonic", lambda: now[0])
    seen = Seen()
    back = LookingBack(seen, seen.did.append)  # type: ignore[arg-type]  # as far as it is used
    back.by_and_by()
    back.by_and_by()
    assert seen.did == ["kept"]
    now[0] += looking_back.EVERY_SECONDS
    seen.told = {TENANT: NOW}
    back.by_and_by()
    assert seen.did == ["kept", {TENANT: NOW}, "kept"]
    assert "house.older tenants=1" in caplog.text
