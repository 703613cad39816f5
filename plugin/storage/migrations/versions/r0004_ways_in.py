"""Ways in: which agent is proven in which browser, and which installs wait for their keys.

Only adds tables. But code of 0003 reads no document that holds a field which it does not know, and
code of 0004 writes such: so the older one may not run on it, and the way back takes these out.

Revision ID: 0004
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from plugin.storage.tables import UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
oldest_code = "0004"
_LATER_FIELDS = {"Order": "others_unseen", "AddTicketNote": "field"}
_LATER_WORDS = {"orders_unseen": "store_silent"}
"""Why nobody can tell what becomes of something, in a plan; and the nearest that 0003 knows."""
_HOLD_THEM = (
    ("mg_orders", ("installation_id", "ref"), ("others_unseen",)),
    ("mg_effects", ("key",), ("AddTicketNote",)),
    ("mg_plans", ("id",), ("AddTicketNote", *_LATER_WORDS)),
)


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
    """Drop them: an agent proves who they are again, an admin begins an install again.

    What 0003 cannot read is taken out of what is stored: whether a store showed all of a customer's
    orders is asked again, and a note says in no field of the ticket what came out.
    """
    op.drop_table("mg_pending_installs")
    op.drop_table("mg_pairings")
    for name, key, words in _HOLD_THEM:
        _take_out(name, key, words)


def _take_out(name: str, key: tuple[str, ...], words: tuple[str, ...]) -> None:
    db = op.get_bind()
    table = sa.table(name, *map(sa.column, ("tenant_id", *key, "document")))
    of_key = [table.c[part] for part in ("tenant_id", *key)]
    holds = sa.or_(*(table.c.document.contains(word, autoescape=True) for word in words))
    # The keys first: a cursor that is open over rows that change may show one twice.
    keys = db.execute(sa.select(*of_key).where(holds)).all()
    for values in keys:
        is_it = sa.and_(*(column == value for column, value in zip(of_key, values, strict=True)))
        document = db.execute(sa.select(table.c.document).where(is_it)).scalar_one()
        text = json.dumps(_known(json.loads(document)), ensure_ascii=False, separators=(",", ":"))
        db.execute(sa.update(table).where(is_it).values(document=text))


def _known(part: object) -> object:
    """What 0003 knows of a document, or of a part of one."""
    match part:
        case dict():
            later = _LATER_FIELDS.get(str(part.get("is")))
            found = {name: _known(inner) for name, inner in part.items() if name != later}
            if found.get("is") == "UnknownItem":
                why = str(found["why"])
                found["why"] = _LATER_WORDS.get(why, why)
            return found
        case list():
            return [_known(inner) for inner in part]
        case _:
            return part
