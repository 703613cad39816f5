"""The vendor's own descriptions of its shapes, where they are at hand.

They lie outside the repository, at `<repo>/../shared/specs/stripe`, and are never copied into it:
a test that needs them skips with a clear word where they are absent.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator.readers import read_from_filename

_REFERENCE = re.compile(r"#/components/schemas/(\w+)")
SPECS = Path(__file__).resolve().parents[4] / "shared" / "specs" / "stripe"


def need(name: str) -> Path:
    path = SPECS / name
    if not path.is_file():
        pytest.skip(f"the vendor's file {name} is not at hand in ../shared/specs/stripe")
    return path


@cache
def fixture_text() -> str:
    return need("fixtures3.json").read_text("utf-8")


def example(kind: str) -> dict[str, Any]:
    """The vendor's example of one kind of object, to be changed freely."""
    found: dict[str, Any] = json.loads(fixture_text())["resources"][kind]
    return found


@cache
def openapi(name: str) -> dict[str, Any]:
    """One file. What it refers to and does not hold (it is a part of the whole) may be anything."""
    document, _ = read_from_filename(str(need(name)))
    schemas = document["components"]["schemas"]
    for missing in set(_REFERENCE.findall(json.dumps(document))) - set(schemas):
        schemas[missing] = {}
    _let_null_into_enums(document)
    return dict(document)


def _let_null_into_enums(node: Any) -> None:  # noqa: ANN401 - any JSON
    """Stripe answers null for a nullable word; strictly read, its enumeration must say so too."""
    if isinstance(node, dict) and node.get("nullable") and isinstance(node.get("enum"), list):
        node["enum"].append(None)
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for value in inner:
        _let_null_into_enums(value)


def faults_of(name: str, schema: dict[str, Any], value: object) -> list[str]:
    """What is wrong with a value by a schema of one of the files; each fault with its place."""
    whole = {**schema, "components": openapi(name)["components"]}
    found = OAS30Validator(whole).iter_errors(value)
    return [f"{'.'.join(str(step) for step in e.absolute_path)}: {e.message}" for e in found]
