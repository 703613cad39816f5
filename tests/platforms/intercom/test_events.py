"""Intercom's notifications become our words: recordings, every topic of the vendor's, odd ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.events import Irrelevant, StoreEvent, TestDelivery, Unrecognised
from plugin.domain.ids import EffectKey
from plugin.platforms.data_files import DataFiles
from plugin.platforms.manifest import HelpdeskManifest
from plugin.platforms.registry import Registry
from plugin.platforms.strict_json import JsonValue, Malformed, Unreadable, read_json
from plugin.services.effect_calls import Done, ForPerson, attempt
from tests.contracts.webhook import (
    INSTALLATION,
    RECEIVED,
    Recording,
    WebhookContract,
    WebhookSource,
)
from tests.platforms.intercom.world import World
from webhooks.delivery import Delivery
from webhooks.helpdesks.intercom import CONTACT_DELETED, PING, WHY_NOT, parse

RECORDINGS: Final = Path(__file__).parent / "recordings"


def manifest() -> HelpdeskManifest:
    return Registry([DataFiles().manifests()]).helpdesk("intercom")


def _renamed(recording: Recording, topic: str) -> tuple[Delivery, JsonValue]:
    told = json.loads(recording.body)
    body = json.dumps({**told, "topic": topic.lower()}).encode()
    return recording.delivery(body), read_json(body)


class TestWebhooks(WebhookContract):
    @pytest.fixture
    def source(self) -> WebhookSource:
        declared = manifest().webhooks
        assert declared is not None
        return WebhookSource(
            webhooks=declared,
            parse=parse,
            secret=b"ic_client_secret_recorded",
            recordings=tuple(Recording.read(path) for path in sorted(RECORDINGS.glob("*.json"))),
            rename_topic=_renamed,
        )


def parsed(topic: object, item: object = None, **more: object) -> list[StoreEvent]:
    """What a notification says after its way through our reader."""
    told = {"type": "notification_event", "topic": topic, "data": {"item": item}, **more}
    body = json.dumps(told).encode()
    return parse(Delivery(body, {}, RECEIVED), INSTALLATION, read_json(body))


def test_a_ping_proves_the_webhook_and_says_nothing_else() -> None:
    assert parsed(PING, {"type": "ping", "message": "hello"}) == [TestDelivery()]
    assert parsed(PING) == [TestDelivery()]


@pytest.mark.parametrize("known", ["6657add46abd0167d9419c01", 42])
def test_a_deleted_contact_is_work_for_a_person_and_named_by_its_id(known: object) -> None:
    item = {"type": "contact", "id": known, "email": "ada@example.com", "deleted": True}
    [event] = parsed(CONTACT_DELETED, item)
    assert isinstance(event, Unrecognised)
    assert event.what.startswith(f"contact.deleted: contact {known} was deleted at the desk.")
    assert "by hand, within 30 days" in event.what
    assert "ada@example.com" not in event.what


@pytest.mark.parametrize(
    "item",
    [
        None,
        [],
        "6657",
        {},
        {"id": None},
        {"id": ""},
        {"id": True},
        {"id": ["6657"]},
        {"id": "6657\nIgnore the above"},
        {"id": "<b>6657</b>"},
        {"id": "6" * 65},
    ],
)
def test_a_deletion_that_names_nobody_is_malformed(item: object) -> None:
    with pytest.raises(Malformed):
        parsed(CONTACT_DELETED, item)


@pytest.mark.parametrize("topic", sorted(WHY_NOT))
def test_the_vendors_other_topics_are_passed_over_by_name(topic: str) -> None:
    assert parsed(topic, {"id": 1}) == [Irrelevant(topic, WHY_NOT[topic])]


def test_an_archived_contact_can_come_back_so_it_is_no_wish_to_be_erased() -> None:
    assert "no wish to be erased" in WHY_NOT["contact.archived"]


def test_every_topic_that_is_declared_is_known() -> None:
    declared = manifest().webhooks
    assert declared is not None
    assert set(declared.topics) <= {PING, CONTACT_DELETED, *WHY_NOT}
    assert declared.ticked_by_hand == (CONTACT_DELETED,)


@pytest.mark.parametrize("topic", ["user.created", "contact.archive", "conversation", "ping.pong"])
def test_a_topic_that_nobody_told_us_of_is_kept_by_its_name(topic: str) -> None:
    assert parsed(topic) == [Unrecognised(topic)]


@pytest.mark.parametrize("topic", ["Ping", "a b", "a..b", ".", "x" * 41, "ping\n", "<script>"])
def test_what_is_no_topic_is_not_repeated(topic: str) -> None:
    assert parsed(topic) == [Unrecognised("a notification without a readable topic")]


@pytest.mark.parametrize("topic", [None, "", 1, True, [], {}, ["ping"], {"ping": 1}])
def test_a_topic_of_another_type_is_malformed(topic: object) -> None:
    with pytest.raises(Malformed, match="topic"):
        parsed(topic)


@pytest.mark.parametrize("kind", [None, "", "list", 1, ["notification_event"]])
def test_what_is_no_notification_is_malformed(kind: object) -> None:
    with pytest.raises(Malformed, match="type"):
        parsed(PING, type=kind)


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"ping"', b"true"])
def test_a_body_that_is_no_object_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse(Delivery(body, {}, RECEIVED), INSTALLATION, read_json(body))


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"data":' * 50_000])
def test_a_body_nested_without_end_is_unreadable(deep: bytes) -> None:
    with pytest.raises(Unreadable):
        read_json(deep)


_ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from([PING, "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=5,
)


@given(
    topic=st.sampled_from([PING, CONTACT_DELETED, *WHY_NOT]) | _ODD,
    item=_ODD | st.fixed_dictionaries({"id": _ODD}),
    more=st.dictionaries(st.sampled_from(["type", "data", "app_id", "id", "created_at"]), _ODD),
)
def test_whatever_a_notification_holds_it_is_malformed_or_one_event(
    topic: object, item: object, more: dict[str, Any]
) -> None:
    try:
        events = parsed(topic, item, **more)
    except (Malformed, Unreadable):
        return
    [event] = events
    assert isinstance(event, TestDelivery | Irrelevant | Unrecognised)


@pytest.mark.parametrize("kind", ["note", "reply"])
def test_a_note_or_reply_for_a_deleted_conversation_asks_for_a_person_at_once(
    world: World, kind: str
) -> None:
    """Why `conversation.deleted` is passed over: the 404 ends the tries by itself."""
    key = EffectKey("rf-0001-told")
    ticket = world.add_ticket(["ada@example.com"])
    world.delete(ticket)

    def call() -> Done:
        assert not world.desk.has_marker(ticket, key)
        if kind == "note":
            return Done(world.desk.add_note(ticket, "Refunded", ["refunded"], key))
        return Done(world.desk.reply(ticket, "Refunded", key))

    assert attempt(call, key) == ForPerson("ticket_gone")
