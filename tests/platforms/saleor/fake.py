"""Our fake Saleor: the books behind GraphQL over loopback HTTP, with keys and faults.

Operations are told apart by their names, and an answer holds what the document selects and nothing
more, so that a field which was not asked for is not there to be read.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    parse,
)

from tests.platforms.loopback import Loopback
from tests.platforms.saleor.books import Books, Thing

FAULTS = {
    "fine": "nothing: it goes as it should",
    "lost": "404 with a web page, nothing is done",
    "drop_before": "the connection breaks before anything is done",
    "rate_limited": "429, nothing is done",
    "unavailable": "503, nothing is done",
    "denied": "200 with PermissionDenied, nothing is done",
    "drop_after": "it is done, then the connection breaks",
    "error_after": "it is done, then 500",
    "error_inside": "it is done, then an error inside the answer",
    "slow": "it is done, then the answer waits for ever",
    "html": "it is done, the answer is a web page",
    "truncated": "it is done, the answer ends in its middle",
    "empty": "it is done, the answer is an empty object",
    "wrong_refund": "it is done, the answer tells of another transaction",
}
TOKEN = "app-token-made-up"


@dataclass
class Fault:
    kind: str
    on: Callable[[str], bool]


@dataclass(frozen=True)
class Made:
    """One GraphQL call as it came, and the whole data of its answer before the selection."""

    operation: str
    document: str
    variables: Thing
    data: Thing


class FakeSaleor(Loopback):
    """The server, for `with`: then `url` answers, `books` tell, and `fail` makes it fail."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.books = Books()
        self.token = TOKEN
        self.keys: Thing = {"keys": []}
        self.calls: list[Made] = []
        self.paths: list[str] = []
        self._faults: list[Fault] = []

    def fail(self, kind: str, on: str | Callable[[str], bool] = "MakegoodRequest") -> None:
        """Let the next call of the operation `on` meet a fault."""
        if kind not in FAULTS:
            raise ValueError(kind)
        matches = on if callable(on) else lambda name: bool(name == on)
        self._faults.append(Fault(kind, matches))

    def take_fault(self, operation: str) -> str:
        for fault in self._faults:
            if fault.on(operation):
                self._faults.remove(fault)
                return fault.kind
        return ""

    def selected(self, document: str, data: Thing) -> Thing:
        return cast("Thing", _Selection(parse(document)).of_operation(data))

    def answer(self, document: str, variables: Thing) -> Thing:
        """The data that the document selects."""
        operation = operation_of(document)
        data = _OPERATIONS[operation](self.books, variables)
        self.calls.append(Made(operation, document, variables, data))
        return self.selected(document, data)


def operation_of(document: str) -> str:
    first = parse(document).definitions[0]
    assert isinstance(first, OperationDefinitionNode)
    assert first.name is not None
    return first.name.value


class _Selection:
    """Takes out of a value what a document asks for."""

    def __init__(self, document: DocumentNode) -> None:
        self._document = document
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }

    def of_operation(self, data: Thing) -> Any:  # noqa: ANN401 - any JSON
        first = self._document.definitions[0]
        assert isinstance(first, OperationDefinitionNode)
        return self._of(data, first.selection_set.selections)

    def _of(self, value: Any, nodes: Iterable[SelectionNode]) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, list):
            return [self._of(one, nodes) for one in value]
        if not isinstance(value, dict):
            return value
        found: Thing = {}
        for node in nodes:
            if isinstance(node, FieldNode):
                inner = value[node.name.value]
                deeper = node.selection_set
                name = (node.alias or node.name).value
                got = inner if deeper is None else self._of(inner, deeper.selections)
                found[name] = {**found[name], **got} if isinstance(found.get(name), dict) else got
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments[node.name.value]
                found |= self._of(value, fragment.selection_set.selections)
            elif isinstance(node, InlineFragmentNode) and _is_of(value, node):
                found |= self._of(value, node.selection_set.selections)
        return found


def _is_of(value: Thing, node: InlineFragmentNode) -> bool:
    condition = node.type_condition
    return condition is not None and value.get("__typename") == condition.name.value


# --- operations -----------------------------------------------------------------------------------


def _orders(books: Books, wanted: Callable[[Thing], bool], most: int) -> Thing:
    found = [order for order in books.orders.values() if wanted(order)][::-1]
    edges = [{"node": books.order(order["id"])} for order in found[:most]]
    return {"orders": {"edges": edges, "pageInfo": {"hasNextPage": len(found) > most}}}


def _changed(books: Books, given: Thing) -> Thing:
    """As the vendor pages: behind the order that the cursor tells, whatever became of it."""
    since, until = (_moment(given[end]) for end in ("since", "until"))
    changed = ((_moment(order["updatedAt"]), order["id"]) for order in books.orders.values())
    found = sorted(place for place in changed if since <= place[0] <= until)
    if given["after"] is not None:
        at, ref = json.loads(given["after"])
        found = [place for place in found if place > (_moment(at), ref)]
    page = found[: books.page]
    last = json.dumps([page[-1][0].isoformat(), page[-1][1]]) if page else None
    told = {"hasNextPage": len(found) > len(page), "endCursor": last}
    edges = [{"node": books.order(ref)} for _, ref in page]
    return {"orders": {"edges": edges, "pageInfo": told}}


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _errors(code: str | None) -> list[Thing]:
    return [] if code is None else [{"field": None, "message": "no", "code": code}]


def _grant(books: Books, given: Thing) -> Thing:
    grant, code = books.grant(given["order"], given["input"])
    told = None if grant is None else books.granted_refund(grant)
    return {"orderGrantRefundCreate": {"grantedRefund": told, "errors": _errors(code)}}


