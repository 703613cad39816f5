"""Runs migrations on the connection that `plugin.storage.schema` hands over.

Touches only `mg_` tables.
"""

from __future__ import annotations

from alembic import context

from plugin.storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table="mg_schema",
    include_name=lambda name, kind, _parents: kind != "table" or (name or "").startswith("mg_"),
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
