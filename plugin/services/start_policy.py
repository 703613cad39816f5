"""Start with one of the four policies: the tenant's next version, in force from now on.

Versions are added and never changed: what was bought before keeps the policy of its day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from plugin.domain.ids import TenantId
from plugin.domain.policy import PolicyVersion
from plugin.domain.starting_policies import starting_policy
from plugin.ports.storage import Storage


@dataclass(frozen=True, slots=True)
class PolicyStarted:
    """`version` is in force. Not `is_new` when it stood like this already: nothing was added."""

    version: PolicyVersion
    is_new: bool


@dataclass(frozen=True, slots=True)
class NoSuchPolicy:
    """There is no starting point of that name; nothing was changed."""


@dataclass(frozen=True, slots=True)
class StartPolicy:
    """The use case, with its ports."""

    storage: Storage

    def __call__(
        self, tenant: TenantId, slug: str, actor: str, now: datetime
    ) -> PolicyStarted | NoSuchPolicy:
        """Add the version that `slug` names, unless the newest one says the same already."""
        try:
            start = starting_policy(slug)
        except KeyError:
            return NoSuchPolicy()
        with self.storage.begin(tenant) as uow:
            policy = uow.settings.policy()
            newest = None if policy is None else policy.newest
            if newest is not None and newest.clauses == start.clauses:
                return PolicyStarted(newest, is_new=False)
            number = 1 if newest is None else newest.number + 1
            since = now if newest is None else max(now, newest.in_force_from)
            version = start.version(since, uow.settings.tenant().time_zone, number)
            uow.settings.add_policy(version)
            details = {"version": str(number), "start": slug}
            uow.audit.write(now, actor, "policy.started", tenant, details)
            uow.commit()
        return PolicyStarted(version, is_new=True)
