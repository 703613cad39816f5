"""Our own paths of the fake Stripe, for harnesses in other processes. Bodies are JSON.

POST `/_sell` {amount, currency?, email?} · `/_dispute` {charge} · `/_settle` {refund, status} ·
`/_outcome` {status of the next refund} · `/_key` {state} · `/_rights` {denied: [...]} ·
`/_faults` {kind, seconds?, times?, on?} · `/_hooks` {mode} · `/_forget_keys` {}
GET `/_log` the refunds that moved money, with their keys · `/_events` all events
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tests.platforms.stripe.books import StripeError, Thing

if TYPE_CHECKING:
    from tests.platforms.stripe.fake import FakeStripe

_Order = Mapping[str, Any]


def control(fake: FakeStripe, path: str, order: _Order) -> Any:  # noqa: ANN401 - any JSON
    """Do what a harness asks. Raises StripeError for a path that is not there."""
    if path not in _PATHS:
        raise StripeError(404, "resource_missing")
    with fake.lock:
        return _PATHS[path](fake, order)


def _sell(fake: FakeStripe, order: _Order) -> Thing:
    email = order.get("email")
    if email is None:
        return fake.books.sell(order["amount"], order.get("currency", "eur"))
    known = fake.books.all("customer", email=email) or [fake.books.add_customer(email)]
    return fake.books.sell(order["amount"], order.get("currency", "eur"), customer=known[0]["id"])


def _settle(fake: FakeStripe, order: _Order) -> Thing:
    fake.books.settle(order["refund"], order["status"])
    return fake.books.get(order["refund"])


def _set_outcome(fake: FakeStripe, order: _Order) -> Thing:
    fake.books.outcome = order["status"]
    return {}


def _set_key(fake: FakeStripe, order: _Order) -> Thing:
    fake.key_state = order["state"]
    return {}


def _set_rights(fake: FakeStripe, order: _Order) -> Thing:
    fake.denied = list(order["denied"])
    return {}


def _set_hooks(fake: FakeStripe, order: _Order) -> Thing:
    fake.hooks.mode = order["mode"]
    return {}


def _fail(fake: FakeStripe, order: _Order) -> Thing:
    fake.fail(**order)
    return {}


def _forget_keys(fake: FakeStripe, _order: _Order) -> Thing:
    fake.forget_keys()
    return {}


_PATHS: Mapping[str, Callable[[FakeStripe, _Order], Any]] = {
    "/_log": lambda fake, _: fake.books.moved(),
    "/_events": lambda fake, _: fake.hooks.events,
    "/_sell": _sell,
    "/_dispute": lambda fake, order: fake.books.dispute(order["charge"]),
    "/_settle": _settle,
    "/_outcome": _set_outcome,
    "/_key": _set_key,
    "/_rights": _set_rights,
    "/_hooks": _set_hooks,
    "/_faults": _fail,
    "/_forget_keys": _forget_keys,
}
