"""The first schema: tenants, installations, intake, ledger, plans, refunds, effects, audit.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from plugin.storage.tables import UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "mg_buckets",
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("full_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_mg_buckets")),
    )
    op.create_table(
        "mg_tenants",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("owners", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("audit_count", sa.Integer(), nullable=False),
        sa.Column("audit_head", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mg_tenants")),
    )
    op.create_table(
        "mg_audit",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_audit_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "seq", name=op.f("pk_mg_audit")),
    )
    op.create_table(
        "mg_facts",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("customer", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("known_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_facts_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_mg_facts")),
    )
    op.create_index("ix_mg_facts_customer", "mg_facts", ["tenant_id", "customer"], unique=False)
    op.create_table(
        "mg_installations",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("secrets", sa.Text(), nullable=False),
        sa.Column("self_test", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_installations_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_mg_installations")),
        sa.UniqueConstraint("id", name=op.f("uq_mg_installations_id")),
    )
    op.create_table(
        "mg_policies",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_policies_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "number", name=op.f("pk_mg_policies")),
    )
    op.create_table(
        "mg_requests",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("desk", sa.String(length=64), nullable=True),
        sa.Column("ticket", sa.String(length=255), nullable=True),
        sa.Column("order_installation", sa.String(length=64), nullable=False),
        sa.Column("order_ref", sa.String(length=255), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("asked_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_requests_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_mg_requests")),
    )
    op.create_index(
        "ix_mg_requests_ticket", "mg_requests", ["tenant_id", "desk", "ticket"], unique=False
    )
    op.create_table(
        "mg_runs",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("customer", sa.String(length=255), nullable=False),
        sa.Column("cause", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("wake_at", UtcTime(), nullable=True),
        sa.Column("wakes", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_runs_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_mg_runs")),
    )
    op.create_index("ix_mg_runs_wake_at", "mg_runs", ["wake_at"], unique=False)
    op.create_table(
        "mg_sign_ins",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.Column("used_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_sign_ins_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_mg_sign_ins")),
    )
    op.create_table(
        "mg_access_maps",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("installation_id", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("changed_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "installation_id"],
            ["mg_installations.tenant_id", "mg_installations.id"],
            name=op.f("fk_mg_access_maps_tenant_id_installation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_access_maps_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "installation_id", name=op.f("pk_mg_access_maps")),
    )
    op.create_table(
        "mg_deliveries",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("installation_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("topic", sa.String(length=255), nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("wake_at", UtcTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "installation_id"],
            ["mg_installations.tenant_id", "mg_installations.id"],
            name=op.f("fk_mg_deliveries_tenant_id_installation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_deliveries_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_mg_deliveries")),
        sa.UniqueConstraint(
            "tenant_id",
            "installation_id",
            "name",
            name=op.f("uq_mg_deliveries_tenant_id_installation_id_name"),
        ),
    )
    op.create_index(
        "ix_mg_deliveries_received", "mg_deliveries", ["tenant_id", "received_at"], unique=False
    )
    op.create_index("ix_mg_deliveries_wake_at", "mg_deliveries", ["wake_at"], unique=False)
    op.create_table(
        "mg_effects",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("customer", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("resource_installation", sa.String(length=64), nullable=True),
        sa.Column("resource_kind", sa.String(length=16), nullable=True),
        sa.Column("resource_ref", sa.String(length=255), nullable=True),
        sa.Column("turn", sa.Integer(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("wake_at", UtcTime(), nullable=True),
        sa.Column("outcome", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("changed_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["mg_runs.tenant_id", "mg_runs.id"],
            name=op.f("fk_mg_effects_tenant_id_run_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_effects_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("pk_mg_effects")),
    )
    op.create_index("ix_mg_effects_customer", "mg_effects", ["tenant_id", "customer"], unique=False)
    op.create_index("ix_mg_effects_run", "mg_effects", ["tenant_id", "run_id"], unique=False)
    op.create_table(
        "mg_orders",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("installation_id", sa.String(length=64), nullable=False),
        sa.Column("ref", sa.String(length=255), nullable=False),
        sa.Column("customer", sa.String(length=255), nullable=False),
        sa.Column("number", sa.String(length=255), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("read_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "installation_id"],
            ["mg_installations.tenant_id", "mg_installations.id"],
            name=op.f("fk_mg_orders_tenant_id_installation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_orders_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "installation_id", "ref", name=op.f("pk_mg_orders")),
    )
    op.create_index("ix_mg_orders_customer", "mg_orders", ["tenant_id", "customer"], unique=False)
    op.create_index("ix_mg_orders_number", "mg_orders", ["tenant_id", "number"], unique=False)
    op.create_table(
        "mg_plans",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("made_at", UtcTime(), nullable=False),
        sa.Column("decided_at", UtcTime(), nullable=True),
        sa.Column("decided_by", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "request_id"],
            ["mg_requests.tenant_id", "mg_requests.id"],
            name=op.f("fk_mg_plans_tenant_id_request_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_plans_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_mg_plans")),
    )
    op.create_index("ix_mg_plans_request", "mg_plans", ["tenant_id", "request_id"], unique=False)
    op.create_table(
        "mg_refunds",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("plan_id", sa.String(length=64), nullable=False),
        sa.Column("order_installation", sa.String(length=64), nullable=False),
        sa.Column("order_ref", sa.String(length=255), nullable=False),
        sa.Column("payment_installation", sa.String(length=64), nullable=False),
        sa.Column("payment_ref", sa.String(length=255), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("send_at", UtcTime(), nullable=False),
        sa.Column("wake_at", UtcTime(), nullable=True),
        sa.Column("wakes", sa.Integer(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("gateway_ref", sa.String(length=255), nullable=True),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("changed_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "payment_installation"],
            ["mg_installations.tenant_id", "mg_installations.id"],
            name=op.f("fk_mg_refunds_tenant_id_payment_installation"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "plan_id"],
            ["mg_plans.tenant_id", "mg_plans.id"],
            name=op.f("fk_mg_refunds_tenant_id_plan_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_refunds_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_mg_refunds")),
        sa.UniqueConstraint(
            "tenant_id",
            "plan_id",
            "payment_installation",
            "payment_ref",
            name=op.f("uq_mg_refunds_tenant_id_plan_id_payment_installation_payment_ref"),
        ),
    )
    op.create_index(
        "ix_mg_refunds_order",
        "mg_refunds",
        ["tenant_id", "order_installation", "order_ref"],
        unique=False,
    )
    op.create_index(
        "ix_mg_refunds_payment",
        "mg_refunds",
        ["tenant_id", "payment_installation", "payment_ref"],
        unique=False,
    )
    op.create_index("ix_mg_refunds_wake_at", "mg_refunds", ["wake_at"], unique=False)
    op.create_table(
        "mg_refund_moves",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("refund_id", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("before", sa.String(length=16), nullable=False),
        sa.Column("after", sa.String(length=16), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("evidence", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "refund_id"],
            ["mg_refunds.tenant_id", "mg_refunds.id"],
            name=op.f("fk_mg_refund_moves_tenant_id_refund_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["mg_tenants.id"], name=op.f("fk_mg_refund_moves_tenant_id")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "refund_id", "seq", name=op.f("pk_mg_refund_moves")),
    )


def downgrade() -> None:
    """Drop all tables."""
    op.drop_table("mg_refund_moves")
    op.drop_index("ix_mg_refunds_wake_at", table_name="mg_refunds")
    op.drop_index("ix_mg_refunds_payment", table_name="mg_refunds")
    op.drop_index("ix_mg_refunds_order", table_name="mg_refunds")
    op.drop_table("mg_refunds")
    op.drop_index("ix_mg_plans_request", table_name="mg_plans")
    op.drop_table("mg_plans")
    op.drop_index("ix_mg_orders_number", table_name="mg_orders")
    op.drop_index("ix_mg_orders_customer", table_name="mg_orders")
    op.drop_table("mg_orders")
    op.drop_index("ix_mg_effects_run", table_name="mg_effects")
    op.drop_index("ix_mg_effects_customer", table_name="mg_effects")
    op.drop_table("mg_effects")
    op.drop_index("ix_mg_deliveries_wake_at", table_name="mg_deliveries")
    op.drop_index("ix_mg_deliveries_received", table_name="mg_deliveries")
    op.drop_table("mg_deliveries")
    op.drop_table("mg_access_maps")
    op.drop_table("mg_sign_ins")
    op.drop_index("ix_mg_runs_wake_at", table_name="mg_runs")
    op.drop_table("mg_runs")
    op.drop_index("ix_mg_requests_ticket", table_name="mg_requests")
    op.drop_table("mg_requests")
    op.drop_table("mg_policies")
    op.drop_table("mg_installations")
    op.drop_index("ix_mg_facts_customer", table_name="mg_facts")
    op.drop_table("mg_facts")
    op.drop_table("mg_audit")
    op.drop_table("mg_tenants")
    op.drop_table("mg_buckets")
