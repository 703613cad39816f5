"""Makegood refuses to start where another distribution claims its import names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from plugin.import_guard import ImportNameTaken, foreign_owners, refuse_foreign_owners


def install_stranger(site: Path, name: str, import_name: str) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "top_level.txt").write_text(f"{import_name}\n")


def test_our_own_distribution_may_own_our_names() -> None:
    assert foreign_owners({"plugin": ["makegood"], "webhooks": ["Makegood", "makegood"]}) == {}


def test_a_checkout_that_was_never_installed_is_fine() -> None:
    assert foreign_owners({"flask": ["Flask"]}) == {}


def test_a_second_owner_is_named() -> None:
    owners = {"plugin": ["makegood"], "webhooks": ["webhooks", "makegood", "webhooks"]}
    assert foreign_owners(owners) == {"webhooks": ["webhooks"]}


def test_a_sole_foreign_owner_is_named() -> None:
    assert foreign_owners({"plugin": ["other"]}) == {"plugin": ["other"]}


def test_this_environment_is_ours() -> None:
    refuse_foreign_owners()


def test_an_installed_stranger_stops_the_start_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_stranger(tmp_path, "stranger", "webhooks")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ImportNameTaken, match="`webhooks` by stranger") as caught:
        refuse_foreign_owners()
    assert "pip uninstall stranger" in str(caught.value)


def test_two_strangers_are_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_stranger(tmp_path, "one", "webhooks")
    install_stranger(tmp_path, "two", "plugin")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ImportNameTaken, match="`plugin` by two; `webhooks` by one"):
        refuse_foreign_owners()
