"""One example of every state of the panel, for the tests and for the gallery."""

from __future__ import annotations

from dataclasses import replace

from plugin.web.views.pairing_view import build_pairing_offer
from plugin.web.views.panel_blocks import (
    AmountChoice,
    AmountKind,
    Decide,
    Lot,
    LotItem,
    LotKind,
    OrderHead,
    PlanBlock,
    PlanTicket,
    PoliteNo,
    Step,
    SumRow,
    Tally,
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
    NothingFound,
    OpenOrder,
    OrderList,
    Panel,
    StoreOffline,
    Told,
    WeakMatch,
)
from tests.web.panel_examples import (
    BRUSHES,
    FRAME,
    GETS,
    MIRELA,
    MIXING,
    OPEN,
    OPENED,
    PORTRAIT,
    REFUSED,
    STEPS,
    WATERCOLOUR,
    orders,
    t,
)
from tests.web.panel_states_after import (
    by_hand,
    by_hand_looking_on,
    by_hand_the_rest,
    changed_since,
    dispute_open,
    done,
    split_payments,
    ten_seconds,
    ten_seconds_of_another,
    under_way,
    unknown,
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


def _pairing() -> Panel:
    title, text = t("pairing.first.title"), t("pairing.first.text")
    told = Told(Notice(Tone.WARN, Icon.WARN, title, text))
    return Panel(FRAME, told, say=title, pairing=build_pairing_offer("en", "Acme Desk"))


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
        "changed-since": changed_since(),
        "ten-seconds": ten_seconds(),
        "ten-seconds-of-another": ten_seconds_of_another(),
        "under-way": under_way(),
        "unknown": unknown(),
        "split-payments": split_payments(),
        "by-hand": by_hand(),
        "by-hand-looking-on": by_hand_looking_on(),
        "by-hand-the-rest": by_hand_the_rest(),
        "done": done(),
        "dispute-open": dispute_open(),
        "practice": _practice(),
        "right-to-left": _right_to_left(),
        "told": _told(),
    }


def panels_of_frames() -> dict[str, Panel]:
    """What only a page in a frame shows: a desk that draws the panel itself signs its agents."""
    return {"pairing": _pairing()}
