"""One batch: a fresh world, a few thousand requests, and the judgement of each."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from plugin.domain.events import (
    StoreEvent,
    SubscriptionNews,
)
from plugin.domain.ids import DeliveryId
from plugin.platforms.adapters import Adapters
from plugin.ports import ConfirmsEvents, Connection
from plugin.ports.platforms import P
from plugin.ports.records import DeliveryState, InstallationStatus
from plugin.web.auth import Access
from tests.factories import EMAIL
from tests.fakes.platforms import one_after_the_other
from tests.fuzz.arrivals import Arrivals
from tests.fuzz.canvas import Posted, canvases
from tests.fuzz.deliveries import Deliveries, Sent, sources
from tests.fuzz.forms import Forms, Tried
from tests.fuzz.planted import PLANTED
from tests.fuzz.watch import Calls, log_to_nowhere
from tests.fuzz.world import Ground, World, open_world
from tests.fuzz.wsgi import Asked, Told, call
from webhooks.dispatch import Dispatch

BATCH: Final = 5_000
"""Requests to one world: few enough to play again, many enough that making it costs little."""
WEBHOOK_SHARE: Final = 0.8
CANVAS_SHARE: Final = 0.05
ARRIVAL_SHARE: Final = 0.04
MUST_BE_NOTHING: Final = (
    "answers_5xx",
    "raised",
    "unsigned_writes",
    "outgoing",
    "faults",
    "unheard",
    "heard_unsigned",
    "strange_files",
)
_REACHED: Final = (200, 422)
"""Answered, or tried without success: calls come to nothing here."""
DISPATCH_EVERY: Final = 3
"""Of the readable deliveries that were stored: one is worked on at the cost of ten requests."""
_STORED: Final = (
    "SELECT d.state, d.reason, i.status FROM mg_deliveries d "
    "JOIN mg_installations i ON i.id = d.installation_id WHERE d.tenant_id = ? AND d.id = ?"
)
_ENDS: Final = frozenset(
    {
        DeliveryState.APPLIED,
        DeliveryState.IGNORED,
        DeliveryState.UNRECOGNISED,
        DeliveryState.UNREADABLE,
        DeliveryState.WAITING,
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What went wrong, and with which request."""

    kind: str
    batch: int
    place: int
    words: str
    asked: Asked
    alone: bool = False

    def document(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "batch": self.batch,
            "place": self.place,
            "words": self.words,
            "alone": self.alone,
            "asked": self.asked.document(),
        }


@dataclass(slots=True)
class Outcome:
    """What a batch came to."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Batch:
    """Which requests: `size` of them from `seed` and `number`; `planted` names a bug of ours."""

    seed: int
    number: int
    size: int
    planted: str = ""


class _ToldAgain:
    """A store that confirms whatever it is asked, with what only it can know filled in."""

    def confirm(self, event: StoreEvent) -> StoreEvent:
        match event:
            case SubscriptionNews():
                return SubscriptionNews(
                    event.installation,
                    event.subscription,
                    EMAIL,
                    event.ended,
                    event.ends_at,
                    event.at,
                )
            case _:
                return event


@dataclass(frozen=True, slots=True)
class _Confirming:
    """Platforms whose stores answer. Implements `plugin.ports.platforms.Platforms`."""

    adapters: Adapters

    def able(self, connection: Connection, port: type[P]) -> P | None:
        found = self.adapters.able(connection, port)
        told: Any = _ToldAgain()
        return told if found is not None and port is ConfirmsEvents else found

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - all else as the adapters have it
        return getattr(self.adapters, name)


_calls: Calls | None = None


def calls() -> Calls:
    """This process's ears for calls."""
    global _calls  # noqa: PLW0603 - an audit hook stays for the life of the process
    if _calls is None:
        _calls = Calls()
        log_to_nowhere()
    return _calls


def run_batch(batch: Batch, ground: Ground, stop_after: int | None = None) -> Outcome:
    """Send the batch's requests, or the first `stop_after` and one more."""
    with open_world(ground, PLANTED.get(batch.planted)) as world:
        return _Run(world, batch).go(stop_after)


def run_in(ground: Ground, batch: Batch) -> Outcome:
    """Run a batch in this process's own part of `ground`."""
    return run_batch(batch, ground.under(str(os.getpid())))


