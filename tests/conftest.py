"""Fixtures that more than one folder of tests asks for, and how Hypothesis runs in all of them."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.storage_fixtures"]

# A law does not fail because the machine is busy.
settings.register_profile("makegood", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("makegood")
