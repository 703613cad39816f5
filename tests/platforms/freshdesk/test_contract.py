"""Freshdesk keeps the helpdesk contract, and sets its field."""

import pytest

from tests.contracts.fields import FieldsOverHttpContract
from tests.contracts.helpdesk import HelpdeskOverHttpContract
from tests.platforms.freshdesk.world import World


class TestFreshdesk(HelpdeskOverHttpContract):
    """Against the stateful fake over loopback HTTP."""


class TestFreshdeskFields(FieldsOverHttpContract):
    """The same, with a field that the admin named."""

    @pytest.fixture(autouse=True)
    def _named(self, world: World) -> None:
        world.name_field()
