"""Bodies as our own subscription brings them from the fake, and the way recordings were made.

    python -m tests.platforms.saleor.deliveries

writes `recordings/*.json` anew, with a key made for them alone that is thrown away.
"""

from __future__ import annotations

import json
from pathlib import Path

from plugin.stores.saleor.documents import ON_EVENT
from tests.platforms.saleor.books import NOW, Books, Thing
from tests.platforms.saleor.fake import FakeSaleor
from tests.platforms.saleor.signing import a_key, header_of, key_set, public, signed

RECORDINGS = Path(__file__).parent / "recordings"
KEYS = Path(__file__).parent / "recorded_keys.json"
KID = "ZGetxu6nzOZPqPzKAAEs2Ic5qHC0HO9cCiCzq2EB2Xc"


def event_of(fake: FakeSaleor, typename: str, **parts: object) -> Thing:
    """The body of one delivery: the selection under `event`, with nothing around it."""
    event = {"__typename": typename, "issuedAt": NOW, **parts}
    told: Thing = fake.selected(ON_EVENT, {"event": event})["event"]
    return told


def refunded(books: Books, ref: str, minor: int, reason: str = "the customer asked") -> str:
    """A granted refund, requested; gives its id."""
    order = books.transactions[ref]["order"]
    amount = f"{minor / 100:.2f}"
    grant, code = books.grant(order, {"transactionId": ref, "amount": amount, "reason": reason})
    assert grant is not None, code
    books.request(grant["id"])
    return str(grant["id"])


def samples() -> dict[str, tuple[str, Thing]]:
    """Recording by name: Saleor's event and the body."""
    with FakeSaleor() as fake:
        books = fake.books
        books.add_user("ada@example.com")
        sale = books.sell(4900)
        order = sale["order"]
        told = {
            "order_fully_paid": (
                "order_fully_paid",
                event_of(fake, "OrderFullyPaid", order=books.order(order)),
            )
        }
        refunded(books, sale["id"], 1500, "mg-0123456789abcdef-a1")
        told["order_refunded_in_part_by_us"] = (
            "order_refunded",
            event_of(fake, "OrderRefunded", order=books.order(order)),
        )
        books.tell(sale["id"], "REFUND_SUCCESS", 3400, "psp-elsewhere")
        told["order_fully_refunded"] = (
            "order_fully_refunded",
            event_of(fake, "OrderFullyRefunded", order=books.order(order)),
        )
        books.tell(sale["id"], "REFUND_REVERSE", 3400, "psp-elsewhere")
        told["order_updated_refund_reversed"] = (
            "order_updated",
            event_of(fake, "OrderUpdated", order=books.order(order)),
        )
        app = {"id": "App:3"}
        told["app_deleted"] = (
            "app_deleted",
            event_of(fake, "AppDeleted", app=app, recipient=app),
        )
    return told


def main() -> None:
    key = a_key("recordings")
    KEYS.write_text(key_set(public(key, KID)).decode() + "\n", "utf-8")
    for name, (topic, body) in samples().items():
        raw = json.dumps(body)
        headers = {
            "Content-Type": "application/json",
            "Saleor-Event": topic,
            "Saleor-Domain": "ada.example.com",
            "Saleor-Api-Url": "https://ada.example.com/graphql/",
            "Saleor-Signature": signed(key, header_of(KID), raw.encode()),
        }
        text = json.dumps({"headers": headers, "body": raw}, indent=2)
        (RECORDINGS / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
