"""Who asks: how each route is opened, panel tokens, the admin's cookie, and forged posts.

Every route says by `open_to` how it is opened; `plugin.web.security` enforces it and refuses a
route that says nothing. The tenant comes from a verified token and from nowhere else. Panels use no
cookie (frames of other sites have none); the admin's pages use one and never stand in a frame.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import urlsplit

import jwt
from flask import Response, g, request

from plugin.domain.ids import AgentId, InstallationId, PairingId, TenantId, TicketId
from plugin.ports import Connection
from plugin.services.sign_in_admin import SESSION_LIFE, Session
from plugin.web.problems import NotAllowed, NotSignedIn

V = TypeVar("V", bound=Callable[..., object])


class Access(StrEnum):
    """How a route is opened."""

    PUBLIC = "public"
    SIGNED_WEBHOOK = "signed_webhook"  # the view checks the vendor's signature over the bytes
    PANEL_ENTRY = "panel_entry"  # the desk's adapter checks the frame's first request
    PANEL_SESSION = "panel_session"
    ADMIN = "admin"
    SIGN_IN = "sign_in"  # shows and spends one-time links
    PENDING_INSTALL = "pending_install"  # the use case checks the one-time value in the address
    EMBEDDED = "embedded"  # the keys of a connection check the store admin's token
    SCRAPER = "scraper"  # a machine that shows the metrics token of the settings


_MARK: Final = "makegood_access"


def open_to(access: Access) -> Callable[[V], V]:
    """Declare how a view is opened. The outermost decorator of a view."""

    def declare(view: V) -> V:
        setattr(view, _MARK, access)
        return view

    return declare


def access_of(view: object) -> Access | None:
    """What a view declared; None where it declared nothing, which closes it."""
    found: Access | None = getattr(view, _MARK, None)
    return found


# --- the panel's tokens ---------------------------------------------------------------------------

PANEL_LIFE: Final = timedelta(minutes=15)
LONGEST_PANEL_SESSION: Final = timedelta(hours=12)
UNNAMED: Final = AgentId("?")
"""Nobody: the desk's page did not say which agent. No desk's id looks like this."""
_LONGEST_TOKEN: Final = 4096
_ISSUER: Final = "makegood"
_AUDIENCE: Final = "makegood-panel"
_NEEDED: Final = ("exp", "iat", "aud", "iss", "sub", "tid", "ins", "since")
_LEEWAY_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Proofs:
    """What the agent typed as further proof of who the customer is."""

    email: str | None = None
    number: str | None = None
    card: str | None = None


@dataclass(frozen=True, slots=True)
class PanelSession:
    """Who sits at a panel. `agent` is the desk's own id; `ticket` is None until one was opened.

    `since` is the sign-in by the desk: renewing never carries a session beyond twelve hours of it.
    Where the desk proves only its account, `agent` is a claim as long as there is a `frame`: a
    secret of this one frame, by which a pairing finds it. Afterwards `pairing` proves the agent.
    """

    tenant: TenantId
    installation: InstallationId
    agent: AgentId
    since: datetime
    ticket: TicketId | None = None
    proofs: Proofs = field(default_factory=Proofs)
    frame: str | None = field(default=None, repr=False)
    pairing: PairingId | None = None

    @property
    def is_proven(self) -> bool:
        """Whether somebody other than the page says that this is the agent."""
        return self.frame is None


def is_named(session: PanelSession) -> bool:
    """Whether the session says of an agent at all, be it as a claim."""
    return session.agent != UNNAMED


def issue_panel_token(session: PanelSession, keys: Sequence[str], now: datetime) -> str:
    """A bearer token for fifteen minutes, signed with the newest of `keys`. Issue anew to renew.

    Raises NotSignedIn when the sign-in is older than twelve hours.
    """
    until = min(now + PANEL_LIFE, session.since + LONGEST_PANEL_SESSION)
    if until <= now:
        raise NotSignedIn("session_ended")
    proofs = {
        name: value
        for name in ("email", "number", "card")
        if (value := getattr(session.proofs, name)) is not None
    }
    claims = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": session.agent,
        "iat": int(now.timestamp()),
        "exp": int(until.timestamp()),
        "tid": session.tenant,
        "ins": session.installation,
        "since": int(session.since.timestamp()),
        **({} if session.ticket is None else {"tkt": session.ticket}),
        **({"prf": proofs} if proofs else {}),
        **({} if session.frame is None else {"frm": session.frame}),
        **({} if session.pairing is None else {"par": session.pairing}),
    }
    return jwt.encode(claims, _panel_key(keys[0]), algorithm="HS256")


def read_panel_token(token: str, keys: Sequence[str], now: datetime) -> PanelSession:
    """Who a token stands for. Raises NotSignedIn: `session_missing`, `_ended` or `_refused`."""
    if not token:
        raise NotSignedIn("session_missing")
    if len(token) > _LONGEST_TOKEN or not token.isascii():
        raise NotSignedIn("session_refused")
    for key in keys:
        claims = _verified(token, key)
        if claims is not None:
            return _session(claims, now)
    raise NotSignedIn("session_refused")


def _verified(token: str, key: str) -> Mapping[str, object] | None:
    """What the token says; None when this key did not sign it, or it is not for us."""
    try:
        claims: dict[str, object] = jwt.decode(
            token,
            _panel_key(key),
            algorithms=["HS256"],
            audience=_AUDIENCE,
            issuer=_ISSUER,
            options={
                "require": list(_NEEDED),
                "strict_aud": True,
                # PyJWT asks the system's clock; ours is an argument.
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except jwt.InvalidTokenError:
        return None
    return claims


def _session(claims: Mapping[str, object], now: datetime) -> PanelSession:
    begins, ends, since = (_whole(claims, name) for name in ("iat", "exp", "since"))
    present = now.timestamp()
    life = ends - begins
    if begins > present + _LEEWAY_SECONDS or not 0 < life <= PANEL_LIFE.total_seconds():
        raise NotSignedIn("session_refused")
    if present >= ends:
        raise NotSignedIn("session_ended")
    proofs = claims.get("prf", {})
    ticket = claims.get("tkt")
    if not isinstance(proofs, dict) or not (ticket is None or isinstance(ticket, str)):
        raise NotSignedIn("session_refused")
    return PanelSession(
        tenant=TenantId(_text(claims, "tid")),
        installation=InstallationId(_text(claims, "ins")),
        agent=AgentId(_text(claims, "sub")),
        since=datetime.fromtimestamp(since, UTC),
        ticket=None if ticket is None else TicketId(ticket),
        proofs=Proofs(proofs.get("email"), proofs.get("number"), proofs.get("card")),
        frame=_text(claims, "frm") if "frm" in claims else None,
        pairing=PairingId(_text(claims, "par")) if "par" in claims else None,
    )


def _whole(claims: Mapping[str, object], name: str) -> int:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise NotSignedIn("session_refused")
    return value


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims[name]
    if not isinstance(value, str) or not value:
        raise NotSignedIn("session_refused")
    return value


def _panel_key(key: str) -> bytes:
    """A key for this one purpose: a token signed for another must not pass here."""
    return hmac.digest(key.encode(), b"makegood panel session", hashlib.sha256)


# --- the admin's cookie and forms -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AdminSession:
    """The signed-in admin, and the token that each of their forms must carry."""

    session: Session
    form_token: str = field(repr=False)

    @property
    def tenant(self) -> TenantId:
        return self.session.tenant


def cookie_name(*, https: bool) -> str:
    """`__Host-` binds the cookie to this host and https; browsers refuse it over http."""
    return "__Host-makegood" if https else "makegood"


def set_cookie(response: Response, session: Session, *, https: bool) -> None:
    """Hand the session to the browser, out of reach of scripts and of other sites' posts."""
    response.set_cookie(
        cookie_name(https=https),
        session.token,
        # Not by a date: a browser whose clock is ahead would drop it at once.
        max_age=SESSION_LIFE,
        path="/",
        secure=https,
        httponly=True,
        samesite="Lax",
    )


