"""Which account at its store bought an order, where it can be searched by.

Only adds, so that the version before goes on working beside this one. What that one writes
meanwhile tells no account until the order is read again.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
oldest_code = "0004"


def upgrade() -> None:
    """Add the column, and fill it from the documents."""
    op.add_column("mg_orders", sa.Column("contact", sa.String(length=255), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("UPDATE mg_orders SET contact = document::json ->> 'contact'")
    else:
        op.execute("UPDATE mg_orders SET contact = json_extract(document, '$.contact')")
    by_account = ["tenant_id", "installation_id", "contact"]
    op.create_index("ix_mg_orders_contact", "mg_orders", by_account)


def downgrade() -> None:
    """Drop it: the documents still tell."""
    op.drop_index("ix_mg_orders_contact", table_name="mg_orders")
    op.drop_column("mg_orders", "contact")
