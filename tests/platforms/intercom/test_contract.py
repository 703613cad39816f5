"""Intercom keeps the helpdesk contract, and sets its field."""

import pytest

from tests.contracts.fields import FieldsOverHttpContract
from tests.contracts.helpdesk import HelpdeskOverHttpContract
from tests.platforms.intercom.world import World


class TestIntercom(HelpdeskOverHttpContract):
    """Against the stateful fake over loopback HTTP."""


class TestIntercomFields(FieldsOverHttpContract):
    """The same, with a field that the admin named."""

    @pytest.fixture(autouse=True)
    def _named(self, world: World) -> None:
        world.name_field()
