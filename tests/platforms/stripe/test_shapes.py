"""What we send and what our fake answers, against the vendor's own descriptions.

A whole journey of the adapter is made against the fake; every call of it is then judged by the
OpenAPI file that describes its path, and by the parameter names of Stripe's own library.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from stripe.params import (
    ChargeListParams,
    ChargeRetrieveParams,
    ChargeSearchParams,
    CustomerSearchParams,
    DisputeListParams,
    DisputeRetrieveParams,
    EventListParams,
    RefundCreateParams,
    RefundListParams,
    RefundRetrieveParams,
    SubscriptionCancelParams,
    SubscriptionModifyParams,
    SubscriptionRetrieveParams,
    WebhookEndpointCreateParams,
    WebhookEndpointDeleteParams,
    WebhookEndpointListParams,
    WebhookEndpointRetrieveParams,
)

from plugin.domain.events import DisputeNews, PaymentRefunded, SubscriptionNews
from plugin.domain.money import Money
from plugin.domain.orders import DisputeStage, PaymentRef, RefundStage
from plugin.platforms.http_client import AllowedHosts, Answer, Call, HttpClient, ReadRetry
from plugin.ports import Contact, OrderQuery
from plugin.stores.stripe import StripeStore
from plugin.stores.stripe.account import manifest
from tests.contracts.money import a_refund
from tests.platforms.stripe.conftest import INSTALLATION, NOW, FixedClock, connection_to
from tests.platforms.stripe.fake import FakeStripe
from tests.platforms.stripe.shapes import faults_of, openapi

FILES = [
    "refunds-openapi-original.yml",
    "stripe-refunds-api-openapi.yml",
    "charges-openapi-original.yml",
    "disputes-openapi-original.yml",
    "events-openapi-original.yml",
    "stripe-webhook-endpoints-api-openapi.yml",
]
LIBRARY = {
    "GET /v1/charges": ChargeListParams,
    "GET /v1/charges/search": ChargeSearchParams,
    "GET /v1/charges/{}": ChargeRetrieveParams,
    "GET /v1/customers/search": CustomerSearchParams,
    "GET /v1/disputes": DisputeListParams,
    "GET /v1/disputes/{}": DisputeRetrieveParams,
    "GET /v1/events": EventListParams,
    "POST /v1/refunds": RefundCreateParams,
    "GET /v1/refunds": RefundListParams,
    "GET /v1/refunds/{}": RefundRetrieveParams,
    "GET /v1/subscriptions/{}": SubscriptionRetrieveParams,
    "POST /v1/subscriptions/{}": SubscriptionModifyParams,
    "DELETE /v1/subscriptions/{}": SubscriptionCancelParams,
    "GET /v1/webhook_endpoints": WebhookEndpointListParams,
    "POST /v1/webhook_endpoints": WebhookEndpointCreateParams,
    "GET /v1/webhook_endpoints/{}": WebhookEndpointRetrieveParams,
    "DELETE /v1/webhook_endpoints/{}": WebhookEndpointDeleteParams,
}


@dataclass(frozen=True)
class Exchange:
    call: Call
    answer: Answer

    @property
    def path(self) -> str:
        return "/" + self.call.url.split("/", 3)[3]

    @property
    def place(self) -> str:
        """`GET /v1/refunds/{}`."""
        return f"{self.call.method} {re.sub(r'/[a-z]{2,3}_[^/]+$', '/{}', self.path)}"

    @property
    def sent(self) -> Sequence[tuple[str, str]]:
        return self.call.form or self.call.query


class ListeningClient(HttpClient):
    """The real client, which also remembers what went over the wire."""

    def __init__(self, place: str) -> None:
        places = frozenset({place})
        super().__init__(allowed=AllowedHosts(places), clock=FixedClock(), allow_private=places)
        self.heard: list[Exchange] = []

    def send(self, call: Call, retry: ReadRetry | None = None) -> Answer:
        answer = super().send(call, retry)
        self.heard.append(Exchange(call, answer))
        return answer


@pytest.fixture
def journey(fake: FakeStripe) -> list[Exchange]:
    """Everything the adapter can do, once."""
    client = ListeningClient(fake.place)
    store = StripeStore(connection_to(fake.url), client, FixedClock())
    customers = [fake.books.add_customer(email)["id"] for email in ("a@example.com", "b@e.com")]
    charge = fake.books.sell(4900, customer=customers[0])["id"]
    subscription = fake.books.subscribe(customers[0], 1900)["id"]
    payment = PaymentRef(INSTALLATION, charge)

    store.probe()
    store.check_rights()
    hook = store.register_webhook("https://makegood.example/webhooks/stripe/inst-1", "")
    store.webhook_alive(hook.ref)
    store.find_orders(OrderQuery(emails=("a@example.com",)))
    store.find_orders(OrderQuery(emails=("a@example.com", "b@e.com")))
    for number in ("1042", charge, fake.books.get(charge)["payment_intent"]):
        store.find_orders(OrderQuery(number=number))
    refund = a_refund(payment, 1500)
    store.refund(refund)
    store.look_up(refund)
    [entry] = fake.books.moved()
    amount = Money(1500, "EUR")
    store.confirm(PaymentRefunded(payment, entry["refund"], amount, RefundStage.SUCCEEDED, NOW))
    dispute = fake.books.dispute(charge)["id"]
    store.read_order(charge)
    store.confirm(DisputeNews(payment, dispute, amount, DisputeStage.OPEN, NOW))
    store.confirm(
        SubscriptionNews(INSTALLATION, subscription, "", ended=False, ends_at=None, at=NOW)
    )
    contact = Contact("a@example.com", customers[0])
    store.cancel_subscription(contact, subscription, at_once=False)
    store.cancel_subscription(contact, subscription, at_once=True)
    store.remove_webhook(hook.ref)
    assert list(store.read_news(NOW - timedelta(days=40), NOW))
    return client.heard


def test_the_journey_makes_every_call_there_is(journey: list[Exchange]) -> None:
    assert {one.place for one in journey} == {*LIBRARY, "GET /v1/account"}


def test_stripes_library_knows_every_parameter_we_send(journey: list[Exchange]) -> None:
    unknown = [
        f"{one.place} {name}"
        for one in journey
        if one.place in LIBRARY
        for name, _ in one.sent
        if re.sub(r"\[.*", "", name) not in LIBRARY[one.place].__annotations__
    ]
    assert unknown == []


def test_the_version_and_the_events_we_register_are_stripes_own() -> None:
    known = inspect.getsource(WebhookEndpointCreateParams)
    declared = manifest()
    assert declared.webhooks is not None
    assert f'"{declared.api_version}"' in known
    assert [topic for topic in declared.webhooks.topics if f'"{topic}"' not in known] == []


@pytest.mark.parametrize("name", FILES)
def test_what_we_send_is_what_the_vendor_describes(journey: list[Exchange], name: str) -> None:
    judged = [(one, _operation(name, one)) for one in journey]
    found = [(one, operation) for one, operation in judged if operation is not None]
    assert found, f"{name} describes none of our calls"
    for one, operation in found:
        assert _request_faults(name, one, operation) == [], one.place


@pytest.mark.parametrize("name", FILES)
def test_what_the_fake_answers_is_what_the_vendor_describes(
    journey: list[Exchange], name: str
) -> None:
    judged = [(one, _operation(name, one)) for one in journey]
    for one, operation in judged:
        if operation is None:
            continue
        responses = operation["responses"]
        response = responses.get(str(one.answer.status), responses["default"])
        schema = response["content"]["application/json"]["schema"]
        body = json.loads(one.answer.body)
        assert faults_of(name, schema, body) == [], one.place


def _operation(name: str, one: Exchange) -> dict[str, Any] | None:
    for path, operations in openapi(name)["paths"].items():
        if re.sub(r"\{\w+\}", "{}", path) == one.place.split(" ")[1]:
            found: dict[str, Any] | None = operations.get(one.call.method.lower())
            return found
    return None


def _request_faults(name: str, one: Exchange, operation: dict[str, Any]) -> list[str]:
    if one.call.form is None:
        known = {p["name"]: p["schema"] for p in operation.get("parameters", ())}
        needed = [p["name"] for p in operation.get("parameters", ()) if _is_needed(p)]
        schema: dict[str, Any] = {"type": "object", "properties": known, "required": needed}
    else:
        content = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]
        kind = content["schema"]["$ref"].rpartition("/")[2]
        schema = openapi(name)["components"]["schemas"][kind]
        known = schema["properties"]
    values = _values(one.sent, known)
    unknown = [f"{field}: not described" for field in values if field not in known]
    # Both are younger than the file; Stripe's library knows them, see above.
    values.pop("api_version", None)
    values["enabled_events"] = [v for v in values.get("enabled_events", []) if v != "refund.failed"]
    if not values["enabled_events"]:
        del values["enabled_events"]
    return unknown + faults_of(name, schema, values)


def _is_needed(parameter: dict[str, Any]) -> bool:
    return parameter["in"] == "query" and bool(parameter.get("required"))


def _values(sent: Sequence[tuple[str, str]], known: dict[str, Any]) -> dict[str, Any]:
    """A form as the values it stands for, by the types that are described."""
    values: dict[str, Any] = {}
    for name, text in sent:
        field, _, inner = name.partition("[")
        kind = known.get(field, {}).get("type")
        if inner == "]":
            values.setdefault(field, []).append(text)
        elif inner:
            value = int(text) if field == "created" else text  # a range of times
            values.setdefault(field, {})[inner.removesuffix("]")] = value
        elif kind == "integer":
            values[field] = int(text)
        else:
            values[field] = {"true": True, "false": False}.get(text, text)
    return values
