"""The one reader of forms: small, of one type, each field once, none that was not declared.

What two readers could understand differently is refused, not guessed: a field that comes twice,
bytes that are not UTF-8, a packed body. Raises the refusals of `plugin.web.problems`, and puts
nothing of the content into them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from flask import Request, g, request
from marshmallow import RAISE, Schema, ValidationError, fields

from plugin.web.problems import BadForm, TooLarge, Unreadable, WrongType

LARGEST_FORM: Final = 64 * 1024
MOST_FIELDS: Final = 400
_FORM: Final = "application/x-www-form-urlencoded"

Pairs = Sequence[tuple[str, str]]


class Form(Schema):
    """The fields that a form may have.

    A `fields.List` may come several times, all others once.
    """

    class Meta:
        """Marshmallow's own place for options."""

        unknown = RAISE


def read_pairs() -> Pairs:
    """The fields of this request's body in order, read once.

    Raises TooLarge, WrongType, Unreadable.
    """
    if "makegood_pairs" not in g:
        g.makegood_pairs = _pairs_of(request)
    pairs: Pairs = g.makegood_pairs
    return pairs


def read_form(schema: Schema | type[Schema]) -> dict[str, Any]:
    """This request's form by `schema`. Raises BadForm besides."""
    return load(schema, read_pairs())


def read_query(schema: Schema | type[Schema]) -> dict[str, Any]:
    """This request's query by `schema`. Raises as `read_form`."""
    return load(schema, query_pairs())


def query_pairs() -> Pairs:
    """The fields of this request's query in order. Raises Unreadable."""
    return _parsed(request.query_string)


def read_body() -> bytes:
    """This request's body as it came, of any type. Raises TooLarge, WrongType."""
    if request.content_length is not None and request.content_length > LARGEST_FORM:
        raise TooLarge("body_too_large")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise WrongType("packed_body")
    body = request.stream.read(LARGEST_FORM + 1)
    if len(body) > LARGEST_FORM:
        raise TooLarge("body_too_large")
    return body


def load(schema: Schema | type[Schema], pairs: Pairs) -> dict[str, Any]:
    """The fields of `pairs` by `schema`. Raises BadForm naming each field that cannot be used."""
    form = schema() if isinstance(schema, type) else schema
    many = {
        field.data_key or name
        for name, field in form.load_fields.items()
        if isinstance(field, fields.List)
    }
    document: dict[str, Any] = {}
    faults: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        if name in many:
            document.setdefault(name, []).append(value)
        elif name in document:
            faults[_shown(name, form)] = ("came twice",)
        else:
            document[name] = value
    if faults:
        raise BadForm(faults)
    try:
        loaded: dict[str, Any] = form.load(document)
    except ValidationError as error:
        raise BadForm(_faults(error.messages_dict, form)) from None
    return loaded


def single_fields(pairs: Pairs) -> dict[str, str]:
    """All fields, each once, declared or not: for a desk's first request. Raises BadForm."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadForm({"form": ("a field came twice",)})
    return found


def _pairs_of(asked: Request) -> Pairs:
    if asked.content_length is not None and asked.content_length > LARGEST_FORM:
        raise TooLarge("form_too_large")
    if asked.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise WrongType("packed_body")
    if asked.mimetype != _FORM or asked.mimetype_params.get("charset", "utf-8").lower() != "utf-8":
        raise WrongType("not_a_form")
    body = asked.stream.read(LARGEST_FORM + 1)
    if len(body) > LARGEST_FORM:
        raise TooLarge("form_too_large")
    return _parsed(body)


def _parsed(raw: bytes) -> Pairs:
    if not raw:
        return ()
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise Unreadable("form_unreadable") from None
    if any("\0" in part for pair in pairs for part in pair):
        raise Unreadable("form_unreadable")
    return tuple(pairs)


def _faults(messages: dict[str, Any], form: Schema) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, texts in messages.items():
        flat = texts if isinstance(texts, list) else [t for part in texts.values() for t in part]
        found[_shown(name, form)] = tuple(dict.fromkeys(str(text) for text in flat))
    return found


def _shown(name: str, form: Schema) -> str:
    """A declared field's name; what a stranger called a field is not repeated to anybody."""
    known = {field.data_key or key for key, field in form.load_fields.items()}
    return name if name in known else "form"