def _request(books: Books, given: Thing) -> Thing:
    transaction, code = books.request(given["grant"])
    told = None if transaction is None else books.transaction(transaction["id"])
    field = "transactionRequestRefundForGrantedRefund"
    return {field: {"transaction": told, "errors": _errors(code)}}


def _customer(books: Books, given: Thing) -> Thing:
    for user in books.users.values():
        if user["id"] == given.get("id") or user["email"] == given.get("email"):
            return {"user": user}
    return {"user": None}


def _write_keys(books: Books, given: Thing) -> Thing:
    user = books.users.get(given["id"])
    if user is not None:
        names = {item["key"] for item in given["input"]}
        kept = [item for item in user["privateMetadata"] if item["key"] not in names]
        user["privateMetadata"] = [*kept, *given["input"]]
    return {"updatePrivateMetadata": {"errors": _errors(None if user else "NOT_FOUND")}}


def _delete_keys(books: Books, given: Thing) -> Thing:
    user = books.users.get(given["id"])
    if user is not None:
        items = user["privateMetadata"]
        user["privateMetadata"] = [item for item in items if item["key"] not in given["keys"]]
    return {"deletePrivateMetadata": {"errors": _errors(None if user else "NOT_FOUND")}}


def _app(books: Books, _given: Thing) -> Thing:
    rights = [{"code": right} for right in books.permissions]
    hooks = list(books.webhooks.values())
    app = {
        "id": "App:3",
        "name": "Refund desk",
        "identifier": books.app,
        "permissions": rights,
        "webhooks": hooks,
    }
    return {"app": app, "shop": {"name": "Ada's Bakery"}}


def _create_webhook(books: Books, given: Thing) -> Thing:
    ref = f"Webhook:{len(books.webhooks) + 1}"
    books.webhooks[ref] = {"id": ref, **given["input"]}
    return {"webhookCreate": {"webhook": {"id": ref}, "errors": []}}


def _delete_webhook(books: Books, given: Thing) -> Thing:
    gone = books.webhooks.pop(given["id"], None)
    return {"webhookDelete": {"errors": _errors(None if gone else "NOT_FOUND")}}


_OPERATIONS: dict[str, Callable[[Books, Thing], Thing]] = {
    "MakegoodOrdersByEmail": lambda books, given: _orders(
        books, lambda order: order["userEmail"] in given["emails"], 50
    ),
    "MakegoodOrdersByNumber": lambda books, given: _orders(
        books, lambda order: order["number"] == str(given["number"]), 5
    ),
    "MakegoodChangedOrders": _changed,
    "MakegoodOrder": lambda books, given: {"order": books.order(given["id"])},
    "MakegoodTransaction": lambda books, given: {"transaction": books.transaction(given["id"])},
    "MakegoodGrant": _grant,
    "MakegoodRequest": _request,
    "MakegoodCustomer": _customer,
    "MakegoodWriteKeys": _write_keys,
    "MakegoodDeleteKeys": _delete_keys,
    "MakegoodApp": _app,
    "MakegoodCreateWebhook": _create_webhook,
    "MakegoodDeleteWebhook": _delete_webhook,
}


def denied(field: str | None = None) -> Thing:
    error: Thing = {"message": "no", "extensions": {"exception": {"code": "PermissionDenied"}}}
    if field is not None:
        error["path"] = [field]
    return {"errors": [error], "data": None}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def fake(self) -> FakeSaleor:
        return cast("FakeSaleor", self.server.fake)  # type: ignore[attr-defined] # set by FakeSaleor

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Nothing: tests read `calls`."""

    def do_GET(self) -> None:
        self.fake.paths.append(self.path)
        known = self.path == "/.well-known/jwks.json"
        self._send(200 if known else 404, self.fake.keys if known else {})

    def do_POST(self) -> None:
        self.fake.paths.append(self.path)
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = operation_of(asked["query"])
        with self.fake.lock:
            kind = self.fake.take_fault(operation)
        if self.headers.get("Authorization") != f"Bearer {self.fake.token}" or kind == "denied":
            self._send(200, denied(operation))
        elif kind == "drop_before":
            self._drop()
        elif kind == "lost":
            self._send_raw(404, b"<html></html>")
        elif kind == "rate_limited":
            self._send(429, {}, {"Retry-After": "7"})
        elif kind == "unavailable":
            self._send(503, {})
        else:
            with self.fake.lock:
                data = self.fake.answer(asked["query"], asked["variables"])
            self._finish(kind, data)

    def _finish(self, kind: str, data: Thing) -> None:
        raw = json.dumps({"data": data}).encode()
        if kind == "slow":
            self.fake.stopped.wait(30)
        if kind in ("drop_after", "slow"):
            self._drop()
        elif kind == "error_after":
            self._send(500, {"errors": [{"message": "no"}]})
        elif kind == "error_inside":
            error = {**denied()["errors"][0], "path": [*data, "transaction", "order"]}
            self._send(200, {"data": data, "errors": [error]})
        elif kind == "html":
            self._send_raw(200, b"<html></html>")
        elif kind == "truncated":
            self._send_raw(200, raw[: len(raw) // 2])
        elif kind == "empty":
            self._send(200, {})
        elif kind == "wrong_refund":
            other = self.fake.books.sell(100)["id"]
            self._send(200, {"data": self._of_another(data, other)})
        else:
            self._send_raw(200, raw)

    def _of_another(self, data: Thing, other: str) -> Thing:
        [(field, payload)] = data.items()
        return {field: {**payload, "transaction": self.fake.books.transaction(other)}}

    def _send(self, status: int, body: Thing, headers: dict[str, str] | None = None) -> None:
        self._send_raw(status, json.dumps(body).encode(), headers)

    def _send_raw(self, status: int, raw: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the caller has given up, which is what some tests want

    def _drop(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the caller was first
