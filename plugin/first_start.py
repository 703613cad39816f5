"""Opening the house, and making what is missing: folder, keys, schema, the first tenant.

Safe to run at every start: what is there stays as it is. Never makes a new database where one was
in use, and never prints a secret.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography.fernet import Fernet
from sqlalchemy import Engine

from plugin.domain.errors import NeedsHuman
from plugin.domain.ids import TenantId
from plugin.domain.starting_policies import starting_policy
from plugin.ports import Clock, Mint
from plugin.ports.records import Tenant
from plugin.ports.storage import Storage
from plugin.ports.watching import Watch, unwatched
from plugin.settings import Settings
from plugin.storage.database import open_database
from plugin.storage.keyring import Keyring
from plugin.storage.schema_version import fits
from plugin.storage.soundness import mark_in_use, refuse_unsound
from plugin.storage.unit_of_work import SqlStorage

DEFAULT_POLICY = "thirty_days_then_months"
BEFORE_ANY_SALE = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class House:
    """The opened data: database, storage, and the keys that sign sessions, newest first."""

    engine: Engine
    storage: SqlStorage
    signing_keys: tuple[str, ...] = field(repr=False)


def open_house(settings: Settings, watch: Watch = unwatched) -> House:
    """Open what is there, and change nothing. `watch` is told what is moved in it.

    Raises NeedsHuman, which says what to do, when keys or database are missing, the database is of
    another version, or this SQLite is not safe to use.
    """
    house = _opened(settings, watch)
    if not fits(house.engine):
        house.engine.dispose()
        raise NeedsHuman(
            "other_schema",
            "the database is of another version, or empty: `makegood serve` brings it up to date",
        )
    return house


def keys_of(settings: Settings) -> tuple[str, ...]:
    """The keys that are given, else those kept in the data folder, newest first.

    Raises NeedsHuman where there are none.
    """
    return settings.secret_keys or _kept_keys(settings)


def _opened(settings: Settings, watch: Watch = unwatched) -> House:
    keys = keys_of(settings)
    keyring = Keyring(keys)
    engine = open_database(settings.database_url)
    try:
        refuse_unsound(engine)
    except NeedsHuman:
        engine.dispose()
        raise
    storage = SqlStorage(engine, keyring, watch)
    return House(engine, storage, tuple(_signing(key) for key in keys))


def prepare_house(settings: Settings, clock: Clock, mint: Mint) -> House:
    """Make what is missing, bring the schema up, and open the house."""
    _make_folder(settings.data_dir)
    if not settings.secret_keys:
        if not settings.is_sqlite:
            raise NeedsHuman(
                "no_secret_keys",
                "on PostgreSQL give MAKEGOOD_SECRET_KEYS, the same to every process",
            )
        _make_keys(settings)
    house = _opened(settings)
    if not fits(house.engine):
        from plugin.storage.schema import (  # noqa: PLC0415 - slow, and needed once
            migrate,
            refuse_under_workers,
        )

        try:
            refuse_under_workers(house.engine)
            migrate(house.engine)
        except NeedsHuman:
            house.engine.dispose()
            raise
    owners = (settings.owner,) if settings.owner else ()
    home = _home(house.storage)
    if home is None:
        first = Tenant(TenantId(mint.id()), "Your store", owners)
        if house.storage.add_first_tenant(first, clock.now()):
            _start_policy(house.storage, first, clock)
    elif owners and owners != home.owners:
        house.storage.name_owners(home.id, owners)
    mark_in_use(house.engine)
    return house


def add_tenant(storage: Storage, tenant: Tenant, clock: Clock) -> None:
    """A tenant with a policy to start from, which also covers purchases made before."""
    storage.add_tenant(tenant, clock.now())
    _start_policy(storage, tenant, clock)


def _start_policy(storage: Storage, tenant: Tenant, clock: Clock) -> None:
    begins = clock.now() - BEFORE_ANY_SALE
    with storage.begin(tenant.id) as uow:
        version = starting_policy(DEFAULT_POLICY).version(begins, tenant.time_zone)
        uow.settings.add_policy(version)
        uow.commit()


def home_tenant(storage: Storage) -> Tenant:
    """The first tenant that is a real business. Raises NeedsHuman before the first start."""
    home = _home(storage)
    if home is None:
        raise NeedsHuman("no_tenant", "run `makegood serve` once: it makes the first tenant")
    return home


def _home(storage: Storage) -> Tenant | None:
    return next((tenant for tenant in storage.tenants() if not tenant.simulated), None)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise NeedsHuman(
            "data_folder",
            f"cannot make {folder} ({error.strerror}): give another MAKEGOOD_DATA_DIR",
        ) from None


def _keys_file(settings: Settings) -> Path:
    return settings.data_dir / "secret-keys"


def _make_keys(settings: Settings) -> None:
    """A key file that only its owner can read; one that is there is never replaced.

    It gets its name when it is whole: a start that dies half-way must not leave an empty key file.
    """
    target = _keys_file(settings)
    part = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(part, target)
        part.unlink()
    except OSError as error:
        raise NeedsHuman(
            "data_folder",
            f"cannot write to {settings.data_dir} ({error.strerror}): make it yours, or give "
            "another MAKEGOOD_DATA_DIR",
        ) from None


def _kept_keys(settings: Settings) -> tuple[str, ...]:
    try:
        text = _keys_file(settings).read_text(encoding="ascii")
    except FileNotFoundError:
        raise NeedsHuman(
            "no_secret_keys",
            f"no keys in {settings.data_dir}: run `makegood serve` once, name the folder with "
            "MAKEGOOD_DATA_DIR, or give MAKEGOOD_SECRET_KEYS",
        ) from None
    except OSError as error:
        raise NeedsHuman(
            "no_secret_keys", f"cannot read the keys in {settings.data_dir} ({error.strerror})"
        ) from None
    return tuple(text.split())


def _signing(key: str) -> str:
    """A key that signs, made from one that encrypts: one thing to keep, two that stay apart."""
    digest = hmac.digest(base64.urlsafe_b64decode(key), b"makegood sessions", hashlib.sha256)
    return digest.hex()
