"""The pretended store behind the practice platform: sales, money back, access, tags, subscriptions.

It plays the vendor: it knows nothing of plans, policies and rules, and revokes nothing by itself. A
repeated key is the same refund, as with the gateways that have keys. A payment may have a mood, so
that a silent gateway can be practised. `now` always comes from the caller, and ids are made from
content.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import assert_never

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.ids import InstallationId, customer_key, digest
from plugin.domain.money import Money
from plugin.domain.orders import (
    Order,
    RefundRoute,
    RefundSeen,
    RefundStage,
    Resource,
    ResourceKind,
    Subscription,
    SubscriptionStatus,
)
from plugin.domain.refunds import (
    Ambiguous,
    Declined,
    Found,
    LookUp,
    NotFound,
    Pending,
    RefundAnswer,
    Succeeded,
)
from plugin.platforms.practice_cases import practice_access_map, practice_cases
from plugin.platforms.practice_desk import insert_ticket
from plugin.platforms.practice_file import PracticeFile
from plugin.platforms.practice_news import order_words, read, tell
from plugin.platforms.practice_rows import (
    instant,
    order_of,
    refund_of,
    resource_of,
    subscription_of,
    write_order,
)
from plugin.platforms.practice_shop import Mood
from plugin.platforms.strict_json import JsonValue
from plugin.ports import Catalog, CatalogItem
from plugin.ports.news import News

_NOBODYS = InstallationId("practice")  # in the file, installations do not exist
_LOOKS_IN_VAIN = 1


class PracticeWorld:
    """The store's side of the file at `path`. Safe for several processes at once."""

    def __init__(self, path: str | Path) -> None:
        self._file = PracticeFile(path)

    # --- filling it -------------------------------------------------------------------------------

    def seed(self, now: datetime) -> bool:
        """Put the cases there, all at once. False where they are: nothing is touched then."""
        with self._file.writing() as db:
            if db.execute("SELECT 1 FROM about WHERE name = 'seeded_at'").fetchone():
                return False
            db.execute("INSERT INTO about VALUES ('seeded_at', ?)", (now.isoformat(),))
            access = practice_access_map(_NOBODYS)
            for case in practice_cases(_NOBODYS, now):
                insert_ticket(db, case.ticket, case.asked_at, case.shows)
                for order in case.orders:
                    _add_order(db, order, case.mood)
                for email, resource in case.holds(access):
                    _give(db, email, resource)
            return True

    def seeded_at(self) -> datetime | None:
        """When the cases were put there: the `now` of `practice_history`."""
        with self._file.reading() as db:
            row = db.execute("SELECT value FROM about WHERE name = 'seeded_at'").fetchone()
        return None if row is None else instant(row["value"])

    def reset(self) -> None:
        """Forget everything: sales, refunds, tickets."""
        self._file.empty()

    def add_order(self, order: Order, mood: Mood = Mood.PLAIN) -> None:
        """One more sale with what its lines say they give. One that is there stays as it is."""
        with self._file.writing() as db:
            if not _add_order(db, order, mood):
                return
            for resource in (r for line in order.lines for r in line.gives or ()):
                _give(db, order.email, resource)

    # --- sales ------------------------------------------------------------------------------------

    def find_orders(
        self,
        installation: InstallationId,
        now: datetime,
        emails: Iterable[str] = (),
        number: str | None = None,
    ) -> tuple[Order, ...]:
        """Orders of exactly these addresses, or of exactly this number; newest first."""
        found: dict[str, sqlite3.Row] = {}
        with self._file.reading() as db:
            for column, value in (
                *(("email", customer_key(email)) for email in emails),
                *(() if number is None else (("number", number.strip()),)),
            ):
                wanted = f"SELECT * FROM orders WHERE {column} = ?"  # noqa: S608 - one of two names
                found |= {row["ref"]: row for row in db.execute(wanted, (value,))}
            orders = [order_of(db, row, installation, now) for row in found.values()]
        return tuple(sorted(orders, key=lambda o: (o.bought_at, o.ref.ref), reverse=True))

    def read_order(self, installation: InstallationId, now: datetime, ref: str) -> Order | None:
        """The order as it is now, or None."""
        with self._file.reading() as db:
            row = db.execute("SELECT * FROM orders WHERE ref = ?", (ref,)).fetchone()
            return None if row is None else order_of(db, row, installation, now)

    # --- money ------------------------------------------------------------------------------------

    def pay_back(self, payment: str, amount: Money, key: str, now: datetime) -> RefundAnswer:
        """Pay `amount` back, once per key; a repeated key gets what became of it.

        Raises Refused where the key was used for something else, and what the payment's mood is.
        """
        with self._file.writing() as db:
            known = db.execute("SELECT * FROM refunds WHERE key = ?", (key,)).fetchone()
            if known is not None:
                if (known["payment"], known["amount"]) != (payment, amount.minor):
                    raise Refused("key_used_differently")
                return _answer_of(known)
            no = _why_not(db, payment, amount)
            if no is not None:
                return no
            mood = _use_mood(db, payment)
            ref = f"back-{digest(payment, key)[:16]}"
            if mood not in (Mood.DOWN, Mood.BUSY):
                state = RefundStage.PENDING if mood is Mood.PENDING else RefundStage.SUCCEEDED
                looks = _LOOKS_IN_VAIN if mood is Mood.SILENT else 0
                db.execute(
                    "INSERT INTO refunds VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (ref, payment, amount.minor, now.isoformat(), key, state, looks),
                )
                _tell_refund(db, ref, now)
        # After the commit: what the caller hears has no part in what was done.
        match mood:
            case Mood.PLAIN:
                return Succeeded(ref)
            case Mood.PENDING:
                return Pending(ref)
            case Mood.BUSY:
                raise RetryLater("practice_busy", after_seconds=5)
            case Mood.SILENT | Mood.UNHEARD | Mood.DOWN:
                raise OutcomeUnknown("practice_silent")
            case _:
                assert_never(mood)

    def find_refund(self, keys: Sequence[str]) -> LookUp:
        """What became of the refund that may carry one of `keys`, the newest attempt first.

        An older attempt counts unless it failed. Raises RetryLater while the gateway stays silent.
        """
        rows: list[sqlite3.Row] = []
        with self._file.writing() as db:
            for place, key in enumerate(keys):
                row = db.execute("SELECT * FROM refunds WHERE key = ?", (key,)).fetchone()
                if row is not None and (place == 0 or row["state"] != RefundStage.FAILED):
                    rows.append(row)
            silent = [row["ref"] for row in rows if row["vain_looks"]]
            for ref in silent:
                db.execute("UPDATE refunds SET vain_looks = vain_looks - 1 WHERE ref = ?", (ref,))
        if silent:
            raise RetryLater("practice_silent")
        match rows:
            case []:
                return NotFound()
            case [row]:
                return Found(_answer_of(row))
            case _:
                return Ambiguous(len(rows))

    def finish_refund(self, ref: str, now: datetime, *, failed: bool) -> None:
        """Let a refund end at the bank, also one that had counted as done."""
        state = RefundStage.FAILED if failed else RefundStage.SUCCEEDED
        with self._file.writing() as db:
            db.execute("UPDATE refunds SET state = ? WHERE ref = ?", (state, ref))
            _tell_refund(db, ref, now)

    def open_dispute(self, payment: str, now: datetime) -> None:
        """Let the customer's bank take the whole payment and decide."""
        with self._file.writing() as db:
            db.execute(
                "UPDATE payments SET dispute_open = 1, disputed = captured WHERE ref = ?",
                (payment,),
            )
            _tell_dispute(db, payment, now)

    def read_news(self, since: datetime, until: datetime, after: int) -> Sequence[News]:
        """A page of what the bank told from `since` to `until`, but for the first `after`.

        Of money only: tags and subscriptions change at the shop, which tells nobody.
        """
        with self._file.reading() as db:
            return read(db, since, until, after)

    def refunds(self, installation: InstallationId) -> tuple[RefundSeen, ...]:
        """All money that went back, in the order in which it did."""
        wanted = (
            "SELECT refunds.*, orders.currency FROM refunds"
            " JOIN payments ON payments.ref = refunds.payment"
            " JOIN orders ON orders.ref = payments.order_ref ORDER BY refunds.rowid"
        )
        with self._file.reading() as db:
            return tuple(
                refund_of(row, row["currency"], installation) for row in db.execute(wanted)
            )

    # --- access and tags --------------------------------------------------------------------------

    def holdings(self, installation: InstallationId, email: str) -> tuple[Resource, ...]:
        """All that this address holds, tags included."""
        wanted = "SELECT kind, ref, name FROM holdings WHERE email = ? ORDER BY kind, ref"
        with self._file.reading() as db:
            rows = db.execute(wanted, (customer_key(email),)).fetchall()
        return tuple(resource_of(row, installation) for row in rows)

    def give(self, email: str, resource: Resource) -> bool:
        """Open a resource or add a tag. False where it is there already."""
        with self._file.writing() as db:
            return _give(db, email, resource)

    def take(self, email: str, kind: ResourceKind, ref: str) -> bool:
        """Close a resource or remove a tag. False where it is not there."""
        with self._file.writing() as db:
            wanted = "DELETE FROM holdings WHERE email = ? AND kind = ? AND ref = ?"
            return db.execute(wanted, (customer_key(email), kind, ref)).rowcount == 1

    # --- subscriptions ----------------------------------------------------------------------------

    def read_subscription(
        self, installation: InstallationId, now: datetime, email: str, ref: str
    ) -> Subscription | None:
        """The subscription of this customer, or None."""
        with self._file.reading() as db:
            row = _subscription_row(db, email, ref)
            return None if row is None else subscription_of(row, installation, now)

    def cancel_subscription(self, email: str, ref: str, now: datetime, *, at_once: bool) -> bool:
        """Stop future charges, now or when the paid period ends. False where that is so already.

        Raises Refused where this customer has no such subscription.
        """
        with self._file.writing() as db:
            row = _subscription_row(db, email, ref)
            if row is None:
                raise Refused("no_such_subscription")
            status = subscription_of(row, _NOBODYS, now).status
            over = {SubscriptionStatus.ENDED}
            if status in (over if at_once else over | {SubscriptionStatus.ENDING}):
                return False
            until = now.isoformat() if at_once else row["paid_until"]
            ends = SubscriptionStatus.ENDED if at_once else SubscriptionStatus.ENDING
            db.execute(
                "UPDATE subscriptions SET status = ?, paid_until = ?, renews = NULL,"
                " renews_at = NULL WHERE ref = ?",
                (ends, until, ref),
            )
            return True

    # --- what it sells ----------------------------------------------------------------------------

    def catalog(self, installation: InstallationId) -> Catalog:
        """All that was ever sold and all that can be held."""
        with self._file.reading() as db:
            products = db.execute("SELECT ref, name FROM products ORDER BY ref").fetchall()
            things = db.execute("SELECT kind, ref, name FROM things ORDER BY kind, ref").fetchall()
        return Catalog(
            tuple(CatalogItem(row["ref"], row["name"]) for row in products),
            tuple(resource_of(row, installation) for row in things),
        )


