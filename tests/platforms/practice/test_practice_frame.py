"""The practice desk's page: the panel with a pretended desk beside it, and nothing unsafe in it."""

from __future__ import annotations

import re
from dataclasses import replace

from plugin.helpdesks.practice import DeskPage
from plugin.platforms.practice_cases import FIRST_TICKET, PRACTICE_AGENT
from tests.platforms.practice.desk_page import desk_page
from tests.platforms.practice.fixtures import Practice


def page_of(practice: Practice) -> DeskPage:
    page = practice.desk.frame_page(FIRST_TICKET, PRACTICE_AGENT)
    assert page is not None
    return page


def test_the_stripe_stands_before_everything_else(seeded: Practice) -> None:
    html = desk_page(page_of(seeded))
    assert html.index("Practice: no real money or people") < html.index("<nav")
    assert html.index("<nav") < html.index('id="conversation"') < html.index("<main")


def test_each_ticket_has_its_link_and_one_is_marked(seeded: Practice) -> None:
    html = desk_page(page_of(seeded))
    links = re.findall(r'href="(/panel/practice/practice-desk\?ticket=\d+&amp;[^"]+)"', html)
    assert len(set(links)) == 12
    assert html.count('aria-current="page"') == 1


def test_the_conversation_shows_what_was_said_and_moves_with_the_panel(seeded: Practice) -> None:
    seeded.desk.add_note(
        FIRST_TICKET, "Refunded 297.00 EUR.", ["refunded"], "marker-1", "Refunded 297.00 EUR"
    )
    html = desk_page(page_of(seeded))
    assert 'hx-select-oob="#conversation:morph"' in html
    assert "Internal note" in html
    assert "<span>outcome field: Refunded 297.00 EUR</span>" in html
    assert "Refunded 297.00 EUR." in html
    assert '<li class="tagname">refunded</li>' in html


def test_what_a_customer_wrote_is_text_and_never_markup(seeded: Practice) -> None:
    page = page_of(seeded)
    hostile = '<script>alert(1)</script>"><b>'
    message = replace(page.messages[0], body=hostile)
    ticket = replace(page.ticket, subject=hostile, name=hostile, tags=(hostile,))
    html = desk_page(replace(page, ticket=ticket, messages=(message,)))
    assert "<script>alert" not in html
    assert "<b>" not in html.split("<main")[0].replace("<b>", "", 12)


def test_the_page_has_no_inline_script_and_no_inline_style(seeded: Practice) -> None:
    html = desk_page(page_of(seeded))
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html)


def test_without_an_answer_of_the_desk_the_panel_and_the_stripe_still_stand() -> None:
    html = desk_page(None)
    assert "Practice: no real money or people" in html
    assert "<main" in html
    assert "<nav" not in html
