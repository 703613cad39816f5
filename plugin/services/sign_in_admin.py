"""Sign the admin in: a one-time link opens one session. Only hashes of tokens are kept.

A link is spent by a press, never by looking at it: mail scanners and browsers open links ahead of
people.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from plugin.domain.ids import TenantId
from plugin.ports import Mint
from plugin.ports.records import SignInPurpose, StoredSignIn
from plugin.ports.storage import Storage

LINK_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=12)
_LONGEST_TOKEN = 200


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in admin. `token` is the cookie's value; it is shown nowhere else."""

    tenant: TenantId
    expires_at: datetime
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignInAdmin:
    """The use cases around one token, with their ports."""

    storage: Storage
    mint: Mint

    def make_link(self, tenant: TenantId, public_url: str, now: datetime) -> str:
        """The address that signs the admin of `tenant` in once, within fifteen minutes."""
        token = self.mint.secret()
        with self.storage.begin(tenant) as uow:
            uow.sign_ins.add(
                StoredSignIn(tenant, hashed(token), SignInPurpose.LINK, now + LINK_LIFE)
            )
            uow.commit()
        return f"{public_url}/admin/sign-in?link={token}"

    def is_good_link(self, token: str, now: datetime) -> bool:
        """Whether a press would still open a session. Changes nothing."""
        return self._living(token, SignInPurpose.LINK, now) is not None

    def spend_link(self, token: str, now: datetime) -> Session | None:
        """Open a session with a link. None when it was used before, is too old, or is none."""
        link = self._living(token, SignInPurpose.LINK, now)
        if link is None:
            return None
        session = Session(link.tenant, now + SESSION_LIFE, self.mint.secret())
        with self.storage.begin(link.tenant) as uow:
            if not uow.sign_ins.use(link.id, now):
                return None
            uow.sign_ins.add(
                StoredSignIn(
                    link.tenant, hashed(session.token), SignInPurpose.SESSION, session.expires_at
                )
            )
            uow.audit.write(now, "admin", "admin.signed_in", link.tenant, {})
            uow.commit()
        return session

    def read_session(self, token: str, now: datetime) -> Session | None:
        """The session that a cookie names, if it still lives."""
        found = self._living(token, SignInPurpose.SESSION, now)
        return None if found is None else Session(found.tenant, found.expires_at, token)

    def end_session(self, session: Session, now: datetime) -> None:
        """Sign out: the cookie opens nothing from now on."""
        with self.storage.begin(session.tenant) as uow:
            uow.sign_ins.use(hashed(session.token), now)
            uow.audit.write(now, "admin", "admin.signed_out", session.tenant, {})
            uow.commit()

    def _living(self, token: str, purpose: SignInPurpose, now: datetime) -> StoredSignIn | None:
        if not token or len(token) > _LONGEST_TOKEN:
            return None
        found = self.storage.find_sign_in(hashed(token))
        if found is None or found.purpose is not purpose or found.used_at is not None:
            return None
        return found if now < found.expires_at else None


def hashed(token: str) -> str:
    """What is kept of a token.

    It has 256 random bits, so a plain hash cannot be guessed backwards.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
