"""The strict reader of forms."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import fields, validate

from plugin.web.problems import BadForm, TooLarge, Unreadable, WebRefusal, WrongType
from plugin.web.strict_forms import (
    LARGEST_FORM,
    MOST_FIELDS,
    Form,
    load,
    read_form,
    read_pairs,
    read_query,
    single_fields,
)

FORM = "application/x-www-form-urlencoded"


class Toy(Form):
    one = fields.String(required=True, validate=validate.Length(max=5))
    many = fields.List(fields.String(validate=validate.Length(max=3)), load_default=list)
    dashed = fields.String(data_key="with-dash")


@pytest.fixture
def app() -> Flask:
    return Flask("forms")


def _read(app: Flask, body: bytes, kind: str = FORM, **headers: str) -> dict[str, object]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with app.test_request_context("/", method="POST", data=body, content_type=kind, headers=named):
        return read_form(Toy)


def test_a_form_is_read_by_its_schema(app: Flask) -> None:
    read = _read(app, b"one=a+%C3%A4&many=x&many=y&with-dash=z")
    assert read == {"one": "a ä", "many": ["x", "y"], "dashed": "z"}
    assert _read(app, b"one=", FORM + "; charset=UTF-8") == {"one": "", "many": []}


def test_it_is_read_once_and_may_be_asked_for_again(app: Flask) -> None:
    with app.test_request_context("/", method="POST", data=b"one=a", content_type=FORM):
        assert read_pairs() == read_pairs() == (("one", "a"),)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "one"),
        (b"one=a&one=b", "one"),
        (b"one=a&secret%20name=b", "form"),
        (b"one=a&x=1&x=2", "form"),
        (b"one=abcdef", "one"),
        (b"one=a&many=abcd", "many"),
        (b"one=a&dashed=b", "form"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(app: Flask, body: bytes, field: str) -> None:
    with pytest.raises(BadForm) as error:
        _read(app, body)
    assert list(error.value.faults) == [field]
    assert "secret" not in str(error.value.faults)


@pytest.mark.parametrize(
    "body",
    [b"one", b"one=a&&many=b", b"one=%ff", b"one=\xff", b"one=%00", b"&".join([b"a=1"] * 401)],
)
def test_what_two_readers_could_understand_differently_is_refused(app: Flask, body: bytes) -> None:
    assert body.count(b"a=1") in (0, MOST_FIELDS + 1)
    with pytest.raises(Unreadable):
        _read(app, body)


@pytest.mark.parametrize(
    "kind", ["", "application/json", "multipart/form-data; boundary=x", FORM + "; charset=utf-7"]
)
def test_other_types_are_refused(app: Flask, kind: str) -> None:
    with pytest.raises(WrongType):
        _read(app, b"one=a", kind)


def test_packed_bodies_are_refused(app: Flask) -> None:
    with pytest.raises(WrongType):
        _read(app, b"one=a", Content_Encoding="gzip")


def test_large_bodies_are_refused_with_and_without_a_length(app: Flask) -> None:
    body = b"one=" + b"a" * LARGEST_FORM
    with pytest.raises(TooLarge):
        _read(app, body)
    with app.test_request_context("/", method="POST", content_type=FORM) as context:
        context.request.environ["wsgi.input_terminated"] = True
        context.request.environ["wsgi.input"] = BytesIO(body)
        context.request.environ.pop("CONTENT_LENGTH", None)
        with pytest.raises(TooLarge):
            read_form(Toy)


def test_a_query_is_read_the_same_way(app: Flask) -> None:
    with app.test_request_context("/?one=a&many=b"):
        assert read_query(Toy()) == {"one": "a", "many": ["b"]}
    with app.test_request_context("/?one=a&two=b"), pytest.raises(BadForm):
        read_query(Toy)


def test_a_first_request_of_a_desk_may_hold_more_but_nothing_twice() -> None:
    assert single_fields([("a", "1"), ("b", "2")]) == {"a": "1", "b": "2"}
    with pytest.raises(BadForm):
        single_fields([("a", "1"), ("a", "1")])


def test_nested_faults_are_told_once_each() -> None:
    with pytest.raises(BadForm) as error:
        load(Toy, [("one", "a"), ("many", "abcd"), ("many", "abcde")])
    assert error.value.faults == {"many": ("Longer than maximum length 3.",)}


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    with suppress(WebRefusal):
        _read(Flask("forms"), body)
