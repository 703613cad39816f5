"""`makegood package` for a store: the configuration of our app, before anything is connected."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.commands.conftest import Run

HTTPS = {"MAKEGOOD_PUBLIC_URL": "https://refunds.example"}
APP = "c0ffee00c0ffee00c0ffee00c0ffee00"


def test_the_file_is_written_and_holds_no_secret(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "shopify.app.toml"
    words = ("package", "shopify", "--set", f"client_id={APP}", "--out", str(target), "--json")
    done = run(*words, **HTTPS)
    assert (done.code, done.facts["path"]) == (0, str(target))
    found = tomllib.loads(target.read_text("utf-8"))
    assert found["application_url"] == f"https://refunds.example/embedded/shopify/{APP}"
    assert [one.name for one in tmp_path.glob("shopify*")] == ["shopify.app.toml"]


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ((), "client_id: give the client ID"),
        (("--set", f"client_id={APP}", "--set", "client_secret=x"), "give client_id alone"),
    ],
)
def test_what_is_missing_is_named(
    words: tuple[str, ...], advice: str, run: Run, tmp_path: Path
) -> None:
    target = tmp_path / "shopify.app.toml"
    refused = run("package", "shopify", *words, "--out", str(target), "--json", **HTTPS)
    assert refused.code == 2
    assert advice in json.dumps(refused.facts)
    assert not target.exists()
