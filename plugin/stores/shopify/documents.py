"""Every GraphQL document that is sent to Shopify, pinned to one version. Text only.

Pages are small: a document may cost 1,000 points, an object one, a list its size times its content
(https://shopify.dev/docs/api/usage/limits). A test adds them up, and validates each against the
schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

MOST_ORDERS = 8
"""Orders of one page of a search, the newest first."""
MOST_LINES = 100
"""Lines of one order: what one of more lines sold is not known."""
MOST_REFUNDS = 50
"""Refunds of one order that a look-up reads: beyond them nobody says that ours is not there."""
FEW_REFUNDS = 2
"""Refunds of an order, and payments of each, that a search for news reads: most have one."""

MOST_POINTS = 1000
"""What one document may cost."""

_MONEY = "presentmentMoney { amount currencyCode }"
_LINES = f"""
  nodes {{ id title quantity currentQuantity product {{ id }}
    discountedTotalSet(withCodeDiscounts: true) {{ {_MONEY} }} }}
  pageInfo {{ hasNextPage }}
"""
_ORDER = f"""
  id name email processedAt presentmentCurrencyCode returnStatus
  customer {{ id displayName numberOfOrders }}
  disputes {{ status initiatedAs }}
  lineItems(first: %(lines)d) {{ {_LINES} }}
  transactions(first: %(transactions)d) {{
    id kind status gateway formattedGateway accountNumber manualPaymentGateway processedAt createdAt
    amountSet {{ {_MONEY} }} parentTransaction {{ id }}
  }}
  refunds(first: %(refunds)d) {{ id note transactions(first: 2) {{ nodes {{ id }} }} }}
