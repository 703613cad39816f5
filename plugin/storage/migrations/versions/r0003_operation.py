"""What operation keeps: workers that live, accounts that rest, sweeps, drifts, and holds.

Only adds tables, so that the version before goes on working beside this one.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from plugin.storage.tables import UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
oldest_code = "0003"
"""Code from before knows no holds: it would send what must not be sent yet."""
WAITING = ("mg_deliveries", "mg_refunds", "mg_runs")


def upgrade() -> None:
    """Make the five tables, and room to say which code may run on a schema."""
    op.add_column("mg_schema", sa.Column("oldest_code", sa.String(length=32), nullable=True))
    op.create_table(
        "mg_workers",
        sa.Column("executor", sa.String(length=255), nullable=False),
        sa.Column("beat_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("executor", name=op.f("pk_mg_workers")),
    )
    op.create_table(
        "mg_breakers",
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at_us", sa.BigInteger(), nullable=True),
        sa.Column("probe_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_mg_breakers")),
    )
    op.create_table(
        "mg_sweeps",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("installation_id", sa.String(length=64), nullable=False),
        sa.Column("read_until", UtcTime(), nullable=False),
        sa.Column("swept_at", UtcTime(), nullable=True),
        sa.Column("wake_at", UtcTime(), nullable=True),
        sa.Column("wakes", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("examined", sa.String(length=255), nullable=False),
        _of("mg_sweeps"),
        _at_installation("mg_sweeps"),
        sa.PrimaryKeyConstraint("tenant_id", "installation_id", name=op.f("pk_mg_sweeps")),
    )
    op.create_index("ix_mg_sweeps_wake_at", "mg_sweeps", ["wake_at"])
    op.create_table(
        "mg_drifts",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("installation_id", sa.String(length=64), nullable=False),
        sa.Column("customer", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("found_at", UtcTime(), nullable=False),
        sa.Column("changed_at", UtcTime(), nullable=False),
        _of("mg_drifts"),
        _at_installation("mg_drifts"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_mg_drifts")),
    )
    op.create_index("ix_mg_drifts_found", "mg_drifts", ["tenant_id", "state", "found_at"])
    op.create_index("ix_mg_drifts_of", "mg_drifts", ["tenant_id", "installation_id", "customer"])
    op.create_table(
        "mg_holds",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.Column("read_from", UtcTime(), nullable=False),
        sa.Column("wake_at", UtcTime(), nullable=True),
        sa.Column("wakes", sa.Integer(), nullable=False),
        _of("mg_holds"),
        sa.PrimaryKeyConstraint("tenant_id", "reason", name=op.f("pk_mg_holds")),
    )
    _index_what_health_asks()
    _index_whom_to_examine()
    for table in WAITING:
        # Each tenant's own: what one has waiting must not be read to find what another has.
        op.create_index(
            f"ix_{table}_waiting",
            table,
            ["tenant_id", "wake_at"],
            sqlite_where=sa.text("wake_at IS NOT NULL"),
            postgresql_where=sa.text("wake_at IS NOT NULL"),
        )


def _index_whom_to_examine() -> None:
    """The customers of whom something ended are found without reading all facts."""
    ending = sa.text(
        "kind IN ('DisputeClosed', 'DisputeOpened', 'PaidUntil', 'RefundFailed', 'Refunded',"
        " 'TagRemoved')"
    )
    op.create_index(
        "ix_mg_facts_ending",
        "mg_facts",
        ["tenant_id", "customer"],
        sqlite_where=ending,
        postgresql_where=ending,
    )


def _index_what_health_asks() -> None:
    """What the health page counts is found without reading all that ever came."""
    op.create_index(
        "ix_mg_deliveries_heard", "mg_deliveries", ["tenant_id", "installation_id", "received_at"]
    )
    kept = sa.text("state IN ('failed', 'unreadable', 'unrecognised')")
    op.create_index(
        "ix_mg_deliveries_kept",
        "mg_deliveries",
        ["tenant_id", "received_at"],
        sqlite_where=kept,
        postgresql_where=kept,
    )
    op.create_index("ix_mg_refunds_state", "mg_refunds", ["tenant_id", "state", "changed_at"])
    op.create_index("ix_mg_effects_state", "mg_effects", ["tenant_id", "state", "changed_at"])


def downgrade() -> None:
    """Drop them: who beats, which account rests and how far was read is found out again."""
    for table in WAITING:
        op.drop_index(f"ix_{table}_waiting", table_name=table)
    op.drop_index("ix_mg_facts_ending", table_name="mg_facts")
    op.drop_index("ix_mg_effects_state", table_name="mg_effects")
    op.drop_index("ix_mg_refunds_state", table_name="mg_refunds")
    op.drop_index("ix_mg_deliveries_kept", table_name="mg_deliveries")
    op.drop_index("ix_mg_deliveries_heard", table_name="mg_deliveries")
    op.drop_table("mg_holds")
    op.drop_index("ix_mg_drifts_of", table_name="mg_drifts")
    op.drop_index("ix_mg_drifts_found", table_name="mg_drifts")
    op.drop_table("mg_drifts")
    op.drop_index("ix_mg_sweeps_wake_at", table_name="mg_sweeps")
    op.drop_table("mg_sweeps")
    op.drop_table("mg_breakers")
    op.drop_table("mg_workers")
    op.drop_column("mg_schema", "oldest_code")


def _of(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id"], ["mg_tenants.id"], name=op.f(f"fk_{table}_tenant_id")
    )


def _at_installation(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "installation_id"],
        ["mg_installations.tenant_id", "mg_installations.id"],
        name=op.f(f"fk_{table}_tenant_id_installation_id"),
    )
