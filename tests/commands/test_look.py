"""`makegood deliveries | effects | refunds | audit | check | practice`: ids and states only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from plugin.app import Parts
from plugin.domain.ids import DeliveryId, TenantId
from plugin.domain.refunds import RefundState
from plugin.first_start import home_tenant
from plugin.ports import Kind
from plugin.ports.records import DeliveryState, InstallationStatus
from plugin.settings import read_settings
from tests.commands.conftest import Run
from tests.databases import of_sqlite_alone
from tests.factories import (
    BANK,
    DESK,
    NOW,
    STORE,
    a_delivery,
    a_plan,
    a_refund,
    a_request,
    an_installation,
    an_order,
)


@pytest.fixture
def tenant(parts: Parts) -> TenantId:
    return home_tenant(parts.house.storage).id


@pytest.fixture
def delivery(parts: Parts, tenant: TenantId) -> DeliveryId:
    """One that was answered, with an address and a secret in its body and headers."""
    stored = replace(
        a_delivery(tenant=tenant, state=DeliveryState.FAILED, wake_at=None),
        headers={"x-signature": "canary-signature"},
        body=b'{"email": "canary@example.com"}',
    )
    with parts.house.storage.begin(tenant) as uow:
        uow.installations.add(an_installation(tenant=tenant))
        uow.deliveries.add(stored)
        uow.commit()
    return stored.id


def test_deliveries_are_listed_by_state(run: Run, delivery: DeliveryId) -> None:
    listed = run("deliveries", "list", "--state", "failed", "--json")
    assert [row["id"] for row in listed.facts["deliveries"]] == [delivery]
    assert delivery in listed.err
    assert run("deliveries", "list", "--state", "applied", "--json").facts["deliveries"] == []


def test_a_delivery_in_the_list_says_whence_it_came_and_why_it_stands_there(
    run: Run, delivery: DeliveryId, parts: Parts, tenant: TenantId, secret_key: str
) -> None:
    with parts.house.storage.begin(tenant) as uow:
        uow.deliveries.settle(delivery, DeliveryState.FAILED, reason="server_error")
        uow.commit()
    [line] = run("deliveries", "list").out.splitlines()
    when, state, platform, installation, *_ = line.split()
    assert when == NOW.isoformat()
    assert (state, platform, installation) == ("failed", "practice", STORE)
    assert line.endswith(f"{delivery}  server_error")
    assert run("deliveries", "list", "--json").facts["deliveries"][0]["platform"] == "practice"
    locked = run("deliveries", "list", MAKEGOOD_SECRET_KEYS=secret_key)
    assert f"not readable {STORE}" in locked.out


@pytest.mark.parametrize(
    ("words", "said", "name"),
    [
        (("deliveries", "list"), "Nothing was delivered yet.", "deliveries"),
        (
            ("deliveries", "list", "--state", "failed"),
            "There are none in that state.",
            "deliveries",
        ),
        (("refunds", "list"), "No refund was made yet.", "refunds"),
        (
            ("refunds", "list", "--state", "needs_person"),
            "There are none in that state.",
            "refunds",
        ),
        (("effects", "list"), "None waits for a person.", "effects"),
        (("effects", "list", "--state", "done"), "There are none in that state.", "effects"),
    ],
    ids=["deliveries", "failed", "refunds", "needs_person", "effects", "done"],
)
def test_an_empty_list_says_so_to_people_and_stays_a_list_for_machines(
    words: tuple[str, ...], said: str, name: str, run: Run
) -> None:
    assert run(*words).out == f"{said}\n"
    machine = run(*words, "--json")
    assert machine.facts == {"ok": True, name: []}
    assert machine.err == f"{said}\n"


@pytest.mark.parametrize(
    ("group", "first"),
    [("deliveries", "received"), ("effects", "waiting"), ("refunds", "reserved")],
)
def test_a_state_that_there_is_not_is_refused(group: str, first: str, run: Run) -> None:
    refused = run(group, "list", "--state", "lost", "--json")
    assert refused.code == 2
    assert f"choose among {first}" in refused.facts["detail"]


def test_a_delivery_is_shown_without_its_content(run: Run, delivery: DeliveryId) -> None:
    shown = run("deliveries", "show", delivery, "--json")
    assert shown.code == 0
    assert shown.facts["headers"] == ["x-signature"]
    assert shown.facts["bytes"] == len(b'{"email": "canary@example.com"}')
    assert "canary" not in shown.out + shown.err


@pytest.mark.parametrize(
    "words",
    [
        ("deliveries", "show"),
        ("deliveries", "replay"),
        ("effects", "replay"),
        ("refunds", "show"),
    ],
    ids=" ".join,
)
def test_an_id_that_there_is_not_is_refused(words: tuple[str, ...], run: Run) -> None:
    refused = run(*words, "nothing", "--json")
    assert refused.code == 2
    assert f"makegood {words[0]} list" in refused.facts["detail"]


def test_refunds_are_listed_and_shown_with_their_moves(
    run: Run, parts: Parts, tenant: TenantId
) -> None:
    plan, refund = a_plan(an_order()), a_refund(state=RefundState.RESERVED)
    with parts.house.storage.begin(tenant) as uow:
        for name, kind in ((STORE, Kind.STORE), (BANK, Kind.STORE), (DESK, Kind.HELPDESK)):
            uow.installations.add(an_installation(name, tenant=tenant, kind=kind))
        uow.requests.save(a_request())
        uow.plans.add(plan, a_request().id)
        uow.refunds.add(refund, "Kim", NOW)
        uow.commit()
    listed = run("refunds", "list", "--json").facts["refunds"]
    assert [(row["id"], row["state"]) for row in listed] == [(refund.id, "reserved")]
    assert listed[0]["simulated"] is False
    assert listed[0]["changed_at"] == NOW.isoformat()
    [line] = run("refunds", "list").out.splitlines()
    assert line.startswith(f"{NOW.isoformat()}  reserved ")
    assert line.endswith(refund.id)
    shown = run("refunds", "show", refund.id, "--json")
    assert shown.code == 0
    assert [move["after"] for move in shown.facts["moves"]] == ["reserved"]


def test_an_unbroken_trail_is_code_0_and_a_changed_one_code_1(
    run: Run, delivery: DeliveryId, parts: Parts, tenant: TenantId
) -> None:
    with parts.house.storage.begin(tenant) as uow:
        for word in ("first", "second"):
            uow.audit.write(NOW, "Kim", "tried", word, {})
        uow.commit()
    assert run("audit", "verify", "--json").facts == {"ok": True, "entries": 2, "broken": {}}
    with parts.house.engine.begin() as db:
        db.exec_driver_sql("UPDATE mg_audit SET subject = 'other' WHERE subject = 'first'")
    broken = run("audit", "verify", "--json")
    assert broken.code == 1
    assert broken.facts["broken"] == {tenant: 1}


def test_a_sound_house_is_code_0(run: Run, data: Path, parts: Parts) -> None:
    checked = run("check", "--json")
    assert checked.code == 0, checked.err
    assert checked.facts["data_dir"] == str(data)
    if parts.house.engine.dialect.name == "sqlite":
        assert checked.facts["synchronous"] == "2"
    assert checked.facts["faults"] == []


def test_an_owner_whom_no_mail_reaches_is_a_warning(run: Run) -> None:
    checked = run("check", "--json")
    assert checked.code == 0
    assert checked.facts["owner"] == "is not told: no MAKEGOOD_OWNER"
    assert [warning.partition(":")[0] for warning in checked.facts["warnings"]] == [
        "no owner is told of refunds and troubles",
        "no mail can be sent",
    ]
    plain = run("check").out
    assert "warning        no owner is told" in plain
    assert "set MAKEGOOD_SMTP_URL" in plain


def test_an_owner_whom_mail_reaches_is_no_warning_and_never_named(run: Run) -> None:
    mail = {
        "MAKEGOOD_OWNER": "canary@shop.example",
        "MAKEGOOD_SMTP_URL": "smtp://canary:canary@mail.example:587",
    }
    [sender] = run("check", "--json", **mail).facts["warnings"]
    assert sender.startswith("mail goes out as makegood@localhost")
    mail["MAKEGOOD_MAIL_FROM"] = "Makegood <refunds@shop.example>"
    before = run("check", "--json", **mail)
    assert before.facts["warnings"] == []
    assert before.facts["owner"] == "is told from the next start on"
    run("practice", **mail)
    after = run("check", "--json", **mail)
    assert (after.facts["owner"], after.facts["mail"]) == ("is told", "by SMTP")
    assert "canary" not in before.out + before.err + after.out + after.err


def test_an_installation_that_cannot_work_is_a_fault(
    run: Run, parts: Parts, tenant: TenantId
) -> None:
    ill = an_installation("ill", tenant=tenant, status=InstallationStatus.NEEDS_ATTENTION)
    real = an_installation("real", tenant=tenant)
    real = replace(real, connection=replace(real.connection, platform="stripe"))
    with parts.house.storage.begin(tenant) as uow:
        uow.installations.add(ill)
        uow.installations.add(real)
        uow.commit()
    checked = run("check", "--json")
    assert checked.code == 1
    beginnings = [fault.partition(":")[0] for fault in checked.facts["faults"]]
    assert beginnings == ["practice ill needs attention", "stripe real must reach us by https"]
    healed = run("check", "--json", MAKEGOOD_PUBLIC_URL="https://makegood.test")
    assert [fault.partition(":")[0] for fault in healed.facts["faults"]] == [
        "practice ill needs attention"
    ]


def test_credentials_that_no_key_opens_are_a_fault(
    run: Run, delivery: DeliveryId, secret_key: str
) -> None:
    checked = run("check", "--json", MAKEGOOD_SECRET_KEYS=secret_key)
    assert checked.code == 1
    assert "MAKEGOOD_SECRET_KEYS" in checked.facts["faults"][0]


def test_practice_is_made_once_and_its_address_told(run: Run, parts: Parts) -> None:
    first, again = run("practice", "--json"), run("practice", "--json")
    assert first.code == again.code == 0
    address = "http://127.0.0.1:8080/panel/practice/"
    assert first.facts["practice"].startswith(address)
    assert first.facts["practice"].partition("?")[0] == again.facts["practice"].partition("?")[0]
    assert sum(tenant.simulated for tenant in parts.house.storage.tenants()) == 1


def test_a_sign_in_link_is_new_each_time(run: Run) -> None:
    links = {run("sign-in", "--json").facts["admin"] for _ in range(2)}
    assert len(links) == 2


def test_the_owner_of_the_settings_is_told_from_the_next_start_on(run: Run, parts: Parts) -> None:
    assert home_tenant(parts.house.storage).owners == ()
    run("practice", MAKEGOOD_OWNER="new@shop.example")
    assert home_tenant(parts.house.storage).owners == ("new@shop.example",)
    run("practice")
    assert home_tenant(parts.house.storage).owners == ("new@shop.example",)


def test_platforms_are_listed_with_what_is_not_done_yet(run: Run) -> None:
    listed = run("platforms", "list", "--json").facts["platforms"]
    assert {row["stem"] for row in listed} >= {"practice", "stripe", "systeme_io", "zendesk"}
    assert all(isinstance(row["todo"], list) for row in listed)


def test_the_matrix_leaves_practice_out(run: Run) -> None:
    table = run("platforms", "matrix").out
    assert "[Stripe]" in table
    assert "ractice" not in table


@of_sqlite_alone("on PostgreSQL the keys are given, and none lie in the folder")
def test_the_data_folder_is_for_its_owner_only(run: Run, data: Path) -> None:
    assert read_settings().data_dir == data
    assert data.stat().st_mode & 0o077 == 0
    assert (data / "secret-keys").stat().st_mode & 0o077 == 0
