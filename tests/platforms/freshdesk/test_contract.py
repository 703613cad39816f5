"""Freshdesk keeps the helpdesk contract."""

from tests.contracts.helpdesk import HelpdeskOverHttpContract


class TestFreshdesk(HelpdeskOverHttpContract):
    """Against the stateful fake over loopback HTTP."""
