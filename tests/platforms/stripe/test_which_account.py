"""Which account a key opens: told by its id, or proven by the webhook that we registered there."""

from __future__ import annotations

from dataclasses import replace

from plugin.stores.stripe import StripeStore
from tests.platforms.stripe.conftest import FixedClock, client_to, connection_to, store_at
from tests.platforms.stripe.fake import FakeStripe


def test_test_mode_and_live_are_two_books(fake: FakeStripe) -> None:
    fake.keys_begin = "rk_live_"
    live = store_at(fake.url, api_key="rk_live_made_up").probe()
    assert (live.details, live.account_id) == ("live", "acct_1, live")


def _after_registering(fake: FakeStripe, api_key: str = "rk_test_made_up") -> StripeStore:
    """A store whose webhook was registered in the fake's account."""
    store = store_at(fake.url, api_key=api_key)
    made = store.register_webhook("https://makegood.example/webhooks/stripe/inst-1", "")
    connection = connection_to(fake.url, api_key)
    settings = {**connection.settings, "webhook_ref": made.ref}
    return StripeStore(replace(connection, settings=settings), client_to(fake.place), FixedClock())


def test_a_key_shows_whether_its_account_has_our_webhook(fake: FakeStripe) -> None:
    store = _after_registering(fake)
    assert store.probe().has_our_webhook is True
    fake.denied = ["GET /v1/account"]
    unnamed = store.probe()
    assert (unnamed.account_id, unnamed.has_our_webhook) == ("", True)
    fake.books.things.clear()
    assert store.probe().has_our_webhook is False
    fake.denied += ["GET /v1/webhook_endpoints"]
    assert store.probe().has_our_webhook is None
