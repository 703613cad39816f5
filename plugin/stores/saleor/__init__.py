"""Saleor: finds orders, refunds their transactions once, keeps access and tags as metadata.

`store` fills the ports, `refunds` moves money, `installing` serves our manifest, `embedded` knows
the dashboard, `news` lists what changed, `account` makes the calls, `documents` holds every GraphQL
document. What comes back is read by `plugin.platforms.saleor_orders`.

A refund is a granted refund that carries our key as its reason, and is then requested: Saleor takes
one request for each. Nothing here repeats a write, reads silence as a no, or takes a request for
money that went: the payment app answers later. https://docs.saleor.io/developer/payments/refunds
"""

from __future__ import annotations

from plugin.stores.saleor.embedded import SaleorEmbedded
from plugin.stores.saleor.installing import SaleorInstall
from plugin.stores.saleor.store import SaleorStore

__all__ = ["SaleorEmbedded", "SaleorInstall", "SaleorStore"]
