"""What all tables of a tenant share: the connection, and the tenant that every statement names."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table, insert
from sqlalchemy import Connection as Db
from sqlalchemy.dialects import postgresql, sqlite

from plugin.domain.ids import TenantId


class TenantRows:
    """Rows of one tenant, inside one transaction."""

    def __init__(self, db: Db, tenant: TenantId) -> None:
        self._db = db
        self._tenant = tenant

    def _mine(self, table: Table) -> ColumnElement[bool]:
        return table.c.tenant_id == self._tenant

    def _insert(self, table: Table, **values: object) -> None:
        self._db.execute(insert(table).values(tenant_id=self._tenant, **values))

    def _insert_new(self, table: Table, **values: object) -> bool:
        """Insert unless a unique constraint says that it is there. True when a row came into being.

        Asked by RETURNING: `rowcount` after ON CONFLICT does not tell on every driver.
        """
        dialect = postgresql if self._db.dialect.name == "postgresql" else sqlite
        statement = (
            dialect.insert(table)
            .values(tenant_id=self._tenant, **values)
            .on_conflict_do_nothing()
            .returning(table.c.tenant_id)
        )
        return self._db.execute(statement).first() is not None

    def _replace(self, table: Table, key: tuple[str, ...], **values: object) -> None:
        """Insert, or overwrite the row with the same key."""
        dialect = postgresql if self._db.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(table).values(tenant_id=self._tenant, **values)
        rest = {name: value for name, value in values.items() if name not in key}
        self._db.execute(
            statement.on_conflict_do_update(index_elements=["tenant_id", *key], set_=rest)
        )
