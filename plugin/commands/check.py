"""`makegood check`: is this machine, and what it keeps, fit to run? Changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from plugin.domain.errors import MakegoodError
from plugin.ports.storage import Installation, InstallationStatus
from plugin.storage.database import sqlite_facts

if TYPE_CHECKING:
    from plugin.app import Parts

Say = Callable[[str], None]


def check_house(parts: Parts, say: Say) -> tuple[dict[str, object], list[str]]:
    """Facts, and every fault as a sentence. Asks no platform anything."""
    settings = parts.settings
    faults = [f"{stem}: {why}" for (_, stem), why in parts.registry.broken.items()]
    installations: list[Installation] = []
    for tenant in parts.house.storage.tenants():
        try:
            with parts.house.storage.read(tenant.id) as uow:
                installations += uow.installations.all()
        except MakegoodError as error:  # a key is missing; the other tenants still count
            faults.append(f"{error.detail}: give the key that sealed it in MAKEGOOD_SECRET_KEYS")
    faults += [fault for one in installations for fault in _faults(parts, one)]
    facts: dict[str, object] = {
        "data_dir": str(settings.data_dir),
        "public_url": settings.public_url,
        "mail": "by SMTP" if settings.smtp_url else "waits for a person: no MAKEGOOD_SMTP_URL",
        "connected": len(installations),
        **sqlite_facts(parts.house.engine),
    }
    for name, value in facts.items():
        say(f"{name:14} {value}")
    for fault in faults:
        say(f"{'fault':14} {fault}")
    return facts, faults


def _faults(parts: Parts, installation: Installation) -> list[str]:
    connection = installation.connection
    name = f"{connection.platform} {connection.installation}"
    faults = []
    if installation.status is InstallationStatus.NEEDS_ATTENTION:
        faults.append(f"{name} needs attention: its self-test says why; connect it again")
    is_real = not any(
        manifest.simulated
        for manifest in parts.registry.manifests()
        if (manifest.kind, manifest.stem) == (connection.kind, connection.platform)
    )
    is_development = "base_url" in connection.settings
    if is_real and not is_development and not parts.settings.is_https:
        faults.append(f"{name} must reach us by https: set MAKEGOOD_PUBLIC_URL")
    return faults
