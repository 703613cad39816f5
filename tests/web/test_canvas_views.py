"""Every state of the panel through both renderers: what the page shows and asks, the canvas does.

What a canvas leaves out on purpose is named here, with the reason; nothing else may be missing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plugin.web.views.canvas_components import (
    LARGEST_CONTENT,
    MOST_OPTIONS,
    Option,
    ask_id,
    choose_one,
    plain,
    size_of,
    way_out,
)
from plugin.web.views.canvas_panel import render_canvas
from plugin.web.views.pairing_view import build_pairing_offer
from plugin.web.views.panel_blocks import AmountKind, Lot, LotItem, LotKind, MessageText
from plugin.web.views.panel_parts import Ask as AskFor
from plugin.web.views.panel_parts import Copy, OrderRow, OrdersBlock, Press
from plugin.web.views.panel_view import (
    ByHand,
    DisputeOpen,
    Done,
    NothingFound,
    OpenOrder,
    Panel,
    StoreOffline,
    UnderWay,
    WeakMatch,
)
from plugin.web.views.panel_words import word
from plugin.web.views.render_panel import render_panel
from tests.web.canvas_reading import (
    CHOICE,
    Ask,
    Component,
    HtmlPanel,
    asks_of,
    chosen_in,
    components_of,
    inputs_of,
    links_of,
    texts_of,
    without_marks,
)
from tests.web.gallery import environment
from tests.web.panel_examples import LAST_STEP, OPEN, OPENED
from tests.web.panel_states import example_panels
from tests.web.test_panel_views import HOSTILE, with_texts

ENV = environment()


def rarer_panels() -> dict[str, Panel]:
    """What the examples lack: parts of a state that stand there only now and then."""
    panels = example_panels()
    by_hand, under_way, done = (panels[n] for n in ("by-hand", "under-way", "done"))
    weak, nothing, dispute = (panels[n] for n in ("weak-match", "nothing-found", "dispute-open"))
    assert isinstance(by_hand.state, ByHand)
    assert isinstance(under_way.state, UnderWay)
    assert isinstance(done.state, Done)
    assert isinstance(weak.state, WeakMatch)
    assert isinstance(nothing.state, NothingFound)
    assert isinstance(dispute.state, DisputeOpen)
    sheet = replace(by_hand.state.worksheet, undo="Take it back, nothing was paid")
    again = Press("Open the order again", AskFor.ORDER, (("order", "o-1"), ("again", "yes")))
    actions = (again, Copy("Put in reply", "It is on its way."))
    noted = replace(by_hand.state, worksheet=sheet, steps=LAST_STEP)
    ended = replace(done.state, done=replace(done.state.done, actions=actions))
    fault, silent = "That does not fit any order here.", ("Brush Shop does not answer",)
    searched = replace(nothing.state, typed="10388", fault=fault, silent=silent)
    return {
        "by-hand-noted": replace(by_hand, state=noted),
        "under-way-steps": replace(under_way, state=replace(under_way.state, steps=LAST_STEP)),
        "done-again": replace(done, state=ended),
        "weak-again": replace(weak, state=replace(weak.state, fault=fault, order="o-1")),
        "nothing-again": replace(nothing, state=searched),
        "unpaired": replace(panels["told"], pairing=build_pairing_offer("en", "Acme Desk")),
        "dispute-reply": replace(dispute, state=replace(dispute.state, reply="It is with them.")),
    }


PANELS = {**example_panels(), **rarer_panels()}
NONCE = "0123456789abcdef" * 2
LOOK = Path(__file__).parents[3] / "shared" / "design" / "look" / "panel-states.html"

FOLDED = {
    "new_tab": "the desk itself marks what opens in a new tab",
    "copy.reply": "nobody can copy in a canvas: the text itself stands there",
    "copy.reply.done": "the same",
    "plan.money": "the caption of a table, for ears only; the currency stands at the total",
    "changed.what": "a column's head, for ears only",
}
"""Words of the page that a canvas does not set."""

DRAWN = {
    "Weak match": "weak-match",
    "Nothing found": "nothing-found",
    "First paint": "first-paint",
    "A store is offline": "store-offline",
    "Not eligible, goodwill possible": "not-eligible",
    "Needs approval": None,  # no part of the product yet
    "Changed since you looked": "changed-since",
    "Ten seconds to undo": "ten-seconds",
    "Under way": "under-way",
    "Unknown": "unknown",
    "By hand: Systeme.io": "by-hand",
    "Done": "done",
    "A dispute is open": "dispute-open",
    "Training": "practice",
    "At home in each desk": None,  # accents of a page
}
"""Each picture of the look, and the example of it."""


def every_state() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", tuple(PANELS))


def page_of(panel: Panel) -> HtmlPanel:
    return HtmlPanel(render_panel(panel, ENV))


def canvas_of(panel: Panel, **more: Any) -> list[Component]:  # noqa: ANN401 - any argument of the renderer
    return list(components_of(render_canvas(panel, NONCE, **more)))


def shut_rows(panel: Panel) -> list[OrderRow]:
    return [row for row in panel.orders.rows if not row.expanded] if panel.orders else []


def folded_rows(panel: Panel) -> list[OrderRow]:
    """The others, where one is open."""
    shut = shut_rows(panel)
    return shut if panel.orders and len(shut) < len(panel.orders.rows) else []


def folded_texts(panel: Panel) -> Iterator[str]:
    """What this panel's canvas leaves out: the words above, and what belongs to folded parts."""
    yield from (word("en", key, currency="EUR") for key in FOLDED)
    yield panel.frame.title  # the page's own, where nobody's name is known
    for row in shut_rows(panel):  # the clause is read where an order is open
        yield from (row.verdict.quote, row.verdict.footer) if row.verdict else ()
    for row in folded_rows(panel):  # the button with their number gives the list
        yield from (row.title, row.amount.text, row.amount.currency, row.store, row.date)
        yield from (row.access, row.refunded)
        yield from (row.verdict.text, row.verdict.clause) if row.verdict else ()
    if not (isinstance(panel.state, OpenOrder) and panel.state.lines):
        yield word("en", "plan.again")  # the page's hidden button: here nothing is to be chosen
    if panel.pairing:
        # A window of ours is opened from a page; a desk of components signs who its agent is.
        yield from (panel.pairing.press or "", word("en", "way.again"))
    if isinstance(panel.state, StoreOffline):
        yield word("en", "way.again")  # it asks what the notice's own button asks


