"""What declares a capability runs that capability's contract: no manifest can skip it.

Whole and unchanged, and with what a network may do where there is one. What a platform cannot be
asked is named here, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from plugin.platforms.data_files import DataFiles
from plugin.platforms.manifest import CAPABILITIES, PlatformManifest
from plugin.platforms.registry import Registry
from plugin.ports import Kind
from tests.contracts.access import (
    AddsAndRemovesTags,
    CancelsWhatIsPaid,
    OpensAndCloses,
    OverTheNetwork,
)
from tests.contracts.any_order import OF_A_PURCHASE, AnyOrderContract
from tests.contracts.asking import FindsOverTheNetwork, NewsOverTheNetwork
from tests.contracts.fields import FieldsContract, FieldsOverHttpContract
from tests.contracts.helpdesk import HelpdeskContract, HelpdeskOverHttpContract
from tests.contracts.keeping import changes, unkept
from tests.contracts.money import MoneyContract
from tests.contracts.orders import FindsContract, NewsContract, UsageContract
from tests.contracts.webhook import WebhookContract

_CONTRACTS: dict[Kind, dict[str, type]] = {
    Kind.STORE: {
        "find_orders": FindsContract,
        "news": NewsContract,
        "refund_full": MoneyContract,
        "refund_partial": MoneyContract,
        "lookup": MoneyContract,
        "revoke": OpensAndCloses,
        "restore": OpensAndCloses,
        "tags": AddsAndRemovesTags,
        "cancel_subscription": CancelsWhatIsPaid,
        "usage": UsageContract,
        "disputes": AnyOrderContract,
    },
    Kind.HELPDESK: {
        "context": HelpdeskContract,
        "requester": HelpdeskContract,
        "note": HelpdeskContract,
        "reply": HelpdeskContract,
        "tags": HelpdeskContract,
        "fields": FieldsContract,
    },
}
_OVER_HTTP: dict[type, type] = {
    FindsContract: FindsOverTheNetwork,
    NewsContract: NewsOverTheNetwork,
    OpensAndCloses: OverTheNetwork,
    HelpdeskContract: HelpdeskOverHttpContract,
    FieldsContract: FieldsOverHttpContract,
}
"""What is asked besides of a platform that is called."""
_EXEMPT: dict[str, dict[str, str]] = {
    "practice": {
        "MoneyContract.test_a_key_that_is_not_accepted_is_refused_and_pays_nothing": (
            "the practice shop has no key"
        ),
    },
    "woocommerce": {
        "MoneyContract.test_a_refund_that_fails_later_is_found_as_declined": (
            "a shop has no failed refunds, it deletes the row: its own test of that name asks for"
            " not found"
        ),
    },
}
"""What a platform does not keep, by its stem, and why nobody could."""
_HERE = Path(__file__).parent
_REGISTRY = Registry([DataFiles().manifests()])
_MANIFESTS = [one for kind in Kind for one in _REGISTRY.manifests(kind)]


def _name(manifest: PlatformManifest) -> str:
    return f"{manifest.kind.folder}/{manifest.stem}"


def _promised(manifest: PlatformManifest) -> set[type]:
    contracts = _CONTRACTS[manifest.kind]
    found = {contracts[word] for word in contracts if manifest.level(word).is_coded}
    if manifest.outgoing is not None:
        found |= {more for contract, more in _OVER_HTTP.items() if contract in found}
    if manifest.webhooks is None:
        return found
    told = {kind for kinds in manifest.webhooks.topics.values() for kind in kinds}
    if manifest.kind is Kind.STORE and told & OF_A_PURCHASE:
        found.add(AnyOrderContract)
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


@pytest.mark.parametrize("manifest", _MANIFESTS, ids=_name)
def test_what_a_platform_declares_it_is_held_to(manifest: PlatformManifest) -> None:
    classes, exempt = tuple(_run(manifest.stem)), _EXEMPT.get(manifest.stem, {})
    missing = {
        what for contract in _promised(manifest) for what in unkept(contract, classes, exempt)
    }
    assert not missing, (
        f"{_name(manifest)} declares what these hold it to: inherit the contract and change nothing"
    )


@pytest.mark.parametrize("manifest", _MANIFESTS, ids=_name)
def test_every_capability_that_is_declared_has_a_contract(manifest: PlatformManifest) -> None:
    words = CAPABILITIES[manifest.kind]
    coded = {word for word in words if manifest.level(word).is_coded}
    assert coded <= set(_CONTRACTS[manifest.kind]), "write the contract of these first"


@pytest.mark.parametrize("stem", [one.stem for one in _REGISTRY.manifests(Kind.STORE)])
def test_a_store_that_knows_disputes_tells_of_them(stem: str) -> None:
    """Else the contract on news in any order would ask for a story without one."""
    manifest = _REGISTRY.manifest(Kind.STORE, stem)
    topics = {} if manifest.webhooks is None else manifest.webhooks.topics
    told = {kind for kinds in topics.values() for kind in kinds}
    assert ("dispute_news" in told) is manifest.level("disputes").is_coded


@pytest.mark.parametrize("stem", _EXEMPT)
def test_nothing_is_exempt_that_is_kept(stem: str) -> None:
    kinds = [kind for kind in Kind if stem in {one.stem for one in _REGISTRY.manifests(kind)}]
    promised = {one for kind in kinds for one in _promised(_REGISTRY.manifest(kind, stem))}
    broken = {
        what
        for contract in promised
        for heir in _run(stem)
        if issubclass(heir, contract)
        for what in changes(contract, heir)
    }
    assert set(_EXEMPT[stem]) <= broken
    assert all(_EXEMPT[stem].values())


# --- the keeper itself ----------------------------------------------------------------------------


class _Contract:
    """A toy one."""

    @pytest.fixture
    def world(self) -> object:
        raise NotImplementedError

    @pytest.fixture
    def payment(self) -> int:
        return 1

    def look(self) -> int:
        return 1

    def test_money_goes_back(self) -> None: ...

    def test_it_goes_back_once(self) -> None: ...


class _Whole(_Contract):
    @pytest.fixture
    def world(self) -> object:
        return object()

    def test_of_its_own(self) -> None: ...


class _Blanks(_Whole):
    test_it_goes_back_once = None  # type: ignore[assignment]  # what must not pass


class _Replaces(_Whole):
    def test_money_goes_back(self) -> None: ...


class _Helps(_Whole):
    def look(self) -> int:
        return 2


class _Pays(_Whole):
    @pytest.fixture
    def payment(self) -> int:
        return 2


@pytest.mark.skip(reason="what must not pass")
class _Skipped(_Whole): ...


@pytest.mark.skipif(bool(_MANIFESTS), reason="what must not pass")
class _SkippedSometimes(_Whole): ...


@pytest.mark.skipif(not _MANIFESTS, reason="nothing is declared so far")
class _DeclaredByNow(_Whole): ...


@pytest.mark.xfail
class _MayFail(_Whole): ...


class _Untaken(_Whole):
    __test__ = False


@pytest.mark.parametrize(
    ("heir", "missing"),
    [
        (_Whole, set()),
        (_Blanks, {"_Contract.test_it_goes_back_once"}),
        (_Replaces, {"_Contract.test_money_goes_back"}),
        (_Helps, {"_Contract.look"}),
        (_Pays, {"_Contract.payment"}),
        (_Skipped, {"_Skipped is marked skip"}),
        (_SkippedSometimes, {"_SkippedSometimes is marked skipif"}),
        (_DeclaredByNow, set()),
        (_MayFail, {"_MayFail is marked xfail"}),
        (_Untaken, {"_Untaken has __test__ = False"}),
        (int, {"_Contract"}),
    ],
)
def test_a_contract_is_kept_whole_or_not_at_all(heir: type, missing: set[str]) -> None:
    assert unkept(_Contract, [heir]) == missing


def test_one_class_that_keeps_it_is_enough_and_an_exemption_frees_one_test_only() -> None:
    assert unkept(_Contract, [_Blanks, _Whole, _Replaces]) == set()
    exempt = {"_Contract.test_it_goes_back_once"}
    assert unkept(_Contract, [_Blanks], exempt) == set()
    assert unkept(_Contract, [_Replaces], exempt) == {"_Contract.test_money_goes_back"}


def test_a_network_is_asked_for_wherever_there_is_one() -> None:
    """A platform that is called cannot run what holds for a desk in a file only."""
    assert unkept(HelpdeskOverHttpContract, [HelpdeskContract]) == {"HelpdeskOverHttpContract"}
    called = {one.stem: _promised(one) for one in _MANIFESTS if one.kind is Kind.HELPDESK}
    assert HelpdeskOverHttpContract in called["zendesk"]
    assert FieldsOverHttpContract in called["zendesk"]
    assert HelpdeskOverHttpContract not in called["practice"]
    asked = {FindsOverTheNetwork, NewsOverTheNetwork}
    assert asked | {OverTheNetwork} <= _promised(_REGISTRY.manifest(Kind.STORE, "saleor"))
    assert asked <= _promised(_REGISTRY.manifest(Kind.STORE, "stripe"))
    assert not asked & _promised(_REGISTRY.manifest(Kind.STORE, "practice"))
