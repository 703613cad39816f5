"""Unsafe settings and damaged files, on the real commands: each must stop with a clear word.

A start that is rightly refused ends with exit code 3, and its words name what is wrong. One that
goes on is `damaged_opened`; one that goes on without the tenant that was there is `looks_empty`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from plugin.chance import SystemClock, SystemMint
from plugin.domain.errors import MakegoodError, NeedsHuman
from plugin.first_start import prepare_house
from plugin.settings import Settings, read_settings
from plugin.storage.database import choose_sqlite
from tests.kill.peers import ROOT
from tests.kill.places import free_port
from tests.powercut.core_path import CorePath

NEEDS_PERSON = 3
START_SECONDS = 60
DATABASE = "makegood.sqlite"


@dataclass(slots=True)
class BadStarts:
    """Each finding is a sentence; the counts are what the last line shows."""

    tried: int = 0
    damaged_opened: list[str] = field(default_factory=list)
    looks_empty: list[str] = field(default_factory=list)
    unsafe_accepted: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        for name in ("damaged_opened", "looks_empty", "unsafe_accepted", "unclear"):
            yield from (f"{name}: {finding}" for finding in getattr(self, name))


def try_bad_starts(folder: Path, rounds: int = 3, *, few: bool = False) -> BadStarts:
    """All of it below `folder`, which must exist. `few`: one command only for each."""
    found = BadStarts()
    whole = folder / "whole"
    CorePath(read_settings({"MAKEGOOD_DATA_DIR": str(whole)}), lambda _: None).walk(rounds)
    _fold_log(whole / DATABASE)
    commands = [("serve", "worker"), ("worker", "serve")]
    for number, (name, damage) in enumerate(DAMAGES.items()):
        for command in commands[number % 2][: 1 if few else 2]:
            _start_damaged(whole, folder / "damaged", f"{name}, {command}", damage, found)
    _spoil_each_page(whole, folder / "spoiled", found)
    for number, name in enumerate(UNSAFE):
        for command in commands[number % 2][: 1 if few else 2]:
            _start_unsafe(whole, folder / "unsafe", name, command, found)
    return found


def _fold_log(database: Path) -> None:
    """Bring the log into the database: beside a log that has all, damage to the file is none."""
    connection = choose_sqlite().connect(database)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    for part in ("-wal", "-shm"):
        database.with_name(f"{DATABASE}{part}").unlink(missing_ok=True)


# --- damage ---------------------------------------------------------------------------------------


def _overwrite(at: float) -> Callable[[Path], None]:
    """Garbage over one page, `at` per cent into the file."""

    def damage(database: Path) -> None:
        content = bytearray(database.read_bytes())
        page = int(len(content) // 4096 * at / 100) * 4096
        content[page : page + 4096] = random.Random(at).randbytes(4096)
        database.write_bytes(content)

    return damage


def _cut(to: float) -> Callable[[Path], None]:
    """Cut off behind `to` per cent."""

    def damage(database: Path) -> None:
        os.truncate(database, int(database.stat().st_size * to / 100))

    return damage


def _no_database(database: Path) -> None:
    """Another file under its name."""
    database.write_bytes(b"not a database\n" * 4096)


def _empty_database(database: Path) -> None:
    """A sound database without any table."""
    database.unlink()
    connection = choose_sqlite().connect(database)
    connection.execute("PRAGMA user_version=1")
    connection.close()


def _no_tenants(database: Path) -> None:
    """Our tables, and nobody in them."""
    connection = choose_sqlite().connect(database)
    connection.execute("DELETE FROM mg_tenants")
    connection.commit()
    connection.close()


DAMAGES: Mapping[str, Callable[[Path], None]] = {
    "first page overwritten": _overwrite(0),
    "overwritten in the middle": _overwrite(10),
    "cut in the middle": _cut(50),
    "cut to half a page": lambda database: os.truncate(database, 2000),
    "cut to nothing": lambda database: os.truncate(database, 0),
    "no database": _no_database,
    "gone": lambda database: database.unlink(),
    "emptied": _empty_database,
    "nobody in it": _no_tenants,
}


def _start_damaged(
    whole: Path, folder: Path, name: str, damage: Callable[[Path], None], found: BadStarts
) -> None:
    database = _fresh(whole, folder) / DATABASE
    damage(database)
    before = database.read_bytes() if database.exists() else b""
    command = name.rpartition(" ")[2]
    ended = _start(command, {"MAKEGOOD_DATA_DIR": str(folder)}, found)
    after = database.read_bytes() if database.exists() else b""
    if not ended.refused:
        kind = "looks_empty" if _is_empty(folder) else "damaged_opened"
        getattr(found, kind).append(f"{name}: {ended.said}")
    elif ended.code not in ("damaged_database", "lost_database"):
        found.unclear.append(f"{name}: {ended.said}")
    elif ended.code == "damaged_database" and before != after:
        found.unclear.append(f"{name}: the damaged file was written to")


def _spoil_each_page(whole: Path, folder: Path, found: BadStarts) -> None:
    """Garbage over every page in turn, opened in this process: only unused pages may pass."""
    pages = (whole / DATABASE).stat().st_size // 4096
    for page in range(pages):
        found.tried += 1
        database = _fresh(whole, folder) / DATABASE
        content = bytearray(database.read_bytes())
        content[page * 4096 : page * 4096 + 4096] = random.Random(page).randbytes(4096)
        database.write_bytes(content)
        refused = _refusal(read_settings({"MAKEGOOD_DATA_DIR": str(folder)}))
        if refused is None and _sqlite_minds(database):
            kind = "looks_empty" if _is_empty(folder) else "damaged_opened"
            getattr(found, kind).append(f"page {page} of {pages} overwritten")
        elif refused is not None and refused not in ("damaged_database", "lost_database"):
            found.unclear.append(f"page {page} of {pages} overwritten: {refused}")


def _refusal(settings: Settings) -> str | None:
    """The code with which the product refuses to start on this folder."""
    opened: list[Engine] = []
    try:
        opened.append(prepare_house(settings, SystemClock(), SystemMint()).engine)
    except NeedsHuman as error:
        return error.code
    except MakegoodError as error:
        return f"{type(error).__name__} {error.code}"
    finally:
        for engine in opened:
            engine.dispose()
    return None


def _sqlite_minds(database: Path) -> bool:
    """Whether SQLite's full check finds fault with the file."""
    module = choose_sqlite()
    connection = module.connect(database)
    try:
        return bool(connection.execute("PRAGMA integrity_check").fetchone()[0] != "ok")
    except module.DatabaseError:
        return True
    finally:
        connection.close()


