"""News that no webhook brought are read, taken in once, and read again after any crash."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.drift import DriftKind
from plugin.domain.errors import NeedsHuman, Refused, RetryLater
from plugin.domain.ids import InstallationId
from plugin.ports.records import (
    DeliveryState,
    InstallationStatus,
    StoredDelivery,
    Sweep,
)
from plugin.services import sweep_account
from plugin.services.sweep_account import SweepAccount, SweepSoon, Swept, begin_sweeping
from tests.factories import (
    BANK,
    STORE,
    a_delivery,
)
from tests.fakes.crashes import Crash, Crashes, CrashingStorage
from tests.fakes.telling import TellingStore
from tests.services.scene import Scene


class Ids:
    """Ids in a row."""

    def __init__(self) -> None:
        self.count = 0

    def id(self) -> str:
        self.count += 1
        return f"taken-{self.count}"

    def secret(self) -> str:
        return self.id()


@pytest.fixture
def bank(scene: Scene) -> TellingStore:
    """The bank, which tells its news and was last read an hour ago."""
    bank = TellingStore(clock=scene.clock)
    scene.platforms.adapters[BANK] = bank
    begin(scene, BANK)
    return bank


def begin(scene: Scene, installation: InstallationId, hours: float = 1) -> None:
    now = scene.clock.now()
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.sweeps.begin(Sweep(installation, now - timedelta(hours=hours), None, now))
        uow.commit()


def account(scene: Scene) -> SweepAccount:
    return SweepAccount(scene.storage, scene.platforms, scene.clock, Ids())


def swept(scene: Scene, installation: InstallationId = BANK) -> Swept:
    done = account(scene)(scene.tenant.id, installation)
    assert done is not None
    return done


def row(scene: Scene, installation: InstallationId = BANK) -> Sweep:
    with scene.storage.read(scene.tenant.id) as uow:
        found = uow.sweeps.get(installation)
    assert found is not None
    return found


def deliveries(scene: Scene) -> list[StoredDelivery]:
    with scene.storage.read(scene.tenant.id) as uow:
        return sorted(uow.deliveries.newest((), 100), key=lambda one: one.name)


def names(scene: Scene) -> list[str]:
    return [one.name for one in deliveries(scene)]


# --- news -----------------------------------------------------------------------------------------


def test_missed_news_are_taken_in_as_deliveries_that_are_due(
    scene: Scene, bank: TellingStore
) -> None:
    now = scene.clock.now()
    for minute in (50, 40, 30):
        bank.tell(f"evt-{minute}", now - timedelta(minutes=minute))

    done = swept(scene)

    assert (done.read, done.taken_in, done.reason, done.goes_on) == (3, 3, "", True)
    assert names(scene) == ["evt-30", "evt-40", "evt-50"]
    first = deliveries(scene)[0]
    assert (first.topic, first.state, first.wake_at) == (
        "payment.refunded",
        DeliveryState.RECEIVED,
        now,
    )
    assert (first.body, dict(first.headers)) == (b'{"name":"evt-30"}', {})
    after = row(scene)
    assert (after.read_until, after.swept_at, after.wakes) == (now, now, 1)
    assert after.wake_at == now + timedelta(minutes=1)  # by then they are applied
    scene.clock.advance(minutes=1)
    assert not swept(scene).goes_on
    assert row(scene).wake_at == now + timedelta(minutes=6)


def test_what_a_webhook_brought_already_is_not_taken_in_again(
    scene: Scene, bank: TellingStore
) -> None:
    now = scene.clock.now()
    bank.tell("evt-1", now - timedelta(minutes=9))
    bank.tell("evt-2", now - timedelta(minutes=8))
    with scene.storage.begin(scene.tenant.id) as uow:
        known = a_delivery("here", name="evt-1", installation=BANK, state=DeliveryState.APPLIED)
        uow.deliveries.add(replace(known, wake_at=None))
        uow.commit()

    done = swept(scene)

    assert (done.read, done.taken_in) == (2, 1)
    assert [one.state for one in deliveries(scene)] == [
        DeliveryState.APPLIED,
        DeliveryState.RECEIVED,
    ]


def test_news_that_are_listed_late_are_found_by_the_overlap(
    scene: Scene, bank: TellingStore
) -> None:
    swept(scene)
    bank.tell("late", scene.clock.now() - timedelta(minutes=4))
    scene.clock.advance(minutes=5)

    assert swept(scene).taken_in == 1


def test_a_sweep_is_made_only_when_it_is_due(scene: Scene, bank: TellingStore) -> None:
    swept(scene)

    assert account(scene)(scene.tenant.id, BANK) is None
    assert account(scene)(scene.tenant.id, STORE) is None  # it has none
    assert account(scene).now(scene.tenant.id, STORE) is None
    assert account(scene).now(scene.tenant.id, BANK) is not None
    assert [work.kind for work in scene.storage.due(scene.clock.advance(minutes=6), 9)] == ["sweep"]


def test_after_a_long_gap_the_cursor_moves_window_by_window(
    scene: Scene, bank: TellingStore
) -> None:
    begin(scene, STORE)
    now = scene.clock.now()
    with scene.storage.begin(scene.tenant.id) as uow:
        before = uow.sweeps.get(BANK)
        assert before is not None
        uow.sweeps.save(before, replace(before, read_until=now - timedelta(hours=13)))
        uow.commit()

    swept(scene)

    asked = [words.partition(",")[0] for words in bank.called("read_news")]
    assert asked == ["23:30 to 05:40", "05:30 to 11:40", "11:30 to 12:40"]


def test_a_gap_that_does_not_fit_into_one_turn_is_read_on_soon(
    scene: Scene, bank: TellingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_account, "AT_MOST", timedelta(0))
    now = scene.clock.now()
    with scene.storage.begin(scene.tenant.id) as uow:
        before = uow.sweeps.get(BANK)
        assert before is not None
        uow.sweeps.save(before, replace(before, read_until=now - timedelta(hours=13)))
        uow.commit()

    assert swept(scene).goes_on
    after = row(scene)
    assert (after.read_until, after.wake_at) == (
        now - timedelta(hours=7),
        now + timedelta(minutes=1),
    )


def test_a_gap_longer_than_the_platform_keeps_its_news_is_told_to_a_person_once(
    scene: Scene, bank: TellingStore
) -> None:
    bank.kept = timedelta(minutes=30)
    swept(scene)
    scene.clock.advance(minutes=45)
    swept(scene)
    bank.kept = timedelta(days=30)
    scene.clock.advance(minutes=45)
    swept(scene)

    with scene.storage.read(scene.tenant.id) as uow:
        found = uow.drifts.open(10)
    assert [drift.difference.kind for drift in found] == [DriftKind.NEWS_GAP] * 2
    assert all(drift.customer is None for drift in found)
    assert scene.audited().count("drift.open") == 2


def test_the_same_gap_is_told_once_however_often_it_is_begun(
    scene: Scene, bank: TellingStore
) -> None:
    bank.kept = timedelta(minutes=30)
    for _ in range(2):
        bank.raises["read_news"].append(RetryLater("server_error"))
        swept(scene)
        scene.clock.advance(minutes=11)

    with scene.storage.read(scene.tenant.id) as uow:
        assert len(uow.drifts.open(10)) == 1


def test_a_store_that_tells_no_news_is_read_up_to_now_at_once(scene: Scene) -> None:
    begin(scene, STORE)

    assert swept(scene, STORE).read == 0
    assert row(scene, STORE).read_until == scene.clock.now()


def test_a_clock_that_was_set_back_moves_no_cursor_back(scene: Scene) -> None:
    begin(scene, STORE)
    swept(scene, STORE)
    read_until = row(scene, STORE).read_until
    scene.clock.advance(minutes=-30)

    assert account(scene).now(scene.tenant.id, STORE) is not None
    assert row(scene, STORE).read_until == read_until


# --- failures -------------------------------------------------------------------------------------


def test_a_platform_that_does_not_answer_is_asked_later_and_later_and_the_reason_is_kept(
    scene: Scene, bank: TellingStore
) -> None:
    waits = []
    for _ in range(6):
        bank.raises["read_news"].append(RetryLater("server_error", "event.list: HTTP 503"))
        assert swept(scene).reason == "server_error"
        after = row(scene)
        assert after.wake_at is not None
        waits.append((after.wake_at - scene.clock.now()).total_seconds() / 60)
        scene.clock.at = after.wake_at
    failed = row(scene)

    assert waits == [1, 2, 4, 8, 10, 10]
    assert (failed.failures, failed.reason, failed.swept_at) == (6, "server_error", None)
    swept(scene)
    assert (row(scene).failures, row(scene).reason) == (0, "")


def test_a_wish_to_be_left_alone_is_honoured_within_bounds(
    scene: Scene, bank: TellingStore
) -> None:
    for wish, minutes in ((180, 3), (86400, 10)):
        bank.raises["read_news"].append(RetryLater("rate_limited", after_seconds=wish))
        swept(scene)
        wake_at = row(scene).wake_at
        assert wake_at == scene.clock.now() + timedelta(minutes=minutes)
        scene.clock.at = wake_at


def test_calls_that_people_needed_are_no_failure(scene: Scene, bank: TellingStore) -> None:
    bank.raises["read_news"].append(RetryLater("budget_spent", after_seconds=3))

    assert swept(scene).reason == "budget_spent"
    after = row(scene)
    assert (after.failures, after.reason) == (0, "")
    assert after.wake_at == scene.clock.now() + timedelta(minutes=1)


def test_a_missing_right_is_named_and_all_else_told_by_its_code(
    scene: Scene, bank: TellingStore
) -> None:
    for error, reason in (
        (Refused("right_missing", "Events: read"), "right_missing: Events: read"),
        (Refused("key_refused", "api_key_expired"), "key_refused"),
        (NeedsHuman("list_too_long"), "list_too_long"),
        (ZeroDivisionError("about someone@mail.example"), "fault: ZeroDivisionError"),
    ):
        bank.raises["read_news"].append(error)
        assert swept(scene).reason == reason
        assert row(scene).reason == reason
        scene.clock.advance(minutes=11)


def test_pages_before_a_failure_stand_and_the_cursor_does_not_move(
    scene: Scene, bank: TellingStore
) -> None:
    now = scene.clock.now()
    for minute in (50, 40, 30):
        bank.tell(f"evt-{minute}", now - timedelta(minutes=minute))
    real = bank.enter

    def enter(method: str, detail: str) -> None:
        real(method, detail)
        if detail.endswith("page 1"):
            raise RetryLater("server_error")

    bank.enter = enter  # type: ignore[method-assign]  # the second page does not come
    swept(scene)

    assert names(scene) == ["evt-30", "evt-40"]
    assert row(scene).read_until == now - timedelta(hours=1)


def test_a_crash_anywhere_loses_nothing(scene: Scene, bank: TellingStore) -> None:
    now = scene.clock.now()
    for minute in (50, 40, 30):
        bank.tell(f"evt-{minute}", now - timedelta(minutes=minute))
    real = scene.storage

    for at in range(1, 12):
        scene.storage = CrashingStorage(real, Crashes(at))
        try:
            swept(scene)
            break
        except Crash:
            found = row(scene)
            assert found.read_until < now or names(scene) == ["evt-30", "evt-40", "evt-50"]
            scene.clock.advance(minutes=3)
    scene.storage = real
    scene.clock.advance(minutes=10)
    swept(scene)

    assert names(scene) == ["evt-30", "evt-40", "evt-50"]


def test_a_turn_that_was_overtaken_leaves_the_row_alone(scene: Scene, bank: TellingStore) -> None:
    def overtake(method: str, detail: str) -> None:
        del method, detail
        with scene.storage.begin(scene.tenant.id) as uow:
            before = uow.sweeps.get(BANK)
            assert before is not None
            uow.sweeps.save(before, replace(before, wakes=before.wakes + 1, reason="theirs"))
            uow.commit()

    bank.enter = overtake  # type: ignore[method-assign]  # while we read, somebody else begins
    done = swept(scene)

    assert done.reason == "another sweep of this account is at it"
    assert (row(scene).reason, row(scene).read_until) == (
        "theirs",
        scene.clock.now() - timedelta(hours=1),
    )


# --- who is swept ---------------------------------------------------------------------------------


def set_status(scene: Scene, status: InstallationStatus) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        found = uow.installations.get(BANK)
        assert found is not None
        uow.installations.save(replace(found, status=status))
        uow.commit()


def test_an_account_that_was_removed_is_never_looked_at_again(
    scene: Scene, bank: TellingStore
) -> None:
    set_status(scene, InstallationStatus.REMOVED)

    assert account(scene)(scene.tenant.id, BANK) is None
    assert row(scene).wake_at is None
    assert bank.calls == []


def test_an_account_whose_key_was_not_tried_yet_waits(scene: Scene, bank: TellingStore) -> None:
    set_status(scene, InstallationStatus.CONNECTING)

    assert account(scene)(scene.tenant.id, BANK) is None
    assert row(scene).wake_at == scene.clock.now() + timedelta(minutes=5)
    assert bank.calls == []


def test_a_sweep_that_somebody_else_claimed_is_left_to_them(
    scene: Scene, bank: TellingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plugin.storage.sweep_rows import SweepRows

    monkeypatch.setattr(SweepRows, "save", lambda *_: False)

    assert account(scene)(scene.tenant.id, BANK) is None
    assert bank.calls == []


def test_a_store_that_is_connected_again_is_looked_at_soon_and_keeps_its_cursor(
    scene: Scene, bank: TellingStore
) -> None:
    del bank
    now = scene.clock.now()
    with scene.storage.begin(scene.tenant.id) as uow:
        begin_sweeping(uow, STORE, now)
        begin_sweeping(uow, BANK, now)
        uow.commit()

    assert (row(scene, STORE).read_until, row(scene, STORE).wake_at) == (
        now,
        now + timedelta(minutes=5),
    )
    assert (row(scene).read_until, row(scene).wake_at) == (
        now - timedelta(hours=1),
        now + timedelta(minutes=1),
    )


def test_a_screen_can_have_it_done_soon(scene: Scene, bank: TellingStore) -> None:
    swept(scene)
    soon = SweepSoon(scene.storage)
    now = scene.clock.advance(minutes=1)

    assert soon(scene.tenant.id, BANK, "admin", now)
    assert not soon(scene.tenant.id, STORE, "admin", now)
    assert scene.audited()[-1] == "sweep.wanted"
    assert swept(scene).reason == ""
    assert len(bank.called("read_news")) == 2
