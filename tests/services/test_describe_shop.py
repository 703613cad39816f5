"""The shop's name, time zone and language: checked, kept, told in the trail, and counted in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plugin.domain.ids import TenantId
from plugin.domain.policy import Policy
from plugin.domain.starting_policies import starting_policy
from plugin.ports.records import AuditEntry, Tenant
from plugin.services.describe_shop import (
    LANGUAGES,
    DescribeShop,
    NotDescribed,
    ShopDescribed,
    time_zone_named,
    time_zones,
)
from plugin.services.start_policy import StartPolicy
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, a_tenant

LONG_AGO = NOW - timedelta(days=3650)
LATE = datetime(2026, 11, 1, 23, 30, tzinfo=UTC)


def describe(storage: SqlStorage, tenant: Tenant, **told: str) -> ShopDescribed | NotDescribed:
    return DescribeShop(storage)(tenant.id, told, "admin", NOW)


def kept(storage: SqlStorage, tenant: Tenant) -> Tenant:
    with storage.read(tenant.id) as uow:
        return uow.settings.tenant()


def trail(storage: SqlStorage, tenant: Tenant) -> list[AuditEntry]:
    with storage.read(tenant.id) as uow:
        return list(uow.audit.entries(0, 99))


def policy_of(storage: SqlStorage, tenant: Tenant) -> Policy:
    with storage.read(tenant.id) as uow:
        found = uow.settings.policy()
    assert found is not None
    return found


@pytest.fixture
def tenant_with_policy(storage: SqlStorage) -> Tenant:
    """As the first start makes it: its own policy, in UTC, for every purchase."""
    tenant = replace(a_tenant("shop"), time_zone="UTC")
    storage.add_tenant(tenant, NOW)
    with storage.begin(tenant.id) as uow:
        uow.settings.add_policy(starting_policy("thirty_days").version(LONG_AGO, tenant.time_zone))
        uow.commit()
    return tenant


def test_what_is_told_is_kept_and_the_rest_stays(storage: SqlStorage, tenant: Tenant) -> None:
    done = describe(storage, tenant, name="  Northlight   Studio ")
    assert isinstance(done, ShopDescribed)
    assert done.shop == kept(storage, tenant)
    assert done.shop.name == "Northlight Studio"
    assert (done.shop.time_zone, done.shop.owners) == (tenant.time_zone, tenant.owners)
    done = describe(storage, tenant, time_zone="Europe/Lisbon", language="en")
    assert isinstance(done, ShopDescribed)
    assert (done.shop.name, done.shop.time_zone) == ("Northlight Studio", "Europe/Lisbon")


def test_another_tenant_stays_as_it_is(storage: SqlStorage, tenant: Tenant) -> None:
    other = a_tenant("other")
    storage.add_tenant(other, NOW)
    describe(storage, tenant, name="Northlight")
    assert kept(storage, other) == other


def test_a_change_is_told_in_the_trail_once(storage: SqlStorage, tenant: Tenant) -> None:
    for _ in range(2):
        describe(storage, tenant, name="Northlight", time_zone="Asia/Tokyo", language="en")
    (entry,) = trail(storage, tenant)
    assert (entry.actor, entry.action, entry.subject) == ("admin", "shop.described", tenant.id)
    assert entry.details == {"name": "Northlight", "time_zone": "Asia/Tokyo"}


@pytest.mark.parametrize(
    ("told", "field", "advice"),
    [
        ({"name": ""}, "name", "give a name of at most 100 characters"),
        ({"name": " \n "}, "name", "give a name of at most 100 characters"),
        ({"name": "x" * 101}, "name", "give a name of at most 100 characters"),
        ({"name": "bell \x07"}, "name", "give a name of at most 100 characters"),
        ({"time_zone": "Mars/Base"}, "time_zone", "give an IANA name like Europe/Zagreb"),
        ({"time_zone": ""}, "time_zone", "give an IANA name like Europe/Zagreb"),
        ({"time_zone": "../etc/passwd"}, "time_zone", "give an IANA name like Europe/Zagreb"),
        ({"time_zone": "Europe"}, "time_zone", "give an IANA name like Europe/Zagreb"),
        ({"time_zone": "localtime"}, "time_zone", "give an IANA name like Europe/Zagreb"),
        ({"language": "tlh"}, "language", f"we have: {', '.join(LANGUAGES)}"),
        ({"colour": "red"}, "colour", "give any of name, time_zone, language"),
    ],
)
def test_what_cannot_be_kept_changes_nothing_and_says_what_to_give(
    storage: SqlStorage, tenant: Tenant, told: dict[str, str], field: str, advice: str
) -> None:
    assert describe(storage, tenant, **{"name": "New", **told}) == NotDescribed(field, advice)
    assert kept(storage, tenant) == tenant
    assert trail(storage, tenant) == []


@pytest.mark.parametrize("typed", ["europe/zagreb", " Europe/Zagreb ", "EUROPE/ZAGREB"])
def test_a_time_zone_is_found_whatever_its_capitals(typed: str) -> None:
    assert time_zone_named(typed) == "Europe/Zagreb"


def test_a_city_of_two_words_may_be_typed_with_a_space() -> None:
    assert time_zone_named("America/New York") == "America/New_York"


def test_every_time_zone_that_is_offered_can_be_kept() -> None:
    assert len(time_zones()) > 300
    assert all(time_zone_named(name) is not None for name in time_zones()[::25])


def test_days_are_counted_in_the_new_zone_for_every_purchase_before_a_policy_was_started(
    storage: SqlStorage, tenant_with_policy: Tenant
) -> None:
    tenant = tenant_with_policy
    describe(storage, tenant, time_zone="Europe/London")
    describe(storage, tenant, time_zone="Europe/Zagreb")
    found = policy_of(storage, tenant)
    assert [(one.number, one.timezone) for one in found.versions] == [
        (1, "UTC"),
        (2, "Europe/London"),
        (3, "Europe/Zagreb"),
    ]
    bought = found.in_force(LATE)
    assert LATE.astimezone(bought.zone).day == 2
    assert bought.clauses == found.versions[0].clauses


def test_once_a_policy_was_started_older_purchases_keep_their_zone(
    storage: SqlStorage, tenant_with_policy: Tenant
) -> None:
    tenant = tenant_with_policy
    StartPolicy(storage)(tenant.id, "eu_withdrawal", "admin", NOW - timedelta(days=2))
    describe(storage, tenant, time_zone="Europe/Zagreb")
    found = policy_of(storage, tenant)
    assert found.in_force(NOW - timedelta(days=1)).timezone == "UTC"
    assert found.in_force(NOW).timezone == "Europe/Zagreb"
    assert found.in_force(NOW).clauses == found.versions[1].clauses


def test_a_name_alone_makes_no_new_version(storage: SqlStorage, tenant_with_policy: Tenant) -> None:
    describe(storage, tenant_with_policy, name="Northlight")
    assert policy_of(storage, tenant_with_policy).newest.number == 1


def test_a_zone_that_the_policy_has_already_makes_no_new_version(
    storage: SqlStorage, tenant_with_policy: Tenant
) -> None:
    tenant = tenant_with_policy
    with storage.begin(tenant.id) as uow:
        uow.settings.describe_tenant("Shop", "Asia/Tokyo", "en")
        uow.commit()
    describe(storage, tenant, time_zone="UTC")
    assert policy_of(storage, tenant).newest.number == 1


def test_a_tenant_that_is_none_is_a_bug(storage: SqlStorage) -> None:
    with pytest.raises(KeyError):
        DescribeShop(storage)(TenantId("none"), {"name": "x"}, "admin", NOW)
