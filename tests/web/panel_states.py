"""One example of every state of the panel, for the tests and for the gallery."""

from __future__ import annotations

from dataclasses import replace

from plugin.web.views.panel_blocks import (
    AmountChoice,
    AmountKind,
    CopyRow,
    Decide,
    Difference,
    DifferenceRow,
    DoneBlock,
    Lot,
    LotItem,
    LotKind,
    OrderHead,
    PlanBlock,
    PlanTicket,
    PoliteNo,
    SheetState,
    SheetStep,
    Step,
    SumRow,
    Tally,
    Timeline,
    TimelineState,
    TimelineStep,
    UndoBlock,
    Worksheet,
)
from plugin.web.views.panel_parts import (
    Amount,
    Ask,
    Direction,
    HostAccent,
    Icon,
    Link,
    MatchBadge,
    MatchStrength,
    Notice,
    OrdersBlock,
    PracticeBanner,
    Press,
    Tone,
    VerdictChip,
    VerdictKind,
    Who,
)
from plugin.web.views.panel_view import (
    ByHand,
    ChangedSince,
    DisputeOpen,
    Done,
    NothingFound,
    OpenOrder,
    OrderList,
    Panel,
    StoreOffline,
    TenSeconds,
    Told,
    UnderWay,
    WeakMatch,
)
from tests.web.panel_examples import (
    BRUSHES,
    FRAME,
    GETS,
    HEAD,
    LAST_STEP,
    MIRELA,
    MIXING,
    OPEN,
    OPENED,
    PORTRAIT,
    REFUSED,
    STEPS,
    TO_CARD,
    TO_VISA,
    WATERCOLOUR,
    orders,
    t,
)


def _weak_match() -> Panel:
    name = "Jonas Weber"
    return Panel(
        replace(FRAME, title=f"Refund desk: {name}"),
        WeakMatch(
            Notice(Tone.WARN, Icon.SHIELD, t("weak.title"), t("weak.text", name=name)),
            t("weak.question"),
            "10388",
            t("weak.reply"),
            Decide(None, t("decide.waits_proof")),
        ),
        Who(
            name,
            "j.weber@post.example",
            MatchBadge(MatchStrength.WEAK, t("match.weak", evidence="name only")),
        ),
        say=t("weak.title"),
    )


def _nothing_found() -> Panel:
    return Panel(
        replace(FRAME, title="Refund desk: anna.k@mail.example"),
        NothingFound(
            t("nothing.title"),
            (
                "Studio Store, 1,204 orders",
                "Brush Shop, 318 orders",
                "Course School, sales since 4 May 2026",
            ),
            t("nothing.reply"),
        ),
        Who("anna.k@mail.example", "anna.k@mail.example", quiet=(t("who.asked_from"),)),
        say=t("nothing.title"),
    )


def _first_paint() -> Panel:
    waiting = t("orders.waiting", store="Brush Shop", n=1, total=3)
    return Panel(
        FRAME,
        OrderList(),
        replace(
            MIRELA, match=MatchBadge(MatchStrength.STRONG, t("match.strong", evidence="e-mail"))
        ),
        OrdersBlock((WATERCOLOUR,), waiting=waiting, skeletons=1, ask_again_ms=700),
        say=waiting,
    )


def _store_offline() -> Panel:
    old = VerdictChip(VerdictKind.UNKNOWN, t("verdict.unknown"), t("verdict.old_data"))
    row = replace(BRUSHES, verdict=old, access="")
    return Panel(
        FRAME,
        StoreOffline(
            row.key,
            row.title,
            Notice(
                Tone.WARN,
                Icon.CLOUD,
                t("offline.title", store="Brush Shop"),
                t("offline.text", age="3 h 12 min"),
                (Press(t("offline.ask_now"), Ask.ORDER, (("order", row.key),)),),
            ),
            Decide(row.amount, t("decide.waits_store", store="Brush Shop")),
            ask_again_ms=60_000,
        ),
        MIRELA,
        orders(row, PORTRAIT, opened=row.key, age="3 h 12 min"),
        say=t("offline.title", store="Brush Shop"),
    )


