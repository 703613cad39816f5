"""A copy of the tree in which code may be broken on purpose; the tree itself is never touched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
_FOLDERS: Final = ("plugin", "webhooks", "manifests", "ui_extensions", "tests", "tools", "bench")
_FILES: Final = ("setup.cfg", "pyproject.toml")
_LEFT_OUT: Final = shutil.ignore_patterns("node_modules", ".dist-new", "*_cache", "__pycache__")


def copy_tree(into: Path) -> Path:
    """Copy what runs and what tests it to `into`, which must not exist; returns `into`."""
    into.mkdir(parents=True)
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, into / name, ignore=_LEFT_OUT)
    for name in _FILES:
        shutil.copy2(ROOT / name, into / name)
    return into


def environment(tree: Path) -> dict[str, str]:
    """For a process that runs in the copy: nothing of the tests that we may be a part of."""
    ours = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
    # What Hypothesis keeps of failures that we caused goes away with the copy.
    kept = {"HYPOTHESIS_STORAGE_DIRECTORY": str(tree / "kept")}
    return {**ours, **kept}