def _add_order(db: sqlite3.Connection, order: Order, mood: Mood) -> bool:
    if db.execute("SELECT 1 FROM orders WHERE ref = ?", (order.ref.ref,)).fetchone():
        return False
    write_order(db, order, mood)
    return True


def _give(db: sqlite3.Connection, email: str, resource: Resource) -> bool:
    thing = (resource.kind, resource.ref, resource.name)
    db.execute("INSERT OR IGNORE INTO things VALUES (?, ?, ?)", thing)
    given = db.execute(
        "INSERT OR IGNORE INTO holdings VALUES (?, ?, ?, ?)", (customer_key(email), *thing)
    )
    return given.rowcount == 1


def _why_not(db: sqlite3.Connection, payment: str, amount: Money) -> Declined | None:
    """Why the gateway says no, if it does. Checked in the transaction that pays."""
    row = db.execute(
        "SELECT payments.*, orders.currency FROM payments"
        " JOIN orders ON orders.ref = payments.order_ref WHERE payments.ref = ?",
        (payment,),
    ).fetchone()
    if row is None:
        return Declined("no_such_payment")
    if row["route"] != RefundRoute.BY_API:
        return Declined("not_by_api", by_hand=row["route"] == RefundRoute.BY_HAND)
    if row["dispute_open"]:
        return Declined("dispute_open")
    left = row["captured"] - row["disputed"] - _paid_back(db, payment)
    if amount.currency != row["currency"] or not 0 < amount.minor <= left:
        return Declined("amount_not_possible")
    if not row["partial"] and amount.minor != row["captured"]:
        return Declined("whole_only")
    return None


