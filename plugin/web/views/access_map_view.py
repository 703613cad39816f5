"""What the access map's page shows: what was said so far, and what an entry may open.

Display-ready content only, made by pure functions from the map and the store's own list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

from plugin.domain.access_map import AccessMap
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Resource, ResourceKind
from plugin.domain.texts import is_one_line
from plugin.ports import Catalog

PARTS: Final = {
    "products": "A price plan or product",
    "bundles": "A bundle",
    "tags": "A tag",
}
"""What an entry may be about, in the words of the form."""
LONGEST_REF: Final = 255


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


@dataclass(frozen=True, slots=True)
class OpenEntry:
    """The entry that is open for change. `gives` is None where nothing but what is kept counts.

    `kind` and `more` are typed: one thing that the store did not list.
    """

    part: str = "products"
    ref: str = ""
    gives: tuple[Resource, ...] | None = None
    kind: str = ResourceKind.COURSE.value
    more: str = ""


@dataclass(frozen=True, slots=True)
class MapPlace:
    """Where the map stands: `show` opens it, `save` takes an entry. `framed`: a script posts both.

    `form_token` is for the pages that a cookie opens.
    """

    show: str
    save: str
    form_token: str = field(default="", repr=False)
    framed: bool = False


@dataclass(frozen=True, slots=True)
class MapCard:
    """All of it. `is_kept`: the open entry was said before. `lists`: the store tells what there is.

    `silent`: what is the matter with that just now.
    """

    entry: OpenEntry
    is_kept: bool
    rows: Sequence[MapRow]
    choices: Sequence[MapChoice]
    known: Sequence[tuple[str, str]]
    unlisted: Sequence[str]
    lists: bool
    silent: str
    faults: Mapping[str, str]
    parts: Mapping[str, str]
    kinds: Sequence[str]


def map_card(
    access: AccessMap,
    installation: InstallationId,
    catalog: Catalog | None,
    silent: str,
    entry: OpenEntry,
    faults: Mapping[str, str],
) -> MapCard:
    """What the page shows of a map, with `entry` open. No catalog: the store lists nothing."""
    lists, catalog = catalog is not None, catalog or Catalog()
    kept = _opened(access, installation, entry.part, entry.ref)
    opened = kept if entry.gives is None else entry.gives
    tags = [one for one in catalog.resources if one.kind is ResourceKind.TAG]
    rows = map_rows(access, catalog)
    return MapCard(
        entry,
        any((row.part, row.ref) == (entry.part, entry.ref) for row in rows),
        rows,
        map_choices(catalog, opened, with_tags=entry.part == "products"),
        [
            *((one.ref, one.name) for one in catalog.products),
            *((one.ref, f"tag {one.name}") for one in tags),
        ],
        catalog.unlisted,
        lists,
        silent,
        faults,
        PARTS,
        [one.value for one in ResourceKind],
    )


def _opened(
    access: AccessMap, installation: InstallationId, part: str, ref: str
) -> tuple[Resource, ...]:
    """What the entry that is open for change says so far."""
    if part == "products":
        return access.given_by(installation, ref) or ()
    if part == "bundles":
        return access.inside(Resource(installation, ResourceKind.BUNDLE, ref)) or ()
    return access.opened_by(Resource(installation, ResourceKind.TAG, ref))


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
    if kind not in list(ResourceKind):
        return None
    return typed_resource(kind, unquote(ref), installation, name)


def typed_resource(
    kind: str, ref: str, installation: InstallationId, name: str = ""
) -> Resource | None:
    """A thing by the id that somebody typed, or None where the text is no id."""
    ref = ref.strip()
    if not ref or len(ref) > LONGEST_REF or not is_one_line(ref):
        return None
    return Resource(installation, ResourceKind(kind), ref, name)


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
