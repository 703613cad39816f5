"""The panel as an agent without script meets it: whole pages, and their forms.

Reads what the page says and sends what its forms hold; it knows no field that is not on the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Protocol, Self

from werkzeug.datastructures import MultiDict

from plugin.domain.ids import InstallationId
from tests.journey.house import House
from tests.platforms.zendesk.data import AGENT

_SILENT = frozenset({"script", "style", "svg", "head"})


@dataclass
class PageForm:
    """One form: where it goes and what it would send now."""

    action: str
    fields: MultiDict[str, str] = field(default_factory=MultiDict)

    @property
    def ask(self) -> str:
        return self.action.rpartition("/")[2]


class Page(HTMLParser):
    """What a page says, and its forms by what they ask."""

    def __init__(self, status: int, html: str) -> None:
        super().__init__()
        self.status = status
        self.forms: list[PageForm] = []
        self._words: list[str] = []
        self._hidden = 0
        self._form: PageForm | None = None
        self.feed(html)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._words).split()).replace("\u00a0", " ")

    def form(self, ask: str) -> PageForm:
        found = [form for form in self.forms if form.ask == ask]
        assert found, f"no form asks {ask}: {self.text}"
        return found[0]

    def has(self, ask: str) -> bool:
        return any(form.ask == ask for form in self.forms)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag in _SILENT:
            self._hidden += 1
        elif tag == "form":
            self._form = PageForm(told["action"])
            self.forms.append(self._form)
        elif tag == "input" and self._form is not None and "name" in told:
            ticked = told.get("type") not in ("checkbox", "radio") or "checked" in told
            if ticked and "disabled" not in told:
                self._form.fields.add(told["name"], told.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._hidden -= 1
        elif tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._words.append(data)


class Answer(Protocol):
    """What a client is answered."""

    @property
    def status_code(self) -> int: ...

    @property
    def text(self) -> str: ...


class Client(Protocol):
    """Flask's own for tests, or one that asks over HTTP."""

    def post(self, path: str, /, *, data: Mapping[str, str]) -> Answer: ...


@dataclass
class Sidebar:
    """One agent at one desk. `page` is what she sees."""

    client: Client
    page: Page

    @classmethod
    def enter(cls, house: House, desk: InstallationId, agent: int = AGENT) -> Self:
        """The frame's first request, proven by the desk's token."""
        client = house.app.test_client()
        base = f"/panel/zendesk/{desk}"
        answer = client.post(base, data={"token": house.frame_token(agent)})
        return cls(client, Page(answer.status_code, answer.text))

    @classmethod
    def at(cls, house: House, desk: InstallationId, ticket: int, agent: int = AGENT) -> Self:
        """Entered, with a ticket open."""
        one = cls.enter(house, desk, agent)
        one.press("open", ticket=str(ticket))
        return one

    def press(self, ask: str, **changed: str | list[str]) -> Page:
        """Send the form that asks `ask`, as it stands or with fields changed."""
        form = self.page.form(ask)
        fields = form.fields.copy()
        for name, value in changed.items():
            fields.setlist(name, [value] if isinstance(value, str) else value)
        return self._send(form.action, fields)

    def choose(self, **changed: str | list[str]) -> Page:
        """Change the choice and have the plan worked out again."""
        form = self.page.form("refund")
        fields = form.fields.copy()
        for name, value in changed.items():
            fields.setlist(name, [value] if isinstance(value, str) else value)
        return self._send(form.action.replace("/refund", "/plan"), fields)

    def look(self) -> Page:
        """What the page does by itself after a while."""
        return self.press("timeline")

    def _send(self, action: str, fields: MultiDict[str, str]) -> Page:
        answer = self.client.post(action, data=fields)
        self.page = Page(answer.status_code, answer.text)
        return self.page
