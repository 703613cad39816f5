"""The inbox: what is verified is kept, once, also what cannot be read."""

from __future__ import annotations

import pytest

from plugin.ports.storage import DeliveryState, StoredDelivery, Tenant
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, STORE, an_installation
from tests.webhooks.door import Numbers
from webhooks.delivery import Delivery
from webhooks.inbox import KEPT_HEADERS, Inbox


@pytest.fixture
def inbox(storage: SqlStorage, tenant: Tenant) -> Inbox:
    with storage.begin(tenant.id) as uow:
        uow.installations.add(an_installation(STORE))
        uow.commit()
    return Inbox(storage, Numbers())


def take_in(
    inbox: Inbox,
    tenant: Tenant,
    body: bytes = b"{}",
    *,
    name: str = "d-1",
    topic: str = "sale.made",
    headers: dict[str, str] | None = None,
) -> bool:
    delivery = Delivery(body, headers or {"x-event": "sale"}, NOW)
    return inbox.take_in(tenant.id, STORE, delivery, name, topic)


def stored(inbox: Inbox, tenant: Tenant) -> list[StoredDelivery]:
    with inbox.storage.read(tenant.id) as uow:
        return list(uow.deliveries.newest((), 100))


def test_a_delivery_is_kept_byte_for_byte_and_is_due_at_once(inbox: Inbox, tenant: Tenant) -> None:
    body = '{"name": "Kovač", "n": 1.50}\n'.encode()
    assert take_in(inbox, tenant, body)
    (kept,) = stored(inbox, tenant)
    assert (kept.body, kept.headers, kept.topic) == (body, {"x-event": "sale"}, "sale.made")
    assert (kept.state, kept.received_at, kept.wake_at) == (DeliveryState.RECEIVED, NOW, NOW)
    (work,) = inbox.storage.due(NOW, 10)
    assert (work.kind, work.ref) == ("delivery", kept.id)


def test_a_delivery_of_a_known_name_is_not_kept_again(inbox: Inbox, tenant: Tenant) -> None:
    assert take_in(inbox, tenant, b'{"first": 1}')
    assert not take_in(inbox, tenant, b'{"second": 2}')
    (kept,) = stored(inbox, tenant)
    assert kept.body == b'{"first": 1}'


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
def test_what_cannot_be_read_is_kept_and_not_due(inbox: Inbox, tenant: Tenant, body: bytes) -> None:
    assert take_in(inbox, tenant, body)
    (kept,) = stored(inbox, tenant)
    assert (kept.state, kept.wake_at, kept.body) == (DeliveryState.UNREADABLE, None, body)
    assert kept.reason
    assert inbox.storage.due(NOW, 10) == []


def test_a_topic_is_one_line_that_fits(inbox: Inbox, tenant: Tenant) -> None:
    take_in(inbox, tenant, topic="sale\x00\r\nmade" + "x" * 300)
    (kept,) = stored(inbox, tenant)
    assert kept.topic.startswith("sale madex")
    assert len(kept.topic) == 255


def test_more_headers_than_anybody_sends_are_cut(inbox: Inbox, tenant: Tenant) -> None:
    take_in(inbox, tenant, headers={f"x-{n}": "v" for n in range(KEPT_HEADERS + 5)})
    (kept,) = stored(inbox, tenant)
    assert len(kept.headers) == KEPT_HEADERS
