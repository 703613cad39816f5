"""Watching changes nothing: who watches may fail, and what is watched raises as before."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field

import pytest

from plugin.domain.errors import NeedsHuman, Refused
from plugin.domain.ids import CustomerKey, RunId
from plugin.logs import JsonLines, about
from plugin.ports.records import Run, RunState, Tenant
from plugin.ports.watching import CallMade, RequestBegun, Told, WorkBegun, WorkEnded
from plugin.settings import read_settings
from plugin.storage.unit_of_work import SqlStorage
from plugin.watch.origins import origin_of
from plugin.watch.watching import WatchedMailer, Watching, watched_tasks
from tests.storage_fixtures import FakeClock


@dataclass
class Postbox:
    """A mailer that does as it is told."""

    fault: Exception | None = None
    sent: list[str] = field(default_factory=list)

    def send(self, to: str, subject: str, body: str, message_id: str) -> None:
        if self.fault is not None:
            raise self.fault
        self.sent.append(to)


def test_nobody_watches_unless_a_setting_says_so() -> None:
    watching = Watching("web", read_settings({}), FakeClock())
    assert watching.begin(list, lambda *_: "") is None
    watching.told(RequestBegun("r-1"))
    watching.end()


def test_a_watcher_that_fails_is_told_of_once_and_fails_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watching, seen = Watching("web", read_settings({}), FakeClock()), list[Told]()

    def fails(_: Told) -> None:
        raise ZeroDivisionError("canary")

    watching._watchers = (fails, seen.append)
    for _ in range(3):
        watching.told(RequestBegun("r-1"))
    assert len(seen) == 3
    (record,) = caplog.records
    assert record.getMessage() == "watch.failed kind=ZeroDivisionError told=RequestBegun"


def test_a_task_is_told_of_and_its_lines_name_its_row() -> None:
    seen, lines = list[Told](), list[dict[str, object]]()

    def task(tenant: str, ref: str) -> None:
        record = logging.LogRecord("makegood.x", logging.INFO, __file__, 1, "x.done", (), None)
        lines.append(json.loads(JsonLines().format(record)))
        if ref == "bad":
            raise Refused("no", "never")

    run = watched_tasks({"refund": task}, seen.append)["refund"]
    run("t-1", "r-1")
    assert seen[0] == WorkBegun("refund", "t-1", "r-1")
    assert isinstance(seen[1], WorkEnded)
    assert not seen[1].failed
    assert lines[0]["refund"] == "r-1"
    with pytest.raises(Refused):
        run("t-1", "bad")
    assert isinstance(seen[3], WorkEnded)
    assert seen[3].failed


def test_lines_tell_what_they_are_about_and_no_longer() -> None:
    def line() -> dict[str, object]:
        record = logging.LogRecord("makegood.x", logging.INFO, __file__, 1, "x.done", (), None)
        told: dict[str, object] = json.loads(JsonLines().format(record))
        return told

    with about(request="r-1"), about(delivery="d-1"):
        assert (line()["request"], line()["delivery"]) == ("r-1", "d-1")
    assert "request" not in line()


@pytest.mark.parametrize(
    ("fault", "outcome"), [(None, "sent"), (NeedsHuman("mail_refused", "x"), "mail_refused")]
)
def test_mail_is_told_of_by_its_server_never_by_its_reader(
    fault: Exception | None, outcome: str
) -> None:
    seen = list[Told]()
    mailer = WatchedMailer(Postbox(fault), "smtp://user:secret@mail.example:2525", seen.append)
    if fault is None:
        mailer.send("jane@example.com", "Subject", "Body", "id")
    else:
        with pytest.raises(NeedsHuman):
            mailer.send("jane@example.com", "Subject", "Body", "id")
    (told,) = seen
    assert isinstance(told, CallMade)
    assert (told.platform, told.label) == ("mail", "mail.send")
    assert (told.place, told.outcome) == ("mail.example:2525", outcome)


def test_what_began_a_row_is_found(storage: SqlStorage, tenant: Tenant) -> None:
    with storage.begin(tenant.id) as uow:
        causes = {"a": "delivery d-1", "b": "plan p-1", "c": "refund x", "d": "moment"}
        for name, cause in causes.items():
            run = Run(RunId(name), CustomerKey("c"), cause, RunState.WAITING, None)
            uow.effects.add_run(run, (), FakeClock().now())
        uow.commit()
    look_up = origin_of(storage)
    assert look_up("delivery", tenant.id, "d-9") == "delivery d-9"
    assert look_up("sweep", tenant.id, "s-9") == ""
    assert look_up("refund", tenant.id, "gone") == ""
    runs = {name: look_up("run", tenant.id, name) for name in ("a", "b", "c", "d", "gone")}
    assert runs == {"a": "delivery d-1", "b": "plan p-1", "c": "", "d": "", "gone": ""}