def _typed_too_much() -> Panel:
    limit = t("amount.free.up_to", amount="149.00")
    free = AmountChoice(
        AmountKind.FREE,
        t("amount.free"),
        chosen=True,
        typed="1490",
        limit=limit,
        fault=t("amount.free.fault", example="12.50", limit=limit),
    )
    others = tuple(replace(choice, chosen=False) for choice in OPEN.amounts[:2])
    blocked = Decide(None, free.fault)
    return Panel(
        FRAME,
        replace(OPEN, amounts=(*others, free), plan=None, decide=blocked),
        MIRELA,
        OPENED,
        say=free.fault,
    )


def _not_eligible() -> Panel:
    clause = t("verdict.clause", clause="2.1")
    return Panel(
        FRAME,
        OpenOrder(
            head=OrderHead(
                MIXING.key,
                MIXING.title,
                amount=MIXING.amount,
                note=t("refunded.left", amount="10.00", left="39.00"),
                verdict=REFUSED,
            ),
            steps=replace(STEPS, current=Step.EXPLAIN, hint=t("hint.explain")),
            polite_no=PoliteNo(
                "“Courses come back within 30 days, and yours is from 2 March, "
                "so I cannot refund it. "
                "It stays open to you for as long as you like.”"
            ),
            decide=Decide(Amount("39.00", "EUR"), t("decide.waits_clause", clause=clause)),
        ),
        MIRELA,
        orders(opened=MIXING.key),
        say=t("verdict.not_eligible"),
    )


def _changed_since() -> Panel:
    return Panel(
        FRAME,
        ChangedSince(
            HEAD,
            Notice(
                Tone.WARN,
                Icon.AGAIN,
                t("changed.title", age="20 s"),
                t("changed.text", what="Someone refunded 50.00 EUR in Studio Store."),
            ),
            Difference(
                (
                    DifferenceRow(TO_VISA, "91.79", "41.79"),
                    DifferenceRow(TO_CARD, "19.96", "19.96"),
                ),
                DifferenceRow(GETS, "111.75", "61.75"),
                "EUR",
            ),
            Decide(
                Amount("61.75", "EUR"),
                "41.79 to Visa …4242, 19.96 to gift card",
                PlanTicket("studio-10412", "pl_5c1f", "0cc175"),
            ),
        ),
        MIRELA,
        OPENED,
        say=t("changed.title", age="20 s"),
    )


def _ten_seconds() -> Panel:
    return Panel(
        FRAME,
        TenSeconds(
            t("way.title", amount="111.75 EUR"),
            UndoBlock("studio-10412", "rf_77aa", Amount("111.75", "EUR"), seconds_left=7),
            t("undo.foot"),
        ),
        MIRELA,
        OPENED,
        say=t("undo.say", n=7),
    )


def _under_way() -> Panel:
    return Panel(
        FRAME,
        UnderWay(
            "studio-10412",
            "rf_77aa",
            t("way.title", amount="111.75 EUR"),
            (
                Timeline(
                    (
                        TimelineStep(TimelineState.OK, t("way.reserved"), "14:06:10"),
                        TimelineStep(
                            TimelineState.OK, t("way.sent", gateway="the card gateway"), "14:06:20"
                        ),
                        TimelineStep(
                            TimelineState.OK,
                            t("way.confirmed"),
                            "14:06:21",
                            "91.79 to Visa, 19.96 to gift card",
                        ),
                        TimelineStep(
                            TimelineState.NOW,
                            t("way.access"),
                            "1 of 2",
                            "Watercolour Year is closed; "
                            "waiting for Course School to close Paper & Pigment",
                        ),
                        TimelineStep(TimelineState.NEXT, t("way.tags", n=1)),
                        TimelineStep(TimelineState.NEXT, t("way.tell", name="Mirela")),
                    )
                ),
            ),
            ask_again_ms=1_500,
        ),
        MIRELA,
        OPENED,
        say=f"{t('way.access')}, 1 of 2",
    )


