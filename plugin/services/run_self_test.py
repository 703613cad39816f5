"""Run an installation's self-test: one line at a time, each line kept as soon as it is known.

Whoever looks at it carries it on: the install screen by asking again, the terminal in a loop, a
second click after a fault. A line is claimed before its call, so that two of them make it once.
Never moves money, and leaves nothing half done: a failed line says what to do, and running again
replaces what is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from plugin.domain.errors import KEY_CODES, MakegoodError, OutcomeUnknown, RetryLater
from plugin.domain.ids import InstallationId, TenantId
from plugin.ports import Connection, Connects, Mint, RegistersWebhooks, RunsRoundTrip
from plugin.ports.connecting import Declarations
from plugin.ports.platforms import Platforms
from plugin.ports.records import Installation, InstallationStatus, SelfTestLine
from plugin.ports.storage import Storage, UnitOfWork
from plugin.services.key_replacement import (
    ACCOUNT,
    ACCOUNT_ID,
    KEY_WORKS,
    offered,
    offers,
    why_another_account,
    with_secrets,
    without_offer,
)
from plugin.services.self_test_lines import (
    FAILED,
    OK,
    SKIPPED,
    TURN,
    WAITING,
    WEBHOOK,
    LineResult,
    advice_for,
    next_line,
    status_of,
    turn_comes_in,
    with_line,
)
from plugin.services.webhook_secrets import with_webhook_secret

_LONGEST_TURN = 120
_MOST_TURNS = 10
_STAYS = "The key before stays in use: to replace it, give the new one again"


@dataclass(frozen=True, slots=True)
class RunSelfTest:
    """The use case, with its ports.

    `public_url` is where platforms reach us, without a last slash.
    """

    storage: Storage
    platforms: Platforms
    declarations: Declarations
    mint: Mint
    public_url: str

    def webhook_url(self, connection: Connection) -> str:
        """Where this installation's deliveries arrive."""
        return f"{self.public_url}/webhooks/{connection.platform}/{connection.installation}"

    def restart(
        self, tenant: TenantId, installation: InstallationId, actor: str, now: datetime
    ) -> Installation | None:
        """Set every line back to waiting. None where there is no such installation.

        While a new key waits to be tried, only the line that tries it.
        """
        with self.storage.begin(tenant) as uow:
            found = uow.installations.get(installation)
            if found is None or found.status is InstallationStatus.REMOVED:
                return None
            if offers(found.connection):
                lines = with_line(found, SelfTestLine(KEY_WORKS, WAITING))
            else:
                lines = self._waiting_lines(found.connection)
            again = replace(found, self_test=lines)
            uow.installations.save(again)
            uow.audit.write(now, actor, "installation.tested_again", installation, {})
            uow.commit()
        return again

    def run(
        self,
        tenant: TenantId,
        installation: InstallationId,
        now: Callable[[], datetime],
        pause: Callable[[float], None],
    ) -> Iterator[Installation]:
        """Carry on until nothing is left to do; gives the installation after every line.

        `pause` waits for seconds, where a platform takes only so many calls at once.
        """
        turns = 0
        while True:
            before = self._find(tenant, installation)
            after = self.step(tenant, installation, now)
            if before is None or after is None:
                return
            if after.self_test != before.self_test:
                yield after
            elif (left := turn_comes_in(after, now())) is not None and turns < _MOST_TURNS:
                turns += 1
                pause(left)
            else:
                return

    def step(
        self, tenant: TenantId, installation: InstallationId, now: Callable[[], datetime]
    ) -> Installation | None:
        """Do the next line, if one is due. None where there is no such installation.

        `now` is asked before and after the line's calls: the line tells how long they took.
        """
        begun = now()
        with self.storage.begin(tenant) as uow:
            found = uow.installations.get(installation)
            if found is None or found.status is InstallationStatus.REMOVED:
                return None
            line = next_line(found, begun)
            if line is None:
                return found
            claim = SelfTestLine(line.name, WAITING, at=begun)
            claimed = self._claimed(uow, found, claim)
        before = found.connection.secrets
        result = self._check(claimed.connection, line.name, before, now)
        return self._keep(claimed.connection, claim, result, now())

    def register_again(
        self, tenant: TenantId, installation: InstallationId, now: Callable[[], datetime]
    ) -> Installation | None:
        """Make the webhook anew, by itself: for one that stands no more.

        None where something else comes first, or it is not the time: then nothing was changed.
        """
        begun = now()
        with self.storage.begin(tenant) as uow:
            found = uow.installations.get(installation)
            line = None if found is None else _registered_once(found, begun)
            if found is None or line is None:
                return None
            claim = SelfTestLine(WEBHOOK, WAITING, at=begun)
            claimed = self._claimed(uow, found, claim)
        before = found.connection.secrets
        result = self._check(claimed.connection, WEBHOOK, before, now)
        is_put_off = result.state == WAITING
        if is_put_off:
            # Nobody carries a test on that nobody began: the next look begins this anew.
            result = LineResult(line.state, line.details, secrets=before, at=line.at)
        kept = self._keep(claimed.connection, claim, result, now())
        return None if is_put_off else kept

    def _claimed(self, uow: UnitOfWork, found: Installation, claim: SelfTestLine) -> Installation:
        """Committed before the line's call, so that two make it once."""
        claimed = self._prepared(replace(found, self_test=with_line(found, claim)), claim)
        uow.installations.save(claimed)
        uow.commit()
        return claimed

    def _find(self, tenant: TenantId, installation: InstallationId) -> Installation | None:
        with self.storage.read(tenant) as uow:
            return uow.installations.get(installation)

    def _prepared(self, claimed: Installation, line: SelfTestLine) -> Installation:
        if line.name != WEBHOOK:
            return claimed
        # Kept before the call: a first delivery may overtake the answer, and must find its secret.
        secrets = with_webhook_secret(claimed.connection.secrets, self.mint.secret())
        return replace(claimed, connection=replace(claimed.connection, secrets=secrets))

    def _keep(
        self, connection: Connection, claim: SelfTestLine, result: LineResult, now: datetime
    ) -> Installation | None:
        with self.storage.begin(connection.tenant) as uow:
            fresh = uow.installations.get(connection.installation)
            if fresh is None or fresh.status is InstallationStatus.REMOVED:
                return None
            if claim not in fresh.self_test:
                # It arrived meanwhile (a delivery), or somebody began anew: their word counts.
                return fresh
            result = _unless_held_elsewhere(uow, connection, result)
            line = result.line(claim, now)
            new = offered(fresh.connection) if claim.name == KEY_WORKS else None
            if new is None:
                tested, action = _with_result(fresh, line, result)
            else:
                tested, action = self._with_verdict(fresh, new, line, result)
            uow.installations.save(tested)
            if line.name == KEY_WORKS and line.state == OK:
                uow.deliveries.put_back(connection.installation, KEY_CODES, now)
            if action:
                details = {"line": line.name}
                uow.audit.write(now, "self_test", action, connection.installation, details)
            uow.commit()
        return tested

    def _with_verdict(
        self, fresh: Installation, new: Connection, line: SelfTestLine, result: LineResult
    ) -> tuple[Installation, str]:
        """A new key takes the old one's place, or goes: then all but this line is as it was."""
        if result.state == WAITING:
            return replace(fresh, self_test=with_line(fresh, line)), ""
        if result.state == FAILED:
            told = replace(line, details=f"{line.details}. {_STAYS}")
            refused = replace(fresh, connection=without_offer(fresh.connection))
            return replace(refused, self_test=with_line(fresh, told)), "installation.key_not_taken"
        anew = replace(fresh, connection=new, self_test=self._waiting_lines(new))
        tested, _ = _with_result(anew, line, result)
        return tested, "installation.key_replaced"

    def _waiting_lines(self, connection: Connection) -> tuple[SelfTestLine, ...]:
        declared = self.declarations.self_test(connection)
        return tuple(SelfTestLine(line.check, WAITING) for line in declared)

    def _check(
        self,
        connection: Connection,
        name: str,
        before: Mapping[str, str],
        now: Callable[[], datetime],
    ) -> LineResult:
        title = self.platforms.title(connection)
        try:
            match name:
                case "key_works":
                    return self._probe(connection)
                case "rights_are_enough":
                    return self._rights(connection)
                case "webhook_registered":
                    return self._register(connection, before)
                case "delivery_received":
                    return self._provoke(connection)
                case "canary":
                    return self._round_trip(connection)
                case _:
                    return _not_needed()
        except MakegoodError as error:
            # After silence the webhook may stand, signed with the new secret; after a no it does
            # not.
            lost = name == WEBHOOK and not isinstance(error, OutcomeUnknown)
            secrets = before if lost else None
            turn = error.after_seconds if isinstance(error, RetryLater) else None
            if turn is None or turn > _LONGEST_TURN:
                return LineResult(FAILED, advice_for(error, title), secrets=secrets)
            words = f"{TURN}: {title} takes only so many calls at once"
            return LineResult(WAITING, words, secrets=secrets, at=now() + timedelta(seconds=turn))

    def _probe(self, kept: Connection) -> LineResult:
        new = offered(kept)
        connection = new or kept
        port = self.platforms.able(connection, Connects)
        if port is None:
            return _not_needed()
        probe = port.probe()
        fault = why_another_account(connection, probe, is_new_key=new is not None)
        if fault is not None:
            return LineResult(FAILED, fault)
        words = ", ".join(part for part in (probe.account, probe.details) if part)
        found = {ACCOUNT: probe.account}
        if probe.account_id:
            found[ACCOUNT_ID] = probe.account_id
        return LineResult(OK, words, label=probe.account, settings=found)

    def _rights(self, connection: Connection) -> LineResult:
        port = self.platforms.able(connection, Connects)
        return _not_needed() if port is None else LineResult(OK, port.check_rights())

    def _register(self, connection: Connection, before: Mapping[str, str]) -> LineResult:
        port = self.platforms.able(connection, RegistersWebhooks)
        if port is None:
            return replace(_not_needed(), secrets=before)
        ours = _newest(connection.secrets, before)
        made = port.register_webhook(self.webhook_url(connection), ours)
        # Theirs may be a secret that is kept already: an app's own, with which it signs all.
        theirs = made.secret != ours
        return LineResult(
            OK,
            made.details,
            settings={"webhook_ref": made.ref},
            secrets=with_webhook_secret(before, made.secret) if theirs else None,
        )

    def _provoke(self, connection: Connection) -> LineResult:
        port = self.platforms.able(connection, RegistersWebhooks)
        told = None if port is None else port.provoke_delivery()
        return LineResult(WAITING, told or "Done by the first real delivery")

    def _round_trip(self, connection: Connection) -> LineResult:
        port = self.platforms.able(connection, RunsRoundTrip)
        return _not_needed() if port is None else LineResult(OK, port.round_trip())


