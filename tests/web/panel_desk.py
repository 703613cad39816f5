"""An agent at a practice ticket without script: reads the page's forms and sends them back.

Helpers for the tests of the panel; the tickets' names stand here too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from urllib.parse import urlencode

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from plugin.domain.ids import AgentId
from plugin.domain.money import Money
from plugin.domain.orders import Order
from plugin.platforms.practice_shop import Shop
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.practice_house import PracticeHouse

ANA, TWICE, YEAR, YEN, DISPUTE, SILENT = "1001", "1002", "1004", "1006", "1007", "1008"
LATE, BY_HAND, NOBODY, WEAK = "1009", "1010", "1011", "1012"


HTML = {"Accept": "text/html", "Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Desk:
    """An agent at a ticket without script: reads the forms of the page and sends them back."""

    house: PracticeHouse
    client: FlaskClient
    page: TestResponse

    @property
    def html(self) -> str:
        return self.page.get_data(as_text=True)

    @property
    def text(self) -> str:
        """What stands in the panel, as words."""
        inside = self.html.partition('<div id="panel"')[2]
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", inside)).split())

    def field(self, name: str) -> str:
        found = re.search(rf'name="{name}" value="([^"]*)"', self.html)
        assert found is not None, f"no field {name}: {self.text}"
        return unescape(found[1])

    @property
    def token(self) -> str:
        return self.page.headers["X-Makegood-Session"]

    def send(self, move: str, *pairs: tuple[str, str], token: str | None = None) -> Desk:
        body = [("session", self.token if token is None else token), *pairs]
        self.page = self.client.post(
            f"{self.house.base}/{move}", data=urlencode(body), headers=HTML
        )
        return self

    def press(self, *pairs: tuple[str, str]) -> Desk:
        """The button, with the plan that it stands for."""
        plan = (("plan", self.field("plan")), ("hash", self.field("hash")))
        return self.send("refund", ("order", self.field("order")), *plan, *pairs)

    def timeline(self, refund: str = "") -> Desk:
        return self.send("timeline", ("order", self.field("order")), ("refund", refund))

    def free(self, amount: str, number: str = "20418") -> Desk:
        line = ("line", f"line-{number}-1")
        return self.send("plan", self.order(number), line, ("amount", "free"), ("free", amount))

    def order(self, number: str) -> tuple[str, str]:
        return ("order", self.house.order(number))


def opened(house: PracticeHouse, ticket: str, agent: str = "practice-agent") -> Desk:
    client = house.app.test_client()
    path = house.link(ticket, AgentId(agent)).removeprefix(house.settings.public_url)
    return Desk(house, client, client.get(path, headers={"Accept": "text/html"}))


def pass_time(house: PracticeHouse, clock: TurnedClock, seconds: float) -> None:
    clock.turn(timedelta(seconds=seconds))
    house.work()


def paid_back(house: PracticeHouse) -> list[Money]:
    return [seen.amount for seen in house.world.refunds(house.shop)]


def sale(house: PracticeHouse, clock: TurnedClock, number: str) -> Order:
    shop = Shop(house.shop, clock.now())
    course = shop.course(f"course-{number}", f"Course {number}")
    email = "ana.horvat@mail.example"
    return shop.one_course(number, "Ana Horvat", email, 3, course, 5000, f"Visa …{number[-4:]}")
