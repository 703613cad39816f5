"""Announcing: the owner and the open tickets read what goes, what stays and what nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from plugin.domain.effects import (
    AddTicketNote,
    Effect,
    PlannedEffect,
    RemoveTag,
    RestoreAccess,
    RevokeAccess,
    TellOwner,
    run_key,
)
from plugin.domain.ids import RunId
from plugin.domain.ledger import read_ledger
from plugin.domain.message_texts import MessageId, SentenceId
from plugin.domain.money import Money
from plugin.services.announce import Announcement, announce
from tests.factories import (
    NOW,
    a_course,
    a_line_ref,
    a_purchase,
    a_refund_fact,
    a_tag,
    an_order_ref,
    eur,
    soon,
)
from tests.services.scene import Scene, sale

NEWS = Announcement(
    MessageId.OWNER_SALE_CANCELLED,
    MessageId.NOTE_SALE_CANCELLED,
    sale(a_course("c1")),
    "Test shop",
    eur(4900),
    SentenceId.MONEY_ALL_BACK,
)


def words(scene: Scene, news: Announcement) -> tuple[AddTicketNote, TellOwner]:
    """The texts where a course and a tag go and another course stays."""
    shared = a_course("shared", "Gouache")
    older = a_line_ref("1", an_order_ref("older"))
    facts = (
        a_purchase(a_course("c1", "Ink"), a_tag("t1"), shared),
        a_purchase(shared, line=older),
        a_refund_fact(a_line_ref()),
    )
    with scene.storage.read(scene.tenant.id) as uow:
        ledger = read_ledger(facts, uow.settings.access_map(), NOW)
        done: Sequence[Effect] = (
            RevokeAccess(a_course("c1", "Ink")),
            RemoveTag(a_tag("t1")),
            RestoreAccess(shared),
            TellOwner("x", "y"),
        )
        effects = [
            PlannedEffect(run_key(RunId("r"), str(place)), place, effect)
            for place, effect in enumerate(done)
        ]
        (_, note), (_, owner) = announce(uow, news)(ledger, effects)
    assert isinstance(note, AddTicketNote)
    assert isinstance(owner, TellOwner)
    return note, owner


def test_note_and_mail_say_what_goes_and_what_stays(scene: Scene) -> None:
    note, owner = words(scene, NEWS)
    for body in (note.body, owner.body):
        assert "- Course Ink\n- Tag t1" in body
        assert "- Course Gouache, also bought on 14 Nov 2026" in body
        assert "refunded in full" in body
    assert (note.desk, note.ticket) == (None, None)
    assert "Test shop" in owner.subject


@pytest.mark.parametrize(
    ("change", "next_words"),
    [
        ({}, None),
        ({"until": soon(days=20)}, "Access ends with the paid period, on 13 Dec 2026."),
        ({"needs_person": True}, "Decide what ends, and when."),
    ],
)
def test_what_comes_next_is_said_where_there_is_something(
    scene: Scene, change: dict[str, object], next_words: str | None
) -> None:
    _, owner = words(scene, replace(NEWS, **change))  # type: ignore[arg-type]  # its keywords
    assert ("Next:" in owner.body) is (next_words is not None)
    assert (next_words or "") in owner.body


def test_news_without_an_amount_name_none(scene: Scene) -> None:
    _, owner = words(scene, replace(NEWS, amount=None, money=None))
    assert "EUR" not in owner.body
    assert "does not say whether any went back" in owner.body


@pytest.mark.parametrize(
    ("amount", "word"), [(eur(4900), "Refunded elsewhere 49.00 EUR"), (None, "")]
)
def test_the_field_tells_of_money_that_went_back_and_of_no_cancellation(
    scene: Scene, amount: Money | None, word: str
) -> None:
    note, _ = words(scene, replace(NEWS, amount=amount))
    assert note.field == word


def test_a_customer_without_a_name_is_called_by_her_address(scene: Scene) -> None:
    _, owner = words(scene, replace(NEWS, order=replace(NEWS.order, name="")))
    assert NEWS.order.email in owner.body
