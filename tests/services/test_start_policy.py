"""Starting with one of the four policies."""

from __future__ import annotations

from plugin.domain.policy import PolicyVersion
from plugin.domain.starting_policies import starting_policy
from plugin.ports.records import Tenant
from plugin.services.start_policy import NoSuchPolicy, PolicyStarted, StartPolicy
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import NOW, ago, soon


def _versions(storage: SqlStorage, tenant: Tenant) -> tuple[PolicyVersion, ...]:
    with storage.read(tenant.id) as uow:
        policy = uow.settings.policy()
    return () if policy is None else policy.versions


def test_the_first_policy_is_version_one_in_the_tenants_zone(
    storage: SqlStorage, tenant: Tenant
) -> None:
    outcome = StartPolicy(storage)(tenant.id, "eu_withdrawal", "admin", NOW)
    assert isinstance(outcome, PolicyStarted)
    assert outcome.is_new
    assert _versions(storage, tenant) == (outcome.version,)
    assert (outcome.version.number, outcome.version.timezone) == (1, "Europe/Zagreb")
    assert outcome.version.in_force_from == NOW


def test_a_change_is_the_next_version_and_the_old_one_stays(
    storage: SqlStorage, tenant: Tenant
) -> None:
    start = StartPolicy(storage)
    start(tenant.id, "thirty_days", "admin", ago(days=3))
    start(tenant.id, "eu_withdrawal", "admin", NOW)
    old, new = _versions(storage, tenant)
    assert (old.number, old.clauses) == (1, starting_policy("thirty_days").clauses)
    assert (new.number, new.clauses) == (2, starting_policy("eu_withdrawal").clauses)


def test_the_same_again_adds_nothing(storage: SqlStorage, tenant: Tenant) -> None:
    start = StartPolicy(storage)
    start(tenant.id, "thirty_days", "admin", NOW)
    again = start(tenant.id, "thirty_days", "admin", soon(minutes=1))
    assert isinstance(again, PolicyStarted)
    assert not again.is_new
    assert len(_versions(storage, tenant)) == 1


def test_a_version_never_begins_before_the_one_it_follows(
    storage: SqlStorage, tenant: Tenant
) -> None:
    start = StartPolicy(storage)
    start(tenant.id, "thirty_days", "admin", NOW)
    outcome = start(tenant.id, "eu_withdrawal", "admin", ago(seconds=2))
    assert isinstance(outcome, PolicyStarted)
    assert outcome.version.in_force_from == NOW


def test_there_are_only_the_four(storage: SqlStorage, tenant: Tenant) -> None:
    assert StartPolicy(storage)(tenant.id, "whatever", "admin", NOW) == NoSuchPolicy()
    assert _versions(storage, tenant) == ()
