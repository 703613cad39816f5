"""`makegood agents`: which agents are paired with a browser, and the end of a pairing.

What the admin's page of paired agents does, from the terminal. Shows ids and roles, no names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click

from plugin.commands.opened import open_parts
from plugin.commands.program import Output, json_option
from plugin.domain.errors import InvalidInput
from plugin.domain.ids import PairingId
from plugin.services.pair_agent import revoke_pairing

if TYPE_CHECKING:
    from plugin.app import Parts

ACTOR: Final = "terminal"


def list_pairings(parts: Parts, say: Callable[[str], None]) -> list[dict[str, object]]:
    """The pairings of all tenants that hold now, the newest first."""
    rows: list[dict[str, object]] = []
    now, storage = parts.clock.now(), parts.house.storage
    for tenant in storage.tenants():
        with storage.read(tenant.id) as uow:
            found = uow.pairings.all(now)
        for one in found:
            until = one.expires_at.isoformat(timespec="seconds")
            rows.append(
                {
                    "id": one.id,
                    "tenant": tenant.id,
                    "desk": one.desk,
                    "agent": one.agent,
                    "role": one.role,
                    "until": until,
                }
            )
            say(f"{one.id}  {one.desk}  agent {one.agent}  {one.role}  until {until}")
    if not rows:
        say("Nobody is paired.")
    return rows


def end_pairing(parts: Parts, pairing: str) -> None:
    """End it, whoever's it is. Raises InvalidInput where it does not hold."""
    now, storage = parts.clock.now(), parts.house.storage
    for tenant in storage.tenants():
        if revoke_pairing(storage, tenant.id, PairingId(pairing), ACTOR, now):
            return
    raise InvalidInput("pairing", "none of this id holds; see `makegood agents list`")


@click.group()
def agents() -> None:
    """Agents who proved who they are, at helpdesks that do not tell."""


@agents.command("list")
@json_option
def agents_list(*, as_json: bool) -> None:
    """List the agents who are paired, each with one browser."""
    out = Output(as_json=as_json)
    out.end(agents=list_pairings(open_parts(), out.line))


@agents.command("revoke")
@click.argument("pairing")
@json_option
def agents_revoke(pairing: str, *, as_json: bool) -> None:
    """End a pairing: from the next press on that browser may only look."""
    out = Output(as_json=as_json)
    end_pairing(open_parts(), pairing)
    out.line("Revoked.")
    out.end()