def folded_asks(panel: Panel) -> set[Ask]:
    """Forms of the page that have no button there either."""
    state = panel.state
    if panel.pairing:
        return {("pairing", ()), ("pair", ())}
    others: set[Ask] = {("order", (("order", row.key),)) for row in folded_rows(panel)}
    if not isinstance(state, OpenOrder):
        return others
    named = (("order", state.head.key),)
    blocked: set[Ask] = {("refund", named)} if state.decide.blocked else set()
    nothing_to_choose: set[Ask] = set() if state.lines else {("plan", named)}
    return others | blocked | nothing_to_choose


@every_state()
def test_every_text_of_the_page_stands_in_the_canvas(name: str) -> None:
    panel = PANELS[name]
    shown = f" {without_marks(' '.join(texts_of(canvas_of(panel))))} "
    folded = {without_marks(text) for text in folded_texts(panel)}
    missing = [
        text
        for text in page_of(panel).texts
        if (said := without_marks(text)) and f" {said} " not in shown and said not in folded
    ]
    assert missing == []


@every_state()
def test_everything_that_the_page_asks_for_can_be_pressed_in_the_canvas(name: str) -> None:
    panel = PANELS[name]
    page, canvas = page_of(panel), canvas_of(panel)
    unfold: set[Ask] = {("list", ())} if folded_rows(panel) else set()
    assert page.asks - set(asks_of(canvas)) <= folded_asks(panel)
    assert set(asks_of(canvas)) - page.asks == unfold
    assert set(inputs_of(canvas)) == page.inputs & CHOICE
    assert links_of(canvas) == page.links


@every_state()
def test_what_is_chosen_on_the_page_is_chosen_in_the_canvas(name: str) -> None:
    panel = PANELS[name]
    chosen = {
        (name, value)
        for name, found in chosen_in(canvas_of(panel)).items()
        for value in (found if isinstance(found, list) else [found])
        if name not in {"free", "q", "proof"}
    }
    assert chosen == page_of(panel).chosen


@every_state()
def test_a_canvas_keeps_the_limits_of_its_components(name: str) -> None:
    canvas = canvas_of(PANELS[name])
    assert size_of(canvas) <= LARGEST_CONTENT
    ids = Counter(one["id"] for one in canvas if "id" in one)
    ids.update(item["id"] for one in canvas if one["type"] == "list" for item in one["items"])
    assert [id_ for id_, count in ids.items() if count > 1] == []
    for one in canvas:
        keys, kind = set(one) - {"type"}, one["type"]
        assert keys <= KNOWN[kind], kind
        assert NEEDED[kind] <= keys, kind
        if kind == "dropdown":
            assert 2 <= len(one["options"]) <= MOST_OPTIONS
            assert "value" not in one or one["value"] in {o["id"] for o in one["options"]}
        if kind == "checkbox":
            assert {*one["value"]} <= {option["id"] for option in one["option"]}
        if kind == "text":
            assert one["text"].strip()
            assert one["style"] in {"header", "paragraph", "muted", "error"}
            assert one.get("bottom_margin", "none") == "none"
        if kind == "button":
            assert one["style"] in {"primary", "secondary", "link"}


