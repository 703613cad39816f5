"""The packaged app keeps the platform's written rules, holds no secret, and is always the same."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugin.domain.errors import InvalidInput
from plugin.helpdesks.freshdesk.app_package import app_files, package
from plugin.helpdesks.freshdesk.app_rules import faults_of
from plugin.platforms.data_files import DataFiles, DataMissing
from plugin.ports import PacksApp
from tests.platforms.freshdesk.account import API_KEY, APP_SECRET
from tests.platforms.freshdesk.world import INSTALLATION, World, connection

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "ui_extensions" / "freshdesk" / "package"
SPECS = ROOT.parent / "shared" / "specs" / "freshdesk" / "platform3"
PUBLIC = "https://refunds.example.org"

needs_specs = pytest.mark.skipif(
    not SPECS.is_dir(), reason="the vendor's templates (../shared/specs/freshdesk) are not here"
)

Files = dict[str, bytes]


@pytest.fixture
def data(tmp_path: Path) -> DataFiles:
    """What a built front end offers."""
    dist = tmp_path / "plugin" / "_ui_extensions" / "dist"
    dist.mkdir(parents=True)
    names = {}
    for path in SOURCES.rglob("*"):
        if path.is_file():
            name = path.relative_to(SOURCES).as_posix()
            file = name.replace("/", "-")
            names[f"freshdesk/package/{name}"] = file
            (dist / file).write_bytes(path.read_bytes())
    (dist / "assets.json").write_text(json.dumps(names))
    return DataFiles(tmp_path / "plugin")


@pytest.fixture
def files(data: DataFiles) -> Files:
    return dict(app_files(connection(), PUBLIC, data))


def read(files: Files, name: str) -> Any:  # noqa: ANN401 - a document as JSON
    return json.loads(files[name])


def test_the_zip_holds_what_the_platform_asks_for(data: DataFiles, tmp_path: Path) -> None:
    out = package(connection(), PUBLIC, tmp_path / "app.zip", data)
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "README.md",
            "app/index.html",
            "app/scripts/app.js",
            "app/styles/images/icon.svg",
            "app/styles/style.css",
            "config/iparams.json",
            "config/requests.json",
            "manifest.json",
        ]
        packed = {name: archive.read(name) for name in archive.namelist()}
    assert faults_of(packed) == ()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["app.zip"]


def test_the_same_installation_gives_the_same_bytes(data: DataFiles, tmp_path: Path) -> None:
    first = package(connection(), PUBLIC, tmp_path / "one.zip", data).read_bytes()
    second = package(connection(), f"{PUBLIC}/", tmp_path / "two.zip", data).read_bytes()
    assert first == second


def test_no_secret_is_in_the_app(files: Files) -> None:
    whole = b"".join(files.values())
    assert API_KEY.encode() not in whole
    assert APP_SECRET.encode() not in whole


def test_the_secret_stands_in_a_header_only_and_is_kept_from_the_page(files: Files) -> None:
    (template,) = read(files, "config/requests.json").values()
    assert template["schema"] == {
        "method": "POST",
        "host": "refunds.example.org",
        "path": f"/panel/freshdesk/{INSTALLATION}/pass",
        "headers": {
            "Authorization": "Bearer <%= iparam.app_secret %>",
            "Content-Type": "application/x-www-form-urlencoded",
        },
    }
    assert read(files, "config/iparams.json")["app_secret"]["secure"] is True


def test_the_page_knows_our_address_and_calls_our_template(files: Files) -> None:
    page, script = files["app/index.html"].decode(), files["app/scripts/app.js"].decode()
    address = f"{PUBLIC}/panel/freshdesk/{INSTALLATION}"
    assert f'data-panel="{address}"' in page
    assert "MAKEGOOD_PANEL_ADDRESS" not in page
    assert '<script src="{{{appclient}}}"></script>' in page
    (called,) = re.findall(r'invokeTemplate\("(\w+)"', script)
    assert list(read(files, "config/requests.json")) == [called]
    assert not re.search(r"fetch\(|XMLHttpRequest|localStorage|innerHTML|http://", script)
    assert re.search(
        r"event\.source !== frame\.contentWindow \|\| event\.origin !== origin", script
    )


def test_an_address_cannot_break_out_of_the_page(data: DataFiles) -> None:
    files = app_files(connection(), 'https://x.example/"><script>', data)
    assert b'"><script>' not in files["app/index.html"]


def test_below_a_path_the_whole_path_is_asked(data: DataFiles) -> None:
    files = dict(app_files(connection(), f"{PUBLIC}/desk", data))
    (template,) = read(files, "config/requests.json").values()
    assert template["schema"]["path"] == f"/desk/panel/freshdesk/{INSTALLATION}/pass"


@pytest.mark.parametrize(
    "public_url", ["https://refunds.example.org:8443", "https://10.0.0.1", "https://localhost"]
)
def test_an_address_that_the_platform_does_not_call_is_told(
    data: DataFiles, tmp_path: Path, public_url: str
) -> None:
    with pytest.raises(InvalidInput, match="host name"):
        package(connection(), public_url, tmp_path / "app.zip", data)
    assert not (tmp_path / "app.zip").exists()


def test_plain_http_is_told(data: DataFiles, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="https"):
        package(connection(), "http://refunds.example.org", tmp_path / "app.zip", data)


def test_before_the_front_end_is_built_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "plugin").mkdir()
    with pytest.raises(DataMissing):
        app_files(connection(), PUBLIC, DataFiles(tmp_path / "plugin"))


def test_the_adapter_packs_its_own_installation(
    world: World, data: DataFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugin.helpdesks.freshdesk.app_package.DataFiles", lambda: data)
    desk = world.desk
    assert isinstance(desk, PacksApp)
    assert desk.package(PUBLIC, tmp_path / "app.zip").is_file()


# --- the rules ------------------------------------------------------------------------------------


@needs_specs
@pytest.mark.parametrize("name", ["frontend", "hybrid", "oauth", "serverless"])
def test_the_vendors_own_templates_are_taken(name: str) -> None:
    prefix = f"{name}-skeleton."
    known = {"manifest": "manifest.json"} | {
        part: f"config/{part}.json" for part in ("iparams", "requests", "oauth_config")
    }
    files = {
        known[path.name.removeprefix(prefix).removesuffix(".json")]: path.read_bytes()
        for path in SPECS.glob(f"{prefix}*")
    }
    assert "manifest.json" in files
    files |= {"app/index.html": b"x", "app/styles/images/icon.svg": b"x"}
    # The template reads its key from the page's context, which needs no iparam.
    assert faults_of(files) == ()


def _json_change(name: str, change: Callable[[Any], object]) -> Callable[[Files], None]:
    def act(files: Files) -> None:
        document = read(files, name)
        change(document)
        files[name] = json.dumps(document).encode()

    return act


def _drop(name: str) -> Callable[[Files], None]:
    def act(files: Files) -> None:
        del files[name]

    return act


def _put(name: str, content: bytes) -> Callable[[Files], None]:
    def act(files: Files) -> None:
        files[name] = content

    return act


def _schema(change: Callable[[Any], object]) -> Callable[[Files], None]:
    return _json_change("config/requests.json", lambda all_: change(all_["makegoodPass"]["schema"]))


def _options(**options: object) -> Callable[[Files], None]:
    return _json_change(
        "config/requests.json", lambda all_: all_["makegoodPass"]["options"].update(options)
    )


def _manifest(change: Callable[[Any], object]) -> Callable[[Files], None]:
    return _json_change("manifest.json", change)


FAULTS: list[tuple[Callable[[Files], None], str]] = [
    (_drop("manifest.json"), "is missing"),
    (_drop("config/iparams.json"), "is missing"),
    (_put("manifest.json", b"{"), "not JSON"),
    (_put("manifest.json", b"[]"), "an object is needed"),
    (_manifest(lambda m: m.update({"platform-version": "2.3"})), "must be 3.0"),
    (_manifest(lambda m: m.update(product={})), "replaced by modules"),
    (_manifest(lambda m: m.pop("engines")), "node and fdk"),
    (_manifest(lambda m: m["modules"].pop("support_ticket")), "one beside common"),
    (
        _manifest(lambda m: m["modules"]["support_ticket"].update(requests={})),
        "stand in common",
    ),
    (
        _manifest(
            lambda m: m["modules"]["common"].update(
                location=m["modules"]["support_ticket"]["location"]
            )
        ),
        "does not stand in common",
    ),
    (_drop("app/styles/images/icon.svg"), "needs a icon below app/"),
    (_drop("app/index.html"), "needs a url below app/"),
    (
        _manifest(lambda m: m["modules"]["support_ticket"]["location"].update(ticket_sidebar="x")),
        "needs a url",
    ),
    (_manifest(lambda m: m["modules"]["common"].pop("requests")), "is not in manifest.json"),
    (_drop("config/requests.json"), "is not in config/requests.json"),
    (
        _json_change(
            "config/requests.json",
            lambda all_: all_.update({f"t{n}": all_["makegoodPass"] for n in range(100)}),
        ),
        "at most 100",
    ),
    (_schema(lambda s: s.update(method="post")), "method in capitals"),
    (_schema(lambda s: s.update(host="https://x.example")), "host name"),
    (_schema(lambda s: s.update(host="x.example:8443")), "host name"),
    (_schema(lambda s: s.update(host="10.0.0.1")), "host name"),
    (_schema(lambda s: s.pop("host")), "host name"),
    (_schema(lambda s: s.update(path="panel")), "begins with /"),
    (_schema(lambda s: s.update(path=1)), "begins with /"),
    (_schema(lambda s: s.update(path="/<%= iparam.app_secret %>")), "outside of headers"),
    (_schema(lambda s: s["headers"].update(X="<%= iparam.none %>")), "no iparam is"),
    (_options(maxAttempts=6), "1 to 5"),
    (_options(maxAttempts="2"), "1 to 5"),
    (_options(retryDelay=250), "in hundreds"),
    (_options(retryDelay=1600), "up to 1500"),
    (
        _json_change("config/iparams.json", lambda p: p["app_secret"].pop("type")),
        "needs a type",
    ),
    (
        _json_change("config/iparams.json", lambda p: p["app_secret"].update(secure="yes")),
        "true or false",
    ),
    (_put("config/iparams.html", b"x"), "only one may"),
]


@pytest.mark.parametrize(
    ("break_it", "word"),
    FAULTS,
    ids=[f"{place}: {word}" for place, (_, word) in enumerate(FAULTS)],
)
def test_a_fault_is_named(files: Files, break_it: Callable[[Files], None], word: str) -> None:
    assert faults_of(files) == ()
    break_it(files)
    assert any(word in fault for fault in faults_of(files)), faults_of(files)
