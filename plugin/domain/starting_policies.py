"""Four policies to start from, offered at install. A seller picks one and changes it later.

They are starting points, not legal advice. In "EU right of withdrawal" the waiver for digital
content (Directive 2011/83/EU, article 16(m)) holds only where the checkout asks for it; the text
says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from plugin.domain.orders import ResourceKind
from plugin.domain.policy import Clause, PolicyVersion, ProRata, Selector, UsageCondition

_COURSES = Selector(frozenset({ResourceKind.COURSE, ResourceKind.BUNDLE}))
_DOWNLOADS = Selector(frozenset({ResourceKind.DOWNLOAD}))
_MEMBERSHIPS = Selector(frozenset({ResourceKind.MEMBERSHIP, ResourceKind.COMMUNITY}))


@dataclass(frozen=True, slots=True)
class StartingPolicy:
    """One starting point. `slug` is stable and names it in forms and commands."""

    slug: str
    title: str
    clauses: tuple[Clause, ...]

    def version(self, in_force_from: datetime, timezone: str, number: int = 1) -> PolicyVersion:
        """This starting point as a policy's version. Raises InvalidInput as PolicyVersion does."""
        return PolicyVersion(number, in_force_from, timezone, self.clauses)


_WAY_BACK = Clause(
    "5.1", "It goes back the way you paid, usually within 3 to 7 days.", decides=False
)
_A_PERSON_DECIDES = Clause(
    "3.2",
    "If we cannot see whether you downloaded it, a person decides, not a machine.",
    decides=False,
)
_DOWNLOADS_14_DAYS = Clause(
    "3.1",
    "Downloads: within 14 days, if you have not downloaded them.",
    applies_to=_DOWNLOADS,
    window_days=14,
    usage=UsageCondition(not_downloaded=True, if_unknown="3.2"),
)

STARTING_POLICIES: tuple[StartingPolicy, ...] = (
    StartingPolicy(
        "thirty_days",
        "30 days, no questions",
        (
            Clause(
                "1.1",
                "Your money back within 30 days of purchase. You need not say why.",
                window_days=30,
            ),
            _WAY_BACK,
        ),
    ),
    StartingPolicy(
        "fourteen_days_not_downloaded",
        "14 days, if not downloaded",
        (
            _DOWNLOADS_14_DAYS,
            _A_PERSON_DECIDES,
            Clause(
                "4.1",
                "Everything else: your money back within 14 days of purchase.",
                window_days=14,
            ),
            _WAY_BACK,
        ),
    ),
    StartingPolicy(
        "thirty_days_then_months",
        "30 days, then months not started",
        (
            Clause(
                "2.1",
                "Courses: your money back within 30 days of purchase.",
                applies_to=_COURSES,
                window_days=30,
            ),
            _DOWNLOADS_14_DAYS,
            _A_PERSON_DECIDES,
            Clause("4.1", "A month of a membership is used once it has begun.", decides=False),
            Clause(
                "4.2",
                "Memberships: your money back within 30 days of purchase. After that, leave at any "
                "time, months not started come back. After 3 of 12 months, 9 months come back.",
                applies_to=_MEMBERSHIPS,
                window_days=30,
                prorata=ProRata(),
            ),
            Clause(
                "4.3",
                "Everything else: your money back within 30 days of purchase.",
                window_days=30,
            ),
            _WAY_BACK,
        ),
    ),
    StartingPolicy(
        "eu_withdrawal",
        "EU right of withdrawal",
        (
            Clause(
                "2.1",
                "Courses: withdraw within 14 days, until you open the first lesson. "
                "You agree to this when you buy.",
                applies_to=_COURSES,
                window_days=14,
                usage=UsageCondition(max_share_percent=0, if_unknown="3.2"),
            ),
            Clause(
                "3.1",
                "Downloads: withdraw within 14 days, until you download them. "
                "You agree to this when you buy.",
                applies_to=_DOWNLOADS,
                window_days=14,
                usage=UsageCondition(not_downloaded=True, if_unknown="3.2"),
            ),
            Clause(
                "3.2",
                "If we cannot see whether you used it, a person decides, not a machine.",
                decides=False,
            ),
            Clause(
                "4.1",
                "Everything else: withdraw within 14 days of purchase. You need not say why.",
                window_days=14,
            ),
            Clause(
                "5.1",
                "It goes back the way you paid, at the latest 14 days after you withdraw.",
                decides=False,
            ),
        ),
    ),
)


def starting_policy(slug: str) -> StartingPolicy:
    """The starting point called `slug`. Raises KeyError when there is none."""
    return {policy.slug: policy for policy in STARTING_POLICIES}[slug]
