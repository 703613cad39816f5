"""Whether the agent of a panel's session is proven, asked at every request.

Desks that sign who the agent is need none of this. At desks that prove only their account the agent
is a claim until this very frame was given to a pairing; and the pairing is looked at again each
time, so that a revoked one ends at once. Nothing is decided here about what an agent may do.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from flask import request

from plugin.domain.ids import AgentId
from plugin.platforms.manifest import Vouching
from plugin.ports import Connection, SignIn
from plugin.services.pair_agent import is_paired, pairing_of_frame
from plugin.web.auth import UNNAMED, PanelSession
from plugin.web.context import WebContext
from plugin.web.problems import NotAllowed, NotSignedIn, NotVouchedFor

_AGENT: Final = re.compile(r"[0-9A-Za-z._:@+-]{1,64}")


def vouching_of(context: WebContext, desk: Connection) -> Vouching:
    """Who vouches for the agents of a desk, as its manifest declares."""
    return context.registry.helpdesk(desk.platform).panel.agent_vouched_by


def first_session(context: WebContext, desk: Connection, signed: SignIn) -> PanelSession:
    """The session of a frame's first request. Raises NotVouchedFor.

    Where the desk proves only its account and its page names no agent, nobody can be paired: the
    frame may look, and is told why.
    """
    now = context.clock.now()
    ticket = signed.ticket if signed.ticket_proven else None
    match vouching_of(context, desk):
        case Vouching.SIGNED if signed.agent is not None:
            return PanelSession(desk.tenant, desk.installation, signed.agent, now, ticket)
        case Vouching.INSTALLATION:
            said = signed.claimed_agent or ""
            claimed = AgentId(said) if _AGENT.fullmatch(said) else UNNAMED
            frame = context.mint.secret()
            return PanelSession(desk.tenant, desk.installation, claimed, now, ticket, frame=frame)
        case _:
            raise NotVouchedFor("agent_unknown")


def proven_now(context: WebContext, session: PanelSession, desk: Connection) -> PanelSession:
    """The session, proven by a pairing where its frame was given to one meanwhile.

    Raises NotSignedIn where what proved it holds no longer, and NotAllowed for another site's post.
    """
    now = context.clock.now()
    if vouching_of(context, desk) is Vouching.SIGNED:
        if session.is_proven and session.pairing is None:
            return session
        raise NotSignedIn("session_refused")
    if session.is_proven:
        ref = session.pairing
        place = (desk.installation, session.agent)
        if ref is None or not is_paired(context.storage, desk.tenant, ref, *place, now):
            raise NotSignedIn("pairing_ended")
        return session
    # A page of another site could hold a session of its own maker, for somebody else to prove.
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise NotAllowed("cross_site")
    secret = session.frame or ""
    found = pairing_of_frame(
        context.storage, desk.tenant, desk.installation, session.agent, secret, now
    )
    if found is None:
        return session
    return replace(session, frame=None, pairing=found.id)
