"""`/readyz`: 200 only while this very process can serve, and one word for what is missing."""

from __future__ import annotations

import signal
import threading
from http.client import HTTPConnection
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, event, text

from plugin.ports.records import Tenant
from plugin.storage import database
from plugin.storage.database import open_database
from plugin.storage.keyring import Keyring
from plugin.storage.readiness import Missing, what_is_missing
from plugin.storage.unit_of_work import SqlStorage
from plugin.web.readiness import PATIENCE_SECONDS, REMEMBERED_SECONDS, Readiness
from tests.factories import an_installation
from tests.kill.places import free_port
from tests.served import Served, wait_for
from tests.web.site import Site

OTHER_KEY = Fernet.generate_key().decode()


class Seconds:
    """A clock of seconds that a test turns."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def readiness(site: Site) -> tuple[int, str]:
    answer = site.app.test_client().get("/readyz")
    return answer.status_code, answer.text


# --- the page -------------------------------------------------------------------------------------


def test_a_process_that_can_serve_says_so_to_anybody(site: Site) -> None:
    assert readiness(site) == (200, "ok\n")


def test_a_schema_that_is_gone_makes_it_503_while_the_process_lives(site: Site) -> None:
    with site.parts.house.engine.begin() as db:
        db.execute(text("DROP TABLE mg_schema"))
    assert readiness(site) == (503, "schema\n")
    assert site.app.test_client().get("/healthz").status_code == 200


def test_a_crowd_of_askers_makes_one_look_a_second(site: Site) -> None:
    statements: list[str] = []
    client = site.app.test_client()
    assert client.get("/readyz").status_code == 200
    event.listen(
        site.parts.house.engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: statements.append(statement),
    )
    assert {client.get("/readyz").status_code for _ in range(20)} == {200}
    assert len(statements) <= 12  # at most one look, should a second have gone by


# --- what is remembered ---------------------------------------------------------------------------


def test_the_answer_is_remembered_for_a_second() -> None:
    seconds, found = Seconds(), [None, "database", None]
    ready = Readiness(lambda: found.pop(0), seconds=seconds)
    assert ready.missing() is None
    assert ready.missing() is None
    seconds.at += REMEMBERED_SECONDS
    assert ready.missing() == "database"
    seconds.at += REMEMBERED_SECONDS
    assert ready.missing() is None


def test_a_database_that_hangs_holds_one_asker_and_the_others_are_told() -> None:
    seconds, begun, go_on = Seconds(), threading.Event(), threading.Event()

    def look() -> None:
        begun.set()
        assert go_on.wait(30)

    ready = Readiness(look, seconds=seconds)
    hanging = threading.Thread(target=ready.missing)
    hanging.start()
    assert begun.wait(30)
    assert ready.missing() == "starting"
    seconds.at += PATIENCE_SECONDS + 1
    assert ready.missing() == "database"
    go_on.set()
    hanging.join()
    assert ready.missing() is None


def test_who_was_told_to_end_is_draining_without_a_look() -> None:
    ready = Readiness(lambda: pytest.fail("looked"), lambda: True)
    assert ready.missing() == "draining"


# --- each part ------------------------------------------------------------------------------------


def test_nothing_is_missing_in_a_fresh_database(engine: Engine, secret_key: str) -> None:
    assert what_is_missing(engine, Keyring([secret_key])) is None


def test_a_database_that_does_not_answer(secret_key: str) -> None:
    nobody = open_database(f"postgresql+psycopg://makegood@127.0.0.1:{free_port()}/makegood")
    assert what_is_missing(nobody, Keyring([secret_key])) is Missing.DATABASE


def test_a_schema_of_another_version(engine: Engine, secret_key: str) -> None:
    with engine.begin() as db:
        db.execute(text("UPDATE mg_schema SET version_num = '0001'"))
    assert what_is_missing(engine, Keyring([secret_key])) is Missing.SCHEMA


def test_keys_that_open_nothing_stored(
    storage: SqlStorage, engine: Engine, tenant: Tenant, secret_key: str
) -> None:
    with storage.begin(tenant.id) as uow:
        uow.installations.add(an_installation())
        uow.commit()
    assert what_is_missing(engine, Keyring([secret_key])) is None
    assert what_is_missing(engine, Keyring([OTHER_KEY])) is Missing.KEYS


def test_a_sqlite_that_no_power_cut_may_meet(migrated_sqlite: Path, secret_key: str) -> None:
    engine = open_database(f"sqlite:///{migrated_sqlite}")
    with engine.connect() as db:
        driver = db.connection.dbapi_connection
        assert driver is not None
        driver.cursor().execute("PRAGMA synchronous=NORMAL")
    assert what_is_missing(engine, Keyring([secret_key])) is Missing.SETTINGS
    engine.dispose()


def test_a_new_connection_that_is_not_safe(
    migrated_sqlite: Path, secret_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_database(f"sqlite:///{migrated_sqlite}")
    monkeypatch.setattr(database, "WANTED", {"journal_mode": "WAL", "synchronous": "OFF"})
    assert what_is_missing(engine, Keyring([secret_key])) is Missing.SETTINGS
    engine.dispose()


# --- the end --------------------------------------------------------------------------------------


def test_after_sigterm_it_says_draining_before_it_closes_the_door(tmp_path: Path) -> None:
    with Served(tmp_path, MAKEGOOD_DRAIN_NOTICE_SECONDS="5") as served:
        assert asked(served, "/readyz") == (200, "ok\n")
        served.process.send_signal(signal.SIGTERM)
        wait_for(lambda: asked(served, "/readyz") == (503, "draining\n"))
        assert asked(served, "/healthz") == (200, "ok\n")
        assert served.process.wait(60) == 0
        assert served.processes() == []


def asked(served: Served, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", served.port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