"""
LISTED: Mapping[str, int] = MappingProxyType({"lines": 8, "transactions": 8, "refunds": 8})
"""How much of each order a search reads: no fewer refunds than transactions, for their notes."""
WHOLE: Mapping[str, int] = MappingProxyType(
    {"lines": MOST_LINES, "transactions": 60, "refunds": 50}
)
"""How much of one order is read."""

FIND_ORDERS = f"""query FindOrders($query: String!, $after: String) {{
  orders(first: {MOST_ORDERS}, after: $after, query: $query, sortKey: CREATED_AT, reverse: true) {{
    nodes {{ {_ORDER % LISTED} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}"""

READ_LINES = f"""query ReadLines($ids: [ID!]!, $lines: Int!) {{
  nodes(ids: $ids) {{ ... on Order {{ id lineItems(first: $lines) {{ {_LINES} }} }} }}
}}"""


def lines_of_each(orders: int) -> int:
    """How many lines of each of so many orders one call may ask for: a line takes four points."""
    return min(MOST_LINES, (MOST_POINTS // orders - 4) // 4)


READ_ORDER = f"""query ReadOrder($id: ID!) {{
  order(id: $id) {{ {_ORDER % WHOLE} }}
}}"""

_LIST = "sortKey: UPDATED_AT, after: $after, query: $query"
LIST_SOLD = f"""query ListSold($query: String!, $after: String) {{
  orders(first: 100, {_LIST}) {{
    nodes {{
      id name email processedAt updatedAt totalPriceSet {{ {_MONEY} }}
    }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}"""
LIST_REFUNDED = f"""query ListRefunded($query: String!, $after: String) {{
  orders(first: 30, {_LIST}) {{
    nodes {{
      id updatedAt
      refunds(first: {FEW_REFUNDS}) {{ id note transactions(first: {FEW_REFUNDS}) {{
        nodes {{ id kind status processedAt createdAt
          amountSet {{ {_MONEY} }} parentTransaction {{ id }} }}
      }} }}
    }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}"""

REFUND_STATE = f"""query RefundState($id: ID!) {{
  order(id: $id) {{
    id presentmentCurrencyCode taxesIncluded returnStatus
    disputes {{ status initiatedAs }}
    transactions(first: 60) {{
      id kind status gateway manualPaymentGateway
      amountSet {{ {_MONEY} }} parentTransaction {{ id }}
    }}
    suggestedRefund(suggestFullRefund: true) {{
      amountSet {{ {_MONEY} }} shipping {{ amountSet {{ {_MONEY} }} taxSet {{ {_MONEY} }} }}
      refundLineItems {{
        lineItem {{ id }} quantity subtotalSet {{ {_MONEY} }} totalTaxSet {{ {_MONEY} }}
      }}
      suggestedTransactions {{
        parentTransaction {{ id }} maximumRefundableSet {{ {_MONEY} }}
      }}
    }}
    refunds(first: {MOST_REFUNDS}) {{
      id note
      transactions(first: 2) {{
        nodes {{ id kind status errorCode amountSet {{ {_MONEY} }} parentTransaction {{ id }} }}
      }}
    }}
  }}
}}"""

CREATE_REFUND = f"""mutation CreateRefund($input: RefundInput!, $key: String!) {{
  refundCreate(input: $input) @idempotent(key: $key) {{
    refund {{
      id note
      transactions(first: 2) {{
        nodes {{ id kind status errorCode amountSet {{ {_MONEY} }} parentTransaction {{ id }} }}
      }}
    }}
    userErrors {{ field message }}
  }}
}}"""

_CUSTOMER = """
  id tags
  metafields(first: 250) { nodes { namespace key type value } }
"""
_FLAG = """
  id metafield(namespace: $namespace, key: $key) { type value compareDigest }
"""
CUSTOMER_BY_ID = f"""query CustomerById($id: ID!) {{
  customer(id: $id) {{ {_CUSTOMER} }}
}}"""
CUSTOMER_BY_EMAIL = f"""query CustomerByEmail($email: String!) {{
  customer: customerByIdentifier(identifier: {{ emailAddress: $email }}) {{ {_CUSTOMER} }}
}}"""
FLAG_BY_ID = f"""query CustomerFlagById($id: ID!, $namespace: String!, $key: String!) {{
  customer(id: $id) {{ {_FLAG} }}
}}"""
FLAG_BY_EMAIL = f"""query CustomerFlagByEmail(
  $email: String!, $namespace: String!, $key: String!
) {{
  customer: customerByIdentifier(identifier: {{ emailAddress: $email }}) {{ {_FLAG} }}
}}"""
CUSTOMER_ADDRESS = """query CustomerAddress($id: ID!) {
  customer(id: $id) { id defaultEmailAddress { emailAddress } }
}"""
ADD_TAGS = """mutation AddTags($id: ID!, $tags: [String!]!) {
  change: tagsAdd(id: $id, tags: $tags) { node { id } userErrors { field message } }
}"""
REMOVE_TAGS = """mutation RemoveTags($id: ID!, $tags: [String!]!) {
  change: tagsRemove(id: $id, tags: $tags) { node { id } userErrors { field message } }
}"""
SET_METAFIELD = """mutation SetMetafield($metafields: [MetafieldsSetInput!]!) {
  change: metafieldsSet(metafields: $metafields) {
    metafields { id } userErrors { field message code }
  }
}"""

READ_CATALOG = """query ReadCatalog {
  products(first: 250) { nodes { id title } }
  metafieldDefinitions(ownerType: CUSTOMER, first: 100) {
    nodes { namespace key name type { name } }
  }
}"""
READ_ACCOUNT = """query ReadAccount {
  shop { id name myshopifyDomain currencyCode }
  currentAppInstallation { accessScopes { handle } }
}"""
LIST_WEBHOOKS = """query ListWebhooks {
  webhookSubscriptions(first: 100) { nodes { id topic uri } }
}"""
REMOVE_WEBHOOK = """mutation RemoveWebhook($id: ID!) {
  change: webhookSubscriptionDelete(id: $id) {
    deletedWebhookSubscriptionId userErrors { field message }
  }
}"""
ADD_WEBHOOK = """mutation AddWebhook(
  $topic: WebhookSubscriptionTopic!, $webhook: WebhookSubscriptionInput!
) {
  change: webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhook) {
    webhookSubscription { id } userErrors { field message }
  }
}"""

QUERIES: Mapping[str, str] = MappingProxyType(
    {
        "order.find": FIND_ORDERS,
        "order.read": READ_ORDER,
        "order.lines": READ_LINES,
        "order.list_sold": LIST_SOLD,
        "order.list_refunded": LIST_REFUNDED,
        "refund.state": REFUND_STATE,
        "customer.read": CUSTOMER_BY_ID,
        "customer.find": CUSTOMER_BY_EMAIL,
        "flag.read": FLAG_BY_ID,
        "flag.find": FLAG_BY_EMAIL,
        "customer.address": CUSTOMER_ADDRESS,
        "catalog.read": READ_CATALOG,
        "account.read": READ_ACCOUNT,
        "webhook.list": LIST_WEBHOOKS,
    }
)
MUTATIONS: Mapping[str, str] = MappingProxyType(
    {
        "refund.create": CREATE_REFUND,
        "tag.add": ADD_TAGS,
        "tag.remove": REMOVE_TAGS,
        "metafield.set": SET_METAFIELD,
        "webhook.create": ADD_WEBHOOK,
        "webhook.remove": REMOVE_WEBHOOK,
    }
)
