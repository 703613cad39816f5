"""An insert that may meet its row: SQL has no one word for it, so each database has its own."""

from __future__ import annotations

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_or(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert to be ended with `on_conflict_do_nothing` or `on_conflict_do_update`.

    `dialect` is the name that SQLAlchemy gives the database.
    """
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
