"""Zendesk keeps the helpdesk contract."""

from tests.contracts.helpdesk import HelpdeskOverHttpContract


class TestZendesk(HelpdeskOverHttpContract):
    """Against the stateful fake over loopback HTTP."""
