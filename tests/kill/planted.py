"""The bug that the harness must find: a worker that calls first and records after.

Each try has a fresh key, and nothing is written down before the call: a careless retry loop.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from plugin.app import Parts
from plugin.domain.errors import MakegoodError
from plugin.domain.ids import RefundId, TenantId
from plugin.domain.refunds import Declined, Move, RefundState, Succeeded
from plugin.ports import RefundsMoney
from plugin.ports.records import RefundMove
from plugin.services.settle_refund import settle_refund


def call_then_record(parts: Parts, tenant: TenantId, ref: RefundId) -> None:
    """Send a reserved refund, and only then write that it was sent."""
    storage, now = parts.house.storage, parts.clock.now()
    with storage.read(tenant) as uow:
        refund = uow.refunds.get(ref)
        if refund is None or refund.state is not RefundState.RESERVED or refund.send_at > now:
            return
        installation = uow.installations.get(refund.payment.installation)
    assert installation is not None
    gateway = parts.platforms.able(installation.connection, RefundsMoney)
    assert gateway is not None
    try:
        answer = gateway.refund(replace(refund, attempt=1 + secrets.randbelow(10**9)))
    except MakegoodError:
        return  # "it did not work": the row is still due, so it is simply tried again
    to = RefundState.REFUSED if isinstance(answer, Declined) else RefundState.SUCCEEDED
    gateway_ref = answer.gateway_ref if isinstance(answer, Succeeded) else None
    with storage.begin(tenant) as uow:
        sending = replace(refund, state=RefundState.SUBMITTING, wakes=refund.wakes + 1)
        uow.refunds.move(
            refund, sending, RefundMove(ref, refund.state, sending.state, now, "planted")
        )
        settle_refund(uow, sending, Move(to, None, gateway_ref), "planted", now)
        uow.commit()
