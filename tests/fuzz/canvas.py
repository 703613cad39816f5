"""Hostile posts to the panels that a desk draws itself: unsigned, wrongly signed, rightly signed.

What was drawn is pressed: with its own number and hostile fields, by others, beside other
conversations. Half of the posts lose their shape besides. What counts as rightly signed is judged
here a second time, and more kindly than the product does.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlencode

from plugin.ports import Connection
from plugin.ports.canvas import CANVAS_POSTS
from plugin.ports.records import InstallationStatus
from plugin.web.canvas import LARGEST_POST
from tests.bodies.changes import change
from tests.fuzz import hostile
from tests.fuzz.dress import dressed
from tests.fuzz.world import TICKETS, World
from tests.fuzz.wsgi import Asked, Told
from tests.platforms.intercom.beside_practice import TEAMMATES, document_for
from tests.platforms.intercom.posts import HEADER, signature
from tests.web.canvas_reading import asks_of, chosen_in, components_of

SIGNED_SHARE: Final = 0.7
_TEXTS: Final = tuple(text for text in hostile.TEXTS if "\0" not in text)
"""Without NUL: a post that holds one has no shape that is read."""
_MOST_DRAWN: Final = 24
_INITIALIZE, _SUBMIT, _ = CANVAS_POSTS
_VERBS: Final = (
    "list",
    "orders",
    "order",
    "plan",
    "refund",
    "undo",
    "timeline",
    "look",
    "attest",
    "steps",
    "search",
    "prove",
    "open",
    "blocked",
)
_FIELDS: Final = (
    "order",
    "plan",
    "hash",
    "refund",
    "line",
    "amount",
    "free",
    "sub",
    "reason",
    "step",
    "q",
    "proof",
    "again",
    "found",
    "session",
)


@dataclass(frozen=True, slots=True)
class Account:
    """One account whose desk draws the panel. `open`: it is connected."""

    connection: Connection
    open: bool

    @property
    def base(self) -> str:
        return f"/canvas/{self.connection.platform}/{self.connection.installation}"

    def sign(self, body: bytes) -> str:
        return signature(body, self.connection.secrets["client_secret"])

    def is_signed(self, asked: Asked) -> bool:
        """Whether any such header holds a signature of these bytes by this account."""
        told = [
            value
            for name, value in asked.headers
            if name.lstrip("=").removeprefix("HTTP_").lower().replace("_", "-") == HEADER.lower()
        ]
        return self.sign(asked.body) in ",".join(told).lower()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A canvas that was answered, to whom, and all that can be pressed on it."""

    account: Account
    agent: str
    ticket: str
    canvas: Mapping[str, Any]
    presses: Sequence[str]


@dataclass(frozen=True, slots=True)
class Posted:
    """A post: `proven` by its signature; `clean` where it has the shape of a real one."""

    asked: Asked
    account: Account
    proven: bool
    clean: bool
    agent: str = ""
    ticket: str = ""


