"""A migration that the next version may bring: only adds. For tests, in a folder of their own."""

from __future__ import annotations

from pathlib import Path

from plugin.storage.schema_version import REVISION

NEXT = f"{int(REVISION) + 1:04}"
_SCRIPT = """
import sqlalchemy as sa
from alembic import op

revision = "{next}"
down_revision = "{now}"
branch_labels = None
depends_on = None
oldest_code = "{oldest}"


def upgrade() -> None:
    op.create_table("mg_next", sa.Column("id", sa.String(64), primary_key=True))
    op.add_column("mg_refunds", sa.Column("next_note", sa.String(255), nullable=True))
    op.create_index("ix_mg_refunds_next", "mg_refunds", ["next_note"])


def downgrade() -> None:
    op.drop_index("ix_mg_refunds_next", table_name="mg_refunds")
    op.drop_column("mg_refunds", "next_note")
    op.drop_table("mg_next")
"""


def next_version(folder: Path, oldest_code: str = REVISION) -> None:
    """Write the migration into `folder`: a table more, a nullable column more, an index more."""
    script = _SCRIPT.format(next=NEXT, now=REVISION, oldest=oldest_code)
    (folder / "next.py").write_text(script, "utf-8")
