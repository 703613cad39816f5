"""The documents say what is so: links, files, commands, settings, tables and generated parts.

Reads every page that users and engineers get. What a page shows is parsed as what it claims to be;
a command is held against the real command line, and nothing is run that changes anything.
"""

from __future__ import annotations

import ast
import configparser
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
from cogapp import Cog  # type: ignore[import-untyped]  # it ships no types

from plugin.cli import main
from plugin.domain.ids import InstallationId
from plugin.platforms.manifest_schema import read_manifest
from plugin.platforms.registry import Registry
from plugin.platforms.registry_check import check
from plugin.services.save_access_map import read_document
from plugin.settings import PREFIX, SETTINGS
from plugin.storage.tables import metadata
from tests import nothing_unseen
from tests.databases import VARIABLE
from tests.storage_fixtures import GIVEN_SERVER

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
)
FOLDERS = "plugin|webhooks|manifests|ui_extensions|tests|docs|tools|requirements"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
PROMISES = {f"P{number}" for number in range(1, 16)}
# Commands that are not ours and stand in the environment that `make` builds.
BROUGHT = {"cog", "python", "pytest", "pre-commit"}

_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_COG = re.compile(r"<!-- \[\[\[cog.*?\]\]\] -->", re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of one language, without the indent that a list gives them."""
    return [
        re.sub(rf"^{indent}", "", code, flags=re.MULTILINE)
        for indent, found, code in _BLOCK.findall(_COG.sub("", read(page)))
        if found == language
    ]


def prose(page: str) -> str:
    return _BLOCK.sub("", _COG.sub("", read(page)))


def inline_codes(page: str) -> list[str]:
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose(page))]


def anchors(page: Path) -> set[str]:
    """The ids that the headings of a page get where it is shown."""
    headings = re.findall(r"^#+ +(.+)$", _BLOCK.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(group: click.Group, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words of every command that is not hidden."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        elif not command.hidden:
            yield (*words, name)


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the first words name, and what comes after it. KeyError for none."""
    command: click.Command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))


def shell_lines() -> list[tuple[str, list[str]]]:
    lines = [
        (page, shlex.split(line, comments=True))
        for page in PAGES
        for block in blocks(page, "sh")
        for line in block.splitlines()
    ]
    return [(page, words) for page, words in lines if words]


# --- links and files ------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_picture_of_a_page_exists(page: str) -> None:
    missing = []
    for target in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            missing.append(target)
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    named = {
        code.rstrip("/")
        for code in inline_codes(page)
        if re.fullmatch(rf"(?:{FOLDERS})/[\w./*-]+", code) and "good_" not in code
    }
    assert not {name for name in named if not any(ROOT.glob(name))} - {"ui_extensions/dist"}


@pytest.mark.parametrize("page", PAGES)
def test_no_page_names_a_place_on_somebodys_machine(page: str) -> None:
    assert not re.findall(r"(?<![\w.:/])/(?:work|tmp|home|root|Users)\b", read(page))


# --- generated parts ------------------------------------------------------------------------------


def test_generated_parts_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    pages = [str(ROOT / page) for page in PAGES if "[[[cog" in read(page)]
    assert len(pages) >= 6
    code = Cog().main(["cog", "--check", "-I", str(ROOT), *pages])
    assert code == 0, capsys.readouterr().out


def test_a_generated_part_that_fell_behind_is_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = Path(shutil.copy(ROOT / "docs/architecture.md", tmp_path))
    stale.write_text(stale.read_text().replace("| `reserved` | yes |", "| `reserved` | no |"))
    assert Cog().main(["cog", "--check", "-I", str(ROOT), str(stale)]) != 0
    assert "architecture.md" in capsys.readouterr().out


# --- what is shown --------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_python_and_json_that_a_page_shows_can_be_read(page: str) -> None:
    for code in blocks(page, "python"):
        ast.parse(code)
    for code in blocks(page, "json"):
        json.loads(code)


def test_the_access_map_that_is_shown_is_one() -> None:
    [example] = [b for b in blocks("docs/operating.md", "json") if '"products"' in b]
    access = read_document(json.loads(example), InstallationId("shop"))
    assert (len(access.products), len(access.bundles), len(access.tags)) == (3, 1, 1)


def test_the_manifest_that_is_shown_lacks_only_what_the_page_says(tmp_path: Path) -> None:
    page = "docs/adding-a-store.md"
    [example] = blocks(page, "json")
    assert read_manifest(example.encode()).stem == "good_shop"
    folder = tmp_path / "stores" / "good_shop"
    folder.mkdir(parents=True)
    (folder / "platform.json").write_text(example)
    said = [str(fault) for fault in check(Registry([tmp_path]), ROOT)]
    assert said == blocks(page, "text")[0].splitlines()


