"""Effects: their keys, their states, and their plain form."""

from __future__ import annotations

from typing import get_args

import pytest

from plugin.domain.effects import (
    AddTicketNote,
    Effect,
    EffectState,
    RevokeAccess,
    access_key,
    effect_document,
    run_key,
)
from plugin.domain.ids import RunId, customer_key
from plugin.domain.orders import Resource, ResourceKind
from tests.domain.histories import ONE_OF_EACH
from tests.factories import CUSTOMER, STORE, a_course

COURSE = ["store-1", "course", "c1"]
BUYERS = ["store-1", "tag", "t1"]


def test_each_kind_of_effect_has_a_plain_form_of_its_own() -> None:
    assert {type(effect) for effect in ONE_OF_EACH} == set(get_args(Effect))
    assert [effect_document(effect) for effect in ONE_OF_EACH] == [
        ["cancel", "store-1", "sub-1", True],
        ["revoke", *COURSE],
        ["remove_tag", *BUYERS],
        ["restore", *COURSE],
        ["restore_tag", *BUYERS],
        ["verify", "store-1", [COURSE], [BUYERS]],
        ["note", "desk-1", "77", "Done.", ["refunded"]],
        ["customer", "desk-1", None, "ana@mail.example", "Your refund", "It is sent.", "en"],
        ["owner", "A refund failed", "Look."],
    ]


def test_a_note_with_a_word_for_the_field_is_another_one() -> None:
    note = AddTicketNote(None, None, "Done.", (), "Refunded 49.00 EUR")

    assert effect_document(note) == ["note", None, None, "Done.", [], "Refunded 49.00 EUR"]


def test_the_name_of_a_resource_is_no_part_of_the_plain_form() -> None:
    named = RevokeAccess(a_course("c1", "Watercolour"))

    assert effect_document(named) == effect_document(RevokeAccess(a_course("c1")))


def test_the_same_turn_of_the_same_resource_has_the_same_key() -> None:
    assert access_key(CUSTOMER, a_course("c1", "A"), 1) == access_key(CUSTOMER, a_course("c1"), 1)


def test_another_customer_resource_or_turn_has_another_key() -> None:
    as_tag = Resource(STORE, ResourceKind.TAG, "c1")
    keys = [
        access_key(CUSTOMER, a_course(), 1),
        access_key(CUSTOMER, a_course(), 2),
        access_key(CUSTOMER, a_course("c2"), 1),
        access_key(CUSTOMER, as_tag, 1),
        access_key(customer_key("other@mail.example"), a_course(), 1),
        run_key(RunId("run-1"), "note"),
        run_key(RunId("run-1"), "customer"),
        run_key(RunId("run-2"), "note"),
    ]

    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("state", EffectState)
def test_an_effect_is_over_unless_it_waits_or_is_being_sent(state: EffectState) -> None:
    assert state.over is (state not in (EffectState.WAITING, EffectState.SENDING))
