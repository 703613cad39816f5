"""Every GraphQL document that is sent to Saleor. Constants only: nothing is ever put together.

Each is checked against the vendor's schema in the tests. `where` and `paymentMethodDetails` need
Saleor 3.22; what came with 3.23 and later is not used. https://docs.saleor.io/api-reference
"""

from __future__ import annotations

from typing import Final

_MONEY = "fragment M on Money { currency fractionalAmount fractionDigits }"

_STATE = """
fragment T on TransactionItem {
  id name actions
  chargedAmount { ...M } refundedAmount { ...M } refundPendingAmount { ...M }
  events { id type pspReference createdAt amount { ...M } }
}
fragment G on Order {
  grantedRefunds {
    id status reason createdAt amount { ...M } transaction { id }
    transactionEvents { pspReference createdAt }
  }
}
"""

_ORDER = f"""
fragment O on Order {{
  id number created userEmail user {{ id email }} billingAddress {{ firstName lastName }}
  total {{ gross {{ ...M }} }} shippingPrice {{ gross {{ ...M }} }}
  lines {{ id productName variantName productVariantId totalPrice {{ gross {{ ...M }} }} }}
  transactions {{
    ...T paymentMethodDetails {{ name ... on CardPaymentMethodDetails {{ brand lastDigits }} }}
  }}
  payments {{ id gateway capturedAmount {{ ...M }} }}
  ...G
}}
{_STATE}{_MONEY}
"""

FIND_BY_EMAIL: Final = f"""
query MakegoodOrdersByEmail($emails: [String!]!) {{
  orders(first: 50, where: {{userEmail: {{oneOf: $emails}}}},
         sortBy: {{field: CREATED_AT, direction: DESC}}) {{
    edges {{ node {{ ...O }} }} pageInfo {{ hasNextPage }}
  }}
}}
{_ORDER}
"""

FIND_BY_NUMBER: Final = f"""
query MakegoodOrdersByNumber($number: Int!) {{
  orders(first: 5, where: {{number: {{eq: $number}}}}) {{
    edges {{ node {{ ...O }} }} pageInfo {{ hasNextPage }}
  }}
}}
{_ORDER}
"""

READ_ORDER: Final = f"""
query MakegoodOrder($id: ID!) {{ order(id: $id) {{ ...O }} }}
{_ORDER}
"""

CHANGED_ORDERS: Final = f"""
query MakegoodChangedOrders($since: DateTime!, $until: DateTime!, $after: String) {{
  orders(first: 50, after: $after, where: {{updatedAt: {{gte: $since, lte: $until}}}},
         sortBy: {{field: LAST_MODIFIED_AT, direction: ASC}}) {{
    edges {{ node {{ updatedAt ...O }} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}
{_ORDER}
"""
"""What an order says here is what `ON_EVENT` says of it, word by word."""

READ_TRANSACTION: Final = f"""
query MakegoodTransaction($id: ID!) {{ transaction(id: $id) {{ ...T order {{ id ...G }} }} }}
{_STATE}{_MONEY}
"""

GRANT_REFUND: Final = f"""
mutation MakegoodGrant($order: ID!, $input: OrderGrantRefundCreateInput!) {{
  orderGrantRefundCreate(id: $order, input: $input) {{
    grantedRefund {{ id status reason amount {{ ...M }} transaction {{ id }} }}
    errors {{ code }}
  }}
}}
{_MONEY}
"""

REQUEST_REFUND: Final = f"""
mutation MakegoodRequest($grant: ID!) {{
  transactionRequestRefundForGrantedRefund(grantedRefundId: $grant) {{
    transaction {{ ...T order {{ id ...G }} }}
    errors {{ code }}
  }}
}}
{_STATE}{_MONEY}
"""

READ_CUSTOMER: Final = """
query MakegoodCustomer($id: ID, $email: String) {
  user(id: $id, email: $email) { id email privateMetadata { key value } }
}
"""

WRITE_KEYS: Final = """
mutation MakegoodWriteKeys($id: ID!, $input: [MetadataInput!]!) {
  updatePrivateMetadata(id: $id, input: $input) { errors { code } }
}
"""

DELETE_KEYS: Final = """
mutation MakegoodDeleteKeys($id: ID!, $keys: [String!]!) {
  deletePrivateMetadata(id: $id, keys: $keys) { errors { code } }
}
"""

WHO_AM_I: Final = """
query MakegoodApp {
  app { id name identifier permissions { code } webhooks { id name isActive } }
  shop { name }
}
"""

CREATE_WEBHOOK: Final = """
mutation MakegoodCreateWebhook($input: WebhookCreateInput!) {
  webhookCreate(input: $input) { webhook { id } errors { code } }
}
"""

DELETE_WEBHOOK: Final = """
mutation MakegoodDeleteWebhook($id: ID!) { webhookDelete(id: $id) { errors { code } } }
"""

ASYNC_EVENTS: Final = (
    "ORDER_FULLY_PAID",
    "ORDER_REFUNDED",
    "ORDER_FULLY_REFUNDED",
    "ORDER_UPDATED",
    "APP_DELETED",
)
"""As WebhookEventTypeAsyncEnum has them. A late failure comes as ORDER_UPDATED."""

ON_EVENT: Final = f"""
subscription MakegoodEvents {{
  event {{
    __typename
    ... on OrderFullyPaid {{ order {{ updatedAt ...O }} }}
    ... on OrderRefunded {{ order {{ updatedAt ...O }} }}
    ... on OrderFullyRefunded {{ order {{ updatedAt ...O }} }}
    ... on OrderUpdated {{ order {{ updatedAt ...O }} }}
    ... on AppDeleted {{ issuedAt app {{ id }} recipient {{ id }} }}
  }}
}}
{_ORDER}
"""
"""Of an order nothing but the order: what was not changed since has the same bytes in the news."""
