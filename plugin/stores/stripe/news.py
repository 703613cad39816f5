"""Reads what Stripe told: its events, which it lists for 30 days, and for older times what it can.

An event in the list has the same id as in its webhook, and a body that the same parser reads. For a
time from which events are gone, refunds and disputes are read as they stand now, as if an event had
told of each; of subscriptions and of older refunds that failed then nothing tells any more.
https://docs.stripe.com/api/events/list https://docs.stripe.com/webhooks#event-delivery-behaviors
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from plugin.domain.errors import Refused, RetryLater
from plugin.platforms.strict_json import JsonObject, Reader
from plugin.ports.news import News
from plugin.stores.stripe.account import Account, manifest, read_ok, understood
from plugin.stores.stripe.objects import moment

KEPT = timedelta(days=29)
"""A day less than Stripe promises, so that nothing goes while it is read."""
PAGE = "100"

_Query = list[tuple[str, str]]


def read_news(
    account: Account, since: datetime, until: datetime, kept_since: datetime
) -> Iterator[Sequence[News]]:
    """Page by page, newest first. Raises Refused naming the right where the key may not look."""
    if since < kept_since:
        asked = _within(since, min(until, kept_since))
        yield from _pages(account, "refund", "/v1/refunds", asked, _of_refund)
        yield from _pages(account, "dispute", "/v1/disputes", asked, _of_dispute)
    if until > kept_since:
        hooks = manifest().webhooks
        topics = () if hooks is None else tuple(hooks.topics)
        asked = [*_within(max(since, kept_since), until), *(("types[]", word) for word in topics)]
        yield from _pages(account, "event", "/v1/events", asked, _of_event)


def _within(since: datetime, until: datetime) -> _Query:
    """Whole seconds, a little wider rather than narrower."""
    return [
        ("created[gte]", str(int(since.timestamp()))),
        ("created[lte]", str(int(until.timestamp()) + 1)),
        ("limit", PAGE),
    ]


def _pages(
    account: Account, kind: str, path: str, asked: _Query, of: Callable[[Reader], News]
) -> Iterator[Sequence[News]]:
    after: _Query = []
    while True:
        answer = account.get(f"{kind}.list", path, [*asked, *after])
        if answer.status == 403:
            raise Refused("right_missing", f"{kind.capitalize()}s: read")
        body = read_ok(answer)
        with understood(RetryLater):
            items = body.items("data")
            page = [of(item) for item in items]
            more = bool(body.optional_boolean("has_more"))
            last = items[-1].text("id") if items else ""
        yield page
        if not more or not last:
            return
        after = [("starting_after", last)]


def _of_event(event: Reader) -> News:
    return News(event.text("id"), event.text("type"), moment(event, "created"), _bytes(event))


def _of_refund(refund: Reader) -> News:
    return _as_event("refund.updated", refund)


def _of_dispute(dispute: Reader) -> News:
    return _as_event("charge.dispute.updated", dispute)


def _as_event(topic: str, thing: Reader) -> News:
    """An event that says how the thing stands: one for each state that it may be read in."""
    name = f"{thing.text('id')}:{thing.text('status')}"
    event: JsonObject = {
        "id": name,
        "object": "event",
        "created": thing.integer("created"),
        "type": topic,
        "data": {"object": thing.value},
    }
    return News(name, topic, moment(thing, "created"), _bytes(Reader(event)))


def _bytes(event: Reader) -> bytes:
    return json.dumps(event.value, separators=(",", ":")).encode()
