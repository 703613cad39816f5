"""The core path, walked by the product while its disk is recorded: who was told what, in order.

A sale comes in through the real door, an agent decides a refund, the gateway is called, effects
follow, the gateway's echo comes in. Each time that somebody outside is told, or called, a `Promise`
is written into the record. The stores, the desk and the mail server stand in memory.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count

from flask import Flask

from plugin.domain.ids import DeliveryId, PlanId, RefundId, RequestId, RunId, TicketId, customer_key
from plugin.domain.orders import Order, OrderRef
from plugin.domain.plan import Plan
from plugin.domain.refunds import Refund, RefundAnswer, RefundState
from plugin.domain.requests import Channel, RefundRequest
from plugin.first_start import House, home_tenant, open_house, prepare_house
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.ports import Changed, Kind
from plugin.ports.records import Tenant
from plugin.services.carry_out import CarryOut
from plugin.services.decide_refund import Decided, DecideRefund
from plugin.services.find_orders import FindOrders, Search
from plugin.services.plan_refund import PlanRefund, Reader
from plugin.services.send_refund import SendRefund
from plugin.services.webhook_secrets import with_webhook_secret
from plugin.settings import Settings
from tests.factories import (
    BANK,
    DESK,
    STORE,
    a_choice,
    a_course,
    a_line,
    a_payment,
    an_installation,
    an_order,
    eur,
)
from tests.fakes.platforms import (
    FakeDesk,
    FakeMailer,
    FakePlatforms,
    FakeStore,
    Mood,
    Paid,
    one_after_the_other,
)
from tests.powercut.disk import Promise
from tests.storage_fixtures import FakeClock
from webhooks.dispatch import Dispatch
from webhooks.http import Intake, webhooks_blueprint
from webhooks.inbox import Inbox

SECRET = "a-secret-of-the-practice-shop"
OWNER = "owner@shop.example"
ROUNDS_BETWEEN_STARTS = 10
Tell = Callable[[Promise], None]


@dataclass(frozen=True, slots=True)
class CountedMint:
    """Ids that are the same in every run. Implements `plugin.ports.Mint`."""

    numbers: Callable[[], int] = field(default_factory=lambda: count(1).__next__)

    def id(self) -> str:
        return f"id-{self.numbers():06}"

    def secret(self) -> str:
        return f"secret-{self.numbers():06}"


@dataclass
class Bank(FakeStore):
    """A gateway that says when it is called: by then the row must be past `reserved`, for good."""

    tell: Tell = lambda _: None

    def refund(self, refund: Refund) -> RefundAnswer:
        self.tell(Promise("called", refund.id, refund.key))
        return super().refund(refund)


@dataclass
class Desk(FakeDesk):
    """A desk that says what was written into it."""

    tell: Tell = lambda _: None

    def reply(self, ticket: TicketId, body: str, marker: str) -> Changed:
        self.tell(Promise("told", marker))
        return super().reply(ticket, body, marker)


@dataclass
class Mailer(FakeMailer):
    """A mail server that says what it got."""

    tell: Tell = lambda _: None

    def send(self, to: str, subject: str, body: str, message_id: str) -> None:
        self.tell(Promise("told", message_id))
        super().send(to, subject, body, message_id)


class CorePath:
    """The product on one data folder, started anew now and then, with the world around it."""

    def __init__(self, settings: Settings, tell: Tell) -> None:
        self._settings, self._tell = settings, tell
        self._clock, self._mint = FakeClock(), CountedMint()
        self._registry = Registry([DataFiles().manifests()])
        self._shop, self._bank = FakeStore(), Bank(tell=tell)
        self._desk, self._mailer = Desk(tell=tell), Mailer(tell=tell)
        self._shop.clock = self._bank.clock = self._clock
        self._shop.paid = self._bank.paid
        adapters: dict[str, object] = {STORE: self._shop, BANK: self._bank, DESK: self._desk}
        self._platforms = FakePlatforms(adapters)
        self._house: House = prepare_house(settings, self._clock, self._mint)
        self._tenant: Tenant = home_tenant(self._house.storage)
        tell(Promise("started", self._tenant.id))
        self._connect()

    def walk(self, rounds: int) -> None:
        """`rounds` customers, one after the other; then stop like a service that is ended."""
        for number in range(rounds):
            if number and number % ROUNDS_BETWEEN_STARTS == 0:
                self._house.engine.dispose()
                self._house = open_house(self._settings)
            self._serve_customer(number)
        self._house.engine.dispose()

    def _connect(self) -> None:
        with self._house.storage.begin(self._tenant.id) as uow:
            kinds = ((STORE, Kind.STORE), (BANK, Kind.STORE), (DESK, Kind.HELPDESK))
            for installation, kind in kinds:
                made = an_installation(installation, tenant=self._tenant.id, kind=kind)
                secrets = with_webhook_secret(made.connection.secrets, SECRET)
                connection = replace(made.connection, secrets=secrets)
                uow.installations.add(replace(made, connection=connection))
            uow.commit()
        self._house.storage.name_owners(self._tenant.id, (OWNER,))

    # --- one customer -----------------------------------------------------------------------------

    def _serve_customer(self, number: int) -> None:
        order = self._sell(number)
        self._work()
        if number % 4 == 3:  # given back in the shop, by somebody else
            told = {"type": "sale.refunded", "at": self._now(), "refund": f"out-{number}"}
            self._deliver(STORE, {**told, "order": _as_told(order)}, f"out-{number}")
        else:
            self._refund(order, number)
        self._work()
        self._clock.advance(minutes=20)
        self._work()

    def _sell(self, number: int) -> Order:
        ref = OrderRef(STORE, f"o{number}")
        course = a_course(f"c{number % 3}", "Paper and Pigment " + "x" * 3000)
        line, payment = a_line(gives=(course,), order=ref), a_payment(f"pay-{number}")
        order = an_order(
            line,
            payments=(payment,),
            ref=ref,
            email=f"customer-{number}@mail.example",
            bought_at=self._clock.now() - timedelta(days=2),
        )
        self._shop.orders[ref.ref] = order
        self._shop.held[order.email] |= {course}
        sale = {"type": "sale.made", "at": self._now(), "order": _as_told(order)}
        self._deliver(STORE, sale, f"sale-{number}")
        return order

    def _refund(self, order: Order, number: int) -> None:
        moods = (Mood.PLAIN, Mood.SILENT_AFTER, Mood.PENDING)
        self._bank.moods.append(moods[number % len(moods)])
        amount = eur(1900) if number % 2 else None
        plan = self._decide(order, amount)
        self._clock.advance(seconds=11)
        self._work()
        paid = self._bank.paid[-1]
        paid.state = "succeeded"
        self._clock.advance(hours=2)
        self._work()
        self._deliver(BANK, _echo(paid, self._now()), f"echo-{number}")
        with self._house.storage.read(self._tenant.id) as uow:
            for refund in uow.refunds.of_plan(plan.id):
                if refund.state is RefundState.SUCCEEDED:
                    self._tell(Promise("succeeded", refund.id))

    def _decide(self, order: Order, amount: object) -> Plan:
        """Plan and decide as an agent does in the panel."""
        storage, now = self._house.storage, self._clock.now()
        search = Search(emails=(order.email,))
        found = FindOrders(storage, self._platforms, one_after_the_other)(
            self._tenant.id, search, now
        ).orders[0]
        ticket = TicketId(f"ticket-{order.ref.ref}")
        request = RefundRequest(
            RequestId(f"request-{order.ref.ref}"),
            order.ref,
            customer_key(order.email),
            Channel.TICKET,
            now,
            ticket=ticket,
            desk=DESK,
        )
        reader = Reader("en", DESK, ticket, can_reply=True, agent="Ana")
        choice = a_choice(order) if amount is None else a_choice(order, free=eur(1900))
        planner = PlanRefund(storage, self._platforms, one_after_the_other)
        plan_id = PlanId(self._mint.id())
        plan = planner(self._tenant.id, found, request, choice, reader, plan_id, now).outcome
        assert isinstance(plan, Plan), plan
        find = FindOrders(storage, self._platforms, one_after_the_other)
        decide = DecideRefund(storage, find, planner)
        fresh = PlanId(self._mint.id())
        decided = decide(self._tenant.id, plan.id, plan.hash, search, reader, fresh, now)
        assert isinstance(decided, Decided), decided
        for refund in decided.refunds:
            self._tell(Promise("decided", refund.id, plan.id))
        return plan

    # --- the door and the worker ------------------------------------------------------------------

    def _deliver(self, installation: str, document: Mapping[str, object], name: str) -> None:
        """Through the real door, over WSGI; a 200 is a promise."""
        app = Flask("door")
        storage = self._house.storage
        intake = Intake(storage, self._registry, Inbox(storage, self._mint), self._clock)
        app.register_blueprint(webhooks_blueprint(intake))
        body = json.dumps(document).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Practice-Signature": signature, "X-Practice-Delivery": name}
        answer = app.test_client().post(
            f"/webhooks/practice/{installation}", data=body, headers=headers
        )
        assert answer.status_code == 200, answer.status
        self._tell(Promise("delivery", name, hashlib.sha256(body).hexdigest()))

    def _work(self) -> None:
        """Do all that is due, as the worker does."""
        storage, clock, tenant = self._house.storage, self._clock, self._tenant.id
        dispatch = Dispatch(storage, self._platforms, self._registry, clock, one_after_the_other)
        send = SendRefund(storage, self._platforms, clock)
        carry_out = CarryOut(storage, self._platforms, self._mailer, clock, one_after_the_other)
        while due := storage.due(clock.now(), 10):
            for work in due:
                match work.kind:
                    case "delivery":
                        dispatch(tenant, DeliveryId(work.ref))
                    case "refund":
                        send(tenant, RefundId(work.ref))
                    case _:
                        carry_out(tenant, RunId(work.ref))

    def _now(self) -> str:
        return self._clock.now().isoformat()


def _as_told(order: Order) -> Mapping[str, object]:
    """The order in the words of the practice shop's deliveries."""
    (line,) = order.lines
    return {
        "id": order.ref.ref,
        "number": order.number,
        "email": order.email,
        "bought_at": order.bought_at.isoformat(),
        "currency": "EUR",
        "lines": [
            {
                "id": line.ref.ref,
                "title": line.title,
                "product": line.product,
                "paid": line.paid.minor,
                "gives": [{"kind": r.kind, "id": r.ref, "name": r.name} for r in line.gives or ()],
            }
        ],
    }


def _echo(paid: Paid, at: str) -> Mapping[str, object]:
    """The gateway's own news of our refund."""
    return {
        "type": "payment.refunded",
        "at": at,
        "payment": paid.payment,
        "refund": paid.ref,
        "amount": paid.amount.minor,
        "currency": "EUR",
        "state": paid.state,
        "reference": paid.key,
    }