def _unknown() -> Panel:
    bought_twice = replace(MIXING, verdict=PORTRAIT.verdict, refunded="")
    return Panel(
        FRAME,
        UnderWay(
            "studio-9120",
            "rf_90c2",
            t("way.title", amount="49.00 EUR"),
            (
                Timeline(
                    (
                        TimelineStep(
                            TimelineState.OK, t("way.sent", gateway="the wallet"), "14:06:20"
                        ),
                        TimelineStep(
                            TimelineState.HUH,
                            t("way.silent"),
                            "4 min",
                            t("way.silent.more", gateway="The wallet"),
                        ),
                        TimelineStep(TimelineState.NEXT, "Access", more=t("way.access.waits")),
                    )
                ),
            ),
            notice=Notice(
                Tone.UNKNOWN,
                Icon.CLOCK,
                t("unknown.title"),
                t("unknown.text", time="14:12", gateway="the wallet"),
                (
                    Press(
                        t("unknown.look"),
                        Ask.LOOK,
                        (("order", "studio-9120"), ("refund", "rf_90c2")),
                    ),
                    Link(
                        t("unknown.open", gateway="the wallet"), "https://wallet.example/activity"
                    ),
                ),
            ),
            ask_again_ms=15_000,
        ),
        MIRELA,
        orders(bought_twice, opened=MIXING.key),
        say=t("unknown.title"),
    )


def _split_payments() -> Panel:
    return Panel(
        FRAME,
        UnderWay(
            "studio-10412",
            "rf_77ab",
            t("way.title", amount="111.75 EUR"),
            (
                Timeline(
                    (
                        TimelineStep(TimelineState.OK, t("way.confirmed"), "14:06:21"),
                        TimelineStep(
                            TimelineState.BY, "Noted by a person", "14:07", "Ana checked the bank"
                        ),
                    ),
                    heading="91.79 to Visa …4242",
                ),
                Timeline(
                    (
                        TimelineStep(
                            TimelineState.OK, t("way.sent", gateway="the gift cards"), "14:06:22"
                        ),
                        TimelineStep(
                            TimelineState.STOP,
                            "Refused",
                            "14:06:23",
                            "This gift card has expired. No money has moved for this part.",
                        ),
                    ),
                    heading="19.96 to gift card …K7QD",
                ),
            ),
            certain="91.79 paid, 19.96 refused",
        ),
        MIRELA,
        OPENED,
        say="91.79 paid, 19.96 refused",
    )


def _by_hand() -> Panel:
    return Panel(
        FRAME,
        ByHand(
            Worksheet(
                "school-8842031",
                "rf_31d0",
                t("hand.title", store="Course School"),
                Amount("297.00", "EUR"),
                t("hand.intro", store="Course School", n=4),
                (
                    SheetStep(
                        "Open the transactions",
                        SheetState.OK,
                        link=Link("Sales, Transactions", "https://school.example/sales"),
                    ),
                    SheetStep(
                        "Find this one",
                        SheetState.ON,
                        copy=(
                            CopyRow("E-mail", "mirela.kovac@mail.example", t("copy.email")),
                            CopyRow("Order", "8842031", t("copy.order")),
                        ),
                    ),
                    SheetStep("Three dots, Refund, confirm", text="Whole payment only: 297.00 EUR"),
                    SheetStep(
                        "Come back and say so",
                        text="Or leave it: when Course School reports the refund, "
                        "this closes by itself.",
                    ),
                ),
                t("hand.attest", amount="297.00 EUR"),
                t("hand.attest.sub"),
            ),
            ask_again_ms=20_000,
        ),
        MIRELA,
        orders(opened=PORTRAIT.key),
        say=t("hand.title", store="Course School"),
    )


