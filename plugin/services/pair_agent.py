"""Pair an agent with a browser, where the desk proves only its account.

The agent asks in a window of ours, which leaves a secret in that browser. A one-time link goes to
the address that the desk has for the agent (`plugin.services.mail_pairing`). Opened in the browser
that asked, it pairs the two, and the frame that waits goes on as this agent. Only hashes are kept,
and every secret is made anew at its step: one that somebody noted before opens nothing afterwards.
Whoever asks is told the same, whether the desk has such an agent or not: nobody looks before the
link is made.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from plugin.domain.ids import AgentId, InstallationId, PairingId, TenantId
from plugin.ports import Connection, Mint, ServesPanel
from plugin.ports.platforms import Platforms
from plugin.ports.records import InstallationStatus, Pairing, PairingState
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.sign_in_admin import hashed

LINK_LIFE: Final = timedelta(minutes=15)
PAIRING_LIFE: Final = timedelta(days=30)
FRAME_WAITS: Final = timedelta(minutes=10)
"""How long after the press a frame may take up what it was given."""
LINKS_FOR_AGENT: Final = 3
LINKS_FOR_DESK: Final = 60
PER: Final = timedelta(hours=1)
_LONGEST_SECRET: Final = 200


@dataclass(frozen=True, slots=True)
class Frame:
    """A panel that waits to know its agent. `secret` was given to this one frame."""

    desk: Connection
    claimed: AgentId
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """A link is on its way, if the desk has such an agent. It opens only beside `asking`."""

    asking: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Known:
    """This browser was paired with this agent before: the frame goes on."""

    pairing: Pairing


@dataclass(frozen=True, slots=True)
class TooOften:
    """Enough links were asked for in the last hour."""


@dataclass(frozen=True, slots=True)
class AskForPairing:
    """Ask for a link, or go on where this browser is paired already."""

    storage: Storage
    mint: Mint

    def go_on(self, frame: Frame, browser: str, now: datetime) -> Known | None:
        """Give the frame to the pairing of this browser, if one holds."""
        if not _is_secret(browser):
            return None
        desk = frame.desk
        with self.storage.begin(desk.tenant) as uow:
            found = uow.pairings.of_browser(desk.installation, hashed(browser), now)
            if found is None or found.agent != frame.claimed:
                return None
            given = replace(found, frame=hashed(frame.secret), framed_at=now)
            if not uow.pairings.move(found, given):
                return None  # revoked a moment ago
            uow.commit()
        return Known(given)

    def __call__(self, frame: Frame, browser: str, now: datetime) -> Asked | Known | TooOften:
        """Keep the wish. The worker looks who the agent is, and sends the link."""
        if known := self.go_on(frame, browser, now):
            return known
        desk, agent = frame.desk, frame.claimed
        asking = self.mint.secret()
        wish = Pairing(
            tenant=desk.tenant,
            id=PairingId(self.mint.id()),
            desk=desk.installation,
            agent=agent,
            state=PairingState.ASKED,
            browser=hashed(asking),
            frame=hashed(frame.secret),
            framed_at=now,
            asked_at=now,
            expires_at=now + LINK_LIFE,
            wake_at=now,
        )
        with self.storage.begin(desk.tenant) as uow:
            pairings, since = uow.pairings, now - PER
            if (
                pairings.asked_since(desk.installation, since, agent) >= LINKS_FOR_AGENT
                or pairings.asked_since(desk.installation, since) >= LINKS_FOR_DESK
            ):
                return TooOften()
            pairings.add(wish)
            _audit(uow, wish, "pairing.asked", f"frame of {desk.installation}", now)
            uow.commit()
        return Asked(asking)


@dataclass(frozen=True, slots=True)
class Paired:
    """The browser and the agent belong together from now on. `browser` is for its cookie."""

    pairing: Pairing
    browser: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LinkGone:
    """Used before, too old, asked for in another browser, or none."""


@dataclass(frozen=True, slots=True)
class NotAtDesk:
    """The desk does not know the agent any more."""


@dataclass(frozen=True, slots=True)
class PairAgent:
    """Spend a link in the browser that asked for it."""

    storage: Storage
    platforms: Platforms
    mint: Mint

    def look(self, link: str, asking: str, now: datetime) -> Pairing | None:
        """Whom a press would pair, and None where it would pair nobody. Changes nothing."""
        if not _is_secret(link) or not _is_secret(asking):
            return None
        found = self.storage.find_pairing(hashed(link))
        if found is None or found.state is not PairingState.LINKED:
            return None
        asked_here = hmac.compare_digest(found.browser.encode(), hashed(asking).encode())
        return found if asked_here and now < found.expires_at else None

    def __call__(
        self, link: str, asking: str, browser: str, now: datetime
    ) -> Paired | LinkGone | NotAtDesk:
        """Pair, with the role that the desk tells now. Ends what `browser` was paired with before.

        Raises RetryLater where the desk does not answer: the link stays good.
        """
        found = self.look(link, asking, now)
        if found is None:
            return LinkGone()
        with self.storage.read(found.tenant) as uow:
            desk = uow.installations.get(found.desk)
        if desk is None or desk.status is InstallationStatus.REMOVED:
            return LinkGone()
        port = self.platforms.able(desk.connection, ServesPanel)
        agent = None if port is None else port.read_agent(found.agent)
        if agent is None or not agent.active or agent.id != found.agent:
            return self._refused(found, now)
        secret = self.mint.secret()
        paired = replace(
            found,
            state=PairingState.PAIRED,
            link=None,
            # Who saw the browser's cookies before must not go on as this agent afterwards.
            browser=hashed(secret),
            framed_at=now,
            name=agent.name,
            role=agent.role,
            paired_at=now,
            expires_at=now + PAIRING_LIFE,
        )
        with self.storage.begin(found.tenant) as uow:
            if not uow.pairings.move(found, paired):
                return LinkGone()  # of two presses one is first
            _audit(uow, paired, "pairing.paired", f"agent {found.agent}", now)
            _end_before(uow, paired, browser, now)
            uow.commit()
        return Paired(paired, secret)

    def _refused(self, found: Pairing, now: datetime) -> NotAtDesk:
        with self.storage.begin(found.tenant) as uow:
            if uow.pairings.move(found, ended(found, "unknown_agent", now)):
                _audit(uow, found, "pairing.refused", "desk", now)
            uow.commit()
        return NotAtDesk()


def pairing_of_frame(
    storage: Storage,
    tenant: TenantId,
    desk: InstallationId,
    agent: AgentId,
    secret: str,
    now: datetime,
) -> Pairing | None:
    """What this frame was given lately, if it holds."""
    with storage.read(tenant) as uow:
        found = uow.pairings.of_frame(desk, agent, hashed(secret))
    if found is None or not found.holds(now) or now - found.framed_at >= FRAME_WAITS:
        return None
    return found


def is_paired(
    storage: Storage,
    tenant: TenantId,
    pairing: PairingId,
    desk: InstallationId,
    agent: AgentId,
    now: datetime,
) -> bool:
    """Whether the pairing still proves this agent at this desk."""
    with storage.read(tenant) as uow:
        found = uow.pairings.get(pairing)
    return found is not None and found.holds(now) and (found.desk, found.agent) == (desk, agent)


def revoke_pairing(
    storage: Storage, tenant: TenantId, pairing: PairingId, actor: str, now: datetime
) -> bool:
    """End it: from the next request on the agent is nobody. False where it does not hold."""
    with storage.begin(tenant) as uow:
        found = uow.pairings.get(pairing)
        if found is None or not found.holds(now):
            return False
        if not uow.pairings.move(found, ended(found, "revoked", now)):
            return False
        _audit(uow, found, "pairing.revoked", actor, now)
        uow.commit()
    return True


def ended(pairing: Pairing, reason: str, now: datetime) -> Pairing:
    """The pairing as it is when it proves nothing any more."""
    return replace(
        pairing,
        state=PairingState.OVER,
        link=None,
        ended_at=now,
        reason=reason,
        wake_at=None,
        wakes=pairing.wakes + 1,
    )


def _end_before(uow: UnitOfWork, paired: Pairing, browser: str, now: datetime) -> None:
    """A browser proves one agent of a desk: else two who share it could act as each other."""
    if not _is_secret(browser):
        return
    before = uow.pairings.of_browser(paired.desk, hashed(browser), now)
    if before is not None and uow.pairings.move(before, ended(before, "paired_again", now)):
        _audit(uow, before, "pairing.ended", f"agent {paired.agent}", now)


def _is_secret(given: str) -> bool:
    """Whether it may be one of ours."""
    return 0 < len(given) <= _LONGEST_SECRET


def _audit(uow: UnitOfWork, pairing: Pairing, action: str, actor: str, now: datetime) -> None:
    details = {"desk": pairing.desk, "agent": pairing.agent}
    uow.audit.write(now, actor, action, pairing.id, details)
