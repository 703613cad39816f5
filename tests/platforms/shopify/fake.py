"""Our fake Shopify: one GraphQL address and one for tokens, over loopback HTTP, with faults.

It answers each document that the adapter sends with the fields that the document selects and no
others, so that a field that is read but never asked for is found out. Faults: see `FAULTS`.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from plugin.stores.shopify.documents import MOST_ORDERS
from tests.platforms.loopback import Loopback
from tests.platforms.shopify.books import Books, Thing, UserError
from tests.platforms.shopify.grants import Grants
from tests.platforms.shopify.selection import selected

FAULTS = {
    "fine": "nothing: it goes as it should",
    "lost": "404 with a web page, nothing is done",
    "drop_before": "the connection breaks before anything is done",
    "unavailable": "503, nothing is done",
    "busy": "429, nothing is done",
    "throttled": "200 with THROTTLED, nothing is done",
    "denied": "200 with ACCESS_DENIED, nothing is done",
    "drop_after": "it is done, then the connection breaks",
    "error_after": "it is done, then 500",
    "internal": "it is done, then 200 with INTERNAL_SERVER_ERROR",
    "denied_below": "it is done, then 200 with ACCESS_DENIED for a field of the answer",
    "slow": "it is done, then the answer waits for 30 seconds",
    "html": "it is done, the answer is a web page",
    "truncated": "it is done, the answer ends in its middle",
    "empty": "it is done, the answer is an empty object",
    "wrong_refund": "it is done, the answer tells of another refund",
    "unauthorised": "401, nothing is done",
}
WAIT = 7
PLENTY: Thing = {
    "requestedQueryCost": 392,
    "throttleStatus": {"maximumAvailable": 2000, "currentlyAvailable": 1900, "restoreRate": 100},
}
_COST: Thing = {
    "requestedQueryCost": 392,
    "throttleStatus": {"maximumAvailable": 2000, "currentlyAvailable": 42, "restoreRate": 50},
}
SCOPES = [
    "write_orders",
    "write_customers",
    "read_products",
    "read_shopify_payments_disputes",
]
TOKEN_PATH = "/admin/oauth/access_token"
GRAPHQL_PATH = "/admin/api/2026-10/graphql.json"


@dataclass
class Fault:
    kind: str
    on: str


class FakeShopify(Loopback):
    """The server, for `with`: `url` answers, `books` tell, and `fail` makes it fail."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.books = Books()
        self.calls: list[tuple[str, dict[str, str], Thing]] = []
        self.credentials = ("client-1", "shpss_made_up")
        self.token = "shpat_1"
        self.lives = 86399
        self.key_state = "good"
        self.scopes = list(SCOPES)
        self.errors: list[Thing] = []
        self.cost: Thing = _COST
        self.left: Thing = PLENTY
        self.page = 20
        self.raw_answer: tuple[int, bytes] | None = None
        self.grants = Grants()
        self._faults: list[Fault] = []

    def fail(self, kind: str, *, on: str = "CreateRefund") -> None:
        """Let the next document whose name begins with one of `on` meet a fault."""
        assert kind in FAULTS
        with self.lock:
            self._faults.append(Fault(kind, on))

    def take_fault(self, name: str) -> str:
        with self.lock:
            for fault in self._faults:
                if name.startswith(tuple(fault.on.split())):
                    self._faults.remove(fault)
                    return fault.kind
        return ""

    def named(self, name: str) -> list[Thing]:
        """The variables of each call of the document `name`."""
        return [body["variables"] for called, _, body in self.calls if called == name]

    def execute(self, name: str, variables: Thing) -> Thing:
        method = re.sub(r"(?=[A-Z])", "_", name).lower()
        return cast("Thing", getattr(self, method)(variables))

    # --- documents --------------------------------------------------------------------------------

    def _find_orders(self, variables: Thing) -> Thing:
        wanted = re.findall(r'(?:^| OR )(email|name):"((?:[^"\\]|\\.)*)"', variables["query"])
        plain = {(field, re.sub(r"\\(.)", r"\1", value).lower()) for field, value in wanted}
        found = [
            order
            for order in reversed(self.books.orders.values())
            # A search matches more than the same: by parts of a name, say.
            if any(value in str(order[field]).lower() for field, value in plain)
        ]
        start = int(variables["after"] or 0)
        end = start + MOST_ORDERS
        told = {"hasNextPage": len(found) > end, "endCursor": str(end) if found else None}
        return {"orders": {"nodes": found[start:end], "pageInfo": told}}

    def _read_lines(self, variables: Thing) -> Thing:
        return {"nodes": [self.books.orders.get(one) for one in variables["ids"]]}

    def _list_sold(self, variables: Thing) -> Thing:
        return self._changed(variables)

    def _list_refunded(self, variables: Thing) -> Thing:
        return self._changed(variables)

    def _changed(self, variables: Thing) -> Thing:
        """A page of the orders that changed in a time, the one that changed first before others."""
        query = variables["query"]
        [since], [until] = (re.findall(f"updated_at:{way}='([^']+)'", query) for way in "><")
        wanted = re.findall(r"financial_status:(\w+)", query)
        found = [
            order
            for order in sorted(self.books.orders.values(), key=_place)
            if since <= order["updatedAt"] <= until
            and self.books.financial_status(order) in wanted
            and (variables["after"] is None or _place(order) > json.loads(variables["after"]))
        ]
        page = found[: self.page]
        end = json.dumps(_place(page[-1])) if page else None
        told = {"hasNextPage": len(found) > len(page), "endCursor": end}
        return {"orders": {"nodes": page, "pageInfo": told}}

    def _read_order(self, variables: Thing) -> Thing:
        return {"order": self.books.orders.get(variables["id"])}

    def _refund_state(self, variables: Thing) -> Thing:
        order = self.books.orders.get(variables["id"])
        if order is None:
            return {"order": None}
        return {"order": {**order, "suggestedRefund": self.books.suggested(order)}}

    def _create_refund(self, variables: Thing) -> Thing:
        try:
            made = self.books.refund(variables["input"], variables["key"])
        except UserError as error:
            return {"refundCreate": {"refund": None, "userErrors": error.shown}}
        return {"refundCreate": {"refund": made, "userErrors": []}}

    def _customer_by_id(self, variables: Thing) -> Thing:
        return {"customer": _shown(self.books.customers.get(variables["id"]))}

    def _customer_by_email(self, variables: Thing) -> Thing:
        email = variables["email"].lower()
        found = [one for one in self.books.customers.values() if one["email"].lower() == email]
        return {"customer": _shown(found[0] if found else None)}

    def _customer_address(self, variables: Thing) -> Thing:
        found = self.books.customers.get(variables["id"])
        if found is None:
            return {"customer": None}
        email = {"emailAddress": found["email"]} if found["email"] else None
        return {"customer": {"id": found["id"], "defaultEmailAddress": email}}

    def _customer_flag_by_id(self, variables: Thing) -> Thing:
        return _flag(self._customer_by_id(variables), variables)

    def _customer_flag_by_email(self, variables: Thing) -> Thing:
        return _flag(self._customer_by_email(variables), variables)

    def _add_tags(self, variables: Thing) -> Thing:
        tags = self.books.customers[variables["id"]]["tags"]
        for tag in variables["tags"]:
            if tag.lower() not in (one.lower() for one in tags):
                tags.append(tag)
        return {"change": {"node": {"id": variables["id"]}, "userErrors": []}}

    def _remove_tags(self, variables: Thing) -> Thing:
        customer = self.books.customers[variables["id"]]
        gone = {tag.lower() for tag in variables["tags"]}
        customer["tags"] = [tag for tag in customer["tags"] if tag.lower() not in gone]
        return {"change": {"node": {"id": variables["id"]}, "userErrors": []}}

    def _set_metafield(self, variables: Thing) -> Thing:
        [sent] = variables["metafields"]
        fields = self.books.customers[sent["ownerId"]]["metafields"]
        name = f"{sent['namespace']}.{sent['key']}"
        before = fields.get(name)
        if sent["compareDigest"] != (None if before is None else _digest(before)):
            error = {"field": ["metafields"], "message": "stale", "code": "STALE_OBJECT"}
            return {"change": {"metafields": None, "userErrors": [error]}}
        if before is not None and before[0] != sent["type"]:
            error = {"field": ["metafields"], "message": "type", "code": "INVALID_TYPE"}
            return {"change": {"metafields": None, "userErrors": [error]}}
        fields[name] = (sent["type"], sent["value"])
        return {"change": {"metafields": [{"id": self.books.gid("Metafield")}], "userErrors": []}}

    def _read_catalog(self, _variables: Thing) -> Thing:
        course = {"id": "gid://shopify/Product/632910392", "title": "A course"}
        flags = [
            {
                "namespace": "custom",
                "key": "member",
                "name": "Member",
                "type": {"name": "boolean"},
            },
            {
                "namespace": "custom",
                "key": "birthday",
                "name": "Birthday",
                "type": {"name": "date"},
            },
        ]
        return {"products": {"nodes": [course]}, "metafieldDefinitions": {"nodes": flags}}

    def _read_account(self, _variables: Thing) -> Thing:
        shop = {
            "id": "gid://shopify/Shop/548380009",
            "name": "Ada's Courses",
            "myshopifyDomain": "acme.myshopify.com",
            "currencyCode": "EUR",
        }
        scopes = [{"handle": scope} for scope in self.scopes]
        return {"shop": shop, "currentAppInstallation": {"accessScopes": scopes}}

    def _list_webhooks(self, _variables: Thing) -> Thing:
        return {"webhookSubscriptions": {"nodes": list(self.books.webhooks.values())}}

    def _add_webhook(self, variables: Thing) -> Thing:
        uri, topic = variables["webhook"]["uri"], variables["topic"]
        if any((one["uri"], one["topic"]) == (uri, topic) for one in self.books.webhooks.values()):
            error = {"field": ["webhookSubscription", "uri"], "message": "already taken"}
            return {"change": {"webhookSubscription": None, "userErrors": [error]}}
        made = {"id": self.books.gid("WebhookSubscription"), "topic": topic, "uri": uri}
        self.books.webhooks[made["id"]] = made
        return {"change": {"webhookSubscription": made, "userErrors": []}}

    def _remove_webhook(self, variables: Thing) -> Thing:
        self.books.webhooks.pop(variables["id"])
        removed = {"deletedWebhookSubscriptionId": variables["id"], "userErrors": []}
        return {"change": removed}


