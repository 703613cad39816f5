"""What the install screen shows, from manifests and rows alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.access_map import AccessMap
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.ports import Kind
from plugin.ports.records import SelfTestLine
from plugin.web.views import install_view as view
from plugin.web.views.access_map_view import resource_of, value_of
from tests.factories import NOW, STORE, a_course, ago, an_installation, soon

SENTENCES = {"key_works": "Tried without touching any customer"}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry([DataFiles().manifests()])


def _card(*lines: SelfTestLine, under_way: bool = False) -> view.SelfTestCard:
    installation = replace(an_installation(), self_test=lines)
    return view.self_test(installation, SENTENCES, under_way=under_way, now=NOW)


def test_the_line_being_done_turns_and_the_next_ones_wait() -> None:
    card = _card(
        SelfTestLine("key_works", "waiting"),
        SelfTestLine("rights_are_enough", "waiting"),
        under_way=True,
    )
    assert [(line.title, line.look) for line in card.lines] == [
        ("The key works", "now"),
        ("Rights are enough", "next"),
    ]
    assert card.lines[0].details == SENTENCES["key_works"]
    assert (card.said, card.asks_again, card.pace) == ("0 of 2 done", True, "300ms")


def test_a_failed_line_stops_the_list_and_the_asking() -> None:
    card = _card(
        SelfTestLine("key_works", "failed", "make a new key", NOW),
        SelfTestLine("rights_are_enough", "waiting"),
    )
    assert [line.look for line in card.lines] == ["stop", "next"]
    assert (card.failed, card.asks_again) == (True, False)


def test_what_is_not_needed_counts_as_done() -> None:
    card = _card(SelfTestLine("of_a_newer_version", "skipped", "Not needed here", NOW))
    assert (card.lines[0].title, card.lines[0].look) == ("of a newer version", "by")
    assert card.said == "1 of 1 done"


def test_a_first_delivery_is_waited_for_three_minutes() -> None:
    card = _card(SelfTestLine("delivery_received", "waiting", "We asked", ago(seconds=24)))
    assert (card.lines[0].when, card.lines[0].look) == ("24 s", "now")
    assert (card.asks_again, card.pace) == (True, "2s")


def test_a_delivery_that_never_came_says_what_to_check() -> None:
    card = _card(SelfTestLine("delivery_received", "waiting", "We asked", ago(minutes=4)))
    line = card.lines[0]
    assert (line.when, line.look) == ("4 min", "huh")
    assert "check that the platform can reach us" in line.details
    assert not card.asks_again


def test_a_postponed_line_says_why() -> None:
    words = "Waits for its turn: Toy takes only so many calls at once"
    card = _card(
        SelfTestLine("delivery_received", "waiting", words, soon(seconds=9)), under_way=True
    )
    assert (card.lines[0].details, card.lines[0].look) == (words, "now")


def test_words_of_any_manifest_find_their_drawing(registry: Registry) -> None:
    (tile,) = [
        tile
        for tile in view.tiles(registry.manifests(Kind.STORE), [])
        if tile.platform == "practice"
    ]
    looks = {row.label: (row.tone, row.icon) for row in tile.abilities}
    assert looks["Refund"] == ("good", "yes")
    assert looks["Not"] == ("", "no")


def test_without_development_hosts_the_form_asks_for_no_address(registry: Registry) -> None:
    manifest = registry.store("stripe")
    assert [one.name for one in view.form_fields(manifest, {}, {}, None)] == ["api_key"]
    assert [one.name for one in view.form_fields(manifest, {}, {}, "")] == ["api_key", "base_url"]


def test_a_key_that_opens_everything_is_said_to(registry: Registry) -> None:
    whole = view.key_notice(registry.store("systeme_io"))
    part = view.key_notice(registry.store("stripe"))
    assert whole is not None
    assert part is not None
    assert whole.title == "This key opens the whole account"
    assert whole.words.startswith("Systeme.io makes no smaller keys. We store it encrypted")
    assert part.title == "What the key opens"
    assert view.key_notice(registry.store("practice")) is None


def test_each_choice_has_its_own_hint(registry: Registry) -> None:
    fields = view.form_fields(registry.store("systeme_io"), {}, {}, None)
    assert [one.hint for one in fields[1].choices] == [
        "Then refunds can go through Stripe, with one click",
        "Refunds by hand, with a worksheet",
        "Refunds by hand, with a worksheet",
    ]


def test_a_line_tells_how_long_it_took() -> None:
    card = _card(
        SelfTestLine("key_works", "ok", "", NOW, 412),
        SelfTestLine("rights_are_enough", "failed", "", NOW, 1950),
        SelfTestLine("canary", "ok", "", NOW),
    )
    assert [line.when for line in card.lines] == ["0.4 s", "1.9 s", ""]


def test_a_new_key_is_tried_beside_a_line_that_failed_before() -> None:
    card = _card(
        SelfTestLine("key_works", "waiting"),
        SelfTestLine("rights_are_enough", "failed", "make a new key", NOW),
        under_way=True,
    )
    assert (card.failed, card.asks_again) == (True, True)


def test_a_store_that_is_read_says_so(registry: Registry) -> None:
    found = view.found(an_installation(), registry.store("stripe"), AccessMap())
    assert found.told.startswith("Orders are read from Stripe when a ticket opens")
    assert not found.opens_things


def test_the_map_is_told_in_numbers(registry: Registry) -> None:
    access = AccessMap({(STORE, "p1"): (a_course(),), (STORE, "p2"): ()})
    found = view.found(an_installation(), registry.store("systeme_io"), access)
    assert (found.said, found.opens_things) == ("2 price plans", True)


@pytest.mark.parametrize("ref", ["77", "a:b/c", "ä&="])
def test_a_resource_survives_its_field(ref: str) -> None:
    resource = a_course(ref, "Portrait: Lighting")
    back = resource_of(value_of(resource), STORE)
    assert back == resource
    assert back is not None
    assert back.name == "Portrait: Lighting"


@pytest.mark.parametrize("value", ["", "course", "course:", "shoe:1:x"])
def test_a_field_that_names_nothing_is_none(value: str) -> None:
    assert resource_of(value, STORE) is None
