"""The architecture holds: layers, one stem per platform, one reader of the environment.

What import-linter can say stands in setup.cfg and is run here; the rest reads the sources. It
imports none of the code it judges.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINES_TO_READ_IN_A_SITTING = 500
GENERATED = {"node_modules", "dist", ".dist-new", "__pycache__"}

# A stem that is also one of the product's own words. Practice is a mode people switch on
# (`makegood practice`), so the word stands in commands, settings and texts.
PRODUCT_WORDS = {"practice"}


def files(*folders: str, suffixes: tuple[str, ...] = (".py",)) -> Iterator[Path]:
    """Yield our own source files below the folders, relative to the root."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            relative = path.relative_to(ROOT)
            if path.suffix in suffixes and GENERATED.isdisjoint(relative.parts):
                yield relative


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """Yield the absolute names a module imports, wherever in it the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def reads_environment(tree: ast.AST) -> bool:
    """Tell whether a module asks the operating system for environment variables."""
    names = {"environ", "environb", "getenv", "getenvb"}
    return any(
        (
            isinstance(node, ast.Attribute)
            and node.attr in names
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"  # not a WSGI request's environ
        )
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and not names.isdisjoint(alias.name for alias in node.names)
        )
        for node in ast.walk(tree)
    )


def platform_names(stem: str) -> re.Pattern[str]:
    """Match a stem and its other spellings: systeme_io, Systeme.io, systeme-io, SystemeIoStore."""
    spelled = stem.replace("_", "[ ._-]?")
    in_class_names = "".join(part.title() for part in stem.split("_"))
    return re.compile(rf"(?<![a-z])(?i:{spelled})(?![a-z])|(?<![a-z]){in_class_names}(?![a-z])")


def belongs_to(stem: str, path: Path) -> bool:
    """Tell whether a file is one of the platform's own: its name or a folder starts with it."""
    return any(part == stem or part.startswith((f"{stem}.", f"{stem}_")) for part in path.parts)


def stems() -> list[str]:
    declared = {path.parent.name for path in ROOT.glob("manifests/*/*/platform.json")}
    return sorted(declared)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--config", "setup.cfg", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_import_contract_is_kept() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "planted", "contract"),
    [
        ("plugin/domain/planted.py", "import os", "The domain is pure"),
        ("plugin/domain/planted.py", "import plugin.ports", "Layers"),
        ("plugin/services/planted.py", "import requests", "Services and ports know no framework"),
        ("plugin/storage/planted.py", "import dbos", "Only workflows know the durable engine"),
        ("webhooks/stores/planted.py", "import plugin.helpdesks", "Layers"),
        ("plugin/stores/planted.py", "import plugin.stores.practice", "No adapter borrows"),
        ("plugin/web/planted.py", "import plugin.stores.practice", "Web, intake and workflows"),
    ],
)
def test_a_planted_import_breaks_its_contract(
    tmp_path: Path, module: str, planted: str, contract: str
) -> None:
    for name in ("plugin", "webhooks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    (tmp_path / module).write_text(f"{planted}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(rf"{contract}.* BROKEN", done.stdout), done.stdout


def test_the_domain_imports_the_standard_library_and_itself_only() -> None:
    foreign = {
        f"{path}: {name}"
        for path in files("plugin/domain")
        for name in imported_modules(ast.parse((ROOT / path).read_text()))
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not f"{name}.".startswith("plugin.domain.")
    }
    assert not foreign


def test_only_workflows_import_the_durable_engine() -> None:
    outside = {
        str(path)
        for path in files("plugin", "webhooks")
        if not path.is_relative_to("plugin/workflows")
        for name in imported_modules(ast.parse((ROOT / path).read_text()))
        if name.partition(".")[0] == "dbos"
    }
    assert not outside


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        str(path)
        for path in files("plugin", "webhooks")
        if reads_environment(ast.parse((ROOT / path).read_text()))
    }
    # The second sets, for our own child processes, what the Prometheus library reads.
    assert readers == {"plugin/settings.py", "plugin/watch/folder.py"}


@pytest.mark.parametrize(
    "source",
    ["import os\nos.environ['A']", "import os\nos.getenv('A')", "from os import environ as e"],
)
def test_reading_the_environment_is_seen_in_every_form(source: str) -> None:
    assert reads_environment(ast.parse(source))


def test_a_request_s_own_environ_is_no_reading_of_ours() -> None:
    assert not reads_environment(ast.parse("request.environ['PATH_INFO']"))


def test_platforms_are_declared() -> None:
    assert stems(), "no manifests/*/*/platform.json found; the next test would check nothing"


def test_no_platform_is_named_outside_its_own_files() -> None:
    suffixes = (".py", ".html", ".js", ".mjs", ".css")
    sources = list(files("plugin", "webhooks", "ui_extensions", suffixes=suffixes))
    named = [
        f"{path}:{number}: {line.strip()}"
        for stem in stems()
        if stem not in PRODUCT_WORDS
        for path in sources
        if not belongs_to(stem, path)
        for number, line in enumerate((ROOT / path).read_text().splitlines(), start=1)
        if platform_names(stem).search(line)
    ]
    assert not named, "\n".join(named)


@pytest.mark.parametrize(
    "text", ["systeme_io", "Systeme.io's", "SYSTEME-IO", "find_in_systeme_io", "SystemeIoStore"]
)
def test_a_platform_is_recognised_in_its_spellings(text: str) -> None:
    assert platform_names("systeme_io").search(text)


def test_a_word_that_only_contains_a_stem_is_not_a_platform() -> None:
    assert not platform_names("stripe").search("a striped table, pinstripes")


def test_every_module_can_be_read_in_a_sitting() -> None:
    long = {
        f"{path}: {lines} lines"
        for path in files(
            *("plugin", "webhooks", "tests", "tools", "ui_extensions"),
            suffixes=(".py", ".js", ".mjs", ".css", ".html"),
        )
        if (lines := len((ROOT / path).read_text().splitlines())) > LINES_TO_READ_IN_A_SITTING
    }
    assert not long


def test_every_module_says_first_what_it_is_for() -> None:
    silent = {
        str(path)
        for path in files("plugin", "webhooks", "tools")
        if (source := (ROOT / path).read_text()).strip()
        and not ast.get_docstring(ast.parse(source))
    }
    assert not silent
