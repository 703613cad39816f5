"""`makegood platforms new`: a toy store and a toy desk, as they are written and then filled in.

Written as they come, they pass every check and claim nothing. With what a developer writes into
them, they keep the contracts, and a refund goes through both.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin.commands import new_platform
from plugin.commands.new_platform import platform_files, write_platform
from plugin.domain.errors import InvalidInput
from plugin.platforms.manifest import QualityStatus
from plugin.platforms.registry import Registry
from plugin.ports import Kind
from tests import nothing_unseen
from tests.commands.conftest import Run
from tests.commands.toys import DESK, SHOP, fill_in
from tests.tree_copy import ROOT, copy_tree, environment

_SECONDS = 150
"""For one check in a process of its own."""
KINDS = {SHOP: Kind.STORE, DESK: Kind.HELPDESK}
LONGEST = "a_platform_with_thirty_letters"


def quiet(_: str) -> None:
    """Nobody listens."""


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A checkout with nothing in it but what tells that it is one."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy(ROOT / "setup.cfg", folder)
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


# --- what is written ------------------------------------------------------------------------------


def test_every_file_stands_under_its_stem(run_bare: Run, empty: Path) -> None:
    for stem, kind in KINDS.items():
        done = run_bare(
            "platforms", "new", stem, "--kind", kind.value, "--into", str(empty), "--json"
        )
        assert done.code == 0, done.err
        assert set(done.facts["files"]) <= set(digests(empty))
        assert all(f"/{stem}" in file for file in done.facts["files"])
    assert set(digests(empty)) - {"setup.cfg"} == {
        path for stem, kind in KINDS.items() for path, _ in platform_files(stem, kind)
    }


def test_nothing_is_claimed(empty: Path) -> None:
    for stem, kind in KINDS.items():
        write_platform(stem, kind, empty, quiet)
        manifest = Registry([empty / "manifests"]).manifest(kind, stem)
        assert {level.value for level in manifest.capabilities.values()} == {"none"}
        assert {rule.status for rule in manifest.quality} == {QualityStatus.TODO}
        assert manifest.webhooks is None
        assert manifest.outgoing is not None
        assert all(host.endswith(".example") for host in manifest.outgoing.hosts)


def test_without_a_folder_it_is_the_checkout_that_runs(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert new_platform.CHECKOUT == ROOT
    monkeypatch.setattr(new_platform, "CHECKOUT", empty)
    write_platform(SHOP, Kind.STORE, None, quiet)
    assert (empty / f"plugin/stores/{SHOP}.py").is_file()


def test_the_templates_are_in_the_package_s_data() -> None:
    """`setup.py` ships the text files below `plugin`; a template of another kind would be lost."""
    files = [path for path in new_platform.TEMPLATES.rglob("*") if path.is_file()]
    assert files
    assert {path.suffix for path in files} == {".txt"}
    assert '"**/*.txt"' in (ROOT / "setup.py").read_text("utf-8")


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("", "Toy", "toy-shop", "toy shop", "_toy", "toy_", "toy__shop", "7toys", "toy.py"),
        *("../toy", "toy/shop", "toy\n", "töy", "٣", "class", f"{LONGEST}s"),
    ],
)
def test_a_name_that_is_no_stem_writes_nothing(run_bare: Run, empty: Path, name: str) -> None:
    before = digests(empty)
    words = ("--kind", "store", "--into", str(empty), "--json")
    done = run_bare("platforms", "new", *words, "--", name)
    assert done.code == 2
    assert done.facts["detail"].startswith("name: ")
    assert digests(empty) == before


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    "there",
    [
        f"manifests/stores/{SHOP}/platform.json",
        f"manifests/helpdesks/{SHOP}/anything",
        f"plugin/stores/{SHOP}.py",
        f"plugin/stores/{SHOP}/__init__.py",
        f"webhooks/stores/{SHOP}.py",
        f"tests/platforms/{SHOP}/fake.py",
        f"docs/platforms/{SHOP}.md",
        f"ui_extensions/{SHOP}/bridge.js",
    ],
)
def test_a_name_that_is_taken_leaves_everything_as_it_was(
    empty: Path, kind: Kind, there: str
) -> None:
    (empty / there).parent.mkdir(parents=True)
    (empty / there).write_text("somebody's work")
    before = digests(empty)
    with pytest.raises(InvalidInput, match="is taken"):
        write_platform(SHOP, kind, empty, quiet)
    assert digests(empty) == before


def test_a_name_that_begins_like_another_one_is_free(empty: Path) -> None:
    write_platform(f"{SHOP}_pro", Kind.STORE, empty, quiet)
    write_platform(SHOP, Kind.STORE, empty, quiet)


@pytest.mark.parametrize("there", [None, "[metadata]\nname = somebody", "[", "", b"\xff\xfe"])
def test_a_folder_that_is_no_checkout_gets_nothing(
    run_bare: Run, tmp_path: Path, there: str | bytes | None
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    if there is not None:
        raw = there.encode() if isinstance(there, str) else there
        (folder / "setup.cfg").write_bytes(raw)
    before = digests(folder)
    done = run_bare("platforms", "new", SHOP, "--kind", "store", "--into", str(folder))
    assert done.code == 2
    assert "is no checkout of Makegood" in done.err
    assert digests(folder) == before


def test_a_try_that_fails_in_the_middle_leaves_nothing(empty: Path) -> None:
    (empty / "webhooks").write_text("a file, where a folder is needed")
    before = set(empty.rglob("*"))
    with pytest.raises(OSError, match="webhooks"):
        write_platform(SHOP, Kind.STORE, empty, quiet)
    assert set(empty.rglob("*")) == before


# --- in a whole checkout --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of ours."""
    tree = copy_tree(tmp_path_factory.mktemp("platforms") / "tree")
    shutil.copytree(ROOT / "docs", tree / "docs")
    yield tree
    shutil.rmtree(tree)


