"""What a cancelled sale means: money back, a subscription that ends, or nothing that is certain."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.domain.events import SaleRefunded, SubscriptionCancelled, Unrecognised
from plugin.domain.orders import SubscriptionStatus
from plugin.platforms.strict_json import Malformed, read_json
from tests.contracts.webhook import INSTALLATION
from tests.platforms.systeme_io.recorded import Edit, euros, events, recording, sold
from webhooks.stores.systeme_io import parse


def test_a_cancelled_one_shot_sale_is_money_back_in_full() -> None:
    (event,) = events("sale_canceled_one_shot")
    sale = sold()
    assert isinstance(event, SaleRefunded)
    assert event.order.ref == sale.ref
    assert event.order.lines[0].ref == sale.lines[0].ref
    assert event.order.lines[0].left == euros(0)
    assert event.order.payments[0].refunded == event.order.payments[0].captured
    assert event.refund == f"sale_canceled:{sale.ref.ref}:{sale.lines[0].ref.ref}"


def test_two_items_cancelled_are_two_refunds() -> None:
    told = [
        parse(
            recording(name).delivery(headers={"X-Webhook-Event": "SALE_CANCELED"}),
            INSTALLATION,
            read_json(recording(name).body),
        )[0]
        for name in ("sale_new_first_of_two_items", "sale_new_second_of_two_items")
    ]
    refunds = [event.refund for event in told if isinstance(event, SaleRefunded)]
    assert len(set(refunds)) == 2


def test_a_cancelled_subscription_is_no_money_back() -> None:
    (event,) = events("sale_canceled_subscription")
    assert isinstance(event, SubscriptionCancelled)
    assert event.subscription == "plan:3456410"
    assert event.order.refunded == euros(0)
    assert event.order.subscription is not None
    assert event.order.subscription.status is SubscriptionStatus.UNKNOWN
    assert (event.paid_until, event.ended) == (None, False)


@pytest.mark.parametrize(
    ("kind", "renews", "expected"),
    [
        ("one_shot", None, SaleRefunded),
        ("one_shot", {"interval": "month"}, SubscriptionCancelled),
        ("subscription", None, SubscriptionCancelled),
        ("limited_subscription", None, SubscriptionCancelled),
        (None, {"interval": "month"}, SubscriptionCancelled),
        (None, None, Unrecognised),
        ("donation", None, Unrecognised),
    ],
)
def test_only_a_certain_one_shot_plan_counts_as_money_back(
    kind: str | None, renews: object, expected: type
) -> None:
    def edit(body: dict[str, Any]) -> None:
        body["pricePlan"].update(type=kind, recurringOptions=renews)

    (event,) = events("sale_canceled_one_shot", edit)
    assert type(event) is expected
    if isinstance(event, Unrecognised):
        assert event.what == "SALE_CANCELED: pricePlan.type"


def test_a_cancellation_needs_no_more_than_buyer_plan_and_amount() -> None:
    def bare(body: dict[str, Any]) -> None:
        plan = {key: body["pricePlan"][key] for key in ("id", "type", "amount", "currency")}
        kept = {"customer": {"email": body["customer"]["email"]}, "pricePlan": plan}
        body.clear()
        body.update(kept)

    first, second = (events("sale_canceled_one_shot", bare)[0] for _ in range(2))
    assert first == second
    assert isinstance(first, SaleRefunded)
    assert first.order.ref.ref.startswith("unnumbered:")
    assert first.order.lines[0].ref.ref == "plan:3456401"
    assert (first.order.contact, first.order.lines[0].gives) == (None, None)


def test_made_names_differ_by_buyer_plan_and_time() -> None:
    def unnamed(body: dict[str, Any]) -> None:
        del body["order"]["id"], body["orderItem"]["id"]

    def changed(section: str, **fields: object) -> Edit:
        def edit(body: dict[str, Any]) -> None:
            unnamed(body)
            body[section].update(fields)

        return edit

    refs = [
        sold(edit=edit).ref.ref
        for edit in (
            unnamed,
            changed("customer", email="john@example.com"),
            changed("pricePlan", id=1),
            changed("orderItem", createdAt="2026-11-20T09:15:31+00:00"),
        )
    ]
    assert len(set(refs)) == 4


def test_an_order_without_a_number_is_named_by_its_item() -> None:
    order = sold(edit=lambda body: body["order"].pop("id"))
    assert order.ref.ref == f"item:{order.lines[0].ref.ref}"


def test_the_order_of_a_bare_time_is_named_by_the_orders_time() -> None:
    def edit(body: dict[str, Any]) -> None:
        del body["order"]["id"], body["orderItem"]["id"], body["orderItem"]["createdAt"]

    assert sold(edit=edit).ref == sold(edit=edit).ref


@pytest.mark.parametrize(("section", "key"), [("customer", "email"), ("pricePlan", "id")])
def test_a_sale_without_buyer_or_plan_is_malformed(section: str, key: str) -> None:
    with pytest.raises(Malformed, match=rf"{section}\.{key}"):
        sold(edit=lambda body: body[section].pop(key))
