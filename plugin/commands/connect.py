"""`makegood connect` and `makegood package`: from the terminal what the install screen does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from plugin.domain.errors import InvalidInput, NeedsHuman
from plugin.domain.ids import InstallationId, TenantId
from plugin.platforms.declarations import ManifestDeclarations
from plugin.platforms.manifest import Kind
from plugin.ports import PacksApp
from plugin.ports.storage import Installation, InstallationStatus
from plugin.services.connect_platform import (
    AlreadyConnected,
    ConnectPlatform,
    ConnectRequest,
    NotPossible,
    Started,
)
from plugin.services.finish_install import FinishInstall, Finished, NotFinished
from plugin.services.run_self_test import RunSelfTest
from plugin.services.save_access_map import MapRefused, SaveAccessMap

if TYPE_CHECKING:
    from plugin.app import Parts

ACTOR = "terminal"
Say = Callable[[str], None]
Facts = dict[str, object]


def connect_from_terminal(
    parts: Parts,
    tenant: TenantId,
    platform: str,
    typed: Mapping[str, str],
    map_file: Path | None,
    installation: str,
    say: Say,
    *,
    finish: bool,
) -> tuple[int, Facts]:
    """Connect, or finish, or replace the map. Returns the exit code and the facts for machines.

    0 when every line of the self-test that can be tried now is well, 3 when a person must act.
    """
    kind = _kind_of(parts, platform)
    if finish:
        return _finish(parts, tenant, _existing(parts, tenant, kind, platform, installation), say)
    if map_file is not None and not typed:
        found = _existing(parts, tenant, kind, platform, installation)
        _save_map(parts, tenant, found, map_file, say)
        return 0, _facts(found)
    started = _start(parts, tenant, kind, platform, typed, installation)
    if map_file is not None:
        _save_map(parts, tenant, started, map_file, say)
    tested = _self_test(parts, tenant, started, say)
    facts = _facts(tested)
    say(f"Webhook path  {facts['webhook_path']}")
    say(f"Panel path    {facts['panel_path']}")
    is_well = all(line.state != "failed" for line in tested.self_test)
    return (0 if is_well else 3), facts


def _kind_of(parts: Parts, platform: str) -> Kind:
    kinds = [m.kind for m in parts.registry.manifests() if m.stem == platform and not m.simulated]
    if not kinds:
        known = ", ".join(m.stem for m in parts.registry.manifests() if not m.simulated)
        raise InvalidInput("platform", f"choose one of {known}")
    return kinds[0]


def _start(
    parts: Parts,
    tenant: TenantId,
    kind: Kind,
    platform: str,
    typed: Mapping[str, str],
    installation: str,
) -> Installation:
    connect = ConnectPlatform(
        parts.house.storage, _declarations(parts), parts.mint, parts.settings
    )
    asked = ConnectRequest(
        kind, platform, typed, InstallationId(installation) if installation else None
    )
    match connect(tenant, asked, ACTOR, parts.clock.now()):
        case Started(started):
            return started
        case NotPossible(field, advice):
            raise InvalidInput(field, advice)
        case AlreadyConnected() as already:
            raise NeedsHuman("already_connected", str(already))


def _declarations(parts: Parts) -> ManifestDeclarations:
    return ManifestDeclarations(parts.registry, parts.settings.allow_private_hosts)


def _self_test(
    parts: Parts, tenant: TenantId, installation: Installation, say: Say
) -> Installation:
    declarations = _declarations(parts)
    test = RunSelfTest(
        parts.house.storage,
        parts.platforms,
        declarations,
        parts.mint,
        parts.settings.public_url,
    )
    name = installation.connection.installation
    said: set[str] = set()
    latest = installation
    for latest in test.run(tenant, name, parts.clock.now):
        for line in latest.self_test:
            if line.state != "waiting" and line.name not in said:
                said.add(line.name)
                say(f"{line.state:8} {line.name}  {line.details}")
    return latest


def _finish(
    parts: Parts, tenant: TenantId, installation: Installation, say: Say
) -> tuple[int, Facts]:
    finish = FinishInstall(parts.house.storage, parts.platforms)
    match finish(tenant, installation.connection.installation, ACTOR, parts.clock.now()):
        case Finished(finished):
            say("Finished: the app's own ids are bound to this installation.")
            return 0, _facts(finished)
        case NotFinished(code, advice):
            raise NeedsHuman(code, advice)


def _existing(
    parts: Parts, tenant: TenantId, kind: Kind, platform: str, installation: str
) -> Installation:
    with parts.house.storage.read(tenant) as uow:
        found = [
            i
            for i in uow.installations.all()
            if (i.connection.kind, i.connection.platform) == (kind, platform)
            and installation in ("", i.connection.installation)
        ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise InvalidInput("--installation", f"connect {platform} first")
    raise InvalidInput("--installation", "there are several: name one")


def _save_map(
    parts: Parts, tenant: TenantId, installation: Installation, file: Path, say: Say
) -> None:
    try:
        document: object = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInput("--map", f"give a readable JSON file ({type(error).__name__})") from None
    saved = SaveAccessMap(parts.house.storage).whole(
        tenant, installation.connection.installation, document, ACTOR, parts.clock.now()
    )
    if isinstance(saved, MapRefused):
        raise InvalidInput(f"--map {saved.field}", saved.advice)
    say(f"Access map    {saved.products} products, {saved.bundles} bundles, {saved.tags} tags")


def _facts(installation: Installation) -> Facts:
    connection = installation.connection
    return {
        "installation": connection.installation,
        "status": installation.status,
        "webhook_path": f"/webhooks/{connection.platform}/{connection.installation}",
        "panel_path": f"/panel/{connection.platform}/{connection.installation}",
        "self_test": [
            {"name": line.name, "state": line.state, "details": line.details}
            for line in installation.self_test
        ],
    }


def package_desk(
    parts: Parts, tenant: TenantId, desk: str, installation: str, target: Path | None
) -> Path:
    """Write the desk's app package. Raises InvalidInput where the desk takes none."""
    found = _existing(parts, tenant, Kind.HELPDESK, desk, installation)
    if found.status is InstallationStatus.REMOVED:
        raise InvalidInput("--installation", "this one was removed")
    port = parts.platforms.able(found.connection, PacksApp)
    if port is None:
        raise InvalidInput("desk", f"{desk} takes no package")
    path = target or Path(f"makegood-{desk}-{found.connection.installation[:8]}.zip")
    port.package(parts.settings.public_url, path)
    return path