KNOWN = {
    "text": {"text", "style", "bottom_margin"},
    "button": {"id", "label", "action", "style", "disabled"},
    "input": {"id", "label", "placeholder", "value"},
    "dropdown": {"id", "label", "options", "value"},
    "checkbox": {"id", "label", "option", "value"},
    "list": {"items"},
    "data-table": {"items"},
    "divider": set[str](),
}
NEEDED = {
    **KNOWN,
    "text": {"text", "style"},
    "button": {"id", "label", "action", "style"},
    "input": {"id", "label"},
    "dropdown": {"id", "label", "options"},
}


@every_state()
def test_every_id_that_can_be_pressed_carries_the_number(name: str) -> None:
    for id_ in asks_of(canvas_of(PANELS[name])).values():
        assert re.fullmatch(rf"[a-z]+:{NONCE}(\?[!-~]+)?", id_)


@every_state()
@pytest.mark.parametrize("payload", [*HOSTILE, "[Refund](https://evil.example)", "a\u202eb\u200bc"])
def test_no_text_becomes_a_link_or_turns_another_around(name: str, payload: str) -> None:
    hostile = with_texts(PANELS[name], lambda _: payload)
    canvas = canvas_of(hostile)
    for text in texts_of(canvas):
        assert "](" not in text
        assert "\u202e" not in text
        assert "\u200b" not in text
    assert {one["type"] for one in canvas} <= set(KNOWN)
    assert links_of(canvas) <= page_of(hostile).links


def test_the_last_of_a_blocked_button_cannot_be_pressed() -> None:
    canvas = canvas_of(PANELS["weak-match"])
    (blocked,) = [one for one in canvas if one.get("disabled")]
    assert (blocked["id"], blocked["label"]) == ("blocked", "Refund")


def test_an_amount_that_cannot_be_chosen_goes_along_with_the_button() -> None:
    only = replace(OPEN.amounts[0], kind=AmountKind.FULL)
    one_reason = (replace(OPEN.reasons[0], chosen=True),)
    panel = replace(PANELS["open-order"], state=replace(OPEN, amounts=(only,), reasons=one_reason))
    canvas = canvas_of(panel)
    assert {"amount", "reason"} & set(inputs_of(canvas)) == set()
    assert only.label in " ".join(texts_of(canvas))
    for verb in ("refund", "plan"):
        (fields,) = [dict(about) for said, about in asks_of(canvas) if said == verb]
        assert (fields["amount"], fields["reason"]) == ("full", one_reason[0].key)


@pytest.mark.parametrize(("count", "kind"), [(1, "text"), (2, "dropdown"), (10, "dropdown")])
def test_a_select_of_any_size_is_drawn_as_its_type_allows(count: int, kind: str) -> None:
    options = [Option(str(n), f"Option {n}") for n in range(count)]
    drawn = choose_one("x", "Which?", options, "")
    assert drawn[-1]["type"] == kind


def test_eleven_options_are_shown_though_none_can_be_chosen() -> None:
    drawn = choose_one("x", "Which?", [Option(str(n), f"Option {n}") for n in range(11)], "")
    assert [one["type"] for one in drawn] == ["text"] * 12


def test_an_address_that_is_not_https_is_words_only() -> None:
    assert way_out("Look", "http://shop.local/1")["type"] == "text"
    assert plain("[a](b)") == "[a] (b)"
    assert ask_id("orders", NONCE, [("order", "")]) == f"orders:{NONCE}"


def test_what_is_kept_comes_back_and_what_happened_stands_on_top() -> None:
    answer = render_canvas(PANELS["told"], NONCE, {"number": "10388"}, "Spent.")
    assert answer["canvas"]["stored_data"] == {"number": "10388"}  # type: ignore[call-overload, index]  # JSON
    assert components_of(answer)[0] == {"type": "text", "text": "Spent.", "style": "error"}


def test_what_decides_nothing_is_left_out_first_and_said_so() -> None:
    assert OPEN.plan is not None
    long = MessageText("Told in English, by e-mail", ("word " * 9_000,) * 2)
    plan = replace(OPEN.plan, messages=(long,))
    panel = replace(PANELS["open-order"], state=replace(OPEN, plan=plan))
    canvas = canvas_of(panel)
    words = " ".join(texts_of(canvas))
    assert size_of(canvas) <= LARGEST_CONTENT
    assert "Not all of it fits here." in words
    assert long.summary not in words
    assert [verb for verb, _ in asks_of(canvas)].count("refund") == 1


def lower_half(panel: Panel) -> list[Component]:
    """What stands below the first line between two parts."""
    canvas = canvas_of(panel)
    return canvas[[one["type"] for one in canvas].index("divider") :]


