"""Tells all that is missing before a platform can work, at once, in words that say what to write.

`makegood platforms check` prints it. It imports the platforms' code and calls none of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import get_args

from plugin.domain.events import StoreEvent
from plugin.platforms.manifest import (
    CAPABILITIES,
    PlatformManifest,
)
from plugin.platforms.registry import (
    Registry,
    class_name,
    embedded_class_name,
    install_class_name,
)
from plugin.ports import (
    CancelsSubscriptions,
    FindsOrders,
    HoldsAccess,
    HoldsTags,
    Kind,
    RefundsMoney,
    ServesPanel,
    WritesTickets,
)
from plugin.ports.connecting import InstallWay
from plugin.ports.embedding import EmbeddedAdmin
from plugin.ports.news import TellsNews

CapabilityPorts = Mapping[Kind, Mapping[str, type]]

CAPABILITY_PORTS: CapabilityPorts = MappingProxyType(
    {
        Kind.STORE: {
            "find_orders": FindsOrders,
            "news": TellsNews,
            "refund_full": RefundsMoney,
            "refund_partial": RefundsMoney,
            "lookup": RefundsMoney,
            "revoke": HoldsAccess,
            "restore": HoldsAccess,
            "tags": HoldsTags,
            "cancel_subscription": CancelsSubscriptions,
        },
        Kind.HELPDESK: {
            "context": ServesPanel,
            "requester": ServesPanel,
            "note": WritesTickets,
            "reply": WritesTickets,
            "tags": WritesTickets,
            "fields": WritesTickets,
        },
    }
)
"""Which Protocol an adapter must fill for a capability. The others come with an order."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing to put right. `platform` is `stores/<stem>` or `helpdesks/<stem>`."""

    platform: str
    advice: str

    def __str__(self) -> str:
        return f"{self.platform}: {self.advice}"


def check(
    registry: Registry, project: Path | None = None, ports: CapabilityPorts = CAPABILITY_PORTS
) -> tuple[Fault, ...]:
    """Return every fault of every platform, sorted; empty when all is well.

    `project` is the root of a checkout, for recordings and docs; None where only the wheel is.
    """
    faults = [
        Fault(f"{kind.folder}/{stem}", fault)
        for (kind, stem), error in registry.broken.items()
        for fault in error.faults
    ]
    for manifest in registry.manifests():
        platform = f"{manifest.kind.folder}/{manifest.stem}"
        found = [*_code_faults(registry, manifest, ports[manifest.kind]), *_topic_faults(manifest)]
        found += _way_faults(registry, manifest)
        if project is not None:
            found += _project_faults(manifest, project)
        faults += [Fault(platform, advice) for advice in found]
    return tuple(sorted(set(faults)))


def methods_of(protocol: type) -> frozenset[str]:
    """Return the names of the methods that a Protocol asks for."""
    return frozenset(
        name
        for part in protocol.__mro__
        if getattr(part, "_is_protocol", False)
        for name, value in vars(part).items()
        if callable(value) and not name.startswith("_")
    )


def _code_faults(
    registry: Registry, manifest: PlatformManifest, ports: Mapping[str, type]
) -> Iterator[str]:
    module = registry.adapter_module(manifest)
    missing = _load_fault(module, lambda: registry.adapter_class(manifest.kind, manifest.stem))
    if missing is not None:
        yield missing.format(name=f"class {class_name(manifest.kind, manifest.stem)}")
    else:
        adapter = registry.adapter_class(manifest.kind, manifest.stem)
        for capability in CAPABILITIES[manifest.kind]:
            port = ports.get(capability)
            if port is None or not manifest.level(capability).is_coded:
                continue
            for method in sorted(methods_of(port)):
                if not callable(getattr(adapter, method, None)):
                    level = manifest.level(capability)
                    yield f"{capability} is {level}: write {adapter.__name__}.{method}"
    if manifest.webhooks is not None and manifest.webhooks.signature is not None:
        module = registry.parser_module(manifest)
        missing = _load_fault(module, lambda: registry.parser(manifest.kind, manifest.stem))
        if missing is not None:
            yield missing.format(name="function parse")


def _way_faults(registry: Registry, manifest: PlatformManifest) -> Iterator[str]:
    """What is missing of the classes beside the adapter that the manifest declares."""
    at = (manifest.kind, manifest.stem)
    if manifest.install_way is not None:
        yield from _class_faults(
            registry.adapter_module(manifest),
            install_class_name(manifest.stem),
            lambda: registry.install_class(*at),
            "install_way",
            InstallWay,
        )
    if manifest.embedded is not None:
        yield from _class_faults(
            registry.adapter_module(manifest),
            embedded_class_name(manifest.stem),
            lambda: registry.embedded_class(*at),
            "embedded",
            EmbeddedAdmin,
        )


def _class_faults(
    module: str, name: str, load: Callable[[], object], declared: str, port: type
) -> Iterator[str]:
    missing = _load_fault(module, load)
    if missing is not None:
        yield missing.format(name=f"class {name}")
        return
    found = load()
    for method in sorted(methods_of(port)):
        if not callable(getattr(found, method, None)):
            yield f"{declared} is declared: write {name}.{method}"


def _load_fault(module: str, load: Callable[[], object]) -> str | None:
    """What keeps `load` from its end; `{name}` stands for what was to be found in the module."""
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        if f"{module}.".startswith(f"{error.name}."):
            return f"write the module {module}"
        return f"{module} needs {error.name}, which is not installed"
    except Exception as error:  # noqa: BLE001 - a module may fail in any way, and all faults are told
        return f"{module} cannot be imported: {type(error).__name__}"
    try:
        found = callable(load())
    except AttributeError:
        found = False
    return None if found else f"{module} needs a {{name}}"


def _topic_faults(manifest: PlatformManifest) -> Iterator[str]:
    if manifest.webhooks is None:
        return
    known = {_snake(event.__name__) for event in get_args(StoreEvent)}
    for topic, kinds in manifest.webhooks.topics.items():
        for kind in kinds:
            if kind not in known:
                yield f"topic {topic}: {kind} is no event, use {', '.join(sorted(known))}"


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _project_faults(manifest: PlatformManifest, project: Path) -> Iterator[str]:
    recordings = Path("tests", "platforms", manifest.stem)
    if not (project / recordings).is_dir() or not any((project / recordings).iterdir()):
        yield f"record what it sends and answers in {recordings.as_posix()}/"
    docs = Path("docs", "platforms", f"{manifest.stem}.md")
    if not (project / docs).is_file():
        yield f"say how to connect it in {docs.as_posix()}"