def run_one(finding: Finding, ground: Ground, planted: str) -> Outcome:
    """Send one request alone to a fresh world: once for each way of working on deliveries."""
    outcome = Outcome()
    for confirming in (False, True):
        with open_world(ground, PLANTED.get(planted)) as world:
            run = _Run(world, Batch(0, finding.batch, 1, planted))
            run.send_known(finding.asked, confirming=confirming)
            outcome.counts += run.outcome.counts
            outcome.findings += run.outcome.findings
        if outcome.findings:
            break
    return outcome


class _Run:
    """Sends and judges.

    One thing a stranger may cause: a wrong signature under a desk's first request makes us look
    whether the desk's key is new, or can be read by now, and no more for a while. Here the clock
    stands, so that is once for each desk in a batch: `key_looks`.
    """

    def __init__(self, world: World, batch: Batch) -> None:
        self.world = world
        self.outcome = Outcome()
        self._batch = batch
        self._chance = random.Random(f"{batch.seed} {batch.number}")
        self._deliveries = Deliveries(sources(world))
        # Each batch goes on where the one before it ended, on average.
        self._deliveries.sweep = batch.number * BATCH * 32 // 100 % self._deliveries.sweep_size
        self._forms = Forms(world)
        self._canvases = canvases(world)
        self._arrivals = Arrivals(world)
        self._calls = calls()
        self._calls.home = str(world.folder)
        self._hosts = world.hosts
        parts = world.parts
        self._dispatch = [
            Dispatch(
                parts.house.storage,
                platforms,
                parts.registry,
                parts.clock,
                one_after_the_other,
            )
            for platforms in (parts.platforms, _Confirming(parts.platforms))
        ]
        self._place = 0
        self._readable = 0
        self._every = DISPATCH_EVERY
        self._looked = False
        self._looked_at: set[str] = set()

    def go(self, stop_after: int | None) -> Outcome:
        last = self._batch.size if stop_after is None else stop_after + 1
        before = self._deliveries.sweep
        for self._place in range(last):
            kind = self._chance.random()
            if kind < WEBHOOK_SHARE:
                self._send_delivery(self._deliveries.make(self._chance))
            elif kind < WEBHOOK_SHARE + CANVAS_SHARE:
                self._send_post(self._canvases.make(self._chance))
            elif kind < WEBHOOK_SHARE + CANVAS_SHARE + ARRIVAL_SHARE:
                self._send_form(self._arrivals.make(self._chance))
            else:
                self._send_form(self._forms.make(self._chance))
        self.outcome.counts["swept"] = (
            self._deliveries.sweep - before
        ) % self._deliveries.sweep_size
        return self.outcome

    def send_known(self, asked: Asked, *, confirming: bool) -> None:
        """Send a request that was kept, judged as what it is by itself."""
        if (posted := self._canvases.known(asked)) is not None:
            self._send_post(posted)
            return
        self._every, self._dispatch = 1, [self._dispatch[confirming]]
        source = next((s for s in self._deliveries.sources if s.installation == asked.signed), None)
        if source is None:
            source = next((s for s in self._deliveries.sources if s.path == asked.path), None)
        if source is not None:
            proven = source.is_signed(asked.headers, asked.body)
            self._send_delivery(Sent(asked, source, proven, clean=bool(asked.signed)))
            return
        self._send_form(Tried(asked, None, proven=False))

    # --- webhooks ---------------------------------------------------------------------------------

    def _send_delivery(self, sent: Sent) -> None:
        counts = self.outcome.counts
        counts["signed"] += sent.proven
        counts["unsigned"] += not sent.proven
        told = self._call(sent.asked, may_call=False)
        stored = self.world.writes.take()
        if stored and not sent.proven:
            self._found("unsigned_writes", "written without a signature", sent.asked)
        if told is None:
            return
        if sent.clean and told.status != 200:
            self._found("unheard", f"rightly signed, and answered {told.status}", sent.asked)
        if stored:
            counts["stored"] += 1
            self._work(sent)

    def _work(self, sent: Sent) -> None:
        """Bring one of some stored deliveries to its end, as the worker does."""
        ref, counts = self.world.mint.last, self.outcome.counts
        stored = self.world.writes.row(_STORED, sent.source.tenant, ref)
        if stored is None or stored[0] == DeliveryState.UNREADABLE:
            counts["kept_unreadable"] += 1
            return
        self._readable += 1
        if self._readable % self._every:
            return
        counts["dispatched"] += 1
        dispatch = self._dispatch[counts["dispatched"] % len(self._dispatch)]
        try:
            self._calls.armed = True
            dispatch(sent.source.tenant, DeliveryId(ref))
        except Exception as error:  # noqa: BLE001 - whatever leaves it is what we look for
            self._found("faults", f"dispatch raised {error!r}", sent.asked)
            return
        finally:
            self._calls.armed = False
            counts["stores_asked"] += bool(self._calls.take())
        state, reason, status = self.world.writes.row(_STORED, sent.source.tenant, ref) or (
            "lost",
            "",
            "",
        )
        counts[state] += 1
        if state not in _ENDS or reason.startswith("fault"):
            self._found("faults", f"the delivery ended {state}: {reason}", sent.asked)
        if status == InstallationStatus.REMOVED:
            self.world.mend(sent.source.installation)
        self.world.writes.take()

    # --- panels that a desk draws -----------------------------------------------------------------

    def _send_post(self, posted: Posted) -> None:
        counts = self.outcome.counts
        counts["posts_signed" if posted.proven else "posts_unsigned"] += 1
        told = self._call(posted.asked, may_call=posted.proven)
        if self.world.writes.take() and not posted.proven:
            self._found("unsigned_writes", "written by an unsigned post", posted.asked)
        if told is None:
            return
        if posted.clean and told.status != 200:
            self._found("unheard", f"rightly signed, and answered {told.status}", posted.asked)
        # What was sent elsewhere, or by another method, is answered by other routes.
        if told.status == 200 and told.headers.get("Content-Type") == "application/json":
            if posted.proven:
                counts["canvases"] += self._canvases.learn(posted, told)
            else:
                self._found("heard_unsigned", "an unsigned post was answered", posted.asked)

    # --- forms ------------------------------------------------------------------------------------

    def _send_form(self, tried: Tried) -> None:
        counts = self.outcome.counts
        counts["signed_in" if tried.proven else "strangers"] += 1
        is_entry = tried.access is Access.PANEL_ENTRY
        told = self._call(tried.asked, may_call=tried.proven, may_look=is_entry)
        if self.world.writes.take():
            counts["form_writes"] += 1
            if not (tried.proven or self._looked):
                self._found("unsigned_writes", "written without a session", tried.asked)
        if told is None:
            return
        counts["pages"] += told.status == 200
        if tried.counted:
            counts[tried.counted] += told.status in _REACHED
        if tried.proven:
            self._forms.learn(tried, told)
            self._stay(tried)

    def _stay(self, tried: Tried) -> None:
        """Sign in again after signing out, and connect again what an admin took away."""
        if tried.access is Access.ADMIN and tried.asked.path.endswith("sign-out"):
            assert tried.tenant is not None
            self.world.sign_in(tried.tenant)
            self.world.writes.take()

    # --- both -------------------------------------------------------------------------------------

    def _call(self, asked: Asked, *, may_call: bool, may_look: bool = False) -> Told | None:
        counts = self.outcome.counts
        counts["requests"] += 1
        self._calls.armed = True
        told: Told | None = None
        try:
            told = call(self.world.app.wsgi_app, asked)
        except Exception as error:  # noqa: BLE001 - whatever leaves it is what we look for
            self._found("raised", repr(error), asked)
        finally:
            self._calls.armed = False
        places = self._calls.take()
        self._looked = False
        if places:
            self._looked = may_look and not may_call and self._looked_at.isdisjoint(places)
            self._looked_at.update(places if may_look else ())
            counts["key_looks"] += self._looked
            counts["calls_of_people"] += may_call
            is_declared = all(self._is_declared(place) for place in places)
            if not (is_declared and (may_call or self._looked)):
                self._found("outgoing", f"called {', '.join(places[:3])}", asked)
        for path in self._calls.take_files():
            self._found("strange_files", f"wanted to write {path}", asked)
        if told is not None and told.status >= 500:
            self._found("answers_5xx", f"answered {told.status}", asked)
        return told

    def _is_declared(self, place: str) -> bool:
        last = ".".join(place.split(".")[-2:])
        return last in self._hosts or last in self.world.given_hosts()

    def _found(self, kind: str, words: str, asked: Asked) -> None:
        self.outcome.counts[kind] += 1
        if self.outcome.counts[kind] <= 20:
            found = Finding(kind, self._batch.number, self._place, words, asked)
            self.outcome.findings.append(found)
