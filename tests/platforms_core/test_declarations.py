"""What manifests say about connecting, in the words of the port."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin.domain.errors import InvalidInput
from plugin.domain.ids import InstallationId, TenantId
from plugin.platforms.data_files import DataFiles
from plugin.platforms.declarations import ManifestDeclarations
from plugin.platforms.registry import Registry
from plugin.ports import Connection, Kind
from plugin.ports.connecting import DeclaredLine

PLACE = "127.0.0.1:8099"


@pytest.fixture(scope="module")
def declarations() -> ManifestDeclarations:
    return ManifestDeclarations(Registry([DataFiles().manifests()]), frozenset({PLACE}))


def test_a_form_is_split_into_settings_and_secrets(declarations: ManifestDeclarations) -> None:
    typed = {"subdomain": " Acme ", "email": "owner@acme.example", "api_token": "t0ken"}
    form = declarations.read_form("helpdesk", "zendesk", typed)
    assert form.title == "Zendesk"
    assert form.settings == {
        "subdomain": "acme",
        "email": "owner@acme.example",
        "ticket_field": "",
    }
    assert form.secrets == {"api_token": "t0ken"}
    assert form.account == {"subdomain": "acme"}
    assert form.places == {"acme.zendesk.com:443"}
    assert not form.simulated
    assert "t0ken" not in repr(form)


def test_a_development_address_stands_in_for_the_declared_one(
    declarations: ManifestDeclarations,
) -> None:
    typed = {"api_key": "k", "card_payments": "Stripe", "base_url": f"http://{PLACE}/"}
    form = declarations.read_form("store", "systeme_io", typed)
    assert form.settings["base_url"] == f"http://{PLACE}"
    assert form.places == {PLACE}
    assert form.account == {}


def test_practice_is_called_nowhere(declarations: ManifestDeclarations, tmp_path: Path) -> None:
    form = declarations.read_form("store", "practice", {"file": str(tmp_path)})
    assert form.simulated
    assert form.places == frozenset()


@pytest.mark.parametrize(
    ("kind", "platform", "typed", "field"),
    [
        ("bank", "stripe", {}, "kind"),
        ("store", "zendesk", {}, "platform"),
        ("store", "stripe", {}, "api_key"),
        ("store", "stripe", {"api_key": "rk_live_é"}, "api_key"),
        ("store", "stripe", {"api_key": "k", "more": "x"}, "more"),
        ("store", "stripe", {"api_key": "k", "base_url": "http://10.0.0.1"}, "base_url"),
        ("store", "stripe", {"api_key": "k", "base_url": "file:///etc/passwd"}, "base_url"),
        ("store", "stripe", {"api_key": "k", "base_url": f"http://u@{PLACE}"}, "base_url"),
        ("store", "stripe", {"api_key": "k", "base_url": f"http://{PLACE}/?x"}, "base_url"),
        ("store", "practice", {"file": "x", "base_url": f"http://{PLACE}"}, "base_url"),
    ],
)
def test_what_cannot_be_used_is_named(
    declarations: ManifestDeclarations,
    kind: str,
    platform: str,
    typed: dict[str, str],
    field: str,
) -> None:
    with pytest.raises(InvalidInput) as error:
        declarations.read_form(kind, platform, typed)
    assert error.value.field == field


def test_the_self_test_has_the_platforms_own_sentences(declarations: ManifestDeclarations) -> None:
    connection = Connection(
        TenantId("t"), InstallationId("i"), Kind.STORE, "stripe", "Stripe", {}, {"api_key": "k"}
    )
    lines = declarations.self_test(connection)
    assert lines[0] == DeclaredLine("key_works", "Stripe accepts the key")
