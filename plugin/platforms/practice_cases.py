"""The practice shop's seeded cases: twelve tickets, one thing to learn in each.

Everything is told relative to `now`, so that day 21 is day 21 whenever practice is started. Holds
invented people and invented purchases only; reads no clock, no file and no real store, and stores
nothing: the world does (`practice_world.py`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from plugin.domain.access_map import AccessMap
from plugin.domain.events import DisputeNews, SaleMade, StoreEvent, TagNews
from plugin.domain.ids import AgentId, InstallationId, TicketId
from plugin.domain.orders import DisputeStage, ResourceKind
from plugin.domain.policy import Clause, Policy, PolicyVersion, ProRata, Selector, UsageCondition
from plugin.platforms.practice_shop import Shop
from plugin.platforms.practice_tickets import CASE_MAKERS, Case
from plugin.ports import Agent

PRACTICE_AGENT = AgentId("practice-agent")
AGENTS = (
    Agent(PRACTICE_AGENT, "Practice agent", "agent", active=True),
    Agent(AgentId("practice-lead"), "Practice lead", "lead", active=True),
    Agent(AgentId("practice-former"), "Former agent", "agent", active=False),
)
FIRST_TICKET = TicketId("1001")
"""The ticket that first run opens: the simple case."""


def practice_policy() -> Policy:
    """The policy that practice starts with: one version, in force before every seeded sale."""
    courses = Selector(frozenset({ResourceKind.COURSE, ResourceKind.BUNDLE}))
    downloads = Selector(frozenset({ResourceKind.DOWNLOAD}))
    memberships = Selector(frozenset({ResourceKind.MEMBERSHIP}))
    clauses = (
        Clause(
            "2.1",
            "Courses: your money back within 30 days of purchase. You need not say why.",
            applies_to=courses,
            window_days=30,
        ),
        Clause(
            "3.1",
            "Downloads: your money back within 14 days, if you have not downloaded them.",
            applies_to=downloads,
            window_days=14,
            usage=UsageCondition(not_downloaded=True, if_unknown="3.2"),
        ),
        Clause(
            "3.2",
            "If we cannot see whether you downloaded it, a person decides, not a machine.",
            decides=False,
        ),
        Clause(
            "4.2",
            "Yearly memberships: leave at any time, months not started come back.",
            applies_to=memberships,
            prorata=ProRata(),
        ),
    )
    return Policy((PolicyVersion(1, datetime(2020, 1, 1, tzinfo=UTC), "UTC", clauses),))


def practice_access_map(installation: InstallationId) -> AccessMap:
    """What the practice shop's admin would have typed: one plan, one bundle, two tags."""
    shop = Shop(installation, datetime(2020, 1, 1, tzinfo=UTC))
    return AccessMap(
        products={
            (installation, "plan-mentoring"): (shop.course("mentoring", "Mentoring Circle"),)
        },
        bundles={
            shop.bundle: (shop.ink_and_line, shop.paper_cuts, shop.gouache),
        },
        tags={
            shop.tag("critique-2026"): (shop.course("critique", "Studio Critique"),),
            shop.tag("wy-member"): (shop.course("paper-pigment", "Paper & Pigment"),),
        },
    )


def practice_history(installation: InstallationId, now: datetime) -> tuple[StoreEvent, ...]:
    """What the store would have told before today: its sales, tags by hand and the open dispute.

    Applying them fills the ledger, so that the plan knows what stays and why.
    """
    events: list[StoreEvent] = []
    for case in practice_cases(installation, now):
        events += [SaleMade(order) for order in case.orders]
        for order in case.orders[:1]:
            since = order.bought_at - timedelta(days=400)
            events += [TagNews(order.email, tag, added=True, at=since) for tag in case.own_tags]
        events += [
            DisputeNews(
                p.ref, f"dispute-{p.ref.ref}", p.disputed, DisputeStage.OPEN, case.asked_at, order
            )
            for order in case.orders
            for p in order.payments
            if p.dispute_open
        ]
    return tuple(events)


def practice_cases(installation: InstallationId, now: datetime) -> tuple[Case, ...]:
    """The twelve cases, in the order in which they are offered. `now` is aware UTC."""
    shop = Shop(installation, now)
    return tuple(
        replace(make(shop), asked_at=now - timedelta(minutes=7 + 23 * place))
        for place, make in enumerate(CASE_MAKERS)
    )
