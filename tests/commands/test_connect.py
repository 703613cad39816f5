"""`makegood connect` and `package`: what can go wrong says what to do; the way through works."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from plugin.app import Parts
from plugin.first_start import home_tenant
from plugin.ports.records import Installation, InstallationStatus
from tests.commands.conftest import Ran, Run
from tests.platforms.stripe.fake import FakeStripe
from tests.platforms.zendesk.data import EMAIL, SUBDOMAIN, TOKEN
from tests.platforms.zendesk.fake import FakeZendesk

KEY = "rk_test_canary"
HTTPS = "https://makegood.test"


@pytest.fixture
def stripe() -> Iterator[FakeStripe]:
    with FakeStripe() as fake:
        yield fake


@pytest.fixture
def desk() -> Iterator[FakeZendesk]:
    with FakeZendesk() as fake:
        yield fake


def connect_stripe(run: Run, stripe: FakeStripe, *more: str, key: str = KEY) -> Ran:
    typed = ("--set", f"api_key={key}", "--set", f"base_url={stripe.url}")
    return run(
        "connect",
        "stripe",
        *typed,
        *more,
        "--json",
        MAKEGOOD_ALLOW_PRIVATE_HOSTS=stripe.place,
    )


def connect_desk(run: Run, desk: FakeZendesk) -> Ran:
    form = {
        "subdomain": SUBDOMAIN,
        "email": EMAIL,
        "api_token": TOKEN,
        "base_url": desk.base_url,
    }
    typed = [word for name, value in form.items() for word in ("--set", f"{name}={value}")]
    return run("connect", "zendesk", *typed, "--json", **at(desk))


def at(desk: FakeZendesk) -> dict[str, str]:
    return {"MAKEGOOD_ALLOW_PRIVATE_HOSTS": desk.place, "MAKEGOOD_PUBLIC_URL": HTTPS}


def kept(parts: Parts) -> list[str]:
    """The platforms that are connected."""
    with parts.house.storage.read(home_tenant(parts.house.storage).id) as uow:
        return [one.connection.platform for one in uow.installations.all()]


def test_a_store_is_connected_and_its_paths_are_told(
    run: Run, stripe: FakeStripe, parts: Parts
) -> None:
    done = connect_stripe(run, stripe)
    name = done.facts["installation"]
    assert done.code == 0, done.err
    assert done.facts["webhook_path"] == f"/webhooks/stripe/{name}"
    assert f"Webhook path  /webhooks/stripe/{name}" in done.err
    assert {line["state"] for line in done.facts["self_test"]} <= {"ok", "waiting", "skipped"}
    assert kept(parts) == ["stripe"]
    assert KEY not in done.out + done.err


def test_connecting_the_same_account_again_makes_no_second_one(
    run: Run, stripe: FakeStripe, parts: Parts
) -> None:
    names = {connect_stripe(run, stripe).facts["installation"] for _ in range(2)}
    assert len(names) == 1
    assert kept(parts) == ["stripe"]


def test_a_real_platform_needs_https(run: Run, parts: Parts) -> None:
    refused = run("connect", "stripe", "--set", f"api_key={KEY}", "--json")
    assert refused.code == 2
    assert "MAKEGOOD_PUBLIC_URL" in refused.facts["detail"]
    assert kept(parts) == []


def test_a_private_address_needs_to_be_named_first(run: Run, parts: Parts) -> None:
    refused = run(
        "connect", "stripe", "--set", f"api_key={KEY}", "--set", "base_url=http://127.0.0.1:9"
    )
    assert refused.code == 2
    assert "MAKEGOOD_ALLOW_PRIVATE_HOSTS" in refused.err
    assert kept(parts) == []


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("connect", "shopware"), "choose one of"),
        (("connect", "practice"), "practice connects itself: run `makegood practice`"),
        (("connect", "stripe"), "fill in"),
        (("connect", "stripe", "--set", "api_key"), "write KEY=VALUE"),
        (("connect", "stripe", "--set", "colour=red"), "has no such field"),
        (("connect", "stripe", "--finish"), "connect stripe first"),
        (("connect", "systeme_io", "--map", "/nowhere/map.json"), "cannot read"),
        (("package", "zendesk"), "connect zendesk first"),
        (("package", "stripe"), "desk: choose one of "),
        (("package", "shopware"), "desk: choose one of "),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_what_cannot_be_done_says_what_to_do(
    words: tuple[str, ...], advice: str, run: Run, parts: Parts
) -> None:
    refused = run(*words, "--json", MAKEGOOD_PUBLIC_URL=HTTPS)
    assert refused.code == 2
    assert advice in refused.facts["detail"]
    assert kept(parts) == []


def test_a_key_comes_from_a_file_and_stands_in_no_call(
    run: Run, stripe: FakeStripe, parts: Parts, tmp_path: Path
) -> None:
    (tmp_path / "stripe.key").write_text(f"{KEY}\n")
    done = connect_stripe(run, stripe, key=f"@{tmp_path / 'stripe.key'}")
    assert done.code == 0, done.err
    [kept_one] = installations(parts)
    assert kept_one.connection.secrets["api_key"] == KEY


@pytest.mark.parametrize("text", ["{", "", '{"a": 1, "a": 2}', '{"a": NaN}', "\ufeff\ufeff"])
def test_a_map_that_cannot_be_read_stops_before_anything_is_kept(
    text: str, run: Run, stripe: FakeStripe, parts: Parts, tmp_path: Path
) -> None:
    file = tmp_path / "map.json"
    file.write_text(text, "utf-8")
    refused = connect_stripe(run, stripe, "--map", str(file))
    assert refused.code == 2
    assert refused.facts["detail"].startswith("--map: ")
    assert kept(parts) == []


def test_a_map_in_another_form_is_refused_with_its_place(
    run: Run, stripe: FakeStripe, tmp_path: Path
) -> None:
    connect_stripe(run, stripe)
    file = tmp_path / "map.json"
    file.write_text('{"products": 7}', "utf-8")
    refused = run("connect", "stripe", "--map", str(file), "--json")
    assert refused.code == 2
    assert refused.facts["detail"].startswith("--map")


def test_a_map_replaces_the_one_before(run: Run, stripe: FakeStripe, tmp_path: Path) -> None:
    connect_stripe(run, stripe)
    file = tmp_path / "map.json"
    file.write_text("{}", "utf-8")
    saved = run("connect", "stripe", "--map", str(file), "--json")
    assert saved.code == 0, saved.err
    assert "Access map" in saved.err


def test_a_key_that_the_platform_refuses_needs_a_person(run: Run, desk: FakeZendesk) -> None:
    form = {"subdomain": SUBDOMAIN, "email": EMAIL, "api_token": "wrong", "base_url": desk.base_url}
    typed = [word for name, value in form.items() for word in ("--set", f"{name}={value}")]
    refused = run("connect", "zendesk", *typed, "--json", **at(desk))
    assert refused.code == 3
    assert refused.facts["ok"] is False
    assert "failed" in {line["state"] for line in refused.facts["self_test"]}


def test_a_second_account_is_asked_about_first(run: Run, stripe: FakeStripe, parts: Parts) -> None:
    first = connect_stripe(run, stripe).facts["installation"]
    with FakeStripe() as other:
        other.books.account = "acct_2"
        refused = connect_stripe(run, other, key="rk_test_other")
        assert refused.code == 3
        assert refused.facts["code"] == "already_connected"
        assert first in refused.facts["detail"]
        assert "rk_test" not in refused.out + refused.err
        assert connect_stripe(run, other, "--another", key="rk_test_other").code == 0
    assert kept(parts) == ["stripe", "stripe"]
    several = run("connect", "stripe", "--finish", "--json")
    assert several.code == 2
    assert "there are several" in several.facts["detail"]


def installations(parts: Parts) -> Sequence[Installation]:
    with parts.house.storage.read(home_tenant(parts.house.storage).id) as uow:
        return uow.installations.all()


def test_another_accounts_key_never_takes_the_place_of_ours(
    run: Run, stripe: FakeStripe, parts: Parts, tmp_path: Path
) -> None:
    name = connect_stripe(run, stripe).facts["installation"]
    (before,) = installations(parts)
    hooks = dict(stripe.books.things)
    file = tmp_path / "map.json"
    file.write_text("{}", "utf-8")
    with FakeStripe() as other:
        other.books.account, other.books.account_name = "acct_2", "Shop B"
        refused = connect_stripe(
            run, other, "--installation", name, "--map", str(file), key="rk_test_other"
        )
        assert other.books.things == {}
    assert refused.code == 3
    assert "This key opens Shop B (acct_2, test mode); this connection is Ada's" in refused.err
    assert "Access map" not in refused.err
    assert refused.err.count("  ok ") == 0
    assert refused.facts["status"] == "connected"
    (now,) = installations(parts)
    assert now.connection == before.connection
    assert now.status is before.status is InstallationStatus.CONNECTED
    assert now.self_test[1:] == before.self_test[1:]
    assert stripe.books.things == hooks
    assert "rk_test" not in refused.out + refused.err


def test_a_new_key_of_the_same_account_is_taken_with_its_map(
    run: Run, stripe: FakeStripe, parts: Parts, tmp_path: Path
) -> None:
    name = connect_stripe(run, stripe).facts["installation"]
    file = tmp_path / "map.json"
    file.write_text("{}", "utf-8")
    taken = connect_stripe(
        run, stripe, "--installation", name, "--map", str(file), key="rk_test_newer"
    )
    assert taken.code == 0, taken.err
    assert "Access map" in taken.err
    (now,) = installations(parts)
    assert now.connection.secrets["api_key"] == "rk_test_newer"
    assert now.status is InstallationStatus.CONNECTED


def test_the_same_account_beside_itself_is_refused(
    run: Run, stripe: FakeStripe, parts: Parts
) -> None:
    connect_stripe(run, stripe)
    twice = connect_stripe(run, stripe, "--another", key="rk_test_other")
    assert twice.code == 3
    assert "connected already as Ada's Courses: give it the key there" in twice.err


@pytest.mark.parametrize("key", ["rk_test_\u00e9", "rk_test_\u200b1", "rk_\u043e1"])
def test_a_key_that_no_header_can_carry_is_refused_before_anything_is_kept(
    key: str, run: Run, stripe: FakeStripe, parts: Parts
) -> None:
    refused = connect_stripe(run, stripe, key=key)
    assert refused.code == 2
    assert refused.facts["detail"].startswith("api_key: contains characters that")
    assert "copy it again" in refused.facts["detail"]
    assert key not in refused.out + refused.err
    assert kept(parts) == []


def test_a_desk_is_connected_packed_and_finished(
    run: Run, desk: FakeZendesk, tmp_path: Path
) -> None:
    name = connect_desk(run, desk).facts["installation"]
    early = run("connect", "zendesk", "--finish", "--json", **at(desk))
    assert early.code == 3
    target = tmp_path / "app.zip"
    packed = run(
        "package", "zendesk", "--installation", name, "--out", str(target), "--json", **at(desk)
    )
    assert packed.code == 0, packed.err
    assert packed.facts["path"] == str(target)
    assert manifest_in(target)["name"] == "Makegood"
    desk.account.install_app(name)
    finished = run("connect", "zendesk", "--finish", "--json", **at(desk))
    assert finished.code == 0, finished.err


def manifest_in(file: Path) -> dict[str, Any]:
    with zipfile.ZipFile(file) as archive:
        document: dict[str, Any] = json.loads(archive.read("manifest.json"))
        return document


def test_a_package_that_cannot_be_written_is_told(
    run: Run, desk: FakeZendesk, tmp_path: Path
) -> None:
    connect_desk(run, desk)
    refused = run("package", "zendesk", "--out", str(tmp_path / "no" / "app.zip"), **at(desk))
    assert refused.code == 3
    assert "cannot use" in refused.err


def test_a_package_for_an_address_without_https_is_refused(run: Run, desk: FakeZendesk) -> None:
    connect_desk(run, desk)
    plain = at(desk) | {"MAKEGOOD_PUBLIC_URL": "http://makegood.test"}
    refused = run("package", "zendesk", "--json", **plain)
    assert refused.code == 2
    assert "MAKEGOOD_PUBLIC_URL" in refused.facts["detail"]
