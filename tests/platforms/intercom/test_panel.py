"""The panel in Intercom's inbox, from the signed post to the note. Nothing is mocked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from plugin.domain.money import Money
from plugin.ports.records import InstallationStatus
from tests.platforms.intercom.data import AGENT, OUTSIDER, OWNER
from tests.platforms.intercom.inbox import ANA, BASE, DESK, Inbox
from tests.platforms.intercom.posts import post_of, signed
from tests.web.canvas_reading import asks_of, components_of, press, texts_of

# ---------------------------------------------------------------------------------- the journey


def test_a_refund_from_the_opened_panel_to_the_note(inbox: Inbox) -> None:
    canvas = inbox.open()
    assert "Ana Horvat" in canvas.text
    assert "297.00 EUR" in canvas.text
    assert "refund" not in {verb for verb, _ in asks_of(canvas.components)}
    assert len(inbox.fake.calls()) <= 4
    canvas = canvas.press("order")
    assert "Refund 297.00 EUR" in canvas.text
    assert inbox.fake.writes() == []
    canvas = canvas.press("refund")
    assert "10 seconds, then 297.00 EUR is sent" in canvas.text
    assert inbox.paid_back() == []
    inbox.pass_time(11)
    canvas = canvas.press("timeline")
    assert "297.00 EUR refunded" in canvas.text
    assert inbox.paid_back() == [Money(29700, "EUR")]
    parts = inbox.fake.workspace.parts[int(inbox.conversation)]
    assert sorted(part["part_type"] for part in parts) == ["comment", "note"]


def test_a_refund_writes_its_tag_its_note_and_its_reply_and_nothing_else(inbox: Inbox) -> None:
    """The note is two writes, since tags have a call of their own; the customer's words a third."""
    inbox.fake.workspace.tag_id("refunded")
    inbox.open_order().press("refund")
    assert inbox.fake.writes() == []
    inbox.pass_time(11)
    beside = f"POST /conversations/{inbox.conversation}"
    assert sorted(inbox.fake.writes()) == [f"{beside}/reply", f"{beside}/reply", f"{beside}/tags"]


def test_every_opening_takes_four_calls_at_most(inbox: Inbox) -> None:
    for agent in (AGENT, OWNER, OUTSIDER):
        before = len(inbox.fake.calls())
        inbox.open(agent)
        assert len(inbox.fake.calls()) - before <= 4


def test_undo_sends_nothing_and_opens_the_order_again(inbox: Inbox) -> None:
    canvas = inbox.open_order().press("refund").press("undo")
    assert "Nothing was sent. No money has moved." in canvas.text
    assert "Refund 297.00 EUR" in canvas.text
    inbox.pass_time(60)
    assert inbox.paid_back() == []


def test_another_teammate_sees_it_run_and_has_no_button_to_undo_it(inbox: Inbox) -> None:
    inbox.open_order().press("refund")
    other = inbox.open(OWNER)
    assert "seconds, then 297.00 EUR is sent" in other.text
    assert "undo" not in {verb for verb, _ in asks_of(other.components)}


def test_what_is_typed_is_planned_and_a_fault_says_what_to_write(inbox: Inbox) -> None:
    canvas = inbox.open_order()
    canvas = canvas.press("plan", {"amount": "free", "free": "100.00"})
    assert "Refund 100.00 EUR" in canvas.text
    canvas = canvas.press("plan", {"amount": "free", "free": "9999"})
    assert "up to 297.00" in canvas.text
    assert "refund" not in {verb for verb, _ in asks_of(canvas.components)}


def test_a_choice_that_changed_since_the_plan_is_shown_and_not_paid(inbox: Inbox) -> None:
    canvas = inbox.open_order()
    canvas = canvas.press("refund", {"amount": "free", "free": "10.00"})
    assert "Refund 10.00 EUR" in canvas.text
    inbox.pass_time(60)
    assert inbox.paid_back() == []
    canvas.press("refund")
    inbox.pass_time(11)
    assert inbox.paid_back() == [Money(1000, "EUR")]


def test_an_opened_conversation_shows_its_orders_low_and_a_press_opens_one(inbox: Inbox) -> None:
    canvas = inbox.open()
    assert {verb for verb, _ in asks_of(canvas.components)} == {"order"}
    canvas = canvas.press("order").press("refund")
    inbox.pass_time(11)
    again = inbox.open()
    assert "297.00 already refunded" in again.text
    assert "297.00 EUR refunded" in again.press("order").text


def test_from_an_open_order_the_others_are_one_press_away(inbox: Inbox) -> None:
    canvas = inbox.open_order().press("search", {"q": "20425"})
    assert "1 other order" in canvas.text
    listed = canvas.press("list")
    assert len([1 for verb, _ in asks_of(listed.components) if verb == "order"]) == 2
    assert "refund" not in {verb for verb, _ in asks_of(listed.components)}


