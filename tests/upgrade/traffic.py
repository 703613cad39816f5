"""What goes on meanwhile: agents press in the panel, stores tell their news, customers buy.

The panel is used as an agent without script uses it, over HTTP, through the balancer: a page that
one version made is sent to the other. Who gets no answer sends the same page again.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from plugin.app import Parts
from plugin.domain.ids import PlanId
from tests.journey.sidebar import Page, Sidebar
from tests.kill.scene import DESK, Outside, Scene
from tests.kill.stories import Done, Job, Stories

ANSWER_SECONDS = 30.0
STOP_SECONDS = 60.0
LOOK_SECONDS = 0.05
STEP_SECONDS = 0.1
BEGIN_SECONDS = 0.4
OPEN_JOBS = 5
TOLD_HERE = ("part", "full", "prorated", "outside", "cancelled", "tagged", "disputed")
_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Connection": "close"}


class NotNow(Exception):
    """Nobody answered, or said that something broke there."""


class TrafficBroke(Exception):
    """Nothing was decided any more, or a story could not be told: the cause is in it."""


@dataclass(frozen=True, slots=True)
class Answered:
    status_code: int
    text: str


@dataclass(slots=True)
class Browser:
    """Sends forms to the door. `turned_away`: where the web was there and failed."""

    port: int
    turned_away: list[str] = field(default_factory=list)

    def post(self, path: str, /, *, data: Mapping[str, str]) -> Answered:
        """Raises NotNow where it must be sent again."""
        pairs = list(data.items(multi=True)) if isinstance(data, MultiDict) else list(data.items())
        door = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        try:
            door.request("POST", path, urlencode(pairs), _HEADERS)
            answer = door.getresponse()
            said = answer.read().decode("utf-8", "replace")
            if answer.headers.get("X-Balancer") == "pause":
                raise NotNow
        except (OSError, http.client.HTTPException) as error:
            self.turned_away.append(f"{path}: {type(error).__name__}")
            raise NotNow from error
        finally:
            door.close()
        if answer.status >= 500:
            self.turned_away.append(f"{path}: {answer.status}")
            raise NotNow
        return Answered(answer.status, said)


class PanelStories(Stories):
    """The stories of the kill harness, told in the panel."""

    def __init__(self, scene: Scene, parts: Parts, outside: Outside, chance: random.Random) -> None:
        super().__init__(scene, parts, outside, scene.door, chance)
        self.browser = Browser(scene.door)
        self._desk = outside.desk
        self.seen = ""
        self._open: dict[str, Sidebar] = {}
        self.kinds = {name: self.kinds[name] for name in TOLD_HERE}

    def _press(self, do: str, words: Mapping[str, object]) -> Any:  # noqa: ANN401 - any JSON
        try:
            return self._plan(words) if do == "plan" else self._decide(words)
        except NotNow:
            return None

    def _plan(self, words: Mapping[str, object]) -> dict[str, Any] | None:
        """Open the ticket, and choose; None where a store was silent just now."""
        base = f"/panel/zendesk/{DESK}"
        entered = self.browser.post(base, data={"token": self._desk.ask("frame_token")})
        sidebar = Sidebar(self.browser, Page(entered.status_code, entered.text))
        sidebar.press("open", ticket=str(words["ticket"]))
        self.seen = sidebar.page.text
        if not sidebar.page.has("refund"):
            return None
        part = words["part"]
        if isinstance(part, int):
            sidebar.choose(amount="free", free=f"{part // 100}.{part % 100:02}")
        fields = sidebar.page.form("refund").fields
        if "plan" not in fields:
            return None
        self._open[fields["plan"]] = sidebar
        return {"plan": fields["plan"], "amount": part if isinstance(part, int) else 0}

    def _decide(self, words: Mapping[str, object]) -> str:
        """Send the page that was seen, which may be an older one's; again where need be."""
        plan = str(words["plan"])
        seen = self._open[plan]
        again = Sidebar(seen.client, seen.page)
        page = again.press("refund")
        if page.status != 200 or page.has("refund"):
            return "Changed"
        return "AlreadyDecided" if PlanId(plan) in self.done.decided else "Decided"


class Traffic:
    """Runs in a thread of the harness until `stop`."""

    def __init__(self, stories: PanelStories, chance: random.Random) -> None:
        self.stories = stories
        self.failure: BaseException | None = None
        self._chance = chance
        self._stop, self._leave = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def presses(self) -> int:
        return len(self.stories.done.decided)

    def go_on(self, presses: int, seconds: float = 120.0) -> None:
        """Until so many more are decided."""
        enough, deadline = self.presses + presses, time.monotonic() + seconds
        while self.presses < enough:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                seen = self.stories.seen[:300]
                raise TrafficBroke(f"nothing is decided any more: {seen}") from self.failure
            time.sleep(LOOK_SECONDS)

    def abandon(self) -> None:
        """Begin nothing new, and leave what was begun as it is: something is broken."""
        self._leave.set()
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    def stop(self) -> Done:
        """Begin nothing new, and bring to its end what was begun."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
        if self.failure is not None or self._thread.is_alive():
            raise TrafficBroke("the traffic broke") from self.failure
        return self.stories.done

    def _run(self) -> None:
        jobs: list[Job] = []
        begin_at = 0.0
        try:
            while (jobs and not self._leave.is_set()) or not self._stop.is_set():
                may_begin = len(jobs) < OPEN_JOBS and time.monotonic() >= begin_at
                if may_begin and not self._stop.is_set():
                    jobs.append(self._begin())
                    begin_at = time.monotonic() + BEGIN_SECONDS
                jobs = [job for job in jobs if next(job, self) is not self]
                time.sleep(STEP_SECONDS)
        except Exception as error:  # noqa: BLE001 - told in the thread that can show it
            self.failure = error

    def _begin(self) -> Job:
        kinds = self.stories.kinds
        [name] = self._chance.choices(list(kinds), [weight for weight, _ in kinds.values()])
        self.stories.done.stories += 1
        return kinds[name][1](f"{name}-{self.stories.done.stories}@customer.test")
