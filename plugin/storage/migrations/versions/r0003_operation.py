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


def upgrade() -> None:
    """Make the five tables."""
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
        sa.Column("reason", sa.String(length=255), nullable=False),
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
    op.create_index("ix_mg_drifts_found", "mg_drifts", ["tenant_id", "found_at"])
    op.create_table(
        "mg_holds",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        _of("mg_holds"),
        sa.PrimaryKeyConstraint("tenant_id", "reason", name=op.f("pk_mg_holds")),
    )


def downgrade() -> None:
    """Drop them: who beats, which account rests and how far was read is found out again."""
    op.drop_table("mg_holds")
    op.drop_index("ix_mg_drifts_found", table_name="mg_drifts")
    op.drop_table("mg_drifts")
    op.drop_index("ix_mg_sweeps_wake_at", table_name="mg_sweeps")
    op.drop_table("mg_sweeps")
    op.drop_table("mg_breakers")
    op.drop_table("mg_workers")


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
