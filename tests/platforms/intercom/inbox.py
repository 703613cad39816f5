"""The panel in Intercom's inbox: the product's own app, a practice store, a fake workspace.

Nothing is mocked: posts are signed as the vendor signs them, and what is pressed is sent back with
the canvas that it stood on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from flask import Flask

from plugin.app import Parts, create_app, worker_tasks
from plugin.domain.ids import InstallationId
from plugin.domain.money import Money
from plugin.platforms.adapters import Adapters
from plugin.ports import Connection
from plugin.ports.records import Installation, InstallationStatus
from tests.platforms.intercom.data import AGENT
from tests.platforms.intercom.fake import FakeIntercom
from tests.platforms.intercom.posts import post_of, signed
from tests.platforms.intercom.world import connection
from tests.platforms.practice.fixtures import TurnedClock
from tests.web.canvas_reading import Component, chosen_in, components_of, press, texts_of
from tests.web.practice_house import PracticeHouse

ANA = "ana.horvat@mail.example"
DESK = InstallationId("intercom-desk")
BASE = f"/canvas/intercom/{DESK}"


@dataclass
class Canvas:
    """One answer, and the teammate beside the conversation who presses on it."""

    inbox: Inbox
    agent: str
    conversation: str
    answer: dict[str, Any]

    @property
    def components(self) -> Sequence[Component]:
        return components_of(self.answer)

    @property
    def text(self) -> str:
        return " ".join(texts_of(self.components))

    def post(self, pressed: str, **typed: object) -> tuple[bytes, dict[str, str]]:
        """What Intercom sends when it is pressed: all inputs, and the canvas as it stands."""
        values = {**chosen_in(self.components), **typed}
        document = post_of(
            self.agent,
            self.conversation,
            component_id=pressed,
            input_values=values,
            current_canvas=self.answer["canvas"],
        )
        return signed(document)

    def press(self, verb: str, typed: dict[str, object] | None = None, **about: str) -> Canvas:
        body, headers = self.post(press(self.components, verb, **about), **(typed or {}))
        return self.again(body, headers)

    def again(self, body: bytes, headers: dict[str, str]) -> Canvas:
        """The answer to these very bytes."""
        return replace(self, answer=self.inbox.send("submit", body, headers))


@dataclass
class Inbox:
    """The app with a practice store and a fake Intercom."""

    house: PracticeHouse
    clock: TurnedClock
    fake: FakeIntercom
    parts: Parts = field(init=False)
    app: Flask = field(init=False)

    def __post_init__(self) -> None:
        platforms = self.house.parts.platforms
        assert isinstance(platforms, Adapters)
        reached = replace(platforms, allow_private=frozenset({self.fake.place}))
        self.parts = replace(self.house.parts, platforms=reached)
        self.app = create_app(parts=self.parts)
        self.install(connection(base_url=self.fake.base_url))
        self.conversation = self.add_conversation(ANA)

    def install(self, desk: Connection) -> None:
        ours = replace(desk, tenant=self.house.tenant, installation=DESK)
        with self.parts.house.storage.begin(self.house.tenant) as uow:
            uow.installations.add(
                Installation(ours, InstallationStatus.CONNECTED, self.clock.now())
            )
            uow.commit()

    def add_conversation(self, email: str, role: str = "user") -> str:
        contact = self.fake.workspace.add_contact(email, role, "Ana Horvat")
        return str(self.fake.workspace.add_conversation(contact))

    def open(self, agent: int = AGENT, conversation: str | None = None) -> Canvas:
        beside = conversation or self.conversation
        body, headers = signed(post_of(str(agent), beside))
        return Canvas(self, str(agent), beside, self.send("initialize", body, headers))

    def open_order(self, agent: int = AGENT) -> Canvas:
        """The only order of the first canvas, pressed."""
        return self.open(agent).press("order")

    def send(self, name: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        answer = self.app.test_client().post(f"{BASE}/{name}", data=body, headers=headers)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        assert answer.headers["Cache-Control"] == "no-store"
        found: dict[str, Any] = json.loads(answer.get_data())
        return found

    def status(self, name: str, body: bytes, headers: dict[str, str], base: str = BASE) -> int:
        answer = self.app.test_client().post(f"{base}/{name}", data=body, headers=headers)
        return answer.status_code

    def pass_time(self, seconds: float) -> None:
        self.clock.turn(timedelta(seconds=seconds))
        tasks = worker_tasks(self.parts)
        while due := self.parts.house.storage.due(self.clock.now(), 100):
            for work in due:
                tasks[work.kind](work.tenant, work.ref)

    def paid_back(self) -> list[Money]:
        return [seen.amount for seen in self.house.world.refunds(self.house.shop)]
