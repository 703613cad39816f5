"""Our synthetic WooCommerce shop: the books over loopback HTTP, below a folder, with faults.

It honours no idempotency key, refuses in words with 500, and tries a new webhook out with an
unsigned form, as the vendor's source does.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from tests.platforms.loopback import Loopback
from tests.platforms.woocommerce.books import Books, Thing, WooError

BASE = "/shop/wp-json/wc/v3"
KEY, SECRET = "ck_made_up", "cs_made_up"
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@dataclass
class Answer:
    status: int
    body: Any = None
    raw: bytes | None = None
    headers: Mapping[str, str] | None = None


class FakeShop(Loopback):
    """The server, for `with`: then `url` answers, `books` tell, and `faults` are met in turn."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.books = Books(NOW.replace(tzinfo=None))
        self.keys: tuple[str, ...] = (KEY, SECRET)
        self.key_state = "good"
        self.faults: list[str] = []
        self.calls: list[tuple[str, str]] = []
        self.asked: list[Thing] = []
        self.before_page: list[int] = []
        self.fields_asked: set[str] = set()
        self.customers = [dict(one) for one in _CUSTOMERS]
        self.no_total = False
        self.no_filter = False
        self.meets: Callable[[str, str], bool] = _is_refund
        self.try_out: Callable[[str, bytes], object] = lambda _url, _form: None

    @property
    def url(self) -> str:
        return f"{super().url}{BASE}"

    def answer(self, method: str, path: str, query: dict[str, str], body: Thing) -> Answer:
        parts = path.removeprefix(BASE).strip("/").split("/")
        match (method, *parts):
            case ("GET", "orders"):
                return self._orders(query)
            case ("GET", "orders", ref):
                return Answer(200, self.books.order(int(ref)))
            case ("GET", "orders", ref, "refunds"):
                self.books.order(int(ref))
                return Answer(200, self.books.refunds[int(ref)][::-1])
            case ("GET", "orders", ref, "refunds", row):
                self.books.order(int(ref))
                found = [one for one in self.books.refunds[int(ref)] if str(one["id"]) == row]
                if not found:
                    raise WooError(404, "woocommerce_rest_invalid_order_refund_id")
                return Answer(200, found[0])
            case ("POST", "orders", ref, "refunds"):
                return Answer(201, self.books.refund(int(ref), body))
            case ("GET", "payment_gateways"):
                all_of_them = ",".join(_GATEWAYS[0])
                self.fields_asked = set(query.get("_fields", all_of_them).split(","))
                kept = self.fields_asked
                told = [{k: v for k, v in one.items() if k in kept} for one in _GATEWAYS]
                return Answer(200, told)
            case (_, "webhooks", *rest):
                return self._webhooks(method, rest, query, body)
            case ("GET", "customers", *rest):
                return self._customers(rest, query)
            case _:
                return self._of_extension(method, parts, query, body)

    def _customers(self, rest: list[str], query: dict[str, str]) -> Answer:
        if not rest:
            role = query.get("role", "customer")
            named = [one for one in self.customers if one["email"] == query["email"]]
            return Answer(200, [one for one in named if role in ("all", one["role"])])
        found = [one for one in self.customers if str(one["id"]) == rest[0]]
        if not found:
            raise WooError(404, "woocommerce_rest_invalid_id")
        return Answer(200, found[0])

    def _of_extension(
        self, method: str, parts: list[str], query: dict[str, str], body: Thing
    ) -> Answer:
        match parts:
            case ("memberships", "members", *rest) if self.books.memberships is not None:
                return self._memberships(method, rest, query, body)
            case ("subscriptions",) if self.books.subscriptions is not None:
                kept = self.books.subscriptions.values()
                found = [one for one in kept if str(one["customer_id"]) == query.get("customer")]
                return Answer(200, found if "customer" in query else list(kept)[:1])
            case ("subscriptions", ref) if self.books.subscriptions is not None:
                return self._subscription(method, int(ref), body)
        raise WooError(404, "rest_no_route")

    def _orders(self, query: dict[str, str]) -> Answer:
        if self.before_page:
            gone = self.books.orders[self.before_page.pop(0)]
            gone["date_modified_gmt"] = "2026-12-01T00:00:00"
        found = [self.books.told(number) for number in sorted(self.books.orders)]
        if "search" in query:
            word = query["search"].lower()
            found = [one for one in found if word in _words(one)]
            found.reverse()
        if "modified_after" in query:
            since, until = query["modified_after"], query["modified_before"]
            found = [one for one in found if since < one["date_modified_gmt"] < until]
        start = int(query.get("offset", 0))
        headers = {} if self.no_total else {"X-WP-Total": str(len(found))}
        return Answer(200, found[start : start + int(query["per_page"])], headers=headers)

    def _webhooks(self, method: str, rest: list[str], query: dict[str, str], body: Thing) -> Answer:
        kept = self.books.webhooks
        if method == "POST":
            made = {**body, "id": self.books.new_id()}
            kept[made["id"]] = made
            self.try_out(body["delivery_url"], f"webhook_id={made['id']}".encode())
            return Answer(201, {key: one for key, one in made.items() if key != "secret"})
        if not rest:
            asked = query.get("include", "").split(",")
            found = [one for one in kept.values() if str(one["id"]) in asked]
            return Answer(200, found if "include" in query else list(kept.values()))
        if int(rest[0]) not in kept:
            raise WooError(404, "woocommerce_rest_shop_webhook_invalid_id")
        return Answer(200, kept.pop(int(rest[0])) if method == "DELETE" else kept[int(rest[0])])

    def _memberships(
        self, method: str, rest: list[str], query: dict[str, str], body: Thing
    ) -> Answer:
        kept = self.books.memberships or {}
        if not rest:
            found = [one for one in kept.values() if str(one["customer_id"]) == query["customer"]]
            return Answer(200, list(kept.values()) if self.no_filter else found)
        if method == "PUT":
            kept[int(rest[0])]["status"] = body["status"]
        return Answer(200, kept[int(rest[0])])

    def _subscription(self, method: str, ref: int, body: Thing) -> Answer:
        kept = self.books.subscriptions or {}
        if ref not in kept:
            raise WooError(404, "woocommerce_rest_shop_subscription_invalid_id")
        if method == "PUT":
            kept[ref]["status"] = body["transition_status"]
            if kept[ref]["status"] == "pending-cancel":
                kept[ref]["end_date_gmt"] = kept[ref]["next_payment_date_gmt"]
        return Answer(200, kept[ref])

    def refusal(self, method: str, authorization: str) -> WooError | None:
        good = f"Basic {b64encode(':'.join(self.keys).encode()).decode()}"
        if authorization != good or self.key_state == "gone":
            return WooError(401, "woocommerce_rest_cannot_view")
        if self.key_state == "read_only" and method != "GET":
            return WooError(401, "woocommerce_rest_authentication_error")
        return None


