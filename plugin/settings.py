"""All settings, read from the environment once, frozen. Nothing else reads the environment.

Each has a help text, from which the settings table in the docs is generated. A setting that cannot
be used stops the start with a sentence that says what to do, and never repeats what was given: it
may be a secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from email.utils import parseaddr
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from plugin.domain.errors import InvalidInput

PREFIX: Final = "MAKEGOOD_"
_ADDRESS: Final = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")
_HOST: Final = re.compile(r"[A-Za-z0-9.:_-]+")
_HOST_AND_PORT: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})")
_HIGHEST_PORT: Final = 65535
_SHORTEST_TOKEN: Final = 20
_DATABASES: Final = ("sqlite:///", "postgresql+psycopg://")


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: its name without the prefix, default, help, and how it is read."""

    name: str
    default: str
    text: str
    read: Callable[[str], object] = field(repr=False)

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says. See `SETTINGS` for the meaning of each."""

    data_dir: Path
    database_url: str = field(repr=False)
    public_url: str
    host: str
    port: int
    secret_keys: tuple[str, ...] = field(repr=False)
    smtp_url: str = field(repr=False)
    mail_from: str
    owner: str = field(repr=False)
    allow_private_hosts: frozenset[str]
    practice: bool
    web_workers: int
    web_threads: int
    poll_milliseconds: int
    metrics_token: str = field(default="", repr=False)
    metrics_port: int = 0
    otlp_endpoint: str = field(default="", repr=False)
    drain_notice_seconds: int = 0

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")


def _origin(value: str) -> str:
    """Scheme, host and port: the routes are ours from the root on."""
    parts = _split(value, ("http", "https"), "give an address like https://refunds.example.com")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("give scheme and host only, like https://refunds.example.com")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _database(value: str) -> str:
    is_known = any(value.startswith(start) and value != start for start in _DATABASES)
    if value and not is_known:
        raise ValueError(
            "leave it empty for SQLite, or give postgresql+psycopg://user:password@host/name"
        )
    return value


def _smtp(value: str) -> str:
    if value:
        _split(value, ("smtp", "smtps"), "give smtp://user:password@host:port, or smtps://...")
    return value


def _split(value: str, schemes: tuple[str, ...], advice: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:  # its text repeats a part of what was given
        raise ValueError(advice) from None
    if parts.scheme not in schemes or not has_place:
        raise ValueError(advice)
    return parts


def _path(value: str) -> Path:
    if not value:
        raise ValueError("give a folder")
    return Path(value).expanduser().resolve()


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("give a host name or address to listen on, like 127.0.0.1 or 0.0.0.0")
    return value


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdecimal() and least <= int(value) <= most):
            raise ValueError(f"give a whole number from {least} to {most}")
        return int(value)

    return read


def _hosts(value: str) -> frozenset[str]:
    hosts = frozenset(_words(value))
    for host in hosts:
        found = _HOST_AND_PORT.fullmatch(host)
        if found is None or not 1 <= int(found[1]) <= _HIGHEST_PORT:
            raise ValueError("give host:port, separated by commas")
    return hosts


def _words(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _mail_address(value: str) -> str:
    if value and not _ADDRESS.fullmatch(value):
        raise ValueError("give one mail address, like owner@example.com")
    return value


def _sender(value: str) -> str:
    if not value.isprintable() or not _ADDRESS.fullmatch(parseaddr(value)[1]):
        raise ValueError("give one mail address, like Makegood <refunds@example.com>")
    return value


def _token(value: str) -> str:
    if value and not (value.isascii() and value.isprintable() and len(value) >= _SHORTEST_TOKEN):
        raise ValueError(f"give at least {_SHORTEST_TOKEN} letters and digits by chance")
    return value


def _endpoint(value: str) -> str:
    if not value:
        return value
    advice = "give an address like http://127.0.0.1:4318"
    parts = _split(value, ("http", "https"), advice)
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError(advice)
    return value.rstrip("/")


def _switch(value: str) -> bool:
    if value.lower() not in ("yes", "no"):
        raise ValueError("give yes or no")
    return value.lower() == "yes"


SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("data_dir", "data", "Folder for the database, the keys and the practice data.", _path),
    Setting(
        "database_url",
        "",
        "Empty for SQLite in the data folder, or `postgresql+psycopg://user:password@host/name`.",
        _database,
    ),
    Setting(
        "public_url",
        "",
        "The address at which people and platforms reach Makegood, like "
        "`https://refunds.example.com`. Real platforms need https. Empty: host and port.",
        lambda value: _origin(value) if value else "",
    ),
    Setting("host", "127.0.0.1", "The address the web server listens on.", _host),
    Setting("port", "8080", "The port the web server listens on.", _whole(1, _HIGHEST_PORT)),
    Setting(
        "secret_keys",
        "",
        "Fernet keys for stored credentials, newest first, separated by commas. Empty: made in the "
        "data folder on the first start (SQLite only).",
        _words,
    ),
    Setting(
        "smtp_url",
        "",
        "`smtp://user:password@host:port` or `smtps://...`. Empty: mail waits for a person.",
        _smtp,
    ),
    Setting("mail_from", "makegood@localhost", "The sender of our mail.", _sender),
    Setting(
        "owner",
        "",
        "Mail address of the owner of the first tenant: told about refunds.",
        _mail_address,
    ),
    Setting(
        "allow_private_hosts",
        "",
        "Development and tests only: `host:port,...` that may be called although private or http.",
        _hosts,
    ),
    Setting(
        "practice", "no", "`yes`: `makegood serve` opens practice, as `--practice` does.", _switch
    ),
    Setting("web_workers", "2", "Web server processes.", _whole(1, 64)),
    Setting("web_threads", "4", "Threads in each web server process.", _whole(1, 64)),
    Setting(
        "poll_milliseconds", "50", "How often the worker looks for new work.", _whole(10, 60_000)
    ),
    Setting(
        "metrics_token",
        "",
        "Whoever shows it as a bearer token may read `/metrics`. Empty: nothing is counted, and "
        "`/metrics` answers 404.",
        _token,
    ),
    Setting(
        "metrics_port",
        "0",
        "The port at which a worker that runs by itself (`makegood worker`) answers `/metrics`. "
        "0: at none.",
        _whole(0, _HIGHEST_PORT),
    ),
    Setting(
        "otlp_endpoint",
        "",
        "Where OpenTelemetry spans are sent by OTLP/HTTP, like `http://127.0.0.1:4318`. Needs "
        "`makegood[tracing]`. Empty: no spans.",
        _endpoint,
    ),
    Setting(
        "drain_notice_seconds",
        "0",
        "How long `/readyz` says `draining` after SIGTERM before the web server takes no more: "
        "longer than your load balancer needs to notice.",
        _whole(0, 60),
    ),
)


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from `environment` (by default the process's own).

    Raises InvalidInput naming the variable that cannot be used and what to give. A variable with
    our prefix that we do not know is refused too: a misspelt setting must not be ignored.
    """
    given = os.environ if environment is None else environment
    known = {setting.variable for setting in SETTINGS}
    for variable in given:
        if variable.startswith(PREFIX) and variable not in known and not _is_for_tests(variable):
            raise InvalidInput(variable, f"there is no such setting{_nearest(variable, known)}")
    values: dict[str, object] = {}
    for setting in SETTINGS:
        try:
            values[setting.name] = setting.read(
                given.get(setting.variable, setting.default).strip()
            )
        except ValueError as error:
            raise InvalidInput(setting.variable, str(error)) from None
    return _derived(values)


def settings_table() -> str:
    """The table of all settings for the docs, as Markdown."""
    rows = [
        f"| `{setting.variable}` | {f'`{setting.default}`' if setting.default else 'empty'} "
        f"| {setting.text} |"
        for setting in SETTINGS
    ]
    return "\n".join(("| variable | default | what it is |", "|---|---|---|", *rows))


def _nearest(variable: str, known: Iterable[str]) -> str:
    near = get_close_matches(variable, known, n=1, cutoff=0.85)
    return f"; did you mean {near[0]}?" if near else "; see docs/operating.md"


def _is_for_tests(variable: str) -> bool:
    return variable.startswith(f"{PREFIX}TEST_")


def _derived(values: dict[str, object]) -> Settings:
    if not values["database_url"]:
        values["database_url"] = f"sqlite:///{values['data_dir']}/makegood.sqlite"
    if not values["public_url"]:
        host = str(values["host"])
        values["public_url"] = f"http://{f'[{host}]' if ':' in host else host}:{values['port']}"
    return Settings(**values)  # type: ignore[arg-type]  # each reader above gives its field's type
