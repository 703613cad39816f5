"""`makegood backup | restore | migrate`: what is said, what is refused, and what is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from plugin.app import Parts, put_together
from plugin.domain.ids import TenantId
from plugin.first_start import home_tenant, keys_of
from plugin.ports.records import RESTORED
from plugin.settings import read_settings
from plugin.storage import schema
from plugin.storage.keyring import key_mark
from plugin.storage.schema import migrate
from plugin.storage.schema_version import REVISION
from plugin.storage.worker_rows import Workers
from tests.commands.conftest import Run
from tests.databases import of_sqlite_alone
from tests.factories import BANK, STORE, a_plan, a_refund, a_request, an_installation, an_order


@pytest.fixture
def tenant(parts: Parts) -> TenantId:
    """With a store that tells no news, one that does, and a refund that is decided, not sent."""
    tenant = home_tenant(parts.house.storage).id
    with parts.house.storage.begin(tenant) as uow:
        store = an_installation(STORE, tenant=tenant)
        silent = replace(store.connection, platform="systeme_io", label="Courses")
        uow.installations.add(replace(store, connection=silent))
        uow.installations.add(an_installation(BANK, tenant=tenant))
        uow.orders.save(an_order())
        uow.requests.save(a_request())
        uow.plans.add(a_plan(), a_request().id)
        uow.refunds.add(a_refund(), "ana", parts.clock.now())
        uow.commit()
    return tenant


@pytest.fixture
def copy(run: Run, tenant: TenantId, tmp_path: Path) -> Path:
    target = tmp_path / "copy.makegood"
    assert run("backup", str(target)).code == 0
    return target


@pytest.fixture
def elsewhere(run: Run, tmp_path: Path) -> dict[str, str]:
    """The settings of a new house with the keys of the old one."""
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "secret-keys").write_text(key_of_the_house(), encoding="ascii")
    told = {"MAKEGOOD_DATABASE_URL": "", "MAKEGOOD_SECRET_KEYS": ""}  # SQLite, from whatever it was
    return {"MAKEGOOD_DATA_DIR": str(folder), **told}


def key_of_the_house() -> str:
    [key] = keys_of(read_settings())
    return key


@of_sqlite_alone("on PostgreSQL the keys are given, and none lie in the folder")
def test_a_backup_says_what_it_holds_and_where_the_keys_are(
    run: Run, tenant: TenantId, tmp_path: Path, data: Path
) -> None:
    target = tmp_path / "copy.makegood"
    ran = run("backup", str(target), "--json")
    assert ran.code == 0
    [key] = (data / "secret-keys").read_text().split()
    assert ran.facts["file"] == str(target)
    assert ran.facts["refunds"] == 1
    assert ran.facts["schema"] == REVISION
    assert ran.facts["key_marks"] == [key_mark(key)]
    assert f"It holds no key: its credentials stay sealed. Keep {data / 'secret-keys'}" in ran.err
    assert key.encode() not in target.read_bytes()
    given = run("backup", str(tmp_path / "other"), MAKEGOOD_SECRET_KEYS=key)
    assert "Keep MAKEGOOD_SECRET_KEYS too" in given.out


def test_a_backup_replaces_nothing(run: Run, copy: Path) -> None:
    ran = run("backup", str(copy), "--json")
    assert (ran.code, ran.facts["code"]) == (3, "file_exists")


def test_a_folder_that_is_not_there_is_told(run: Run, tenant: TenantId, tmp_path: Path) -> None:
    ran = run("backup", str(tmp_path / "nowhere" / "copy"))
    assert ran.code == 3
    assert "No such file or directory" in ran.err


def test_a_restored_house_is_held_until_a_person_says_so(
    run: Run, copy: Path, elsewhere: dict[str, str]
) -> None:
    ran = run("restore", str(copy), "--json", **elsewhere)
    assert ran.code == 0, ran.err
    assert ran.facts["to_look_up"] == 1
    assert "Nothing is sent until what happened since then is known" in ran.err

    checked = run("check", "--json", **elsewhere)
    assert any("nothing is sent" in warning for warning in checked.facts["warnings"])

    released = run("restore", "--release", "--json", **elsewhere)
    assert released.facts["released"] == 1
    assert "Systeme.io (Courses) tells no news: look there for what was sold" in released.err
    assert "(Test shop) was not read up to the restoring yet" in released.err
    assert "1 refunds were not looked up" in released.err
    again = run("restore", "--release", **elsewhere)
    assert again.out == "Nothing is held.\n"
    parts = put_together(read_settings(elsewhere))
    with parts.house.storage.read(home_tenant(parts.house.storage).id) as uow:
        assert uow.holds.all() == []
        assert [refund.reason for refund in uow.refunds.newest(9)] == [RESTORED]
    parts.house.engine.dispose()


@of_sqlite_alone("the file must stay as it was")
def test_a_house_is_not_restored_over(run: Run, copy: Path, data: Path) -> None:
    before = (data / "makegood.sqlite").read_bytes()
    ran = run("restore", str(copy), "--json")
    assert (ran.code, ran.facts["code"]) == (3, "not_empty")
    assert f"move {data} away" in ran.facts["detail"]
    assert (data / "makegood.sqlite").read_bytes() == before


@pytest.mark.parametrize("given", ["none", "another"])
def test_without_the_keys_that_open_it_nothing_is_restored(
    run: Run, copy: Path, elsewhere: dict[str, str], given: str
) -> None:
    folder = Path(elsewhere["MAKEGOOD_DATA_DIR"])
    if given == "none":
        (folder / "secret-keys").unlink()
    else:
        (folder / "secret-keys").write_text(Fernet.generate_key().decode())
    ran = run("restore", str(copy), "--json", **elsewhere)
    assert (ran.code, ran.facts["code"]) == (3, "other_keys")
    assert f"the key that has the mark {key_mark(key_of_the_house())}" in ran.facts["detail"]
    assert {p.name for p in folder.iterdir()} <= {"secret-keys"}


def test_what_is_no_copy_is_refused(run: Run, tmp_path: Path, elsewhere: dict[str, str]) -> None:
    (tmp_path / "text").write_text("hello")
    ran = run("restore", str(tmp_path / "text"), "--json", **elsewhere)
    assert (ran.code, ran.facts["code"]) == (3, "foreign_copy")
    assert run("restore", str(tmp_path / "nothing"), **elsewhere).code == 3


@pytest.mark.parametrize("words", [(), ("file", "--release")])
def test_a_file_or_the_release_is_asked_for(run: Run, words: tuple[str, ...]) -> None:
    assert run("restore", *words).code == 2


def test_the_schema_goes_back_and_forth(run: Run, tenant: TenantId) -> None:
    back = run("migrate", "--to", "0002", "--json")
    assert (back.facts["before"], back.facts["after"]) == (REVISION, "0002")
    refused = run("check", "--json")
    assert (refused.code, refused.facts["code"]) == (3, "other_schema")
    assert run("backup", "anything", "--json").facts["code"] == "other_schema"
    forth = run("migrate")
    assert forth.out == f"The database had schema 0002, and has {REVISION} now.\n"
    assert run("refunds", "list", "--json").facts["refunds"][0]["state"] == "reserved"


@pytest.mark.parametrize("words", [("migrate", "--to", "0003"), ("migrate",), ("practice",)])
def test_no_schema_is_changed_under_a_worker_that_may_not_run_on_the_other(
    run: Run, parts: Parts, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(schema, "LOOKS", 1)
    if "--to" not in words:
        migrate(parts.house.engine, "0003")
    Workers(parts.house.engine).beat("of-another-version")
    refused = run(*words, "--json")
    assert (refused.code, refused.facts["code"]) == (3, "at_work")
    Workers(parts.house.engine).forget("of-another-version")
    assert run(*words, "--json").code == 0


def test_a_schema_that_is_there_already_is_no_change_for_anybody(run: Run, parts: Parts) -> None:
    Workers(parts.house.engine).beat("of-this-version")
    assert run("migrate", "--json").facts["after"] == REVISION


def test_going_back_does_not_forget_that_nothing_may_be_sent(
    run: Run, copy: Path, elsewhere: dict[str, str]
) -> None:
    run("restore", str(copy), **elsewhere)
    ran = run("migrate", "--to", "0002", "--json", **elsewhere)
    assert (ran.code, ran.facts["code"]) == (3, "held")
    assert run("migrate", **elsewhere).code == 0
    run("restore", "--release", **elsewhere)
    assert run("migrate", "--to", "0002", **elsewhere).code == 0
    assert run("migrate", "--to", "0001", **elsewhere).code == 0


def test_there_is_nothing_to_migrate_before_the_first_start(run_bare: Run) -> None:
    ran = run_bare("migrate", "--json")
    assert (ran.code, ran.facts["code"]) == (3, "no_database")