@dataclass(slots=True)
class Canvases:
    """Makes posts, and remembers the canvases that were answered."""

    accounts: Sequence[Account]
    drawn: list[Drawn] = field(default_factory=list)

    def known(self, asked: Asked) -> Posted | None:
        """A request that was kept, where it is one of these."""
        for account in self.accounts:
            if asked.signed == account.base or asked.path.startswith(f"{account.base}/"):
                return Posted(asked, account, account.is_signed(asked), clean=False)
        return None

    def learn(self, posted: Posted, told: Told) -> bool:
        """Keep what was drawn; whether it is a canvas."""
        answer = json.loads(told.body)
        if "canvas" not in answer:
            return False
        presses = tuple(asks_of(components_of(answer)).values())
        if presses and posted.agent:
            made = Drawn(posted.account, posted.agent, posted.ticket, answer["canvas"], presses)
            self.drawn.append(made)
            del self.drawn[:-_MOST_DRAWN]
        return True

    def make(self, chance: random.Random) -> Posted:
        drawn = self._drawn(chance) if chance.random() < 0.8 else None
        more: Mapping[str, Any] = {}
        agent, ticket = chance.choice(TEAMMATES), str(chance.choice(TICKETS))
        if drawn is None:
            account = chance.choice(self.accounts)
            name = chance.choice((_INITIALIZE, _INITIALIZE, *CANVAS_POSTS))
            if name != _INITIALIZE:
                more = {"component_id": chance.choice(_TEXTS)}
        else:
            account, name, more = drawn.account, _SUBMIT, self._pressed(drawn, chance)
            if chance.random() < 0.9:
                agent, ticket = drawn.agent, drawn.ticket
        document = document_for(account.connection, agent, ticket, **more)
        body = json.dumps(document).encode()
        clean = account.open
        if chance.random() < 0.4:
            body = change(document, {key: [value] for key, value in document.items()}, chance)
            clean = False
        if chance.random() < 0.002:
            body = body.ljust(LARGEST_POST + chance.choice((-1, 0, 1)))
            clean = False
        path, headers = f"{account.base}/{name}", self._headers()
        asked = Asked("POST", path, headers=headers, body=body, signed=account.base)
        if chance.random() >= SIGNED_SHARE:
            return self._unsigned(asked, account, chance)
        given = (*asked.headers, (HEADER, account.sign(body)))
        asked = replace(asked, headers=given)
        if chance.random() < 0.2:
            asked, harmless = dressed(asked, frozenset({HEADER}), chance)
            clean = clean and harmless
        return Posted(asked, account, account.is_signed(asked), clean, agent, ticket)

    def _drawn(self, chance: random.Random) -> Drawn | None:
        """One of them; mostly not again, since its number is spent then."""
        if not self.drawn:
            return None
        found = chance.choice(self.drawn)
        if chance.random() < 0.9:
            self.drawn.remove(found)
        return found

    def _headers(self) -> tuple[tuple[str, str], ...]:
        return (("Content-Type", "application/json"), ("User-Agent", "intercom-canvas-kit"))

    def _pressed(self, drawn: Drawn, chance: random.Random) -> Mapping[str, Any]:
        """One of its buttons, as it is or with the number alone kept, and what was typed."""
        button = chance.choice(drawn.presses)
        kind = chance.random()
        if kind < 0.1:
            button = chance.choice(_TEXTS)
        elif kind < 0.45:
            verb, _, rest = button.partition(":")
            number, _, about = rest.partition("?")
            few = [(name, chance.choice(_TEXTS)) for name in _FIELDS if chance.random() < 0.15]
            fields = "&".join(one for one in (about, urlencode(few)) if one)
            button = f"{chance.choice((verb, *_VERBS))}:{number}?{fields}"
        typed: dict[str, Any] = dict(chosen_in(drawn.canvas["content"]["components"]))
        for name in _FIELDS:
            if chance.random() < 0.12:
                texts = chance.sample(_TEXTS, 2)
                typed[name] = texts if chance.random() < 0.3 else texts[0]
        canvas: dict[str, Any] = dict(drawn.canvas)
        if chance.random() < 0.2:
            names = ("ticket", "email", "number", "card", "x")
            kept = {name: chance.choice((drawn.ticket, *_TEXTS)) for name in names}
            canvas["stored_data"] = kept
        return {"component_id": button, "input_values": typed, "current_canvas": canvas}

    def _unsigned(self, asked: Asked, account: Account, chance: random.Random) -> Posted:
        """A signature that proves nothing; rarely one that does, which is then seen."""
        other, own = chance.choice(self.accounts), account.sign(asked.body)
        given: Sequence[tuple[str, str]] = chance.choice(
            (
                (),
                ((HEADER, ""),),
                ((HEADER, chance.choice(hostile.HEADER_VALUES)),),
                ((HEADER, signature(asked.body, "")),),
                ((HEADER, account.sign(asked.body + b" ")),),
                ((HEADER, other.sign(asked.body)),),
                ((HEADER, own[:-1]),),
                ((HEADER, own[:-1] + ("0" if own[-1] != "0" else "1")),),
                (("X-Hub-Signature", f"sha1={own[:40]}"),),
                (("Authorization", f"Bearer {own}"),),
            )
        )
        asked = replace(asked, headers=(*asked.headers, *given))
        if chance.random() < 0.2:
            asked, _ = dressed(asked, frozenset({HEADER}), chance)
        return Posted(asked, account, account.is_signed(asked), clean=False)


def canvases(world: World) -> Canvases:
    """Every account whose desk draws the panel; most often the one with orders behind it."""
    found = [
        Account(one.connection, one.status is InstallationStatus.CONNECTED)
        for one in (*[*world.beside] * 6, *world.installations.values())
        if one.connection.platform in {beside.connection.platform for beside in world.beside}
    ]
    if not found:
        raise LookupError("no account here draws its panel itself")
    return Canvases(found)
