"""Every state of the panel, rendered: sound HTML, safe texts, the words and classes of the look."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest
from jinja2 import Environment

from plugin.web.views import panel_words
from plugin.web.views.panel_blocks import (
    AmountChoice,
    AmountKind,
    Decide,
    MonthBar,
)
from plugin.web.views.panel_parts import (
    Frame,
    HostAccent,
    Link,
)
from plugin.web.views.panel_view import (
    OpenOrder,
    PanelState,
    UnderWay,
)
from plugin.web.views.panel_words import word
from plugin.web.views.render_panel import render_panel
from tests.web.gallery import TEMPLATES, environment, write_gallery
from tests.web.panel_states import example_panels, panels_of_frames

ENV = environment()
PANELS = example_panels() | panels_of_frames()
NAMES = tuple(PANELS)
REPO = Path(__file__).parents[2]
VOID = frozenset({"meta", "link", "input", "br", "use", "circle", "path", "rect"})
PHRASING_ONLY = frozenset({"p", "span", "b", "h1", "h2", "h3", "summary", "button", "label"})
BLOCKS = frozenset(
    {"p", "div", "ul", "ol", "table", "form", "section", "details", "fieldset", "blockquote"}
)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "</title></textarea></style></main><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; <b>",
    '" hx-on:click="alert(1)" hx-get="//evil.example',
)


class Page(HTMLParser):
    """A page read strictly: what does not nest or close raises."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.bare_amounts: list[str] = []
        self.feed(html)
        self.close()
        assert self.stack == [], f"never closed: {self.stack}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice on <{tag}>: {names}"
        if tag in BLOCKS:
            inside = PHRASING_ONLY.intersection(self.stack)
            assert not inside, f"<{tag}> inside {inside}: {self.stack}"
        if tag == "form":
            assert "form" not in self.stack, "a form inside a form"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack[-1] == tag, f"</{tag}> closes <{self.stack[-1]}>"
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] in {"script", "style"}:
            assert not data.strip(), f"inline {self.stack[-1]}"
        if data.strip():
            self.text.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every `tag`."""
        return [attrs for name, attrs in self.elements if name == tag]

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Elements and attribute names only: what a text must not be able to change."""
        return [(tag, tuple(sorted(attrs))) for tag, attrs in self.elements]


def html_of(name: str) -> str:
    return render_panel(PANELS[name], ENV)


def every_state() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", NAMES)


def with_texts(value: Any, change: Callable[[str], str], *, field: str = "") -> Any:  # noqa: ANN401 - any part of the view
    """`value` with every free text in it changed; keys of the frame and links stay addresses."""
    if isinstance(value, Enum) or value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        keep = {
            "href",
            "base",
            "session",
            "locale",
            "language",
            "stylesheets",
            "scripts",
            "currency",
        }
        return value if field in keep or not value else change(value)
    if isinstance(value, tuple):
        return tuple(with_texts(item, change, field=field) for item in value)
    if isinstance(value, frozenset):
        return value
    if isinstance(value, HostAccent):
        return value
    assert is_dataclass(value), value
    kind: Any = type(value)
    changed = {
        f.name: with_texts(getattr(value, f.name), change, field=f.name) for f in fields(value)
    }
    return kind(**changed)


def test_there_is_an_example_of_every_state() -> None:
    shown = {type(panel.state) for panel in PANELS.values()}
    assert shown == set(get_args(PanelState))


@every_state()
def test_a_page_is_well_formed_and_carries_no_inline_script_or_style(name: str) -> None:
    page = Page(html_of(name))
    for tag, attrs in page.elements:
        assert "style" not in attrs, f"inline style on <{tag}>"
        assert not [key for key in attrs if key.startswith(("on", "hx-on"))], f"handler on <{tag}>"
        assert tag != "style"
        assert not any(value.startswith(("js:", "javascript:")) for value in attrs.values())
        if tag == "script":
            assert attrs["src"]


@every_state()
def test_ids_stand_once_and_every_reference_finds_one(name: str) -> None:
    page = Page(html_of(name))
    ids = Counter(attrs["id"] for _, attrs in page.elements if "id" in attrs)
    assert [key for key, count in ids.items() if count > 1] == []
    for _, attrs in page.elements:
        for key in ("for", "aria-labelledby", "aria-describedby", "aria-controls"):
            for reference in attrs.get(key, "").split():
                assert reference in ids, f"{key}={reference}"
        if attrs.get("href", "").startswith("#") and attrs["href"] != "#":
            assert attrs["href"][1:] in ids, attrs["href"]


