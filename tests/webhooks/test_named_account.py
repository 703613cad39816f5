"""Where a body names whose delivery it is, what another account sent is not read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.ids import DeliveryId
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.platforms.webhook_declaration import NamedAccount
from plugin.ports import Kind
from plugin.ports.records import DeliveryState, StoredDelivery
from tests.fakes.platforms import FakePlatforms, one_after_the_other
from tests.webhooks.door import PING, SHOP, Door, document
from webhooks.dispatch import Dispatch


def delivered(door: Door, body: bytes, **settings: str) -> StoredDelivery:
    """What becomes of a delivery of the shop whose bodies name their account."""
    with door.storage.begin(door.tenant.id) as uow:
        found = uow.installations.get(SHOP)
        assert found is not None
        connection = replace(found.connection, settings=settings)
        uow.installations.save(replace(found, connection=connection))
        uow.commit()
    registry = Registry([DataFiles().manifests()])
    practice = registry.store("practice")
    assert practice.webhooks is not None
    named = NamedAccount(field="account", setting="account")
    webhooks = replace(practice.webhooks, named_account=named)
    registry._found[Kind.STORE, "practice"] = replace(practice, webhooks=webhooks)
    assert door.deliver(body).status == 200
    [kept] = door.stored()
    dispatch = Dispatch(door.storage, FakePlatforms({}), registry, door.clock, one_after_the_other)
    dispatch(door.tenant.id, DeliveryId(kept.id))
    [after] = door.stored()
    return after


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (document(type="ping", account="ours"), DeliveryState.APPLIED),
        (document(type="ping", account="theirs"), DeliveryState.IGNORED),
        (document(type="ping", account=7), DeliveryState.UNREADABLE),
        (PING, DeliveryState.UNREADABLE),
        (b"[]", DeliveryState.UNREADABLE),
    ],
)
def test_where_a_body_names_its_account_no_other_s_is_read(
    door: Door, body: bytes, state: DeliveryState
) -> None:
    assert delivered(door, body, account="ours").state is state


def test_what_names_an_account_is_nobodys_where_we_know_of_none(door: Door) -> None:
    stored = delivered(door, document(type="ping", account="ours"))
    assert stored.state is DeliveryState.IGNORED
    assert stored.reason == "account: names another account"
