"""Send the one-time link of a pairing to the address that the desk has for the agent.

The worker's part: the desk is asked here, so that whoever asks for a link cannot tell from the
answer, nor from its time, whether there is such an agent. The link's hash is committed before the
mail is handed over, and a mail that may have gone out is not sent again: the agent asks anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from plugin.domain.errors import MakegoodError, OutcomeUnknown, RetryLater
from plugin.domain.ids import PairingId, TenantId
from plugin.domain.messages import MessageId, Text, compose
from plugin.domain.texts import one_line
from plugin.ports import Agent, Clock, Connection, Mailer, Mint, ServesPanel
from plugin.ports.pairing import PairsAgents
from plugin.ports.platforms import Platforms
from plugin.ports.records import InstallationStatus, Pairing, PairingState, Tenant
from plugin.ports.storage import Storage
from plugin.services.pair_agent import LINK_LIFE, ended
from plugin.services.sign_in_admin import hashed

TRY_AGAIN: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class MailPairing:
    """The use case with its ports. `public_url` begins the link."""

    storage: Storage
    platforms: Platforms
    mailer: Mailer
    clock: Clock
    mint: Mint
    public_url: str

    def __call__(self, tenant: TenantId, pairing: PairingId) -> None:
        """Send the link, or end the wish. What does not answer is asked again while it lives."""
        now = self.clock.now()
        with self.storage.read(tenant) as uow:
            wish = uow.pairings.get(pairing)
            who = uow.settings.tenant()
            desk = None if wish is None else uow.installations.get(wish.desk)
        if wish is None or wish.state is not PairingState.ASKED or wish.wake_at is None:
            return
        if now >= wish.expires_at:
            self._move(wish, ended(wish, "too_late", now), now)
            return
        if desk is None or desk.status is InstallationStatus.REMOVED:
            self._move(wish, ended(wish, "not_connected", now), now)
            return
        try:
            found = self._find(desk.connection, wish)
        except (RetryLater, OutcomeUnknown):
            self._move(wish, _later(wish, now), now)
            return
        except MakegoodError as error:
            self._move(wish, ended(wish, error.code, now), now)
            return
        if found is None:
            self._move(wish, ended(wish, "unknown_agent", now), now)
            return
        agent, address = found
        self._send(wish, who, desk.connection, agent, address, now)

    def _find(self, desk: Connection, wish: Pairing) -> tuple[Agent, str] | None:
        serves = self.platforms.able(desk, ServesPanel)
        pairs = self.platforms.able(desk, PairsAgents)
        if serves is None or pairs is None:
            return None
        agent = serves.read_agent(wish.agent)
        if agent is None or not agent.active or agent.id != wish.agent:
            return None
        address = pairs.read_agent_email(wish.agent)
        # Several addresses in one would send the link to somebody else as well.
        if not address or "," in address or ";" in address:
            return None
        return agent, address

    def _send(
        self,
        wish: Pairing,
        who: Tenant,
        desk: Connection,
        agent: Agent,
        address: str,
        now: datetime,
    ) -> None:
        token = self.mint.secret()
        linked = replace(
            wish,
            state=PairingState.LINKED,
            link=hashed(token),
            name=agent.name,
            role=agent.role,
            expires_at=now + LINK_LIFE,
            wake_at=None,
            wakes=wish.wakes + 1,
        )
        text = self._text(who, desk, agent, token)
        if not self._move(wish, linked, now):
            return
        try:
            self.mailer.send(address, text.subject, text.body, f"{wish.id}-{linked.wakes}")
        except RetryLater:
            waits = replace(linked, state=PairingState.ASKED, link=None)
            self._move(linked, _later(waits, now), now)
        except OutcomeUnknown:
            return  # it may have arrived, and then it works
        except MakegoodError as error:
            self._move(linked, ended(linked, error.code, now), now)

    def _text(self, who: Tenant, desk: Connection, agent: Agent, token: str) -> Text:
        facts = {
            "agent": one_line(agent.name),
            "desk": one_line(desk.label or self.platforms.title(desk)),
            "link": f"{self.public_url}/pair?link={token}",
            "shop": one_line(who.name),
        }
        return compose(MessageId.AGENT_PAIRING, who.locale, facts)

    def _move(self, before: Pairing, after: Pairing, now: datetime) -> bool:
        with self.storage.begin(before.tenant) as uow:
            moved = uow.pairings.move(before, after)
            if moved and after.state is not PairingState.ASKED:
                is_sent = after.state is PairingState.LINKED
                action = "pairing.link_made" if is_sent else "pairing.ended"
                details = {"desk": after.desk, "agent": after.agent}
                if after.reason:
                    details["reason"] = after.reason
                uow.audit.write(now, "worker", action, after.id, details)
            uow.commit()
        return moved


def _later(wish: Pairing, now: datetime) -> Pairing:
    return replace(wish, wake_at=now + TRY_AGAIN, wakes=wish.wakes + 1)
