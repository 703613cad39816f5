"""The editors' schema follows the code, and takes what the code takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from marshmallow import Schema, fields, validate

from plugin.platforms import manifest_json_schema as generator
from plugin.platforms.manifest_json_schema import manifest_json_schema, manifest_json_schema_text

REPOSITORY = Path(__file__).parents[2]
UPDATE = (
    "update it: python -c 'from plugin.platforms.manifest_json_schema import *; "
    'open("manifests/schema.json", "w").write(manifest_json_schema_text())\''
)


def test_the_schema_file_is_current() -> None:
    text = (REPOSITORY / "manifests" / "schema.json").read_text("utf-8")

    assert text == manifest_json_schema_text(), UPDATE


def test_the_schema_takes_sound_manifests(
    toy_store: dict[str, Any], toy_desk: dict[str, Any]
) -> None:
    judge = jsonschema.Draft202012Validator(manifest_json_schema())
    judge.check_schema(manifest_json_schema())

    judge.validate(toy_store)
    judge.validate(toy_desk)


@pytest.mark.parametrize(
    ("part", "value"),
    [("stem", "Toy"), ("surprise", 1), ("simulated", "yes"), ("auth", "magic"), ("quality", {})],
)
def test_the_schema_marks_what_the_reader_refuses(
    toy_desk: dict[str, Any], part: str, value: object
) -> None:
    judge = jsonschema.Draft202012Validator(manifest_json_schema())

    assert not judge.is_valid(toy_desk | {part: value})


def test_a_kind_of_field_without_a_shape_is_told() -> None:
    class Odd(Schema):
        part = fields.Raw()

    with pytest.raises(NotImplementedError, match="Raw"):
        generator._object(Odd())


def test_a_kind_of_limit_without_a_shape_is_told() -> None:
    class Odd(Schema):
        part = fields.String(validate=validate.Email())

    with pytest.raises(NotImplementedError, match="Email"):
        generator._object(Odd())
