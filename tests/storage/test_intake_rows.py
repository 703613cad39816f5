"""Deliveries, facts, orders, installations, policies and access maps."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.exc import IntegrityError

from plugin.domain.access_map import AccessMap
from plugin.domain.ids import DeliveryId, InstallationId, customer_key
from plugin.domain.starting_policies import STARTING_POLICIES
from plugin.ports.records import DeliveryState, InstallationStatus, SelfTestLine
from plugin.storage.ledger_rows import MOST_SHARING
from plugin.storage.tables import installations
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import (
    BANK,
    CUSTOMER,
    DESK,
    NOW,
    ORDER,
    STORE,
    TENANT,
    a_bundle,
    a_course,
    a_delivery,
    a_gift,
    a_line,
    a_line_ref,
    a_payment,
    a_purchase,
    a_tag,
    a_tenant,
    ago,
    an_installation,
    an_order,
    an_order_ref,
    eur,
    soon,
)

# --- deliveries -----------------------------------------------------------------------------------


def test_a_delivery_is_kept_as_it_came(shop: SqlStorage) -> None:
    delivery = a_delivery()
    with shop.begin(TENANT) as uow:
        assert uow.deliveries.add(delivery)
        uow.commit()

    with shop.read(TENANT) as uow:
        assert uow.deliveries.get(delivery.id) == delivery
        assert uow.deliveries.get(DeliveryId("other")) is None


def test_what_one_reason_stopped_is_put_back_in_line_and_nothing_else(shop: SqlStorage) -> None:
    later = NOW + timedelta(hours=6)
    kept = {
        "waits": a_delivery("waits", state=DeliveryState.WAITING, wake_at=later),
        "failed": a_delivery("failed", state=DeliveryState.FAILED, wake_at=None),
        "due": a_delivery("due", state=DeliveryState.WAITING, wake_at=NOW),
        "read": a_delivery("read", state=DeliveryState.UNREADABLE, wake_at=None),
        "new": a_delivery("new", wake_at=later),
        "busy": a_delivery("busy", state=DeliveryState.WAITING, wake_at=later),
        "bank": a_delivery("bank", installation=BANK, state=DeliveryState.WAITING, wake_at=later),
    }
    reasons = {name: "busy" if name == "busy" else "key_refused" for name in kept}
    with shop.begin(TENANT) as uow:
        for name, delivery in kept.items():
            uow.deliveries.add(replace(delivery, reason=reasons[name]))
        uow.commit()

    with shop.begin(TENANT) as uow:
        uow.deliveries.put_back(STORE, ("key_refused", "key_unusable"), NOW)
        uow.commit()

    with shop.read(TENANT) as uow:
        after = {name: uow.deliveries.get(one.id) for name, one in kept.items()}
    back = {name for name, one in after.items() if one is not None and one.reason == "put_back"}
    assert back == {"waits", "failed"}
    for name in back:
        one = after[name]
        assert one is not None
        assert (one.state, one.wake_at, one.attempts) == (DeliveryState.RECEIVED, NOW, 1)
    untouched = {name: replace(kept[name], reason=reasons[name]) for name in kept.keys() - back}
    assert {name: after[name] for name in untouched} == untouched


def test_the_same_delivery_is_kept_once_per_installation(shop: SqlStorage) -> None:
    first, again = a_delivery("d1", name="evt_1"), a_delivery("d2", name="evt_1")
    with shop.begin(TENANT) as uow:
        assert uow.deliveries.add(first)
        assert not uow.deliveries.add(again)
        assert not uow.deliveries.add(first)
        assert uow.deliveries.add(replace(again, installation=BANK))
        assert uow.deliveries.get(first.id) == first


def test_settling_sets_the_state_and_counts_an_attempt(shop: SqlStorage) -> None:
    delivery = a_delivery()
    with shop.begin(TENANT) as uow:
        uow.deliveries.add(delivery)
        uow.deliveries.settle(
            delivery.id, DeliveryState.WAITING, reason="w" * 300, wake_at=soon(minutes=1)
        )
        waiting = uow.deliveries.get(delivery.id)
        uow.deliveries.settle(delivery.id, DeliveryState.APPLIED)
        applied = uow.deliveries.get(delivery.id)

    assert waiting == replace(
        delivery,
        state=DeliveryState.WAITING,
        reason="w" * 255,
        attempts=1,
        wake_at=soon(minutes=1),
    )
    assert applied == replace(delivery, state=DeliveryState.APPLIED, attempts=2, wake_at=None)


def test_the_newest_deliveries_come_first_and_by_state(shop: SqlStorage) -> None:
    states = [DeliveryState.APPLIED, DeliveryState.FAILED, DeliveryState.UNREADABLE]
    with shop.begin(TENANT) as uow:
        for hours, state in enumerate(states):
            uow.deliveries.add(a_delivery(f"d{hours}", state=state, received_at=ago(hours=hours)))
        newest = [delivery.id for delivery in uow.deliveries.newest((), 2)]
        bad = uow.deliveries.newest((DeliveryState.FAILED, DeliveryState.UNREADABLE), 9)

    assert newest == ["d0", "d1"]
    assert [delivery.id for delivery in bad] == ["d1", "d2"]


def test_the_oldest_that_was_put_off_is_told_of_one_connection_and_of_a_time(
    shop: SqlStorage,
) -> None:
    since = ago(minutes=30)
    told = {
        "due": (STORE, ago(minutes=20), NOW),
        "applied": (STORE, ago(minutes=20), None),
        "of another": (BANK, ago(minutes=20), soon(minutes=1)),
        "too old": (STORE, ago(minutes=31), soon(minutes=1)),
    }
    with shop.begin(TENANT) as uow:
        for name, (installation, at, wake_at) in told.items():
            one = a_delivery(name, received_at=at, wake_at=wake_at)
            uow.deliveries.add(replace(one, installation=installation))
        assert uow.deliveries.put_off_since(STORE, since, NOW) is None
        for minutes in (5, 9):
            at = ago(minutes=minutes)
            uow.deliveries.add(a_delivery(f"{minutes}", received_at=at, wake_at=soon(minutes=1)))

        assert uow.deliveries.put_off_since(STORE, since, NOW) == ago(minutes=9)


def test_each_connection_is_told_with_when_it_was_last_heard(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        for hours, installation in ((2, STORE), (1, STORE), (3, BANK)):
            one = a_delivery(f"d{hours}", received_at=ago(hours=hours))
            uow.deliveries.add(replace(one, installation=installation))

        assert uow.deliveries.last_received() == {STORE: ago(hours=1), BANK: ago(hours=3)}


# --- facts ----------------------------------------------------------------------------------------


def test_a_fact_is_kept_once_and_read_in_the_order_of_its_time(shop: SqlStorage) -> None:
    late, early = a_purchase(a_course(), at=NOW), a_gift(a_tag(), ago(days=2))
    with shop.begin(TENANT) as uow:
        assert uow.facts.append(late, "delivery d1", NOW)
        assert uow.facts.append(early, "delivery d2", NOW)
        assert not uow.facts.append(late, "delivery d3", soon(days=1))

        assert uow.facts.of_customer(CUSTOMER) == (early, late)
        assert uow.facts.of_customer(customer_key("other@mail.example")) == ()


# --- orders ---------------------------------------------------------------------------------------


def test_an_order_is_found_by_reference_customer_and_number(shop: SqlStorage) -> None:
    order, other = an_order(), an_order(ref=an_order_ref("2"), email="bo@mail.example")
    with shop.begin(TENANT) as uow:
        uow.orders.save(order)
        uow.orders.save(other)

        assert uow.orders.get(ORDER) == order
        assert uow.orders.get(an_order_ref("missing")) is None
        assert uow.orders.of_customer(CUSTOMER) == (order,)
        assert uow.orders.by_number("2") == (other,)
        assert uow.orders.by_number("10412 ") == ()


def test_lines_told_one_by_one_become_one_order(shop: SqlStorage) -> None:
    first = an_order(a_line("1"), read_at=ago(minutes=2))
    second = an_order(a_line("2"), read_at=ago(minutes=1))
    with shop.begin(TENANT) as uow:
        uow.orders.save(first)
        uow.orders.save(second)
        merged = uow.orders.get(ORDER)

    assert merged == replace(second, lines=(*second.lines, *first.lines))


def test_the_newest_telling_wins_whenever_it_arrives(shop: SqlStorage) -> None:
    old = an_order(a_line("1", title="Old"), a_line("2"), read_at=ago(days=1))
    new = an_order(a_line("1", title="New"), payments=[a_payment(refunded=eur(5))])
    newest_first, oldest_first = [new, old], [old, new]

    for tellings in (newest_first, oldest_first):
        with shop.begin(TENANT) as uow:
            for telling in tellings:
                uow.orders.save(telling)
            kept = uow.orders.get(ORDER)
            assert kept is not None
            assert [line.title for line in kept.lines] == ["New", "Watercolour Year"]
            assert kept.payments == new.payments
            assert kept.line(a_line_ref("1")).title == "New"


def test_an_order_follows_its_customer_to_another_address(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        uow.orders.save(an_order(read_at=ago(days=1)))
        uow.orders.save(an_order(email="new@mail.example"))

        assert uow.orders.of_customer(CUSTOMER) == ()
        assert len(uow.orders.of_customer(customer_key("new@mail.example"))) == 1


def test_who_bought_with_the_same_account_is_found_at_the_store_where_it_is(
    shop: SqlStorage,
) -> None:
    bo, cy, dee = (f"{name}@mail.example" for name in ("bo", "cy", "dee"))
    orders = [
        an_order(contact="12"),
        an_order(ref=an_order_ref("2"), email=bo, contact="12"),
        an_order(ref=an_order_ref("3"), email=bo, contact="12"),
        an_order(ref=an_order_ref("4"), email=cy, contact="15"),
        an_order(ref=an_order_ref("5", BANK), email=cy, contact="12"),
        an_order(ref=an_order_ref("6"), email=dee),
    ]
    with shop.begin(TENANT) as uow:
        for order in orders:
            uow.orders.save(order)

        assert uow.orders.sharing_accounts(CUSTOMER) == ((STORE, customer_key(bo)),)
        assert uow.orders.sharing_accounts(customer_key(bo)) == ((STORE, CUSTOMER),)
        assert uow.orders.sharing_accounts(customer_key(cy)) == ()
        assert uow.orders.sharing_accounts(customer_key(dee)) == ()


def test_of_an_account_of_everybody_only_so_many_are_told(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        for number in range(MOST_SHARING + 5):
            email = f"{number}@mail.example"
            uow.orders.save(an_order(ref=an_order_ref(str(number)), email=email, contact="till"))
        assert len(uow.orders.sharing_accounts(customer_key("1@mail.example"))) == MOST_SHARING


# --- installations --------------------------------------------------------------------------------


def test_an_installation_is_changed_and_removed_but_never_lost(shop: SqlStorage) -> None:
    told = (SelfTestLine("probe", "ok", "Test shop", NOW, 412), SelfTestLine("webhook", "waiting"))
    connected = an_installation()
    secrets = {"key": "n3w", "webhook": "wh"}
    changed = replace(
        connected,
        connection=replace(connected.connection, label="New", settings={"a": "b"}, secrets=secrets),
        status=InstallationStatus.REMOVED,
        self_test=told,
    )
    with shop.begin(TENANT) as uow:
        before = [i.connection.installation for i in uow.installations.all()]
        uow.installations.save(changed)

        assert uow.installations.get(STORE) == changed
        assert before == [BANK, DESK, STORE]
        assert [i.connection.installation for i in uow.installations.all()] == [BANK, DESK]
        assert uow.installations.get(InstallationId("nothing")) is None


def test_lines_that_an_earlier_version_kept_do_not_tell_how_long_they_took(
    shop: SqlStorage, engine: Engine
) -> None:
    kept = json.dumps([["probe", "ok", "Test shop", NOW.isoformat()]])
    with engine.begin() as db:
        db.execute(update(installations).where(installations.c.id == STORE).values(self_test=kept))
    with shop.read(TENANT) as uow:
        found = uow.installations.get(STORE)
    assert found is not None
    assert found.self_test == (SelfTestLine("probe", "ok", "Test shop", NOW),)


def test_installations_are_listed_oldest_first(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        uow.installations.add(an_installation("zero", created_at=NOW - timedelta(days=1)))

        assert uow.installations.all()[0].connection.installation == "zero"


def test_secrets_stand_nowhere_in_clear(shop: SqlStorage) -> None:
    with shop.begin(TENANT) as uow:
        rows = uow._db.exec_driver_sql("SELECT * FROM mg_installations").all()
        assert "s3cr3t" not in repr(rows)
        assert "s3cr3t" not in repr(uow.installations.get(STORE))


def test_no_two_installations_share_an_id_not_even_in_two_tenants(shop: SqlStorage) -> None:
    shop.add_tenant(a_tenant("tenant-2"), NOW)

    with shop.begin(a_tenant("tenant-2").id) as uow, pytest.raises(IntegrityError):
        uow.installations.add(an_installation(tenant="tenant-2"))


# --- settings -------------------------------------------------------------------------------------


def test_policies_are_versions_that_only_grow(shop: SqlStorage) -> None:
    first = STARTING_POLICIES[0].version(ago(days=9), "Europe/Zagreb", 1)
    second = STARTING_POLICIES[1].version(ago(days=1), "Europe/Zagreb", 2)
    with shop.begin(TENANT) as uow:
        assert uow.settings.policy() is None
        uow.settings.add_policy(second)
        uow.settings.add_policy(first)
        policy = uow.settings.policy()
        assert policy is not None
        assert policy.versions == (first, second)
        with pytest.raises(IntegrityError):
            uow.settings.add_policy(first)


def test_the_access_map_is_the_union_of_its_parts(shop: SqlStorage) -> None:
    store = AccessMap(
        products={(STORE, "p"): (a_course("c1", "One"), a_tag()), (STORE, "q"): ()},
        bundles={a_bundle(): (a_course("c1"), a_course("c2"))},
        tags={a_tag(): (a_bundle(),)},
    )
    bank = AccessMap(products={(BANK, "price_1"): (a_course(),)})
    with shop.begin(TENANT) as uow:
        assert uow.settings.access_map() == AccessMap()
        uow.settings.save_access_map(STORE, bank, ago(days=1))
        uow.settings.save_access_map(STORE, store, NOW)
        uow.settings.save_access_map(BANK, bank, NOW)

        both = uow.settings.access_map()

    assert both == AccessMap({**store.products, **bank.products}, store.bundles, store.tags)
    (named, _tag) = both.products[STORE, "p"]
    assert named.name == "One"


def test_the_tenant_is_as_it_was_given(shop: SqlStorage) -> None:
    with shop.read(TENANT) as uow:
        assert uow.settings.tenant() == a_tenant()
