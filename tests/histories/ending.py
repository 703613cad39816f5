"""The end of a run: what is so now, and what must never have happened on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from plugin.domain.effects import AddTicketNote, EffectState, TellCustomer, TellOwner
from plugin.domain.ids import CustomerKey
from plugin.domain.ledger import read_ledger
from plugin.domain.orders import ResourceKind
from plugin.domain.refunds import OVER, RefundState
from plugin.ports.records import RunState
from plugin.storage import tables as t
from plugin.storage.database import connect_to_read
from tests.factories import TENANT
from tests.histories.model import Json
from tests.histories.outside import email_of, words_of

if TYPE_CHECKING:
    from tests.histories.drive import Drive

LOOKS_WITHOUT_END = 3000
"""A run that looks for work more often than this does not end."""
_CHANGES = ("revoke", "restore", "add_tag", "remove_tag")
_KINDS: dict[str, type] = {
    "TellOwner": TellOwner,
    "AddTicketNote": AddTicketNote,
    "TellCustomer": TellCustomer,
}
_CALL_OF = {
    "RevokeAccess": "revoke",
    "RestoreAccess": "restore",
    "RestoreTag": "add_tag",
    "RemoveTag": "remove_tag",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """Looks at a run that is over."""

    run: Drive

    def document(self) -> Json:
        people = {s["who"] for s in self.run.history.steps if "who" in s}
        now = self.run.clock.at
        owed, held = {}, {}
        with self.run.storage.read(TENANT) as uow:
            for who in sorted(people):
                facts = uow.facts.of_customer(CustomerKey(email_of(who)))
                ledger = read_ledger(facts, uow.settings.access_map(), now)
                kinds = (ResourceKind.BUNDLE,)
                owed[str(who)] = sorted(words_of(r) for r in ledger.owed() if r.kind not in kinds)
                mine = self.run.shop.held[email_of(who)]
                held[str(who)] = sorted(words_of(r) for r in mine)
        payments = {
            f"{s['order']}/{number}"
            for s in self.run.history.steps
            if s["do"] == "sale"
            for number in range(len(s["payments"]))
        }
        return {
            "owed": owed,
            "held": held,
            "back": {payment: self._back_known(payment) for payment in sorted(payments)},
            "refunds": dict(sorted(self._states().items())),
            "notices": dict(sorted(self._notices().items())),
        }

    def _back_known(self, payment: str) -> int:
        """What the bank's books say; for a sale by hand, what the seller said."""
        name = payment.partition("/")[0]
        step = self.run.steps[name]
        if step["kind"] != "hand":
            return self.run.back(payment)
        done = [s for s in self.run.history.steps if s["do"] == "done_by_hand"]
        orders = [self.run.steps[s["ask"]]["order"] for s in done]
        return int(step["payments"][0]) if name in orders else 0

    def _states(self) -> dict[str, str]:
        """Of each ask, how its refunds ended; one word where they ended alike."""
        found: dict[str, set[str]] = {}
        for name, ask in self.run.plans.items():
            if name.startswith("blocked"):
                found[ask] = {name}
        with connect_to_read(self.run.engine) as db:
            for row in db.execute(select(t.refunds.c.id, t.refunds.c.state)):
                found.setdefault(self.run.refund_of.get(row.id, row.id), set()).add(row.state)
        failed = str(RefundState.FAILED_LATER)
        return {
            ask: failed if failed in states else ",".join(sorted(states))
            for ask, states in found.items()
        }

    def _notices(self) -> dict[str, Json]:
        """Mails to the owner, notes and replies, by the step that caused them."""
        told: dict[str, Json] = {}
        for row, run in self._effects():
            kind = {TellOwner: "mails", AddTicketNote: "notes", TellCustomer: "replies"}.get(
                _KINDS.get(row.kind, object)
            )
            if kind is None:
                continue
            step = self._step_of(run.cause)
            counts = told.setdefault(step, {"mails": 0, "notes": 0, "replies": 0})
            counts[kind] += 1
        return told

    def _step_of(self, cause: str) -> str:
        kind, _, name = cause.partition(" ")
        ask = {"plan": self.run.plans, "refund": self.run.refund_of}.get(kind, {}).get(name)
        if ask is not None:
            return str(next(s["id"] for s in self.run.history.steps if s.get("ask") == ask))
        return name.partition(".")[0] if kind == "delivery" else cause

    def _effects(self) -> list[Any]:
        with connect_to_read(self.run.engine) as db:
            runs = {row.id: row for row in db.execute(select(t.runs))}
            return [(row, runs[row.run_id]) for row in db.execute(select(t.effects))]

    def faults(self) -> dict[str, list[str]]:
        faults: dict[str, list[str]] = defaultdict(list)
        faults["money_over"] += self.run.bank.asked_over
        for paid in {p.payment for p in self.run.bank.paid}:
            name, _, number = paid.partition("/")
            captured = self.run.books_of(name)[name].payments[int(number)].captured.minor
            if self.run.back(paid) > captured:
                faults["money_over"].append(f"{paid}: {self.run.back(paid)} of {captured}")
        self._look_for_doubles(faults)
        self._look_for_stuck(faults)
        with self.run.storage.read(TENANT) as uow:
            entries, broken = uow.audit.verify()
        if broken is not None:
            faults["stuck"].append(f"the audit trail breaks at {broken} of {entries}")
        return dict(faults)

    def _look_for_doubles(self, faults: dict[str, list[str]]) -> None:
        keys = Counter(paid.key for paid in self.run.bank.paid if paid.key)
        mails = Counter(mail.message_id for mail in self.run.mailer.sent)
        written = Counter(
            (w.ticket, w.marker) for w in (*self.run.desk.notes, *self.run.desk.replies)
        )
        for what, counted in (("paid", keys), ("mail", mails), ("written", written)):
            doubles = [f"{what} {key}: {n} times" for key, n in counted.items() if n > 1]
            faults["effects_twice"] += doubles
        calls = Counter(name for name, _ in self.run.shop.calls if name in _CHANGES)
        rows = Counter(
            _CALL_OF[row.kind]
            for row, _ in self._effects()
            if row.kind in _CALL_OF
            and row.state in (EffectState.DONE, EffectState.ALREADY)
            and row.outcome != "overtaken"
        )
        faults["effects_twice"] += [
            f"{name}: {calls[name]} calls for {rows[name]} effects"
            for name in _CHANGES
            if calls[name] != rows[name]
        ]

    def _look_for_stuck(self, faults: dict[str, list[str]]) -> None:
        if self.run.looks > LOOKS_WITHOUT_END:
            faults["stuck"].append("it does not end")
        if self.run.queue:
            faults["stuck"].append(f"{len(self.run.queue)} deliveries wait")
        with connect_to_read(self.run.engine) as db:
            for row in db.execute(select(t.refunds.c.id, t.refunds.c.state)):
                if row.state not in OVER:
                    faults["stuck"].append(f"refund {row.id} is {row.state}")
            for row in db.execute(select(t.runs.c.id, t.runs.c.state)):
                if row.state != RunState.DONE:
                    faults["stuck"].append(f"run {row.id} is {row.state}")
            for row in db.execute(select(t.effects.c.kind, t.effects.c.state)):
                if not EffectState(row.state).over:
                    faults["stuck"].append(f"effect {row.kind} is {row.state}")
