"""Finds the platforms: their manifests in folders, their code by name, loaded when first asked for.

A platform is added by files alone: `manifests/stores/shop/platform.json`, `plugin/stores/shop.py`,
`webhooks/stores/shop.py`. No list is edited, and no platform is named here. `check` in
`registry_check.py` tells what is missing. Never makes an adapter: `app.py` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

from plugin.domain.errors import InvalidInput
from plugin.platforms.manifest import (
    CAPABILITIES,
    HelpdeskManifest,
    Level,
    PlatformManifest,
    QualityRule,
    QualityStatus,
    StoreManifest,
)
from plugin.platforms.manifest_schema import InvalidManifest, read_manifest
from plugin.ports import Connection, Kind

MANIFEST_FILE = "platform.json"


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One platform in the tables of README and docs; `levels` in the order of `CAPABILITIES`.

    `rules`: how many of its quality rules stand where.
    """

    name: str
    stem: str
    docs: str
    levels: Mapping[str, Level]
    rules: Mapping[QualityStatus, int]
    simulated: bool


class Registry:
    """All platforms below `roots`, keyed by kind and stem.

    `adapters` and `webhooks` are the packages that hold the code, other ones only in tests. A
    folder with a broken manifest is no platform: asking for it raises InvalidManifest.
    """

    def __init__(
        self, roots: Sequence[Traversable], *, adapters: str = "plugin", webhooks: str = "webhooks"
    ) -> None:
        self._adapters = adapters
        self._webhooks = webhooks
        self._found: dict[tuple[Kind, str], PlatformManifest] = {}
        self._broken: dict[tuple[Kind, str], InvalidManifest] = {}
        for kind, folder in _folders(roots):
            key = (kind, folder.name)
            if key in self._found or key in self._broken:
                self._found.pop(key, None)
                self._broken[key] = InvalidManifest(["two roots hold a platform of this name"])
                continue
            try:
                self._found[key] = _read(kind, folder)
            except InvalidManifest as error:
                self._broken[key] = error

    @property
    def broken(self) -> Mapping[tuple[Kind, str], InvalidManifest]:
        """The folders whose manifests cannot be used."""
        return MappingProxyType(self._broken)

    def manifests(self, kind: Kind | None = None) -> tuple[PlatformManifest, ...]:
        """Return all sound manifests, of one kind or of both, stores first, by stem."""
        return tuple(
            self._found[key]
            for key in sorted(self._found, key=lambda key: (list(Kind).index(key[0]), key[1]))
            if kind in (None, key[0])
        )

    def manifest(self, kind: Kind, stem: str) -> PlatformManifest:
        """Return one manifest. Raises InvalidInput where there is none, InvalidManifest."""
        if (kind, stem) in self._broken:
            raise self._broken[kind, stem]
        try:
            return self._found[kind, stem]
        except KeyError:
            known = ", ".join(manifest.stem for manifest in self.manifests(kind))
            raise InvalidInput("platform", f"choose one of {known}") from None

    def title(self, connection: Connection) -> str:
        """The platform's name as people write it. Raises as `manifest`."""
        return self.manifest(connection.kind, connection.platform).name

    def store(self, stem: str) -> StoreManifest:
        """Return a store's manifest. Raises as `manifest`."""
        manifest = self.manifest(Kind.STORE, stem)
        assert isinstance(manifest, StoreManifest)  # noqa: S101 - the reader's promise, for types
        return manifest

    def helpdesk(self, stem: str) -> HelpdeskManifest:
        """Return a helpdesk's manifest. Raises as `manifest`."""
        manifest = self.manifest(Kind.HELPDESK, stem)
        assert isinstance(manifest, HelpdeskManifest)  # noqa: S101 - the reader's promise, for types
        return manifest

    def adapter_class(self, kind: Kind, stem: str) -> type[Any]:
        """Load `plugin.<kind>s.<stem>` and return its `<Name>Store` or `<Name>Helpdesk`.

        Raises as `manifest`, so that no name from outside is ever imported; ImportError and
        AttributeError where the code is missing, which `check` tells first.
        """
        module = import_module(self.adapter_module(self.manifest(kind, stem)))
        found: type[Any] = getattr(module, class_name(kind, stem))
        return found

    def install_class(self, kind: Kind, stem: str) -> type[Any]:
        """Return the `<Name>Install` beside the adapter. Raises as `adapter_class`."""
        module = import_module(self.adapter_module(self.manifest(kind, stem)))
        found: type[Any] = getattr(module, install_class_name(stem))
        return found

    def embedded_class(self, kind: Kind, stem: str) -> type[Any]:
        """Return the `<Name>Embedded` beside the adapter. Raises as `adapter_class`."""
        module = import_module(self.adapter_module(self.manifest(kind, stem)))
        found: type[Any] = getattr(module, embedded_class_name(stem))
        return found

    def parser(self, kind: Kind, stem: str) -> Callable[..., Any]:
        """Load `webhooks.<kind>s.<stem>` and return its `parse`. Raises as `adapter_class`."""
        found: Callable[..., Any] = import_module(
            self.parser_module(self.manifest(kind, stem))
        ).parse
        return found

    def adapter_module(self, manifest: PlatformManifest) -> str:
        """Return the name of the module that holds the adapter."""
        return f"{self._adapters}.{manifest.kind.folder}.{manifest.stem}"

    def parser_module(self, manifest: PlatformManifest) -> str:
        """Return the name of the module that holds the parser."""
        return f"{self._webhooks}.{manifest.kind.folder}.{manifest.stem}"

    def matrix_rows(self, kind: Kind) -> tuple[MatrixRow, ...]:
        """Return the rows of the generated tables, by stem."""
        return tuple(
            MatrixRow(
                name=manifest.name,
                stem=manifest.stem,
                docs=manifest.docs,
                levels={word: manifest.level(word) for word in CAPABILITIES[kind]},
                rules=_counted(manifest.quality),
                simulated=manifest.simulated,
            )
            for manifest in self.manifests(kind)
        )


