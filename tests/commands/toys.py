"""What a developer writes into the files of `platforms new`: a toy store and a toy desk.

Their APIs are made up and small. Every piece takes the place of something that was not written,
and fails where that is not there to be replaced.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from textwrap import indent
from typing import Any, Final

SHOP: Final = "toy_shop"
DESK: Final = "toy_desk"


def fill_in(folder: Path) -> None:
    """Write both platforms into the checkout `folder`, where their files are as they came."""
    _declare(folder / f"manifests/stores/{SHOP}/platform.json", _SHOP_MANIFEST)
    _write_methods(folder / f"plugin/stores/{SHOP}.py", _SHOP_METHODS, _SHOP_REST)
    _write_api(folder / f"tests/platforms/{SHOP}/fake.py", _SHOP_API)
    _declare(folder / f"manifests/helpdesks/{DESK}/platform.json", _DESK_MANIFEST)
    _write_methods(folder / f"plugin/helpdesks/{DESK}.py", _DESK_METHODS, _DESK_REST)
    _write_api(folder / f"tests/platforms/{DESK}/fake.py", _DESK_API)
    for stem in (SHOP, DESK):
        # Nothing is unwritten any more.
        [tests] = (folder / "tests/platforms" / stem).glob("test_contract*.py")
        kept, _, _ = tests.read_text("utf-8").partition("# --- what is not written yet")
        tests.write_text(kept, "utf-8")


def _declare(file: Path, said: Mapping[str, Any]) -> None:
    manifest = json.loads(file.read_text("utf-8"))
    for part, value in said.items():
        manifest[part] = {**manifest[part], **value}
    file.write_text(json.dumps(manifest), "utf-8")


def _write_methods(file: Path, methods: Mapping[str, str], rest: str) -> None:
    text = file.read_text("utf-8")
    for name, code in methods.items():
        unwritten = f'        raise NeedsHuman(UNWRITTEN, "{name}")\n'
        assert text.count(unwritten) == 1, name
        text = text.replace(unwritten, indent(code, " " * 8))
    file.write_text(text + rest, "utf-8")


def _write_api(file: Path, methods: str) -> None:
    """In place of all that stands between its headline and the class of the server."""
    text = file.read_text("utf-8")
    begin, end = text.index("to be written ---"), text.index("\n\nclass Fake")
    begin = text.index("\n", begin) + 1
    file.write_text(text[:begin] + "\n" + indent(methods, "    ") + text[end:], "utf-8")


_LOOKS: Final = [5, 15, 60, 300, 900]

# --- the toy store --------------------------------------------------------------------------------

_SHOP_MANIFEST: Final = {
    "capabilities": {
        "find_orders": "native",
        "refund_full": "native",
        "refund_partial": "native",
        "lookup": "native",
    },
    "refunds": {"look_up_after_seconds": _LOOKS},
}
_SHOP_METHODS: Final = {
    "probe": """\
return Probe(read_ok(self._call("GET", "me.read", "/me")).text("name"))
""",
    "check_rights": """\
return "reads orders, writes refunds"
""",
    "find_orders": """\
if query.number is not None:
    named = self.read_order(query.number)
    return [] if named is None else [named]
wanted = sorted({customer_key(one) for one in query.emails})[:2]
found = [
    read_ok(self._call("GET", "order.list", "/orders", [("email", one)])) for one in wanted
]
with understood(RetryLater):
    rows = [row for body in found for row in body.items("orders")]
    orders = [_order(row, self._connection, self._clock) for row in rows]
return sorted(orders, key=lambda one: one.bought_at, reverse=True)
""",
    "read_order": """\
answer = self._call("GET", "order.read", f"/orders/{quote(ref, safe='')}")
if answer.status == 404 and answer.json() is None:
    return None
with understood(RetryLater):
    return _order(read_ok(answer), self._connection, self._clock)
""",
    "refund": """\
asked: JsonValue = {
    "payment": refund.payment.ref,
    "amount": refund.amount.minor,
    "key": refund.key,
}
answer = self._call("POST", "refund.create", "/refunds", json=asked)
if answer.status == 422:
    return Declined("declined_by_the_store")