@every_state()
def test_every_form_posts_below_the_base_and_carries_the_session(name: str) -> None:
    html = html_of(name)
    forms = re.findall(r"<form .*?</form>", html, flags=re.DOTALL)
    assert len(forms) == html.count("<form")
    for form in forms:
        head = Page(form).all("form")[0]
        assert head["method"] == "post"
        assert head["action"].startswith("/panel/practice/in_7f3a/")
        if "target" in head:  # a window of its own, which no script may swap in place
            assert head["target"] == "_blank"
            assert head["rel"] == "noopener noreferrer"
            assert not [key for key in head if key.startswith("hx-")]
        else:
            assert head["hx-post"] == head["action"]
        hidden = [f for f in Page(form).all("input") if f.get("name") == "session"]
        assert [f["value"] for f in hidden] == ["example-session"]
    for _, attrs in Page(html).elements:
        for key in ("hx-post", "formaction"):
            assert attrs.get(key, "/panel/practice/in_7f3a/").startswith("/panel/practice/in_7f3a/")


@every_state()
def test_no_button_says_submit_or_ok(name: str) -> None:
    words = " ".join(Page(html_of(name)).text)
    assert not re.search(r"\b(submit|ok|oops|error|success)\b", words, flags=re.IGNORECASE)


@every_state()
def test_amounts_are_isolated_and_names_too(name: str) -> None:
    html = html_of(name)
    for amount in re.findall(
        r'<(?:span|b) class="money">(.*?)</(?:span|b)>', html, flags=re.DOTALL
    ):
        assert not amount or amount.startswith(("<bdi", "<b><bdi")), amount
    who = PANELS[name].who
    if who is not None:
        assert f"<h1><bdi>{who.name}</bdi></h1>" in html


@every_state()
@pytest.mark.parametrize("payload", HOSTILE)
def test_no_text_can_become_markup(name: str, payload: str) -> None:
    plain = with_texts(PANELS[name], lambda _: "plain words")
    hostile = with_texts(PANELS[name], lambda _: payload)
    page = Page(render_panel(hostile, ENV))
    assert page.shape() == Page(render_panel(plain, ENV)).shape()
    assert any(payload in text for text in page.text)
    for _, attrs in page.elements:
        assert attrs.get("href", "") != payload


def test_characters_that_turn_or_hide_text_are_made_visible() -> None:
    panel = PANELS["open-order"]
    assert panel.who is not None
    tricky = replace(panel, who=replace(panel.who, name="Mire\u202e00.1 dnufer\u200bla"))
    html = render_panel(tricky, ENV)
    assert "\u202e" not in html
    assert "\u200b" not in html
    assert "‹U+202E›" in html
    assert "‹U+200B›" in html


def test_the_button_names_the_amount_and_hands_in_the_plan_it_was_pressed_for() -> None:
    html = html_of("open-order")
    form = re.search(r'<form [^>]*id="choose".*?</form>', html, flags=re.DOTALL)
    assert form is not None
    page = Page(form[0])
    values = {f["name"]: f.get("value", "") for f in page.all("input") if f.get("type") == "hidden"}
    assert values == {
        "session": "example-session",
        "order": "studio-10412",
        "plan": "pl_5c1e",
        "hash": "9b1d7c",
    }
    assert page.all("form")[0]["action"].endswith("/refund")
    assert page.all("form")[0].get("data-once") is not None
    assert "Refund 111.75 EUR" in page.text
    assert "10388" not in html


def test_the_first_button_of_the_form_works_out_the_plan_so_that_return_never_pays() -> None:
    form = html_of("open-order").split('id="choose"')[1]
    first = re.search(r"<button [^>]*>", form)
    assert first is not None
    assert 'formaction="/panel/practice/in_7f3a/plan"' in first[0]
    assert 'hx-post="/panel/practice/in_7f3a/plan"' in first[0]


