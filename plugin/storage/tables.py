"""The schema.

Every row of a tenant carries `tenant_id`, and points only at rows of the same tenant.

Names begin with `mg_`: the workflow engine keeps its own tables under plain names. Times are
ISO-8601 text in UTC of fixed width, so that both databases sort and compare them alike.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

SCHEMA_VERSION = 5
"""Grows with every migration; the engine's application version is pinned to it."""


def utc_text(at: datetime) -> str:
    """`at` as it is stored: UTC, with microseconds. Raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError("a stored time must say its zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC datetimes as sortable text with microseconds. Naive ones are refused."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        del dialect
        if value is None:
            return None
        return utc_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else datetime.fromisoformat(value)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

_ID = String(64)
_NAME = String(255)


def _of_tenant(name: str, *columns: Column[object], key: tuple[str, ...]) -> Table:
    return Table(
        name,
        metadata,
        Column("tenant_id", _ID, nullable=False),
        *columns,
        PrimaryKeyConstraint("tenant_id", *key),
        ForeignKeyConstraint(["tenant_id"], ["mg_tenants.id"]),
    )


def _waits(table: Table) -> None:
    """Index the rows of each tenant that wait for their time, and no others: most are through."""
    waiting = table.c.wake_at.is_not(None)
    columns = (table.c.tenant_id, table.c.wake_at)
    Index(f"ix_{table.name}_waiting", *columns, sqlite_where=waiting, postgresql_where=waiting)


def _points(table: Table, column: str, target: str, key: str = "id") -> None:
    """A composite foreign key: a row can only point at a row of its own tenant."""
    table.append_constraint(
        ForeignKeyConstraint(["tenant_id", column], [f"{target}.tenant_id", f"{target}.{key}"])
    )


tenants = Table(
    "mg_tenants",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", _NAME, nullable=False),
    Column("owners", Text, nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("locale", String(16), nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("audit_count", Integer, nullable=False),  # where the audit trail ends: a trail cut
    Column("audit_head", String(64), nullable=False),  # short would else look whole
)

sign_ins = _of_tenant(
    "mg_sign_ins",
    Column("id", _ID, nullable=False),  # the hash of a one-time link's token, or of a session's
    Column("purpose", String(16), nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("used_at", UtcTime),
    key=("id",),
)

installations = _of_tenant(
    "mg_installations",
    Column("id", _ID, nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("platform", String(64), nullable=False),
    Column("label", _NAME, nullable=False),
    Column("status", String(24), nullable=False),
    Column("settings", Text, nullable=False),
    Column("secrets", Text, nullable=False),
    Column("self_test", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    key=("id",),
)

pending_installs = _of_tenant(
    "mg_pending_installs",
    Column("id", _ID, nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("platform", String(64), nullable=False),
    Column("typed", Text, nullable=False),  # sealed: it may hold the secret of an app
    Column("created_by", _NAME, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("replaces", _ID),
    Column("another", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("installation_id", _ID),
    key=("id",),
)
_points(pending_installs, "replaces", "mg_installations")
_points(pending_installs, "installation_id", "mg_installations")

policies = _of_tenant(
    "mg_policies",
    Column("number", Integer, nullable=False),
    Column("document", Text, nullable=False),
    key=("number",),
)

access_maps = _of_tenant(
    "mg_access_maps",
    Column("installation_id", _ID, nullable=False),
    Column("document", Text, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    key=("installation_id",),
)
_points(access_maps, "installation_id", "mg_installations")

deliveries = _of_tenant(
    "mg_deliveries",
    Column("id", _ID, nullable=False),
    Column("installation_id", _ID, nullable=False),
    Column("name", _NAME, nullable=False),
    Column("topic", _NAME, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", _NAME, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("wake_at", UtcTime),
    key=("id",),
)
deliveries.append_constraint(UniqueConstraint("tenant_id", "installation_id", "name"))
_points(deliveries, "installation_id", "mg_installations")
Index("ix_mg_deliveries_wake_at", deliveries.c.wake_at)
_waits(deliveries)
Index("ix_mg_deliveries_received", deliveries.c.tenant_id, deliveries.c.received_at)
Index(
    "ix_mg_deliveries_heard",
    deliveries.c.tenant_id,
    deliveries.c.installation_id,
    deliveries.c.received_at,
)
is_kept = text("state IN ('failed', 'unreadable', 'unrecognised')")
"""Deliveries that were not applied. In these very words: a database finds their index by them."""
Index(
    "ix_mg_deliveries_kept",
    deliveries.c.tenant_id,
    deliveries.c.received_at,
    sqlite_where=is_kept,
    postgresql_where=is_kept,
)

orders = _of_tenant(
    "mg_orders",
    Column("installation_id", _ID, nullable=False),
    Column("ref", _NAME, nullable=False),
    Column("customer", _NAME, nullable=False),
    Column("number", _NAME, nullable=False),
    Column("document", Text, nullable=False),
    Column("read_at", UtcTime, nullable=False),
    Column("contact", _NAME),
    key=("installation_id", "ref"),
)
_points(orders, "installation_id", "mg_installations")
Index("ix_mg_orders_contact", orders.c.tenant_id, orders.c.installation_id, orders.c.contact)
Index("ix_mg_orders_customer", orders.c.tenant_id, orders.c.customer)
Index("ix_mg_orders_number", orders.c.tenant_id, orders.c.number)

facts = _of_tenant(
    "mg_facts",
    Column("id", _ID, nullable=False),
    Column("customer", _NAME, nullable=False),
    Column("kind", String(24), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("document", Text, nullable=False),
    Column("source", _NAME, nullable=False),
    Column("known_at", UtcTime, nullable=False),
    key=("id",),
)
Index("ix_mg_facts_customer", facts.c.tenant_id, facts.c.customer)
is_ending = text(
    "kind IN ('DisputeClosed', 'DisputeOpened', 'PaidUntil', 'RefundFailed', 'Refunded',"
    " 'TagRemoved')"
)
"""Facts that end something, or may. In these very words: a database finds their index by them."""
Index(
    "ix_mg_facts_ending",
    facts.c.tenant_id,
    facts.c.customer,
    sqlite_where=is_ending,
    postgresql_where=is_ending,
)

requests = _of_tenant(
    "mg_requests",
    Column("id", _ID, nullable=False),
    Column("desk", _ID),
    Column("ticket", _NAME),
    Column("order_installation", _ID, nullable=False),
    Column("order_ref", _NAME, nullable=False),
    Column("document", Text, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    key=("id",),
)
Index("ix_mg_requests_ticket", requests.c.tenant_id, requests.c.desk, requests.c.ticket)

plans = _of_tenant(
    "mg_plans",
    Column("id", _ID, nullable=False),
    Column("request_id", _ID, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("document", Text, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("decided_at", UtcTime),
    Column("decided_by", _NAME, nullable=False),
    Column("decided_desk", _ID),
    Column("decided_agent", _NAME),
    key=("id",),
)
_points(plans, "request_id", "mg_requests")
Index("ix_mg_plans_request", plans.c.tenant_id, plans.c.request_id)

refunds = _of_tenant(
    "mg_refunds",
    Column("id", _ID, nullable=False),
    Column("plan_id", _ID, nullable=False),
    Column("order_installation", _ID, nullable=False),
    Column("order_ref", _NAME, nullable=False),
    Column("payment_installation", _ID, nullable=False),
    Column("payment_ref", _NAME, nullable=False),
    Column("label", _NAME, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("send_at", UtcTime, nullable=False),
    Column("wake_at", UtcTime),
    Column("wakes", Integer, nullable=False),
    Column("looks", Integer, nullable=False),
    Column("gateway_ref", _NAME),
    Column("reason", _NAME, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    key=("id",),
)
refunds.append_constraint(
    UniqueConstraint("tenant_id", "plan_id", "payment_installation", "payment_ref")
)
_points(refunds, "plan_id", "mg_plans")
_points(refunds, "payment_installation", "mg_installations")
Index("ix_mg_refunds_wake_at", refunds.c.wake_at)
_waits(refunds)
Index("ix_mg_refunds_order", refunds.c.tenant_id, refunds.c.order_installation, refunds.c.order_ref)
Index(
    "ix_mg_refunds_payment",
    refunds.c.tenant_id,
    refunds.c.payment_installation,
    refunds.c.payment_ref,
)
Index("ix_mg_refunds_state", refunds.c.tenant_id, refunds.c.state, refunds.c.changed_at)

refund_moves = _of_tenant(
    "mg_refund_moves",
    Column("refund_id", _ID, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("before", String(16), nullable=False),
    Column("after", String(16), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("actor", _NAME, nullable=False),
    Column("reason", _NAME, nullable=False),
    Column("evidence", _NAME, nullable=False),
    key=("refund_id", "seq"),
)
_points(refund_moves, "refund_id", "mg_refunds")

runs = _of_tenant(
    "mg_runs",
    Column("id", _ID, nullable=False),
    Column("customer", _NAME, nullable=False),
    Column("cause", _NAME, nullable=False),
    Column("state", String(16), nullable=False),
    Column("wake_at", UtcTime),
    Column("wakes", Integer, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    key=("id",),
)
Index("ix_mg_runs_wake_at", runs.c.wake_at)
_waits(runs)

effects = _of_tenant(
    "mg_effects",
    Column("key", _ID, nullable=False),
    Column("run_id", _ID, nullable=False),
    Column("position", Integer, nullable=False),
    Column("customer", _NAME, nullable=False),
    Column("kind", String(24), nullable=False),
    Column("resource_installation", _ID),
    Column("resource_kind", String(16)),
    Column("resource_ref", _NAME),
    Column("turn", Integer),
    Column("document", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("wake_at", UtcTime),
    Column("outcome", _NAME, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    key=("key",),
)
_points(effects, "run_id", "mg_runs")
Index("ix_mg_effects_run", effects.c.tenant_id, effects.c.run_id)
Index("ix_mg_effects_customer", effects.c.tenant_id, effects.c.customer)
Index("ix_mg_effects_state", effects.c.tenant_id, effects.c.state, effects.c.changed_at)

audit = _of_tenant(
    "mg_audit",
    Column("seq", Integer, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("actor", _NAME, nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", _NAME, nullable=False),
    Column("details", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    key=("seq",),
)

buckets = Table(
    "mg_buckets",
    metadata,
    Column("account", _NAME, primary_key=True),
    Column("full_at_us", BigInteger, nullable=False),
)

breakers = Table(
    "mg_breakers",
    metadata,
    Column("account", _NAME, primary_key=True),
    Column("failures", Integer, nullable=False),  # in a row
    Column("opened_at_us", BigInteger),  # None while calls go out
    Column("probe_at_us", BigInteger),  # when one call may try again
)

workers = Table(
    "mg_workers",
    metadata,
    Column("executor", _NAME, primary_key=True),
    Column("beat_us", BigInteger, nullable=False),  # by the database's clock
)

sweeps = _of_tenant(
    "mg_sweeps",
    Column("installation_id", _ID, nullable=False),
    Column("read_until", UtcTime, nullable=False),  # all that changed there before was read
    Column("swept_at", UtcTime),
    Column("wake_at", UtcTime),
    Column("wakes", Integer, nullable=False),
    Column("failures", Integer, nullable=False),  # in a row
    Column("reason", _NAME, nullable=False),  # why the last one did not end well
    Column("examined", _NAME, nullable=False),  # the last customer looked at in this round
    key=("installation_id",),
)
_points(sweeps, "installation_id", "mg_installations")
Index("ix_mg_sweeps_wake_at", sweeps.c.wake_at)

drifts = _of_tenant(
    "mg_drifts",
    Column("id", _ID, nullable=False),
    Column("installation_id", _ID, nullable=False),
    Column("customer", _NAME, nullable=False),  # empty where it is nobody's in particular
    Column("kind", String(24), nullable=False),
    Column("subject", _NAME, nullable=False),
    Column("state", String(16), nullable=False),
    Column("document", Text, nullable=False),
    Column("found_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    key=("id",),
)
_points(drifts, "installation_id", "mg_installations")
Index("ix_mg_drifts_found", drifts.c.tenant_id, drifts.c.state, drifts.c.found_at)
Index("ix_mg_drifts_of", drifts.c.tenant_id, drifts.c.installation_id, drifts.c.customer)

holds = _of_tenant(
    "mg_holds",
    Column("reason", String(24), nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("read_from", UtcTime, nullable=False),  # what happened outside since then is not known
    Column("wake_at", UtcTime),  # when to look whether it may end
    Column("wakes", Integer, nullable=False),
    key=("reason",),
)

pairings = _of_tenant(
    "mg_pairings",
    Column("id", _ID, nullable=False),
    Column("installation_id", _ID, nullable=False),
    Column("agent", _NAME, nullable=False),  # the desk's own id
    Column("state", String(16), nullable=False),
    Column("browser", String(64), nullable=False),  # the hash of what the browser's cookie holds
    Column("frame", String(64), nullable=False),  # the hash of what the frame that waits holds
    Column("framed_at", UtcTime, nullable=False),
    Column("link", String(64)),  # the hash of the one-time link's token, while it can be used
    Column("name", _NAME, nullable=False),
    Column("role", String(64), nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("paired_at", UtcTime),
    Column("expires_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("reason", _NAME, nullable=False),
    Column("wake_at", UtcTime),
    Column("wakes", Integer, nullable=False),
    key=("id",),
)
_points(pairings, "installation_id", "mg_installations")
_waits(pairings)
Index("ix_mg_pairings_wake_at", pairings.c.wake_at)
Index("ix_mg_pairings_link", pairings.c.link, unique=True)
Index(
    "ix_mg_pairings_asked",
    pairings.c.tenant_id,
    pairings.c.installation_id,
    pairings.c.asked_at,
)
