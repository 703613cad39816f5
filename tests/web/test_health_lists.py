"""What the health page lists: each thing with what to do, and what a press of its button does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from plugin.domain.drift import Difference, DriftKind, DriftState
from plugin.domain.effects import EffectState
from plugin.domain.ids import DeliveryId, EffectKey, TicketId
from plugin.ports import Kind
from plugin.ports.records import (
    DeliveryState,
    Drift,
    Installation,
    InstallationStatus,
)
from plugin.services.look_at_health import MOST, SHOWN
from tests.factories import (
    CUSTOMER,
    NOW,
    a_connection,
    a_delivery,
    a_request,
    ago,
)
from tests.web.health_scene import (
    CARDS,
    DESK,
    PAGE,
    SHOP,
    change,
    connect_all,
    make_rich,
    part,
    words_of,
)
from tests.web.site import OTHER, TENANT, Site


def test_each_list_says_what_to_do(site: Site) -> None:
    make_rich(site)
    answer = site.admin().get(PAGE)
    assert part(answer, "refunds") == (
        "Refunds for a person 1 Refund of 169.00 EUR to Visa …4242 , order 10412 "
        "Look it up at the gateway, then say in the panel what is so. Ticket 77, Intercom"
    )
    effects = part(answer, "effects")
    assert "Take away Course Colour Mixing , 10:40 No contact there has" in effects
    assert "Replay : Take away Course Colour Mixing, 10:40" in effects
    assert "Send it, though it may arrive twice : Tell a customer, 10:40" in effects
    deliveries = part(answer, "deliveries")
    for said in (
        "radar.early_fraud , Stripe (Northlight Studio) 22 Nov, 15:02: Of a kind we do not know.",
        "charge.refunded , Stripe (Northlight Studio) 22 Nov, 09:31: The platform did not answer",
        "contact.deleted , Intercom 22 Nov, 09:14: data: the item is missing. Tried 5 times",
    ):
        assert said in deliveries
    drifts = part(answer, "drifts")
    assert "Refund re_3PqX: 49.00 EUR here, and nothing there , Stripe" in drifts
    assert f"Watercolour Year is still open to {CUSTOMER} , Systeme.io, found 08:40" in drifts
    assert "Close this" in drifts
    assert "lars@mail.example" not in answer.text
    assert "bytes" not in answer.text


def test_a_long_list_shows_what_waits_longest_and_says_how_many_there_are(site: Site) -> None:
    connect_all(site)
    with site.storage.begin(TENANT.id) as uow:
        for number in range(MOST + 1):
            at = ago(minutes=number)
            one = a_delivery(f"d{number}", tenant=TENANT.id, installation=SHOP, received_at=at)
            uow.deliveries.add(replace(one, topic="", state=DeliveryState.FAILED, reason=""))
        uow.commit()
    answer = site.admin().get(PAGE)
    found = part(answer, "deliveries")
    assert found.startswith("Not applied 200 or more Delivery without a topic , Systeme.io 10:20:")
    assert "Failed, kept. Kept as it came." in found
    assert f"These are the {SHOWN} of 200 or more that have waited longest." in found
    assert answer.text.count("/replay") == answer.text.count("/close") == SHOWN


def test_a_refund_for_a_person_leads_to_its_ticket_where_its_page_is_known(site: Site) -> None:
    make_rich(site)
    there = a_connection("desk-2", tenant=TENANT.id, kind=Kind.HELPDESK, platform="zendesk")
    desk = replace(there, settings={"subdomain": "acme"})
    with site.storage.begin(TENANT.id) as uow:
        uow.installations.add(Installation(desk, InstallationStatus.CONNECTED, NOW))
        asked = replace(a_request(), desk=desk.installation, ticket=TicketId("7/../8"))
        uow.requests.save(asked)
        uow.commit()
    answer = site.admin().get(PAGE)
    assert "Ticket 7/../8, Zendesk (new tab)" in part(answer, "refunds")
    assert 'href="https://acme.zendesk.com/agent/tickets/7%2F..%2F8"' in answer.text
    change(site, desk.installation, status=InstallationStatus.REMOVED)
    without = site.admin().get(PAGE)
    assert "Ticket 7/../8, a removed connection" in part(without, "refunds")
    assert "acme.zendesk.com" not in without.text


def test_a_refund_that_nobody_asked_for_in_a_ticket_names_none(site: Site) -> None:
    make_rich(site)
    with site.storage.begin(TENANT.id) as uow:
        uow.requests.save(a_request(ticket=None))
        uow.commit()
    assert "Ticket" not in part(site.admin().get(PAGE), "refunds")


def test_what_waits_longest_is_on_the_page_however_much_comes_after_it(site: Site) -> None:
    """A wish to erase somebody, and a flood of what nobody knows."""
    make_rich(site)
    with site.storage.begin(TENANT.id) as uow:
        for number in range(SHOWN * 2):
            at = ago(minutes=number)
            one = a_delivery(f"d{number}", tenant=TENANT.id, installation=SHOP, received_at=at)
            uow.deliveries.add(replace(one, state=DeliveryState.UNRECOGNISED, wake_at=None))
        uow.commit()
    found = part(site.admin().get(PAGE), "deliveries")
    assert "contact.deleted , Intercom 22 Nov, 09:14" in found


def test_what_came_from_a_removed_connection_is_still_told(site: Site) -> None:
    make_rich(site)
    for ref in (DESK, CARDS):
        change(site, ref, status=InstallationStatus.REMOVED)
    answer = site.admin().get(PAGE)
    assert "contact.deleted , a removed connection" in part(answer, "deliveries")
    assert "nothing there , a removed connection, found 12:40" in part(answer, "drifts")


def test_drift_without_a_customer_or_an_amount_has_words_too(site: Site) -> None:
    connect_all(site)
    told: Sequence[Difference] = (
        Difference(DriftKind.NEWS_GAP, "gap"),
        Difference(DriftKind.ACCESS_MISSING, "course:c1", {"ref": "c1", "name": ""}),
        Difference(DriftKind.REFUND_DIFFERS, "re_1", {"there": "1000 JPY", "here": "odd"}),
        Difference(DriftKind.REFUND_UNHEARD, "re_2", {"there": "500 EUR"}),
    )
    with site.storage.begin(TENANT.id) as uow:
        for number, difference in enumerate(told):
            one = Drift(f"n{number}", SHOP, None, difference, DriftState.OPEN, NOW, NOW)
            uow.drifts.put(one)
        uow.commit()
    found = part(site.admin().get(PAGE), "drifts")
    assert "A gap in the news , Systeme.io" in found
    assert "c1 is missing for a customer" in found
    assert "Refund re_1: 1,000 JPY there, odd here" in found
    assert "Refund re_2: 5.00 EUR that nobody told Makegood of" in found


def test_a_delivery_is_replayed_by_one_press(site: Site) -> None:
    make_rich(site)
    admin = site.admin()
    path = f"{PAGE}/deliveries/bad-charge.refunded/replay"
    answer = admin.press(PAGE, path, {})
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{PAGE}?said=replayed"
    assert "It is back in line." in words_of(admin.get(answer.headers["Location"]).text)
    with site.storage.read(TENANT.id) as uow:
        stored = uow.deliveries.get(DeliveryId("bad-charge.refunded"))
        last = uow.audit.entries(0, 99)[-1]
    assert stored is not None
    assert (stored.state, stored.wake_at) == (DeliveryState.RECEIVED, site.clock.now())
    assert (last.actor, last.action) == ("admin", "delivery.replayed")
    again = admin.press(PAGE, path, {})
    assert again.headers["Location"] == f"{PAGE}?said=in_line"
    assert "It is in line already" in words_of(admin.get(again.headers["Location"]).text)


def test_an_effect_is_replayed_by_one_press_and_a_mail_only_by_its_own_button(site: Site) -> None:
    make_rich(site)
    admin = site.admin()
    answer = admin.press(PAGE, f"{PAGE}/effects/effect-3/replay", {})
    assert answer.headers["Location"] == f"{PAGE}?said=replayed"
    assert _state(site, "effect-3") is EffectState.WAITING
    refused = admin.press(PAGE, f"{PAGE}/effects/effect-4/replay", {})
    assert refused.headers["Location"] == f"{PAGE}?said=may_repeat"
    assert _state(site, "effect-4") is EffectState.UNKNOWN
    assert "only by the button" in words_of(admin.get(refused.headers["Location"]).text)
    sent = admin.press(PAGE, f"{PAGE}/effects/effect-4/replay", {"anyway": "yes"})
    assert sent.headers["Location"] == f"{PAGE}?said=replayed"
    assert _state(site, "effect-4") is EffectState.WAITING


def test_a_delivery_done_by_hand_is_closed_by_one_press(site: Site) -> None:
    make_rich(site)
    admin = site.admin()
    path = f"{PAGE}/deliveries/bad-contact.deleted/close"
    shown = part(admin.get(PAGE), "deliveries")
    assert "Done by hand : contact.deleted, 22 Nov, 09:14" in shown
    answer = admin.press(PAGE, path, {})
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{PAGE}?said=done_by_hand"
    after = admin.get(answer.headers["Location"])
    assert "Closed as done by hand." in words_of(after.text)
    assert 'class="notice good"' in after.text
    assert "Failed deliveries 2" in words_of(after.text)
    assert "contact.deleted" not in part(after, "deliveries")
    with site.storage.read(TENANT.id) as uow:
        last = uow.audit.entries(0, 99)[-1]
    assert (last.actor, last.action) == ("admin", "delivery.closed")
    assert "delivery.closed" in admin.get("/admin/audit").text
    again = admin.press(PAGE, path, {})
    assert again.headers["Location"] == f"{PAGE}?said=closed_before"
    said = admin.get(again.headers["Location"])
    assert "It was closed as done by hand before" in words_of(said.text)
    assert 'class="notice good"' not in said.text
    replayed = admin.press(PAGE, f"{PAGE}/deliveries/bad-contact.deleted/replay", {})
    assert replayed.headers["Location"] == f"{PAGE}?said=closed_before"


def test_what_was_replayed_meanwhile_is_not_closed(site: Site) -> None:
    make_rich(site)
    admin = site.admin()
    for place in ("deliveries/bad-charge.refunded", "effects/effect-3"):
        admin.press(PAGE, f"{PAGE}/{place}/replay", {})
        answer = admin.press(PAGE, f"{PAGE}/{place}/close", {})
        assert answer.headers["Location"] == f"{PAGE}?said=in_line"
    assert _state(site, "effect-3") is EffectState.WAITING


def test_effects_done_by_hand_are_closed_mails_that_are_unknown_too(site: Site) -> None:
    make_rich(site)
    admin = site.admin()
    shown = part(admin.get(PAGE), "effects")
    assert "Done by hand : Take away Course Colour Mixing, 10:40" in shown
    assert "Done by hand : Tell a customer, 10:40" in shown
    for key in ("effect-3", "effect-4"):
        answer = admin.press(PAGE, f"{PAGE}/effects/{key}/close", {})
        assert answer.headers["Location"] == f"{PAGE}?said=done_by_hand"
        assert _state(site, key) is EffectState.ALREADY
    after = admin.get(PAGE)
    assert part(after, "effects") == ""
    assert "could not be done outside" not in words_of(after.text)


def test_what_was_closed_is_found_as_such_among_the_newest(site: Site) -> None:
    connect_all(site)
    with site.storage.begin(TENANT.id) as uow:
        one = a_delivery("wish", tenant=TENANT.id, installation=SHOP, received_at=ago(minutes=5))
        uow.deliveries.add(replace(one, state=DeliveryState.UNRECOGNISED, reason="erase 77"))
        uow.commit()
    admin = site.admin()
    waits = words_of(admin.get("/admin").text)
    assert "erase 77. Kept: replay it once that is mended, or close it as done by hand" in waits
    admin.press(PAGE, f"{PAGE}/deliveries/wish/close", {})
    after = words_of(admin.get("/admin").text)
    assert "Done by hand" in after
    assert "erase 77" not in after


def _state(site: Site, key: str) -> EffectState:
    with site.storage.read(TENANT.id) as uow:
        stored = uow.effects.get(EffectKey(key))
    assert stored is not None
    return stored.state


def test_a_difference_is_closed_by_one_press(site: Site) -> None:
    make_rich(site)
    admin = site.admin()
    answer = admin.press(PAGE, f"{PAGE}/drifts/drift-1/close", {})
    assert answer.headers["Location"] == f"{PAGE}?said=closed"
    shown = admin.get(answer.headers["Location"])
    assert "Closed. It is not shown any more" in words_of(shown.text)
    assert "Watercolour Year" not in part(shown, "drifts")
    again = admin.press(PAGE, f"{PAGE}/drifts/drift-1/close", {})
    assert again.headers["Location"] == f"{PAGE}?said=not_there"
    assert "nothing was changed" in words_of(admin.get(again.headers["Location"]).text)


@pytest.mark.parametrize(
    "place",
    [
        f"{place}/{press}"
        for place in ("deliveries/bad-charge.refunded", "effects/effect-3")
        for press in ("replay", "close")
    ],
)
def test_what_is_another_business_s_is_not_there(site: Site, place: str) -> None:
    make_rich(site)
    answer = site.admin(OTHER).press("/admin", f"{PAGE}/{place}", {})
    missing = site.admin(OTHER).press("/admin", f"{PAGE}/{place.replace('/', '/no-', 1)}", {})
    assert (answer.status_code, missing.status_code) == (404, 404)
    assert answer.text == missing.text
    assert _state(site, "effect-3") is EffectState.NEEDS_PERSON


def test_a_difference_of_another_business_stays_open(site: Site) -> None:
    make_rich(site)
    answer = site.admin(OTHER).press("/admin", f"{PAGE}/drifts/drift-1/close", {})
    missing = site.admin(OTHER).press("/admin", f"{PAGE}/drifts/none/close", {})
    assert answer.headers["Location"] == missing.headers["Location"] == f"{PAGE}?said=not_there"
    with site.storage.read(TENANT.id) as uow:
        assert len(uow.drifts.open(9)) == 2


@pytest.mark.parametrize(
    "place",
    [
        "deliveries/bad-charge.refunded/replay",
        "deliveries/bad-charge.refunded/close",
        "effects/effect-3/replay",
        "effects/effect-3/close",
        "drifts/drift-1/close",
    ],
)
def test_a_press_from_elsewhere_does_nothing(site: Site, place: str) -> None:
    make_rich(site)
    admin = site.admin()
    token = admin.token(PAGE)
    assert admin.post(f"{PAGE}/{place}", {"form_token": "0" * 64}).status_code == 403
    foreign = {"Sec-Fetch-Site": "cross-site"}
    answer = admin.post(f"{PAGE}/{place}", {"form_token": token}, foreign)
    assert answer.status_code == 403
    assert site.browser().post(f"{PAGE}/{place}", {"form_token": token}).status_code == 401
    assert "6 things need a look" in words_of(admin.get(PAGE).text)


def test_words_of_the_address_are_ours_only(site: Site) -> None:
    admin = site.admin()
    assert admin.get(f"{PAGE}?said=hello").status_code == 422
    assert "hello" not in admin.get(f"{PAGE}?said=hello").text
