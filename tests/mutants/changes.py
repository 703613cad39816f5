"""What mutmut did to one file, and what became of each change."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.tree_copy import ROOT, environment

EXPLAINED: Final = Path(__file__).with_name("survivors.json")
_SECTION: Final = "makegood:mutants"
_NOTICED: Final = frozenset({1, 3, 24, 36, 152, 255, -24})
"""How mutmut writes down that tests failed, or that they ran far longer than they should."""
_UNNOTICED: Final = frozenset({0, 33})
"""That all tests passed, and that no test came to the changed function."""


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One change, by its text and not by a number, which moves whenever code above it does."""

    file: str
    function: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of all changes of one file. `unclear` are those that were not judged at all."""

    killed: int
    survivors: Sequence[Change]
    unclear: Sequence[str]


def judging_tests(root: Path = ROOT) -> Mapping[str, Sequence[str]]:
    """By file to change: the tests that judge it."""
    config = ConfigParser()
    config.read(root / "setup.cfg", "utf-8")
    return {file: tests.split() for file, tests in config[_SECTION].items()}


def explained(path: Path = EXPLAINED) -> Mapping[Change, str]:
    """The survivors that we know, and why each may live. Raises ValueError for one without why."""
    reasons: dict[Change, str] = {}
    for group in json.loads(path.read_text("utf-8")):
        if not group["why"].strip():
            raise ValueError(f"{path.name}: say why {group['changes']} may survive")
        for one in group["changes"]:
            reasons[Change(group["file"], one["function"], one["was"], one["now"])] = group["why"]
    return reasons


def judge(tree: Path, file: str, tests: Sequence[str], workers: int) -> Judged:
    """Have mutmut change `file` of `tree`, and `tests` judge each change.

    Raises RuntimeError, with the end of what mutmut said, where it did not come to its end.
    """
    _configure(tree, file, tests)
    said = _mutmut(tree, "run", "--max-children", str(workers))
    meta = tree / "mutants" / f"{file}.meta"
    if said.returncode != 0 or not meta.is_file():
        end = (said.stdout + said.stderr).replace("\r", "\n").splitlines()[-30:]
        raise RuntimeError("\n".join([f"mutmut ended with {said.returncode}", *end]))
    codes: Mapping[str, int | None] = json.loads(meta.read_text("utf-8"))["exit_code_by_key"]
    return Judged(
        sum(code in _NOTICED for code in codes.values()),
        _shown(tree, file, [name for name, code in codes.items() if code in _UNNOTICED]),
        [f"{name}: {code}" for name, code in codes.items() if code not in _NOTICED | _UNNOTICED],
    )


def _configure(tree: Path, file: str, tests: Iterable[str]) -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    config["mutmut"] = {
        "source_paths": "\nplugin\nwebhooks",
        "only_mutate": file,
        "also_copy": "\nmanifests\nui_extensions",
        "pytest_add_cli_args_test_selection": "\n" + "\n".join(tests),
        # The same examples each time: a change that only chance notices is not noticed.
        "pytest_add_cli_args": "\n-p\nno:randomly\n-p\nno:cacheprovider\n--hypothesis-seed=0",
    }
    with (tree / "setup.cfg").open("w", encoding="utf-8") as told:
        config.write(told)


def _mutmut(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return _python(tree, "-m", "mutmut", *words)


def _shown(tree: Path, file: str, names: Sequence[str]) -> Sequence[Change]:
    """The changes with these names, all shown by one process: loading mutmut takes a second."""
    texts: list[str] = json.loads(_python(tree, "-c", _SHOW, *names).stdout)
    return [_change(file, name, text) for name, text in zip(names, texts, strict=True)]


_SHOW: Final = """
import json, sys
from click.testing import CliRunner
from mutmut.__main__ import cli
print(json.dumps([CliRunner().invoke(cli, ["show", name]).output for name in sys.argv[1:]]))
"""


def _python(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=tree,
        env=environment(tree),
        capture_output=True,
        text=True,
        check=False,
    )


def _change(file: str, name: str, shown: str) -> Change:
    """The change that `mutmut show` shows, without what is the same on both sides."""
    lines = [one for one in shown.splitlines() if not one.startswith(("---", "+++", "@@", "#"))]
    was = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    now = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    function = name.rpartition(".")[2].rpartition("__mutmut_")[0]
    function = function.replace("xǁ", "", 1).replace("ǁ", ".").removeprefix("x_")
    return Change(file, function, was, now)
