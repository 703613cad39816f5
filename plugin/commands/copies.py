"""`makegood backup`, `makegood restore`, and the end of the hold that follows a restore.

A copy holds no key, and never replaces anything. What is held, and what ends it, is said in
`plugin.services.restored_house`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from plugin.domain.errors import NeedsHuman
from plugin.first_start import keys_of, open_house
from plugin.platforms.adapters import Adapters
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.services.restored_house import (
    OPERATOR,
    StillUnread,
    hold_of,
    hold_restored,
    release,
    still_unread,
)
from plugin.storage.budgets import SqlBudgets
from plugin.storage.copy_file import CopyNote
from plugin.storage.database import open_database
from plugin.storage.keyring import Keyring, key_mark
from plugin.storage.load_copy import load_copy, refuse_if_in_use
from plugin.storage.make_copy import make_copy
from plugin.storage.soundness import mark_in_use
from plugin.storage.unit_of_work import SqlStorage

if TYPE_CHECKING:
    from plugin.app import Parts
    from plugin.ports import Clock
    from plugin.ports.records import Installation
    from plugin.settings import Settings

Say = Callable[[str], None]
_SECOND = "%Y-%m-%d %H:%M:%S UTC"


def back_up(settings: Settings, clock: Clock, target: Path, say: Say) -> dict[str, object]:
    """Copy the house into the new file `target`; what stands in it."""
    house = open_house(settings)
    marks = tuple(key_mark(key) for key in keys_of(settings))
    try:
        note = make_copy(house.engine, target, clock.now(), marks)
    finally:
        house.engine.dispose()
    size = target.stat().st_size
    say(f"Wrote {target}: {size} bytes, schema {note.revision}, all until {_when(note)}.")
    say(f"It holds {note.rows['mg_refunds']} refunds and {note.rows['mg_facts']} facts.")
    keys = (
        "MAKEGOOD_SECRET_KEYS" if settings.secret_keys else str(settings.data_dir / "secret-keys")
    )
    say(
        f"It holds no key: its credentials stay sealed. Keep {keys} too, and apart from it. "
        f"Mark of the key: {marks[0]}"
    )
    return {"file": str(target), "bytes": size, **_facts(note)}


def restore(settings: Settings, clock: Clock, source: Path, say: Say) -> dict[str, object]:
    """Make the copy in `source` the house of these settings, which must have none."""
    house = open_database(settings.database_url)
    try:
        refuse_if_in_use(house)  # before anything is made
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        preparing = _Preparing(settings, clock)
        note = load_copy(source, house, settings.data_dir, clock.now(), preparing)
        mark_in_use(house)
    finally:
        house.dispose()
    say(f"Restored {source}: all until {_when(note)}, {note.rows['mg_refunds']} refunds.")
    say(
        "Nothing is sent until what happened since then is known. Start Makegood: it reads the "
        f"accounts and looks up {preparing.doubted} refunds that were under way."
    )
    say("How far that is: `makegood check`. To end it yourself: `makegood restore --release`.")
    return {"file": str(source), "to_look_up": preparing.doubted, **_facts(note)}


def _facts(note: CopyNote) -> dict[str, object]:
    return {
        "made_at": note.made_at.isoformat(),
        "schema": note.revision,
        "rows": sum(note.rows.values()),
        "refunds": note.rows["mg_refunds"],
        "key_marks": list(note.key_marks),
    }


def _when(note: CopyNote) -> str:
    return note.made_at.strftime(_SECOND)


@dataclass(slots=True)
class _Preparing:
    """What must be done on the unpacked house before anybody works on it."""

    settings: Settings
    clock: Clock
    doubted: int = 0

    def __call__(self, unpacked: Engine, note: CopyNote) -> None:
        keys = self._keys(note)
        storage = SqlStorage(unpacked, Keyring(keys))
        platforms = Adapters(
            Registry([DataFiles().manifests()]),
            self.clock,
            SqlBudgets(unpacked).budget_for,
            self.settings.allow_private_hosts,
        )
        for tenant in storage.tenants():
            with storage.begin(tenant.id) as uow:
                try:
                    uow.installations.all()
                except NeedsHuman:
                    marks = [key_mark(key) for key in keys]
                    raise _other_keys(note, f"the given one has {', '.join(marks)}") from None
                now = self.clock.now()
                self.doubted += hold_restored(uow, note.made_at, platforms, now)
                uow.commit()

    def _keys(self, note: CopyNote) -> Sequence[str]:
        try:
            return keys_of(self.settings)
        except NeedsHuman as error:
            raise _other_keys(note, error.detail) from None


def _other_keys(note: CopyNote, found: str) -> NeedsHuman:
    return NeedsHuman(
        "other_keys",
        f"the credentials in the copy open with the key that has the mark {note.key_marks[0]}: put "
        f"its `secret-keys` file into the data folder, or give MAKEGOOD_SECRET_KEYS ({found}). "
        "Nothing was restored",
    )


def release_holds(parts: Parts, say: Say) -> dict[str, object]:
    """End the hold of every tenant by a person's word, and say what was not known yet."""
    released = 0
    for tenant in parts.house.storage.tenants():
        with parts.house.storage.begin(tenant.id) as uow:
            hold = hold_of(uow)
            if hold is None:
                continue
            unread = still_unread(uow, hold, parts.platforms)
            for line in unread_lines(unread, _titles(parts)):
                say(line)
            release(uow, OPERATOR, unread, parts.clock.now())
            uow.commit()
            released += 1
    say("Sending goes on." if released else "Nothing is held.")
    return {"released": released}


def held_lines(parts: Parts) -> list[str]:
    """Of each tenant that is held: since when, and what keeps it. Needs keys that open all."""
    lines: list[str] = []
    for tenant in parts.house.storage.tenants():
        with parts.house.storage.read(tenant.id) as uow:
            hold = hold_of(uow)
            if hold is None:
                continue
            unread = still_unread(uow, hold, parts.platforms)
        copied = hold.read_from.strftime(_SECOND)
        lines.append(
            f"nothing is sent: a copy of {copied} was restored. `makegood restore --release` ends "
            "it, or the worker does once nothing of this is left:"
        )
        lines += unread_lines(unread, _titles(parts))
    return lines


def _titles(parts: Parts) -> Callable[[Installation], str]:
    def title(installation: Installation) -> str:
        name = parts.platforms.title(installation.connection)
        return f"{name} ({installation.connection.label})"

    return title


def unread_lines(unread: StillUnread, title: Callable[[Installation], str]) -> list[str]:
    """What is not known yet, a sentence each."""
    lines = [
        f"{title(one)} was not read up to the restoring yet: what was refunded there since the "
        "copy may not be known"
        for one in unread.behind
    ]
    lines += [
        f"{title(one)} tells no news: look there for what was sold, refunded and cancelled since "
        "the copy"
        for one in unread.silent
    ]
    lines += [
        f"{title(one)} does not keep its news for so long: look there for what was refunded and "
        "cancelled in the days that the health page names, and close that there"
        for one in unread.gaps
    ]
    if unread.refunds:
        lines.append(f"{unread.refunds} refunds were not looked up at their gateways yet")
    if unread.deliveries:
        lines.append("deliveries wait to be applied")
    return lines