def _place(order: Thing) -> list[str]:
    return [order["updatedAt"], order["id"]]


def _digest(field: tuple[str, str]) -> str:
    return f"digest of {field[1]}"


def _shown(customer: Thing | None) -> Thing | None:
    if customer is None:
        return None
    nodes = [
        {
            "namespace": name.rpartition(".")[0],
            "key": name.rpartition(".")[2],
            "type": field[0],
            "value": field[1],
            "compareDigest": _digest(field),
        }
        for name, field in customer["metafields"].items()
    ]
    return {**customer, "metafields": {"nodes": nodes}}


def _flag(answer: Thing, asked: Thing) -> Thing:
    """The customer of the answer, with the one metafield that is asked for."""
    customer = answer["customer"]
    if customer is None:
        return answer
    name = (asked["namespace"], asked["key"])
    fields = customer["metafields"]["nodes"]
    found = [one for one in fields if (one["namespace"], one["key"]) == name]
    return {"customer": {**customer, "metafield": found[0] if found else None}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def fake(self) -> FakeShopify:
        return cast("FakeShopify", self.server.fake)  # type: ignore[attr-defined] # set by FakeShopify

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        with self.fake.lock:
            if self.fake.raw_answer is not None:
                self._send_raw(*self.fake.raw_answer, "application/json")
            elif path == TOKEN_PATH:
                self._answer_token(raw)
            elif path == GRAPHQL_PATH:
                self._answer_document(json.loads(raw))
            else:
                self._send(404, {"errors": "Not Found"})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Nothing: tests read `calls`."""

    def _answer_token(self, raw: str) -> None:
        if raw.startswith("{"):
            self._answer_grant(json.loads(raw))
            return
        sent = {name: values[0] for name, values in parse_qs(raw).items()}
        self.fake.calls.append(("token", dict(self.headers.items()), {"variables": sent}))
        if self._trouble_before(self.fake.take_fault("token")):
            return
        given = (sent.get("client_id"), sent.get("client_secret"))
        if sent.get("grant_type") != "client_credentials" or given != self.fake.credentials:
            self._send(400, {"error": "application_cannot_be_found"})
            return
        scope = ",".join(self.fake.scopes)
        token = {"access_token": self.fake.token, "scope": scope, "expires_in": self.fake.lives}
        self._send(200, token)

    def _answer_grant(self, asked: Thing) -> None:
        self.fake.calls.append(("grant", dict(self.headers.items()), {"variables": asked}))
        if self._trouble_before(self.fake.take_fault("grant")):
            return
        status, answer = self.fake.grants.answer(asked)
        self.fake.token = self.fake.grants.access or self.fake.token
        self._send(status, answer)

    def _answer_document(self, body: Thing) -> None:
        found = re.match(r"(?:query|mutation) (\w+)", body["query"])
        name = "" if found is None else found[1]
        self.fake.calls.append((name, dict(self.headers.items()), body))
        good = self.headers.get("X-Shopify-Access-Token") == self.fake.token
        if not good or self.fake.key_state != "good":
            self._send(401, {"errors": "[API] Invalid API key or access token"})
            return
        kind = self.fake.take_fault(name)
        if self._trouble_before(kind):
            return
        if self.fake.errors:
            errors, self.fake.errors = self.fake.errors, []
            self._send(200, {"errors": errors})
            return
        data = self.fake.execute(name, body["variables"])
        data = selected(body["query"], data, body["variables"])
        self._finish({"data": data, "extensions": {"cost": self.fake.left}}, kind)

    def _trouble_before(self, kind: str) -> bool:
        throttled = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
        match kind:
            case "drop_before":
                self._drop()
            case "unavailable":
                self._send(503, {})
            case "lost":
                self._send_raw(404, b"<html>Not Found</html>", "text/html")
            case "unauthorised":
                self._send(401, {"errors": "Unauthorized"})
            case "busy":
                self._send(429, {"errors": "Too many"}, {"Retry-After": str(WAIT)})
            case "throttled":
                self._send(200, {"errors": [throttled], "extensions": {"cost": self.fake.cost}})
            case "denied":
                error = {"message": "denied", "path": ["orders"]}
                self._send(200, {"errors": [error | {"extensions": {"code": "ACCESS_DENIED"}}]})
            case _:
                return False
        return True

    def _finish(self, body: Thing, kind: str) -> None:
        raw = json.dumps(body).encode()
        match kind:
            case "drop_after":
                self._drop()
            case "error_after":
                self._send(500, {})
            case "internal":
                error = {"message": "?", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
                self._send(200, {"errors": [error], "data": None})
            case "denied_below":
                error = {
                    "message": "denied",
                    "path": ["refundCreate", "refund", "note"],
                    "extensions": {"code": "ACCESS_DENIED"},
                }
                self._send(200, {"errors": [error], "data": {"refundCreate": None}})
            case "slow":
                self.fake.lock.release()
                try:
                    self.fake.stopped.wait(30)
                finally:
                    self.fake.lock.acquire()
                self.close_connection = True
            case "html":
                self._send_raw(200, b"<html><body>Shop</body></html>", "text/html")
            case "truncated":
                self._send_raw(200, raw[: len(raw) // 2], "application/json")
            case "empty":
                self._send(200, {})
            case "wrong_refund":
                body["data"]["refundCreate"]["refund"]["note"] = "Makegood refund x mg-x-a1"
                self._send(200, body)
            case _:
                self._send(200, body)

    def _send(self, status: int, body: Thing, headers: Mapping[str, str] | None = None) -> None:
        self._send_raw(status, json.dumps(body).encode(), "application/json", headers)

    def _send_raw(
        self, status: int, raw: bytes, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        try:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Type": kind}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the caller has given up, which is what some tests want

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def ref_of(thing: Any) -> str:  # noqa: ANN401 - any JSON
    """The number at the end of a thing's id."""
    return str(thing["id"]).rpartition("/")[2]