def _done() -> Panel:
    return Panel(
        FRAME,
        Done(
            "studio-10412",
            "rf_77aa",
            DoneBlock(
                Notice(
                    Tone.GOOD,
                    Icon.YES,
                    t("done.title", amount="111.75 EUR"),
                    t("done.arrives", first="26", last="30 Nov", reference="7419 2206 3318"),
                ),
                (
                    Lot(
                        LotKind.GOES,
                        (
                            LotItem("Course", "Watercolour Year"),
                            LotItem("Course", "Paper & Pigment"),
                            LotItem("Tag", "wy-member", is_tag=True),
                            LotItem("Renewal on 25 Aug 2027", ""),
                        ),
                        "14:06",
                    ),
                    Lot(
                        LotKind.STAYS,
                        (LotItem("Course", "Colour Mixing Basics"),),
                        t("done.as_planned"),
                    ),
                    Lot(
                        LotKind.UNKNOWN,
                        (
                            LotItem(
                                "Community",
                                "The Studio",
                                "Next try 15:06; you will see a note in the ticket.",
                            ),
                        ),
                        t("done.asked", n=3),
                    ),
                ),
                t("done.told", name="Mirela", time="14:06"),
            ),
            LAST_STEP,
            ask_again_ms=60_000,
        ),
        MIRELA,
        orders(
            replace(
                WATERCOLOUR,
                access=t("access.gone"),
                refunded=t("refunded.already", amount="111.75"),
            ),
            MIXING,
            opened=WATERCOLOUR.key,
        ),
        say=t("done.title", amount="111.75 EUR"),
    )


def _dispute_open() -> Panel:
    return Panel(
        FRAME,
        DisputeOpen(
            HEAD,
            Notice(
                Tone.BAD,
                Icon.NO,
                t("dispute.title"),
                t("dispute.text", name="Mirela", amount="149.00 EUR", date="20 Nov"),
            ),
            t("dispute.due", days=12),
        ),
        MIRELA,
        OPENED,
        say=t("dispute.title"),
    )


def _practice() -> Panel:
    practice = PracticeBanner(t("practice.banner"), Link("Other cases", "/practice"))
    tag_only = Decide(
        Amount("0.00", "EUR"),
        "practice store",
        PlanTicket("practice-4", "pl_0004", "e4da3b"),
        Tally(1, 0, 0),
        t("decide.undo_foot"),
        label="Remove 1 tag, refund 0.00 EUR",
    )
    return Panel(
        replace(FRAME, practice=practice),
        OpenOrder(
            head=OrderHead("practice-4", "Portrait Lighting", t("order.number", number="4")),
            steps=STEPS,
            currency="EUR",
            plan=PlanBlock(
                "EUR",
                (),
                SumRow(GETS, "0.00"),
                lots=(
                    Lot(
                        LotKind.GOES,
                        (LotItem("Tag", "pl-live", "opens the course by itself", is_tag=True),),
                    ),
                ),
            ),
            decide=tag_only,
            notice=Notice(
                Tone.PLAIN,
                Icon.BOOK,
                "Tag-only access",
                "The money went back last week. The tag still opens the course.",
            ),
        ),
        MIRELA,
        orders(PORTRAIT, opened=PORTRAIT.key),
        say=practice.text,
    )


def _right_to_left() -> Panel:
    accent = HostAccent("#1f4d45", "#ffffff")
    return Panel(
        replace(FRAME, locale="he", direction=Direction.RIGHT_TO_LEFT, accent=accent),
        OPEN,
        MIRELA,
        OPENED,
    )


def _told() -> Panel:
    return Panel(
        FRAME,
        Told(
            Notice(
                Tone.WARN,
                Icon.HAND,
                "This ticket is not yours to read",
                "The helpdesk says you may not see it. No money has moved. "
                "Ask its owner to share it.",
            )
        ),
        say="This ticket is not yours to read",
    )


def example_panels() -> dict[str, Panel]:
    """One panel per state, by name, in the order a refund meets them."""
    return {
        "open-order": Panel(FRAME, OPEN, MIRELA, OPENED),
        "order-list": Panel(FRAME, OrderList(), MIRELA, orders()),
        "weak-match": _weak_match(),
        "nothing-found": _nothing_found(),
        "first-paint": _first_paint(),
        "store-offline": _store_offline(),
        "typed-too-much": _typed_too_much(),
        "not-eligible": _not_eligible(),
        "changed-since": _changed_since(),
        "ten-seconds": _ten_seconds(),
        "under-way": _under_way(),
        "unknown": _unknown(),
        "split-payments": _split_payments(),
        "by-hand": _by_hand(),
        "done": _done(),
        "dispute-open": _dispute_open(),
        "practice": _practice(),
        "right-to-left": _right_to_left(),
        "told": _told(),
    }
