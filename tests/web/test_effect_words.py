"""Why an effect stopped is said in sentences, for every code that ours can end with."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from plugin.domain.effects import (
    AddTicketNote,
    CancelSubscription,
    Effect,
    EffectState,
    PlannedEffect,
    RemoveTag,
    RestoreAccess,
    RestoreTag,
    RevokeAccess,
    TellCustomer,
    TellOwner,
    VerifyAccess,
)
from plugin.domain.ids import EffectKey, RunId
from plugin.ports.records import StoredEffect
from plugin.web.views.effect_words import CAUSES, advice, cause_words, effect_words
from tests.factories import CUSTOMER, STORE, a_course, a_tag

ROOT = Path(__file__).parents[2]
ENDS = {"Refused", "RetryLater", "OutcomeUnknown", "NeedsHuman", "ForPerson", "MaybeSent"}
SHARED = ("plugin/services/effect_calls.py", "plugin/mail.py", "plugin/platforms/http_client.py")

EFFECTS: tuple[Effect, ...] = (
    CancelSubscription(STORE, "sub-1", at_once=True),
    RevokeAccess(a_course()),
    RemoveTag(a_tag()),
    RestoreAccess(a_course()),
    RestoreTag(a_tag()),
    VerifyAccess(STORE, (), ()),
    AddTicketNote(None, None, "canary"),
    TellCustomer(None, None, "canary@mail.example", "canary", "canary", "en"),
    TellOwner("canary", "canary"),
)


def stopped(
    effect: Effect, outcome: str, state: EffectState = EffectState.NEEDS_PERSON
) -> StoredEffect:
    planned = PlannedEffect(EffectKey("key"), 0, effect)
    return StoredEffect(planned, RunId("run"), CUSTOMER, state, outcome=outcome)


def codes_of(path: str) -> set[str]:
    """The codes that a module ends an effect with, where they stand as words."""
    calls = [
        node
        for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ENDS | {"_Broken"}
        and node.args
    ]
    return {
        word.value
        for call in calls
        for word in ast.walk(call.args[0])
        if isinstance(word, ast.Constant) and isinstance(word.value, str)
    }


@pytest.mark.parametrize("path", SHARED)
def test_every_code_that_all_platforms_share_has_its_sentence(path: str) -> None:
    found = {code for code in codes_of(path) if code.isidentifier()}
    assert found
    assert found - set(CAUSES) == set()


@pytest.mark.parametrize("code", CAUSES)
def test_a_cause_is_one_sentence_for_people(code: str) -> None:
    words = cause_words(code)
    assert words.endswith(".")
    assert "_" not in words.replace("MAKEGOOD_OWNER", "").replace("MAKEGOOD_SMTP_URL", "")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("", ""),
        ("not_yet: 2 still held, 1 missing", "The platform still shows 2 too many and 1 too few."),
        ("http_422", "The platform refused it with HTTP 422."),
        ("odd_new_code", "It ended with: odd new code."),
        ("two\nlines", "It ended with: two lines."),
    ],
)
def test_a_code_without_a_sentence_is_told_all_the_same(code: str, words: str) -> None:
    assert cause_words(code) == words


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: type(effect).__name__)
@pytest.mark.parametrize("state", [EffectState.NEEDS_PERSON, EffectState.UNKNOWN])
def test_every_effect_says_what_it_is_and_what_to_do_and_shows_no_text_of_its_own(
    effect: Effect, state: EffectState
) -> None:
    told = f"{effect_words(effect)}. {advice(stopped(effect, 'fault', state))}"
    assert "made a mistake; its log says where. " in told
    assert told.endswith(".")
    assert "canary" not in told


def test_a_field_that_was_not_taken_is_told_with_the_word_to_set_by_hand() -> None:
    note = AddTicketNote(None, None, "canary", (), "Refunded 49.00 EUR")
    assert advice(stopped(note, "field_refused")) == (
        "The helpdesk did not take the ticket field; the note and its tags stand. "
        'Set the field to "Refunded 49.00 EUR" yourself, or mend its name on the install screen '
        "and replay this on the health page."
    )


@pytest.mark.parametrize("effect", EFFECTS[-2:], ids=["customer", "owner"])
def test_a_mail_that_may_have_gone_out_is_not_sent_by_hand_at_once(effect: Effect) -> None:
    unknown = advice(stopped(effect, "mail_server_quiet", EffectState.UNKNOWN))
    assert "not sent again by itself" in unknown
    assert "yourself" not in unknown
    assert "yourself" in advice(stopped(effect, "no_mail_server"))
