"""`makegood connect` and `makegood package`: from the terminal what the install screen does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from plugin.domain.errors import InvalidInput, NeedsHuman
from plugin.domain.ids import InstallationId, TenantId
from plugin.platforms.declarations import ManifestDeclarations
from plugin.platforms.strict_json import Unreadable, read_json
from plugin.ports import Kind, PacksApp
from plugin.ports.connecting import ConfiguresApp
from plugin.ports.records import Installation, InstallationStatus
from plugin.services.connect_platform import (
    AlreadyConnected,
    ConnectPlatform,
    ConnectRequest,
    NotPossible,
    Started,
)
from plugin.services.finish_install import Finished, FinishInstall, NotFinished
from plugin.services.key_replacement import KEY_WORKS, offers
from plugin.services.run_self_test import RunSelfTest
from plugin.services.save_access_map import MapRefused, SaveAccessMap
from plugin.services.self_test_lines import FAILED, OK, WAITING

if TYPE_CHECKING:
    from plugin.app import Parts

ACTOR = "terminal"
Say = Callable[[str], None]
Facts = dict[str, object]


def connect_from_terminal(  # noqa: PLR0913 - the options of the command, one by one
    parts: Parts,
    tenant: TenantId,
    platform: str,
    typed: Mapping[str, str],
    map_file: Path | None,
    installation: str,
    say: Say,
    *,
    finish: bool,
    another: bool = False,
) -> tuple[int, Facts]:
    """Connect, or finish, or replace the map. Returns the exit code and the facts for machines.

    0 when every line of the self-test that can be tried now is well, 3 when a person must act.
    Raises InvalidInput and NeedsHuman with what to do. A map that cannot be read stops everything
    before anything is kept; one that comes with a new key that is not taken is not kept either.
    """
    kind = _kind_of(parts, platform)
    if finish:
        return _finish(parts, tenant, _existing(parts, tenant, kind, platform, installation), say)
    document = None if map_file is None else _read_map(map_file)
    if map_file is not None and not typed:
        found = _existing(parts, tenant, kind, platform, installation)
        _save_map(parts, tenant, found, document, say)
        return 0, _facts(found)
    chosen = InstallationId(installation) if installation else None
    started = _start(parts, tenant, ConnectRequest(kind, platform, typed, chosen, another))
    is_new_key = offers(started.connection)
    if map_file is not None and not is_new_key:
        _save_map(parts, tenant, started, document, say)
    tested = _self_test(parts, tenant, started, say)
    if map_file is not None and is_new_key and _has_ok(tested, KEY_WORKS):
        _save_map(parts, tenant, tested, document, say)
    facts = _facts(tested)
    say(f"Installation  {facts['installation']}")
    say(f"Webhook path  {facts['webhook_path']}")
    if kind is Kind.HELPDESK:
        say(f"Panel path    {facts['panel_path']}")
    is_well = all(line.state != FAILED for line in tested.self_test)
    return (0 if is_well else 3), facts


def _kind_of(parts: Parts, platform: str) -> Kind:
    named = [m for m in parts.registry.manifests() if m.stem == platform]
    if any(m.simulated for m in named):
        raise InvalidInput("platform", f"{platform} connects itself: run `makegood practice`")
    if not named:
        known = ", ".join(m.stem for m in parts.registry.manifests() if not m.simulated)
        raise InvalidInput("platform", f"choose one of {known}")
    return named[0].kind


def _start(parts: Parts, tenant: TenantId, asked: ConnectRequest) -> Installation:
    connect = ConnectPlatform(parts.house.storage, _declarations(parts), parts.mint, parts.settings)
    match connect(tenant, asked, ACTOR, parts.clock.now()):
        case Started(started):
            return started
        case NotPossible(field, advice):
            raise InvalidInput(field, advice)
        case AlreadyConnected(title, installations):
            names = ", ".join(one.connection.installation for one in installations)
            raise NeedsHuman(
                "already_connected",
                f"{title} is connected with another account ({names}): give --installation ID to "
                "replace its key, or --another to connect this one beside it",
            )
        case _ as never:
            assert_never(never)


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
    # Where a new key is tried, the other lines are still those of the key before.
    said = {line.name for line in installation.self_test if line.state != WAITING}
    latest = installation
    for latest in test.run(tenant, name, parts.clock.now, time.sleep):
        for line in latest.self_test:
            if line.state == WAITING:
                said.discard(line.name)
            elif line.name not in said:
                said.add(line.name)
                say(f"{line.state:8} {line.name}  {line.details}")
    return latest


def _has_ok(installation: Installation, name: str) -> bool:
    return any(line.name == name and line.state == OK for line in installation.self_test)


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
        case _ as never:
            assert_never(never)


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
        raise InvalidInput("--installation", f"there is none: connect {platform} first")
    names = ", ".join(one.connection.installation for one in found)
    raise InvalidInput("--installation", f"there are several, name one of {names}")


def _read_map(file: Path) -> object:
    try:
        return read_json(file.read_bytes())
    except OSError as error:
        raise InvalidInput("--map", f"cannot read {file}: {error.strerror}") from None
    except Unreadable as error:
        raise InvalidInput("--map", f"{file} is no JSON that can be used: {error.reason}") from None


def _save_map(
    parts: Parts, tenant: TenantId, installation: Installation, document: object, say: Say
) -> None:
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


def write_app_file(
    parts: Parts, platform: str, typed: Mapping[str, str], target: Path | None
) -> Path | None:
    """Write the configuration of our app for a store that reads one; None where none does.

    It comes before the connection: the store asks its owner by it. Raises InvalidInput.
    """
    stores = [m for m in parts.registry.manifests(Kind.STORE) if m.stem == platform]
    declarations = ManifestDeclarations(parts.registry)
    way: object = declarations.install_way(Kind.STORE, platform) if stores else None
    if not isinstance(way, ConfiguresApp):
        return None
    name, content = way.app_file(typed, parts.settings.public_url)
    path = target or Path(name)
    # Beside the target first: a full disk must not leave half a file under its name.
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
    return path


def package_desk(
    parts: Parts, tenant: TenantId, desk: str, installation: str, target: Path | None
) -> Path:
    """Write the desk's app package. Raises InvalidInput where the desk takes none."""
    known = [m.stem for m in parts.registry.manifests(Kind.HELPDESK) if not m.simulated]
    if desk not in known:
        raise InvalidInput("desk", f"choose one of {', '.join(known)}")
    found = _existing(parts, tenant, Kind.HELPDESK, desk, installation)
    if found.status is InstallationStatus.REMOVED:
        raise InvalidInput("--installation", "this one was removed")
    port = parts.platforms.able(found.connection, PacksApp)
    if port is None:
        raise InvalidInput("desk", f"{desk} takes no package")
    path = target or Path(f"makegood-{desk}-{found.connection.installation[:8]}.zip")
    try:
        port.package(parts.settings.public_url, path)
    except InvalidInput as error:
        raise InvalidInput(
            "MAKEGOOD_PUBLIC_URL",
            f"give the https address that the helpdesk is to open ({error.advice})",
        ) from None
    return path