def test_the_layers_that_are_shown_are_those_that_are_checked() -> None:
    config = configparser.ConfigParser(inline_comment_prefixes=None)
    config.read(ROOT / "setup.cfg", "utf-8")
    checked = config["importlinter:contract:layers"]["layers"].strip().splitlines()
    told = " ".join(blocks("docs/architecture.md", "text")[0].split()).split(" > ")
    assert told == [layer.replace("plugin.", "") for layer in checked]


# --- commands and settings ------------------------------------------------------------------------


def test_every_command_is_documented() -> None:
    codes = inline_codes("docs/operating.md")
    assert not {
        words
        for words in commands(main, ("makegood",))
        if not any(code.split()[: len(words)] == list(words) for code in codes)
    }


def test_every_shell_line_that_is_shown_can_be_typed() -> None:
    lines = shell_lines()
    assert len(lines) >= 10
    for page, (program, *words) in lines:
        name = program.removeprefix(".venv/bin/")
        if name == "makegood":
            command, rest = resolve(words)
            command.make_context(name, rest)  # raises UsageError for a wrong option or a gap
        elif name == "make":
            assert words[0] in make_targets(), (page, words)
        elif name == "export":
            assert words[0].partition("=")[0] in {setting.variable for setting in SETTINGS}
        else:
            assert name in BROUGHT, (page, program)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_mentions_exists(page: str) -> None:
    for program, *words in (code.split() for code in inline_codes(page)):
        if program == "make" and words:
            assert words[0] in make_targets()
        if program.removeprefix(".venv/bin/") == "makegood":
            command, rest = resolve(words)
            if not isinstance(command, click.Group):
                parser = command.make_parser(click.Context(command))
                _, too_many, _ = parser.parse_args(rest)  # raises NoSuchOption
                assert not too_many


def test_every_setting_is_documented_and_no_other_is_named() -> None:
    known = {setting.variable for setting in SETTINGS}
    assert known <= set(inline_codes("docs/operating.md"))
    named = {name for page in PAGES for name in re.findall(rf"\b{PREFIX}[A-Z_]+[A-Z]", read(page))}
    assert named <= known | {VARIABLE, GIVEN_SERVER, nothing_unseen.VARIABLE}


# --- what must be complete ------------------------------------------------------------------------


def test_every_table_is_explained() -> None:
    assert set(metadata.tables) <= set(inline_codes("docs/architecture.md"))


def test_every_event_that_is_logged_is_explained_and_no_other() -> None:
    logged = {name for folder in ("plugin", "webhooks") for name in events_in(ROOT / folder)}
    _, _, rest = read("docs/operating.md").partition("\n## Logs\n")
    rows = re.findall(r"^\| (`.*?) \|", rest.partition("\n## ")[0], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == logged


def events_in(folder: Path) -> Iterator[str]:
    """The names of events in a log call's first words, such as `worker.started`."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and (found := re.match(r"[a-z]+\.[a-z_]+(?= |$)", str(node.args[0].value)))
            ):
                yield found[0]


def test_every_promise_names_tests_that_exist() -> None:
    rows = dict(re.findall(r"^\| (P\d+) \|.*\|([^|]*)\|$", read("SECURITY.md"), re.MULTILINE))
    assert rows
    for promise, shown_by in rows.items():
        tests = re.findall(r"`([^`]+)`", shown_by)
        assert tests, promise
        assert not [test for test in tests if not holds_tests(ROOT / test)], promise


def holds_tests(path: Path) -> bool:
    """Tell whether a test module, or a folder with tests or a harness to run, is really there."""
    if path.is_dir():
        return any(path.rglob("test_*.py")) or (path / "__main__.py").is_file()
    return path.is_file() and "\ndef test_" in path.read_text().replace("    def", "def")


def test_every_promise_is_made_or_said_not_to_be() -> None:
    security = read("SECURITY.md")
    made = set(re.findall(r"^\| (P\d+) \|", security, re.MULTILINE))
    _, _, rest = security.partition("\nNot promised in this release:")
    unmade = set(re.findall(r"P\d+", rest.partition("\n\n")[0]))
    assert made | unmade == PROMISES
    assert not made & unmade


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    [newest, *_] = re.findall(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)
    assert newest == config["metadata"]["version"]