def test_ticked_steps_are_kept(inbox: Inbox) -> None:
    canvas = inbox.open_order().press("steps", {"step": ["listen", "review"]})
    assert "2 of 9 done" in canvas.text
    assert "2 of 9 done" in inbox.open_order().text


def test_another_purchase_is_found_by_its_number_and_the_proof_goes_along(inbox: Inbox) -> None:
    strange = inbox.add_conversation("stranger@mail.example")
    canvas = inbox.open(conversation=strange)
    assert "No purchase under this address" in canvas.text
    canvas = canvas.press("search", {"q": "nobody@mail.example"})
    assert "Nothing under that either" in canvas.text
    canvas = canvas.press("search", {"q": "20418"})
    assert canvas.answer["canvas"]["stored_data"] == {"ticket": strange, "number": "20418"}
    assert "Portrait Lighting" in canvas.text
    canvas = canvas.press("orders")
    assert "Portrait Lighting" in canvas.text


def test_an_address_that_a_lead_typed_opens_no_order(inbox: Inbox) -> None:
    lead = inbox.add_conversation("Ana.Horvat@mail.example", role="lead")
    canvas = inbox.open(conversation=lead)
    assert "One more proof, please" in canvas.text
    assert "refund" not in {verb for verb, _ in asks_of(canvas.components)}
    assert "Refund 297.00 EUR" in canvas.press("prove", {"proof": "20418"}).text


@pytest.mark.parametrize(
    ("address", "role", "names"),
    [
        ("Ana.Horvat@mail.example", "lead", "My order is one of"),
        ("stranger@mail.example", "user", f"I also use {ANA}. 20418"),
    ],
)
def test_a_customers_own_words_are_no_proofs_however_many_they_are(
    inbox: Inbox, address: str, role: str, names: str
) -> None:
    ticket = inbox.add_conversation(address, role=role)
    body = f"<p>{names} {' '.join(str(number) for number in range(20300, 20500))}</p>"
    inbox.fake.workspace.conversations[int(ticket)]["source"]["body"] = body
    canvas = inbox.open(conversation=ticket)
    assert "One more proof, please" in canvas.text
    assert "Weak match: e-mail in the ticket" in canvas.text
    assert {verb for verb, _ in asks_of(canvas.components)}.isdisjoint({"refund", "plan"})
    proven = canvas.press("prove", {"proof": "20418"})
    assert "Refund 297.00 EUR" in proven.text
    kept = {"ticket": ticket, "email": ANA, "number": "20418"}
    assert proven.answer["canvas"]["stored_data"] == kept


# ---------------------------------------------------------------------------------- once, by whom


def test_the_same_post_sent_again_does_nothing(inbox: Inbox) -> None:
    canvas = inbox.open_order()
    first = canvas.post(press(canvas.components, "refund"))
    running = canvas.again(*first)
    assert "used already" not in running.text
    undone = running.press("undo")
    replayed = canvas.again(*first)
    assert "That button was used already" in replayed.text
    assert "Refund 297.00 EUR" in replayed.text
    inbox.pass_time(60)
    assert inbox.paid_back() == []
    assert undone.press("refund").text != replayed.text


def test_of_the_same_post_sent_four_times_at_once_one_counts(inbox: Inbox) -> None:
    canvas = inbox.open_order()
    body, headers = canvas.post(press(canvas.components, "refund"))
    with ThreadPoolExecutor(4) as pool:
        shown = [one.text for one in pool.map(lambda _: canvas.again(body, headers), range(4))]
    assert sum("That button was used already" in text for text in shown) == 3
    inbox.pass_time(11)
    assert inbox.paid_back() == [Money(29700, "EUR")]


def test_any_button_of_a_canvas_spends_all_of_them(inbox: Inbox) -> None:
    canvas = inbox.open_order()
    canvas.press("orders")
    assert "That button was used already" in canvas.press("refund").text
    inbox.pass_time(60)
    assert inbox.paid_back() == []


def test_a_button_is_too_old_after_an_hour(inbox: Inbox) -> None:
    canvas = inbox.open_order()
    inbox.clock.turn(timedelta(hours=1))
    assert "is too old" in canvas.press("refund").text


@pytest.mark.parametrize("who", ["agent", "conversation"])
def test_a_button_works_for_nobody_else_and_nowhere_else(inbox: Inbox, who: str) -> None:
    canvas = inbox.open_order()
    moved = (
        replace(canvas, agent=str(OWNER))
        if who == "agent"
        else replace(canvas, conversation=inbox.add_conversation(ANA))
    )
    assert "That button was used already" in moved.press("refund").text
    inbox.pass_time(60)
    assert inbox.paid_back() == []
    assert "used already" not in canvas.press("refund").text