def clear_cookie(response: Response, *, https: bool) -> None:
    """Take it back."""
    response.delete_cookie(
        cookie_name(https=https), path="/", secure=https, httponly=True, samesite="Lax"
    )


def form_token(session: Session) -> str:
    """What a form of this session carries. Made from the cookie's value, which it does not show."""
    return hmac.new(session.token.encode(), b"makegood form", hashlib.sha256).hexdigest()


def check_form_token(admin: AdminSession, given: str) -> None:
    """Refuse a post that did not come from a page of this session. Raises NotAllowed."""
    if not hmac.compare_digest(admin.form_token.encode(), given.encode()):
        raise NotAllowed("form_token")


def check_same_origin(public_url: str) -> None:
    """Refuse a post that another site made. Raises NotAllowed.

    `Origin` is "null" from our own pages too, since they send no referrer: Sec-Fetch-Site decides
    where the browser sends it. One that sends neither is stopped by the form's token.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site == "same-origin":
        return
    origin = request.headers.get("Origin", "null")
    if site is not None or (origin != "null" and not _is_ours(origin, public_url)):
        raise NotAllowed("cross_site")


def _is_ours(origin: str, public_url: str) -> bool:
    try:
        place = urlsplit(origin).netloc
    except ValueError:
        return False
    return place in {request.host, urlsplit(public_url).netloc}


# --- who asks, for views --------------------------------------------------------------------------


def current_admin() -> AdminSession:
    """The admin of this request. Only in views that are open to ADMIN."""
    admin: AdminSession = g.makegood_admin
    return admin


def current_panel() -> PanelSession:
    """The agent of this request. Only in views that are open to PANEL_SESSION."""
    panel: PanelSession = g.makegood_panel
    return panel


def current_desk() -> Connection:
    """The desk's connection that the panel's token names. Only with `current_panel`."""
    desk: Connection = g.makegood_desk
    return desk
