"""What is shown of pairing: the panel's offer, the pages of the window, and the admin's list.

Display-ready content only, made by pure functions. The panel's words stand in `panel_words`; the
window's stand here, as the install pages' do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from plugin.domain.ids import AgentId, InstallationId
from plugin.domain.texts import one_line
from plugin.ports.records import Pairing
from plugin.web.views.admin_view import When
from plugin.web.views.panel_parts import PairingOffer
from plugin.web.views.panel_words import word

ASK_AGAIN_MS: Final = 5000


def build_pairing_offer(locale: str, desk: str, *, is_named: bool = True) -> PairingOffer:
    """Why one may only look, and the press that opens the window.

    Not `is_named`: the desk's page says of no agent, so there is nobody to prove.
    """
    if not is_named:
        title = word(locale, "pairing.unnamed.title")
        return PairingOffer(title, word(locale, "pairing.unnamed.text", desk=desk), None, None)
    return PairingOffer(
        word(locale, "pairing.title"),
        word(locale, "pairing.text", desk=desk),
        word(locale, "pairing.press"),
        ASK_AGAIN_MS,
    )


@dataclass(frozen=True, slots=True)
class Letter:
    """One page of the window. `press` posts `fields` to `action`; empty where there is no press."""

    title: str
    paragraphs: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    press: str = ""
    action: str = ""
    fields: tuple[tuple[str, str], ...] = ()


def ask_letter(desk: str, agent: AgentId, action: str, session: str) -> Letter:
    """Who is to be proven, and where the link goes: never to an address that a page names."""
    return Letter(
        "Say who you are",
        (
            f"We mail a link to the address that {desk} has for this agent.",
            "Open it in this browser within fifteen minutes.",
            "For thirty days this browser may then do what this agent may do in the helpdesk.",
            "An admin can end it at any time.",
        ),
        (("Helpdesk", desk), ("Agent number there", agent)),
        "Mail me the link",
        action,
        (("session", session), ("press", "yes")),
    )


def asked_letter(desk: str) -> Letter:
    """The same for every agent, known or not."""
    return Letter(
        "Look into your mail",
        (
            f"If {desk} knows this agent, a link is on its way to the address it has for them.",
            "Open it in this browser within fifteen minutes. Your panel then goes on by itself.",
        ),
    )


def open_letter(pairing: Pairing, desk: str, link: str) -> Letter:
    """Who is being paired with this browser, before the press."""
    return Letter(
        f"Are you {one_line(pairing.name) or pairing.agent}?",
        (
            "Go on only if you asked for this in your own panel just now.",
            "Only in a browser that is yours alone: whoever uses it can refund as you.",
        ),
        (("Agent", one_line(pairing.name) or pairing.agent), ("Helpdesk", desk)),
        "Yes, this is me",
        "/pair",
        (("link", link),),
    )


def unnamed_letter(desk: str) -> Letter:
    """The frame says of no agent. Its panel offers no press; this is for who comes here anyhow."""
    return Letter(
        "We were not told which agent this is",
        (f"Reload the ticket in {desk}, then try again from the panel.",),
    )


DONE: Final = Letter(
    "You can close this window", ("We know who you are. Your panel goes on by itself.",)
)
GONE: Final = Letter(
    "This link does not work here",
    (
        "It works once, within fifteen minutes, and only in the browser that asked for it.",
        "If you asked more than once, the newest one works. Else ask for a new one in your panel.",
    ),
)
NOT_AT_DESK: Final = Letter(
    "Your helpdesk does not know this agent",
    ("Nobody was paired. Ask an admin of your helpdesk whether your account is active there.",),
)
NO_MAIL: Final = Letter(
    "We cannot send mail yet",
    ("Ask whoever runs Makegood to set MAKEGOOD_SMTP_URL. Until then you can only look.",),
)
TOO_OFTEN: Final = Letter(
    "Enough links for now",
    ("Several were asked for within the last hour. Use the newest one, or come back later.",),
)


@dataclass(frozen=True, slots=True)
class PairingRow:
    """One agent in one browser, in the admin's list."""

    id: str
    name: str
    agent: str
    desk: str
    role: str
    paired: str
    until: str


def pairing_rows(
    pairings: Sequence[Pairing], desks: Mapping[InstallationId, str], when: When
) -> tuple[PairingRow, ...]:
    """The list, as given. `desks` are the names of the connections that stand."""
    return tuple(
        PairingRow(
            one.id,
            one_line(one.name) or one.agent,
            one.agent,
            desks.get(one.desk, "not connected any more"),
            one_line(one.role).replace("_", " "),
            when(one.paired_at),
            when(one.expires_at),
        )
        for one in pairings
    )
