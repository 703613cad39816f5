"""However many customers a sweep looks at, some of an account's calls are left to people."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from plugin.domain.errors import RetryLater
from plugin.ports import FindsOrders
from tests.drift import stores
from tests.drift.world import START, open_world
from tests.harness import Given


def test_while_a_sweep_looks_at_customers_people_get_their_answers(tmp_path: Path) -> None:
    given = Given(1, 1, tmp_path, "", planted=False)
    with open_world(given, 0, {"woocommerce": 1}) as world:
        [account] = world.stores.values()
        people = list(stores.customers(world, account, 8))
        account.begin()
        world.clock.at = START + timedelta(minutes=20)
        world.work()

        finds = world.parts.platforms.able(world.connection(account.name), FindsOrders)
        assert finds is not None
        for who in people[:5]:
            assert finds.read_order(who.second) is not None
        # The sweep took all the others: without them left, the first would have got none.
        with pytest.raises(RetryLater, match="budget_spent"):
            [finds.read_order(who.second) for who in people]
