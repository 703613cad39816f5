"""What is asked of each route: which of its fields may name something, and what the rest says.

Path arguments are swept by themselves. A route that is not here fails the run, and so does a field
that a route's form asks for and no case names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from plugin.domain.ids import TicketId
from tests.tenants.scene import ANA, BY_HAND, TWICE


@dataclass(frozen=True, slots=True)
class Case:
    """One route. `ids`: fields that may name something; `rest`: all other fields.

    `ticket` is the one that the panel's session is for. `free`: why nothing of a business can be
    reached here. `told_apart`: why a foreign and a missing id have different answers. `closed`: why
    no id of theirs gets past the form. `pressed`: by its verb, what a rightly signed post of ours
    may ask for.
    """

    ids: tuple[str, ...] = ()
    rest: Mapping[str, str] = field(default_factory=dict)
    ticket: TicketId = ANA
    free: str = ""
    told_apart: str = ""
    closed: str = ""
    pressed: Mapping[str, Case] = field(default_factory=dict)


_CHOICE: Final = {"line": "line-20418-1", "amount": "full", "free": "", "sub": "", "reason": ""}
_DOOR: Final = (
    "the address holds 128 random bits and is all that a sender has: a wrong one is told, so that "
    "a vendor shows it; it tells no tenant and opens nothing"
)
_ONE_TIME: Final = (
    "the address holds a value that only we can make, and is all that a platform has: what we did "
    "not make is 404, and what we made for anybody is answered alike"
)
_FOUR: Final = "there are four policies to start from, the same for all"
_PLAN: Final = ("order", "line", "plan", "hash")
TICKET: Final = "ticket"
_PICKED: Final = {name: text for name, text in _CHOICE.items() if name != "line"}

# It keeps nothing: what we said ourselves would be on our own pages from then on.
_FORGET: Final = Case(
    ids=("ref", "gives", "more"), rest={"part": "products", "kind": "course", "forget": "yes"}
)

_MOVES: Final[Mapping[str, Case]] = {
    "orders": Case(ids=_PLAN, rest={**_PICKED, "again": ""}),
    "order": Case(ids=("order",), rest={"again": "yes"}),
    "plan": Case(ids=_PLAN, rest={**_PICKED, "again": ""}),
    "refund": Case(ids=_PLAN, rest={**_PICKED, "again": ""}),
    "undo": Case(ids=("order", "refund"), rest={"again": ""}, ticket=TWICE),
    "timeline": Case(ids=("order", "refund"), rest={"again": ""}, ticket=TWICE),
    "look": Case(ids=("order", "refund"), rest={"again": ""}, ticket=TWICE),
    "attest": Case(
        ids=("order", "refund", "part"), rest={"again": "", "found": "nothing"}, ticket=BY_HAND
    ),
    "steps": Case(ids=(*_PLAN, "step"), rest={**_PICKED, "again": ""}),
    "search": Case(ids=("order", "q"), rest={"again": ""}),
    "prove": Case(ids=("order", "proof"), rest={"again": ""}),
}
"""What is asked of the panel, whoever draws it."""

CASES: Final[Mapping[str, Case]] = MappingProxyType(
    {
        "public.home": Case(free="a redirect, the same to all"),
        "public.healthz": Case(free="says only that the process lives"),
        "public.readyz": Case(free="says only whether the process can serve"),
        "public.metrics": Case(free="holds no business: tests/web/test_metrics.py"),
        "public.favicon": Case(free="there is none"),
        "public.asset": Case(free="names of our own files"),
        "webhooks.receive": Case(told_apart=_DOOR),
        "canvas.initialize": Case(told_apart=_DOOR, pressed={"": Case(ids=(TICKET,))}),
        "canvas.submit": Case(told_apart=_DOOR, pressed={"list": Case(ids=("order",)), **_MOVES}),
        "canvas.configure": Case(told_apart=_DOOR),
        "panel.enter": Case(ids=("ticket", "agent", "s", "token"), told_apart=_DOOR),
        "panel.give": Case(rest={"agent": "102"}, told_apart=_DOOR),
        "panel.open": Case(ids=("ticket", "order"), rest={"again": ""}),
        "panel.pair": _MOVES["plan"],
        "panel.renew": Case(),
        **{f"panel.{verb}": case for verb, case in _MOVES.items()},
        "install.overview": Case(),
        "install.form": Case(),
        "install.connect": Case(ids=("installation",), rest={"another": ""}),
        "install.begin_way": Case(ids=("installation",), rest={"another": ""}),
        "install.back": Case(ids=("state",)),
        "install.pending_install": Case(),
        "install.begin_again": Case(),
        "installing.arrive": Case(told_apart=_ONE_TIME),
        "embedded.page": Case(free="the page is the same for every account, and asks no database"),
        "embedded.act": Case(),
        "embedded.access_map": Case(ids=("ref",), rest={"part": "products"}),
        "embedded.save_entry": _FORGET,
        "install.at": Case(),
        "install.step": Case(),
        "install.again": Case(),
        "install.finish": Case(),
        "install.access_map": Case(ids=("ref",), rest={"part": "products"}),
        "install.save_entry": _FORGET,
        "install.describe_shop": Case(
            rest={"name": "Sold Here", "time_zone": "UTC", "language": "en"},
            free="it names nothing: the shop is the session's own",
        ),
        "install.start_policy": Case(ids=("start",), closed=_FOUR),
        "install.preview_policy": Case(ids=("start",), closed=_FOUR),
        "admin.home": Case(),
        "admin.audit": Case(),
        "admin.health": Case(rest={"said": "replayed"}),
        "admin.replay_delivery": Case(),
        "admin.replay_effect": Case(rest={"anyway": "yes"}),
        "admin.close_delivery": Case(),
        "admin.close_effect": Case(),
        "admin.close_drift": Case(),
        "pairing.window": Case(rest={"press": "yes"}),
        "pairing.link_page": Case(ids=("link",)),
        "pairing.pair": Case(ids=("link",)),
        "pairing.pairings": Case(rest={"said": "revoked"}),
        "pairing.revoke": Case(),
        "admin.sign_in_page": Case(ids=("link",)),
        "admin.sign_in": Case(ids=("link",)),
        "admin.sign_out": Case(free="ends the session of whoever asks"),
    }
)
