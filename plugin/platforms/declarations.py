"""What manifests say about connecting, in the words of `plugin.ports.connecting`. Calls nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from plugin.domain.errors import InvalidInput
from plugin.platforms.manifest import (
    FieldForm,
    Outgoing,
    PlatformManifest,
)
from plugin.platforms.registry import Registry
from plugin.platforms.url_templates import host_and_port
from plugin.ports import Connection, Kind
from plugin.ports.connecting import DeclaredLine, FilledForm, InstallWay
from plugin.ports.embedding import EmbeddedAdmin

BASE_URL = "base_url"


@dataclass(frozen=True, slots=True)
class ManifestDeclarations:
    """Implements `plugin.ports.connecting.Declarations` from the registry's manifests.

    `allow_private`: the `host:port` of the settings that development addresses may name.
    """

    registry: Registry
    allow_private: frozenset[str] = field(default_factory=frozenset)

    def read_form(self, kind: str, platform: str, typed: Mapping[str, str]) -> FilledForm:
        """Check what was typed. Raises InvalidInput naming the field and what to give."""
        manifest = self._manifest(kind, platform)
        return self._filled(manifest, manifest.read_form(_declared(typed)), typed)

    def read_way(self, kind: str, platform: str, typed: Mapping[str, str]) -> FilledForm:
        manifest = self._manifest(kind, platform)
        return self._filled(manifest, manifest.read_way(_declared(typed)), typed)

    def install_way(self, kind: str, platform: str) -> InstallWay | None:
        manifest = self._manifest(kind, platform)
        if manifest.install_way is None:
            return None
        way: InstallWay = self.registry.install_class(manifest.kind, manifest.stem)()
        return way

    def form_names(self, kind: str, platform: str) -> Sequence[str]:
        manifest = self._manifest(kind, platform)
        return (*(line.name for line in manifest.install_fields), *manifest.brings, BASE_URL)

    def embedded_admin(self, kind: str, platform: str) -> EmbeddedAdmin | None:
        manifest = self._manifest(kind, platform)
        if manifest.embedded is None:
            return None
        admin: EmbeddedAdmin = self.registry.embedded_class(manifest.kind, manifest.stem)()
        return admin

    def _manifest(self, kind: str, platform: str) -> PlatformManifest:
        if kind not in list(Kind):
            raise InvalidInput("kind", f"choose one of {', '.join(Kind)}")
        return self.registry.manifest(Kind(kind), platform)

    def _filled(
        self, manifest: PlatformManifest, values: Mapping[str, str], typed: Mapping[str, str]
    ) -> FilledForm:
        hosts = {line.name for line in manifest.install_fields if line.form is not FieldForm.TEXT}
        development = typed.get(BASE_URL, "").strip().rstrip("/")
        settings = {
            name: value for name, value in values.items() if name not in manifest.secret_fields
        }
        if development:
            settings[BASE_URL] = development
        return FilledForm(
            title=manifest.name,
            simulated=manifest.simulated,
            settings=settings,
            secrets={name: values[name] for name in manifest.secret_fields if name in values},
            account={name: value for name, value in settings.items() if name in hosts},
            places=self._places(manifest, values, development),
        )

    def _places(
        self, manifest: PlatformManifest, values: Mapping[str, str], development: str
    ) -> frozenset[str]:
        outgoing = manifest.outgoing
        if outgoing is None:
            if development:
                raise InvalidInput(BASE_URL, f"{manifest.name} is never called; leave it out")
            return frozenset()
        if development:
            _refuse_odd_address(development)
            return Outgoing.development_address(development, self.allow_private).hosts
        return outgoing.address(values).hosts

    def self_test(self, connection: Connection) -> Sequence[DeclaredLine]:
        manifest = self.registry.manifest(connection.kind, connection.platform)
        return tuple(DeclaredLine(line.check, line.sentence) for line in manifest.self_test)


def _declared(typed: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in typed.items() if name != BASE_URL}


def _refuse_odd_address(url: str) -> None:
    """The form must not be able to add a query or fragment to every address we call."""
    try:
        host_and_port(url)
    except InvalidInput as error:
        raise InvalidInput(BASE_URL, error.advice) from None
    if "?" in url or "#" in url:
        raise InvalidInput(BASE_URL, "give an address without ? and #")
