"""Fixtures that more than one folder of tests asks for, and how Hypothesis runs in all of them."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.in_memory",
    "tests.longest_first",
    "tests.nothing_unseen",
    "tests.storage_fixtures",
    "tests.databases",
    "tests.untraced",
]

# A law does not fail because the machine is busy.
# A contract's laws are run by each platform's subclass: that they share one method is the point.
settings.register_profile(
    "makegood",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)
settings.load_profile("makegood")
