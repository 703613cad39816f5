"""What goes wrong beside the panel, and how long it takes: each is told in a canvas, in time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

import plugin.web.canvas
from plugin.app import create_app
from tests.platforms.intercom.data import AGENT
from tests.platforms.intercom.fake import Mishap
from tests.platforms.intercom.inbox import ANA, BASE, Inbox
from tests.platforms.intercom.posts import post_of, signed
from tests.web.canvas_reading import asks_of


def test_a_desk_that_does_not_answer_is_told_in_a_canvas(inbox: Inbox) -> None:
    inbox.fake.mishaps.append(Mishap(status=503))
    canvas = inbox.open()
    assert "does not answer" in canvas.text
    assert "Portrait" not in canvas.text


def test_a_list_that_the_desk_does_not_let_us_read_is_told_as_well(inbox: Inbox) -> None:
    canvas = inbox.open_order().press("search", {"q": "20425"})
    inbox.clock.turn(timedelta(minutes=5))
    inbox.fake.mishaps.append(Mishap(status=503))
    assert "does not answer" in canvas.press("list").text


def test_a_field_that_came_twice_is_told_in_a_canvas(inbox: Inbox) -> None:
    canvas = inbox.open_order().press("plan", {"amount": ["full", "free"]})
    assert "Something typed cannot be used" in canvas.text
    assert "Refund 297.00 EUR" in canvas.press("orders").text


def test_a_fault_of_ours_is_told_in_a_canvas_and_logged_without_words(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("ana.horvat@mail.example")

    monkeypatch.setattr("plugin.web.panel_flow.PanelFlow.show", broken)
    canvas = inbox.open()
    assert "Something broke on our side" in canvas.text
    assert "canvas.failed code=broken kind=RuntimeError" in caplog.text
    assert ANA not in caplog.text


def test_what_takes_too_long_is_answered_in_time_and_goes_on(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried: Callable[..., object] = partial(plugin.web.canvas.canvas_blueprint, answer_within=0.01)
    monkeypatch.setattr("plugin.web.canvas.canvas_blueprint", hurried)
    patient, inbox.app = inbox.app, create_app(parts=inbox.parts)
    held = threading.Event()
    inbox.fake.mishaps.append(Mishap(until=held))
    canvas = inbox.open()
    assert "Still working on it" in canvas.text
    held.set()
    inbox.app = patient
    assert "Refund 297.00 EUR" in canvas.press("orders").text


def test_what_finds_no_free_thread_is_not_done_later_either(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    canvas = inbox.open_order()
    hurried: Callable[..., object] = partial(plugin.web.canvas.canvas_blueprint, answer_within=0.01)
    monkeypatch.setattr("plugin.web.canvas.canvas_blueprint", hurried)
    monkeypatch.setattr("plugin.web.canvas._THREADS", 1)
    patient, inbox.app = inbox.app, create_app(parts=inbox.parts)
    held = threading.Event()
    inbox.fake.mishaps.append(Mishap(until=held))
    other = inbox.open(conversation=inbox.add_conversation("stranger@mail.example"))
    assert "Still working on it" in other.text
    busy = canvas.press("refund")
    assert "Nothing was done. Look again in a moment." in busy.text
    held.set()
    inbox.app = patient
    inbox.pass_time(60)
    assert inbox.paid_back() == []
    assert "Refund 297.00 EUR" in busy.press("orders").text


def test_a_button_that_takes_too_long_still_names_its_order(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    canvas = inbox.open_order()
    hurried: Callable[..., object] = partial(plugin.web.canvas.canvas_blueprint, answer_within=0.01)
    monkeypatch.setattr("plugin.web.canvas.canvas_blueprint", hurried)
    patient, inbox.app = inbox.app, create_app(parts=inbox.parts)
    held = threading.Event()
    inbox.fake.mishaps.append(Mishap(until=held))
    slow = canvas.press("refund")
    ((verb, about),) = asks_of(slow.components)
    assert (verb, dict(about)) == ("orders", {"order": inbox.house.order("20418")})
    held.set()
    inbox.app = patient
    inbox.pass_time(0)
    assert len(slow.press("orders").components) > 3


def test_a_text_in_another_script_is_sent_as_it_was_measured(inbox: Inbox) -> None:
    contact = inbox.fake.workspace.add_contact("olena@mail.example", "user", "Олена Коваль")
    beside = str(inbox.fake.workspace.add_conversation(contact))
    body, headers = signed(post_of(str(AGENT), beside))
    answer = inbox.app.test_client().post(f"{BASE}/initialize", data=body, headers=headers)
    assert "Олена Коваль".encode() in answer.get_data()