body = read_ok(answer)
with understood(OutcomeUnknown):
    if body.text("key") != refund.key:
        raise OutcomeUnknown("answer_of_another", refund.id)
    return _answered(body)
""",
    "look_up": """\
try:
    order = read_ok(self._call("GET", "order.read", f"/orders/{quote(refund.payment.ref)}"))
except Refused as error:
    raise RetryLater("look_up_refused", error.code) from None
with understood(RetryLater):
    ours = {
        row.text("key"): row
        for row in order.items("refunds")
        if row.text("key").startswith(f"mg-{refund.id}-a")
    }
    row = ours.get(refund.key) or next(
        (one for one in ours.values() if one.text("state") != "failed"), None
    )
    return NotFound() if row is None else Found(_answered(row))
""",
}
_SHOP_REST: Final = """

from datetime import datetime
from urllib.parse import quote

from plugin.domain.ids import customer_key
from plugin.domain.money import Money
from plugin.domain.orders import Line, LineRef, OrderRef, Payment, PaymentRef, RefundRoute
from plugin.domain.refunds import Declined, Found, NotFound, Pending, Succeeded


def _answered(row: Reader) -> RefundAnswer:
    match row.text("state"):
        case "succeeded":
            return Succeeded(row.text("id"))
        case "pending":
            return Pending(row.text("id"))
        case _:
            return Declined("failed_later")


def _order(row: Reader, connection: Connection, clock: Clock) -> Order:
    ref, currency = OrderRef(connection.installation, row.text("id")), row.text("currency")
    back = [one for one in row.items("refunds") if one.text("state") != "failed"]
    paid = Money(row.integer("amount"), currency)
    gone = Money(sum(one.integer("amount") for one in back), currency)
    payment = PaymentRef(connection.installation, ref.ref)
    return Order(
        ref=ref,
        number=ref.ref,
        customer=customer_key(row.text("email")),
        email=row.text("email"),
        name="Mia Learner",
        bought_at=datetime.fromisoformat(row.text("at")),
        currency=currency,
        lines=(Line(LineRef(ref, "1"), "Toy course", "toy", paid, gone),),
        payments=(
            Payment(payment, "Toy card", paid, gone, Money(0, currency), RefundRoute.BY_API),
        ),
        read_at=clock.now(),
    )
"""
_SHOP_API: Final = """\
def answer(self, asked: Asked) -> Answer:
    if asked.headers.get("authorization") != f"Bearer {self.key}":
        return Answer(401)
    if asked.method == "POST":
        made = self.refund(asked.body["payment"], asked.body["amount"], asked.body["key"])
        if isinstance(made, str):
            return Answer(422, {"code": made})
        return Answer(201, self.shown(made))
    if asked.path == "/me":
        return Answer(200, {"name": "Toys"})
    if asked.path == "/orders":
        found = [one for one in self.payments.values() if one.email == asked.query["email"]]
        return Answer(200, {"orders": [self.order(one) for one in found]})
    one = self.payments.get(asked.path.rpartition("/")[2])
    return Answer(404) if one is None else Answer(200, self.order(one))

def order(self, one: Payment) -> Any:
    refunds = [self.shown(row) for row in self.refunds if row.payment == one.ref]
    known = {"id": one.ref, "email": one.email, "amount": one.amount, "currency": one.currency}
    return {**known, "at": one.at.isoformat(), "refunds": refunds}

def answer_of_another(self) -> Any:
    return self.shown(PaidBack("back0", "pay0", 1, "another", "succeeded"))

def shown(self, row: PaidBack) -> Any:
    return {"id": row.ref, "key": row.key, "amount": row.amount, "state": row.state}
"""

# --- the toy desk ---------------------------------------------------------------------------------

_DESK_MANIFEST: Final = {
    "capabilities": dict.fromkeys(("context", "requester", "note", "reply", "tags"), "native"),
    "panel": {"agent_vouched_by": "signed", "frame_ancestors": ["https://toy-desk.example"]},
}
_DESK_METHODS: Final = {
    "probe": """\
return Probe(read_ok(self._call("GET", "me.read", "/me")).text("name"))
""",
    "check_rights": """\
return "reads and writes tickets"
""",
    "sign_in": """\