def _is_refund(method: str, path: str) -> bool:
    return method == "POST" and path.endswith("/refunds")


def _words(order: Thing) -> str:
    return f"{json.dumps(order['billing'])} {order['number']}".lower()


_CUSTOMERS = [
    {"id": 25, "email": "ada@example.com", "role": "customer"},
    {"id": 26, "email": "bob@example.com", "role": "subscriber"},
]
"""The shop lists those of the role `customer`, unless it is asked for another or for all."""
_GATEWAYS: list[Thing] = [
    {
        "id": name,
        "method_title": title,
        "enabled": name != "paypal",
        "method_supports": ["products"] if name == "bacs" else ["products", "refunds"],
        "settings": {"secret_key": {"id": "secret_key", "type": "password", "value": "sk_made_up"}},
    }
    for name, title in (("stripe", "Stripe"), ("bacs", "BACS"), ("paypal", "PayPal"))
]
"""The shop tells the gateways' own settings with them, keys too."""
_BEFORE: Mapping[str, Answer] = {
    "busy": Answer(429, {"code": "too_many"}, headers={"Retry-After": "7"}),
    "error": Answer(500, raw=b""),
    "down": Answer(503, raw=b"<html>Briefly unavailable</html>"),
    "unauthorised": Answer(401, {"code": "woocommerce_rest_cannot_view"}),
    "nothing": Answer(200, {}),
    "switched_off": Answer(404, {"code": "rest_no_route"}),
    "lost": Answer(404, raw=b"<html>Not Found</html>"),
    "page": Answer(200, raw=b"<html>Maintenance</html>"),
    "firewall": Answer(403, raw=b"<html>Forbidden</html>"),
    "redirect": Answer(302, raw=b"", headers={"Location": "http://127.0.0.1/elsewhere"}),
}
_AFTER: Mapping[str, Answer] = {
    "error_after": Answer(500, raw=b""),
    "critical_after": Answer(
        500, {"code": "internal_server_error", "message": "<p>Critical</p>", "data": None}
    ),
    "html_after": Answer(201, raw=b"<html><body>Deprecated</body></html>"),
    "another": Answer(201, {"id": 1, "amount": "1.00", "reason": "", "refunded_payment": True}),
    "empty": Answer(201, {}),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def fake(self) -> FakeShop:
        return cast("FakeShop", self.server.fake)  # type: ignore[attr-defined] # set by FakeShop

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Nothing: tests read `calls`."""

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def _handle(self) -> None:
        url = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(raw or b"{}")
        fake = self.fake
        is_refund = _is_refund(self.command, url.path)
        with fake.lock:
            fake.calls.append((self.command, self.path.removeprefix(BASE)))
            meets = fake.meets(self.command, url.path)
            fault = fake.faults.pop(0) if meets and fake.faults else ""
            if fault == "drop_before":
                self.close_connection = True
                return
            if is_refund:
                fake.asked.append(body)
            answer = _BEFORE.get(fault) or self._answer(url.path, dict(parse_qsl(url.query)), body)
            if answer.status < 300 and self.command != "GET":
                answer = _AFTER.get(fault, answer)
        if fault == "slow":
            fake.stopped.wait(30)
        if fault in ("drop_after", "slow"):
            self.close_connection = True
            return
        self._send(answer, cut=fault == "cut")

    def _answer(self, path: str, query: dict[str, str], body: Thing) -> Answer:
        try:
            refusal = self.fake.refusal(self.command, self.headers.get("Authorization", ""))
            if refusal is not None:
                raise refusal
            return self.fake.answer(self.command, path, query, body)
        except WooError as error:
            return Answer(error.status, error.body)

    def _send(self, answer: Answer, *, cut: bool) -> None:
        raw = json.dumps(answer.body).encode() if answer.raw is None else answer.raw
        self.send_response(answer.status)
        for name, value in (answer.headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw[: len(raw) // 2] if cut else raw)
        self.close_connection = self.close_connection or cut
