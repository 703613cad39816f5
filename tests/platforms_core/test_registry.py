"""A platform is added by files alone, and all that is missing is told at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path
from typing import Any, Protocol

import pytest

from plugin.domain.errors import InvalidInput
from plugin.platforms.manifest import (
    STORE_CAPABILITIES,
    Level,
)
from plugin.platforms.manifest_schema import InvalidManifest
from plugin.platforms.registry import Registry, class_name
from plugin.platforms.registry_check import CAPABILITY_PORTS, check, methods_of
from plugin.ports import FindsOrders, Kind

STORE_CODE = """
class ToyShopStore:
    def find_orders(self, query): ...
    def read_order(self, ref): ...
    def refund(self, refund): ...
    def look_up(self, refund): ...
    def read_access(self, contact): ...
    def revoke(self, contact, resource): ...
    def restore(self, contact, resource): ...
"""
DESK_CODE = """
class ToyDeskHelpdesk:
    def sign_in(self, form, query, now): ...
    def read_ticket(self, ticket, agent): ...
    def read_agent(self, agent): ...
    def add_note(self, ticket, body, tags, marker, field=""): ...
    def reply(self, ticket, body, marker): ...
    def has_marker(self, ticket, marker): ...
    def find_open_tickets(self, email): ...
"""


class Toys:
    """A project folder with platforms in it, and packages of its own for their code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifests = folder / "manifests"
        self.registry_options = {"adapters": "toy_plugin", "webhooks": "toy_webhooks"}

    def declare(self, document: dict[str, Any], folder: str | None = None) -> Path:
        place = self.manifests / f"{document['kind']}s" / (folder or document["stem"])
        return self.write(place / "platform.json", json.dumps(document))

    def write(self, place: Path | str, text: str) -> Path:
        file = self.folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def registry(self, *more: Path) -> Registry:
        return Registry([self.manifests, *more], **self.registry_options)

    def faults(self) -> list[str]:
        return [str(fault) for fault in check(self.registry(), self.folder)]


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toys]:
    monkeypatch.syspath_prepend(tmp_path)
    yield Toys(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0].startswith("toy_")]:
        del sys.modules[name]


@pytest.fixture
def complete(toys: Toys, toy_store: dict[str, Any], toy_desk: dict[str, Any]) -> Toys:
    toys.declare(toy_store)
    toys.declare(toy_desk)
    toys.write("toy_plugin/stores/toy_shop.py", STORE_CODE)
    toys.write("toy_plugin/helpdesks/toy_desk.py", DESK_CODE)
    toys.write("toy_webhooks/stores/toy_shop.py", "def parse(delivery): return []")
    for stem in ("toy_shop", "toy_desk"):
        toys.write(f"tests/platforms/{stem}/answer.json", "{}")
        toys.write(f"docs/platforms/{stem}.md", "# How to connect")
    return toys


def test_platforms_are_found_by_their_folders(complete: Toys) -> None:
    registry = complete.registry()

    assert [manifest.stem for manifest in registry.manifests()] == ["toy_shop", "toy_desk"]
    assert [manifest.stem for manifest in registry.manifests(Kind.HELPDESK)] == ["toy_desk"]
    assert registry.store("toy_shop").refunds.manual is not None
    assert registry.helpdesk("toy_desk").simulated


def test_code_is_found_by_its_name(complete: Toys) -> None:
    registry = complete.registry()

    assert registry.adapter_class(Kind.STORE, "toy_shop").__name__ == "ToyShopStore"
    assert registry.adapter_class(Kind.HELPDESK, "toy_desk").__name__ == "ToyDeskHelpdesk"
    assert registry.parser(Kind.STORE, "toy_shop")(b"") == []


def test_no_code_is_loaded_before_it_is_asked_for(complete: Toys) -> None:
    complete.registry().manifests()

    assert "toy_plugin.stores.toy_shop" not in sys.modules


@pytest.mark.parametrize("stem", ["nowhere", "../toy_shop", "os", ""])
def test_no_name_from_outside_is_ever_imported(complete: Toys, stem: str) -> None:
    with pytest.raises(InvalidInput, match="choose one of toy_shop"):
        complete.registry().adapter_class(Kind.STORE, stem)


def test_a_store_is_no_helpdesk(complete: Toys) -> None:
    with pytest.raises(InvalidInput):
        complete.registry().helpdesk("toy_shop")


def test_folders_of_tools_and_missing_folders_are_left_aside(tmp_path: Path) -> None:
    (tmp_path / "stores" / "__pycache__").mkdir(parents=True)
    (tmp_path / "stores" / "README.md").write_text("words")

    registry = Registry([tmp_path])

    assert registry.manifests() == ()
    assert registry.broken == {}


