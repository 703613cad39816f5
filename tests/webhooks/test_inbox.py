"""The inbox: what is verified is kept, once, also what cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from plugin.platforms.webhook_declaration import BareTopics, Trust, Webhooks
from plugin.ports.records import DeliveryState, StoredDelivery, Tenant
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import DESK, NOW, STORE, an_installation
from tests.webhooks.door import Numbers
from webhooks.delivery import Delivery
from webhooks.inbox import KEPT_HEADERS, Inbox


@pytest.fixture
def inbox(storage: SqlStorage, tenant: Tenant) -> Inbox:
    with storage.begin(tenant.id) as uow:
        uow.installations.add(an_installation(STORE))
        uow.commit()
    return Inbox(storage, Numbers())


DECLARED = Webhooks(
    signature=None,
    trust=Trust.SIGNED,
    topics={},
    delivery_id_header="X-Delivery",
    topic_header="X-Event",
)
SENT = {"x-event": "sale", "x-delivery": "d-1"}


def take_in(
    inbox: Inbox,
    tenant: Tenant,
    body: bytes = b"{}",
    *,
    headers: Mapping[str, str] = SENT,
    declared: Webhooks = DECLARED,
) -> bool:
    """Whether it is new."""
    taken = inbox.take_in(tenant.id, STORE, Delivery(body, headers, NOW), declared)
    return taken is not None


def stored(inbox: Inbox, tenant: Tenant) -> list[StoredDelivery]:
    with inbox.storage.read(tenant.id) as uow:
        return list(uow.deliveries.newest((), 100))


def test_a_delivery_is_kept_byte_for_byte_and_is_due_at_once(inbox: Inbox, tenant: Tenant) -> None:
    body = '{"name": "Kovač", "n": 1.50}\n'.encode()
    assert take_in(inbox, tenant, body)
    (kept,) = stored(inbox, tenant)
    assert (kept.body, kept.headers) == (body, SENT)
    assert (kept.name, kept.topic) == ("d-1", "sale")
    assert (kept.state, kept.received_at, kept.wake_at) == (DeliveryState.RECEIVED, NOW, NOW)
    (work,) = inbox.storage.due(NOW, 10)
    assert (work.kind, work.ref) == ("delivery", kept.id)


def test_a_delivery_of_a_known_name_is_not_kept_again(inbox: Inbox, tenant: Tenant) -> None:
    assert take_in(inbox, tenant, b'{"first": 1}')
    assert not take_in(inbox, tenant, b'{"second": 2}')
    (kept,) = stored(inbox, tenant)
    assert kept.body == b'{"first": 1}'


EVENTS = replace(DECLARED, event_id_header="X-Event-Id")


@pytest.mark.parametrize(
    ("headers", "body", "is_new"),
    [
        ({}, b"{}", False),
        ({"x-delivery": "d-1"}, b"{}", False),
        ({"x-delivery": "d-1", "x-event-id": "e-2"}, b'{"other": 1}', False),
        ({"x-event": "refund"}, b"{}", True),
        ({"x-event-id": "e-2"}, b"{}", True),
        ({"x-event-id": ""}, b"{}", True),
        ({}, b'{"other": 1}', True),
    ],
)
def test_an_event_that_was_told_in_the_same_words_is_not_kept_again(
    inbox: Inbox, tenant: Tenant, headers: Mapping[str, str], body: bytes, *, is_new: bool
) -> None:
    first = {**SENT, "x-event-id": "e-1"}
    assert take_in(inbox, tenant, headers=first, declared=EVENTS)
    second = {**first, "x-delivery": "d-2", **headers}
    assert take_in(inbox, tenant, body, headers=second, declared=EVENTS) is is_new
    assert len(stored(inbox, tenant)) == 1 + is_new


BARE = replace(
    DECLARED,
    delivery_id_header=None,
    bare_topics=BareTopics(header="X-Delivery", topics=("binned",)),
)


@pytest.mark.parametrize(
    ("headers", "body", "is_new"),
    [
        ({}, b'{"id": 7}', False),
        ({"x-delivery": "d-2"}, b'{"id": 7}', True),
        ({}, b'{"id": 8}', True),
    ],
)
def test_what_can_be_told_again_in_the_same_words_has_its_header_in_its_name(
    inbox: Inbox, tenant: Tenant, headers: Mapping[str, str], body: bytes, *, is_new: bool
) -> None:
    first = {"x-event": "binned", "x-delivery": "d-1"}
    assert take_in(inbox, tenant, b'{"id": 7}', headers=first, declared=BARE)
    assert take_in(inbox, tenant, body, headers={**first, **headers}, declared=BARE) is is_new


def test_other_topics_are_named_by_their_body_alone(inbox: Inbox, tenant: Tenant) -> None:
    assert take_in(inbox, tenant, declared=BARE)
    assert not take_in(inbox, tenant, headers={**SENT, "x-delivery": "d-2"}, declared=BARE)


def test_two_accounts_may_hear_of_the_same_event(inbox: Inbox, tenant: Tenant) -> None:
    with inbox.storage.begin(tenant.id) as uow:
        uow.installations.add(an_installation(DESK))
        uow.commit()
    delivery = Delivery(b"{}", {**SENT, "x-event-id": "e-1"}, NOW)
    for account in (STORE, DESK):
        assert inbox.take_in(tenant.id, account, delivery, EVENTS) is not None
    assert len(stored(inbox, tenant)) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b"[" * 500 + b"]" * 500,
    ],
)
def test_what_cannot_be_read_is_kept_like_all_else(
    inbox: Inbox, tenant: Tenant, body: bytes
) -> None:
    assert take_in(inbox, tenant, body)
    (kept,) = stored(inbox, tenant)
    assert (kept.state, kept.wake_at, kept.body) == (DeliveryState.RECEIVED, NOW, body)


def test_a_topic_is_one_line_that_fits(inbox: Inbox, tenant: Tenant) -> None:
    take_in(inbox, tenant, headers={"x-event": "sale\x00\r\nmade" + "x" * 300})
    (kept,) = stored(inbox, tenant)
    assert kept.topic.startswith("sale madex")
    assert len(kept.topic) == 255


@pytest.mark.parametrize("header", [None, "X-Other"])
def test_a_topic_that_stands_in_no_header_is_left_to_the_worker(
    inbox: Inbox, tenant: Tenant, header: str | None
) -> None:
    take_in(inbox, tenant, declared=replace(DECLARED, topic_header=header))
    (kept,) = stored(inbox, tenant)
    assert kept.topic == ""


def test_more_headers_than_anybody_sends_are_cut(inbox: Inbox, tenant: Tenant) -> None:
    take_in(inbox, tenant, headers={f"x-{n}": "v" for n in range(KEPT_HEADERS + 5)})
    (kept,) = stored(inbox, tenant)
    assert len(kept.headers) == KEPT_HEADERS
