"""The house as it is put together renews keys that end."""

from __future__ import annotations

from plugin.app import Parts
from plugin.services.renew_keys import RenewKeys


def test_adapters_are_given_the_shelf_of_the_houses_own_rows(parts: Parts) -> None:
    shelf = parts.platforms.shelf
    assert isinstance(shelf, RenewKeys)
    assert shelf.storage is parts.house.storage
