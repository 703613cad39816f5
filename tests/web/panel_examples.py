"""One invented customer with four orders: what the example states are made of."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from plugin.web.views.panel_blocks import (
    AmountChoice,
    AmountKind,
    Decide,
    LinePick,
    Lot,
    LotItem,
    LotKind,
    MessageText,
    MonthBar,
    NineSteps,
    OrderHead,
    PlanBlock,
    PlanTicket,
    ProrataSum,
    ReasonChip,
    Step,
    SubscriptionQuestion,
    SumRow,
    Tally,
)
from plugin.web.views.panel_parts import (
    Amount,
    Frame,
    Link,
    MatchBadge,
    MatchStrength,
    OrderRow,
    OrdersBlock,
    VerdictChip,
    VerdictKind,
    Who,
)
from plugin.web.views.panel_view import (
    OpenOrder,
)
from plugin.web.views.panel_words import (
    word,
)

t = partial(word, "en")

FRAME = Frame(
    base="/panel/practice/in_7f3a",
    session="example-session",
    title="Refund desk: Mirela Kovač",
    stylesheets=("/static/panel/panel.css",),
    scripts=("/static/panel/panel.js",),
)

MIRELA = Who(
    name="Mirela Kovač",
    email="mirela.kovac@mail.example",
    match=MatchBadge(MatchStrength.STRONG, t("match.strong", evidence="e-mail + order number")),
    quiet=(t("who.refunds", n=2), t("who.since", month="Mar 2024")),
)

IN_PART = VerdictChip(
    VerdictKind.IN_PART,
    t("verdict.in_part"),
    t("verdict.clause", clause="4.2"),
    "“Yearly memberships: leave at any time, months not started come back.”",
    t("verdict.footer", version=6, date="25 Aug 2026"),
)
REFUSED = VerdictChip(
    VerdictKind.NOT_ELIGIBLE,
    t("verdict.not_eligible"),
    t("verdict.clause", clause="2.1"),
    "“Courses: your money back within 30 days of purchase.” Day 266.",
    t("verdict.footer", version=5, date="2 Mar 2026"),
)
BRUSHES = OrderRow(
    "shop-311",
    "Ink brush pack, vol. 2",
    Amount("3,800", "JPY"),
    "Brush Shop",
    "18 Nov 2026",
    VerdictChip(
        VerdictKind.NEEDS_REVIEW,
        t("verdict.needs_review"),
        t("verdict.clause", clause="3.2"),
        "“If we cannot see whether you downloaded it, a person decides, not a machine.” "
        "The shop does not tell us.",
        t("verdict.footer", version=7, date="18 Nov 2026"),
    ),
    access=t("usage.unknown"),
)
PORTRAIT = OrderRow(
    "school-8842031",
    "Portrait Lighting, full course",
    Amount("297.00", "EUR"),
    "Course School",
    "2 Nov 2026",
    VerdictChip(
        VerdictKind.ELIGIBLE,
        t("verdict.eligible"),
        t("verdict.clause", clause="2.1"),
        "“Courses: your money back within 30 days of purchase. You need not say why.” "
        "Day 21 of 30.",
        t("verdict.footer", version=7, date="2 Nov 2026"),
    ),
    access=t("access.live"),
)
WATERCOLOUR = OrderRow(
    "studio-10412",
    "Watercolour Year",
    Amount("168.00", "EUR"),
    "Studio Store",
    "25 Aug 2026",
    IN_PART,
    access=t("access.live"),
)
MIXING = OrderRow(
    "studio-9120",
    "Colour Mixing Basics",
    Amount("49.00", "EUR"),
    "Studio Store",
    "2 Mar 2026",
    REFUSED,
    access=t("access.live"),
    refunded=t("refunded.already", amount="10.00"),
)
ROWS = (BRUSHES, PORTRAIT, WATERCOLOUR, MIXING)

STEPS = NineSteps(frozenset({Step.LISTEN, Step.REVIEW, Step.VERIFY}), Step.OFFER, t("hint.offer"))
LAST_STEP = NineSteps(frozenset(Step) - {Step.FEEDBACK}, Step.FEEDBACK, t("hint.feedback"))

TO_VISA = t("plan.to", payment="Visa …4242")
TO_CARD = t("plan.to", payment="gift card …K7QD")
GETS = t("plan.gets", name="Mirela")
TICKET = PlanTicket("studio-10412", "pl_5c1e", "9b1d7c")

HEAD = OrderHead(
    "studio-10412",
    "Watercolour Year",
    t("order.number", number="10412"),
    Link(t("order.number", number="10412"), "https://store.example/orders/10412"),
)

PLAN = PlanBlock(
    currency="EUR",
    money=(SumRow(TO_VISA, "91.79"), SumRow(TO_CARD, "19.96")),
    total=SumRow(GETS, "111.75"),
    asides=(SumRow(t("plan.fee", gateway="The card gateway"), "2.52"),),
    holds=t("plan.holds", minutes=5),
    lots=(
        Lot(
            LotKind.GOES,
            (
                LotItem("Course", "Watercolour Year", "given by the ticked line"),
                LotItem("Course", "Paper & Pigment", "opened by the tag below"),
                LotItem(
                    "Tag", "wy-member", "added by this order, nothing else needs it", is_tag=True
                ),
            ),
        ),
        Lot(
            LotKind.STAYS,
            (
                LotItem(
                    "Course", "Colour Mixing Basics", "because she also bought it on 2 Mar 2026"
                ),
                LotItem("Tag", "newsletter", "because she signed up herself in 2024", is_tag=True),
            ),
        ),
        Lot(
            LotKind.UNKNOWN,
            (
                LotItem(
                    "Community",
                    "The Studio",
                    "The community does not answer; last read 2 days ago. "
                    "The refund does not wait: we ask again until it answers and tell the ticket.",
                ),
            ),
        ),
    ),
    subscription=SubscriptionQuestion(
        stop=True, stop_hint=t("subscription.stop.hint", amount="149.00 EUR", date="25 Aug 2027")
    ),
    messages=(
        MessageText(
            t("message.summary", name="Mirela", language="Croatian", channel="e-mail"),
            (
                "Bok Mirela, vraćamo ti 111,75 EUR na Visa …4242 i na poklon karticu.",
                "Novac obično stiže između 26. i 30. studenoga.",
            ),
            language="hr",
        ),
    ),
)

OPEN = OpenOrder(
    head=HEAD,
    steps=STEPS,
    currency="EUR",
    lines=(
        LinePick(
            "1",
            "Watercolour Year, membership",
            "149.00",
            picked=True,
            hint="12 months, opens 1 course, 1 course by the tag wy-member",
        ),
        LinePick(
            "2",
            "Paper guide, download",
            "19.00",
            blocked=True,
            hint="Downloaded 26 Aug: no, clause 3.1",
        ),
    ),
    amounts=(
        AmountChoice(
            AmountKind.PRORATA,
            t("amount.prorata.month"),
            "111.75",
            chosen=True,
            sum=ProrataSum(
                (
                    SumRow(t("amount.prorata.paid", periods="12 months"), "149.00"),
                    SumRow(t("amount.prorata.used", periods="3 months"), "\N{MINUS SIGN}37.25"),
                ),
                SumRow(t("amount.prorata.back", periods="9 months"), "111.75"),
                MonthBar(3, 12, t("amount.prorata.bar", used=3, periods="12 months")),
            ),
        ),
        AmountChoice(AmountKind.LINES, t("amount.lines", n=1), "149.00", hint="37.25 over policy"),
        AmountChoice(
            AmountKind.FREE, t("amount.free"), limit=t("amount.free.up_to", amount="149.00")
        ),
    ),
    reasons=tuple(
        ReasonChip(key, t(f"reason.{key}"), chosen=key == "no_time")
        for key in (
            "no_time",
            "not_as_expected",
            "technical",
            "bought_twice",
            "too_expensive",
            "other",
        )
    ),
    plan=PLAN,
    decide=Decide(
        Amount("111.75", "EUR"),
        "91.79 to Visa …4242, 19.96 to gift card",
        TICKET,
        Tally(3, 2, 1),
        t("decide.undo_foot"),
    ),
)


def orders(*rows: OrderRow, opened: str = "", age: str = "40 s") -> OrdersBlock:
    """The list as read a moment ago, with one order open if named."""
    shown = tuple(replace(row, expanded=row.key == opened) for row in rows or ROWS)
    stores = len({row.store for row in shown})
    return OrdersBlock(
        shown,
        t("orders.count", orders=len(shown), stores=t("orders.stores", n=stores)),
        t("orders.age", age=age),
    )


OPENED = orders(opened="studio-10412")