def test_the_button_stands_above_the_nine_steps() -> None:
    kinds = [one["id"].partition(":")[0] for one in canvas_of(PANELS["open-order"]) if "id" in one]
    assert kinds.index("refund") < kinds.index("step")


def test_what_is_to_be_undone_stands_right_below_its_title() -> None:
    kinds = [one["type"] for one in lower_half(PANELS["ten-seconds"])]
    assert kinds[:5] == ["divider", "text", "text", "text", "button"]


def height_of(canvas: Sequence[Component]) -> int:
    """Pixels, guessed at 44 letters a line: the vendor gives margins of 10, and no sizes."""

    def lines(text: str) -> int:
        return 20 * (1 + len(text) // 44)

    def one(component: Component) -> int:
        match component["type"]:
            case "text":
                return lines(component["text"]) + (0 if "bottom_margin" in component else 10)
            case "list":
                return sum(
                    28 + lines(f"{row.get('subtitle', '')} * {row.get('tertiary_text', '')}")
                    for row in component["items"]
                )
            case "divider":
                return 20
            case _:
                return 60 if component["type"] == "input" else 40

    return sum(one(component) for component in canvas)


def test_the_first_canvas_is_as_low_as_the_desk_asks() -> None:
    many = tuple(
        replace(row, key=f"i~{n}", title=f"{n} {row.title}", expanded=False)
        for n, row in enumerate(OPENED.rows * 10)
    )
    listed = replace(PANELS["order-list"], orders=replace(OPENED, rows=many))
    canvas = canvas_of(listed, first=True)
    assert height_of(canvas) <= 400 < height_of(canvas_of(listed))
    assert [verb for verb, _ in asks_of(canvas)] == ["order"] * 3 + ["list"]
    assert "37 other orders" in " ".join(texts_of(canvas))


def test_a_list_that_is_too_long_shows_the_newest() -> None:
    many = tuple(replace(OPENED.rows[0], key=f"i~{n}", expanded=False) for n in range(400))
    canvas = canvas_of(replace(PANELS["order-list"], orders=replace(OPENED, rows=many)))
    assert "These are the newest 50." in " ".join(texts_of(canvas))
    keys = [dict(about)["order"] for verb, about in asks_of(canvas) if verb == "order"]
    assert keys == [f"i~{n}" for n in range(50)]


def test_a_refund_that_does_not_fit_is_not_said_to_be_undone() -> None:
    """Whoever is told to pay it in the store, after it was decided here, pays it twice."""
    done = PANELS["done"]
    assert isinstance(done.state, Done)
    huge = Lot(LotKind.GOES, tuple(LotItem("Course", f"{n} " + "x" * 90) for n in range(900)))
    large = replace(done.state, done=replace(done.state.done, lots=(huge,)))
    said = " ".join(texts_of(canvas_of(replace(done, state=large))))
    assert "Do not pay it anywhere else" in said
    assert "in the store" not in said


def test_a_plan_that_does_not_fit_can_not_be_pressed() -> None:
    assert OPEN.plan is not None
    huge = Lot(LotKind.GOES, tuple(LotItem("Course", f"{n} " + "x" * 90) for n in range(900)))
    panel = replace(
        PANELS["open-order"], state=replace(OPEN, plan=replace(OPEN.plan, lots=(huge,)))
    )
    canvas = canvas_of(panel)
    assert "This is more than fits here" in texts_of(canvas)
    assert asks_of(canvas) == {}


def test_a_list_that_still_fills_can_be_asked_for_again() -> None:
    waiting = OrdersBlock((), waiting="asking the stores")
    canvas = canvas_of(replace(PANELS["order-list"], orders=waiting))
    assert asks_of(canvas) == {}
    filling = replace(waiting, ask_again_ms=700)
    canvas = canvas_of(replace(PANELS["order-list"], orders=filling))
    assert [verb for verb, _ in asks_of(canvas)] == ["orders"]


def test_no_button_stands_twice() -> None:
    panel = PANELS["store-offline"]
    assert isinstance(panel.state, StoreOffline)
    (press,) = panel.state.notice.actions
    assert isinstance(press, Press)
    labels = [one["label"] for one in canvas_of(panel) if one["type"] == "button"]
    assert labels.count(press.label) == 1
    assert word("en", "way.again") not in labels


@pytest.mark.skipif(not LOOK.is_file(), reason="the look (../shared/design/look) is not here")
def test_every_picture_of_the_look_is_an_example_that_is_walked() -> None:
    captions = re.findall(r"<figcaption><b>([^<]+)</b>", LOOK.read_text("utf-8"))
    assert captions == list(DRAWN)
    assert {name for name in DRAWN.values() if name is not None} <= set(PANELS)
