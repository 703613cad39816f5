"""Fixtures that more than one folder of tests asks for."""

from __future__ import annotations

pytest_plugins = ["tests.storage_fixtures"]
