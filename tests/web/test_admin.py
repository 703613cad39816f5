"""The admin's pages: health, lists with states in words, and the audit trail."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from plugin.domain.effects import EffectState, PlannedEffect, RevokeAccess, TellOwner
from plugin.domain.ids import EffectKey, RunId
from plugin.domain.refunds import RefundState
from plugin.ports.records import DeliveryState, InstallationStatus, Run, RunState, SelfTestLine
from plugin.web.admin import MOST
from plugin.web.views.admin_view import DELIVERY_LOOK, REFUND_LOOK, When, refund_row
from plugin.web.views.install_view import STATUS_LOOK
from tests.factories import (
    BANK,
    CUSTOMER,
    EMAIL,
    NOW,
    STORE,
    a_course,
    a_delivery,
    a_plan,
    a_refund,
    a_request,
    a_tenant,
    an_installation,
    an_order,
)
from tests.web.site import TENANT, Site


def _words(answer: TestResponse) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def _add_stores(site: Site) -> None:
    with site.storage.begin(TENANT.id) as uow:
        for ref, platform in ((STORE, "systeme_io"), (BANK, "stripe")):
            one = an_installation(ref, tenant=TENANT.id)
            connection = replace(one.connection, platform=platform, label=f"account of {ref}")
            uow.installations.add(replace(one, connection=connection))
        uow.commit()


def _add_refunds(site: Site) -> None:
    with site.storage.begin(TENANT.id) as uow:
        uow.orders.save(an_order())
        uow.requests.save(a_request())
        for number, state in enumerate(RefundState):
            plan = f"plan-{number}"
            uow.plans.add(a_plan(plan_id=plan), a_request().id)
            uow.refunds.add(a_refund(plan=plan, state=state), "ines", NOW)
        uow.commit()


def test_an_empty_house_says_where_to_begin(site: Site) -> None:
    words = _words(site.admin().get("/admin"))
    for part in (
        "Nothing waits for a person",
        "Connect a store",
        "No refund yet",
        "Nothing received",
    ):
        assert part in words


def test_every_state_has_a_word() -> None:
    assert set(REFUND_LOOK) == set(RefundState)
    assert set(DELIVERY_LOOK) == set(DeliveryState)
    assert set(STATUS_LOOK) == set(InstallationStatus)


def test_connections_show_their_health(site: Site) -> None:
    _add_stores(site)
    with site.storage.begin(TENANT.id) as uow:
        found = uow.installations.get(STORE)
        assert found is not None
        failed = SelfTestLine("key_works", "failed", "make a new key", NOW)
        uow.installations.save(
            replace(found, status=InstallationStatus.NEEDS_ATTENTION, self_test=(failed,))
        )
        uow.deliveries.add(a_delivery(tenant=TENANT.id))
        uow.commit()
    words = _words(site.admin().get("/admin"))
    assert "Systeme.io account of store-1 Needs a look make a new key 23 Nov, 12:40" in words
    assert "Stripe account of bank-1 Connected It has no self-test nothing heard yet" in words


def test_refunds_stand_with_their_states_in_words(site: Site) -> None:
    _add_stores(site)
    _add_refunds(site)
    page = site.admin().get("/admin")
    words = _words(page)
    for _, _, word in REFUND_LOOK.values():
        assert word in words
    assert "4 things wait for a person" in words
    assert "Makegood looks it up by itself. Do not send it again by hand." in words
    assert "49.00\u00a0EUR" in unescape(page.text)
    assert EMAIL not in page.text


def test_deliveries_stand_with_their_states_and_never_with_their_content(site: Site) -> None:
    _add_stores(site)
    with site.storage.begin(TENANT.id) as uow:
        for state in DeliveryState:
            one = a_delivery(f"delivery-{state}", tenant=TENANT.id, state=state)
            uow.deliveries.add(replace(one, reason=f"because of {state}"))
        uow.commit()
    page = site.admin().get("/admin")
    for _, _, word in DELIVERY_LOOK.values():
        assert word in _words(page)
    assert "3 things wait for a person" in _words(page)
    assert "because of failed. Kept: replay it once that is mended, or close it as" in _words(page)
    assert "bytes" not in page.text


def test_effects_that_nobody_decides_are_shown(site: Site) -> None:
    run = Run(RunId("run-1"), CUSTOMER, "plan", RunState.WAITING, NOW)
    with site.storage.begin(TENANT.id) as uow:
        planned = [
            PlannedEffect(EffectKey(f"e{place}"), place, RevokeAccess(a_course(f"c{place}")))
            for place in range(3)
        ]
        uow.effects.add_run(run, planned, NOW)
        ends = ((EffectState.NEEDS_PERSON, "shut"), (EffectState.UNKNOWN, ""))
        for one, (state, outcome) in zip(uow.effects.of_run(run.id), ends, strict=False):
            ended = replace(one, state=state, outcome=outcome)
            assert uow.effects.set_state(one.planned.key, one.state, ended)
        uow.commit()
    words = _words(site.admin().get("/admin"))
    assert "2 things wait for a person" in words
    assert "Take away Course c0 It ended with: shut. Do it at the platform" in words
    assert "Makegood does not try again by itself." in words


def test_an_owner_whom_nobody_can_tell_is_said_in_words_and_not_in_codes(site: Site) -> None:
    run = Run(RunId("run-1"), CUSTOMER, "plan", RunState.WAITING, NOW)
    with site.storage.begin(TENANT.id) as uow:
        told = PlannedEffect(EffectKey("tell"), 0, TellOwner("canary subject", "canary body"))
        uow.effects.add_run(run, [told], NOW)
        [stored] = uow.effects.of_run(run.id)
        ended = replace(stored, state=EffectState.NEEDS_PERSON, outcome="no_owner_address")
        assert uow.effects.set_state(told.key, stored.state, ended)
        uow.commit()
    page = site.admin().get("/admin")
    assert "Tell the owner by mail" in _words(page)
    assert "set MAKEGOOD_OWNER and start Makegood again. Tell the owner yourself" in _words(page)
    assert "no_owner_address" not in page.text
    assert "canary" not in page.text


def test_a_refund_that_waits_is_not_pushed_out_by_newer_ones(site: Site) -> None:
    _add_stores(site)
    with site.storage.begin(TENANT.id) as uow:
        uow.orders.save(an_order())
        uow.requests.save(a_request())
        for number in range(MOST + 1):
            plan = f"plan-{number}"
            uow.plans.add(a_plan(plan_id=plan), a_request().id)
            state = RefundState.SUCCEEDED if number else RefundState.MANUAL
            at = NOW + timedelta(seconds=number)
            uow.refunds.add(a_refund(plan=plan, state=state), "ines", at)
        uow.commit()
    words = _words(site.admin().get("/admin"))
    assert "1 thing waits for a person" in words
    assert "Open its ticket: the panel shows the steps and closes it." in words


def test_more_than_can_be_shown_is_said_to_be_more(site: Site) -> None:
    run = Run(RunId("run-1"), CUSTOMER, "plan", RunState.WAITING, NOW)
    with site.storage.begin(TENANT.id) as uow:
        planned = [
            PlannedEffect(EffectKey(f"e{place}"), place, TellOwner("subject", "body"))
            for place in range(MOST + 1)
        ]
        uow.effects.add_run(run, planned, NOW)
        for one in uow.effects.of_run(run.id):
            ended = replace(one, state=EffectState.NEEDS_PERSON, outcome="no_mail_server")
            assert uow.effects.set_state(one.planned.key, one.state, ended)
        uow.commit()
    assert f"More than {MOST} things wait for a person" in _words(site.admin().get("/admin"))


def test_a_connection_is_heard_however_many_others_were_heard_since(site: Site) -> None:
    _add_stores(site)
    with site.storage.begin(TENANT.id) as uow:
        first = a_delivery("first", tenant=TENANT.id, received_at=NOW)
        uow.deliveries.add(replace(first, installation=BANK))
        for number in range(MOST + 1):
            at = NOW + timedelta(seconds=number)
            uow.deliveries.add(a_delivery(f"d{number}", tenant=TENANT.id, received_at=at))
        uow.commit()
    assert "nothing heard yet" not in _words(site.admin().get("/admin"))


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (RefundState.REFUSED, "dispute_open", "The bank opened a dispute on this payment"),
        (RefundState.REFUSED, "charge_too_old", "The gateway says: charge too old."),
        (RefundState.SUCCEEDED, "reported_by_store", "The store said so."),
        (RefundState.SUCCEEDED, "ARN 7421", "ARN 7421"),
    ],
)
def test_why_a_refund_stands_there_is_a_sentence(
    state: RefundState, reason: str, words: str
) -> None:
    row = refund_row(replace(a_refund(state=state), reason=reason), When(a_tenant()))
    assert row.reason.startswith(words)


def test_the_audit_trail_is_checked_while_one_looks(site: Site) -> None:
    admin = site.admin()
    words = _words(admin.get("/admin/audit"))
    assert "The only entry fits" in words
    assert "admin.signed_in" in words
    with site.parts.house.engine.begin() as db:
        db.execute(text("UPDATE mg_audit SET actor = 'somebody' WHERE seq = 1"))
    words = _words(admin.get("/admin/audit"))
    assert "Entry 1 does not fit the one before it" in words


def test_the_trail_shows_its_end_first(site: Site) -> None:
    with site.storage.begin(TENANT.id) as uow:
        for number in range(30):
            uow.audit.write(NOW, "ines", f"act.{number}", "x", {"amount": "490 EUR"})
        uow.commit()
    words = _words(site.admin().get("/admin/audit"))
    assert "act.29 amount 490 EUR" in words
    assert words.index("act.29") < words.index("act.28")
    assert "act.3 " not in words


def test_times_stand_in_the_tenants_zone() -> None:
    when = When(a_tenant())
    assert when(NOW) == "23 Nov, 13:40"
    assert when(None) == ""
