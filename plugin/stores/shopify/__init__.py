"""Shopify: finds orders, refunds them once, holds customers' tags and yes-or-no metafields.

`store` fills the ports, `refunds` moves money, `access` changes customers, `orders` reads what
Shopify answers, `confirming` asks what an event means, `webhook_subscriptions` are ours,
`documents` holds every GraphQL document, `account` makes the calls. The app inside Shopify's admin:
`installing` and its configuration, `embedded` and its `session_token`, `offline_tokens`; `tokens`
are those of an app that stays in its own organisation, for a day each in `kept_tokens`.

A payment is a transaction that captured money; an order may have several, gift cards among them. A
refund carries our mark in its note, and whether its money moved is read from its transaction alone.
Nothing here repeats a write that was begun, lets Shopify refund more than was paid, changes stock,
or replaces a list of tags.
"""

from __future__ import annotations

from plugin.stores.shopify.embedded import ShopifyEmbedded
from plugin.stores.shopify.installing import ShopifyInstall
from plugin.stores.shopify.store import ShopifyStore

__all__ = ["ShopifyEmbedded", "ShopifyInstall", "ShopifyStore"]
