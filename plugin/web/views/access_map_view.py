"""What the access map's page shows: what was said so far, and what an entry may open.

Display-ready content only, made by pure functions from the map and the store's own list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from plugin.domain.access_map import AccessMap
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Resource, ResourceKind
from plugin.ports import Catalog


@dataclass(frozen=True, slots=True)
class MapRow:
    """One entry of the access map."""

    part: str
    what: str
    ref: str
    name: str
    opens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MapChoice:
    """A thing that an entry may open, or a tag or product that an entry may be about."""

    value: str
    kind: str
    name: str
    chosen: bool = False


def map_rows(access: AccessMap, catalog: Catalog) -> tuple[MapRow, ...]:
    """What was said so far, products first, each with the names that the store knows now."""
    names = {one: one.name for one in catalog.resources if one.name}
    products = {item.ref: item.name for item in catalog.products}
    rows = [
        MapRow("products", "Price plan", ref, products.get(ref, ""), _named(gives, names))
        for (_, ref), gives in sorted(access.products.items())
    ]
    for part, what, table in (
        ("bundles", "Bundle", access.bundles),
        ("tags", "Tag", access.tags),
    ):
        rows += [
            MapRow(part, what, one.ref, names.get(one, one.name), _named(opens, names))
            for one, opens in sorted(table.items())
        ]
    return tuple(rows)


def _named(resources: Iterable[Resource], names: Mapping[Resource, str]) -> tuple[str, ...]:
    return tuple(f"{one.kind.value} {names.get(one) or one.name or one.ref}" for one in resources)


def value_of(resource: Resource) -> str:
    """A resource as one field's value; `resource_of` reads it back."""
    return f"{resource.kind.value}:{quote(resource.ref, safe='')}:{resource.name}"


def resource_of(value: str, installation: InstallationId) -> Resource | None:
    """The resource that a field's value names, or None where it names none."""
    kind, _, rest = value.partition(":")
    ref, _, name = rest.partition(":")
    if kind not in list(ResourceKind) or not ref:
        return None
    return Resource(installation, ResourceKind(kind), unquote(ref), name)


def map_choices(
    catalog: Catalog, opened: Sequence[Resource], *, with_tags: bool
) -> tuple[MapChoice, ...]:
    """What an entry may open: all that the store lists, and what the entry already opens."""
    known = list(dict.fromkeys([*catalog.resources, *opened]))
    return tuple(
        MapChoice(value_of(one), one.kind.value, one.name or one.ref, one in opened)
        for one in known
        if with_tags or one.kind is not ResourceKind.TAG
    )
