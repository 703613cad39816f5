"""The packaged app is one that Zendesk takes, and the same one each time."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugin.domain.errors import InvalidInput
from plugin.helpdesks.zendesk.app_package import app_files, package
from plugin.helpdesks.zendesk.app_rules import faults_of
from plugin.platforms.data_files import DataFiles, DataMissing
from tests.platforms.zendesk.world import INSTALLATION, connection

ROOT = Path(__file__).parents[3]
ASSETS = ROOT / "ui_extensions" / "zendesk" / "assets"
SPECS = ROOT.parent / "shared" / "specs" / "zendesk"
PUBLIC = "https://refunds.example.org"

needs_specs = pytest.mark.skipif(
    not SPECS.is_dir(), reason="the vendor's specifications (../shared/specs/zendesk) are not here"
)

Files = dict[str, bytes]


@pytest.fixture
def data(tmp_path: Path) -> DataFiles:
    """What a built front end offers."""
    dist = tmp_path / "plugin" / "_ui_extensions" / "dist"
    dist.mkdir(parents=True)
    names = {f"zendesk/assets/{path.name}": path.name for path in ASSETS.iterdir()}
    for path in ASSETS.iterdir():
        (dist / path.name).write_bytes(path.read_bytes())
    (dist / "assets.json").write_text(json.dumps(names))
    return DataFiles(tmp_path / "plugin")


@pytest.fixture
def files(data: DataFiles) -> Files:
    return dict(app_files(connection(), PUBLIC, data))


def manifest_of(files: Files) -> Any:  # noqa: ANN401 - the manifest as JSON
    return json.loads(files["manifest.json"])


def test_the_zip_holds_manifest_words_and_pictures_at_its_root(
    data: DataFiles, tmp_path: Path
) -> None:
    out = package(connection(), PUBLIC, tmp_path / "app.zip", data)
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "assets/logo-small.png",
            "assets/logo.png",
            "manifest.json",
            "translations/en.json",
        ]
        packed = {name: archive.read(name) for name in archive.namelist()}
    assert faults_of(packed) == ()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["app.zip"]


def test_the_same_installation_gives_the_same_bytes(data: DataFiles, tmp_path: Path) -> None:
    first = package(connection(), PUBLIC, tmp_path / "1.zip", data).read_bytes()
    assert package(connection(), f"{PUBLIC}/", tmp_path / "2.zip", data).read_bytes() == first


def test_the_frame_is_signed_and_stands_beside_the_ticket(files: Files) -> None:
    manifest = manifest_of(files)
    assert manifest["signedUrls"] is True
    assert manifest["location"] == {
        "support": {
            "ticket_sidebar": {
                "url": f"{PUBLIC}/panel/zendesk/{INSTALLATION}",
                "flexible": True,
            }
        }
    }


def test_the_app_carries_our_installation_and_no_secret(files: Files) -> None:
    (parameter,) = manifest_of(files)["parameters"]
    assert parameter["default"] == INSTALLATION
    assert connection().secrets["api_token"].encode() not in b"".join(files.values())


@pytest.mark.parametrize(
    "url", ["http://refunds.example.org", "refunds.example.org", "https://", "ftp://x.example"]
)
def test_an_address_that_zendesk_would_not_load_is_refused(
    data: DataFiles, tmp_path: Path, url: str
) -> None:
    with pytest.raises(InvalidInput, match="invalid_location_uri"):
        package(connection(), url, tmp_path / "app.zip", data)
    assert not (tmp_path / "app.zip").exists()


def test_localhost_serves_for_development(data: DataFiles, tmp_path: Path) -> None:
    assert package(connection(), "http://localhost:8080", tmp_path / "app.zip", data).exists()


def test_without_a_built_front_end_it_says_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "plugin" / "_ui_extensions").mkdir(parents=True)
    with pytest.raises(DataMissing, match="make build"):
        package(connection(), PUBLIC, tmp_path / "app.zip", DataFiles(tmp_path / "plugin"))


def changed(path: str, value: object) -> Callable[[Files], None]:
    """Set one value in the manifest; `...` removes it."""

    def change(files: Files) -> None:
        manifest = manifest_of(files)
        place = manifest
        *way, last = path.split("/")
        for key in way:
            place = place[int(key) if isinstance(place, list) else key]
        if value is ...:
            del place[last]
        else:
            place[int(last) if isinstance(place, list) else last] = value
        files["manifest.json"] = json.dumps(manifest).encode()

    return change


def parameter(**more: object) -> Callable[[Files], None]:
    return changed("parameters/0", {"name": "p", "type": "text", **more})


def file(name: str, content: bytes | None) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        del files[name]
        if content is not None:
            files[name] = content

    return change


def added(name: str, content: bytes) -> Callable[[Files], None]:
    return lambda files: files.update({name: content})


def words(app: object) -> Callable[[Files], None]:
    return file("translations/en.json", json.dumps({"app": app}).encode())


URL = "location/support/ticket_sidebar"
NOTED = '{"name":"a","name":"b"}'
SEEDED: dict[str, list[Callable[[Files], None]]] = {
    "missing_manifest": [file("manifest.json", None)],
    "nested_manifest": [
        lambda files: files.update({"app/manifest.json": files.pop("manifest.json")})
    ],
    "manifest_not_json": [file("manifest.json", b"{"), file("manifest.json", b"[]")],
    "duplicate_manifest_keys": [file("manifest.json", NOTED.encode())],
    "manifest_keys.missing": [
        changed(name, ...) for name in ("author", "defaultLocale", "frameworkVersion", "location")
    ],
    "unacceptable_boolean": [
        changed("private", "true"),
        changed("signedUrls", 1),
        changed(f"{URL}/autoLoad", "no"),
        parameter(required="yes"),
    ],
    "unacceptable_string": [changed("version", 1), changed("author/email", 1)],
    "unacceptable_hash": [
        changed("author", "me"),
        changed("location", "support"),
        changed("experiments", []),
    ],
    "unacceptable_array_of_strings": [changed("domainWhitelist", "example.org")],
    "invalid_version": [changed("frameworkVersion", "1.0")],
    "no_template_deprecated_in_v2": [changed("noTemplate", True)],
    "invalid_url": [
        changed("author/url", "ftp://example.org"),
        changed("author/url", "http://[x"),
        changed("termsConditionsURL", 5),
    ],
    "invalid_default_locale": [changed("defaultLocale", "English")],
    "missing_translation_file": [changed("defaultLocale", "de")],
    "invalid_host": [changed("location/phone", {})],
    "locations_must_be_urls": [changed("location/support", ["ticket_sidebar"])],
    "invalid_location": [changed("location/support/kitchen", "https://example.org")],
    "blank_location_uri": [changed(f"{URL}/url", ""), changed(f"{URL}/url", ...)],
    "invalid_location_uri": [
        changed(f"{URL}/url", "http://example.org"),
        changed(f"{URL}/url", "https://[x"),
        changed(URL, "assets/none.html"),
        changed(URL, "manifest.json"),
    ],
    "invalid_location_flexible_type": [changed(f"{URL}/flexible", "yes")],
    "object_types_required": [
        changed("location/support/custom_object_record_sidebar", "https://example.org")
    ],
    "object_types_not_supported": [changed(f"{URL}/objectTypes", ["x"])],
    "parameters_not_an_array": [changed("parameters", {}), changed("parameters", ["p"])],
    "duplicate_parameters": [changed("parameters", [{"name": "a"}, {"name": "a"}])],
    "too_many_oauth_parameters": [
        changed("parameters", [{"name": "a", "type": "oauth"}, {"name": "b", "type": "oauth"}])
    ],
    "name_as_parameter_name": [parameter(name="name")],
    "password_parameter_type_deprecated": [parameter(type="password")],
    "invalid_type_parameter": [parameter(type="colour")],
    "invalid_hidden_parameter": [parameter(type="hidden", required=True)],
    "oauth_parameter_cannot_be_secure": [parameter(type="oauth", secure=True)],
    "field_requires_secure_parameter": [parameter(scopes=["header"])],
    "unacceptable_array": [parameter(secure=True, scopes="header")],
    "field_cannot_be_empty": [parameter(secure=True, scopes=[])],
    "field_contains_invalid_values": [parameter(secure=True, scopes=["cookie"])],
    "translation.invalid_locale": [added("translations/English.json", b'{"app":{"name":"x"}}')],
    "translation.not_json": [file("translations/en.json", b"{")],
    "translation.not_json_object": [words("x"), file("translations/en.json", b"[]")],
    "translation.missing_required_key": [words({}), changed("private", False)],
    "translation.missing_required_key_on_leaf": [
        words({"name": "x", "parameters": {"p": {}}}),
        words({"name": "x", "parameters": {"p": "label"}}),
    ],
    "unsupported_mime_type_detected": [
        added("assets/more.zip", b""),
        added("assets/more.txt", b"PK\x03\x04"),
    ],
    "logo": [
        file("assets/logo.png", None),
        file("assets/logo.png", b"GIF89a"),
        file("assets/logo-small.png", (ASSETS / "logo.png").read_bytes()),
    ],
}


@pytest.mark.parametrize(
    ("key", "change"),
    [
        pytest.param(key, change, id=f"{key}-{number}")
        for key, changes in SEEDED.items()
        for number, change in enumerate(changes)
    ],
)
def test_a_seeded_fault_is_told_under_the_vendors_name(
    files: Files, key: str, change: Callable[[Files], None]
) -> None:
    change(files)
    assert key in {fault.partition(":")[0] for fault in faults_of(files)}


@pytest.mark.parametrize(
    "url",
    ["https://example.org", "{{setting.base}}/panel", "http://localhost:1/x", "assets/logo.png?x"],
)
def test_an_address_that_zendesk_takes_is_taken(files: Files, url: str) -> None:
    changed(URL, url)(files)
    assert faults_of(files) == ()


@needs_specs
def test_our_keys_are_those_of_the_vendors_catalogue() -> None:
    raw = yaml.safe_load((SPECS / "zendesk_apps_support.errors.en.yml").read_text())
    catalogue = raw["en"]["txt"]["apps"]["admin"]["error"]["app_build"]
    for key in SEEDED.keys() - {"logo"}:
        place = catalogue
        for part in key.split("."):
            assert part in place, key
            place = place[part]


@needs_specs
@pytest.mark.parametrize(
    "name", ["basic_ticket", "instances", "modal", "requirements", "secure_settings"]
)
def test_the_vendors_sample_apps_are_taken(files: Files, name: str) -> None:
    samples = SPECS / "sample_apps"
    files["manifest.json"] = (samples / f"{name}_sample_app.manifest.json").read_bytes()
    files["translations/en.json"] = (
        samples / "basic_ticket_sample_app.translations.en.json"
    ).read_bytes()
    files |= {f"assets/{page}.html": b"" for page in ("iframe", "modal", "instance")}
    assert faults_of(files) == ()
