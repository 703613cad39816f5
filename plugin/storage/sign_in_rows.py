"""One-time links and sessions of admins, by the hash of their token.

The token itself is kept nowhere.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Row, delete, update

from plugin.domain.ids import TenantId
from plugin.ports.records import SignInPurpose, StoredSignIn
from plugin.storage import tables as t
from plugin.storage.rows import TenantRows

_s = t.sign_ins
_KEPT_AFTER_EXPIRY = timedelta(days=7)


class SignInRows(TenantRows):
    """Implements `plugin.ports.storage.SignIns`."""

    def add(self, sign_in: StoredSignIn) -> None:
        self._db.execute(
            delete(_s).where(
                self._mine(_s), _s.c.expires_at < sign_in.expires_at - _KEPT_AFTER_EXPIRY
            )
        )
        self._insert(
            _s,
            id=sign_in.id,
            purpose=sign_in.purpose,
            expires_at=sign_in.expires_at,
            used_at=sign_in.used_at,
        )

    def use(self, sign_in: str, at: datetime) -> bool:
        """Spend it once: compare-and-set, so that of two clicks one wins."""
        spent = self._db.execute(
            update(_s)
            .where(
                self._mine(_s),
                _s.c.id == sign_in,
                _s.c.used_at.is_(None),
                _s.c.expires_at > at,
            )
            .values(used_at=at)
            .returning(_s.c.id)
        )
        return spent.first() is not None


def sign_in_from(row: Row[tuple[object, ...]]) -> StoredSignIn:
    """The link or session that a row of `mg_sign_ins` holds."""
    return StoredSignIn(
        TenantId(row.tenant_id), row.id, SignInPurpose(row.purpose), row.expires_at, row.used_at
    )
