"""A tenant's own settings: what it is called, policy versions and access maps."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import cast

from sqlalchemy import bindparam, select, update

from plugin.domain.access_map import AccessMap
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Resource
from plugin.domain.policy import Policy, PolicyVersion
from plugin.domain.policy_document import policy_version_from, to_document
from plugin.ports.records import Tenant
from plugin.storage import tables as t
from plugin.storage.codec import from_doc, to_doc
from plugin.storage.prepared import Prepared
from plugin.storage.rows import TenantRows, mine
from plugin.storage.tenant_row import tenant_from

_TENANT = Prepared(select(t.tenants).where(t.tenants.c.id == bindparam("tenant")))
_POLICIES = Prepared(
    select(t.policies.c.document).where(mine(t.policies)).order_by(t.policies.c.number)
)
_MAPS = Prepared(select(t.access_maps.c.document).where(mine(t.access_maps)))


class SettingRows(TenantRows):
    """Implements `plugin.ports.storage.Settings`."""

    def tenant(self) -> Tenant:
        def read() -> Tenant:
            [row] = self._run(_TENANT)
            return tenant_from(row)

        return self._once("tenant", read)

    def describe_tenant(self, name: str, time_zone: str, locale: str) -> None:
        self._db.execute(
            update(t.tenants)
            .where(t.tenants.c.id == self._tenant)
            .values(name=name, time_zone=time_zone, locale=locale)
        )

    def policy(self) -> Policy | None:
        documents = self._once("policy", lambda: self._documents(_POLICIES))
        return _read_policy(documents)

    def add_policy(self, version: PolicyVersion) -> None:
        self._insert(t.policies, number=version.number, document=json.dumps(to_document(version)))

    def access_map(self) -> AccessMap:
        """The union of what was said of each store account."""
        documents = self._once("map", lambda: self._documents(_MAPS))
        return _read_map(documents)

    def save_access_map(
        self, installation: InstallationId, access: AccessMap, at: datetime
    ) -> None:
        document = {
            "products": [[*key, to_doc(gives)] for key, gives in sorted(access.products.items())],
            "bundles": [[to_doc(a), to_doc(b)] for a, b in sorted(access.bundles.items())],
            "tags": [[to_doc(a), to_doc(b)] for a, b in sorted(access.tags.items())],
        }
        self._replace(
            t.access_maps,
            ("installation_id",),
            installation_id=installation,
            document=json.dumps(document, ensure_ascii=False),
            changed_at=at,
        )

    def _documents(self, statement: Prepared) -> tuple[str, ...]:
        return tuple(row.document for row in self._run(statement))


# Read again only where the text is another one: a panel asks for both a dozen times.


@lru_cache(maxsize=256)
def _read_policy(documents: tuple[str, ...]) -> Policy | None:
    versions = tuple(policy_version_from(json.loads(document)) for document in documents)
    return Policy(versions) if versions else None


@lru_cache(maxsize=256)
def _read_map(documents: tuple[str, ...]) -> AccessMap:
    products: dict[tuple[str, str], tuple[Resource, ...]] = {}
    bundles: dict[Resource, tuple[Resource, ...]] = {}
    tags: dict[Resource, tuple[Resource, ...]] = {}
    for text in documents:
        document = json.loads(text)
        for installation, product, gives in document["products"]:
            products[installation, product] = _resources(gives)
        for opener, opened in document["bundles"]:
            bundles[_resource(opener)] = _resources(opened)
        for opener, opened in document["tags"]:
            tags[_resource(opener)] = _resources(opened)
    return AccessMap(products, bundles, tags)


def _resource(document: object) -> Resource:
    return cast("Resource", from_doc(Resource, document))


def _resources(documents: object) -> tuple[Resource, ...]:
    return cast("tuple[Resource, ...]", from_doc(tuple[Resource, ...], documents))