def test_a_broken_manifest_is_told_and_is_no_platform(
    complete: Toys, toy_store: dict[str, Any]
) -> None:
    complete.declare(toy_store | {"stem": "other", "docs": "nowhere"}, folder="other")
    registry = complete.registry()

    assert [manifest.stem for manifest in registry.manifests(Kind.STORE)] == ["toy_shop"]
    with pytest.raises(InvalidManifest, match="docs: use an https address"):
        registry.store("other")


def test_a_platform_in_two_roots_is_told(
    complete: Toys, toy_store: dict[str, Any], tmp_path: Path
) -> None:
    second = Toys(tmp_path / "second")
    second.declare(toy_store)
    registry = complete.registry(second.manifests, second.manifests)

    assert [manifest.stem for manifest in registry.manifests()] == ["toy_desk"]
    with pytest.raises(InvalidManifest, match="two roots"):
        registry.store("toy_shop")


def test_a_complete_project_has_no_faults(complete: Toys) -> None:
    assert complete.faults() == []


def test_an_installed_package_has_no_recordings_to_check(
    complete: Toys, toy_store: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "docs" / "platforms" / "toy_shop.md").unlink()

    assert check(complete.registry()) == ()
    assert complete.faults() == [
        "stores/toy_shop: say how to connect it in docs/platforms/toy_shop.md"
    ]


def test_all_faults_of_all_platforms_are_told_at_once(
    toys: Toys, toy_store: dict[str, Any], toy_desk: dict[str, Any]
) -> None:
    toys.declare(toy_store)
    toys.declare(toy_desk, folder="misplaced")
    toys.declare(toy_store | {"stem": "classless"})
    toys.declare(toy_store | {"stem": "halved"})
    toys.declare(toy_store | {"stem": "noisy"})
    toys.declare(toy_store | {"stem": "needy"})
    toys.write("manifests/stores/silent/note.txt", "no manifest here")
    toys.write("manifests/stores/astray/platform.json", json.dumps(toy_desk | {"stem": "astray"}))
    toys.write("toy_plugin/stores/classless.py", "")
    toys.write("toy_webhooks/stores/classless.py", "parse = 'not a function'")
    toys.write("toy_plugin/stores/halved.py", "class HalvedStore:\n    def refund(self): ...")
    toys.write("toy_webhooks/stores/halved.py", "")
    toys.write("toy_plugin/stores/noisy.py", "raise ValueError('secret words')")
    toys.write("toy_webhooks/stores/noisy.py", "def parse(delivery): ...")
    toys.write("toy_plugin/stores/needy.py", "import toy_not_there")
    toys.write("toy_webhooks/stores/needy.py", "def parse(delivery): ...")

    faults = [str(fault) for fault in check(toys.registry())]

    assert faults == [
        "helpdesks/misplaced: stem: must be the folder's name, misplaced",
        "stores/astray: kind: this folder holds stores",
        "stores/classless: toy_plugin.stores.classless needs a class ClasslessStore",
        "stores/classless: toy_webhooks.stores.classless needs a function parse",
        "stores/halved: find_orders is native: write HalvedStore.find_orders",
        "stores/halved: find_orders is native: write HalvedStore.read_order",
        "stores/halved: lookup is native: write HalvedStore.look_up",
        "stores/halved: refund_full is native: write HalvedStore.look_up",
        "stores/halved: restore is emulated: write HalvedStore.read_access",
        "stores/halved: restore is emulated: write HalvedStore.restore",
        "stores/halved: restore is emulated: write HalvedStore.revoke",
        "stores/halved: revoke is emulated: write HalvedStore.read_access",
        "stores/halved: revoke is emulated: write HalvedStore.restore",
        "stores/halved: revoke is emulated: write HalvedStore.revoke",
        "stores/halved: toy_webhooks.stores.halved needs a function parse",
        "stores/needy: toy_plugin.stores.needy needs toy_not_there, which is not installed",
        "stores/noisy: toy_plugin.stores.noisy cannot be imported: ValueError",
        "stores/silent: platform.json: write one",
        "stores/toy_shop: write the module toy_plugin.stores.toy_shop",
        "stores/toy_shop: write the module toy_webhooks.stores.toy_shop",
    ]


