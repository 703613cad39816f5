"""How the disputes of charges stand: asked for one by one, since Stripe lists them by charge only.

A charge says `disputed` for ever, also once the dispute was won. What is not told stays unknown,
here None or left out: it is never read as won. https://docs.stripe.com/api/disputes/list

No call for charges brings them along. The field `dispute` that could be expanded is deprecated,
stands in no schema, and names one where a charge may have several: an open one could be missed
(https://github.com/stripe/openapi/issues/156). A list of the whole account's disputes would bring
other customers' evidence, and is cut at a hundred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plugin.domain.errors import Refused, RetryLater
from plugin.platforms.strict_json import Reader
from plugin.stores.stripe.account import Account

MOST_DISPUTED = 5
"""Of the disputed charges of one search, as many newest ones are asked how they stand."""


def disputes_by_charge(
    account: Account, charges: Sequence[Reader]
) -> Mapping[str, Sequence[Reader] | None]:
    """The disputes of those charges that ever had any, until the first that cannot be read."""
    told: dict[str, Sequence[Reader] | None] = {}
    disputed = [charge.text("id") for charge in charges if charge.boolean("disputed")]
    try:
        for ref in disputed[:MOST_DISPUTED]:
            told[ref] = read_disputes(account, ref)
    except (Refused, RetryLater):
        return told  # the next would fail too, and somebody waits for the orders
    return told


def read_disputes(account: Account, charge: str) -> Sequence[Reader] | None:
    """The disputes of a charge that says it has some; None where the list does not show any.

    Raises as `Account.read_list`.
    """
    query = [("charge", charge), ("limit", "100")]
    return account.read_list("dispute.list", "/v1/disputes", query) or None
