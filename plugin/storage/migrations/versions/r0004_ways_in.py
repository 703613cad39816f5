"""Ways in: which agent is proven in which browser, and which installs wait for their keys.

Only adds tables, so that the version before goes on working beside this one.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from plugin.storage.tables import UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
oldest_code = "0003"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "mg_pairings",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("installation_id", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("frame", sa.String(length=64), nullable=False),
        sa.Column("framed_at", UtcTime(), nullable=False),
        sa.Column("link", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("asked_at", UtcTime(), nullable=False),
        sa.Column("paired_at", UtcTime(), nullable=True),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.Column("ended_at", UtcTime(), nullable=True),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("wake_at", UtcTime(), nullable=True),
        sa.Column("wakes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_pairings_tenant_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "installation_id"],
            ["mg_installations.tenant_id", "mg_installations.id"],
            name=op.f("fk_mg_pairings_tenant_id_installation_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_mg_pairings")),
    )
    op.create_index("ix_mg_pairings_wake_at", "mg_pairings", ["wake_at"])
    op.create_index(
        "ix_mg_pairings_waiting",
        "mg_pairings",
        ["tenant_id", "wake_at"],
        sqlite_where=sa.text("wake_at IS NOT NULL"),
        postgresql_where=sa.text("wake_at IS NOT NULL"),
    )
    op.create_index("ix_mg_pairings_link", "mg_pairings", ["link"], unique=True)
    op.create_index(
        "ix_mg_pairings_asked", "mg_pairings", ["tenant_id", "installation_id", "asked_at"]
    )
    _add_pending_installs()


def _add_pending_installs() -> None:
    installation = ["mg_installations.tenant_id", "mg_installations.id"]
    op.create_table(
        "mg_pending_installs",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("typed", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("changed_at", UtcTime(), nullable=False),
        sa.Column("replaces", sa.String(length=64), nullable=True),
        sa.Column("another", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("installation_id", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_pending_installs_tenant_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "replaces"],
            installation,
            name=op.f("fk_mg_pending_installs_tenant_id_replaces"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "installation_id"],
            installation,
            name=op.f("fk_mg_pending_installs_tenant_id_installation_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_mg_pending_installs")),
        sa.UniqueConstraint("id", name=op.f("uq_mg_pending_installs_id")),
    )


def downgrade() -> None:
    """Drop them: an agent proves who they are again, an admin begins an install again."""
    op.drop_table("mg_pending_installs")
    op.drop_table("mg_pairings")