@pytest.mark.parametrize("name", ["weak-match", "store-offline", "not-eligible", "typed-too-much"])
def test_a_blocked_button_says_what_it_waits_for_and_cannot_be_pressed(name: str) -> None:
    state = PANELS[name].state
    decide = getattr(state, "decide")  # noqa: B009 - four states of the union share this name
    assert isinstance(decide, Decide)
    assert decide.blocked
    page = Page(html_of(name))
    (pay,) = [attrs for attrs in page.all("button") if attrs.get("id") == "pay"]
    assert "disabled" in pay
    assert pay["type"] == "button"
    assert decide.sub in page.text
    assert not [f for f in page.all("input") if f.get("name") == "hash"]


def test_a_dispute_leaves_no_button_at_all() -> None:
    assert "pay" not in {attrs.get("id") for attrs in Page(html_of("dispute-open")).all("button")}


def test_a_refused_order_offers_a_sentence_to_copy_and_its_clause() -> None:
    page = Page(html_of("not-eligible"))
    copies = [attrs["data-copy"] for attrs in page.all("button") if "data-copy" in attrs]
    (sentence,) = copies
    assert f"“{sentence}”" in page.text  # copied without its marks
    assert any("30 days of purchase" in text for text in page.text)


def test_nine_steps_are_ticked_one_by_one_and_one_is_next() -> None:
    page = Page(html_of("open-order"))
    boxes = [f for f in page.all("input") if f.get("name") == "step"]
    assert [f["value"] for f in boxes if "checked" in f] == ["listen", "review", "verify"]
    assert len(boxes) == 9
    assert sum("aria-current" in attrs for attrs in page.all("li")) == 1


def test_the_others_fold_to_one_line_once_an_order_is_open() -> None:
    opened, closed = html_of("open-order"), html_of("order-list")
    assert "3 other orders" in opened
    assert opened.index("Watercolour Year") < opened.index("3 other orders")
    assert "other order" not in closed
    assert opened.count('aria-expanded="true"') == 1
    assert closed.count('aria-expanded="true"') == 0


@pytest.mark.parametrize(
    ("name", "ask", "wait"),
    [
        ("first-paint", "orders", 700),
        ("ten-seconds", "timeline", 7250),
        ("under-way", "timeline", 1500),
        ("unknown", "timeline", 15_000),
        ("by-hand", "timeline", 20_000),
        ("done", "timeline", 60_000),
        ("store-offline", "order", 60_000),
    ],
)
def test_a_waiting_state_asks_again_when_the_view_says(name: str, ask: str, wait: int) -> None:
    (again,) = [a for a in Page(html_of(name)).all("span") if "hx-trigger" in a]
    assert again["hx-trigger"] == f"every {wait}ms"
    assert again["hx-post"].endswith(f"/{ask}")
    assert again["hx-sync"] == "#panel:drop"


def test_a_state_that_waits_for_nothing_does_not_ask_again() -> None:
    assert 'hx-trigger="every' not in html_of("split-payments")


def test_the_undo_counts_from_the_seconds_the_server_says_are_left() -> None:
    page = Page(html_of("ten-seconds"))
    (box,) = [attrs for attrs in page.all("div") if "data-seconds-left" in attrs]
    assert box["data-seconds-left"] == "7"
    (bar,) = page.all("progress")
    assert (bar["value"], bar["max"]) == ("7", "10")
    assert "seconds, then 111.75 EUR is sent" in page.text


def test_a_long_pro_rata_keeps_its_sum_and_leaves_out_the_bar() -> None:
    panel = PANELS["open-order"]
    assert isinstance(panel.state, OpenOrder)
    first = panel.state.amounts[0]
    assert first.sum is not None
    years = replace(first, sum=replace(first.sum, bar=MonthBar(3, 37, "3 of 37 months used")))
    html = render_panel(replace(panel, state=replace(panel.state, amounts=(years,))), ENV)
    assert 'class="months"' not in html
    assert "9 months back" in html


def test_what_was_typed_wrong_is_said_beside_it_and_kept() -> None:
    page = Page(html_of("typed-too-much"))
    (free,) = [f for f in page.all("input") if f.get("name") == "free"]
    assert free["value"] == "1490"
    assert free["aria-invalid"] == "true"
    assert free["aria-describedby"] == "free-fault"


