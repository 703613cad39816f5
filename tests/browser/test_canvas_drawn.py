"""The drawing that stands for Intercom's renderer in pictures: every state of the panel, whole."""

from __future__ import annotations

from html import escape

import pytest

from plugin.web.views.canvas_panel import render_canvas
from tests.browser.canvas_drawn import draw
from tests.web.canvas_reading import components_of, texts_of
from tests.web.panel_states import example_panels

PANELS = example_panels()


@pytest.mark.parametrize("state", PANELS)
def test_every_state_is_drawn_with_all_of_its_words(state: str) -> None:
    components = components_of(render_canvas(PANELS[state], "nonce"))
    drawn = draw(components)
    # A choice that is not open shows what is chosen, and an input with a value no example.
    shown = [one for one in components if one["type"] not in {"dropdown", "input"}]
    assert [text for text in texts_of(shown) if escape(text) not in drawn] == []
    assert drawn.count("<button") == sum(one["type"] == "button" for one in components)


def test_a_type_that_intercom_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError, match="carousel"):
        draw([{"type": "carousel"}])
    with pytest.raises(KeyError, match="huge"):
        draw([{"type": "text", "text": "x", "style": "huge"}])
