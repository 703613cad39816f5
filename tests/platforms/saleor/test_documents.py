"""Every document that we send, and every answer of our fake, against the vendor's own schema."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from graphql import GraphQLEnumType, GraphQLSchema, build_schema, execute, parse, validate

from plugin.domain.money import Money
from plugin.domain.orders import PaymentRef, Resource, ResourceKind
from plugin.ports import Contact, OrderQuery
from plugin.stores.saleor import SaleorStore, documents
from plugin.stores.saleor.account import manifest
from tests.contracts.money import a_refund
from tests.platforms.saleor.conftest import INSTALLATION, NOW
from tests.platforms.saleor.fake import FakeSaleor
from tests.platforms.saleor.signing import a_key, key_set, public

SPECS = Path(__file__).parents[4] / "shared" / "specs" / "saleor"
DOCUMENTS = {
    name: text
    for name, text in vars(documents).items()
    if name.isupper() and not name.startswith("_") and isinstance(text, str)
}


@cache
def schema() -> GraphQLSchema:
    file = SPECS / "schema.graphql"
    if not file.is_file():
        pytest.skip("needs ../shared/specs/saleor/schema.graphql, which is not here")
    return build_schema(file.read_text("utf-8"), assume_valid=True)


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_a_document_is_valid_in_the_vendors_schema(name: str) -> None:
    assert validate(schema(), parse(DOCUMENTS[name])) == []


def test_the_check_finds_a_field_that_is_not_there() -> None:
    broken = documents.READ_ORDER.replace("userEmail", "customerEmail")
    assert [error.message for error in validate(schema(), parse(broken))]


def test_a_document_is_one_operation_and_uses_nothing_that_goes_away() -> None:
    for name, text in DOCUMENTS.items():
        operations = [
            node for node in parse(text).definitions if node.kind == "operation_definition"
        ]
        assert len(operations) == 1, name
        assert "secretKey" not in text


def test_the_events_are_the_schemas_own_words() -> None:
    words = schema().type_map["WebhookEventTypeAsyncEnum"]
    assert isinstance(words, GraphQLEnumType)
    assert set(documents.ASYNC_EVENTS) <= set(words.values)


def test_the_permissions_we_ask_for_are_the_schemas_own_words() -> None:
    words = schema().type_map["PermissionEnum"]
    assert isinstance(words, GraphQLEnumType)
    assert set(manifest().scopes) <= set(words.values)
    assert "MANAGE_APPS" not in manifest().scopes


def test_every_answer_of_our_fake_is_shaped_as_the_schema_says(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    fake.keys = json.loads(key_set(public(a_key(), "one")))
    user = fake.books.add_user("ada@example.com")
    sale = fake.books.sell(4900, shipping=500)
    store.find_orders(OrderQuery(emails=("ada@example.com",)))
    store.find_orders(OrderQuery(number="1"))
    assert [len(page) for page in store.read_news(NOW, NOW)] == [1]
    payment = PaymentRef(INSTALLATION, sale["id"])
    store.refund(a_refund(payment, 1500))
    fake.books.has_payment_app = False
    store.refund(a_refund(payment, 100, plan="plan-2"))
    fake.books.orders.clear()
    store.refund(a_refund(payment, 100, plan="plan-3"))
    contact = Contact("ada@example.com", user["id"])
    tag = Resource(INSTALLATION, ResourceKind.TAG, "buyer", "buyer")
    store.add_tag(contact, tag)
    store.remove_tag(contact, tag)
    store.probe()
    store.register_webhook("https://refunds.example/1", "unused")
    store.register_webhook("https://refunds.example/2", "unused")
    store.read_order("Order:404")
    made = {call.operation for call in fake.calls}
    assert len(made) == len(DOCUMENTS) - 1, "all but the subscription"
    for call in fake.calls:
        found = execute(
            schema(),
            parse(call.document),
            root_value=call.data,
            variable_values=call.variables,
        )
        assert not hasattr(found, "__await__")
        assert found.errors is None, (call.operation, found.errors)
        assert found.data == fake.selected(call.document, call.data)


def test_amounts_travel_as_text_so_that_no_float_changes_them(
    fake: FakeSaleor, store: SaleorStore
) -> None:
    payment = PaymentRef(INSTALLATION, fake.books.sell(10**9 + 1)["id"])
    refund = a_refund(payment, Money(10**9 + 1, "EUR").minor)
    store.refund(refund)
    assert fake.calls[1].variables["input"]["amount"] == "10000000.01"
