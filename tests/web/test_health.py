"""The health page: one sentence for all, each thing with its next step, and what a press does."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert

from plugin.domain.drift import DriftKind
from plugin.domain.effects import PlannedEffect, RevokeAccess
from plugin.domain.ids import DeliveryId, EffectKey, InstallationId, RunId
from plugin.ports.records import (
    RESTORED,
    Hold,
    InstallationStatus,
    Run,
    RunState,
    Sweep,
)
from plugin.services.health import Count, Credential, Hour, Standing
from plugin.services.key_replacement import with_offer
from plugin.services.replaying import WhyNot
from plugin.storage.budgets import database_now_us
from plugin.storage.tables import buckets
from plugin.web.views.health_accounts import CREDENTIAL_LOOK
from plugin.web.views.health_day import STEPS, day
from plugin.web.views.health_telling import Tell
from plugin.web.views.health_view import STANDING_LOOK
from plugin.web.views.health_words import ENGLISH
from tests.factories import (
    CUSTOMER,
    NOW,
    a_course,
    a_delivery,
    a_payment_ref,
    a_plan,
    a_refund,
    a_request,
    a_tenant,
    ago,
    an_installation,
    soon,
)
from tests.web.health_scene import (
    CARDS,
    DESK,
    OTHER_CARDS,
    PAGE,
    SHOP,
    change,
    connect_all,
    lines,
    make_calm,
    make_rich,
    part,
    words_of,
)
from tests.web.site import TENANT, Site


def page(site: Site) -> str:
    return words_of(site.admin().get(PAGE).text)


# --- the sentence at the top ----------------------------------------------------------------------


def test_a_house_where_nothing_is_connected_says_where_to_begin(site: Site) -> None:
    answer = site.admin().get(PAGE)
    words = words_of(answer.text)
    assert "Nothing is connected yet, so there is nothing to watch." in words
    assert "Connect a store" in words
    assert "Deliveries, yesterday nothing came" in words
    assert "Keys and secrets" not in words
    assert "Calls left now" not in words


def test_a_calm_house_says_that_all_is_well(site: Site) -> None:
    make_calm(site)
    answer = site.admin().get(PAGE)
    words = words_of(answer.text)
    assert "All is well. Nothing waits for a person." in words
    assert 'class="n"' not in answer.text
    for name in ("refunds", "effects", "deliveries", "drifts"):
        assert part(answer, name) == ""


def test_one_thing_is_said_in_one_sentence_with_what_waits_for_it(site: Site) -> None:
    make_calm(site)
    site.clock.advance(days=2)
    for ref in (CARDS, OTHER_CARDS, DESK):
        _deliver(site, f"new-{ref}", ref, site.clock.now())
    answer = site.admin().get(PAGE)
    words = words_of(answer.text)
    assert (
        "One thing needs a look: Systeme.io has been silent for 2 days. No refund waits for it. "
        "Test again" in words
    )
    assert "Health 1 to look at" in words
    assert f'href="/install/at/{SHOP}#connect"' in answer.text


def _deliver(site: Site, name: str, to: InstallationId, at: datetime) -> None:
    with site.storage.begin(TENANT.id) as uow:
        one = a_delivery(name, tenant=TENANT.id, installation=to, received_at=at)
        uow.deliveries.add(replace(one, id=DeliveryId(f"{name}-again"), name=f"{name}-again"))
        uow.commit()


def test_several_things_stand_below_one_another(site: Site) -> None:
    make_rich(site)
    words = page(site)
    for said in (
        "6 things need a look, the most urgent first.",
        "Stripe (Northlight Workshops) does not answer: 6 calls in a row failed. One goes out",
        "again at 13:42. 1 refund waits for it. Test again",
        "Systeme.io has been silent for 2 days. 1 refund and 3 closings wait for it. Test again",
        "1 refund waits for a person. Look at it",
        "2 things could not be done outside and wait for a person. Look at them",
        "3 deliveries could not be applied. Look at them",
        "2 things at a platform are not as your books say. Look at them",
    ):
        assert said in words


@pytest.mark.parametrize(
    ("refunds", "closings", "waits"),
    [
        (0, 0, "No refund waits for it."),
        (0, 1, "No refund waits for it; 1 closing does."),
        (0, 3, "No refund waits for it; 3 closings do."),
        (1, 0, "1 refund waits for it."),
        (2, 0, "2 refunds wait for it."),
        (2, 1, "2 refunds and 1 closing wait for it."),
    ],
)
def test_what_waits_for_a_connection_is_counted(
    site: Site, refunds: int, closings: int, waits: str
) -> None:
    make_calm(site)
    change(site, SHOP, status=InstallationStatus.NEEDS_ATTENTION)
    _wait_for_shop(site, refunds, closings)
    assert f"Systeme.io: its self-test did not end well. {waits} Test again" in page(site)


def _wait_for_shop(site: Site, refunds: int, closings: int) -> None:
    run = Run(RunId("run"), CUSTOMER, "plan", RunState.WAITING, NOW)
    planned = [
        PlannedEffect(EffectKey(f"e{n}"), n, RevokeAccess(a_course(f"c{n}", store=SHOP)))
        for n in range(closings)
    ]
    with site.storage.begin(TENANT.id) as uow:
        uow.effects.add_run(run, planned, NOW)
        uow.requests.save(a_request())
        for number in range(refunds):
            plan = f"plan-{number}"
            uow.plans.add(a_plan(plan_id=plan), a_request().id)
            paid = a_payment_ref(account=SHOP)
            uow.refunds.add(a_refund(plan=plan, payment=paid), "ines", NOW)
        uow.commit()


def test_a_house_without_a_worker_says_so_first(site: Site) -> None:
    make_calm(site)
    site.storage.forget_worker("worker-1")
    words = page(site)
    assert "One thing needs a look: No worker runs, so no delivery is read" in words
    assert "Workers 0 nothing is sent" in words


def test_a_house_that_holds_says_until_when(site: Site) -> None:
    make_calm(site)
    with site.storage.begin(TENANT.id) as uow:
        uow.holds.put(Hold(RESTORED, ago(minutes=10), ago(days=1)))
        uow.commit()
    words = page(site)
    assert "Nothing is sent since 13:30, when a copy was restored." in words
    assert "what happened outside since 22 Nov, 13:40: makegood check says" in words


# --- connections ----------------------------------------------------------------------------------


def test_everything_that_can_be_has_a_look_and_a_word() -> None:
    assert set(STANDING_LOOK) == set(Standing)
    assert set(CREDENTIAL_LOOK) == set(Credential)
    keys = [look[2] for look in (*STANDING_LOOK.values(), *CREDENTIAL_LOOK.values())]
    keys += [f"key.{one}.next" for one in Credential]
    keys += [f"drift.{one}" for one in DriftKind]
    keys += [f"said.{one}" for one in WhyNot]
    assert set(keys) <= set(ENGLISH)


def test_connections_stand_with_when_they_were_heard(site: Site) -> None:
    make_rich(site)
    found = part(site.admin().get(PAGE), "connections")
    assert "Stripe (Northlight Studio) Well 40 s ago 221" in found
    assert "Stripe (Northlight Workshops) Resting 6 min ago. Asked again at 13:42. Test" in found
    assert (
        "Systeme.io northlight.systeme.io Silent 2 days ago. Before, never for longer than "
        "11 min. Asked again at 13:44. Test again : Systeme.io 0" in found
    )
    assert "Intercom Northlight inbox Well 60 s ago 209" in found


def test_a_connection_that_was_never_heard_says_so(site: Site) -> None:
    connect_all(site)
    change(site, SHOP, status=InstallationStatus.CONNECTING)
    found = part(site.admin().get(PAGE), "connections")
    assert "Systeme.io northlight.systeme.io Connecting nothing heard yet 0" in found


def test_a_self_test_that_failed_says_why(site: Site) -> None:
    make_calm(site)
    failed = lines(failed="webhook_registered", details="The webhook is switched off there")
    change(site, CARDS, self_test=failed, status=InstallationStatus.NEEDS_ATTENTION)
    answer = site.admin().get(PAGE)
    found = part(answer, "connections")
    assert "Needs a look 40 s ago. The webhook is switched off there. Test again" in found
    keys = part(answer, "keys")
    assert "Webhook off" in keys
    assert "It tells Makegood nothing. Testing again registers the webhook anew." in keys


def test_a_platform_that_refuses_the_key_asks_for_a_new_one(site: Site) -> None:
    make_calm(site)
    with site.storage.begin(TENANT.id) as uow:
        uow.sweeps.begin(Sweep(CARDS, NOW, None, soon(minutes=5), 1, 1, "key_refused"))
        uow.commit()
    answer = site.admin().get(PAGE)
    words = words_of(answer.text)
    assert (
        "One thing needs a look: Stripe (Northlight Studio) refuses Makegood's key. No refund "
        "waits for it. Give it a new key" in words
    )
    keys = part(answer, "keys")
    assert "Stripe (Northlight Studio) Key refused" in keys
    assert "Make a new key there and give it to this connection. Look at it" in keys


def test_a_platform_that_does_not_answer_is_asked_again(site: Site) -> None:
    make_calm(site)
    with site.storage.begin(TENANT.id) as uow:
        uow.sweeps.begin(Sweep(CARDS, NOW, None, soon(minutes=5), 1, 3, "no_answer"))
        uow.commit()
    words = page(site)
    assert "Stripe (Northlight Studio) could not be asked for its news, 3 times in a row." in words
    assert "The platform did not answer in time. Asked again at 13:45. Test again" in words


def test_keys_say_when_they_were_seen_to_work_and_what_signs(site: Site) -> None:
    make_calm(site)
    connection = site.installation(SHOP).connection
    change(site, SHOP, connection=replace(connection, secrets={}))
    change(site, CARDS, connection=with_offer(site.installation(CARDS).connection, {}, {}))
    change(site, DESK, self_test=())
    answer = site.admin().get(PAGE)
    keys = part(answer, "keys")
    assert "Systeme.io No signing secret Key last seen to work 4 Sep, 14:40" in keys
    assert "Its deliveries are turned away. Testing again makes a secret." in keys
    assert "New key waits" in keys
    assert "Intercom Works Key not seen to work yet; 1 signing secret" in keys
    words = words_of(answer.text)
    assert "Systeme.io has no signing secret, so its deliveries are turned away." in words
    assert "Stripe (Northlight Studio): a new key waits to be tried." in words


def test_urgent_things_of_a_later_connection_stand_first(site: Site) -> None:
    make_calm(site)
    change(site, CARDS, status=InstallationStatus.NEEDS_ATTENTION)
    with site.storage.begin(TENANT.id) as uow:
        uow.sweeps.begin(Sweep(SHOP, NOW, None, None, 1, 1, "key_refused"))
        uow.commit()
    words = page(site)
    assert words.index("Systeme.io refuses") < words.index("its self-test did not end well")


def test_budgets_say_what_is_left_now(site: Site) -> None:
    make_rich(site)
    found = part(site.admin().get(PAGE), "budgets")
    assert "Stripe (Northlight Studio) 20 in 1 s 20 of 20" in found
    assert "Stripe (Northlight Workshops) rests until 13:42 20 of 20" in found
    left = re.search(r"Systeme\.io 60 in 60 s (\d+) of 60", found)
    assert left is not None
    assert 50 < int(left[1]) < 60


def test_a_spent_budget_says_what_follows(site: Site) -> None:
    connect_all(site)
    with site.parts.house.engine.begin() as db:
        full_at_us = database_now_us(db) + 3600 * 1_000_000
        db.execute(insert(buckets).values(account=SHOP, full_at_us=full_at_us))
    found = part(site.admin().get(PAGE), "budgets")
    assert (
        "Systeme.io 60 in 60 s 0 of 60 All are spent, so calls wait and go out by themselves as "
        "the budget fills, which takes 60 s; where it is spent day after day, ask Systeme.io for "
        "a higher limit." in found
    )
    assert found.count("All are spent") == 1


def test_a_platform_that_is_never_called_has_no_budget_to_show(site: Site) -> None:
    with site.storage.begin(TENANT.id) as uow:
        uow.installations.add(an_installation(SHOP, tenant=TENANT.id))
        uow.commit()
    answer = site.admin().get(PAGE)
    assert "Practice" in part(answer, "keys")
    assert part(answer, "budgets") == ""


def test_figures_say_what_is_known(site: Site) -> None:
    make_rich(site)
    words = page(site)
    assert "Refunds on the way 3 Unknown 1 asked again at 13:52 Failed deliveries 3" in words
    assert "1 failed, 1 unreadable, 1 of a kind we do not know" in words
    assert "Slowest in a self-test 1.6 s Intercom" in words


def test_what_was_never_measured_is_left_out(site: Site) -> None:
    connect_all(site)
    for ref in (SHOP, CARDS, OTHER_CARDS, DESK):
        change(site, ref, self_test=())
    assert "Slowest" not in page(site)


# --- yesterday ------------------------------------------------------------------------------------


def test_bars_and_table_tell_the_same_day(site: Site) -> None:
    make_rich(site)
    answer = site.admin().get(PAGE)
    said = re.search(r'role="img" aria-label="([^"]*)"', answer.text)
    assert said is not None
    assert said[1] == (
        "Deliveries per hour: fewest 2 at 4:00, most 58 at 11:00. "
        "Not applied: 2 at 9:00, 1 at 15:00."
    )
    bars = re.findall(r'<i class="v(\d+)( miss)?"></i>', answer.text)
    assert len(bars) == 24
    assert max(int(step) for step, _ in bars) == STEPS
    assert [place for place, (_, miss) in enumerate(bars) if miss] == [9, 15]
    found = part(answer, "day")
    assert "Deliveries, yesterday 630, 3 not applied" in found
    assert "9:00 to 10:00 37, 2 not applied" in found
    assert "23:00 to 24:00 15" in found


def test_a_busy_hour_is_not_counted_to_its_end() -> None:
    hours = [
        Hour(ago(hours=2), Count(5000, more=True), 0),
        Hour(ago(hours=1), Count(1), 0),
        Hour(NOW, Count(0), 0),
    ]
    made = day(hours, Tell(a_tenant(), NOW))
    assert made.total == "5,001 or more"
    assert [one.words for one in made.hours] == ["5,000 or more", "1", "0"]
    assert [one.step for one in made.hours] == [STEPS, 1, 0]


# --- telling --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=119), "119 s"),
        (timedelta(minutes=2), "2 min"),
        (timedelta(minutes=119), "119 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=2), "2 days"),
    ],
)
def test_spans_are_said_in_the_unit_that_fits(length: timedelta, words: str) -> None:
    assert Tell(a_tenant(), NOW).span(length) == words


def test_the_overview_leads_to_the_health(site: Site) -> None:
    answer = site.admin().get("/admin")
    assert 'href="/admin/health"' in answer.text
    assert "Overview" in words_of(answer.text)
