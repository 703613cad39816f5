"""The fake itself: what it tells over webhooks, what it refuses, and that its checks can fail."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests

from plugin.domain.events import SaleMade, SaleRefunded, SubscriptionCancelled, TagNews
from plugin.platforms.strict_json import read_json
from tests.contracts.webhook import RECEIVED, Recording
from tests.platforms.systeme_io.books import price_plan
from tests.platforms.systeme_io.conftest import INSTALLATION, World
from tests.platforms.systeme_io.fake import Sent
from tests.platforms.systeme_io.recorded import sample, webhooks
from tests.platforms.systeme_io.routes import Exchange
from tests.platforms.systeme_io.vendor import NEEDS_SPECS, check_answer, check_request
from webhooks.signatures import Verified, verify
from webhooks.stores.systeme_io import parse

ROOT = Path(__file__).resolve().parents[3]


class Receiver:
    """Our side of a webhook: keeps what arrives, answers with `status`."""

    def __init__(self) -> None:
        self.got: list[Recording] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(Recording("got", dict(self.headers.items()), raw))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def test_sales_cancellations_and_tags_arrive_signed_and_readable(
    world: World, receiver: Receiver
) -> None:
    world.store.register_webhook(receiver.url, "our-secret")
    books = world.fake.books
    monthly = books.sell(world.buyer_ref, world.plan)
    once = books.sell(world.buyer_ref, price_plan(7, "Course", 4900), courses=(world.course_ref,))
    books.refund(once)
    books.unsubscribe(monthly, world.subscription_ref, "Now")
    world.store.remove_tag(world.contact, world.tag)
    assert [one.status for one in world.fake.deliver()] == [200] * 5
    signature = webhooks().signature
    assert signature is not None
    kinds = []
    for got in receiver.got:
        found = verify(signature, got.delivery(), [b"our-secret"], RECEIVED)
        assert isinstance(found, Verified)
        assert not found.normalised
        kinds += [type(one) for one in parse(got.delivery(), INSTALLATION, read_json(got.body))]
    assert kinds == [SaleMade, SaleMade, SaleRefunded, SubscriptionCancelled, TagNews]


@NEEDS_SPECS
def test_deliveries_have_the_headers_of_the_captured_one(world: World) -> None:
    world.store.register_webhook("https://makegood.example/hook", "s")
    world.fake.books.sell(world.buyer_ref, world.plan)
    (sent,) = world.fake.take_outbox()
    captured = sample("sale_new_v2")
    assert set(captured.headers) <= {name.lower() for name in sent.headers}
    shown, ours = json.loads(captured.body), json.loads(sent.body)
    assert shown.keys() == ours.keys()
    for section in ("order", "orderItem", "pricePlan", "customer"):
        assert shown[section].keys() == ours[section].keys()


def test_a_second_attempt_has_the_same_message_id(world: World, receiver: Receiver) -> None:
    world.store.register_webhook(receiver.url, "s")
    receiver.status = 503
    world.store.remove_tag(world.contact, world.tag)
    (first,) = world.fake.deliver()
    receiver.status = 200
    second = world.fake.redeliver(first)
    assert (first.status, second.status) == (503, 200)
    one, other = (got.delivery() for got in receiver.got)
    header = webhooks().delivery_id_header
    assert one.delivery_id(header) == other.delivery_id(header)
    assert one.header("x-webhook-delivery-attempt-id") != other.header(
        "x-webhook-delivery-attempt-id"
    )


def test_a_switched_off_event_is_not_sent(world: World) -> None:
    ref = world.store.register_webhook("https://makegood.example/hook", "s").ref
    world.fake.books.disable(ref, "SALE_NEW")
    world.fake.books.sell(world.buyer_ref, world.plan)
    assert world.fake.take_outbox() == []
    assert not world.store.webhook_alive(ref)


def test_nobody_at_the_address_is_seen(world: World) -> None:
    assert world.fake.post(Sent("http://127.0.0.1:1/hook", {}, b"{}")).status == 0


def test_a_page_that_the_vendor_refuses_is_refused(world: World) -> None:
    for query in ("limit=1", "limit=101", "startingAfter=0"):
        told = requests.get(
            f"{world.fake.url}/api/tags?{query}", headers={"X-API-Key": "test-key"}, timeout=60
        )
        assert told.status_code == 422
    world.fake.exchanges.clear()


def test_a_call_without_a_key_is_refused(world: World) -> None:
    told = requests.get(f"{world.fake.url}/api/tags", timeout=60)
    assert told.json() == {"detail": "Full authentication is required to access this resource."}
    assert told.headers["WWW-Authenticate"] == "API Key"


def _call(**changes: object) -> Exchange:
    told: dict[str, object] = {
        "method": "POST",
        "path": "/api/contacts/5/tags",
        "query": [],
        "headers": {"content-type": "application/json"},
        "body": {"tagId": 7},
        "status": 204,
    }
    return Exchange(**{**told, **changes})  # type: ignore[arg-type] # fields named by the test


@NEEDS_SPECS
@pytest.mark.parametrize(
    "wrong",
    [
        {"body": {"tagId": "7"}},
        {"body": {"tagId": 7, "name": "x"}},
        {"body": None},
        {"path": "/api/contacts/5/labels"},
        {"method": "PUT"},
        {"query": [("limit", "10")]},
        {"headers": {"content-type": "text/plain"}},
        {"method": "GET", "path": "/api/tags", "body": None, "query": [("limit", "1")]},
        {"method": "GET", "path": "/api/payment/subscriptions", "body": None},
    ],
    ids=["type", "extra", "none", "path", "method", "query", "media type", "range", "missing"],
)
def test_a_call_against_the_specification_is_seen(wrong: dict[str, object]) -> None:
    check_request(_call())
    with pytest.raises(AssertionError):
        check_request(_call(**wrong))


@NEEDS_SPECS
@pytest.mark.parametrize(
    "wrong",
    [
        {"status": 200},
        {"answer": {}},
        {"status": 401, "answer": {"detail": "No."}},
        {"method": "GET", "path": "/api/tags", "status": 200, "answer": {"items": [{"id": "7"}]}},
        {"method": "GET", "path": "/api/tags", "status": 200, "answer": {"items": [{"x": 7}]}},
    ],
    ids=["status", "body", "401", "type", "extra"],
)
def test_an_answer_against_the_specification_is_seen(wrong: dict[str, object]) -> None:
    check_answer(_call())
    with pytest.raises(AssertionError):
        check_answer(_call(**wrong))


def test_it_runs_by_itself() -> None:
    command = [sys.executable, "-m", "tests.platforms.systeme_io.fake", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            sale = {
                "contact": ready["contact"],
                "courses": [ready["course"]],
                "tags": [ready["tag"]],
            }
            sold = requests.post(f"{ready['url']}/_fake/sell", json=sale, timeout=60).json()
            state = requests.get(f"{ready['url']}/_fake/state", timeout=60).json()
            assert len(state["enrolments"]) == 1
            requests.post(f"{ready['url']}/_fake/refund", json=sold, timeout=60)
            fault = {"fault": "rate_limit", "path": "/api/tags"}
            requests.post(f"{ready['url']}/_fake/fault", json=fault, timeout=60)
            key = {"X-API-Key": ready["key"]}
            told = requests.get(f"{ready['url']}/api/tags", headers=key, timeout=60)
            assert (told.status_code, told.headers["Retry-After"]) == (429, "7")
            after = requests.get(f"{ready['url']}/_fake/state", timeout=60).json()
            assert after["enrolments"] == []
            assert after["contacts"][0]["tags"]
        finally:
            process.terminate()
