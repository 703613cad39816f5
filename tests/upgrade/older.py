"""The version before, as it was: the last commit before the newest migration came in.

Found by git itself. Its files are taken out of the history into a folder of their own, and its
processes run there, in the Python of these tests; today's run in a copy. The front end is today's:
how a screen is dressed is nothing that a schema knows. Accounts may be called more often.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from plugin.platforms.data_files import DataFiles
from plugin.storage.schema_version import REVISION
from tests.tree_copy import copy_tree

ROOT = Path(__file__).resolve().parents[2]
NO_HISTORY = (
    "history is not at hand: the commit before the newest migration cannot be reached. "
    "Fetch it: git fetch --unshallow"
)
_MIGRATIONS = "plugin/storage/migrations/versions"
_RUNS = ("plugin", "webhooks", "manifests", "ui_extensions", "setup.cfg")


class NoHistoryError(Exception):
    """The version before cannot be had here: no git, no clone, or one that is too shallow."""


@dataclass(frozen=True, slots=True)
class Version:
    """Code that can be run: the folder in which it stands, and the schema that it makes.

    `commit` is empty for the working tree.
    """

    tree: Path
    schema: str
    commit: str = ""

    @property
    def oldest_code(self) -> str:
        """From which schema on code may run on the one that this version makes."""
        [migration] = (self.tree / _MIGRATIONS).glob(f"r{self.schema}_*.py")
        [found] = re.findall(r'^oldest_code = "(\d+)"$', migration.read_text("utf-8"), re.MULTILINE)
        return str(found)


def take_present(into: Path) -> Version:
    """This code, as it stands in the working tree, in the folder `into`."""
    return _unlimited(Version(copy_tree(into), REVISION))


def find_older() -> str:
    """The last commit whose newest migration is the one before the newest of today.

    Raises NoHistoryError where it cannot be reached.
    """
    newest = max(path.name for path in (ROOT / _MIGRATIONS).glob("r*.py"))
    came_in = _git("log", "-1", "--diff-filter=A", "--format=%H", "--", f"{_MIGRATIONS}/{newest}")
    # One that is not committed yet came after all that is.
    commit = _git("rev-parse", "--verify", f"{came_in}^" if came_in else "HEAD")
    schema_of(commit)
    return commit


def schema_of(commit: str) -> str:
    """The schema that a commit's code makes. It must be an older one than today's."""
    listed = _git("ls-tree", "--name-only", commit, f"{_MIGRATIONS}/").splitlines()
    names = [name.rpartition("/")[2] for name in listed]
    schema = max((name[1:5] for name in names if name.startswith("r")), default="")
    if not schema or schema >= REVISION:
        raise NoHistoryError(NO_HISTORY)
    return schema


def take_out(commit: str, into: Path) -> Version:
    """The code of `commit` in the folder `into`, ready to run."""
    packed = subprocess.run(
        ["git", "archive", commit, *_RUNS], cwd=ROOT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as files:
        files.extractall(into, filter="data")
    dist = into / "ui_extensions" / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    shutil.copytree(DataFiles().front_end(), dist)
    return _unlimited(Version(into, schema_of(commit), commit))


def _unlimited(version: Version) -> Version:
    """With accounts that may be called as often as traffic wants: the rest is as it stands."""
    for file in (version.tree / "manifests").glob("*/*/platform.json"):
        told = json.loads(file.read_text("utf-8"))
        if told.get("outgoing"):
            told["outgoing"]["rate_limit"] = {"requests": 6000, "per_seconds": 60, "burst": 6000}
            file.write_text(json.dumps(told), "utf-8")
    return version


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoHistoryError(NO_HISTORY) from error
    return done.stdout.strip()
