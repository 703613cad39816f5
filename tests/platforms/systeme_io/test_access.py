"""The access contract, and what is particular to Systeme.io's contacts and lists."""

from __future__ import annotations

import threading
from unittest.mock import patch

import pytest

from plugin.domain.errors import NeedsHuman, OutcomeUnknown, Refused, RetryLater
from plugin.domain.orders import Resource, ResourceKind
from plugin.platforms.http_client import Answer, Call, HttpClient, ReadRetry
from plugin.ports import Changed, Contact
from plugin.stores.systeme_io.account import PUBLIC_ADDRESS
from tests.contracts.access import NetworkAccessContract
from tests.platforms.systeme_io.books import price_plan
from tests.platforms.systeme_io.conftest import INSTALLATION, World, community, course, tag
from tests.platforms.systeme_io.fake import Fault
from tests.platforms.systeme_io.recorded import manifest

UNKNOWN = Contact("nobody@example.com")


class TestContract(NetworkAccessContract):
    """Against the fake, over HTTP; every exchange is held to the vendor's OpenAPI afterwards."""


# --- contacts -------------------------------------------------------------------------------------


def test_a_contact_is_found_by_address_alone(world: World) -> None:
    by_address = Contact(" Jane@example.com ")
    assert world.store.revoke(by_address, world.held) is Changed.DONE
    assert world.fake.exchanges[0].asked("email") == "Jane@example.com"


def test_an_address_that_is_not_found_proves_nothing(world: World) -> None:
    for act in (world.store.revoke, world.store.restore):
        with pytest.raises(NeedsHuman, match="no_such_contact"):
            act(UNKNOWN, world.held)
    with pytest.raises(NeedsHuman, match="no_such_contact"):
        world.store.read_access(UNKNOWN)
    assert world.fake.writes == []


def test_a_contact_known_by_id_that_was_deleted_holds_nothing(world: World) -> None:
    del world.fake.books.contacts[world.buyer_ref]
    world.fake.books.enrolments.clear()
    assert world.store.read_access(world.contact) == ()
    assert world.store.revoke(world.contact, world.held) is Changed.ALREADY
    assert world.store.remove_tag(world.contact, world.tag) is Changed.ALREADY
    assert world.store.read_subscription(world.contact, world.subscription) is None
    with pytest.raises(NeedsHuman, match="no_such_contact"):
        world.store.add_tag(world.contact, world.tag)


def test_a_contact_that_was_made_anew_is_read_under_its_new_id(world: World) -> None:
    """What is read early, under the id that a sale told, is another contact's by then."""
    books = world.fake.books
    old = books.contacts.pop(world.buyer_ref)
    books.contacts[9000] = {**old, "id": 9000, "tags": []}
    for one in books.enrolments.values():
        if one["_contact"] == world.buyer_ref:
            one["_contact"] = 9000
    books.memberships.clear()
    known = Contact("Jane@example.com", str(world.buyer_ref))
    assert world.store.read_access(known) == (world.held,)


def test_a_contact_known_by_id_is_asked_about_all_at_once(world: World) -> None:
    """Whoever answers waits until the other two questions are there: one after the other hangs."""
    together = threading.Barrier(3, timeout=60)
    send = HttpClient.send

    def meet(client: HttpClient, call: Call, retry: ReadRetry | None = None) -> Answer:
        together.wait()
        return send(client, call, retry)

    with patch.object(HttpClient, "send", meet):
        assert world.held in world.store.read_access(world.contact)


def test_an_id_that_now_has_another_address_is_left_to_a_person(world: World) -> None:
    world.fake.books.contacts[world.buyer_ref]["email"] = "jane.new@example.com"
    with pytest.raises(NeedsHuman, match="contact_has_another_address"):
        world.store.revoke(world.contact, world.held)
    assert world.fake.writes == []


def test_two_contacts_of_one_address_are_left_to_a_person(world: World) -> None:
    first = world.fake.books.contacts[world.buyer_ref]
    world.fake.books.contacts[9000] = {**first, "id": 9000}
    with pytest.raises(NeedsHuman, match="several_contacts"):
        world.store.revoke(Contact("Jane@example.com"), world.held)


