"""The shape of `platform.json` as JSON Schema, for editors: completion and red lines while typing.

Derived from the marshmallow schemas, which stay the judge: rules over several fields are not in it.
"""

from __future__ import annotations

import json
from typing import Any

from marshmallow import Schema, fields, validate

from plugin.platforms.manifest_schema import MANIFEST_SCHEMAS

JsonSchema = dict[str, Any]

_END = r"\Z"


def manifest_json_schema() -> JsonSchema:
    """A JSON Schema (draft 2020-12) that takes a store's or a helpdesk's manifest."""
    kinds = {}
    for kind, schema in MANIFEST_SCHEMAS.items():
        shape = _object(schema())
        shape["properties"]["kind"] = {"const": kind.value}
        kinds[kind.value] = shape
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Makegood platform manifest",
        "oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in kinds],
        "$defs": kinds,
    }


def manifest_json_schema_text() -> str:
    """What `manifests/schema.json` must hold, byte for byte."""
    return json.dumps(manifest_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _object(schema: Schema) -> JsonSchema:
    by_key = {field.data_key or name: field for name, field in schema.fields.items()}
    return {
        "type": "object",
        "properties": {key: _value(field) for key, field in by_key.items()},
        "required": [key for key, field in by_key.items() if field.required],
        "additionalProperties": False,
    }


def _value(field: fields.Field[Any]) -> JsonSchema:
    shape = _plain(field)
    for validator in field.validators:
        shape |= _limits(validator)
    return {"anyOf": [shape, {"type": "null"}]} if field.allow_none else shape


def _plain(field: fields.Field[Any]) -> JsonSchema:
    match field:
        case fields.Nested():
            return _object(field.schema)
        case fields.List():
            return {"type": "array", "items": _value(field.inner)}
        case fields.Dict(key_field=fields.Field() as key, value_field=fields.Field() as value):
            return {
                "type": "object",
                "propertyNames": _value(key),
                "additionalProperties": _value(value),
            }
        case fields.Enum():
            return {"enum": [word.value for word in field.enum]}
        case fields.Integer():
            return {"type": "integer"}
        case fields.Boolean():
            return {"type": "boolean"}
        case fields.String():
            return {"type": "string"}
        case _:
            raise NotImplementedError(f"say how {type(field).__name__} looks in JSON Schema")


def _limits(validator: object) -> JsonSchema:
    match validator:
        case validate.Regexp(regex=regex):
            # Ours match from the start to `\Z`, a spelling that JSON Schema does not know.
            return {"pattern": f"^(?:{str(regex.pattern).removesuffix(_END)})$"}
        case validate.OneOf(choices=choices):
            return {"enum": list(choices)}
        case validate.Range(min=least, max=most):
            return {"minimum": least, "maximum": most}
        case validate.Length(min=least):
            return {"minItems": least}
        case _:
            raise NotImplementedError(f"say how {type(validator).__name__} looks in JSON Schema")
