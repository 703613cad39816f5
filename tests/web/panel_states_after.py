"""Examples of the panel's states after the button was pressed."""

from __future__ import annotations

from dataclasses import replace

from plugin.web.views.panel_blocks import (
    CopyRow,
    Decide,
    Difference,
    DifferenceRow,
    DoneBlock,
    Lot,
    LotItem,
    LotKind,
    PlanTicket,
    SheetState,
    SheetStep,
    Timeline,
    TimelineState,
    TimelineStep,
    UndoBlock,
    Worksheet,
)
from plugin.web.views.panel_parts import (
    Amount,
    Ask,
    Icon,
    Link,
    Notice,
    Press,
    Tone,
)
from plugin.web.views.panel_view import (
    ByHand,
    ChangedSince,
    DisputeOpen,
    Done,
    Panel,
    TenSeconds,
    UnderWay,
)
from tests.web.panel_examples import (
    FRAME,
    GETS,
    HEAD,
    LAST_STEP,
    MIRELA,
    MIXING,
    OPENED,
    PORTRAIT,
    TO_CARD,
    TO_VISA,
    WATERCOLOUR,
    orders,
    t,
)


def changed_since() -> Panel:
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


def ten_seconds() -> Panel:
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


def ten_seconds_of_another() -> Panel:
    """Who looks on may not undo: the seconds run, and there is no button."""
    panel = ten_seconds()
    assert isinstance(panel.state, TenSeconds)
    undo = replace(panel.state.undo, only=t("undo.only", name="Kim Agent"))
    state = replace(panel.state, undo=undo)
    return replace(panel, state=state, say=t("undo.only.say", n=7))


def under_way() -> Panel:
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


def unknown() -> Panel:
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


def split_payments() -> Panel:
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


def by_hand() -> Panel:
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


def by_hand_the_rest() -> Panel:
    """A part of the same refund was paid already, so that it cannot be undone as a whole."""
    panel = by_hand()
    assert isinstance(panel.state, ByHand)
    sheet = replace(panel.state.worksheet, release=t("hand.release"))
    return replace(panel, state=replace(panel.state, worksheet=sheet))


def by_hand_looking_on() -> Panel:
    """Who looks on may neither attest nor take back."""
    panel = by_hand()
    assert isinstance(panel.state, ByHand)
    sheet = replace(panel.state.worksheet, attest="", only=t("hand.only"))
    return replace(panel, state=replace(panel.state, worksheet=sheet))


def done() -> Panel:
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


def dispute_open() -> Panel:
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
