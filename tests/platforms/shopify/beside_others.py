"""Somebody of the staff in a store's own admin, for harnesses that go over every route."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from plugin.ports import Connection
from tests.platforms.shopify.grants import session_token

STEM: Final = "shopify"
"""A store whose admin frames our page."""


def page_of(account: Connection) -> str:
    """Where our page stands in the admin of this account."""
    return f"/embedded/{STEM}/{account.settings['client_id']}"


def token_of_staff(account: Connection, now: datetime) -> str:
    """A token as that admin gives it, proven by the account's own secret."""
    shop = f"https://{account.settings['shop']}.myshopify.com"
    secret, app = account.secrets["client_secret"], account.settings["client_id"]
    return session_token(now, secret=secret, iss=f"{shop}/admin", dest=shop, aud=app)
