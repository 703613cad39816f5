"""The fake desk and a mail server as one peer of a run: moody, and with a good memory."""

from __future__ import annotations

import asyncio
import random
import re
from datetime import UTC, datetime
from email import message_from_bytes
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.kill.peers import Orders
from tests.platforms.zendesk import tokens
from tests.platforms.zendesk.data import user
from tests.platforms.zendesk.fake import FakeZendesk, Mishap

_DESK_MOODS = (
    Mishap(status=503),
    Mishap(method="PUT", status=500, after=True),
    Mishap(method="PUT", after=True),
    Mishap(status=429, headers={"Retry-After": "3"}),
)
_MARKER = re.compile(r"Makegood reference: (\S+)")


class Post:
    """A mail server that keeps the ids of what it took. It takes its time after taking it."""

    def __init__(self, chance: random.Random) -> None:
        self.taken: list[str] = []
        self.moody = False
        self._chance = chance

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        if self.moody and self._chance.random() < 0.02:
            return "451 later, please"
        message = message_from_bytes(envelope.original_content or b"")
        self.taken.append(str(message["Message-ID"]))
        if self.moody:
            await asyncio.sleep(self._chance.uniform(0.0, 0.05))
        return "250 OK"


class MoodyDesk(FakeZendesk):
    """The desk, with its moods."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self.moody = False
        self.post = Post(chance)

    def respond(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Any:  # noqa: ANN401 - the fake's own answer
        if self.moody and self._chance.random() < 0.03:
            mood = self._chance.choice(_DESK_MOODS)
            self.mishaps.append(
                Mishap(mood.method, mood.path, mood.status, dict(mood.headers), mood.after)
            )
        self.mishaps[:] = [one for one in self.mishaps if one.times > 0]
        return super().respond(method, target, headers, raw)

    def orders(self) -> Orders:
        return {
            "ask": self.ask,
            "frame_token": self.frame_token,
            "report": self.report,
            "set_mood": self.set_mood,
        }

    def frame_token(self) -> str:
        """What the desk posts into the panel's frame for its agent, signed now."""
        return tokens.sign(self.key, tokens.claims(datetime.now(UTC)))

    def ask(self, email: str) -> str:
        """A new ticket of a new customer."""
        with self._lock:
            person = 10_000 + len(self.account.users)
            self.account.users[person] = user(person, "New Customer", "end-user", email=email)
            return str(self.account.add_ticket(person))

    def report(self) -> dict[str, Any]:
        with self._lock:
            comments = [
                [ticket, marker]
                for ticket, listed in self.account.comments.items()
                for one in listed
                for marker in _MARKER.findall(one["body"])
            ]
        return {"comments": comments, "mails": list(self.post.taken)}

    def set_mood(self, *, moody: bool) -> None:
        self.moody = self.post.moody = moody
        self.mishaps.clear()
