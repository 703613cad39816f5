"""The wheel holds what runs and nothing else; the locks hold what setup.cfg asks.

Builds real wheels in temporary folders, without the network. The front end in them is a small
stand-in, so these tests need no Node; the real bundle is what `make build` writes.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("plugin", "webhooks", "manifests", "ui_extensions", "setup.cfg", "setup.py")
NOT_SOURCES = shutil.ignore_patterns("node_modules", "dist", ".dist-new", "__pycache__")
# Another environment must neither look into this one nor at the checkout.
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONNOUSERSITE": "1"}
SHOW_DATA = """
import plugin
from plugin.platforms.data_files import DataFiles
print(DataFiles().manifests(), DataFiles().asset("panel/panel.js"), sep="\\n")
"""


def copy_sources(folder: Path) -> Path:
    folder.mkdir()
    for name in (*SOURCES, "pyproject.toml", "README.md", "LICENSE"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=NOT_SOURCES)
        else:
            shutil.copy(source, folder)
    return folder


def build_front_end(folder: Path) -> None:
    dist = folder / "ui_extensions/dist"
    (dist / "panel").mkdir(parents=True)
    (dist / "assets.json").write_text('{"panel/panel.js": "panel/panel-AB12.js"}\n')
    (dist / "panel/panel-AB12.js").write_text("1\n")


def build_wheel(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", folder],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_sources(tmp_path_factory.mktemp("packaging") / "sources")
    build_front_end(folder)
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path) -> Path:
    done = build_wheel(sources)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (sources / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def contents(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Return the Python of a new environment that holds nothing but pip."""
    venv.create(tmp_path / "venv", with_pip=True, symlinks=True)
    return tmp_path / "venv/bin/python"


def pip_install(python: Path, *what: str | Path) -> None:
    # pip of this environment works for the other one, with no index to ask.
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    command = [*pip, "--no-index", "--no-deps", *map(str, what)]
    subprocess.run(command, check=True, env=ENVIRONMENT)


def shown_data(python: Path, folder: Path) -> list[Path]:
    done = subprocess.run(
        [python, "-c", SHOW_DATA],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(line) for line in done.stdout.splitlines()]


def test_the_wheel_s_top_level_names_are_exactly_ours(contents: set[str]) -> None:
    top = {name.partition("/")[0] for name in contents}
    assert {name for name in top if not name.endswith(".dist-info")} == {"plugin", "webhooks"}


def test_the_wheel_holds_every_module(contents: set[str]) -> None:
    modules = {
        path.relative_to(ROOT).as_posix()
        for folder in ("plugin", "webhooks")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert modules - contents == set()


def test_the_wheel_holds_every_file_that_is_read_at_run_time(contents: set[str]) -> None:
    beside_code = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "plugin").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc", ".md"}
    }
    manifests = {
        f"plugin/_manifests/{path.relative_to(ROOT / 'manifests').as_posix()}"
        for path in (ROOT / "manifests").rglob("*.json")
    }
    assert manifests
    assert (beside_code | manifests) - contents == set()


def test_of_the_front_end_the_wheel_holds_the_built_files_only(contents: set[str]) -> None:
    shipped = {name for name in contents if name.startswith("plugin/_ui_extensions/")}
    assert shipped - {"plugin/_ui_extensions/__init__.py"} == {
        "plugin/_ui_extensions/dist/assets.json",
        "plugin/_ui_extensions/dist/panel/panel-AB12.js",
    }


def test_the_wheel_is_well_formed(wheel: Path) -> None:
    # W009: two top-level names, which is what ADR 0001 decided.
    subprocess.run(
        [Path(sys.executable).with_name("check-wheel-contents"), "--ignore", "W002,W009", wheel],
        check=True,
    )


def test_the_wheel_carries_licence_command_and_python_version(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        info = "makegood-0.1.0.dist-info"
        metadata = archive.read(f"{info}/METADATA").decode()
        commands = archive.read(f"{info}/entry_points.txt").decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert "makegood = plugin.cli:main" in commands


def test_a_wheel_without_a_front_end_is_not_built(tmp_path: Path) -> None:
    folder = copy_sources(tmp_path / "sources")
    done = build_wheel(folder)
    assert done.returncode != 0
    assert "run `make build` first" in done.stdout + done.stderr
    assert not list(folder.glob("dist/*.whl"))


def test_an_installed_wheel_finds_its_data(wheel: Path, environment: Path, tmp_path: Path) -> None:
    pip_install(environment, wheel)
    manifests, panel = shown_data(environment, tmp_path)
    assert manifests.is_relative_to(environment.parent.parent)
    assert (manifests / "stores").is_dir()
    assert panel.read_text() == "1\n"


def test_an_editable_install_finds_the_checkout_s_data(
    sources: Path, environment: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sources"
    shutil.copytree(sources, folder)
    # The build backend, lent to the new environment: it has no index to take one from.
    (site,) = (environment.parent.parent / "lib").glob("python*/site-packages")
    setuptools = find_spec("setuptools")
    assert setuptools is not None
    assert setuptools.origin is not None
    for path in Path(setuptools.origin).parent.parent.glob("setuptools*"):
        if path.is_dir():
            shutil.copytree(path, site / path.name, dirs_exist_ok=True)
    pip_install(environment, "--no-build-isolation", "--editable", folder)
    manifests, panel = shown_data(environment, tmp_path)
    assert manifests == folder / "manifests"
    assert panel == folder / "ui_extensions/dist/panel/panel-AB12.js"


def requirement_lines(text: str) -> set[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return {line for line in lines if line}


def test_the_lock_is_made_from_what_setup_cfg_asks() -> None:
    config = configparser.ConfigParser(interpolation=None)
    config.read_string((ROOT / "setup.cfg").read_text())
    asked = requirement_lines(config["options"]["install_requires"])
    assert requirement_lines((ROOT / "requirements/run.in").read_text()) == asked


def test_the_lock_of_tracing_is_made_from_what_its_extra_asks() -> None:
    config = configparser.ConfigParser(interpolation=None)
    config.read_string((ROOT / "setup.cfg").read_text())
    asked = requirement_lines(config["options.extras_require"]["tracing"])
    assert requirement_lines((ROOT / "requirements/tracing.in").read_text()) == asked


@pytest.mark.parametrize("name", ["audit", "build", "node", "run", "test", "tracing"])
def test_every_requirement_is_locked_with_its_digest(name: str) -> None:
    locked = (ROOT / f"requirements/{name}.txt").read_text()
    pins = re.findall(r"^[A-Za-z0-9][^\n]*(?:\n {4}[^\n]*)*", locked, re.MULTILINE)
    assert pins
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)
    for line in requirement_lines((ROOT / f"requirements/{name}.in").read_text()):
        if not line.startswith("-"):
            wanted = re.split(r"[\[<>=;]", line)[0].strip().lower()
            assert re.search(rf"^{re.escape(wanted)}==", locked, re.MULTILINE | re.IGNORECASE)


@pytest.mark.parametrize(
    "name",
    [
        "requirements/audit.txt",
        "requirements/build.txt",
        "requirements/node.txt",
        "requirements/run.txt",
        "requirements/test.txt",
        "requirements/tracing.txt",
        "ui_extensions/package-lock.json",
        "tests/peers/package-lock.json",
    ],
)
def test_no_lock_names_a_registry(name: str) -> None:
    locked = (ROOT / name).read_text()
    assert "index-url" not in locked
    assert "find-links" not in locked
    assert '"resolved"' not in locked
