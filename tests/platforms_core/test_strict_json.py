"""The strict reader of JSON: what it takes, what it refuses, and that it never leaks or breaks."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plugin.platforms.strict_json import JsonValue, Malformed, Reader, Unreadable, read_json

_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**19) + 1, 10**19 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=25,
)


@given(_DOCUMENTS, st.booleans(), st.sampled_from([None, 2]))
def test_ordinary_documents_read_as_the_standard_library_reads_them(
    document: JsonValue, ensure_ascii: bool, indent: int | None
) -> None:
    raw = json.dumps(document, ensure_ascii=ensure_ascii, indent=indent).encode()
    assert repr(read_json(raw)) == repr(json.loads(raw))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (b"\xef\xbb\xbf{}", "byte_order_mark"),
        ('{"a":1}'.encode("utf-16"), "wide_encoding"),
        ('{"a":1}'.encode("utf-16-le"), "wide_encoding"),
        ('{"a":1}'.encode("utf-16-be"), "wide_encoding"),
        ('{"a":1}'.encode("utf-32"), "wide_encoding"),
        (b'"\xe9"', "not_utf8"),
        (b'"\xc0\xaf"', "not_utf8"),
        (b'"\xed\xa0\x80"', "not_utf8"),
        (b"[" * 65 + b"]" * 65, "too_deep"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "too_deep"),
        (b"[" * 1_000_000, "too_deep"),
        (b'{"a":1,"a":1}', "duplicate_key"),
        (b'{"a":1,"\\u0061":2}', "duplicate_key"),
        (b'[{"deep":{"b":1,"b":2}}]', "duplicate_key"),
        (b"NaN", "not_finite"),
        (b"[Infinity]", "not_finite"),
        (b'{"a":-Infinity}', "not_finite"),
        (b"1" * 20, "long_integer"),
        (b"-" + b"1" * 20, "long_integer"),
        (b"[" + b"1" * 5_000 + b"]", "long_integer"),
        (b"1e400", "float_overflow"),
        (b"[-1e400]", "float_overflow"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udc00":1}', "surrogate"),
        (b'["\\udc00\\ud800"]', "surrogate"),
        (b'"\\u0000"', "nul"),
        (b'{"a":["x\\u0000y"]}', "nul"),
        (b'{"\\u0000":1}', "nul"),
        (b'"a\0b c"', "syntax"),
        (b'"long enough \0"', "syntax"),
        (b"{} {}", "trailing_data"),
        (b"1 2", "trailing_data"),
        (b"]", "syntax"),
        (b"{'a':1}", "syntax"),
        (b"[1,]", "syntax"),
        (b"01x", "trailing_data"),
        (b'"unclosed', "syntax"),
        (b"\xc2\xa0{}", "syntax"),
        ("[١]".encode(), "syntax"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(raw: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        read_json(raw)
    assert refusal.value.code == code
    assert refusal.value.reason.startswith(f"{code}: ")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"9999999999999999999", 9999999999999999999),
        (b"-9999999999999999999", -9999999999999999999),
        (b' \n{"a":[]}\t ', {"a": []}),
        (b'"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        (b'"\\\\u0000"', "\\u0000"),
        (b'"[[[[ \\" {{{{"', '[[[[ " {{{{'),
        (b"1e5", 100000.0),
        (b'[true,"\\u00e9",1]', [True, "é", 1]),
    ],
)
def test_documents_at_the_edge_are_read(raw: bytes, value: JsonValue) -> None:
    assert read_json(raw) == value


def test_sixty_four_levels_are_read_and_brackets_in_strings_do_not_count() -> None:
    raw = b"[" * 63 + b'{"k":"' + b"[" * 500 + b'"}' + b"]" * 63
    assert json.dumps(read_json(raw), separators=(",", ":")).encode() == raw


def test_wide_but_flat_documents_are_not_deep() -> None:
    assert read_json(b"[" + b",".join([b"[{}]"] * 500) + b"]") == [[{}]] * 500


def test_the_limits_can_be_set_but_not_beyond_what_is_safe() -> None:
    assert read_json(b"[" * 256 + b"]" * 256, max_depth=256)
    assert read_json(b"123", max_digits=3) == 123
    with pytest.raises(Unreadable, match="long_integer"):
        read_json(b"1234", max_digits=3)
    with pytest.raises(Unreadable, match="too_deep"):
        read_json(b"[[]]", max_depth=1)
    for depth in (0, 257):
        with pytest.raises(ValueError, match="max_depth"):
            read_json(b"1", max_depth=depth)
    # Python itself refuses integers of this length: that too must come as our error.
    with pytest.raises(Unreadable, match="syntax"):
        read_json(b"1" * (sys.get_int_max_str_digits() + 1), max_digits=10_000)


def test_an_unclosed_string_full_of_escaped_quotes_is_swallowed_once() -> None:
    # With a pattern that backtracks this takes many minutes.
    with pytest.raises(Unreadable, match="syntax"):
        read_json(b'"' + b'\\"' * 500_000)


@given(st.binary(max_size=200))
@example(b"\\")
@example(b'"\\')
@example(b"[" * 10_000)
def test_random_bytes_give_a_value_or_the_one_error(raw: bytes) -> None:
    with contextlib.suppress(Unreadable):
        read_json(raw)


@given(st.text('[]{}":,\\u0d8ceE+-.19 \nNaInfinityтrulsе', max_size=60))
def test_texts_close_to_json_give_a_value_or_the_one_error(text: str) -> None:
    try:
        value = read_json(text.encode())
    except Unreadable:
        return
    assert repr(value) == repr(json.loads(text))


@pytest.mark.parametrize(
    "raw",
    [
        b'{"email":"canary@shop.example",}',
        b'{"canary@shop.example":1,"canary@shop.example":2}',
        b'"canary@shop.example \xff"',
        b'"canary@shop.example \\ud800"',
        b'"canary@shop.example" x',
    ],
)
def test_the_content_never_reaches_the_error_or_its_traceback(raw: bytes) -> None:
    with pytest.raises(Unreadable) as refusal:
        read_json(raw)
    shown = "".join(traceback.format_exception(refusal.value)) + repr(refusal.value)
    assert "canary" not in shown


# -- the reader of fields

_BODY = Reader(
    read_json(
        b"""{
        "customer": {"email": " a@shop.example ", "name": "  ", "phone": null},
        "id": 42, "uid": "x-1", "amount": 12.50, "whole": 7, "paid": true, "none": null,
        "largest": 9223372036854775807, "smallest": -9223372036854775808,
        "beyond": 9223372036854775808, "below": -9223372036854775809,
        "long": 0.30000000000000004, "fifteen": 1234567890123.45,
        "resources": [{"id": "r0"}, {"id": 5}, "odd"], "empty": []
        }"""
    )
)


def test_fields_are_taken_by_their_keys() -> None:
    assert _BODY.text("customer", "email") == " a@shop.example "
    assert _BODY.integer("id") == 42
    assert _BODY.integer("largest") == 2**63 - 1
    assert _BODY.integer("smallest") == -(2**63)
    assert _BODY.number("amount") == Decimal("12.5")
    assert _BODY.number("fifteen") == Decimal("1234567890123.45")
    assert _BODY.number("whole") == Decimal(7)
    assert _BODY.number("beyond") == Decimal(2**63)
    assert _BODY.boolean("paid") is True
    assert _BODY.identifier("id") == "42"
    assert _BODY.identifier("uid") == "x-1"
    assert _BODY.section("customer").text("email") == " a@shop.example "
    first, second, third = _BODY.items("resources")
    assert (first.text("id"), second.integer("id"), third.text()) == ("r0", 5, "odd")
    assert _BODY.items("empty") == ()


@pytest.mark.parametrize("keys", [("absent",), ("none",), ("absent", "deeper"), ("none", "deeper")])
def test_an_optional_field_that_is_missing_or_null_is_none(keys: tuple[str, ...]) -> None:
    assert _BODY.optional_text(*keys) is None
    assert _BODY.optional_integer(*keys) is None
    assert _BODY.optional_number(*keys) is None
    assert _BODY.optional_boolean(*keys) is None
    assert _BODY.optional_identifier(*keys) is None
    assert _BODY.optional_section(*keys) is None
    assert _BODY.optional_items(*keys) is None


@pytest.mark.parametrize("keys", [("absent",), ("none",), ("absent", "deeper")])
@pytest.mark.parametrize(
    "method", ["text", "integer", "number", "boolean", "identifier", "section", "items"]
)
def test_a_needed_field_that_is_missing_or_null_is_malformed(
    method: str, keys: tuple[str, ...]
) -> None:
    with pytest.raises(Malformed) as fault:
        getattr(_BODY, method)(*keys)
    assert fault.value.path == ".".join(keys)


def test_a_blank_text_says_nothing() -> None:
    assert _BODY.optional_text("customer", "name") is None
    with pytest.raises(Malformed, match=r"customer\.name"):
        _BODY.text("customer", "name")


@pytest.mark.parametrize(
    ("method", "key"),
    [
        ("text", "id"),
        ("text", "paid"),
        ("text", "customer"),
        ("integer", "uid"),
        ("integer", "paid"),
        ("integer", "amount"),
        ("integer", "beyond"),
        ("integer", "below"),
        ("number", "uid"),
        ("number", "paid"),
        ("number", "long"),
        ("boolean", "id"),
        ("boolean", "uid"),
        ("identifier", "paid"),
        ("identifier", "amount"),
        ("identifier", "customer"),
        ("section", "resources"),
        ("section", "uid"),
        ("items", "customer"),
        ("items", "uid"),
    ],
)
def test_another_type_is_malformed_also_where_the_field_is_optional(method: str, key: str) -> None:
    for name in (method, f"optional_{method}"):
        with pytest.raises(Malformed) as fault:
            getattr(_BODY, name)(key)
        assert fault.value.path == key


def test_the_path_names_the_place_and_never_the_value() -> None:
    with pytest.raises(Malformed) as fault:
        _BODY.items("resources")[2].text("id")
    assert fault.value.path == "resources[2]"
    with pytest.raises(Malformed) as fault:
        _BODY.items("resources")[0].integer("id")
    assert fault.value.path == "resources[0].id"
    assert "r0" not in str(fault.value)
    with pytest.raises(Malformed) as fault:
        _BODY.section("customer").integer("email")
    assert fault.value.path == "customer.email"
    with pytest.raises(Malformed) as fault:
        Reader([]).text("id")
    assert fault.value.path == "the document"


@given(_DOCUMENTS, st.sampled_from([(), ("a",), ("a", "b")]))
def test_no_document_makes_a_reader_raise_anything_but_malformed(
    document: JsonValue, keys: tuple[str, ...]
) -> None:
    values: list[JsonValue] = [document, {"a": document}, {"a": {"b": document}}]
    for name in ("text", "integer", "number", "boolean", "identifier", "section", "items"):
        for value in values:
            with contextlib.suppress(Malformed):
                getattr(Reader(value), name)(*keys)