@pytest.mark.parametrize(
    "pressed",
    ["", "refund", "blocked", "refund:xyz", f"refund:{'0' * 32}?order=%ff", f"pay:{'0' * 32}"],
)
def test_an_id_that_we_never_drew_shows_what_stands(inbox: Inbox, pressed: str) -> None:
    canvas = inbox.open()
    assert "That button was used already" in canvas.again(*canvas.post(pressed)).text


def test_a_verb_that_is_none_of_ours_does_nothing_with_a_good_number(inbox: Inbox) -> None:
    canvas = inbox.open_order()
    pressed = press(canvas.components, "refund").replace("refund:", "open:")
    assert "That button was used already" in canvas.again(*canvas.post(pressed)).text


def test_proofs_of_another_conversation_stay_behind(inbox: Inbox) -> None:
    strange = inbox.add_conversation("stranger@mail.example")
    canvas = inbox.open(conversation=strange).press("search", {"q": "20418"})
    third = inbox.open(conversation=inbox.add_conversation("third@mail.example"))
    answer = replace(third, answer={"canvas": {**third.answer["canvas"]}})
    answer.answer["canvas"]["stored_data"] = canvas.answer["canvas"]["stored_data"]
    pressed = press(third.components, "search")
    shown = answer.again(*answer.post(pressed, q="nobody@mail.example"))
    assert "Portrait Lighting" not in shown.text


# ---------------------------------------------------------------------------------- who may


def test_a_teammate_without_an_inbox_seat_is_shown_nothing(inbox: Inbox) -> None:
    canvas = inbox.open(OUTSIDER)
    assert "Portrait" not in canvas.text
    assert asks_of(canvas.components) == {}


def test_a_panel_beside_no_conversation_shows_nothing(inbox: Inbox) -> None:
    body, headers = signed(post_of(str(AGENT)))
    answer = inbox.send("initialize", body, headers)
    assert "Portrait" not in " ".join(texts_of(components_of(answer)))
    assert inbox.fake.calls() == []


def test_a_post_that_is_not_signed_opens_nothing_and_calls_nobody(inbox: Inbox) -> None:
    body, headers = signed(post_of(str(AGENT), inbox.conversation))
    for name in ("initialize", "submit", "configure"):
        assert inbox.status(name, body, {"Content-Type": "application/json"}) == 401
        assert inbox.status(name, body + b" ", headers) == 401
        assert inbox.status(name, *signed(post_of(), "another secret")) == 401
        assert inbox.status(name, *signed(post_of(workspace_id="other"))) == 401
        assert inbox.status(name, b"", headers) == 401
    assert inbox.fake.calls() == []


def test_an_address_that_is_none_is_not_there(inbox: Inbox) -> None:
    body, headers = signed(post_of(str(AGENT), inbox.conversation))
    practice = inbox.house.desk
    for base in (
        "/canvas/intercom/nobody",
        f"/canvas/zendesk/{DESK}",
        f"/canvas/practice/{practice}",
        f"/canvas/intercom/{practice}",
        f"/canvas/practice/{inbox.house.shop}",
    ):
        assert inbox.status("initialize", body, headers, base) == 404
    assert inbox.app.test_client().get(f"{BASE}/initialize").status_code == 405


def test_a_removed_desk_is_not_there(inbox: Inbox) -> None:
    with inbox.parts.house.storage.begin(inbox.house.tenant) as uow:
        found = uow.installations.get(DESK)
        assert found is not None
        uow.installations.save(replace(found, status=InstallationStatus.REMOVED))
        uow.commit()
    assert inbox.status("initialize", *signed(post_of(str(AGENT), inbox.conversation))) == 404


def test_a_post_that_is_too_large_is_refused_unread(inbox: Inbox) -> None:
    huge = signed(post_of(str(AGENT), inbox.conversation, filler="x" * 600_000))
    assert inbox.status("initialize", *huge) == 413


def test_the_panels_page_is_not_there_for_such_a_desk(inbox: Inbox) -> None:
    body, headers = signed(post_of(str(AGENT), inbox.conversation))
    form = {"body": body.decode(), "x-body-signature": headers["X-Body-Signature"]}
    client = inbox.app.test_client()
    assert client.post(f"/panel/intercom/{DESK}", data=form).status_code == 404
    assert client.get(f"/panel/intercom/{DESK}").status_code == 404


def test_nothing_is_to_be_configured(inbox: Inbox) -> None:
    body, headers = signed(post_of(str(AGENT)))
    assert inbox.send("configure", body, headers) == {"results": {}}
