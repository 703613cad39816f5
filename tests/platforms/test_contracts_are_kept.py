"""What declares a capability runs that capability's contract: no manifest can skip it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from plugin.platforms.data_files import DataFiles
from plugin.platforms.manifest import PlatformManifest, StoreManifest
from plugin.platforms.registry import Registry
from plugin.ports import Kind
from tests.contracts.access import AddsAndRemovesTags, CancelsWhatIsPaid, OpensAndCloses
from tests.contracts.any_order import OF_A_PURCHASE, AnyOrderContract
from tests.contracts.fields import FieldsContract
from tests.contracts.helpdesk import HelpdeskContract
from tests.contracts.money import MoneyContract
from tests.contracts.webhook import WebhookContract

_CONTRACTS: dict[str, type] = {
    "refund_full": MoneyContract,
    "refund_partial": MoneyContract,
    "lookup": MoneyContract,
    "revoke": OpensAndCloses,
    "restore": OpensAndCloses,
    "tags": AddsAndRemovesTags,
    "cancel_subscription": CancelsWhatIsPaid,
}
_HERE = Path(__file__).parent
_REGISTRY = Registry([DataFiles().manifests()])


def _stores() -> list[str]:
    registry = Registry([DataFiles().manifests()])
    return [one.stem for one in registry.manifests(Kind.STORE)]


def _promised(manifest: PlatformManifest) -> set[type]:
    assert isinstance(manifest, StoreManifest)
    found = {contract for word, contract in _CONTRACTS.items() if manifest.level(word).is_coded}
    if manifest.webhooks is None:
        return found
    told = {kind for kinds in manifest.webhooks.topics.values() for kind in kinds}
    found |= {AnyOrderContract} if told & OF_A_PURCHASE else set()
    return found | {WebhookContract}


def _run(stem: str) -> Iterator[type]:
    """The test classes of a platform."""
    for path in sorted((_HERE / stem).glob("test_*.py")):
        module = import_module(f"tests.platforms.{stem}.{path.stem}")
        yield from (
            one
            for name, one in vars(module).items()
            if isinstance(one, type) and name.startswith("Test")
        )


@pytest.mark.parametrize("stem", _stores())
def test_what_a_store_declares_it_is_held_to(stem: str) -> None:
    manifest = Registry([DataFiles().manifests()]).manifest(Kind.STORE, stem)
    classes = tuple(_run(stem))
    missing = {
        contract.__name__
        for contract in _promised(manifest)
        if not any(issubclass(one, contract) for one in classes)
    }
    assert not missing, f"{stem} declares what these contracts hold it to: inherit them"


@pytest.mark.parametrize("stem", [one.stem for one in _REGISTRY.manifests(Kind.HELPDESK)])
def test_what_a_desk_declares_it_is_held_to(stem: str) -> None:
    manifest = _REGISTRY.helpdesk(stem)
    sets_fields = manifest.level("fields").is_coded
    promised: set[type] = {HelpdeskContract} | ({FieldsContract} if sets_fields else set())
    promised |= {WebhookContract} if manifest.webhooks is not None else set()
    classes = tuple(_run(stem))
    missing = {
        contract.__name__
        for contract in promised
        if not any(issubclass(one, contract) for one in classes)
    }
    assert not missing, f"{stem} declares what these contracts hold it to: inherit them"
