"""Which agent of which desk decided a plan, beside the name. Unknown for plans from before.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the desk's id and the agent's id at that desk."""
    op.add_column("mg_plans", sa.Column("decided_desk", sa.String(length=64), nullable=True))
    op.add_column("mg_plans", sa.Column("decided_agent", sa.String(length=255), nullable=True))


def downgrade() -> None:
    """Keep the names only."""
    op.drop_column("mg_plans", "decided_agent")
    op.drop_column("mg_plans", "decided_desk")
