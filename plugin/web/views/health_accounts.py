"""The keys of each connection, and the calls that its account has left: display-ready content only.

No key is shown, only how it is and what to do next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from plugin.domain.ids import InstallationId
from plugin.services.health import ConnectionHealth, Credential
from plugin.web.views.admin_view import Look
from plugin.web.views.health_telling import Tell

CREDENTIAL_LOOK: Final[Mapping[Credential, Look]] = {
    Credential.KEY_REFUSED: ("bad", "key", "key.key_refused"),
    Credential.WEBHOOK_OFF: ("warn", "cloud", "key.webhook_off"),
    Credential.UNSIGNED: ("bad", "shield", "key.unsigned"),
    Credential.NEW_KEY_WAITS: ("warn", "key", "key.new_key_waits"),
    Credential.WEBHOOK_MADE_ANEW: ("good", "yes", "key.webhook_made_anew"),
}


@dataclass(frozen=True, slots=True)
class KeyRow:
    """How a connection's keys and secrets are."""

    id: InstallationId
    name: str
    chips: tuple[Look, ...]
    words: str
    next: str


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """The calls that an account has left. `filled`: of twenty parts of its meter.

    `next` says what follows where none is left.
    """

    name: str
    left: str
    rate: str
    filled: int
    rests: str
    next: str


def key_row(one: ConnectionHealth, name: str, tell: Tell) -> KeyRow:
    """Of one connection that is called `name`."""
    looks = [CREDENTIAL_LOOK[credential] for credential in one.credentials]
    chips = [(tone, icon, tell.say(key)) for tone, icon, key in looks]
    secrets = "key.secrets.none" if not one.secrets else "key.secrets"
    seen = one.key_seen_at
    tested = tell.say("key.unseen") if seen is None else tell.say("key.seen", at=tell.at(seen))
    steps = [_step(one, credential, tell) for credential in one.credentials]
    return KeyRow(
        id=one.id,
        name=name,
        chips=tuple(chips) or (("good", "yes", tell.say("key.fine")),),
        words=f"{tested}; {tell.say(secrets, n=one.secrets)}",
        next=" ".join(steps),
    )


def _step(one: ConnectionHealth, credential: Credential, tell: Tell) -> str:
    if credential is Credential.WEBHOOK_MADE_ANEW and one.made_anew_at is not None:
        word = "next" if one.reads_news else "unread"
        return tell.say(f"key.{credential}.{word}", at=tell.at(one.made_anew_at))
    return tell.say(f"key.{credential}.next")


def budget_row(one: ConnectionHealth, name: str, tell: Tell) -> BudgetRow | None:
    """Of one connection; None for a platform that is never called."""
    if one.budget is None:
        return None
    pace = one.budget.pace
    full = timedelta(seconds=math.ceil(pace.burst * pace.per_seconds / pace.requests))
    spent = tell.say("budget.spent", name=name, full=tell.span(full))
    return BudgetRow(
        name=name,
        left=tell.say(
            "budget.left", left=tell.number(one.budget.left), burst=tell.number(pace.burst)
        ),
        rate=tell.say("budget.rate", requests=tell.number(pace.requests), seconds=pace.per_seconds),
        filled=math.ceil(one.budget.left * 20 / pace.burst),
        rests="" if one.rest is None else tell.say("budget.rests", at=tell.at(one.rest.next_try)),
        next="" if one.budget.left else spent,
    )
