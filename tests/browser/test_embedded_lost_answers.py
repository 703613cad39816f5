"""Our page in a store's admin, in Chromium, while its list looks again: no press is lost to a look.

Shopify's admin is the one around us (`shopify_host.py`); requests are held and ended by the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.served import NO_THIRD_PARTY_COOKIES, chromium
from tests.browser.shopify_host import ADMIN, Scene
from tests.databases import Databases
from tests.platforms.shopify.admin import open_admin


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(NO_THIRD_PARTY_COOKIES) as one:
        yield one


@pytest.fixture
def scene(browser: Browser, tmp_path: Path, databases: Databases) -> Iterator[Scene]:
    with open_admin(tmp_path, databases) as admin:
        admin.claim()
        context = browser.new_context(reduced_motion="reduce")
        yield Scene(context.new_page(), admin)
        context.close()


def hold(scene: Scene, address: str) -> list[Route]:
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    scene.page.route(address, keep, times=1)
    return held


@pytest.mark.parametrize("late", ["**/map", f"{ADMIN}/token**"], ids=["answer", "token"])
def test_a_press_is_not_lost_to_a_line_that_ticks(scene: Scene, late: str) -> None:
    steps = hold(scene, "**/step")
    with scene.page.expect_request("**/step"):
        scene.go()
    ours = scene.ours
    pressed = hold(scene, late)
    with scene.page.expect_request(late):
        ours.get_by_role("button", name="Say what each plan gives").click()
    steps.pop().fallback()
    ours.wait_for_function(
        "() => !document.querySelector('#self-test form.htmx-request[action$=step]')"
    )
    pressed.pop().fallback()
    expect(ours.get_by_role("heading", name="Said so far")).to_be_visible()


def test_a_line_whose_answer_is_lost_is_asked_for_again(scene: Scene) -> None:
    scene.page.clock.install()
    scene.page.route("**/step", lambda route: route.abort(), times=1)
    with scene.page.expect_event("requestfailed", lambda one: "step" in one.url):
        scene.go()
    expect(scene.ours.locator("#trouble")).to_be_visible()
    scene.page.clock.fast_forward(10_000)
    expect(scene.ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
    expect(scene.ours.locator("#trouble")).to_be_hidden()


def test_a_button_keeps_the_focus_while_the_lines_tick(scene: Scene) -> None:
    steps = hold(scene, "**/step")
    with scene.page.expect_request("**/step"):
        scene.go()
    button = scene.ours.get_by_role("button", name="Give Makegood a new key")
    button.focus()
    steps.pop().fallback()
    expect(scene.ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
    expect(button).to_be_focused()


def test_an_answer_that_is_lost_is_not_called_nothing_changed(scene: Scene) -> None:
    scene.go()
    ours = scene.ours
    expect(ours.locator("#self-test [role=status]")).to_have_text("3 of 3 done")
    scene.page.route("**/again", lambda route: route.abort())
    ours.get_by_role("button", name="Give Makegood a new key").click()
    expect(ours.locator("#trouble")).to_be_visible()
    expect(ours.locator("#trouble")).not_to_contain_text("Nothing was changed")
