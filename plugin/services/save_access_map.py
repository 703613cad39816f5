"""Say what a store's things open: the access map of one installation, read and kept.

    {"products": {"<price plan id>": [{"kind": "course", "ref": "77", "name": "Portrait
    Lighting"}]}, "bundles": {"<bundle id>": [{"kind": "course", "ref": "77"}]}, "tags": {"<tag
    id>": [{"kind": "community", "ref": "5"}]}}

Strict: a word that is not understood refuses the whole document, and what is kept stays as it was.
Maps never close anything that is open today: they tell what later events mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from plugin.domain.access_map import AccessMap
from plugin.domain.errors import InvalidInput
from plugin.domain.ids import InstallationId, TenantId
from plugin.domain.orders import Resource, ResourceKind
from plugin.domain.texts import is_one_line
from plugin.ports.records import InstallationStatus
from plugin.ports.storage import Storage, UnitOfWork

_LONGEST = 255
_PARTS = ("products", "bundles", "tags")


@dataclass(frozen=True, slots=True)
class MapSaved:
    """How much is known now."""

    products: int
    bundles: int
    tags: int


@dataclass(frozen=True, slots=True)
class MapRefused:
    """Nothing was changed. `field` is the place in the document, `advice` what to write there."""

    field: str
    advice: str


@dataclass(frozen=True, slots=True)
class SaveAccessMap:
    """The use case, with its ports."""

    storage: Storage

    def whole(
        self,
        tenant: TenantId,
        installation: InstallationId,
        document: object,
        actor: str,
        now: datetime,
    ) -> MapSaved | MapRefused:
        """Replace the installation's map by what `document` (read from JSON) says."""
        try:
            access = read_document(document, installation)
        except InvalidInput as error:
            return MapRefused(error.field, error.advice)
        with self.storage.begin(tenant) as uow:
            return _kept(uow, installation, access, actor, now)

    def entry(
        self,
        tenant: TenantId,
        installation: InstallationId,
        part: str,
        ref: str,
        opens: tuple[Resource, ...] | None,
        actor: str,
        now: datetime,
    ) -> MapSaved | MapRefused:
        """Say what one thing opens, or with None that nobody knows.

        `part`: products, bundles or tags.
        """
        if part not in _PARTS:
            return MapRefused("part", f"choose one of {', '.join(_PARTS)}")
        try:
            ref = _ref(ref, "ref")
            with self.storage.begin(tenant) as uow:
                access = _with_entry(
                    of_installation(uow, installation), installation, part, ref, opens
                )
                return _kept(uow, installation, access, actor, now)
        except InvalidInput as error:
            return MapRefused(error.field, error.advice)


def of_installation(uow: UnitOfWork, installation: InstallationId) -> AccessMap:
    """The part of the tenant's map that is about one installation."""
    every = uow.settings.access_map()
    return AccessMap(
        {key: gives for key, gives in every.products.items() if key[0] == installation},
        {one: opens for one, opens in every.bundles.items() if one.installation == installation},
        {one: opens for one, opens in every.tags.items() if one.installation == installation},
    )


def read_document(document: object, installation: InstallationId) -> AccessMap:
    """The map that `document` describes.

    Raises InvalidInput with the path of what cannot be used.
    """
    parts = _object(document, "document")
    for name in parts:
        if name not in _PARTS:
            raise InvalidInput(name, f"there is no such part; use {', '.join(_PARTS)}")
    tables = {
        part: {
            _ref(ref, f"{part}.{ref}"): _resources(opens, f"{part}.{ref}", installation)
            for ref, opens in _object(parts.get(part, {}), part).items()
        }
        for part in _PARTS
    }
    return AccessMap(
        {(installation, ref): gives for ref, gives in tables["products"].items()},
        _openers(tables["bundles"], ResourceKind.BUNDLE, installation),
        _openers(tables["tags"], ResourceKind.TAG, installation),
    )


def _openers(
    table: Mapping[str, tuple[Resource, ...]], kind: ResourceKind, installation: InstallationId
) -> dict[Resource, tuple[Resource, ...]]:
    return {Resource(installation, kind, ref): opens for ref, opens in table.items()}


def _resources(value: object, path: str, installation: InstallationId) -> tuple[Resource, ...]:
    if not isinstance(value, list):
        raise InvalidInput(path, 'give a list like [{"kind": "course", "ref": "77"}]')
    found = [_resource(one, f"{path}[{place}]", installation) for place, one in enumerate(value)]
    return tuple(dict.fromkeys(found))


def _resource(value: object, path: str, installation: InstallationId) -> Resource:
    fields = _object(value, path)
    for name in fields:
        if name not in ("kind", "ref", "name"):
            raise InvalidInput(f"{path}.{name}", "there is no such field; use kind, ref and name")
    kind = fields.get("kind")
    if kind not in list(ResourceKind):
        raise InvalidInput(f"{path}.kind", f"choose one of {', '.join(ResourceKind)}")
    called = fields.get("name", "")
    if not isinstance(called, str) or len(called) > _LONGEST or not is_one_line(called):
        raise InvalidInput(f"{path}.name", f"write one line of up to {_LONGEST} characters")
    ref = _ref(fields.get("ref"), f"{path}.ref")
    return Resource(installation, ResourceKind(str(kind)), ref, called)


def _object(value: object, path: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise InvalidInput(path, "give an object in braces")
    return value


def _ref(value: object, path: str) -> str:
    """An id as text. Numbers are refused: 077 and 77 must not become one."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(path, "give the platform's id as text in quotes")
    ref = value.strip()
    if len(ref) > _LONGEST or not is_one_line(ref):
        raise InvalidInput(path, f"give one line of up to {_LONGEST} characters")
    return ref


def _with_entry(
    access: AccessMap,
    installation: InstallationId,
    part: str,
    ref: str,
    opens: tuple[Resource, ...] | None,
) -> AccessMap:
    if part == "products":
        products = {k: v for k, v in access.products.items() if k != (installation, ref)}
        if opens is not None:
            products[installation, ref] = opens
        return replace(access, products=products)
    kind = ResourceKind.BUNDLE if part == "bundles" else ResourceKind.TAG
    opener = Resource(installation, kind, ref)
    table = {k: v for k, v in getattr(access, part).items() if k != opener}
    if opens is not None:
        table[opener] = opens
    return replace(access, **{part: table})


def _kept(
    uow: UnitOfWork, installation: InstallationId, access: AccessMap, actor: str, now: datetime
) -> MapSaved | MapRefused:
    found = uow.installations.get(installation)
    if found is None or found.status is InstallationStatus.REMOVED:
        return MapRefused("installation", "there is no such connection; list them first")
    saved = MapSaved(len(access.products), len(access.bundles), len(access.tags))
    uow.settings.save_access_map(installation, access, now)
    uow.audit.write(
        now,
        actor,
        "access_map.saved",
        installation,
        {
            "products": str(saved.products),
            "bundles": str(saved.bundles),
            "tags": str(saved.tags),
        },
    )
    uow.commit()
    return saved
