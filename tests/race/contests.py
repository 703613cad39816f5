"""What is raced for: an order each, who calls, and how often money may move in the end.

clicks: one agent's plan, and all callers are tabs of it. One refund.
crowd: the same, and all of them are served at once.
pair: two agents with equal parts, each with the panel's own button and many tabs. One refund, and
the other's button is answered 409 with the refund that is now under way.
limit: ten agents with three tenths each, one tab of each pressing again. Three refunds.
lines: the two lines of an order, half of the tabs each, some pressing again. Each line once.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.platforms.stripe.books import Books, Thing
from tests.platforms.zendesk import tokens
from tests.platforms.zendesk.data import AGENT, OWNER
from tests.shared_house import World

CALLERS = 100
PROCESSES = 2
SERVED = 8
"""Callers that each process serves at a time: twice as many as the product's web does."""
KINDS = ("pair", "crowd", "lines", "limit", *["clicks"] * 7, "pair", *["clicks"] * 8)
"""The kinds in turn. What costs most comes least."""
_PATIENT = {"limit": 1, "lines": 4}
"""How many tabs of each agent press again for as long as a new plan is offered."""
_PAIR = ((AGENT, "Ada Agent"), (OWNER, "Olga Owner"))
Words = dict[str, Any]


@dataclass(slots=True)
class Contest:
    """One order. `agents` are plain words for `caller.Agent`, with what each wants back."""

    kind: str
    charge: str
    email: str
    paid: dict[str, int]
    """What was paid, by line."""
    part: int | None
    moves: int
    """How often money may move for it, and must."""
    agents: list[Words]
    buttons: list[Words] = field(default_factory=list)
    """Each agent's plan and hash."""
    answers: list[Words] = field(default_factory=list)
    """One for each caller, with the plan that it stood for."""

    @property
    def places(self) -> int:
        """How many callers a process serves at a time."""
        return SERVED if self.kind == "clicks" else CALLERS

    def calls(self, chance: random.Random) -> list[list[Words]]:
        """What each process is to do, in mixed order."""
        lanes: list[list[Words]] = [[] for _ in range(PROCESSES)]
        clicks = CALLERS
        if self.kind == "pair":
            clicks -= len(self.agents)
            for lane, agent in zip(lanes, self.agents, strict=True):
                lane.append({"do": "press", "ticket": agent["ticket"]})
        for place in range(clicks):
            who = place % len(self.agents)
            tab = place // len(self.agents)
            patient = tab < _PATIENT.get(self.kind, 0)
            button = {"do": "click", "patient": patient, **self.buttons[who]}
            lanes[(who + tab) % PROCESSES].append({**self.agents[who], **button})
        for lane in lanes:
            chance.shuffle(lane)
        return lanes


def sell(world: World, number: int, chance: random.Random) -> Contest:
    """A new customer with one order, and tickets in which they ask for money back."""
    kind = KINDS[number % len(KINDS)]
    email = f"{kind}-{number}@customer.test"
    amount = chance.randint(1000, 50_000)
    books = world.stripe.books
    with world.stripe.lock:
        customer = books.add_customer(email)["id"]
        charge = _two_lines(books, customer, amount) if kind == "lines" else None
        charge = charge or books.sell(amount, customer=customer)
    contest = Contest(kind, charge["id"], email, {charge["id"]: amount}, None, 1, [])
    names = ["Kim Agent"]
    match kind:
        case "pair":
            contest.part = chance.randint(100, amount * 2 // 5)
            names = [name for _, name in _PAIR]
        case "limit":
            contest.part, contest.moves = amount * 3 // 10, 3
            names = [f"Agent {n}" for n in range(10)]
        case "lines":
            contest.paid, contest.moves = {"il_1": amount // 3, "il_2": amount - amount // 3}, 2
            names = ["Agent 1", "Agent 2"]
        case _ if chance.random() < 0.7:
            contest.part = chance.randint(1, amount * 2 // 5)
        case _:
            pass
    ticket = world.desk.ask(email)
    for place, name in enumerate(names):
        if place and kind == "pair":
            ticket = str(_another_ticket(world, ticket))
        line = list(contest.paid)[place] if kind == "lines" else None
        contest.agents.append(
            {
                "charge": contest.charge,
                "email": email,
                "ticket": ticket,
                "name": name,
                "amount": contest.part,
                "line": line,
            }
        )
    return contest


def entry_tokens(world: World, now: datetime) -> list[str]:
    """What the desk posts into the frames of the pair, signed now."""
    return [tokens.sign(world.desk.key, tokens.claims(now, agent)) for agent, _ in _PAIR]


def _another_ticket(world: World, ticket: str) -> int:
    """The same person writes again."""
    account = world.desk.account
    return account.add_ticket(account.tickets[int(ticket)]["requester_id"])


def _two_lines(books: Books, customer: str, amount: int) -> Thing:
    """A charge for an invoice with two lines, a third and two thirds of it."""
    price = {"id": "price_once", "product": "prod_course", "currency": "eur", "unit_amount": amount}
    lines = [
        {
            "id": ref,
            "amount": part,
            "currency": "eur",
            "description": f"Course {ref}",
            "proration": False,
            "price": price,
            "subscription": None,
        }
        for ref, part in (("il_1", amount // 3), ("il_2", amount - amount // 3))
    ]
    listed = {"object": "list", "has_more": False, "data": lines}
    invoice = books.add("in", "invoice", subscription=None, lines=listed)
    return books.sell(amount, customer=customer, invoice=invoice["id"])