def _is_empty(folder: Path) -> bool:
    """Whether the tenant that was there is not there any more."""
    module = choose_sqlite()
    connection = module.connect(folder / DATABASE)
    try:
        found = connection.execute("SELECT id FROM mg_tenants").fetchall()
    except module.Error:
        return True
    finally:
        connection.close()
    return ("id-000001",) not in found


# --- unsafe settings ------------------------------------------------------------------------------

UNSAFE: Mapping[str, str] = {
    "an old SQLite": (
        "import sqlite3, sys; sqlite3.sqlite_version_info = (3, 40, 1); "
        "sys.modules['pysqlite3'] = None"
    ),
    "synchronous NORMAL": (
        "from plugin.storage import database; "
        "database.WANTED = {**database.WANTED, 'synchronous': 'NORMAL'}"
    ),
    "synchronous OFF": (
        "from plugin.storage import database; "
        "database.WANTED = {**database.WANTED, 'synchronous': 'OFF'}"
    ),
    "no log": (
        "from plugin.storage import database; "
        "database.WANTED = {**database.WANTED, 'journal_mode': 'MEMORY'}"
    ),
    "a database in memory": (
        "import os; os.environ['MAKEGOOD_DATABASE_URL'] = 'sqlite:///:memory:'"
    ),
    "a file layer without locks": (
        "import os; os.environ['MAKEGOOD_DATABASE_URL'] = 'sqlite:///file:' + "
        "os.environ['MAKEGOOD_DATA_DIR'] + '/makegood.sqlite?vfs=unix-none&uri=true'"
    ),
}
"""What is done to the process before it starts: each makes it unsafe in another way."""
CODES = ("unsafe_sqlite", "unsafe_database")


def _start_unsafe(whole: Path, folder: Path, name: str, command: str, found: BadStarts) -> None:
    _fresh(whole, folder)
    ended = _start(command, {"MAKEGOOD_DATA_DIR": str(folder)}, found, UNSAFE[name])
    if not ended.refused:
        found.unsafe_accepted.append(f"{name}, {command}: {ended.said}")
    elif ended.code not in CODES:
        found.unclear.append(f"{name}, {command}: {ended.said}")


# --- starting -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ended:
    """How a start ended: refused, with which code, and its last words."""

    refused: bool
    code: str
    said: str


def _start(
    command: str, environment: Mapping[str, str], found: BadStarts, before: str = ""
) -> Ended:
    """Start `makegood <command>`; one that goes on is ended as soon as it says so."""
    found.tried += 1
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MAKEGOOD_")}
    ours = {"MAKEGOOD_PORT": str(free_port()), "PYTHONPATH": str(ROOT)}
    program = f"{before}\nfrom plugin.cli import main\nmain()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, command, "--json"],
        # Where the data lies: a database in memory has its locks where the process stands.
        cwd=environment["MAKEGOOD_DATA_DIR"],
        env={**kept, **environment, **ours},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line.strip())
            if "worker.started" in line or '"ok": true' in line:
                return Ended(refused=False, code="", said="it goes on")
        process.wait(START_SECONDS)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(START_SECONDS)
    facts = _last_facts(said)
    is_refused = process.returncode == NEEDS_PERSON and facts.get("ok") is False
    return Ended(is_refused, str(facts.get("code", "")), " | ".join(said[-3:]))


def _last_facts(said: list[str]) -> Mapping[str, object]:
    for line in reversed(said):
        if line.startswith("{"):
            facts: Mapping[str, object] = json.loads(line)
            return facts
    return {}


def _fresh(whole: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    return folder