def test_accent_language_and_direction_stand_on_the_root() -> None:
    (root,) = Page(html_of("right-to-left")).all("html")
    assert (root["lang"], root["dir"]) == ("he", "rtl")
    assert (root["data-accent"], root["data-on-accent"]) == ("#1f4d45", "#ffffff")


@pytest.mark.parametrize(
    "href", ["javascript:alert(1)", "//evil.example", "data:text/html,x", "shop"]
)
def test_a_link_to_anything_but_a_web_page_is_refused(href: str) -> None:
    with pytest.raises(ValueError, match="a link must be https"):
        Link("Open", href)


@pytest.mark.parametrize("base", ["panel", "//evil.example", "/panel/", "https://x.example"])
def test_a_base_that_is_not_a_path_of_ours_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="base must be a path"):
        Frame(base=base, session="s", title="t")


def test_an_environment_that_does_not_escape_is_refused() -> None:
    unsafe = Environment(loader=ENV.loader, autoescape=False)  # noqa: S701 - the point
    with pytest.raises(ValueError, match="escapes"):
        render_panel(PANELS["told"], unsafe)


def test_rendering_the_same_view_twice_gives_the_same_bytes() -> None:
    assert html_of("open-order") == html_of("open-order")


def test_a_timeline_step_says_its_state_in_words_too() -> None:
    state = PANELS["under-way"].state
    assert isinstance(state, UnderWay)
    text = " ".join(Page(html_of("under-way")).text)
    assert "Removing access , now" in text
    assert "Tell Mirela , still to come" in text


def test_templates_never_switch_escaping_off() -> None:
    for template in sorted(TEMPLATES.joinpath("panel").glob("*.html")):
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe|autoescape|Markup|style=|onclick", text), template.name


# ---------------------------------------------------------------------------------- words


def test_every_message_that_is_asked_for_exists() -> None:
    sources = [
        *TEMPLATES.joinpath("panel").glob("*.html"),
        REPO / "tests" / "web" / "panel_states.py",
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    used = set(re.findall(r"""\bt\(f?["']([a-z0-9_.]+)["']""", text))
    known = {re.sub(r"\.(one|other)$", "", key) for key in panel_words.ENGLISH}
    assert len(used) > 50
    for key in used:
        assert key in known or (key.endswith(".") and any(k.startswith(key) for k in known)), key


def test_a_language_we_lack_falls_back_to_english() -> None:
    assert word("hr-HR", "orders") == "Orders"
    assert word("xx-not-a-language", "orders.stores", n=1) == "1 store"


def test_counts_choose_their_plural_form() -> None:
    assert word("en", "orders.others", n=1) == "1 other order"
    assert word("en", "orders.others", n=2) == "2 other orders"


def test_a_language_is_one_more_dict_with_its_own_plurals(monkeypatch: pytest.MonkeyPatch) -> None:
    polish = {
        "orders.others.one": "{n} inne",
        "orders.others.few": "{n} inne",
        "orders.others.many": "{n} innych",
    }
    monkeypatch.setattr(panel_words, "WORDS", {"en": panel_words.ENGLISH, "pl": polish})
    assert word("pl", "orders.others", n=3) == "3 inne"
    assert word("pl-PL", "orders.others", n=5) == "5 innych"
    assert word("pl", "orders") == "Orders"


def test_a_message_nobody_wrote_is_a_bug() -> None:
    with pytest.raises(KeyError, match=re.escape("no message 'orders.nothing'")):
        word("en", "orders.nothing")


def test_the_gallery_writes_a_page_per_state(tmp_path: Path) -> None:
    pages = write_gallery(tmp_path / "gallery", "panel.css")
    assert [page.stem for page in pages] == list(NAMES)
    assert tmp_path.joinpath("gallery", "index.html").read_text(encoding="utf-8").count(
        "<iframe"
    ) == len(NAMES)


def test_a_free_amount_has_its_own_input_and_no_figure() -> None:
    choice = AmountChoice(AmountKind.FREE, "Another amount", limit="up to 5.00")
    panel = PANELS["open-order"]
    assert isinstance(panel.state, OpenOrder)
    html = render_panel(replace(panel, state=replace(panel.state, amounts=(choice,))), ENV)
    assert 'aria-label="Another amount in EUR, up to 5.00"' in html
