"""Refunds over HTTP against `stripe-stateful-mock`, which others wrote after the real Stripe.

It knows charges and refunds of API version 2020-08-27, error codes, disputes and idempotency keys.
https://github.com/pushplay/stripe-stateful-mock
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from plugin.domain.errors import OutcomeUnknown, Refused, RetryLater
from plugin.domain.money import Money
from plugin.domain.orders import PaymentRef
from plugin.domain.refunds import Declined, Found, NotFound, Succeeded
from plugin.platforms.http_client import Call
from plugin.platforms.strict_json import Reader
from plugin.stores.stripe import StripeStore
from tests.contracts.money import a_refund
from tests.platforms.stripe.conftest import INSTALLATION, client_to, store_at

_PEERS = Path(__file__).resolve().parents[2] / "peers"
_KEY = "sk_test_made_up_for_tests"
Sell = Callable[[str], PaymentRef]


@pytest.fixture(scope="module")
def peer() -> Iterator[str]:
    """The address of the running peer, installed once from its lock file."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("npm is unavailable; `make test` brings it")
    program = _PEERS / "node_modules" / "stripe-stateful-mock" / "dist" / "cli.js"
    with (_PEERS / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.is_file():
            subprocess.run([npm, "ci", "--ignore-scripts"], cwd=_PEERS, check=True, timeout=150)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PORT": str(port), "LOG_LEVEL": "info"}
    running = subprocess.Popen(
        [node, program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert running.stdout is not None
    try:
        assert b"Server started" in running.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.communicate(timeout=60)


@pytest.fixture
def store(peer: str) -> StripeStore:
    return store_at(peer, api_key=_KEY)


@pytest.fixture
def sell(peer: str) -> Sell:
    client = client_to(peer.removeprefix("http://"))

    def make(source: str = "tok_visa") -> PaymentRef:
        form = [("amount", "4900"), ("currency", "eur"), ("source", source)]
        headers = {"Authorization": f"Bearer {_KEY}"}
        answer = client.send(
            Call("POST", f"{peer}/v1/charges", "charge.create", headers=headers, form=form)
        )
        return PaymentRef(INSTALLATION, Reader(answer.json()).text("id"))

    return make


def _paid_back(store: StripeStore, payment: PaymentRef) -> Money:
    order = store.read_order(payment.ref)
    assert order is not None
    return order.refunded


def test_a_full_refund_goes_through_and_is_found(store: StripeStore, sell: Sell) -> None:
    payment = sell("tok_visa")
    refund = a_refund(payment, 4900)
    answer = store.refund(refund)
    assert isinstance(answer, Succeeded)
    assert store.look_up(refund) == Found(answer)
    assert _paid_back(store, payment) == Money(4900, "EUR")


def test_partial_refunds_stop_at_what_is_left(store: StripeStore, sell: Sell) -> None:
    payment = sell("tok_visa")
    assert isinstance(store.refund(a_refund(payment, 1500)), Succeeded)
    assert store.refund(a_refund(payment, 3401, plan="plan-2")) == Declined("amount_invalid")
    assert isinstance(store.refund(a_refund(payment, 3400, plan="plan-3")), Succeeded)
    answer = store.refund(a_refund(payment, 1, plan="plan-4"))
    assert answer == Declined("charge_already_refunded")
    assert _paid_back(store, payment) == Money(4900, "EUR")


def test_the_same_key_pays_once(store: StripeStore, sell: Sell) -> None:
    payment = sell("tok_visa")
    refund = a_refund(payment, 1500)
    assert store.refund(refund) == store.refund(refund)
    assert _paid_back(store, payment) == Money(1500, "EUR")


def test_the_same_key_with_another_amount_is_unknown(store: StripeStore, sell: Sell) -> None:
    payment = sell("tok_visa")
    refund = a_refund(payment, 1500)
    store.refund(refund)
    with pytest.raises(OutcomeUnknown, match="key_used_otherwise"):
        store.refund(replace(refund, amount=Money(1600, "EUR")))
    assert _paid_back(store, payment) == Money(1500, "EUR")


def test_what_was_never_sent_is_not_found(store: StripeStore, sell: Sell) -> None:
    assert store.look_up(a_refund(sell("tok_visa"), 1500)) == NotFound()


def test_a_disputed_charge_is_declined(store: StripeStore, sell: Sell) -> None:
    answer = store.refund(a_refund(sell("tok_createDispute"), 1500))
    assert answer == Declined("charge_disputed")


def test_an_inquiry_can_be_refunded(store: StripeStore, sell: Sell) -> None:
    answer = store.refund(a_refund(sell("tok_createDisputeInquiry"), 4900))
    assert isinstance(answer, Succeeded)


def test_a_charge_it_does_not_know_is_declined(store: StripeStore) -> None:
    answer = store.refund(a_refund(PaymentRef(INSTALLATION, "ch_unknown"), 1500))
    assert answer == Declined("resource_missing")


def test_a_wrong_key_is_refused_and_proves_nothing(peer: str, sell: Sell) -> None:
    stranger = store_at(peer, api_key="rk_live_somebody_elses")
    refund = a_refund(sell("tok_visa"), 1500)
    with pytest.raises(Refused, match="key_refused"):
        stranger.refund(refund)
    with pytest.raises(RetryLater, match="look_up_refused: key_refused"):
        stranger.look_up(refund)
