"""`makegood check`: is this machine, and what it keeps, fit to run? Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from plugin.commands.copies import held_lines
from plugin.domain.errors import MakegoodError
from plugin.ports.records import Installation, InstallationStatus, Tenant
from plugin.settings import Settings
from plugin.storage.database import sqlite_facts
from plugin.storage.soundness import refuse_unsound

if TYPE_CHECKING:
    from plugin.app import Parts

Say = Callable[[str], None]


def check_house(parts: Parts, say: Say) -> tuple[dict[str, object], list[str], list[str]]:
    """Facts, and as sentences every fault, and what works but hardly as it is meant to.

    Asks no platform anything, and sends no mail.
    """
    settings = parts.settings
    refuse_unsound(parts.house.engine, most_bytes=None)
    tenants = parts.house.storage.tenants()
    faults = [f"{stem}: {why}" for (_, stem), why in parts.registry.broken.items()]
    installations: list[Installation] = []
    for tenant in tenants:
        try:
            with parts.house.storage.read(tenant.id) as uow:
                installations += uow.installations.all()
        except MakegoodError as error:  # a key is missing; the other tenants still count
            faults.append(f"{error.detail}: give the key that sealed it in MAKEGOOD_SECRET_KEYS")
    faults += [fault for one in installations for fault in _faults(parts, one)]
    facts: dict[str, object] = {
        "data_dir": str(settings.data_dir),
        "public_url": settings.public_url,
        "owner": _owner(settings, tenants),
        "mail": "by SMTP" if settings.smtp_url else "waits for a person: no MAKEGOOD_SMTP_URL",
        "connected": len(installations),
        **sqlite_facts(parts.house.engine),
    }
    for name, value in facts.items():
        say(f"{name:14} {value}")
    for fault in faults:
        say(f"{'fault':14} {fault}")
    warnings = _mail_warnings(settings, tenants)
    with suppress(MakegoodError):  # a key is missing, which is a fault above
        warnings += held_lines(parts)
    for warning in warnings:
        say(f"{'warning':14} {warning}")
    return facts, faults, warnings


def _owner(settings: Settings, tenants: Sequence[Tenant]) -> str:
    """Whether somebody is told; whose address it is does not belong into a terminal's log."""
    owners = [owner for tenant in tenants if not tenant.simulated for owner in tenant.owners]
    if settings.owner and settings.owner not in owners:
        return "is told from the next start on"
    return "is told" if owners else "is not told: no MAKEGOOD_OWNER"


def _mail_warnings(settings: Settings, tenants: Sequence[Tenant]) -> list[str]:
    warnings = []
    if not settings.owner and any(not t.owners for t in tenants if not t.simulated):
        warnings.append(
            "no owner is told of refunds and troubles: set MAKEGOOD_OWNER. Until then every such "
            "mail waits for a person on /admin"
        )
    if not settings.smtp_url:
        warnings.append(
            "no mail can be sent: set MAKEGOOD_SMTP_URL. Until then every mail waits for a person "
            "on /admin"
        )
    elif settings.mail_from.rstrip(">").endswith("@localhost"):
        warnings.append(
            f"mail goes out as {settings.mail_from}, which many servers refuse: set "
            "MAKEGOOD_MAIL_FROM"
        )
    return warnings


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
