"""Intercom keeps the helpdesk contract."""

from tests.contracts.helpdesk import HelpdeskOverHttpContract


class TestIntercom(HelpdeskOverHttpContract):
    """Against the stateful fake over loopback HTTP."""
