"""`makegood agents`: who is paired, by ids only, and ending it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.app import Parts
from plugin.first_start import home_tenant
from plugin.ports.records import Pairing
from tests.commands.conftest import Run
from tests.factories import DESK, a_pairing, an_installation


@pytest.fixture
def pairing(parts: Parts) -> Pairing:
    """One that holds, of somebody with a name."""
    tenant, now = home_tenant(parts.house.storage).id, parts.clock.now()
    one = replace(
        a_pairing(),
        tenant=tenant,
        name="Canary Name",
        asked_at=now,
        framed_at=now,
        paired_at=now,
        expires_at=now + timedelta(days=30),
    )
    with parts.house.storage.begin(tenant) as uow:
        uow.installations.add(an_installation(DESK, tenant=tenant))
        uow.pairings.add(one)
        uow.commit()
    return one


def test_paired_agents_are_listed_by_their_ids(run: Run, pairing: Pairing) -> None:
    listed = run("agents", "list", "--json")
    [row] = listed.facts["agents"]
    assert (row["id"], row["desk"], row["agent"]) == (pairing.id, DESK, pairing.agent)
    assert pairing.id in listed.err
    assert "Canary" not in listed.out + listed.err


def test_where_nobody_is_paired_it_says_so(run: Run) -> None:
    assert "Nobody is paired." in run("agents", "list").out


def test_a_revoked_pairing_is_over_and_stands_in_the_audit_trail(
    run: Run, parts: Parts, pairing: Pairing
) -> None:
    assert "Revoked." in run("agents", "revoke", pairing.id).out
    assert run("agents", "list", "--json").facts["agents"] == []
    with parts.house.storage.read(pairing.tenant) as uow:
        last = list(uow.audit.entries(0, 1000))[-1]
    assert (last.action, last.actor, last.subject) == ("pairing.revoked", "terminal", pairing.id)
    again = run("agents", "revoke", pairing.id, "--json")
    assert again.code == 2
    assert "none of this id holds" in again.facts["detail"]
