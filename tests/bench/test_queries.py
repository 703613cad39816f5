"""How many SQL statements it takes: a gate that no busy machine can move.

What is gated are counts, as they were when each was last looked at. One more in a loop over orders
or stores turns red here long before anybody feels it. Fewer is fine: then lower the number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from bench.house import House, a_sale, build_house, order_id, outside
from bench.panel import AGENT, DESK, connect_desk
from bench.served import bench_parts
from plugin.app import Parts, create_app, worker_tasks
from plugin.chance import SystemClock, SystemMint
from plugin.domain.events import SaleMade
from plugin.domain.ids import DeliveryId, TicketId
from plugin.services.apply_event import apply_event
from plugin.services.applying import Source
from plugin.services.sign_in_admin import SignInAdmin
from plugin.web.auth import PanelSession, issue_panel_token

STORES = 3
CUSTOMER = 1
CALLS = 9
"""What a plan asks its three stores. A call looks whether its store answers at all, unless this
process saw it answer a moment ago: between none and one statement each, as the clock has it, and
so counted apart. Its token is taken by one that no listener hears of."""


@dataclass
class Counted:
    """A house with three stores, whose statements are counted."""

    house: House
    parts: Parts
    client: FlaskClient
    statements: list[str]

    def during(self, act: Callable[[], object]) -> int:
        """How many statements `act` took but for `looks`, once all that is loaded once is."""
        act()
        self.statements.clear()
        act()
        return len(self.statements) - self.looks

    @property
    def looks(self) -> int:
        """How many of the last statements looked whether a store answers."""
        return sum("FROM mg_breakers" in statement for statement in self.statements)

    def post(self, move: str, **fields: str) -> None:
        now = SystemClock().now()
        since = now - timedelta(seconds=1)
        session = PanelSession(self.house.tenant, DESK, AGENT, since, TicketId(str(CUSTOMER)))
        token = issue_panel_token(session, self.parts.house.signing_keys, now)
        answer = self.client.post(
            f"/panel/practice/{DESK}/{move}",
            data=fields,
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    folder = tmp_path_factory.mktemp("queries")
    with ExitStack() as stack:
        ports = [outside(stack, folder, 0).port for _ in range(STORES)]
        house = build_house(stack, folder / "house", ports)
        house.add_sales(CUSTOMER, 1, SystemClock().now() - timedelta(days=2))
        connect_desk(house, [CUSTOMER])
        parts = bench_parts(house.environment)
        stack.callback(parts.house.engine.dispose)
        statements: list[str] = []
        event.listen(
            parts.house.engine, "before_cursor_execute", lambda *told: statements.append(told[2])
        )
        yield Counted(house, parts, create_app(parts=parts).test_client(), statements)


def test_opening_a_ticket(counted: Counted) -> None:
    """Three orders of three stores, none of which is asked: they tell by events.

    Of each is read what we refunded by its payment, and by one that is not shown now; of their
    customer what is known of refunds, once.
    """
    assert counted.during(lambda: counted.post("open", ticket=str(CUSTOMER))) <= 26


def test_planning(counted: Counted) -> None:
    """Each of the three stores takes three calls.

    Once more than for a plan alone are the customer's orders read, one of which may be of the same
    money, and what is known of her refunds; one statement asks what else is on its way, one who
    has the order by now, and one who else bought with her accounts.
    """
    number = order_id(CUSTOMER)
    fields = {"order": f"{counted.house.stores[0]}~{number}", "amount": "full", "line": number}
    assert counted.during(lambda: counted.post("plan", **fields)) <= 58
    assert counted.looks <= CALLS


def test_applying_a_sale(counted: Counted) -> None:
    places = iter(range(1, 9))

    def apply() -> None:
        now = SystemClock().now()
        order = a_sale(counted.house.stores[0], CUSTOMER + 1, now, next(places))
        source = Source(DeliveryId(order.ref.ref), counted.house.stores[0], "Bench", now)
        with counted.parts.house.storage.begin(counted.house.tenant) as uow:
            apply_event(uow, SaleMade(order), source, now)
            uow.commit()

    assert counted.during(apply) <= 10


def test_a_rule_run_of_three_effects(counted: Counted) -> None:
    """Eight calls; one transaction before the first call, one between two, one after the last."""
    storage = counted.parts.house.storage
    due_at = SystemClock().now() + timedelta(seconds=2)
    counted.house.add_runs(100, 2, due_at)
    later = replace(counted.parts, clock=_At(due_at))
    tasks = worker_tasks(later)
    work = iter([one for one in storage.due(due_at, 9) if one.kind == "run"])

    def run() -> None:
        one = next(work)
        tasks[one.kind](one.tenant, one.ref)

    assert counted.during(run) <= 36 + 8 * CALLS
    written = [one for one in counted.statements if one.startswith("BEGIN IMMEDIATE")]
    assert len(written) == 4


def test_the_health_page(counted: Counted) -> None:
    admin = SignInAdmin(counted.parts.house.storage, SystemMint())
    link = admin.make_link(counted.house.tenant, "", SystemClock().now())
    fields = {"link": link.partition("link=")[2]}
    signed_in = counted.client.post(
        "/admin/sign-in", data=fields, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert signed_in.status_code == 303

    def look() -> None:
        assert counted.client.get("/admin/health").status_code == 200

    assert counted.during(look) <= 32


@dataclass(frozen=True)
class _At:
    """A clock that stands still. Implements `plugin.ports.Clock`."""

    at: datetime

    def now(self) -> datetime:
        return self.at
