"""A business whose health page has something in every part of it, and one where all is well.

For tests of the page, and for its pictures. NOW is 13:40 on Monday where the business is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape

from sqlalchemy import insert
from werkzeug.test import TestResponse

from plugin.domain.drift import Difference, DriftKind, DriftState
from plugin.domain.effects import (
    Effect,
    EffectState,
    PlannedEffect,
    RemoveTag,
    RevokeAccess,
    TellCustomer,
)
from plugin.domain.ids import EffectKey, InstallationId, RunId
from plugin.domain.money import Money
from plugin.domain.refunds import RefundState
from plugin.ports import Kind
from plugin.ports.records import (
    DeliveryState,
    Drift,
    Installation,
    InstallationStatus,
    Run,
    RunState,
    SelfTestLine,
    Sweep,
)
from plugin.storage.budgets import database_now_us
from plugin.storage.tables import breakers, buckets
from tests.factories import (
    CUSTOMER,
    NOW,
    a_connection,
    a_course,
    a_delivery,
    a_payment_ref,
    a_plan,
    a_refund,
    a_request,
    a_tag,
    ago,
    soon,
)
from tests.web.site import TENANT, Site

PAGE = "/admin/health"
ZONE = "Europe/Zagreb"
SHOP, CARDS, OTHER_CARDS, DESK = (
    InstallationId(name) for name in ("systeme-1", "stripe-1", "stripe-2", "intercom-1")
)
PLACES = (
    (SHOP, Kind.STORE, "systeme_io", "northlight.systeme.io"),
    (CARDS, Kind.STORE, "stripe", "Northlight Studio"),
    (OTHER_CARDS, Kind.STORE, "stripe", "Northlight Workshops"),
    (DESK, Kind.HELPDESK, "intercom", "Northlight inbox"),
)
HOURS = (13, 8, 5, 4, 2, 3, 7, 16, 27, 35, 51, 58, 49, 44, 52, 42, 38, 34, 28, 32, 25, 22, 17, 15)
"""Deliveries of each hour of yesterday."""
MIDNIGHT = datetime(2026, 11, 21, 23, 0, tzinfo=UTC)
"""When yesterday began in Zagreb."""


def connect_all(site: Site) -> None:
    """Four connections that work."""
    with site.storage.begin(TENANT.id) as uow:
        uow.settings.describe_tenant(TENANT.name, ZONE, "en")
        for ref, kind, platform, label in PLACES:
            connection = a_connection(ref, tenant=TENANT.id, kind=kind, platform=platform)
            settings = {"workspace_id": "nrthlght"} if kind is Kind.HELPDESK else {}
            secrets = {"webhook_secret_1": "w" * 32}
            connection = replace(connection, label=label, settings=settings, secrets=secrets)
            uow.installations.add(
                Installation(connection, InstallationStatus.CONNECTED, ago(days=90), lines())
            )
        uow.commit()
    site.storage.beat("worker-1")


def lines(*, failed: str = "", details: str = "") -> tuple[SelfTestLine, ...]:
    """A self-test that ended well, but for one line."""
    names = ("key_works", "rights_are_enough", "webhook_registered", "delivery_received", "canary")
    return tuple(
        SelfTestLine(name, "failed", details, ago(hours=2))
        if name == failed
        else SelfTestLine(name, "ok", "done", ago(days=80), 400 + 300 * place)
        for place, name in enumerate(names)
    )


def deliver_yesterday(site: Site, bad: bool = False) -> None:
    """Its deliveries, of the shop until morning two days ago where something is `bad`."""
    made = 0
    with site.storage.begin(TENANT.id) as uow:
        for hour, number in enumerate(HOURS):
            for place in range(number):
                at = MIDNIGHT + timedelta(hours=hour, seconds=60 + place * 3400 // number)
                to = (CARDS, DESK, OTHER_CARDS)[place % 3] if bad else PLACES[place % 4][0]
                made += 1
                one = a_delivery(f"d{made}", tenant=TENANT.id, installation=to, received_at=at)
                uow.deliveries.add(replace(one, state=DeliveryState.APPLIED, wake_at=None))
        for to, at in (
            (CARDS, ago(seconds=40)),
            (OTHER_CARDS, ago(minutes=6)),
            (DESK, ago(minutes=1)),
        ):
            one = a_delivery(f"new-{to}", tenant=TENANT.id, installation=to, received_at=at)
            uow.deliveries.add(replace(one, state=DeliveryState.APPLIED, wake_at=None))
        for number in range(12):
            at = ago(days=2 if bad else 0, minutes=4 + 11 * number)
            one = a_delivery(f"shop-{number}", tenant=TENANT.id, installation=SHOP, received_at=at)
            uow.deliveries.add(replace(one, state=DeliveryState.APPLIED, wake_at=None))
        uow.commit()


def make_calm(site: Site) -> None:
    """All is well."""
    connect_all(site)
    deliver_yesterday(site)


def make_rich(site: Site) -> None:
    """Something in every part of the page."""
    connect_all(site)
    deliver_yesterday(site, bad=True)
    _fail_deliveries(site)
    _add_refunds(site)
    _add_effects(site)
    _add_drifts(site)
    _rest_and_spend(site)


def _fail_deliveries(site: Site) -> None:
    told = (
        (
            "contact.deleted",
            DESK,
            DeliveryState.UNREADABLE,
            "data: the item is missing",
            9,
            14,
        ),
        ("charge.refunded", CARDS, DeliveryState.FAILED, "no_answer", 9, 31),
        ("radar.early_fraud", CARDS, DeliveryState.UNRECOGNISED, "", 15, 2),
    )
    with site.storage.begin(TENANT.id) as uow:
        for topic, to, state, reason, hour, minute in told:
            at = MIDNIGHT + timedelta(hours=hour, minutes=minute)
            one = a_delivery(f"bad-{topic}", tenant=TENANT.id, installation=to, received_at=at)
            kept = replace(one, topic=topic, state=state, reason=reason, wake_at=None, attempts=5)
            uow.deliveries.add(kept)
        uow.commit()


def _add_refunds(site: Site) -> None:
    states = (
        (RefundState.SUBMITTING, SHOP),
        (RefundState.PENDING, CARDS),
        (RefundState.PENDING, OTHER_CARDS),
        (RefundState.UNKNOWN, CARDS),
        (RefundState.NEEDS_PERSON, CARDS),
    )
    with site.storage.begin(TENANT.id) as uow:
        uow.requests.save(replace(a_request(), desk=DESK))
        for number, (state, account) in enumerate(states):
            plan = f"plan-{number}"
            uow.plans.add(a_plan(plan_id=plan), a_request().id)
            refund = a_refund(
                plan=plan,
                payment=a_payment_ref(f"pay-{number}", account),
                amount=Money(12900 + 1000 * number, "EUR"),
                state=state,
                wake_at=soon(minutes=12),
            )
            uow.refunds.add(refund, "ines", NOW)
        uow.commit()


def _add_effects(site: Site) -> None:
    ends: Sequence[tuple[Effect, EffectState, str]] = (
        (RevokeAccess(a_course("c1", "Portrait Lighting", SHOP)), EffectState.WAITING, ""),
        (RevokeAccess(a_course("c2", "Studio Basics", SHOP)), EffectState.WAITING, ""),
        (RemoveTag(a_tag("t1", "vip-all", SHOP)), EffectState.WAITING, ""),
        (
            RevokeAccess(a_course("c3", "Colour Mixing", SHOP)),
            EffectState.NEEDS_PERSON,
            "no_such_contact",
        ),
        (
            TellCustomer(None, None, "lars@mail.example", "Refunded", "Dear Lars", "en"),
            EffectState.UNKNOWN,
            "mail_server_quiet",
        ),
    )
    run = Run(RunId("run-1"), CUSTOMER, "plan", RunState.WAITING, NOW)
    with site.storage.begin(TENANT.id) as uow:
        planned = [
            PlannedEffect(EffectKey(f"effect-{place}"), place, effect)
            for place, (effect, _, _) in enumerate(ends)
        ]
        uow.effects.add_run(run, planned, NOW)
        for one, (_, state, outcome) in zip(uow.effects.of_run(run.id), ends, strict=True):
            if state is not EffectState.WAITING:
                ended = replace(one, state=state, outcome=outcome, changed_at=ago(hours=3))
                uow.effects.set_state(one.planned.key, one.state, ended)
        uow.commit()


def _add_drifts(site: Site) -> None:
    left = {"kind": "course", "ref": "c9", "name": "Watercolour Year"}
    gone = {"refund": "re_3PqX", "here": "4900 EUR"}
    found = (
        Drift(
            "drift-1",
            SHOP,
            CUSTOMER,
            Difference(DriftKind.ACCESS_LEFT, "course:c9", left),
            DriftState.OPEN,
            ago(hours=5),
            ago(hours=5),
        ),
        Drift(
            "drift-2",
            CARDS,
            CUSTOMER,
            Difference(DriftKind.REFUND_GONE, "re_3PqX", gone),
            DriftState.OPEN,
            ago(hours=1),
            ago(hours=1),
        ),
    )
    with site.storage.begin(TENANT.id) as uow:
        for one in found:
            uow.drifts.put(one)
        uow.sweeps.begin(Sweep(SHOP, ago(hours=1), ago(hours=1), soon(minutes=4)))
        uow.commit()


def _rest_and_spend(site: Site) -> None:
    """One account rests, and one has spent calls, which come back by the database's clock."""
    with site.parts.house.engine.begin() as db:
        now_us = database_now_us(db)
        rests_us = round(NOW.timestamp() * 1_000_000)
        us = {"opened_at_us": rests_us - 60_000_000, "probe_at_us": rests_us + 120_000_000}
        db.execute(insert(breakers).values(account=OTHER_CARDS, failures=6, **us))
        db.execute(insert(buckets).values(account=SHOP, full_at_us=now_us + 9_000_000))


# --- reading the page ----------------------------------------------------------------------------


def words_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def part(answer: TestResponse, name: str) -> str:
    """The words of one card of the page; empty where it is not shown."""
    found = re.search(rf'<section class="card" id="{name}".*?</section>', answer.text, re.DOTALL)
    return "" if found is None else words_of(found[0])


def change(site: Site, ref: InstallationId, **changes: object) -> None:
    with site.storage.begin(TENANT.id) as uow:
        found = uow.installations.get(ref)
        assert found is not None
        uow.installations.save(replace(found, **changes))  # type: ignore[arg-type]  # its own fields
        uow.commit()