def test_an_address_that_only_looks_alike_is_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = list(world.fake.books.contacts.values())[:1]
    routes = "tests.platforms.systeme_io.routes._page"
    monkeypatch.setattr(routes, lambda *_: (200, {"items": everybody, "hasMore": False}))
    with pytest.raises(NeedsHuman, match="no_such_contact"):
        world.store.add_tag(Contact("jane+1@example.com"), world.tag)
    assert world.fake.writes == []


def test_an_odd_id_is_not_put_into_a_path(world: World) -> None:
    assert world.store.revoke(Contact("Jane@example.com", "1/../2"), world.held) is Changed.DONE
    assert all("%2e" not in one.path and ".." not in one.path for one in world.fake.exchanges)


@pytest.mark.parametrize("ref", ["12/34", "0", "-1", "", "١٢"])
def test_a_ref_from_a_map_that_is_no_number_is_refused(world: World, ref: str) -> None:
    for act, thing in (
        (world.store.revoke, course(ref)),
        (world.store.restore, community(ref)),
        (world.store.add_tag, tag(ref)),
        (world.store.remove_tag, tag(ref)),
    ):
        with pytest.raises(Refused, match="not_an_id"):
            act(world.contact, thing)
    assert world.fake.writes == []


# --- access ---------------------------------------------------------------------------------------


def test_a_community_is_left_and_joined(world: World) -> None:
    joined = community(world.fake.books.add_community("Circle"))
    world.fake.books.join(world.buyer_ref, int(joined.ref))
    world.fake.books.join(world.stranger_ref, int(joined.ref))
    assert joined in world.store.read_access(world.contact)
    assert world.store.revoke(world.contact, joined) is Changed.DONE
    assert joined not in world.books(world.contact)
    assert joined in world.books(world.stranger)
    assert world.store.restore(world.contact, joined) is Changed.DONE
    assert world.store.restore(world.contact, joined) is Changed.ALREADY


def test_joining_a_community_is_true_only_once_it_is_read_back(world: World) -> None:
    joined = community(world.fake.books.add_community("Circle"))
    world.fake.books.slow_memberships = True
    assert world.store.restore(world.contact, joined) is Changed.DONE
    assert joined not in world.store.read_access(world.contact)
    assert world.store.restore(world.contact, joined) is Changed.DONE
    world.fake.books.settle()
    assert list(world.store.read_access(world.contact)).count(joined) == 1


def test_every_enrolment_in_the_course_goes(world: World) -> None:
    books = world.fake.books
    books.enrol(world.buyer_ref, world.course_ref, "partial_access")["active"] = False
    assert world.store.revoke(world.contact, world.held) is Changed.DONE
    assert world.held not in world.books(world.contact)


def test_an_inactive_enrolment_is_no_access_and_can_be_restored(world: World) -> None:
    for one in world.fake.books.enrolments.values():
        one["active"] = False
    assert world.held not in world.store.read_access(world.contact)
    assert world.store.restore(world.contact, world.held) is Changed.DONE
    assert world.held in world.store.read_access(world.contact)


def test_a_filter_that_is_ignored_hits_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tests.platforms.systeme_io.routes._of", lambda _c, rows, *_: [*rows.values()]
    )
    other = world.fake.books.add_course("Another course")
    world.fake.books.enrol(world.buyer_ref, other)
    assert world.store.revoke(world.contact, world.held) is Changed.DONE
    assert set(world.books(world.stranger)) == {world.held, world.tag}
    assert course(other) in world.books(world.contact)


@pytest.mark.parametrize("kind", [ResourceKind.BUNDLE, ResourceKind.DOWNLOAD, ResourceKind.TAG])
def test_what_the_api_cannot_open_or_close_is_left_to_a_person(
    world: World, kind: ResourceKind
) -> None:
    thing = Resource(INSTALLATION, kind, "4242")
    for act in (world.store.revoke, world.store.restore):
        with pytest.raises(NeedsHuman, match="no_call_for_this_kind"):
            act(world.contact, thing)
    assert world.fake.exchanges == []


