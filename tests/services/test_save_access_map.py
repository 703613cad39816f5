"""The access map: read strictly from a document, or entry by entry."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.domain.access_map import AccessMap
from plugin.domain.ids import InstallationId
from plugin.ports.records import Tenant
from plugin.services.save_access_map import MapRefused, MapSaved, SaveAccessMap, of_installation
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import BANK, NOW, STORE, a_bundle, a_course, a_tag, an_installation

DOCUMENT = {
    "products": {"plan-1": [{"kind": "course", "ref": "c1", "name": "Portrait Lighting"}]},
    "bundles": {"b1": [{"kind": "course", "ref": "c1"}, {"kind": "course", "ref": "c1"}]},
    "tags": {"t1": [{"kind": "course", "ref": "c2"}]},
}


@pytest.fixture
def use_case(storage: SqlStorage, tenant: Tenant) -> SaveAccessMap:
    with storage.begin(tenant.id) as uow:
        uow.installations.add(an_installation())
        uow.installations.add(an_installation(BANK))
        uow.commit()
    return SaveAccessMap(storage)


def _map(storage: SqlStorage, tenant: Tenant, ref: InstallationId = STORE) -> AccessMap:
    with storage.read(tenant.id) as uow:
        return of_installation(uow, ref)


def _whole(use_case: SaveAccessMap, tenant: Tenant, document: object) -> object:
    return use_case.whole(tenant.id, STORE, document, "terminal", NOW)


def test_a_document_becomes_the_map(
    use_case: SaveAccessMap, storage: SqlStorage, tenant: Tenant
) -> None:
    assert _whole(use_case, tenant, DOCUMENT) == MapSaved(1, 1, 1)
    kept = _map(storage, tenant)
    assert kept.given_by(STORE, "plan-1") == (a_course(),)
    assert kept.inside(a_bundle()) == (a_course(),)
    assert kept.opened_by(a_tag()) == (a_course("c2"),)
    with storage.read(tenant.id) as uow:
        (entry,) = uow.audit.entries(0, 9)
    assert entry.details == {"products": "1", "bundles": "1", "tags": "1"}


def test_parts_may_be_left_out_and_a_new_document_replaces_the_old(
    use_case: SaveAccessMap, storage: SqlStorage, tenant: Tenant
) -> None:
    _whole(use_case, tenant, DOCUMENT)
    assert _whole(use_case, tenant, {"products": {"plan-2": []}}) == MapSaved(1, 0, 0)
    assert _map(storage, tenant).given_by(STORE, "plan-1") is None
    assert _map(storage, tenant).given_by(STORE, "plan-2") == ()


def test_each_store_has_its_own_part(
    use_case: SaveAccessMap, storage: SqlStorage, tenant: Tenant
) -> None:
    _whole(use_case, tenant, DOCUMENT)
    use_case.whole(tenant.id, BANK, {"products": {"x": []}}, "terminal", NOW)
    assert _map(storage, tenant).given_by(STORE, "plan-1") == (a_course(),)
    assert list(_map(storage, tenant, BANK).products) == [(BANK, "x")]


@pytest.mark.parametrize(
    ("document", "field", "word"),
    [
        ([], "document", "braces"),
        ({"plans": {}}, "plans", "products, bundles, tags"),
        ({"products": []}, "products", "braces"),
        ({"products": {"": []}}, "products.", "in quotes"),
        ({"products": {"p": "course"}}, "products.p", "list"),
        ({"products": {"p": ["course"]}}, "products.p[0]", "braces"),
        ({"products": {"p": [{"ref": "1"}]}}, "products.p[0].kind", "course"),
        ({"products": {"p": [{"kind": "course"}]}}, "products.p[0].ref", "in quotes"),
        ({"products": {"p": [{"kind": "course", "ref": 7}]}}, "products.p[0].ref", "in quotes"),
        (
            {"products": {"p": [{"kind": "course", "ref": "a\nb"}]}},
            "products.p[0].ref",
            "one line",
        ),
        (
            {"products": {"p": [{"kind": "course", "ref": "1", "name": 3}]}},
            "products.p[0].name",
            "one line",
        ),
        (
            {"products": {"p": [{"kind": "course", "ref": "1", "id": 3}]}},
            "products.p[0].id",
            "kind, ref and name",
        ),
        ({"tags": {"t": [{"kind": "tag", "ref": "u"}]}}, "tags", "another tag"),
    ],
)
def test_what_is_not_understood_refuses_the_whole_document(
    use_case: SaveAccessMap,
    storage: SqlStorage,
    tenant: Tenant,
    document: Any,  # noqa: ANN401 - JSON of any shape
    field: str,
    word: str,
) -> None:
    _whole(use_case, tenant, DOCUMENT)
    outcome = _whole(use_case, tenant, document)
    assert isinstance(outcome, MapRefused)
    assert outcome.field == field
    assert word in outcome.advice
    assert _map(storage, tenant).given_by(STORE, "plan-1") == (a_course(),)


def test_entries_come_and_go_one_by_one(
    use_case: SaveAccessMap, storage: SqlStorage, tenant: Tenant
) -> None:
    def say(part: str, ref: str, *opens: str) -> object:
        given = tuple(a_course(one) for one in opens)
        return use_case.entry(tenant.id, STORE, part, ref, given, "admin", NOW)

    assert say("products", " plan-1 ", "c1") == MapSaved(1, 0, 0)
    assert say("bundles", "b1", "c1", "c2") == MapSaved(1, 1, 0)
    assert say("tags", "t1", "c2") == MapSaved(1, 1, 1)
    kept = _map(storage, tenant)
    assert kept.given_by(STORE, "plan-1") == (a_course(),)
    assert kept.inside(a_bundle()) == (a_course(), a_course("c2"))
    for left, (part, ref) in enumerate((("tags", "t1"), ("bundles", "b1"), ("products", "plan-1"))):
        outcome = use_case.entry(tenant.id, STORE, part, ref, None, "admin", NOW)
        assert isinstance(outcome, MapSaved)
        assert outcome.products + outcome.bundles + outcome.tags == 2 - left
    assert _map(storage, tenant) == AccessMap()


def test_an_entry_that_cannot_be_used_changes_nothing(
    use_case: SaveAccessMap, storage: SqlStorage, tenant: Tenant
) -> None:
    for part, ref, opens, field in (
        ("plans", "p", (), "part"),
        ("products", " ", (), "ref"),
        ("tags", "t1", (a_tag("t2"),), "tags"),
        ("bundles", "b1", (a_tag("t2"),), "bundles"),
    ):
        outcome = use_case.entry(tenant.id, STORE, part, ref, opens, "admin", NOW)
        assert isinstance(outcome, MapRefused)
        assert outcome.field == field
    assert _map(storage, tenant) == AccessMap()


def test_a_map_needs_a_connection(use_case: SaveAccessMap, tenant: Tenant) -> None:
    outcome = use_case.whole(tenant.id, InstallationId("none"), {}, "terminal", NOW)
    assert isinstance(outcome, MapRefused)
    assert outcome.field == "installation"
