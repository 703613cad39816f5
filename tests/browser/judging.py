"""What every screen of ours is judged by, whatever frames it: axe, its width, and Tab alone."""

from __future__ import annotations

import pytest
from axe_core_python.sync_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.sync_api import Frame, Locator, Page, expect

# A colour on its way to another is read by nobody, and would be judged as it is half-way.
_AT_REST = """() => !document.querySelector('.htmx-settling, .htmx-swapping')
  && document.getAnimations().every(one => !(one instanceof CSSTransition))"""
_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def is_clean(where: Page | Frame) -> None:
    """Axe finds nothing, and nothing is wider than the window. Run by the debugger: our policy."""
    where.wait_for_function(_AT_REST)
    found = Axe().run(where)["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], where.url
    assert where.evaluate(_WIDE) == 0, where.url


def tab_to(page: Page, target: Locator) -> None:
    """Go on by Tab alone, until `target` has the focus, and shows it."""
    expect(target).to_be_visible()
    for _ in range(80):
        page.keyboard.press("Tab")
        if target.evaluate("it => it === document.activeElement"):
            assert target.evaluate("it => it.matches(':focus-visible')")
            return
    pytest.fail("Tab never came there")


def keeps_nothing(frame: Frame) -> None:
    """As in a browser whose third-party cookies are off: this frame has no place to keep things."""
    tried = "() => { try { return localStorage.length } catch { return 'shut' } }"
    assert frame.evaluate(tried) == "shut"
    assert frame.evaluate("document.cookie") == ""
