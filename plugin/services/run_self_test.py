"""Run an installation's self-test: one line at a time, each line kept as soon as it is known.

Whoever looks at it carries it on: the install screen by asking again, the terminal in a loop, a
second click after a fault. A line is claimed before its call, so that two of them make it once.
Never moves money, and leaves nothing half done: a failed line says what to do, and running again
replaces what is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from plugin.domain.errors import InvalidInput, MakegoodError, NeedsHuman, OutcomeUnknown, RetryLater
from plugin.domain.ids import InstallationId, TenantId
from plugin.ports import Connection, Connects, Mint, RegistersWebhooks, RunsRoundTrip
from plugin.ports.connecting import Declarations
from plugin.ports.platforms import Platforms
from plugin.ports.storage import Installation, InstallationStatus, SelfTestLine, Storage
from plugin.services.webhook_secrets import with_webhook_secret

WAITING, OK, FAILED, SKIPPED = "waiting", "ok", "failed", "skipped"
DELIVERY = "delivery_received"
TURN = "Waits for its turn"
"""How the details of a line begin that is to be tried again at its time."""

_CLAIM = timedelta(seconds=90)
_LONGEST_TURN = 120
_MOST_TURNS = 10
_MAY_LAG = (DELIVERY, "canary")


@dataclass(frozen=True, slots=True)
class LineResult:
    """How one line went. `settings` and `secrets` are new values to keep with the installation."""

    state: str
    details: str
    label: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] | None = field(default=None, repr=False)
    at: datetime | None = None


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
        """Set every line back to waiting. None where there is no such installation."""
        with self.storage.begin(tenant) as uow:
            found = uow.installations.get(installation)
            if found is None or found.status is InstallationStatus.REMOVED:
                return None
            lines = tuple(
                SelfTestLine(line.check, WAITING)
                for line in self.declarations.self_test(found.connection)
            )
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
            after = self.step(tenant, installation, now())
            if before is None or after is None:
                return
            if after.self_test != before.self_test:
                yield after
            elif (left := _turn_comes_in(after, now())) is not None and turns < _MOST_TURNS:
                turns += 1
                pause(left)
            else:
                return

    def step(
        self, tenant: TenantId, installation: InstallationId, now: datetime
    ) -> Installation | None:
        """Do the next line, if one is due. None where there is no such installation."""
        with self.storage.begin(tenant) as uow:
            found = uow.installations.get(installation)
            if found is None or found.status is InstallationStatus.REMOVED:
                return None
            line = _next_line(found, now)
            if line is None:
                return found
            claim = SelfTestLine(line.name, WAITING, at=now)
            before = dict(found.connection.secrets)
            claimed = self._prepared(replace(found, self_test=_with_line(found, claim)), line)
            uow.installations.save(claimed)
            uow.commit()
        result = self._check(claimed.connection, line.name, before, now)
        return self._keep(claimed, claim, result, now)

    def _find(self, tenant: TenantId, installation: InstallationId) -> Installation | None:
        with self.storage.read(tenant) as uow:
            return uow.installations.get(installation)

    def _prepared(self, claimed: Installation, line: SelfTestLine) -> Installation:
        if line.name != "webhook_registered":
            return claimed
        # Kept before the call: a first delivery may overtake the answer, and must find its secret.
        secrets = with_webhook_secret(claimed.connection.secrets, self.mint.secret())
        return replace(claimed, connection=replace(claimed.connection, secrets=secrets))

    def _keep(
        self, claimed: Installation, claim: SelfTestLine, result: LineResult, now: datetime
    ) -> Installation | None:
        connection = claimed.connection
        with self.storage.begin(connection.tenant) as uow:
            fresh = uow.installations.get(connection.installation)
            if fresh is None or fresh.status is InstallationStatus.REMOVED:
                return None
            if claim not in fresh.self_test:
                # It arrived meanwhile (a delivery), or somebody began anew: their word counts.
                return fresh
            at = result.at or (claim.at if claim.name == DELIVERY else now)
            line = SelfTestLine(claim.name, result.state, result.details[:500], at)
            kept = fresh.connection
            tested = replace(
                fresh,
                connection=replace(
                    kept,
                    label=result.label or kept.label,
                    settings={**kept.settings, **result.settings},
                    secrets=kept.secrets if result.secrets is None else result.secrets,
                ),
                self_test=_with_line(fresh, line),
            )
            tested = replace(tested, status=status_of(tested.self_test))
            uow.installations.save(tested)
            if tested.status is not fresh.status:
                action = f"installation.{tested.status}"
                uow.audit.write(now, "self_test", action, kept.installation, {"line": line.name})
            uow.commit()
        return tested

    def _check(
        self, connection: Connection, name: str, before: Mapping[str, str], now: datetime
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
            lost = name == "webhook_registered" and not isinstance(error, OutcomeUnknown)
            secrets = before if lost else None
            turn = error.after_seconds if isinstance(error, RetryLater) else None
            if turn is None or turn > _LONGEST_TURN:
                return LineResult(FAILED, advice_for(error, title), secrets=secrets)
            words = f"{TURN}: {title} takes only so many calls at once"
            return LineResult(WAITING, words, secrets=secrets, at=now + timedelta(seconds=turn))

    def _probe(self, connection: Connection) -> LineResult:
        port = self.platforms.able(connection, Connects)
        if port is None:
            return _not_needed()
        probe = port.probe()
        words = ". ".join(part for part in (probe.account, probe.details) if part)
        return LineResult(OK, words, label=probe.account, settings={"account": probe.account})

    def _rights(self, connection: Connection) -> LineResult:
        port = self.platforms.able(connection, Connects)
        return _not_needed() if port is None else LineResult(OK, port.check_rights())

    def _register(self, connection: Connection, before: Mapping[str, str]) -> LineResult:
        port = self.platforms.able(connection, RegistersWebhooks)
        if port is None:
            return replace(_not_needed(), secrets=before)
        ours = connection.secrets
        made = port.register_webhook(self.webhook_url(connection), _newest(ours, before))
        theirs = made.secret not in ours.values()
        return LineResult(
            OK,
            made.details,
            settings={"webhook_ref": made.ref},
            secrets=with_webhook_secret(before, made.secret) if theirs else None,
        )

    def _provoke(self, connection: Connection) -> LineResult:
        port = self.platforms.able(connection, RegistersWebhooks)
        if port is None:
            return _not_needed()
        told = port.provoke_delivery()
        return LineResult(WAITING, told or "Done by the first real delivery")

    def _round_trip(self, connection: Connection) -> LineResult:
        port = self.platforms.able(connection, RunsRoundTrip)
        return _not_needed() if port is None else LineResult(OK, port.round_trip())


def status_of(lines: tuple[SelfTestLine, ...]) -> InstallationStatus:
    """What the lines say together. A first delivery and the round trip may come after it works."""
    if any(line.state == FAILED for line in lines):
        return InstallationStatus.NEEDS_ATTENTION
    if any(line.state == WAITING for line in lines if line.name not in _MAY_LAG):
        return InstallationStatus.CONNECTING
    return InstallationStatus.CONNECTED


def is_under_way(installation: Installation) -> bool:
    """Whether a line is due, postponed or being done: whoever looks should look again soon."""
    lines = installation.self_test
    return not any(line.state == FAILED for line in lines) and any(
        line.state == WAITING and not is_provoked(line) for line in lines
    )


def advice_for(error: MakegoodError, title: str) -> str:
    """What went wrong outside, and what to do.

    Codes and words of ours only, never an answer's text.
    """
    if isinstance(error, InvalidInput):
        return f"{error.field}: {error.advice}"
    if isinstance(error, NeedsHuman):
        return f"{error.detail or error.code}. Look at it at {title}, then test again"
    if isinstance(error, RetryLater):
        return f"{title} did not answer ({error.code}). Nothing was changed; test again in a minute"
    if isinstance(error, OutcomeUnknown):
        return (
            f"{title} went quiet ({error.code}); it may or may not be done. Test again: what is "
            "ours is replaced, never doubled"
        )
    return f"{title} refused: {error.detail or error.code}. Mend it there, then test again"


def _newest(ours: Mapping[str, str], before: Mapping[str, str]) -> str:
    known = set(before.values())
    return next(secret for secret in ours.values() if secret not in known)


def _next_line(installation: Installation, now: datetime) -> SelfTestLine | None:
    for line in installation.self_test:
        if line.state == FAILED:
            return None
        if line.state == WAITING and not is_provoked(line):
            return line if _is_due(line, now) else None
    return None


def is_provoked(line: SelfTestLine) -> bool:
    """Whether we did our part of a line that the platform must finish."""
    return line.name == DELIVERY and line.details != "" and not line.details.startswith(TURN)


def _is_due(line: SelfTestLine, now: datetime) -> bool:
    """Not when its turn comes later, and not while somebody is at it.

    A claim that is old was left behind by a process that ended.
    """
    if line.at is None:
        return True
    return now >= (line.at if line.details else line.at + _CLAIM)


def _turn_comes_in(installation: Installation, now: datetime) -> float | None:
    """Seconds until a postponed line may be tried."""
    for line in installation.self_test:
        if line.state == WAITING and line.at is not None and line.details.startswith(TURN):
            return max(0.0, (line.at - now).total_seconds())
    return None


def _with_line(installation: Installation, line: SelfTestLine) -> tuple[SelfTestLine, ...]:
    return tuple(line if one.name == line.name else one for one in installation.self_test)


def _not_needed() -> LineResult:
    return LineResult(SKIPPED, "Not needed here")
