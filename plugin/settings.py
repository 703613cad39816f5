"""All settings, read from the environment once, frozen. Nothing else reads the environment.

Each has a help text, from which the settings table in the docs is generated. A setting that cannot be
used stops the start with a sentence that says what to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from plugin.domain.errors import InvalidInput

PREFIX = "MAKEGOOD_"


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
    database_url: str
    public_url: str
    host: str
    port: int
    secret_keys: tuple[str, ...] = field(repr=False)
    smtp_url: str = field(repr=False)
    mail_from: str
    owner: str
    allow_private_hosts: frozenset[str]
    practice: bool
    web_workers: int
    web_threads: int
    poll_milliseconds: int

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")


def _url(value: str) -> str:
    parts = urlsplit(value.rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("give an address like https://refunds.example.com")
    return parts.geturl()


def _path(value: str) -> Path:
    return Path(value).expanduser().resolve()


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not (value.isascii() and value.isdecimal() and least <= int(value) <= most):
            raise ValueError(f"give a whole number from {least} to {most}")
        return int(value)

    return read


def _hosts(value: str) -> frozenset[str]:
    hosts = frozenset(_words(value))
    if any(":" not in host for host in hosts):
        raise ValueError("give host:port, separated by commas")
    return hosts


def _words(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _switch(value: str) -> bool:
    if value.lower() not in ("yes", "no"):
        raise ValueError("give yes or no")
    return value.lower() == "yes"


SETTINGS: tuple[Setting, ...] = (
    Setting("data_dir", "data", "Folder for the database, keys and practice data.", _path),
    Setting(
        "database_url",
        "",
        "Empty for SQLite in the data folder, or postgresql+psycopg://user:password@host/name.",
        str,
    ),
    Setting(
        "public_url",
        "",
        "The address people and platforms reach us at. Real platforms need https.",
        lambda value: _url(value) if value else "",
    ),
    Setting("host", "127.0.0.1", "The address the web server listens on.", str),
    Setting("port", "8080", "The port the web server listens on.", _whole(1, 65535)),
    Setting(
        "secret_keys",
        "",
        "Fernet keys for stored credentials, newest first, comma separated. Empty: made in the data "
        "folder on the first start (SQLite only).",
        _words,
    ),
    Setting(
        "smtp_url",
        "",
        "smtp://user:password@host:port, or smtps://... Empty: mail waits for a person.",
        str,
    ),
    Setting("mail_from", "makegood@localhost", "The sender of our mail.", str),
    Setting("owner", "", "Address of the owner of the first tenant: told about refunds.", str),
    Setting(
        "allow_private_hosts",
        "",
        "Development and tests only: host:port,... that may be called although private or http.",
        _hosts,
    ),
    Setting("practice", "no", "Whether practice may be opened: yes or no.", _switch),
    Setting("web_workers", "2", "Web server processes.", _whole(1, 64)),
    Setting("web_threads", "4", "Threads per web server process.", _whole(1, 64)),
    Setting("poll_milliseconds", "50", "How often the worker looks for new work.", _whole(10, 60000)),
)


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from `environment` (by default the process's own).

    Raises InvalidInput naming the variable that cannot be used and what to give. A variable with our
    prefix that we do not know is refused too: a misspelt setting must not be silently ignored.
    """
    given = os.environ if environment is None else environment
    known = {setting.variable for setting in SETTINGS}
    for variable in given:
        if variable.startswith(PREFIX) and variable not in known and not _is_for_tests(variable):
            raise InvalidInput(variable, "there is no such setting; see docs/operating.md")
    values: dict[str, object] = {}
    for setting in SETTINGS:
        try:
            values[setting.name] = setting.read(given.get(setting.variable, setting.default).strip())
        except ValueError as error:
            raise InvalidInput(setting.variable, str(error)) from error
    return _derived(values)


def _is_for_tests(variable: str) -> bool:
    return variable.startswith(f"{PREFIX}TEST_")


def _derived(values: dict[str, object]) -> Settings:
    if not values["database_url"]:
        values["database_url"] = f"sqlite:///{values['data_dir']}/makegood.sqlite"
    if not values["public_url"]:
        values["public_url"] = f"http://{values['host']}:{values['port']}"
    return Settings(**values)  # type: ignore[arg-type]  # each reader above gives its field's type
