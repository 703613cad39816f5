"""A small run with the version before as it was, and the proof that the harness finds its bug."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin.storage.schema_version import REVISION
from tests.harness import run_harness
from tests.upgrade import older
from tests.upgrade.__main__ import MUST_BE_NOTHING, faults_in
from tests.upgrade.older import NoHistoryError, find_older, schema_of

pytestmark = pytest.mark.timeout(900)
"""Far beyond what it takes: on a busy machine processes start slowly."""
WORDS = ("--n", "1", "--seed", "20261122")


def test_nothing_is_lost_doubled_or_unreadable_on_the_way_up_and_back() -> None:
    code, told, said = run_harness("upgrade", *WORDS, "--database", "postgresql")
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code == 0, said
    assert [name for name in MUST_BE_NOTHING if told[name]] == []
    # The version before, the newer one, back, and up again; each with refunds, and read whole.
    assert told["steps"] >= 4
    assert told["refunds"] >= 8
    assert told["documents"] > 100


def test_a_version_whose_documents_the_one_before_cannot_read_is_found_out() -> None:
    code, told, said = run_harness("upgrade", *WORDS, "--planted")
    if "skipped" in told:
        pytest.skip(told["skipped"])
    assert code != 0
    assert told["unreadable"] > 0, said


def test_the_version_before_is_of_an_older_schema() -> None:
    try:
        commit = find_older()
    except NoHistoryError as error:
        pytest.skip(str(error))
    assert schema_of(commit) == f"{int(REVISION) - 1:04}"


def test_without_its_history_the_version_before_is_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    versions = tmp_path / "plugin" / "storage" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "r0001_first_schema.py").touch()
    monkeypatch.setattr(older, "ROOT", tmp_path)
    with pytest.raises(NoHistoryError, match="history is not at hand"):
        find_older()


def test_what_a_server_says_of_its_own_faults_is_counted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        '{"event": "web.failed endpoint=panel.refund kind=ValueError"}\n'
        '{"event": "web.answered route=/ status=200"}\nno JSON\n',
        "utf-8",
    )
    assert len(faults_in(log)) == 1
