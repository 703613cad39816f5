"""Every text we send: whole in each language, filled or refused, never made up."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.errors import InvalidInput
from plugin.domain.message_texts import (
    FACTS,
    REASONS,
    SENTENCES,
    TEMPLATES,
    MessageId,
    SentenceId,
    Template,
)
from plugin.domain.messages import (
    MissingFact,
    Text,
    compose,
    locale_for,
    reason_words,
    sentence,
)
from plugin.domain.texts import bullets, is_one_line, is_plain, one_line

ALL_FACTS = {name: f"<{name}>" for name in FACTS}
EVERY_TEXT = [(locale, message) for locale in TEMPLATES for message in MessageId]
FIELD = re.compile(r"\{([^}]*)\}")


def wordings(template: Template) -> list[str]:
    return [template.subject, *(words for paragraph in template.body for words in paragraph)]


def required_facts(template: Template) -> set[str]:
    """What each wording of some paragraph needs: nothing replaces it."""
    needed = set(FIELD.findall(template.subject))
    for paragraph in template.body:
        needed |= set.intersection(*(set(FIELD.findall(words)) for words in paragraph))
    return needed


@pytest.mark.parametrize("locale", TEMPLATES)
def test_each_language_has_every_text(locale: str) -> None:
    assert set(TEMPLATES[locale]) == set(MessageId)
    assert set(SENTENCES[locale]) == set(SentenceId)
    assert set(REASONS[locale][0]) == set(REASONS["en"][0])


def test_a_sentence_is_filled_like_a_text() -> None:
    assert sentence(SentenceId.NOT_THROUGH, "en-GB") == "The refund did not go through."
    assert "on 3 May." in sentence(SentenceId.NEXT_PAID_PERIOD, "en", day="3 May")
    with pytest.raises(MissingFact):
        sentence(SentenceId.NEXT_PAID_PERIOD, "en")


def test_what_we_know_ourselves_is_not_said_to_be_the_gateways_word() -> None:
    assert reason_words("dispute_open").startswith("The bank opened a dispute")
    assert reason_words("account_closed") == "The gateway says: account closed."
    assert reason_words("a\n{code}\x07") == "The gateway says: a {code}."
    assert reason_words("") == reason_words(" ") == ""


@pytest.mark.parametrize(("locale", "message"), EVERY_TEXT)
def test_a_template_names_only_facts_that_are_described(locale: str, message: MessageId) -> None:
    for wording in wordings(TEMPLATES[locale][message]):
        assert set(FIELD.findall(wording)) <= set(FACTS)


def test_every_described_fact_is_used_somewhere() -> None:
    used = {
        name
        for texts in TEMPLATES.values()
        for template in texts.values()
        for wording in wordings(template)
        for name in FIELD.findall(wording)
    }
    assert used == set(FACTS)


@pytest.mark.parametrize(("locale", "message"), EVERY_TEXT)
def test_every_text_is_whole_when_all_is_known(locale: str, message: MessageId) -> None:
    text = compose(message, locale, ALL_FACTS)
    assert text.locale == locale
    assert text.subject
    assert text.body
    assert not re.search(r"[{}]|\n\n\n", text.subject + text.body)
    assert is_one_line(text.subject)


@pytest.mark.parametrize(("locale", "message"), EVERY_TEXT)
def test_every_text_keeps_the_voice(locale: str, message: MessageId) -> None:
    text = compose(message, locale, ALL_FACTS)
    assert not re.search(
        r"submit|\bok\b|oops|error|success", text.subject + text.body, re.IGNORECASE
    )
    assert "!" not in text.body


@pytest.mark.parametrize(("locale", "message"), EVERY_TEXT)
@pytest.mark.parametrize("fact", FACTS)
def test_without_a_fact_a_text_is_whole_or_refused_by_that_name(
    locale: str, message: MessageId, fact: str
) -> None:
    facts = {name: value for name, value in ALL_FACTS.items() if name != fact}
    needed = fact in required_facts(TEMPLATES[locale][message])
    with pytest.raises(MissingFact) if needed else nullcontext() as refused:
        text = compose(message, locale, facts)
        assert not re.search(r"[{}]|\n\n\n", text.subject + text.body)
    if refused is not None:
        assert refused.value.field == fact


def test_an_approved_refund_says_what_how_much_why_and_what_next() -> None:
    text = compose(
        MessageId.APPROVED,
        "en",
        {
            "customer": "Mirela",
            "amount": "111.75 EUR",
            "product": "Watercolour Year",
            "order": "10412",
            "clause": "4.2",
            "clause_text": "Yearly memberships: months not started come back.",
            "payments": "91.79 EUR to Visa …4242, 19.96 EUR to gift card",
            "shop": "Northlight Studio",
        },
    )
    assert text == Text(
        "Your refund of 111.75 EUR is approved",
        "Hello Mirela,\n\n"
        "We will refund 111.75 EUR for Watercolour Year, order 10412.\n\n"
        "This follows clause 4.2 of our refund policy: "
        "“Yearly memberships: months not started come back.”\n\n"
        "It will go back like this: 91.79 EUR to Visa …4242, 19.96 EUR to gift card.\n\n"
        "It is not sent yet. We write again when it is.\n\n"
        "Northlight Studio",
        "en",
    )


def test_sent_and_paid_are_different_texts() -> None:
    sent = compose(MessageId.SENT, "en", ALL_FACTS)
    paid = compose(MessageId.PAID, "en", ALL_FACTS)
    assert "on its way" in sent.subject
    assert "has been paid" not in sent.subject + sent.body
    assert "has been paid" in paid.subject
    assert "on its way" not in paid.subject + paid.body


def test_a_sent_refund_without_a_known_arrival_promises_none() -> None:
    facts = {name: ALL_FACTS[name] for name in ("amount", "product", "order", "payments", "shop")}
    text = compose(MessageId.SENT, "en", facts)
    assert text.body.startswith("Hello,\n\n")
    assert "up to your bank" in text.body
    assert "Expect" not in text.body


def test_a_note_lists_what_is_gone_what_stayed_and_what_is_open() -> None:
    facts = {
        **{name: ALL_FACTS[name] for name in ("amount", "product", "order", "payments")},
        "goes": bullets(["Course Watercolour Year", "Tag wy-member"]),
        "stays": bullets(["Course Colour Mixing Basics because she also bought it on 2 Mar 2026"]),
        "unknown": bullets(["Community The Studio: Circle does not answer"]),
    }
    body = compose(MessageId.NOTE_DONE, "en", facts).body
    assert "Gone:\n- Course Watercolour Year\n- Tag wy-member\n\nStayed:\n- Course" in body
    assert body.endswith("Still open:\n- Community The Studio: Circle does not answer")


def test_a_cancelled_sale_without_word_of_money_says_that_it_is_not_told() -> None:
    facts = {name: ALL_FACTS[name] for name in ("order", "product", "customer")}
    text = compose(MessageId.OWNER_SALE_CANCELLED, "en", {**facts, "store": "Systeme.io"})
    assert "Systeme.io does not say whether any went back" in text.body


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_fact_is_not_a_fact(blank: str) -> None:
    with pytest.raises(MissingFact) as missing:
        compose(MessageId.PAID, "en", {**ALL_FACTS, "amount": blank})
    assert missing.value.field == "amount"


def test_a_declined_refund_needs_a_clause_or_a_reason() -> None:
    facts = {name: ALL_FACTS[name] for name in ("product", "order", "shop")}
    with pytest.raises(MissingFact, match="clause"):
        compose(MessageId.DECLINED, "en", facts)
    assert (
        "It was a gift."
        in compose(MessageId.DECLINED, "en", {**facts, "reason": "It was a gift."}).body
    )


@pytest.mark.parametrize(
    "control", ["\r\n", "\n", "\r", "\x00", "\x1b", "\x85", "\u2028", "\ud800"]
)
def test_a_subject_cannot_be_broken_out_of(control: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        compose(MessageId.PAID, "en", {**ALL_FACTS, "amount": f"1{control}Bcc: x@evil.example"})
    assert refused.value.field == "amount"
    assert "one line" in refused.value.advice


@pytest.mark.parametrize("control", ["\r\n", "\x00", "\x1b[2J", "\u2028"])
def test_a_body_takes_lines_but_no_other_controls(control: str) -> None:
    lines = "- a\n- b\t1"
    assert lines in compose(MessageId.SENT, "en", {**ALL_FACTS, "goes": lines}).body
    with pytest.raises(InvalidInput) as refused:
        compose(MessageId.SENT, "en", {**ALL_FACTS, "goes": f"a{control}b"})
    assert refused.value.field == "goes"


@given(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1))
def test_braces_in_a_fact_stay_braces(name: str) -> None:
    product = f"{name} {{order}} {{0}} {{amount.minor}}"
    text = compose(MessageId.MORE_NEEDED, "en", {**ALL_FACTS, "product": product})
    assert text.subject == f"One thing we need for your refund of {product}"


@given(st.text())
def test_what_stands_on_one_line_fits_every_subject(outside: str) -> None:
    line = one_line(outside)
    assert is_one_line(line)
    assert one_line(line) == line
    assert is_plain(bullets([outside, outside]))
    assert bullets([outside, outside]).count("\n") == 1


def test_writing_of_all_scripts_passes() -> None:
    for name in ("Mirela Kovač", "نرم‌افزار", "20\N{NARROW NO-BREAK SPACE}%", "水彩の一年"):
        assert is_one_line(name)
    assert one_line(" Ink\r\nbrush\x00\tpack ") == "Ink brush pack"


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [
        ("en", "en"),
        ("en-GB", "en"),
        ("en_GB", "en"),
        ("EN-Latn-GB", "en"),
        ("hr", "en"),
        ("", "en"),
    ],
)
def test_the_nearest_language_is_taken_and_said(wanted: str, spoken: str) -> None:
    assert locale_for(wanted) == spoken
    assert compose(MessageId.PAID, wanted, ALL_FACTS).locale == spoken


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [("hr-HR", "hr"), ("pt_BR", "pt-br"), ("pt-PT", "en"), ("sr-Latn-RS", "sr-latn"), ("x", "en")],
)
def test_a_language_is_cut_back_until_we_have_it(wanted: str, spoken: str) -> None:
    assert locale_for(wanted, {"en", "hr", "pt-br", "sr-latn"}) == spoken
