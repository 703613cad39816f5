"""Probe, webhook registration, self-test and catalogue against the fake account."""

from __future__ import annotations

import pytest

from plugin.domain.errors import Refused, RetryLater
from plugin.domain.events import TestDelivery
from plugin.domain.orders import ResourceKind
from plugin.platforms.strict_json import read_json
from plugin.ports import (
    CancelsSubscriptions,
    Changed,
    ConfirmsEvents,
    Connects,
    Contact,
    FindsOrders,
    HoldsAccess,
    HoldsTags,
    ListsCatalog,
    RefundsMoney,
    RegistersWebhooks,
    RunsRoundTrip,
)
from plugin.stores import systeme_io
from tests.contracts.webhook import Recording
from tests.platforms.systeme_io.books import Body
from tests.platforms.systeme_io.conftest import INSTALLATION, World
from tests.platforms.systeme_io.fake import Fault
from tests.platforms.systeme_io.recorded import webhooks
from webhooks.stores import systeme_io as parser

URL = "https://makegood.example/webhooks/systeme_io/inst-1"


def test_it_fills_the_ports_that_the_manifest_promises_and_no_more(world: World) -> None:
    for port in (
        HoldsAccess,
        HoldsTags,
        CancelsSubscriptions,
        ConfirmsEvents,
        Connects,
        RegistersWebhooks,
        ListsCatalog,
        RunsRoundTrip,
    ):
        assert isinstance(world.store, port)
    assert not isinstance(world.store, FindsOrders)
    assert not isinstance(world.store, RefundsMoney)


def test_the_probe_tries_the_key_without_touching_a_customer(world: World) -> None:
    assert world.store.probe().account == "key ending in -key"
    assert [one.path for one in world.fake.exchanges] == ["/api/contact_fields"]


def test_a_key_proves_its_account_by_our_webhook(world: World) -> None:
    assert world.store.probe().has_our_webhook is None
    made = world.store.register_webhook(URL, "our-secret")
    settings = {"base_url": world.fake.url, "webhook_ref": made.ref}
    connected = world.connect(settings=settings)
    assert connected.probe().has_our_webhook is True
    made_anew = world.store.register_webhook(URL, "our-secret")
    assert made_anew.ref != made.ref
    assert connected.probe().has_our_webhook is True, "ours by its name, whatever its id"
    world.fake.books.webhooks.clear()
    world.fake.books.register("Zap", "https://other.example/1", "s", ["SALE_NEW"])
    assert connected.probe().has_our_webhook is False


@pytest.mark.parametrize("key", ["wrong-key", " "])
def test_a_wrong_key_is_refused_with_what_to_do(world: World, key: str) -> None:
    with pytest.raises(Refused, match="make a new one") as caught:
        world.connect("x" + key + "y").probe()
    assert caught.value.code == "key_refused"


def test_the_rights_are_tried_by_reading(world: World) -> None:
    assert world.store.check_rights() == "Contacts, courses, communities, tags, subscriptions"
    assert world.fake.writes == []


def test_the_webhook_is_registered_with_our_secret_and_four_events(world: World) -> None:
    made = world.store.register_webhook(URL, "our-secret")
    assert made.details == "Sales, cancellations, tags. 1 of 10 places used"
    assert "our-secret" not in repr(made)
    assert world.fake.books.secrets[made.ref] == "our-secret"
    told = world.fake.books.webhooks[made.ref]["subscriptions"]
    assert {(one["event"], one["schemaVersion"]) for one in told} == {
        ("SALE_NEW", 2),
        ("SALE_CANCELED", 2),
        ("CONTACT_TAG_ADDED", 2),
        ("CONTACT_TAG_REMOVED", 2),
    }
    assert set(webhooks().topics) == {one["event"] for one in told}


def test_registering_again_replaces_ours_and_nobody_elses(world: World) -> None:
    other = world.fake.books.register("Zap", "https://other.example/1", "s", ["SALE_NEW"])
    first = world.store.register_webhook(URL, "one")
    second = world.store.register_webhook(URL, "two")
    assert set(world.fake.books.webhooks) == {other["id"], second.ref}
    assert second.ref != first.ref
    assert second.details.endswith("2 of 10 places used")


def test_a_webhook_at_our_address_under_another_name_gives_way(world: World) -> None:
    world.fake.books.register("Old name", URL, "s", ["SALE_NEW"])
    made = world.store.register_webhook(URL, "two")
    assert set(world.fake.books.webhooks) == {made.ref}


def test_a_full_account_is_told(world: World) -> None:
    for number in range(10):
        world.fake.books.register(f"Zap {number}", f"https://other.example/{number}", "s", [])
    with pytest.raises(Refused, match="http_422"):
        world.store.register_webhook(URL, "two")


def _switched_off(hook: Body) -> None:
    hook["active"] = False