def test_a_refund_there_takes_the_course_and_leaves_what_the_tag_opened(world: World) -> None:
    books = world.fake.books
    bought, opened = books.add_course("Bought"), books.add_course("Opened by the tag")
    vip = books.add_tag("vip")
    books.tag_rules[vip] = opened
    sale = books.sell(world.buyer_ref, price_plan(1, "Both", 9900), courses=(bought,), tags=(vip,))
    books.refund(sale)
    assert course(bought) not in world.store.read_access(world.contact)
    assert {course(opened), tag(vip)} <= set(world.store.read_access(world.contact))
    assert world.store.remove_tag(world.contact, tag(vip)) is Changed.DONE
    assert world.store.revoke(world.contact, course(opened)) is Changed.DONE
    assert set(world.books(world.contact)) == {world.held, world.tag}


# --- lists ----------------------------------------------------------------------------------------


def test_a_long_list_is_read_to_its_end(world: World) -> None:
    made = [world.fake.books.add_tag(f"tag {number}") for number in range(205)]
    listed = world.store.read_catalog().resources
    assert {str(ref) for ref in made} <= {one.ref for one in listed}
    pages = [one for one in world.fake.exchanges if one.path == "/api/tags"]
    assert [one.asked("limit") for one in pages] == ["100"] * 3
    assert pages[0].asked("startingAfter") is None


@pytest.mark.parametrize(
    "page",
    [
        {"items": [{"id": 5, "name": "a"}], "hasMore": True},
        {"items": [], "hasMore": True},
        {"items": [{"id": 5, "name": "a"}]},
        {"items": [{"name": "a"}], "hasMore": False},
        {"hasMore": False},
        [],
    ],
)
def test_a_list_that_does_not_go_on_or_has_another_shape_is_tried_later(
    world: World, monkeypatch: pytest.MonkeyPatch, page: object
) -> None:
    monkeypatch.setattr("tests.platforms.systeme_io.routes._page", lambda *_: (200, page))
    with pytest.raises(RetryLater, match="answer_malformed"):
        world.store.read_catalog()
    world.fake.exchanges.clear()  # planted: not the vendor's shape


def test_a_list_without_end_is_left_to_a_person(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def page(call: object, _items: object) -> tuple[int, object]:
        return 200, {"items": [{"id": len(world.fake.exchanges), "name": "x"}], "hasMore": True}

    monkeypatch.setattr("tests.platforms.systeme_io.routes._page", page)
    with pytest.raises(NeedsHuman, match="list_too_long"):
        world.store.read_catalog()
    assert len(world.fake.exchanges) == 100
    world.fake.exchanges.clear()


def test_a_refusal_names_the_field_and_tells_no_content(world: World) -> None:
    world.fake.plan_fault(Fault.BAD_REQUEST, "DELETE")
    with pytest.raises(Refused) as caught:
        world.store.remove_tag(world.contact, world.tag)
    assert caught.value.code == "http_422"
    assert "jane" not in str(caught.value)
    assert "secret words" not in str(caught.value)
    world.fake.books.add_contact("many@example.com")
    too_long = Resource(INSTALLATION, ResourceKind.TAG, "999")
    with pytest.raises(Refused, match=r"http_422: tag\.add tagId"):
        world.store.add_tag(Contact("many@example.com"), too_long)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_refusal_that_cannot_be_read_is_still_a_refusal(world: World, method: str) -> None:
    world.fake.plan_fault(Fault.GIBBERISH, method)
    with pytest.raises(Refused) as caught:
        world.store.remove_tag(world.contact, world.tag)
    assert caught.value.code == "http_400"
    assert "jane" not in str(caught.value)


# --- the account ----------------------------------------------------------------------------------


def test_without_an_address_of_its_own_it_calls_the_declared_host() -> None:
    outgoing = manifest().outgoing
    assert outgoing is not None
    assert outgoing.base_url == PUBLIC_ADDRESS


def test_a_thing_made_but_not_told_is_unknown(world: World) -> None:
    world.fake.plan_fault(Fault.ANOTHER_SHAPE, "POST", "/api/webhooks")
    with pytest.raises(OutcomeUnknown, match="answer_malformed: id"):
        world.store.register_webhook("https://makegood.example/webhooks/systeme_io/1", "s")
