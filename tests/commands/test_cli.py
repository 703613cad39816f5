"""The command line's manners: codes, one object for machines, sentences in place of tracebacks."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import click
import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import QueuePool

from plugin.app import Parts
from plugin.cli import main
from plugin.commands import look
from plugin.commands.platforms import connect_examples
from plugin.domain.errors import InvalidInput, OutcomeUnknown, Refused, RetryLater
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.storage.database import choose_sqlite, open_database
from tests.commands.conftest import Run
from tests.databases import of_sqlite_alone


def commands(group: click.Group, *before: str) -> list[tuple[str, ...]]:
    """Every command below `group`, by its words."""
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        words = (*before, name)
        found += commands(command, *words) if isinstance(command, click.Group) else [words]
    return found


def test_every_command_of_the_house_is_there() -> None:
    assert {" ".join(words) for words in commands(main)} == {
        "serve",
        "web",
        "worker",
        "practice",
        "sign-in",
        "connect",
        "package",
        "shop",
        "sweep",
        "backup",
        "restore",
        "migrate",
        "check",
        "platforms list",
        "platforms check",
        "platforms matrix",
        "platforms new",
        "agents list",
        "agents revoke",
        "deliveries list",
        "deliveries show",
        "deliveries replay",
        "deliveries close",
        "effects list",
        "effects replay",
        "effects close",
        "refunds list",
        "refunds show",
        "audit verify",
    }


@pytest.mark.parametrize("words", [w for w in commands(main) if w != ("web",)], ids=" ".join)
def test_every_command_has_help_and_speaks_to_machines(
    words: tuple[str, ...], run_bare: Run
) -> None:
    shown = run_bare(*words, "--help")
    assert shown.code == 0
    assert "--json" in shown.out
    assert f"Usage: makegood {' '.join(words)}" in shown.out
    assert "\\b" not in shown.out
    assert "\b" not in shown.out


def test_the_help_of_connect_names_each_platform_with_its_fields_a_line_each(
    run_bare: Run,
) -> None:
    lines = [line.strip() for line in run_bare("connect", "--help").out.splitlines()]
    assert "makegood connect stripe --set api_key=@FILE" in lines
    assert "makegood connect systeme_io --set api_key=@FILE --set card_payments=..." in lines
    assert not any("connect practice" in line for line in lines)


def test_every_example_of_connect_is_a_call_that_can_be_made() -> None:
    examples = connect_examples()
    assert len(examples) >= 3
    for example in examples:
        program, name, *words = shlex.split(example)
        assert (program, name) == ("makegood", "connect")
        main.commands[name].make_context(name, words)


def test_a_call_without_words_shows_what_there_is(run_bare: Run) -> None:
    shown = run_bare("--help")
    assert shown.code == 0
    assert "refund desk" in shown.out
    assert "Run the web server only" not in shown.out


@pytest.mark.parametrize(
    "words",
    [
        ("fly",),
        ("connect",),
        ("refunds", "list", "--limit", "many"),
        ("refunds", "list", "--limit", "0"),
        ("check", "--fast"),
    ],
    ids=" ".join,
)
def test_words_that_are_off_are_code_2_for_people_and_machines(
    words: tuple[str, ...], run_bare: Run
) -> None:
    plain, machine = run_bare(*words), run_bare(*words, "--json")
    assert (plain.code, machine.code) == (2, 2)
    assert "Usage:" in plain.err
    assert plain.out == ""
    assert machine.facts["ok"] is False
    assert machine.facts["code"] == "usage"
    assert len(machine.out.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("worker",),
        ("sign-in",),
        ("connect", "stripe", "--set", "api_key=x"),
        ("package", "zendesk"),
        ("check",),
        ("deliveries", "list"),
        ("refunds", "list"),
        ("audit", "verify"),
    ],
    ids=" ".join,
)
def test_before_the_first_start_every_command_says_what_to_do(
    words: tuple[str, ...], run_bare: Run, data: Path
) -> None:
    refused = run_bare(*words, "--json")
    assert refused.code == 3
    assert refused.facts["code"] == "no_secret_keys"
    assert "makegood serve" in refused.err
    assert not data.exists()


def test_a_setting_that_cannot_be_used_is_code_2(run_bare: Run) -> None:
    refused = run_bare("check", "--json", MAKEGOOD_PORT="high")
    assert refused.code == 2
    assert refused.facts["detail"].startswith("MAKEGOOD_PORT: give a whole number")


def test_a_folder_that_cannot_be_made_is_told(run_bare: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused = run_bare("practice", MAKEGOOD_DATA_DIR=str(tmp_path / "file" / "data"))
    assert refused.code == 3
    assert "give another MAKEGOOD_DATA_DIR" in refused.err


@of_sqlite_alone("on PostgreSQL the keys are given, and none lie in the folder")
def test_a_folder_without_its_keys_is_told(run: Run, data: Path) -> None:
    (data / "secret-keys").unlink()
    refused = run("refunds", "list")
    assert refused.code == 3
    assert "no keys in" in refused.err


def test_keys_that_are_none_are_told_and_not_shown(run: Run) -> None:
    refused = run("refunds", "list", MAKEGOOD_SECRET_KEYS="canary-no-key")
    assert refused.code == 3
    assert "Fernet" in refused.err
    assert "canary" not in refused.err + refused.out


@of_sqlite_alone("the file is emptied")
def test_an_empty_database_is_told(run: Run, data: Path) -> None:
    (data / "makegood.sqlite").write_bytes(b"")
    for words in (("refunds", "list"), ("worker",), ("practice",)):
        refused = run(*words, "--json")
        assert refused.code == 3
        assert refused.facts["code"] == "lost_database"


@of_sqlite_alone("the file is emptied")
def test_a_database_that_was_never_in_use_is_told_and_made(run: Run, data: Path) -> None:
    (data / "makegood.sqlite").write_bytes(b"")
    (data / "makegood.sqlite.in-use").unlink()
    refused = run("refunds", "list", "--json")
    assert refused.code == 3
    assert refused.facts["code"] == "other_schema"
    assert run("practice", "--json").code == 0


def test_a_newer_database_is_told(run: Run, parts: Parts) -> None:
    with parts.house.engine.begin() as db:
        db.exec_driver_sql("UPDATE mg_schema SET version_num = '9999', oldest_code = '9999'")
    assert run("refunds", "list", "--json").facts["code"] == "other_schema"
    assert run("practice", "--json").facts["code"] == "newer_schema"


@pytest.mark.parametrize("words", [("refunds", "list"), ("practice",)], ids=" ".join)
@pytest.mark.parametrize("newer", [False, True])
def test_a_command_lets_go_of_the_database_when_it_ends(
    run: Run, parts: Parts, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], newer: bool
) -> None:
    opened = []

    def open_and_note(url: str) -> Engine:
        opened.append(open_database(url))
        return opened[-1]

    monkeypatch.setattr("plugin.first_start.open_database", open_and_note)
    if newer:
        with parts.house.engine.begin() as db:
            db.exec_driver_sql("UPDATE mg_schema SET version_num = '9999', oldest_code = '9999'")
    assert run(*words).code == (3 if newer else 0)
    pools = [engine.pool for engine in opened]
    assert [pool.checkedin() for pool in pools if isinstance(pool, QueuePool)] == [0] * len(opened)
    assert opened


@of_sqlite_alone("the file is overwritten")
def test_a_broken_database_needs_a_person_and_shows_no_row(run: Run, data: Path) -> None:
    (data / "makegood.sqlite").write_bytes(b"canary" * 2000)
    refused = run("refunds", "list", "--json")
    assert refused.code == 3
    assert refused.facts["code"] == "damaged_database"
    assert "canary" not in refused.out + refused.err


def test_a_database_that_breaks_under_a_command_needs_a_person(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        original = choose_sqlite().DatabaseError("database disk image is malformed: canary")
        raise DatabaseError("SELECT canary", None, original)

    monkeypatch.setattr(look, "list_refunds", break_down)
    refused = run("refunds", "list", "--json")
    assert refused.code == 3
    assert refused.facts["code"] == "damaged_database"
    assert "canary" not in refused.out + refused.err


def test_a_database_that_is_not_there_is_code_4(run_bare: Run, secret_key: str) -> None:
    refused = run_bare("refunds", "list", "--json", MAKEGOOD_SECRET_KEYS=secret_key)
    assert refused.code == 4
    assert "MAKEGOOD_DATABASE_URL" in refused.err


def test_a_front_end_that_was_not_built_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(DataFiles, "_folder", lambda *_: tmp_path)
    refused = run("check")
    assert refused.code == 3
    assert "make build" in refused.err


def test_a_package_that_takes_our_names_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "plugin.import_guard.packages_distributions", lambda: {"webhooks": ["stranger"]}
    )
    refused = run("check", "--json")
    assert refused.code == 3
    assert "pip uninstall stranger" in refused.facts["detail"]


def test_the_check_of_the_platforms_prints_each_rule_and_where_it_stands(run: Run) -> None:
    told = run("platforms", "check").out
    rules = [
        f"{rule.status:7} {rule.rule}: {rule.reason or rule.verified}"
        for manifest in Registry([DataFiles().manifests()]).manifests()
        for rule in manifest.quality
    ]
    assert len(rules) > 100
    assert [rule for rule in rules if rule not in told] == []


def test_a_broken_manifest_is_told_and_where_to_look(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    manifests = tmp_path / "manifests"
    shutil.copytree(DataFiles().manifests(), manifests)
    (manifests / "stores" / "stripe" / "platform.json").write_text("{")
    monkeypatch.setattr(DataFiles, "manifests", lambda _: manifests)
    listed = run("platforms", "check", "--json")
    assert listed.code == 1
    assert any("stripe" in fault for fault in listed.facts["faults"])
    assert any("stripe" in fault for fault in run("check", "--json").facts["faults"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput("x", "mend it"), 2),
        (Refused("key_refused", "give another key"), 3),
        (RetryLater("busy", "again in a minute"), 4),
        (OutcomeUnknown("silent", "look it up"), 4),
    ],
)
def test_each_kind_of_error_has_its_code(
    error: Exception, code: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("plugin.commands.look.list_refunds", fail)
    assert run("refunds", "list").code == code


def test_a_bug_is_not_dressed_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("plugin.commands.look.list_refunds", fail)
    with pytest.raises(ZeroDivisionError):
        run("refunds", "list")


def test_ctrl_c_is_code_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("plugin.commands.look.list_refunds", interrupt)
    assert run("refunds", "list", "--json").facts == {
        "ok": False,
        "code": "stopped",
        "detail": "stopped",
    }