def run_in(tree: Path, *words: str) -> str:
    """Run a module of Python in the copy, which must go well; what it said."""
    # What is only begun skips what it has not yet, which nobody judges.
    not_taken = ("PYTHONPATH", "CI", nothing_unseen.VARIABLE)
    outside = {k: v for k, v in environment(tree).items() if k not in not_taken}
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=tree,
        env={**outside, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(4 * _SECONDS)
def test_as_written_all_checks_pass_and_filled_in_the_contracts_are_kept(checkout: Path) -> None:
    """One after the other on one copy: it is large, and so is what the checks read."""
    before = digests(checkout)
    asked = {**KINDS, LONGEST: Kind.STORE}
    files = [f for stem, kind in asked.items() for f in write_platform(stem, kind, checkout, quiet)]
    code = [file for file in files if file.endswith(".py")]
    after = digests(checkout)
    assert {name: after[name] for name in before} == before

    run_in(checkout, "ruff", "check", "--no-cache", *code)
    run_in(checkout, "ruff", "format", "--no-cache", "--check", *code)
    run_in(checkout, "mypy", "--strict", "--cache-dir", str(checkout / "seen"), *code)
    assert "All platforms keep" in run_in(checkout, "plugin.cli", "platforms", "check")
    tests = [f"tests/platforms/{stem}" for stem in KINDS]
    assert "skipped" in _tested(checkout, *tests)

    fill_in(checkout)
    assert "All platforms keep" in run_in(checkout, "plugin.cli", "platforms", "check")
    judge = "tests/platforms/test_contracts_are_kept.py"
    chosen = f"TestFinds or TestMoney or TestDesk or {SHOP}] or {DESK}]"
    said = _tested(checkout, "-k", chosen, *tests, judge)
    assert "skipped" not in said


def _tested(tree: Path, *words: str) -> str:
    base = str(tree / "base")
    return run_in(tree, "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", base, *words)
