"""The loader finds the data in a checkout and in an installation, and says what to do otherwise.

Where the data lies in a real wheel and a real editable install is shown by test_packaging.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin.platforms.data_files import DataFiles, DataMissing


def build_front_end(ui_extensions: Path) -> None:
    (ui_extensions / "dist/panel").mkdir(parents=True)
    (ui_extensions / "dist/assets.json").write_text('{"panel/panel.js": "panel/panel-AB12.js"}')
    (ui_extensions / "dist/panel/panel-AB12.js").write_text("1")


@pytest.fixture
def checkout(tmp_path: Path) -> DataFiles:
    for folder in ("plugin", "manifests/stores"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "setup.cfg").touch()
    build_front_end(tmp_path / "ui_extensions")
    return DataFiles(tmp_path / "plugin")


@pytest.fixture
def installed(tmp_path: Path) -> DataFiles:
    (tmp_path / "plugin/_manifests/stores").mkdir(parents=True)
    build_front_end(tmp_path / "plugin/_ui_extensions")
    return DataFiles(tmp_path / "plugin")


def test_a_checkout_keeps_its_data_beside_the_package(checkout: DataFiles) -> None:
    assert checkout.manifests() == checkout.package.parent / "manifests"
    assert checkout.front_end() == checkout.package.parent / "ui_extensions/dist"


def test_an_installation_keeps_its_data_below_the_package(installed: DataFiles) -> None:
    assert installed.manifests() == installed.package / "_manifests"
    assert installed.front_end() == installed.package / "_ui_extensions/dist"


def test_an_asset_is_found_by_its_logical_name(installed: DataFiles) -> None:
    assert installed.assets() == {"panel/panel.js": "panel/panel-AB12.js"}
    assert installed.asset("panel/panel.js").read_text() == "1"


def test_an_unknown_asset_says_what_to_do(installed: DataFiles) -> None:
    with pytest.raises(DataMissing, match=r"no panel/other\.js: run `make build`"):
        installed.asset("panel/other.js")


def test_before_the_build_it_says_what_to_do(checkout: DataFiles) -> None:
    (checkout.package.parent / "ui_extensions/dist/assets.json").unlink()
    with pytest.raises(DataMissing, match="run `make build`"):
        checkout.front_end()


def test_a_stranger_s_folder_beside_an_installation_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "plugin").mkdir()
    (tmp_path / "manifests").mkdir()
    with pytest.raises(DataMissing, match="install Makegood again"):
        DataFiles(tmp_path / "plugin").manifests()


def test_this_very_checkout_has_its_manifests() -> None:
    assert (DataFiles().manifests() / "stores").is_dir()
