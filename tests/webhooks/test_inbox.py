"""The inbox: a verified delivery is kept as it came, once, whether it can be read or not."""

from __future__ import annotations

import pytest

from plugin.domain.ids import InstallationId
from plugin.ports.storage import DeliveryState, StoredDelivery, Tenant
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import BANK, NOW, STORE, TENANT, an_installation
from webhooks.delivery import Delivery
from webhooks.inbox import KEPT_HEADERS, Inbox


class Counted:
    """Ids that are easy to find again. Implements `plugin.ports.Mint`."""

    def __init__(self) -> None:
        self.given = 0

    def id(self) -> str:
        self.given += 1
        return f"delivery-{self.given}"

    def secret(self) -> str:
        raise AssertionError("the inbox makes no secrets")


@pytest.fixture
def inbox(storage: SqlStorage, tenant: Tenant) -> Inbox:
    with storage.begin(tenant.id) as uow:
        uow.installations.add(an_installation(STORE))
        uow.installations.add(an_installation(BANK))
        uow.commit()
    return Inbox(storage, Counted())


def take(
    inbox: Inbox,
    body: bytes = b"{}",
    *,
    name: str = "evt-1",
    topic: str = "sale.made",
    headers: dict[str, str] | None = None,
    at: InstallationId = STORE,
) -> bool:
    delivery = Delivery(body, headers or {"content-type": "application/json"}, NOW)
    return inbox.take_in(TENANT, at, delivery, name, topic)


def kept(inbox: Inbox) -> list[StoredDelivery]:
    with inbox.storage.read(TENANT) as uow:
        return sorted(uow.deliveries.newest((), 50), key=lambda delivery: delivery.id)


def test_a_delivery_is_kept_byte_by_byte_and_is_due_at_once(inbox: Inbox) -> None:
    body = b' {"a": "\xc3\xa9\\u0041"}\r\n'

    assert take(inbox, body, headers={"x-odd": "caf\xe9 \x01"})

    (stored,) = kept(inbox)
    assert stored.body == body
    assert stored.headers == {"x-odd": "caf\xe9 \x01"}
    assert (stored.installation, stored.name, stored.topic) == (STORE, "evt-1", "sale.made")
    assert (stored.state, stored.reason) == (DeliveryState.RECEIVED, "")
    assert stored.received_at == stored.wake_at == NOW
    assert [work.ref for work in inbox.storage.due(NOW, 10)] == [stored.id]


def test_a_delivery_that_was_here_before_is_not_kept_twice(inbox: Inbox) -> None:
    assert take(inbox, b'{"first": 1}')
    assert not take(inbox, b'{"second": 2}')

    (stored,) = kept(inbox)
    assert stored.body == b'{"first": 1}'


def test_two_accounts_may_use_the_same_name(inbox: Inbox) -> None:
    assert take(inbox)
    assert take(inbox, at=BANK)
    assert len(kept(inbox)) == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"not json", "syntax"),
        (b'{"a": 1, "a": 2}', "duplicate_key"),
        (b'{"a": NaN}', "not_finite"),
        (b'{"a": "\xff"}', "not_utf8"),
        (b"[" * 5000 + b"]" * 5000, "too_deep"),
    ],
)
def test_what_cannot_be_read_is_kept_shown_and_never_due(
    inbox: Inbox, body: bytes, reason: str
) -> None:
    assert take(inbox, body)

    (stored,) = kept(inbox)
    assert (stored.state, stored.reason) == (DeliveryState.UNREADABLE, reason)
    assert (stored.body, stored.wake_at) == (body, None)
    assert inbox.storage.due(NOW, 10) == []


def test_long_topics_and_many_headers_are_cut(inbox: Inbox) -> None:
    many = {f"x-{n}": "v" for n in range(KEPT_HEADERS + 5)}

    assert take(inbox, topic="a\nb" + "c" * 300, headers=many)

    (stored,) = kept(inbox)
    assert stored.topic == "a b" + "c" * 252
    assert len(stored.headers) == KEPT_HEADERS
