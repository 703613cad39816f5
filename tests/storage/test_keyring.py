"""Credentials at rest: what opens them, what does not, and how keys change."""

from __future__ import annotations

import json

import pytest
from cryptography.fernet import Fernet

from plugin.domain.errors import NeedsHuman
from plugin.ports.records import Tenant
from plugin.storage.keyring import Keyring
from plugin.storage.unit_of_work import SqlStorage
from tests.factories import STORE, an_installation

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
SECRETS = {"key": "s3cr3t", "webhook": "ß"}


def test_what_was_sealed_opens_at_its_place_and_is_not_to_be_read_otherwise() -> None:
    sealed = Keyring([OLD]).seal("t/i", SECRETS)

    assert Keyring([OLD]).open("t/i", sealed) == SECRETS
    assert "s3cr3t" not in sealed
    assert Keyring([OLD]).seal("t/i", SECRETS) != sealed


def test_an_older_key_still_opens_and_rotation_moves_to_the_newest() -> None:
    sealed = Keyring([OLD]).seal("t/i", SECRETS)
    both = Keyring([NEW, OLD])

    assert both.open("t/i", sealed) == SECRETS
    rotated = both.rotate(sealed)
    assert Keyring([NEW]).open("t/i", rotated) == SECRETS
    with pytest.raises(NeedsHuman, match="secrets_unreadable"):
        Keyring([OLD]).open("t/i", rotated)


def test_a_wrong_key_opens_nothing_and_rotates_nothing() -> None:
    sealed = Keyring([OLD]).seal("t/i", SECRETS)

    with pytest.raises(NeedsHuman, match="none of the keys opens a credential"):
        Keyring([NEW]).open("t/i", sealed)
    with pytest.raises(NeedsHuman, match="none of the keys opens a credential"):
        Keyring([NEW]).rotate(sealed)


@pytest.mark.parametrize("damaged", ["", "no token", "gAAAAA=="])
def test_a_damaged_credential_is_said_to_be_unreadable(damaged: str) -> None:
    with pytest.raises(NeedsHuman, match="secrets_unreadable"):
        Keyring([OLD]).open("t/i", damaged)


def test_a_credential_copied_to_another_place_does_not_open_there() -> None:
    sealed = Keyring([OLD]).seal("tenant-1/store-1", SECRETS)

    with pytest.raises(NeedsHuman, match="secrets_misplaced"):
        Keyring([OLD]).open("tenant-2/store-1", sealed)


@pytest.mark.parametrize("keys", [[], ["short"], [OLD, ""], ["ä" * 44]])
def test_keys_that_are_none_are_refused(keys: list[str]) -> None:
    with pytest.raises(NeedsHuman, match="give Fernet keys"):
        Keyring(keys)


def test_what_is_sealed_is_json_of_the_place_and_the_secrets() -> None:
    opened = Fernet(OLD).decrypt(Keyring([OLD]).seal("t/i", SECRETS))

    assert json.loads(opened) == {"at": "t/i", "is": SECRETS}


def test_a_row_moved_in_the_database_does_not_open(shop: SqlStorage, tenant: Tenant) -> None:
    with shop.begin(tenant.id) as uow:
        uow.installations.add(an_installation("store-9"))
        uow._db.exec_driver_sql(
            "UPDATE mg_installations SET secrets ="
            " (SELECT secrets FROM mg_installations WHERE id = 'store-9') WHERE id = 'store-1'"
        )
        with pytest.raises(NeedsHuman, match="secrets_misplaced"):
            uow.installations.get(STORE)
