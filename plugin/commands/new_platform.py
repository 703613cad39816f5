"""`makegood platforms new`: writes a new platform's first files into a checkout.

They are the templates in `platform_templates`, each where it will lie: `both` and the folder of the
kind. Nothing that exists is touched, and nothing is left of a try that failed. What only the
vendor's documentation can tell is not filled in here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from configparser import Error as NotReadable
from keyword import iskeyword
from pathlib import Path, PurePosixPath
from typing import Final

from plugin.domain.errors import InvalidInput
from plugin.platforms.registry import class_name
from plugin.ports import Kind

Say = Callable[[str], None]

TEMPLATES: Final = Path(__file__).with_name("platform_templates")
CHECKOUT: Final = Path(__file__).resolve().parents[2]
_STEM: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_LONGEST: Final = 30
"""With more letters the lines of what is written would be too long."""


def write_platform(stem: str, kind: Kind, folder: Path | None, say: Say) -> list[str]:
    """Write the files below `folder`, or below the checkout that runs; return their paths.

    Raises InvalidInput, with nothing written, for a name that is no stem or is taken, and for a
    folder that is no checkout.
    """
    folder = folder or CHECKOUT
    _check_stem(stem)
    _check_checkout(folder)
    taken = list(_taken(folder, stem))
    if taken:
        raise InvalidInput("name", f"{stem} is taken: choose another name, or see {taken[0]}")
    files = dict(platform_files(stem, kind))
    _write(folder, files)
    for path in files:
        say(f"Wrote {path}")
    say(f"Go on with docs/adding-a-{kind}.md: nothing is declared before it is written.")
    say("The tables that name all platforms: run `cog -r README.md docs/*.md`.")
    return list(files)


def platform_files(stem: str, kind: Kind) -> Iterator[tuple[str, str]]:
    """Each file's path in the checkout, with slashes, and its text."""
    words = {
        "{{stem}}": stem,
        "{{name}}": stem.replace("_", " ").title(),
        "{{class}}": class_name(kind, stem),
        "{{host}}": stem.replace("_", "-"),
        "{{kind}}": kind.value,
    }
    for root in (TEMPLATES / "both", TEMPLATES / kind.value):
        for template in sorted(root.rglob("*.txt")):
            path = PurePosixPath(template.relative_to(root).with_suffix("").as_posix())
            text = template.read_text("utf-8")
            for word, meaning in words.items():
                text = text.replace(word, meaning)
            yield str(path).replace("STEM", stem), text


def _check_stem(stem: str) -> None:
    if not _STEM.fullmatch(stem) or len(stem) > _LONGEST:
        raise InvalidInput(
            "name", f"use small letters, digits and underscores, at most {_LONGEST}: good_shop"
        )
    if iskeyword(stem):
        raise InvalidInput("name", f"{stem} is a word of Python: choose another name")


def _check_checkout(folder: Path) -> None:
    config = ConfigParser()
    try:
        config.read(folder / "setup.cfg", "utf-8")
        is_ours = config.get("metadata", "name", fallback="") == "makegood"
    except (NotReadable, UnicodeDecodeError):
        is_ours = False
    if not is_ours:
        raise InvalidInput("into", f"{folder} is no checkout of Makegood: it needs its setup.cfg")


def _taken(folder: Path, stem: str) -> Iterator[str]:
    """What lies where a platform of this name, of either kind, has its files."""
    below = (*(f"{part}/{kind.folder}" for part in _PARTS for kind in Kind), *_SHARED)
    for parent in below:
        for found in sorted((folder / parent).glob(f"{stem}*")):
            if found.name.partition(".")[0] == stem:
                yield f"{parent}/{found.name}"


_PARTS: Final = ("manifests", "plugin", "webhooks")
_SHARED: Final = ("tests/platforms", "docs/platforms", "ui_extensions")


def _write(folder: Path, files: dict[str, str]) -> None:
    """All of them or none. Raises OSError."""
    made: list[Path] = []
    try:
        for path, text in files.items():
            target = folder / path
            for parent in reversed(target.relative_to(folder).parents):
                if not (folder / parent).is_dir():
                    (folder / parent).mkdir()
                    made.append(folder / parent)
            with target.open("x", encoding="utf-8") as file:
                made.append(target)
                file.write(text)
    except OSError:
        for one in reversed(made):
            if one.is_dir():
                one.rmdir()
            else:
                one.unlink()
        raise