def _unless_held_elsewhere(
    uow: UnitOfWork, connection: Connection, result: LineResult
) -> LineResult:
    """The result, but failed where another connection of ours opens the account that it found."""
    account = result.settings.get(ACCOUNT_ID, "")
    if not account or connection.settings.get(ACCOUNT_ID, "") == account:
        return result
    for one in uow.installations.all():
        other = one.connection
        if (
            other.installation != connection.installation
            and (other.kind, other.platform) == (connection.kind, connection.platform)
            and other.settings.get(ACCOUNT_ID, "") == account
        ):
            # Two connections to one account would book every sale twice.
            return LineResult(
                FAILED, f"This account is connected already as {other.label}: give it the key there"
            )
    return result


def _with_result(
    fresh: Installation, line: SelfTestLine, result: LineResult
) -> tuple[Installation, str]:
    """The installation with what a line found, and the audit's word where its status changed."""
    kept = fresh.connection
    connection = replace(
        kept,
        label=result.label or kept.label,
        settings={**kept.settings, **result.settings},
    )
    if result.secrets is not None:
        connection = with_secrets(connection, result.secrets)
    lines = with_line(fresh, line)
    tested = replace(fresh, connection=connection, self_test=lines, status=status_of(lines))
    return tested, "" if tested.status is fresh.status else f"installation.{tested.status}"


def _registered_once(found: Installation, now: datetime) -> SelfTestLine | None:
    """The line of the webhook, where to register it is what a test would do next; else None."""
    line = next((one for one in found.self_test if one.name == WEBHOOK), None)
    if line is None or found.status is InstallationStatus.REMOVED:
        return None
    waiting = line if line.state == WAITING else SelfTestLine(WEBHOOK, WAITING)
    due = next_line(replace(found, self_test=with_line(found, waiting)), now)
    return line if due == waiting else None


def _newest(ours: Mapping[str, str], before: Mapping[str, str]) -> str:
    known = set(before.values())
    return next(secret for secret in ours.values() if secret not in known)


def _not_needed() -> LineResult:
    return LineResult(SKIPPED, "Not needed here")
