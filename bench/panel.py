"""The practice desk's panel in a house of the bench: tickets, and what an agent's frame asks.

The real routes, forms and tokens over HTTP; only the sign-in by the desk is
left out, by a token made with the house's own key.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from time import perf_counter
from typing import Final
from urllib.parse import urlencode

from bench.house import DidNotWork, House, order_id
from bench.outside import email_of
from plugin.chance import SystemClock, SystemMint
from plugin.domain.ids import AgentId, InstallationId, TicketId
from plugin.platforms.practice_desk import PracticeTickets
from plugin.ports import Connection, Kind, Ticket
from plugin.ports.records import Installation, InstallationStatus
from plugin.web.auth import PanelSession, issue_panel_token

DESK: Final = InstallationId("desk-1")
AGENT: Final = AgentId("practice-lead")
_PLAN: Final = re.compile(r'name="plan" value="[^"]+"')


def connect_desk(house: House, customers: Sequence[int]) -> None:
    """A practice desk with one ticket for each of these customers."""
    file = str(house.parts.settings.data_dir / "desk.sqlite")
    now = SystemClock().now()
    secrets = {"link_key": SystemMint().secret()}
    connection = Connection(
        house.tenant, DESK, Kind.HELPDESK, "practice", "Desk", {"file": file}, secrets
    )
    with house.parts.house.storage.begin(house.tenant) as uow:
        uow.installations.add(Installation(connection, InstallationStatus.CONNECTED, now))
        uow.commit()
    tickets = PracticeTickets(file)
    for customer in customers:
        words = f"I want my money back for order {order_id(customer)}."
        emails = (email_of(customer),)
        name = f"Customer {customer}"
        ticket = Ticket(TicketId(str(customer)), "Refund", name, emails, (), open=True, text=words)
        tickets.add_ticket(ticket, now)


@dataclass(slots=True)
class Frame:
    """One agent's frame beside one ticket."""

    house: House
    port: int
    customer: int
    _token: str = field(init=False)

    def __post_init__(self) -> None:
        now = SystemClock().now()
        session = PanelSession(
            self.house.tenant, DESK, AGENT, now - timedelta(seconds=1), TicketId(str(self.customer))
        )
        self._token = issue_panel_token(session, self.house.parts.house.signing_keys, now)

    def open(self) -> float:
        """Open the ticket: the desk and the stores are asked. The seconds it took."""
        seconds, _ = self._post("open", {"ticket": str(self.customer)})
        return seconds

    def plan(self) -> float:
        """Have a plan made for the first store's order. The seconds it took.

        Raises DidNotWork where the answer holds no plan.
        """
        store = self.house.stores[0]
        number = order_id(self.customer)
        fields = {"order": f"{store}~{number}", "amount": "full", "line": number}
        seconds, page = self._post("plan", fields)
        if not _PLAN.search(page):
            raise DidNotWork("the panel showed no plan")
        return seconds

    def look(self) -> float:
        """Open the order without asking anybody again. The seconds it took."""
        fields = {"order": f"{self.house.stores[0]}~{order_id(self.customer)}"}
        seconds, _ = self._post("timeline", fields)
        return seconds

    def _post(self, move: str, fields: dict[str, str]) -> tuple[float, str]:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        path = f"/panel/practice/{DESK}/{move}"
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as line:
            line.connect()  # it is not ours how long that takes
            begun = perf_counter()
            line.request("POST", path, urlencode(fields), headers)
            answer = line.getresponse()
            page = answer.read().decode()
            seconds = perf_counter() - begun
        if answer.status != 200:
            raise DidNotWork(f"the panel answered {answer.status} to {move}")
        return seconds, page