def _paid_back(db: sqlite3.Connection, payment: str) -> int:
    wanted = "SELECT COALESCE(SUM(amount), 0) FROM refunds WHERE payment = ? AND state != 'failed'"
    return int(db.execute(wanted, (payment,)).fetchone()[0])


def _tell_refund(db: sqlite3.Connection, ref: str, now: datetime) -> None:
    row = db.execute("SELECT * FROM refunds WHERE ref = ?", (ref,)).fetchone()
    order = _order_behind(db, row["payment"], now)
    words = {"refund": ref, "state": row["state"], "reference": row["key"]}
    tell(
        db,
        "payment.refunded",
        now,
        {**words, **_money_words(order, row), "payment": row["payment"]},
    )


def _tell_dispute(db: sqlite3.Connection, payment: str, now: datetime) -> None:
    row = db.execute("SELECT captured AS amount FROM payments WHERE ref = ?", (payment,)).fetchone()
    order = _order_behind(db, payment, now)
    words = {"dispute": f"dispute-{payment}", "payment": payment}
    tell(db, "dispute.opened", now, {**words, **_money_words(order, row)})


def _money_words(order: Order, row: sqlite3.Row) -> dict[str, JsonValue]:
    return {"amount": row["amount"], "currency": order.currency, "order": order_words(order)}