def _disabled(hook: Body) -> None:
    hook["subscriptions"][1].update(
        disabledAt="2026-11-20T00:00:00+00:00", disabledReason="BAD_SUCCESS_RATE"
    )


def _one_event_left_out(hook: Body) -> None:
    del hook["subscriptions"][0]


@pytest.mark.parametrize("harm", [_switched_off, _disabled, _one_event_left_out])
def test_a_webhook_that_was_switched_off_is_not_alive(world: World, harm: object) -> None:
    ref = world.store.register_webhook(URL, "s").ref
    assert world.store.webhook_alive(ref)
    assert callable(harm)
    harm(world.fake.books.webhooks[ref])
    assert not world.store.webhook_alive(ref)


def test_a_webhook_that_is_gone_is_not_alive_and_removing_it_is_success(world: World) -> None:
    ref = world.store.register_webhook(URL, "s").ref
    assert world.store.remove_webhook(ref) is Changed.DONE
    assert world.store.remove_webhook(ref) is Changed.ALREADY
    assert not world.store.webhook_alive(ref)


def test_an_odd_webhook_id_is_not_put_into_a_path(world: World) -> None:
    for act in (world.store.webhook_alive, world.store.remove_webhook):
        with pytest.raises(Refused, match="not_an_id"):
            act("../tags/1")


def test_a_delivery_is_provoked_with_a_test_contact_and_a_test_tag(world: World) -> None:
    world.store.register_webhook(URL, "s")
    for _ in range(2):
        assert world.store.provoke_delivery() is not None
        sent = world.fake.take_outbox()
        assert [one.headers["X-Webhook-Event"] for one in sent] == [
            "CONTACT_TAG_ADDED",
            "CONTACT_TAG_REMOVED",
        ]
        for one in sent:
            delivery = Recording("sent", one.headers, one.body).delivery()
            assert parser.parse(delivery, INSTALLATION, read_json(one.body)) == [TestDelivery()]
    assert [one["name"] for one in world.fake.books.tags.values()].count("makegood-test") == 1


def test_a_test_tag_left_behind_does_not_keep_it_from_telling(world: World) -> None:
    world.store.register_webhook(URL, "s")
    world.store.provoke_delivery()
    world.fake.take_outbox()
    tag = next(ref for ref, one in world.fake.books.tags.items() if one["name"] == "makegood-test")
    contact = max(world.fake.books.contacts)
    world.fake.books.give_tag(contact, tag)
    world.fake.take_outbox()
    world.store.provoke_delivery()
    added = [one.headers["X-Webhook-Event"] for one in world.fake.take_outbox()]
    assert "CONTACT_TAG_ADDED" in added
    assert world.fake.books.contacts[contact]["tags"] == []


def test_the_self_tests_names_are_those_that_the_parser_keeps_out_of_the_ledger() -> None:
    assert systeme_io.TEST_CONTACT == parser.TEST_CONTACT
    assert systeme_io.TEST_TAG == parser.TEST_TAG


def test_the_round_trip_opens_and_closes_and_leaves_nothing_behind(world: World) -> None:
    assert (
        world.store.round_trip()
        == "Opened a course for the test contact, closed it, and looked again"
    )
    assert world.store.read_access(Contact(systeme_io.TEST_CONTACT)) == ()
    assert {(one.method, one.body and min(one.body)) for one in world.fake.writes} >= {
        ("POST", "accessType"),
        ("POST", "tagId"),
        ("DELETE", None),
    }


def test_the_round_trip_says_so_where_there_is_no_course(world: World) -> None:
    world.fake.books.enrolments.clear()
    world.fake.books.courses.clear()
    assert "no course" in world.store.round_trip()


def test_a_round_trip_that_does_not_come_true_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.fake.books, "give_tag", lambda *_: None)
    with pytest.raises(Refused, match="tag given: False, taken: True"):
        world.store.round_trip()


def test_the_catalogue_lists_what_can_be_held_and_says_what_it_cannot_list(world: World) -> None:
    world.fake.books.add_community("Circle")
    catalogue = world.store.read_catalog()
    named = {(one.kind, one.name) for one in catalogue.resources}
    assert named == {
        (ResourceKind.COURSE, "Portrait Lighting"),
        (ResourceKind.COMMUNITY, "Circle"),
        (ResourceKind.TAG, "buyer"),
    }
    assert catalogue.products == ()
    assert catalogue.unlisted == ("price plans", "course bundles")


def test_another_shape_of_answer_is_tried_later(world: World) -> None:
    world.fake.plan_fault(Fault.ANOTHER_SHAPE, "GET", "/api/webhooks")
    with pytest.raises(RetryLater, match="answer_malformed"):
        world.store.check_rights()


def test_the_host_of_the_manifest_is_the_only_one_called(world: World) -> None:
    with pytest.raises(Refused, match="host_not_allowed"):
        world.connect(places=frozenset({"api.systeme.io:443"})).probe()