def test_a_way_to_install_that_is_declared_must_be_written(
    complete: Toys, toy_store: dict[str, Any]
) -> None:
    asks = [one["name"] for one in toy_store["install_fields"] if not one.get("secret")]
    way = {"asks": asks, "words": "It sends its key.", "steps": ["Press Approve."]}
    complete.declare(toy_store | {"install_way": way})
    module = complete.write("toy_plugin/stores/toy_shop.py", STORE_CODE)
    assert complete.faults() == [
        "stores/toy_shop: toy_plugin.stores.toy_shop needs a class ToyShopInstall"
    ]
    del sys.modules["toy_plugin.stores.toy_shop"]
    module.write_text(f"{STORE_CODE}\nclass ToyShopInstall:\n    def begin(self): ...\n")
    invalidate_caches()
    assert complete.faults() == [
        "stores/toy_shop: install_way is declared: write ToyShopInstall.read"
    ]
    found = complete.registry().install_class(Kind.STORE, "toy_shop")
    assert found.__name__ == "ToyShopInstall"


def test_a_page_in_the_stores_admin_that_is_declared_must_be_written(
    complete: Toys, toy_store: dict[str, Any]
) -> None:
    complete.declare(toy_store | {"embedded": {"frame_ancestors": ["https://admin.toy.example"]}})
    module = complete.write("toy_plugin/stores/toy_shop.py", STORE_CODE)
    assert complete.faults() == [
        "stores/toy_shop: toy_plugin.stores.toy_shop needs a class ToyShopEmbedded"
    ]
    del sys.modules["toy_plugin.stores.toy_shop"]
    module.write_text(f"{STORE_CODE}\nclass ToyShopEmbedded:\n    def frame(self): ...\n")
    invalidate_caches()
    assert complete.faults() == [
        "stores/toy_shop: embedded is declared: write ToyShopEmbedded.account_claimed",
        "stores/toy_shop: embedded is declared: write ToyShopEmbedded.prove",
    ]


def test_recordings_and_docs_are_asked_for(complete: Toys, tmp_path: Path) -> None:
    (tmp_path / "tests" / "platforms" / "toy_desk" / "answer.json").unlink()
    (tmp_path / "tests" / "platforms" / "toy_shop" / "answer.json").unlink()
    (tmp_path / "tests" / "platforms" / "toy_shop").rmdir()

    assert complete.faults() == [
        "helpdesks/toy_desk: record what it sends and answers in tests/platforms/toy_desk/",
        "stores/toy_shop: record what it sends and answers in tests/platforms/toy_shop/",
    ]


def test_a_topic_must_lead_to_an_event_that_exists(
    complete: Toys, toy_store: dict[str, Any], toy_desk: dict[str, Any]
) -> None:
    toy_store["webhooks"]["topics"]["ODD"] = ["money_rained"]
    complete.declare(toy_store)
    signed = {"scheme": "hmac_sha256_hex", "header": "X-Toy-Signature"}
    complete.declare(toy_desk | {"webhooks": toy_store["webhooks"] | {"signature": signed}})
    complete.write("toy_webhooks/helpdesks/toy_desk.py", "def parse(delivery): return []")

    faults = complete.faults()

    for platform, fault in zip(("helpdesks/toy_desk", "stores/toy_shop"), faults, strict=True):
        assert fault.startswith(f"{platform}: topic ODD: money_rained is no event, use account_")
        assert "sale_refunded" in fault


def test_a_vendor_that_does_not_sign_needs_no_parser(
    complete: Toys, toy_store: dict[str, Any], tmp_path: Path
) -> None:
    toy_store["webhooks"] |= {"signature": None, "trust": "unsigned"}
    complete.declare(toy_store)
    (tmp_path / "toy_webhooks" / "stores" / "toy_shop.py").unlink()

    assert complete.faults() == []


def test_the_matrix_shows_every_capability(complete: Toys) -> None:
    (row,) = complete.registry().matrix_rows(Kind.STORE)

    assert (row.name, row.stem, row.simulated) == ("Toy Shop", "toy_shop", False)
    assert tuple(row.levels) == STORE_CAPABILITIES
    assert row.levels["refund_partial"] is Level.MANUAL


@pytest.mark.parametrize(
    ("kind", "stem", "name"),
    [
        (Kind.STORE, "systeme_io", "SystemeIoStore"),
        (Kind.STORE, "practice", "PracticeStore"),
        (Kind.HELPDESK, "help_scout", "HelpScoutHelpdesk"),
    ],
)
def test_a_class_is_named_by_its_stem(kind: Kind, stem: str, name: str) -> None:
    assert class_name(kind, stem) == name


def test_the_methods_of_a_protocol_are_those_it_and_its_parts_name() -> None:
    class Wider(FindsOrders, Protocol):
        size: int

        def more(self) -> None: ...

        def _inner(self) -> None: ...

    assert methods_of(Wider) == {"find_orders", "read_order", "more"}


def test_every_port_stands_for_a_capability_that_exists() -> None:
    assert set(CAPABILITY_PORTS[Kind.STORE]) <= set(STORE_CAPABILITIES)
