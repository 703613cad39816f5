"""A refund through two platforms that lie in a folder of their own: plan, decide, send, note.

The files come from `makegood platforms new` and hold what a developer writes into them. Registered
by a further root for the manifests and a further place for the packages; nothing else of ours knows
of them. Their APIs answer over loopback HTTP.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import plugin.helpdesks
import plugin.stores
import tests.platforms
import webhooks.helpdesks
import webhooks.stores
from plugin.app import create_app
from plugin.commands.new_platform import write_platform
from plugin.domain.ids import InstallationId
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.ports import Kind
from tests.commands.toys import DESK, SHOP, fill_in
from tests.databases import Databases
from tests.journey.house import House, open_house, plain
from tests.journey.sidebar import Page, Sidebar
from tests.tree_copy import ROOT

MIA = "mia@example.com"
PARSERS = (webhooks.stores, webhooks.helpdesks)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with both platforms' files, filled in, from which their modules are imported."""
    made = tmp_path / "elsewhere"
    made.mkdir()
    shutil.copy(ROOT / "setup.cfg", made)
    for stem, kind in ((SHOP, Kind.STORE), (DESK, Kind.HELPDESK)):
        write_platform(stem, kind, made, lambda _: None)
    fill_in(made)
    for package in (plugin.stores, plugin.helpdesks, *PARSERS, tests.platforms):
        place = str(made / package.__name__.replace(".", "/"))
        monkeypatch.setattr(package, "__path__", [*package.__path__, place])
    yield made
    for name in [name for name in sys.modules if {SHOP, DESK} & set(name.split("."))]:
        del sys.modules[name]
    for package in (plugin.stores, plugin.helpdesks, *PARSERS, tests.platforms):
        for stem in (SHOP, DESK):
            vars(package).pop(stem, None)


@dataclass
class Toys:
    """A house that knows the two platforms, and the two accounts. `shop` and `desk` are fakes."""

    house: House
    shop: Any
    desk: Any
    connected: InstallationId

    def sidebar(self, ticket: str, agent: str) -> Sidebar:
        """The panel, opened as the toy desk opens it, beside the ticket."""
        client = self.house.app.test_client()
        form = self.desk.account.first_request(agent, ticket)
        opened = client.post(f"/panel/{DESK}/{self.connected}", data=form)
        return Sidebar(client, Page(opened.status_code, opened.text))


@pytest.fixture
def toys(folder: Path, tmp_path: Path, databases: Databases) -> Iterator[Toys]:
    with ExitStack() as stack:
        shop = stack.enter_context(import_module(f"tests.platforms.{SHOP}.fake").Fake())
        desk = stack.enter_context(import_module(f"tests.platforms.{DESK}.fake").Fake())
        places = f"{shop.place},{desk.place}"
        house = stack.enter_context(
            open_house(tmp_path, databases, MAKEGOOD_ALLOW_PRIVATE_HOSTS=places)
        )
        registry = Registry([DataFiles().manifests(), folder / "manifests"])
        platforms = replace(house.parts.platforms, registry=registry)
        house.parts = replace(house.parts, registry=registry, platforms=platforms)
        house.app = create_app(parts=house.parts)
        house.connect(SHOP, {"api_key": shop.books.key, "base_url": shop.url})
        key = import_module(f"tests.platforms.{DESK}.fake").KEY
        facts = house.connect(DESK, {"api_key": key, "base_url": desk.url})
        yield Toys(house, shop, desk, InstallationId(facts["installation"]))


def test_a_refund_goes_from_the_toy_desk_s_ticket_through_the_toy_store(toys: Toys) -> None:
    house, books = toys.house, toys.shop.books
    sale = books.sell(4900, "EUR", MIA)
    ticket = toys.desk.account.add_ticket(MIA)
    sidebar = toys.sidebar(ticket.ref, "21")
    assert "Toy course" in sidebar.page.text
    sidebar.press("refund")
    assert books.refunds == []  # ten seconds in which it can be undone

    house.pass_time(seconds=10)
    house.rest()
    [refund] = books.refunds
    assert (refund.payment, refund.amount, refund.state) == (sale.ref, 4900, "succeeded")
    [note] = [plain(one.text) for one in ticket.comments if not one.public]
    assert "49.00" in note
    assert "1 refund in 12 months" in sidebar.look().text


def test_an_answer_of_the_toy_store_that_is_lost_moves_money_once(toys: Toys) -> None:
    house, books = toys.house, toys.shop.books
    books.sell(4900, "EUR", MIA)
    ticket = toys.desk.account.add_ticket(MIA)
    toys.sidebar(ticket.ref, "21").press("refund")
    mishap = import_module(f"tests.platforms.{SHOP}.loopback").Mishap
    toys.shop.mishaps.append(mishap(on_writes=True, after=True))
    house.pass_time(seconds=10)
    house.rest()
    assert [one.amount for one in books.refunds] == [4900]
    assert any("49.00" in plain(one.text) for one in ticket.comments)


def test_the_toy_desk_shows_no_ticket_to_somebody_else(toys: Toys) -> None:
    toys.shop.books.sell(4900, "EUR", MIA)
    ticket = toys.desk.account.add_ticket(MIA)
    assert "Toy course" not in toys.sidebar(ticket.ref, "22").page.text