def _counted(rules: Sequence[QualityRule]) -> Mapping[QualityStatus, int]:
    """How many stand where, in the order of `QualityStatus`; those where none does are left out."""
    counts = Counter(rule.status for rule in rules)
    return {status: counts[status] for status in QualityStatus if counts[status]}


def class_name(kind: Kind, stem: str) -> str:
    """Return the name of an adapter's class: `good_shop` of stores is `GoodShopStore`."""
    return _joined(stem) + kind.value.capitalize()


def install_class_name(stem: str) -> str:
    """Return the name of the class of a platform's own way to install: `GoodShopInstall`."""
    return f"{_joined(stem)}Install"


def embedded_class_name(stem: str) -> str:
    """Return the name of the class for a platform's own admin: `GoodShopEmbedded`."""
    return f"{_joined(stem)}Embedded"


def _joined(stem: str) -> str:
    return "".join(part.capitalize() for part in stem.split("_"))


def _folders(roots: Sequence[Traversable]) -> Iterator[tuple[Kind, Traversable]]:
    for root in roots:
        for kind in Kind:
            parent = root / kind.folder
            if parent.is_dir():
                for folder in sorted(parent.iterdir(), key=lambda folder: folder.name):
                    if folder.is_dir() and not folder.name.startswith(("_", ".")):
                        yield kind, folder


def _read(kind: Kind, folder: Traversable) -> PlatformManifest:
    file = folder / MANIFEST_FILE
    if not file.is_file():
        raise InvalidManifest([f"{MANIFEST_FILE}: write one"])
    manifest = read_manifest(file.read_bytes())
    faults = []
    if manifest.stem != folder.name:
        faults.append(f"stem: must be the folder's name, {folder.name}")
    if manifest.kind is not kind:
        faults.append(f"kind: this folder holds {kind.folder}")
    if faults:
        raise InvalidManifest(faults)
    return manifest