def _order_behind(db: sqlite3.Connection, payment: str, now: datetime) -> Order:
    row = db.execute(
        "SELECT orders.* FROM orders JOIN payments ON payments.order_ref = orders.ref"
        " WHERE payments.ref = ?",
        (payment,),
    ).fetchone()
    return order_of(db, row, _NOBODYS, now)


def _use_mood(db: sqlite3.Connection, payment: str) -> Mood:
    """The mood of this call; the next one is plain."""
    row = db.execute("SELECT mood FROM payments WHERE ref = ?", (payment,)).fetchone()
    db.execute("UPDATE payments SET mood = ? WHERE ref = ?", (Mood.PLAIN, payment))
    return Mood(row["mood"])


def _answer_of(row: sqlite3.Row) -> RefundAnswer:
    match RefundStage(row["state"]):
        case RefundStage.PENDING:
            return Pending(row["ref"])
        case RefundStage.FAILED:
            return Declined("failed_at_the_bank")
        case RefundStage.SUCCEEDED:
            return Succeeded(row["ref"])


def _subscription_row(db: sqlite3.Connection, email: str, ref: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT subscriptions.*, orders.currency FROM subscriptions"
        " JOIN orders ON orders.ref = subscriptions.order_ref"
        " WHERE subscriptions.ref = ? AND orders.email = ?",
        (ref, customer_key(email)),
    ).fetchone()
    return row
