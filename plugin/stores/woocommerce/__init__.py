"""WooCommerce: finds orders, refunds them by line through the shop's own gateway, reads its news.

`store` fills the ports, `refunding` asks for money back, `installing` takes the shop's own key
delivery, `account` makes the calls. A shop honours
no idempotency key: our key stands in a refund's `reason`, which is kept before the gateway is
called, and the order's refunds are read before each try. Nothing here repeats a write or reads
silence as a no. It never deletes a refund: that would not bring money back, it would hide it.
"""

from __future__ import annotations

from plugin.stores.woocommerce.installing import WoocommerceInstall
from plugin.stores.woocommerce.store import WoocommerceStore

__all__ = ["WoocommerceInstall", "WoocommerceStore"]