agent, ticket = form.get("agent", ""), form.get("ticket", "")
key, claims = self._connection.secrets["api_key"], f"{agent}:{ticket}"
true = hmac.new(key.encode(), claims.encode(), "sha256")
if not hmac.compare_digest(true.hexdigest(), form.get("signature", "")):
    raise Refused("signature_refused")
return SignIn(AgentId(agent), TicketId(ticket), ticket_proven=bool(ticket))
""",
    "read_ticket": """\
found = _ticket(self, ticket, [("as", agent)])
if found is None:
    return None
with understood(RetryLater):
    return Ticket(
        id=ticket,
        subject="A refund, please",
        name="Mia Learner",
        emails=tuple(one.text() for one in found.items("emails")),
        tags=tuple(one.text() for one in found.items("tags")),
        open=found.boolean("open"),
    )
""",
    "read_agent": """\
if not _ID.fullmatch(agent):
    return None
answer = self._call("GET", "agent.read", f"/agents/{agent}")
if answer.status == 404:
    return None
with understood(RetryLater):
    role = read_ok(answer).text("role")
return Agent(agent, "Ana", role, active=True)
""",
    "add_note": """\
return _write(self, ticket, body, tags, marker, public=False)
""",
    "reply": """\
return _write(self, ticket, body, (), marker, public=True)
""",
    "has_marker": """\
found = _ticket(self, ticket)
with understood(RetryLater):
    return found is not None and any(one.text() == marker for one in found.items("markers"))
""",
    "find_open_tickets": """\
answer = self._call("GET", "ticket.list", "/tickets", [("email", email)])
with understood(RetryLater):
    return [TicketId(one.text()) for one in read_ok(answer).items("tickets")]
""",
}
_DESK_REST: Final = """

import hmac
import re

_ID = re.compile("[1-9][0-9]{0,17}", re.ASCII)


def _ticket(
    desk: ToyDeskHelpdesk, ticket: TicketId, query: Sequence[tuple[str, str]] = ()
) -> Reader | None:
    if not _ID.fullmatch(ticket):
        return None
    answer = desk._call("GET", "ticket.read", f"/tickets/{ticket}", query)
    return None if answer.status == 404 else read_ok(answer)


def _write(
    desk: ToyDeskHelpdesk,
    ticket: TicketId,
    body: str,
    tags: Sequence[str],
    marker: str,
    *,
    public: bool,
) -> Changed:
    if desk.has_marker(ticket, marker):
        return Changed.ALREADY
    asked: JsonValue = {"text": body, "tags": [*tags], "marker": marker, "public": public}
    read_ok(desk._call("POST", "ticket.write", f"/tickets/{ticket}/comments", json=asked))
    return Changed.DONE

"""
_DESK_API: Final = """\
def answer(self, asked: Asked) -> Answer:
    if asked.headers.get("authorization") != f"Bearer {KEY}":
        return Answer(401)
    _, kind, ref, *_ = [*asked.path.split("/"), ""]
    if kind == "me":
        return Answer(200, {"name": "Toys"})
    if kind == "agents":
        return Answer(200, {"role": self.roles[ref]}) if ref in self.roles else Answer(404)
    if not ref:
        email = asked.query.get("email", "").lower()
        mine = [one for one in self.tickets.values() if one.emails[0] == email and one.open]
        return Answer(200, {"tickets": [one.ref for one in mine]})
    one = self.tickets.get(ref)
    if one is None or one.deleted or not self.may_see(asked.query.get("as", AGENT), ref):
        return Answer(404)
    if asked.method == "GET":
        markers = [comment.marker for comment in one.comments]
        shown = {"emails": one.emails, "tags": one.tags, "open": one.open, "markers": markers}
        return Answer(200, shown)
    if not one.open:
        return Answer(409)
    self.before_write()
    one.tags += [tag for tag in asked.body["tags"] if tag not in one.tags]
    text, public = asked.body["text"], asked.body["public"]
    one.comments.append(Written(text, public, asked.body["marker"]))
    return Answer(201, {})

def first_request(self, agent: str, ticket: str = "") -> Mapping[str, str]:
    import hmac

    signature = hmac.new(KEY.encode(), f"{agent}:{ticket}".encode(), "sha256").hexdigest()
    return {"agent": agent, "ticket": ticket, "signature": signature}
"""
