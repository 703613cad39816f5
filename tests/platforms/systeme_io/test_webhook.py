"""The webhook contract, and what each field of a sale, a cancellation and a tag event becomes."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.events import (
    SaleMade,
    SaleRefunded,
    TagNews,
    TestDelivery,
    Unrecognised,
)
from plugin.domain.ids import customer_key
from plugin.domain.money import exponent
from plugin.domain.orders import (
    RefundRoute,
    Resource,
    ResourceKind,
    SubscriptionStatus,
)
from plugin.platforms.strict_json import Malformed, read_json
from plugin.services.join_charges import TAKER
from tests.contracts.webhook import (
    INSTALLATION,
    RECEIVED,
    Recording,
    WebhookContract,
    WebhookSource,
)
from tests.platforms.systeme_io.recorded import (
    SECRET,
    Edit,
    euros,
    events,
    held,
    manifest,
    recording,
    recordings,
    sample,
    sold,
    webhooks,
)
from tests.platforms.systeme_io.vendor import NEEDS_SPECS, SPECS
from webhooks.delivery import Delivery
from webhooks.signatures import Verified, verify
from webhooks.stores.systeme_io import parse


class TestContract(WebhookContract):
    @pytest.fixture
    def source(self) -> WebhookSource:
        def renamed(one: Recording, topic: str) -> tuple[Delivery, Any]:
            return one.delivery(headers={"X-Webhook-Event": topic}), read_json(one.body)

        return WebhookSource(
            webhooks(),
            parse,
            SECRET.encode(),
            recordings(),
            renamed,
            attempt_header="X-Webhook-Delivery-Attempt-Id",
        )


# --- sales ----------------------------------------------------------------------------------------


@NEEDS_SPECS
def test_the_sale_captured_on_a_real_account_is_read() -> None:
    told = sample("sale_new_v2")
    (event,) = parse(told.delivery(), INSTALLATION, read_json(told.body))
    assert isinstance(event, SaleMade)
    order = event.order
    line, payment = order.lines[0], order.payments[0]
    assert (order.ref.ref, line.ref.ref, order.contact) == ("12768313", "15460129", "445573087")
    assert order.email == "utilisateurdemo+capture@example.com"
    assert order.name == "Test"
    assert order.bought_at == datetime(2026, 9, 27, 20, 16, 26, tzinfo=UTC)
    assert order.read_at == datetime(2026, 9, 27, 20, 16, 27, tzinfo=UTC)
    assert (line.product, line.title, line.paid) == ("3456303", "Produit physique test", euros(100))
    assert line.gives == ()  # a parcel opens nothing
    assert line.kind is None
    assert (payment.label, payment.captured) == ("Cash on delivery", euros(100))
    assert (payment.route, payment.partial) == (RefundRoute.BY_HAND, False)
    assert order.subscription is None


@NEEDS_SPECS
def test_the_synthetic_cancellation_is_read_as_money_back() -> None:
    told = sample("SYNTHETIC_sale_canceled_v2")
    (event,) = parse(told.delivery(), INSTALLATION, read_json(told.body))
    assert isinstance(event, SaleRefunded)
    assert event.order.refunded == euros(4900)


@NEEDS_SPECS
def test_the_tag_events_of_a_public_connector_are_read() -> None:
    told = json.loads((SPECS / "samples" / "webhook_tag_events.json").read_text("utf-8"))
    for name, added in (
        ("CONTACT_TAG_ADDED", True),
        ("CONTACT_TAG_REMOVED", False),
        ("CONTACT_TAG_REMOVED_documented_variant", False),
    ):
        topic = name.removesuffix("_documented_variant")
        delivery = recording("tag_added").delivery(headers={"X-Webhook-Event": topic})
        (event,) = parse(delivery, INSTALLATION, told[name])
        at = datetime(2026, 11, 20, 9, 15, 30, tzinfo=UTC)
        tag = Resource(INSTALLATION, ResourceKind.TAG, "7", "vip")
        assert event == TagNews("jane@example.com", tag, added, at)


def test_a_sale_gives_its_courses_and_tags_and_names_the_buyer_as_we_compare_her() -> None:
    order = sold()
    line = order.lines[0]
    assert line.gives is not None
    assert line.gives == (held(ResourceKind.COURSE, "501"), held(ResourceKind.TAG, "505"))
    assert [given.name for given in line.gives] == ["Lumière / Portrait", "buyer-portrait"]
    assert line.kind is ResourceKind.COURSE
    assert order.customer == customer_key("jane.müller@example.com")
    assert order.payments[0].label == "Stripe"


def test_a_bundle_is_given_as_a_bundle() -> None:
    assert sold("sale_new_bundle").lines[0].gives == (held(ResourceKind.BUNDLE, "4242"),)


def test_two_items_of_one_order_are_two_lines_of_one_payment() -> None:
    first, second = sold("sale_new_first_of_two_items"), sold("sale_new_second_of_two_items")
    assert first.ref == second.ref
    assert first.lines[0].ref != second.lines[0].ref
    assert first.payments == second.payments
    assert first.payments[0].captured == euros(2800) == first.paid + second.paid


def test_a_subscription_is_named_by_its_plan_and_its_state_is_what_the_sale_shows() -> None:
    order = sold("sale_new_subscription")
    assert order.lines[0].subscription == "plan:3456410"
    assert order.subscription is not None
    assert order.subscription.ref == "plan:3456410"
    assert order.subscription.status is SubscriptionStatus.ACTIVE
    assert order.subscription.renews == euros(1500)
    assert order.subscription.paid_until is None


def _resources(*given: object) -> Edit:
    return lambda body: body["orderItem"].update(resources=list(given))


EMPTY = dict.fromkeys(
    ["course", "courseBundle", "enrollmentAccessType", "physicalProduct", "tag"], None
)
TAG = {"id": 7, "name": "vip"}


@pytest.mark.parametrize(
    ("edit", "gives"),
    [
        (lambda body: body["orderItem"].pop("resources"), None),
        (lambda body: body["orderItem"].update(resources=None), None),
        (lambda body: body.pop("orderItem"), None),
        (_resources(), None),
        (_resources(EMPTY), None),
        (_resources({**EMPTY, "enrollmentAccessType": "full_access"}), None),
        (_resources({**EMPTY, "physicalProduct": {"id": 1, "name": "Print"}}), ()),
        (_resources({"tag": TAG}, {"tag": TAG}), (held(ResourceKind.TAG, "7"),)),
    ],
    ids=["left out", "null", "no item", "empty", "nothing", "only how", "parcel", "twice"],
)
def test_what_is_not_told_is_left_to_the_access_map(
    edit: Edit, gives: tuple[Resource, ...] | None
) -> None:
    assert sold(edit=edit).lines[0].gives == gives


def test_a_new_kind_of_resource_is_shown_and_the_known_ones_still_count() -> None:
    found = events("sale_new_course_and_tag", _resources({"tag": TAG, "community": {"id": 3}}))
    assert isinstance(found[0], SaleMade)
    assert found[0].order.lines[0].gives == (held(ResourceKind.TAG, "7"),)
    assert found[1:] == [Unrecognised("SALE_NEW: orderItem.resources[0].community")]


def test_a_key_that_holds_content_is_not_shown() -> None:
    found = events("sale_new_course_and_tag", _resources({"jane@example.com": 1}))
    assert found[1:] == [Unrecognised("SALE_NEW: orderItem.resources[0]")]


@pytest.mark.parametrize(
    ("price", "total", "paid", "captured"),
    [
        (4900, 4900, 4900, 4900),
        (4900, 3900, 3900, 3900),  # a coupon
        (4900, 5880, 4900, 5880),  # another item, since no taxes are told
        (4900, None, 4900, 4900),
        (None, 4900, 4900, 4900),
        (4900.0, 4900, 4900, 4900),
    ],
)
def test_a_line_without_extras_is_paid_with_the_lesser_of_price_and_total(
    price: float | None, total: int | None, paid: int, captured: int
) -> None:
    def edit(body: dict[str, Any]) -> None:
        body["pricePlan"]["amount"] = price
        body["order"]["totalPrice"] = total

    order = sold(edit=edit)
    assert order.lines[0].paid == euros(paid)
    assert order.payments[0].captured == euros(captured)


def test_a_sale_for_nothing_has_no_payment() -> None:
    order = sold(edit=lambda body: body["order"].update(totalPrice=0))
    assert order.payments == ()
    assert order.paid == order.refunded == euros(0)


@pytest.mark.parametrize("amount", [-1, 49.5, True, "4900", 10**16])
def test_an_odd_amount_is_malformed(amount: object) -> None:
    with pytest.raises(Malformed, match=r"order\.totalPrice"):
        sold(edit=lambda body: body["order"].update(totalPrice=amount))


def test_a_sale_without_any_amount_is_malformed() -> None:
    def edit(body: dict[str, Any]) -> None:
        body["pricePlan"]["amount"] = body["order"]["totalPrice"] = None

    with pytest.raises(Malformed, match=r"order\.totalPrice"):
        sold(edit=edit)


@pytest.mark.parametrize("code", ["jpy", "kwd", "clf"])
def test_a_currency_of_unknown_form_is_kept_and_never_guessed(code: str) -> None:
    found = events("sale_new_course_and_tag", lambda body: body["pricePlan"].update(currency=code))
    assert found == [Unrecognised("SALE_NEW in a currency without two decimals")]


def test_the_manifest_refuses_the_same_currencies_as_the_parser() -> None:
    letters = [chr(code) for code in range(ord("A"), ord("Z") + 1)]
    codes = {a + b + c for a in letters for b in letters for c in letters}
    assert manifest().money.refused == {code for code in codes if exponent(code) != 2}


def test_what_is_no_currency_is_malformed() -> None:
    with pytest.raises(Malformed, match=r"pricePlan\.currency"):
        sold(edit=lambda body: body["pricePlan"].update(currency="euro"))


@pytest.mark.parametrize(
    ("edit", "title"),
    [
        (lambda _plan: None, "Portrait Lighting"),
        (lambda plan: plan.update(name=" ", innerName="Inner"), "Inner"),
        (lambda plan: plan.update(name=None, innerName=None), "3456401"),
    ],
    ids=["public", "inner", "neither"],
)
def test_the_title_is_the_plans_name_or_its_number(edit: Edit, title: str) -> None:
    assert sold(edit=lambda body: edit(body["pricePlan"])).title == title


@pytest.mark.parametrize(
    ("processor", "label"),
    [("paypal", "Paypal"), (None, "Payment processor not told"), ("x" * 90, "X" + "x" * 59)],
)
def test_the_payment_is_labelled_with_its_processor(processor: str | None, label: str) -> None:
    order = sold(edit=lambda body: body["customer"].update(paymentProcessor=processor))
    assert order.payments[0].label == label
    assert order.payments[0].processor == (processor and processor[:60])


def test_the_form_asks_in_the_field_by_which_sales_are_joined_with_charges() -> None:
    (asked,) = [line for line in manifest().install_fields if line.name == TAKER]
    assert asked.required
    assert "Stripe" in asked.choices


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"first_name": " Jane ", "surname": "Doe"}, "Jane Doe"),
        ({"surname": "Doe"}, "Doe"),
        ({}, ""),
        (None, ""),
    ],
)
def test_the_name_is_what_the_form_asked_for(fields: object, name: str) -> None:
    assert sold(edit=lambda body: body["customer"].update(fields=fields)).name == name


# --- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "at"),
    [
        ("2026-11-20T10:15:30+01:00", datetime(2026, 11, 20, 9, 15, 30, tzinfo=UTC)),
        ("2027-01-01T00:00:00+00:00", RECEIVED),
        ("2026-11-20T10:15:30", RECEIVED),
        ("soon", RECEIVED),
        ("0001-01-01T00:00:00+14:00", RECEIVED),
    ],
)
def test_the_event_time_is_never_later_than_we_heard_of_it(header: str, at: datetime) -> None:
    (event,) = events("tag_added", X_Webhook_Event_Timestamp=header)
    assert isinstance(event, TagNews)
    assert event.at == at


def test_the_time_of_sale_is_the_orders_or_the_items_or_the_events() -> None:
    def without(*names: str) -> Edit:
        return lambda body: [body[name].pop("createdAt") for name in names]

    def earlier(body: dict[str, Any]) -> None:
        body["orderItem"]["createdAt"] = "2026-01-01T00:00:00+00:00"
        del body["order"]["createdAt"]

    assert sold(edit=earlier).bought_at == datetime(2026, 1, 1, tzinfo=UTC)
    order = sold(edit=without("order", "orderItem"))
    assert order.bought_at == order.read_at


def test_a_time_that_cannot_be_read_is_malformed() -> None:
    with pytest.raises(Malformed, match=r"order\.createdAt"):
        sold(edit=lambda body: body["order"].update(createdAt="yesterday"))


# --- tags and other topics ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tag_removed", "tag_removed_as_documented"])
def test_a_removed_tag_is_read_in_both_nestings(name: str) -> None:
    (event,) = events(name)
    assert isinstance(event, TagNews)
    assert (event.tag.ref, event.tag.name, event.added) == ("506", "vip-all", False)
    assert event.email == "Jane.Müller@example.com"


def test_the_self_tests_own_tag_reaches_no_ledger() -> None:
    assert events("test_tag_added") == [TestDelivery()]


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("contact", "email", "jane@example.com"), ("tag", "name", "vip")],
)
def test_only_the_test_tag_on_the_test_contact_is_a_test(
    section: str, key: str, value: str
) -> None:
    (event,) = events("test_tag_added", lambda body: body[section].update({key: value}))
    assert isinstance(event, TagNews)


@pytest.mark.parametrize("topic", ["CONTACT_CREATED", "CONTACT_OPT_IN"])
def test_news_that_concern_no_sale_are_passed_over(topic: str) -> None:
    assert events("tag_added", X_Webhook_Event=topic) == []


@pytest.mark.parametrize("topic", ["jane@example.com", "", "sale_new", "A" * 80])
def test_a_topic_that_could_be_content_is_not_shown(topic: str) -> None:
    found = events("tag_added", X_Webhook_Event=topic)
    assert found == [Unrecognised("a delivery without a readable X-Webhook-Event")]


def test_another_schema_version_is_kept_as_unrecognised() -> None:
    found = events("sale_new_bundle", X_Webhook_Schema_Version="3")
    assert found == [Unrecognised("SALE_NEW of another schema version")]


@given(body=st.none() | st.integers() | st.text() | st.lists(st.integers()))
def test_a_body_that_is_no_object_is_malformed(body: Any) -> None:  # noqa: ANN401 - any JSON
    with pytest.raises(Malformed):
        parse(recording("sale_new_bundle").delivery(), INSTALLATION, body)


# --- signatures -----------------------------------------------------------------------------------


def test_a_body_sent_in_another_form_than_signed_is_accepted_as_the_vendor_describes() -> None:
    told = recording("sale_new_course_and_tag")
    spaced = json.dumps(json.loads(told.body), indent=2, ensure_ascii=False).encode()
    signature = webhooks().signature
    assert signature is not None
    found = verify(signature, told.delivery(spaced), [SECRET.encode()], RECEIVED)
    assert isinstance(found, Verified)
    assert found.normalised


def test_an_upper_case_signature_is_accepted() -> None:
    told = recording("tag_added")
    upper = hmac.new(SECRET.encode(), told.body, "sha256").hexdigest().upper()
    delivery = told.delivery(headers={"X-Webhook-Signature": upper})
    signature = webhooks().signature
    assert signature is not None
    assert isinstance(verify(signature, delivery, [SECRET.encode()], RECEIVED), Verified)
